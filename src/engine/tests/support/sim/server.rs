//! As much of a memcached as the engine uses, byte for byte: it reads requests, keeps items, writes
//! replies, and knows no network. `sim.rs` compares it with a real one.

use std::collections::BTreeMap;

/// What a server keeps.
#[derive(Default)]
pub struct Server {
    items: BTreeMap<Vec<u8>, Item>,
    last_cas: u64,
    /// Its clock: whole seconds, which is all that memcached knows of time.
    clock_s: u64,
}

struct Item {
    value: Vec<u8>,
    cas: u64,
    /// By its clock; none: no end.
    end_s: Option<u64>,
}

/// Longest time to live that is a span; memcached takes a longer one for a date, which no lifetime
/// of these tests is.
const SPAN_S_MAX: u64 = 60 * 60 * 24 * 30;

impl Server {
    /// A server that has been in use since long ago, by the mark that says when it was first seen.
    pub fn aged() -> Self {
        let mut server = Self::default();
        let mark = "ms sc:birth 33 T0 ME c O0\r\n0123456789abcdef 1700000000000000\r\n";
        server.execute(mark.as_bytes(), &mut Vec::new());
        server
    }

    /// Moves its clock, never back.
    pub fn set_clock(&mut self, clock_s: u64) {
        self.clock_s = self.clock_s.max(clock_s);
    }

    /// Carries out the first request, if all of it is there: how long it is. Its reply goes to the
    /// end of `output`.
    pub fn execute(&mut self, input: &[u8], output: &mut Vec<u8>) -> Option<usize> {
        let line_bytes = request_line(input)?;
        let line = str::from_utf8(&input[..line_bytes - 2]).expect("requests are ASCII");
        let words: Vec<&str> = line.split(' ').collect();
        let (mut bytes, mut value) = (line_bytes, &input[..0]);
        if words[0] == "ms" {
            let length: usize = words[2].parse().expect("a length");
            bytes += length + 2;
            value = input.get(line_bytes..line_bytes + length)?;
            input.get(..bytes)?;
        }
        let reply = match words[0] {
            "mn" => "MN".into(),
            "version" => "VERSION 1.6.18".into(),
            "stats" => "STAT cas_enabled yes\r\nSTAT item_size_max 1048576\r\nEND".into(),
            "mg" => self.get(words[1], &words[2..], output),
            "ms" => self.set(words[1], value, &words[3..]),
            "md" => self.delete(words[1], &words[2..]),
            other => panic!("the engine does not send {other}"),
        };
        if !reply.is_empty() {
            output.extend_from_slice(reply.as_bytes());
            output.extend_from_slice(b"\r\n");
        }
        Some(bytes)
    }

    fn item(&self, key: &[u8]) -> Option<&Item> {
        self.items.get(key).filter(|item| item.end_s.is_none_or(|end_s| end_s > self.clock_s))
    }

    fn end_s(&self, ttl: &str) -> Option<u64> {
        let ttl_s: u64 = ttl.parse().expect("seconds");
        assert!(ttl_s <= SPAN_S_MAX, "a date instead of a span");
        (ttl_s != 0).then_some(self.clock_s + ttl_s)
    }

    /// The answer to `mg`; its value follows the line, so both go to `output`.
    fn get(&mut self, key: &str, flags: &[&str], output: &mut Vec<u8>) -> String {
        let end_s = flags.iter().find_map(|flag| flag.strip_prefix('T')).map(|ttl| self.end_s(ttl));
        let clock_s = self.clock_s;
        let Some(item) = self.item(key.as_bytes()) else {
            return format!("EN{}", repeated(flags, |_| None));
        };
        let is_value = flags.contains(&"v");
        let end_s = end_s.unwrap_or(item.end_s);
        let told = repeated(flags, |flag| match flag {
            "c" => Some(format!("c{}", item.cas)),
            "t" => Some(match end_s {
                Some(end_s) => format!("t{}", end_s - clock_s),
                None => "t-1".into(),
            }),
            _ => None,
        });
        let reply = match is_value {
            true => {
                output.extend_from_slice(format!("VA {}{told}\r\n", item.value.len()).as_bytes());
                output.extend_from_slice(&item.value);
                output.extend_from_slice(b"\r\n");
                String::new()
            }
            false => format!("HD{told}"),
        };
        self.items.get_mut(key.as_bytes()).expect("it is there").end_s = end_s;
        reply
    }

    fn set(&mut self, key: &str, value: &[u8], flags: &[&str]) -> String {
        let wanted = flags.iter().find_map(|flag| flag.strip_prefix('C'));
        let wanted = wanted.map(|cas| cas.parse::<u64>().expect("a number"));
        let found = self.item(key.as_bytes()).map(|item| item.cas);
        let code = match (wanted, found) {
            (None, None) => "HD",
            (Some(wanted), Some(found)) if wanted == found => "HD",
            (None, Some(_)) if flags.contains(&"ME") => "NS",
            (None, Some(_)) => panic!("the engine stores nothing without a condition"),
            (Some(_), Some(_)) => "EX",
            (Some(_), None) => "NF",
        };
        let mut cas = 0;
        if code == "HD" {
            self.last_cas += 1;
            cas = self.last_cas;
            let ttl = flags.iter().find_map(|flag| flag.strip_prefix('T')).expect("a time to live");
            let item = Item { value: value.to_vec(), cas, end_s: self.end_s(ttl) };
            self.items.insert(key.as_bytes().to_vec(), item);
        }
        format!("{code}{}", repeated(flags, |flag| (flag == "c").then(|| format!("c{cas}"))))
    }

    fn delete(&mut self, key: &str, flags: &[&str]) -> String {
        let wanted = flags.iter().find_map(|flag| flag.strip_prefix('C')).expect("a CAS");
        let code = match self.item(key.as_bytes()) {
            None => "NF",
            Some(item) if item.cas.to_string() != wanted => "EX",
            Some(_) => {
                self.items.remove(key.as_bytes());
                if flags.contains(&"q") {
                    return String::new();
                }
                "HD"
            }
        };
        format!("{code}{}", repeated(flags, |_| None))
    }
}

/// Bytes of the first line with its end, if all of it is there.
fn request_line(input: &[u8]) -> Option<usize> {
    input.windows(2).position(|two| two == b"\r\n").map(|end| end + 2)
}

/// The flags of a reply, in the order of the request: what `told` says, and the request's number.
fn repeated(flags: &[&str], told: impl Fn(&str) -> Option<String>) -> String {
    let own = |flag: &&str| flag.starts_with('O').then(|| (*flag).to_owned());
    flags.iter().filter_map(|flag| told(flag).or_else(|| own(flag))).fold(
        String::new(),
        |mut text, flag| {
            text.push(' ');
            text.push_str(&flag);
            text
        },
    )
}
