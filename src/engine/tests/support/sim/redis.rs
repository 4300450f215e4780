//! As much of a Redis as the engine uses: it reads commands, keeps items, runs the engine's own
//! scripts, keeps those who wait in line, and knows no network. `sim.rs` compares it with a real
//! one.

use mlua::{Function, Lua, MultiValue, Value};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";

/// A server.
pub struct Redis {
    lua: Lua,
    scripts: BTreeMap<Vec<u8>, Function>,
    items: Arc<Mutex<Items>>,
    /// Those who block, in the order of their coming.
    waiting: Vec<Waiting>,
    /// What was given to them.
    woken: Vec<Woken>,
    /// What each connection watches.
    watches: BTreeMap<usize, Vec<Watched>>,
    /// The transactions that were begun.
    transactions: BTreeMap<usize, Vec<Vec<Vec<u8>>>>,
}

/// An item as it was when it was first watched.
struct Watched {
    key: Vec<u8>,
    changes: u64,
    was_there: bool,
}

/// A connection that was waiting, and does not any more.
pub struct Woken {
    pub connection: usize,
    pub reply: Vec<u8>,
    /// The lock that it was given.
    pub locked: Option<Vec<u8>>,
}

struct Waiting {
    connection: usize,
    list: Vec<u8>,
    until_ms: u64,
}

#[derive(Default)]
struct Items {
    items: BTreeMap<Vec<u8>, Item>,
    now_ms: u64,
    /// The locks that were taken by the command that runs.
    locked: Vec<Vec<u8>>,
    /// How often each was changed, other than by its end.
    changes: BTreeMap<Vec<u8>, u64>,
}

struct Item {
    content: Content,
    end_ms: Option<u64>,
}

#[derive(Clone)]
enum Content {
    Value(Vec<u8>),
    List(Vec<Vec<u8>>),
}

/// What a command answers.
enum Said {
    State(&'static str),
    Error(String),
    Number(i64),
    Value(Vec<u8>),
    Nothing,
    List(Vec<Said>),
    NoList,
}

/// What has become of a command.
pub struct Executed {
    /// Its length.
    pub bytes: usize,
    /// The locks that it has taken.
    pub locked: Vec<Vec<u8>>,
    /// It blocks until then, by the server's clock.
    pub until_ms: Option<u64>,
}

impl Redis {
    pub fn new() -> Self {
        let lua = Lua::new();
        let items = Arc::new(Mutex::new(Items::default()));
        let redis = lua.create_table().expect("a table");
        for (name, throws) in [("call", true), ("pcall", false)] {
            let items = Arc::clone(&items);
            let command = move |lua: &Lua, words: MultiValue| {
                let words: Vec<Vec<u8>> = words.iter().map(bytes_of).collect();
                let said = items.lock().expect("no panic before").execute(&words);
                match said {
                    Said::Error(text) if throws => Err(mlua::Error::runtime(text)),
                    said => to_lua(lua, said),
                }
            };
            redis.set(name, lua.create_function(command).expect("a function")).expect("a table");
        }
        lua.globals().set("redis", redis).expect("a table");
        Self {
            lua,
            scripts: BTreeMap::new(),
            items,
            waiting: Vec::new(),
            woken: Vec::new(),
            watches: BTreeMap::new(),
            transactions: BTreeMap::new(),
        }
    }

    /// A server that has been in use since long ago, by the mark that says when it was first seen.
    pub fn aged() -> Self {
        let server = Self::new();
        let mark = b"\0\0\0\0\0\0\0\x010123456789abcdef 1700000000000000".to_vec();
        server.items.lock().expect("no panic before").execute(&[
            b"SET".to_vec(),
            b"sc:birth".to_vec(),
            mark,
        ]);
        server
    }

    /// Moves its clock, never back; those whose time is up are told so.
    pub fn set_clock(&mut self, now_ms: u64) {
        let mut items = self.items.lock().expect("no panic before");
        items.now_ms = items.now_ms.max(now_ms);
        let now_ms = items.now_ms;
        let woken = &mut self.woken;
        self.waiting.retain(|waiting| {
            let is_waiting = waiting.until_ms > now_ms;
            if !is_waiting {
                let (connection, reply) = (waiting.connection, b"*-1\r\n".to_vec());
                woken.push(Woken { connection, reply, locked: None });
            }
            is_waiting
        });
    }

