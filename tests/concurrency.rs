//! Many processes, many sessions, everything at once, against a model.

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use support::{Setup, count, folder, in_parallel, seeded};

/// One existence of a session, from the first increment to its destruction, under whatever id.
#[derive(Default)]
struct Life {
    /// The counts that increments returned. None twice: no update was lost.
    counts: BTreeSet<usize>,
    /// A destruction of it was acknowledged.
    ended: bool,
}

/// What the processes were told, and which id each of the sessions has now.
struct Model {
    ids: Vec<String>,
    lives: BTreeMap<String, Life>,
}

/// What was certain about lives before a command was sent.
struct Before {
    /// The highest acknowledged count of each life.
    counts: BTreeMap<String, usize>,
    ended: BTreeSet<String>,
}

impl Model {
    fn before(&self) -> Before {
        let last = |life: &Life| life.counts.last().copied().unwrap_or_default();
        let counts = self.lives.iter().map(|(token, life)| (token.clone(), last(life)));
        let ended = self.lives.iter().filter(|(_, life)| life.ended);
        Before { counts: counts.collect(), ended: ended.map(|(token, _)| token.clone()).collect() }
    }

    /// Takes note of an increment: it goes on from all that was acknowledged, and nobody else made
    /// it.
    fn incremented(&mut self, life: &str, before: &Before) {
        let (token, count) = seen(life, before);
        assert!(Some(&count) > before.counts.get(token), "{life} goes back");
        let known = self.lives.entry(token.to_owned()).or_default();
        assert!(known.counts.insert(count), "two increments both returned {life}");
    }
}

/// Checks what any command found of a life: it is not ended, and holds all that was acknowledged.
fn seen<'a>(life: &'a str, before: &Before) -> (&'a str, usize) {
    let token = life.split(' ').next().unwrap_or_default();
    assert!(!before.ended.contains(token), "{life} was destroyed before");
    assert!(Some(&count(life)) >= before.counts.get(token), "{life} is an old version");
    (token, count(life))
}

#[test]
fn a_random_mix_of_everything_keeps_every_count_exact() {
    const PROCESSES: usize = 16;
    const SESSIONS: usize = 50;
    const COMMANDS: usize = 500;
    let store = folder();
    let setup = Setup::new(store.path());
    let mut rng = seeded();
    let seeds: Vec<u64> = (0..PROCESSES).map(|_| rng.u64(..)).collect();
    let ids = (0..SESSIONS).map(|session| format!("s{session}")).collect();
    let model = Mutex::new(Model { ids, lives: BTreeMap::new() });
    in_parallel(PROCESSES, |process| {
        let mut rng = fastrand::Rng::with_seed(seeds[process]);
        let mut php = setup.start();
        for _ in 0..COMMANDS {
            // Half of the commands go to five sessions, so that processes meet.
            let session = if rng.bool() { rng.usize(..5) } else { rng.usize(..SESSIONS) };
            let (id, before) = {
                let model = model.lock().unwrap();
                (model.ids[session].clone(), model.before())
            };
            let mut call = |command: &str| php.call(&format!("{command} {id}")).value();
            match rng.u32(..100) {
                0..60 => {
                    let life = call("increment");
                    model.lock().unwrap().incremented(&life, &before);
                }
                60..80 => {
                    let life = call("life");
                    if life != "empty" {
                        seen(&life, &before);
                    }
                }
                80..90 => {
                    let answer = call("regenerate");
                    let (new, life) = answer.split_once(' ').expect("an id and a life");
                    let mut model = model.lock().unwrap();
                    model.incremented(life, &before);
                    model.ids[session] = new.to_owned();
                }
                90..97 => {
                    let life = call("destroy");
                    if life != "empty" {
                        let (token, last) = seen(&life, &before);
                        let mut model = model.lock().unwrap();
                        let known = model.lives.entry(token.to_owned()).or_default();
                        known.ended = true;
                        // Answers of earlier increments may not have been noted yet.
                        assert!(known.counts.last() <= Some(&last), "{life} lost updates");
                    }
                }
                _ => assert_eq!(call("gc"), "0", "nothing is expired"),
            }
        }
    });
    let Model { ids, lives } = model.into_inner().unwrap();
    for (token, life) in &lives {
        let expected: BTreeSet<usize> = (1..=life.counts.len()).collect();
        assert_eq!(life.counts, expected, "every increment of {token} was acknowledged once");
    }
    // Two names may have come to one session's id only through a defect; each is checked by itself.
    let mut stored = 0;
    for id in ids {
        let found = setup.run(&format!("life {id}")).value();
        if found != "empty" {
            let token = found.split(' ').next().unwrap_or_default();
            assert!(!lives[token].ended, "{found} was destroyed");
            assert_eq!(count(&found), lives[token].counts.len(), "the stored count of {token}");
            stored += 1;
        }
    }
    println!("{} lives, {stored} of {SESSIONS} sessions stored at the end", lives.len());
}