    /// The time of a connection that waits is up.
    pub fn give_up(&mut self, connection: usize) {
        let until = self.waiting.iter().find(|waiting| waiting.connection == connection);
        if let Some(until_ms) = until.map(|waiting| waiting.until_ms) {
            self.set_clock(until_ms);
        }
    }

    /// A connection was closed.
    pub fn forget(&mut self, connection: usize) {
        self.waiting.retain(|waiting| waiting.connection != connection);
        self.watches.remove(&connection);
        self.transactions.remove(&connection);
    }

    /// What is to be said to connections that were waiting.
    pub fn woken(&mut self) -> Vec<Woken> {
        std::mem::take(&mut self.woken)
    }

    /// Carries out the first command, if all of it is there and the connection does not wait. Its
    /// reply goes to the end of `output`.
    pub fn execute(
        &mut self,
        connection: usize,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Option<Executed> {
        if self.waiting.iter().any(|waiting| waiting.connection == connection) {
            return None;
        }
        let (words, bytes) = command(input)?;
        let mut until_ms = None;
        let said = match words[0].as_slice() {
            b"MULTI" => {
                self.transactions.insert(connection, Vec::new());
                Some(Said::State("OK"))
            }
            b"EXEC" => Some(self.end_transaction(connection)),
            _ if self.transactions.contains_key(&connection) => {
                self.transactions.entry(connection).or_default().push(words);
                Some(Said::State("QUEUED"))
            }
            b"WATCH" => {
                self.watch(connection, &words[1..]);
                Some(Said::State("OK"))
            }
            b"UNWATCH" => {
                self.watches.remove(&connection);
                Some(Said::State("OK"))
            }
            b"INFO" => Some(Said::Value(b"redis_version:7.0.15\r\n".to_vec())),
            b"SCRIPT" => {
                let mut hasher = DefaultHasher::new();
                words[2].hash(&mut hasher);
                let name = format!("{:040x}", hasher.finish()).into_bytes();
                let function = self.lua.load(&words[2][..]).into_function().expect("a script");
                self.scripts.insert(name.clone(), function);
                Some(Said::Value(name))
            }
            b"EVAL" => {
                let function = self.lua.load(&words[1][..]).into_function().expect("a script");
                self.scripts.insert(words[1].clone(), function);
                Some(self.run(&words))
            }
            b"EVALSHA" => Some(self.run(&words)),
            b"BLPOP" => {
                let seconds: f64 = text(&words[2]).parse().expect("seconds");
                let mut items = self.items.lock().expect("no panic before");
                match items.pop(&words[1]) {
                    None => {
                        let until = items.now_ms + (seconds * 1000.0) as u64;
                        let list = words[1].clone();
                        self.waiting.push(Waiting { connection, list, until_ms: until });
                        until_ms = Some(until);
                        None
                    }
                    Some((said, locked)) => {
                        items.locked.extend(locked);
                        Some(said)
                    }
                }
            }
            _ => Some(self.items.lock().expect("no panic before").execute(&words)),
        };
        if let Some(said) = said {
            said.write(output);
        }
        self.serve();
        let locked = std::mem::take(&mut self.items.lock().expect("no panic before").locked);
        Some(Executed { bytes, locked, until_ms })
    }

    fn watch(&mut self, connection: usize, keys: &[Vec<u8>]) {
        let mut items = self.items.lock().expect("no panic before");
        let watches = self.watches.entry(connection).or_default();
        for key in keys {
            if watches.iter().all(|watched| watched.key != *key) {
                let was_there = items.find(key).is_some();
                watches.push(Watched { key: key.clone(), changes: items.changes(key), was_there });
            }
        }
    }

    /// Carries out what was begun with `MULTI`, if all that is watched is as it was.
    fn end_transaction(&mut self, connection: usize) -> Said {
        let Some(commands) = self.transactions.remove(&connection) else {
            return Said::Error("ERR EXEC without MULTI".into());
        };
        let mut items = self.items.lock().expect("no panic before");
        for Watched { key, changes, was_there } in
            self.watches.remove(&connection).unwrap_or_default()
        {
            if items.changes(&key) != changes || was_there && items.find(&key).is_none() {
                return Said::NoList;
            }
        }
        Said::List(commands.iter().map(|words| items.execute(words)).collect())
    }

    fn run(&mut self, words: &[Vec<u8>]) -> Said {
        let Some(function) = self.scripts.get(&words[1]) else {
            return Said::Error("NOSCRIPT No matching script.".into());
        };
        let keys: usize = text(&words[2]).parse().expect("a number of keys");
        let table = |words: &[Vec<u8>]| {
            let words = words.iter().map(|word| self.lua.create_string(word).expect("a string"));
            self.lua.create_sequence_from(words).expect("a table")
        };
        let globals = self.lua.globals();
        globals.set("KEYS", table(&words[3..3 + keys])).expect("a global");
        globals.set("ARGV", table(&words[3 + keys..])).expect("a global");
        match function.call::<Value>(()) {
            Ok(value) => of_lua(&value),
            Err(error) => panic!("a script fails: {error}"),
        }
    }

    /// Gives what was pushed to those who wait, in the order of their coming.
    fn serve(&mut self) {
        let mut index = 0;
        while index < self.waiting.len() {
            let list = &self.waiting[index].list;
            let popped = self.items.lock().expect("no panic before").pop(list);
            match popped {
                None => index += 1,
                Some((said, locked)) => {
                    let connection = self.waiting.remove(index).connection;
                    let mut reply = Vec::new();
                    said.write(&mut reply);
                    self.woken.push(Woken { connection, reply, locked });
                }
            }
        }
    }
}

impl Items {
    fn find(&mut self, key: &[u8]) -> Option<&mut Item> {
        let now_ms = self.now_ms;
        let is_over = |item: &Item| item.end_ms.is_some_and(|end_ms| end_ms <= now_ms);
        if self.items.get(key).is_some_and(is_over) {
            self.items.remove(key);
        }
        self.items.get_mut(key)
    }

    fn changes(&self, key: &[u8]) -> u64 {
        self.changes.get(key).copied().unwrap_or_default()
    }

    /// Counts a change of the item.
    fn change(&mut self, key: &[u8]) {
        *self.changes.entry(key.to_vec()).or_default() += 1;
    }

    /// Whether there is such an item, which counts as changed then.
    fn change_if_there(&mut self, key: &[u8]) -> bool {
        let is_there = self.find(key).is_some();
        if is_there {
            self.change(key);
        }
        is_there
    }

    /// What it is, if it is no list.
    fn value(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        match &self.find(key)?.content {
            Content::Value(value) => Some(value.clone()),
            Content::List(_) => None,
        }
    }

    /// What is in a list: nothing, if there is none.
    fn list(&mut self, key: &[u8]) -> Result<Vec<Vec<u8>>, Said> {
        match self.find(key).map(|item| &item.content) {
            None => Ok(Vec::new()),
            Some(Content::List(list)) => Ok(list.clone()),
            Some(Content::Value(_)) => Err(Said::Error(WRONG_TYPE.into())),
        }
    }

    /// Replaces a list; one without anything in it is none.
    fn put(&mut self, key: &[u8], list: Vec<Vec<u8>>) {
        let end_ms = self.find(key).and_then(|item| item.end_ms);
        match list.is_empty() {
            true => _ = self.items.remove(key),
            false => {
                let content = Content::List(list);
                self.items.insert(key.to_vec(), Item { content, end_ms });
            }
        }
        self.change(key);
    }

    /// Takes the first value of a list: the answer to a `BLPOP`, and the lock that is given by it.
    fn pop(&mut self, key: &[u8]) -> Option<(Said, Option<Vec<u8>>)> {
        let mut list = self.list(key).ok()?;
        if list.is_empty() {
            return None;
        }
        let first = list.remove(0);
        self.put(key, list);
        let lock = [b"sc:l:", key.strip_prefix(b"sc:w:")?].concat();
        let is_its = self.list(&lock).is_ok_and(|list| list == [first.clone()]);
        let said = Said::List(vec![Said::Value(key.to_vec()), Said::Value(first)]);
        Some((said, is_its.then(|| plain(&lock))))
    }

    /// Moves the last value of a list to the front of another.
    fn hand_on(&mut self, from: &[u8], to: &[u8]) -> Result<Said, Said> {
        let (mut source, mut target) = (self.list(from)?, self.list(to)?);
        let Some(last) = source.pop() else { return Ok(Said::Nothing) };
        target.insert(0, last.clone());
        self.put(from, source);
        self.put(to, target);
        Ok(Said::Value(last))
    }

    fn end_ms(&self, option: &[u8], number: &[u8]) -> Option<u64> {
        let seconds: u64 = text(number).parse().expect("seconds");
        match option {
            b"EX" | b"EXPIRE" => Some(self.now_ms + seconds * 1000),
            _ => panic!("a date instead of a span"),
        }
    }

    fn execute(&mut self, words: &[Vec<u8>]) -> Said {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        self.try_to(&words).unwrap_or_else(|error| error)
    }

    fn try_to(&mut self, words: &[&[u8]]) -> Result<Said, Said> {
        let number = |is: bool| Said::Number(is.into());
        Ok(match *words {
            [b"GET" | b"GETRANGE", key, ..] if self.is_list(key) => {
                return Err(Said::Error(WRONG_TYPE.into()));
            }
            [b"TYPE", key] => Said::State(match self.find(key).map(|item| &item.content) {
                None => "none",
                Some(Content::Value(_)) => "string",
                Some(Content::List(_)) => "list",
            }),
            [b"GET", key] => self.value(key).map_or(Said::Nothing, Said::Value),
            [b"MGET", ref keys @ ..] => {
                let value = |key: &&[u8]| self.value(key).map_or(Said::Nothing, Said::Value);
                Said::List(keys.iter().map(value).collect())
            }
            [b"GETRANGE", key, b"0", b"7"] => {
                let mut value = self.value(key).unwrap_or_default();
                value.truncate(8);
                Said::Value(value)
            }
            [b"EXISTS", key] => number(self.find(key).is_some()),
            [b"SET", key, value, ref options @ ..] => {
                let (is_add, life) = match options {
                    [b"NX", life @ ..] => (true, life),
                    life => (false, life),
                };
                if is_add && self.find(key).is_some() {
                    return Ok(Said::Nothing);
                }
                let end_ms = match life {
                    [] => None,
                    [option, number] => self.end_ms(option, number),
                    _ => panic!("options of SET"),
                };
                if key.starts_with(b"sc:l:") {
                    self.locked.push(plain(key));
                }
                let content = Content::Value(value.to_vec());
                self.items.insert(key.to_vec(), Item { content, end_ms });
                self.change(key);
                Said::State("OK")
            }
            [b"DEL", ref keys @ ..] => {
                let there = keys.iter().filter(|key| {
                    let is_there = self.change_if_there(key);
                    self.items.remove(**key);
                    is_there
                });
                Said::Number(there.count() as i64)
            }
            [b"PEXPIRE", key, ms] => {
                let end_ms = self.now_ms + text(ms).parse::<u64>().expect("milliseconds");
                let is_there = self.change_if_there(key);
                self.find(key).into_iter().for_each(|item| item.end_ms = Some(end_ms));
                number(is_there)
            }
            [b"EXPIRE", key, seconds] => {
                let end_ms = self.end_ms(b"EX", seconds);
                let is_there = self.change_if_there(key);
                self.find(key).into_iter().for_each(|item| item.end_ms = end_ms);
                number(is_there)
            }
            [b"PERSIST", key] => {
                let had_end = self.find(key).is_some_and(|item| item.end_ms.take().is_some());
                if had_end {
                    self.change(key);
                }
                number(had_end)
            }
            [b"PTTL", key] => {
                let now_ms = self.now_ms;
                Said::Number(match self.find(key).map(|item| item.end_ms) {
                    None => -2,
                    Some(None) => -1,
                    Some(Some(end_ms)) => (end_ms - now_ms) as i64,
                })
            }
            [b"LLEN", key] => Said::Number(self.list(key)?.len() as i64),
            [b"LINDEX", key, b"0"] => {
                self.list(key)?.into_iter().next().map_or(Said::Nothing, Said::Value)
            }
            [b"LRANGE", key, b"0", last @ (b"0" | b"-1")] => {
                let count = if last == b"0" { 1 } else { usize::MAX };
                Said::List(self.list(key)?.into_iter().take(count).map(Said::Value).collect())
            }
            [b"RPUSH" | b"LPUSH", key, value] => {
                let mut list = self.list(key)?;
                let at = if words[0] == b"LPUSH" { 0 } else { list.len() };
                list.insert(at, value.to_vec());
                let length = list.len() as i64;
                self.put(key, list);
                Said::Number(length)
            }
            [b"LREM", key, b"1", value] => {
                let mut list = self.list(key)?;
                let at = list.iter().position(|one| one == value);
                if let Some(at) = at {
                    list.remove(at);
                    self.put(key, list);
                }
                number(at.is_some())
            }
            [b"RPOPLPUSH", from, to] | [b"LMOVE", from, to, b"RIGHT", b"LEFT"] => {
                self.hand_on(from, to)?
            }
            [b"COPY", from, to] => {
                let copy = self.find(from).map(|item| (item.content.clone(), item.end_ms));
                let is_free = self.find(to).is_none();
                number(match copy.filter(|_| is_free) {
                    Some((content, end_ms)) => {
                        self.items.insert(to.to_vec(), Item { content, end_ms });
                        self.change(to);
                        true
                    }
                    None => false,
                })
            }
            _ => panic!("the engine does not send {}", words[0].escape_ascii()),
        })
    }

    fn is_list(&mut self, key: &[u8]) -> bool {
        self.find(key).is_some_and(|item| matches!(item.content, Content::List(_)))
    }
}

impl Said {
    fn write(&self, output: &mut Vec<u8>) {
        let mut line = |text: String| output.extend_from_slice(text.as_bytes());
        match self {
            Self::State(state) => line(format!("+{state}\r\n")),
            Self::Error(text) => line(format!("-{text}\r\n")),
            Self::Number(number) => line(format!(":{number}\r\n")),
            Self::Nothing => line("$-1\r\n".into()),
            Self::NoList => line("*-1\r\n".into()),
            Self::Value(value) => {
                line(format!("${}\r\n", value.len()));
                output.extend_from_slice(value);
                output.extend_from_slice(b"\r\n");
            }
            Self::List(list) => {
                line(format!("*{}\r\n", list.len()));
                list.iter().for_each(|said| said.write(output));
            }
        }
    }
}

/// The words of the first command and its length, if all of it is there.
fn command(input: &[u8]) -> Option<(Vec<Vec<u8>>, usize)> {
    let mut at = 0;
    let number = |kind: u8, at: &mut usize| {
        let line = input.get(*at..)?.windows(2).position(|two| two == b"\r\n")?;
        let line = &input[*at..*at + line];
        *at += line.len() + 2;
        assert_eq!(line[0], kind, "a command is an array of values");
        Some(text(&line[1..]).parse::<usize>().expect("a number"))
    };
    let count = number(b'*', &mut at)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let bytes = number(b'$', &mut at)?;
        words.push(input.get(at..at + bytes)?.to_vec());
        at += bytes + 2;
    }
    (at <= input.len()).then_some((words, at))
}

/// What others call a key.
fn plain(key: &[u8]) -> Vec<u8> {
    key.iter().copied().filter(|byte| !b"{}".contains(byte)).collect()
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("digits")
}

fn bytes_of(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Integer(number) => number.to_string().into_bytes(),
        Value::Number(number) => number.to_string().into_bytes(),
        other => panic!("a script passes {other:?}"),
    }
}

/// What a script gets. Source: "Data type conversion" of Redis' "Lua API reference".
fn to_lua(lua: &Lua, said: Said) -> mlua::Result<Value> {
    Ok(match said {
        Said::State(state) => Value::Table(lua.create_table_from([("ok", state)])?),
        Said::Error(text) => Value::Table(lua.create_table_from([("err", text)])?),
        Said::Number(number) => Value::Number(number as f64),
        Said::Value(value) => Value::String(lua.create_string(value)?),
        Said::Nothing => Value::Boolean(false),
        Said::List(list) => {
            let values: Vec<Value> =
                list.into_iter().map(|said| to_lua(lua, said)).collect::<Result<_, _>>()?;
            Value::Table(lua.create_sequence_from(values)?)
        }
        Said::NoList => unreachable!("no command of the scripts answers that"),
    })
}

/// What a script answers, likewise.
fn of_lua(value: &Value) -> Said {
    match value {
        Value::Number(number) => Said::Number(*number as i64),
        Value::Integer(number) => Said::Number(*number),
        Value::String(text) => Said::Value(text.as_bytes().to_vec()),
        Value::Boolean(false) | Value::Nil => Said::Nothing,
        Value::Table(table) => Said::List(
            table.sequence_values().map(|value| of_lua(&value.expect("a value"))).collect(),
        ),
        other => panic!("a script answers {other:?}"),
    }
}
