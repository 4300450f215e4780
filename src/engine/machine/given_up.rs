//! Locks that processes of this machine have given up without knowing whether they have them: a
//! server that did not answer in time may still carry out what it was sent, and would then keep a
//! lock that nobody uses for a whole lease. Whoever of this machine meets it takes it over.
//!
//! A lock is known by a hash of its token and its node. It has one word of the segment, found by
//! the hash; the latest one there is remembered. Forgetting costs a lease, and nothing else: what
//! is stored under a lock has a condition of its own.

use super::segment::Segment;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

/// Locks that can be remembered, at most.
const WORDS: usize = 4096;

/// The mark of a lock; 0 is none, and any bytes are one.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(super) struct Word(AtomicU64);

/// The locks.
#[derive(Debug)]
pub(super) enum GivenUp {
    Shared(Segment<Word, WORDS>),
    /// Where there is no memory to share: those of this process.
    Own(Box<[Word]>),
}

impl GivenUp {
    /// Those of all processes of this user, in the shared memory below `base`.
    pub(super) fn open(base: &Path) -> Self {
        Segment::open(base).map_or_else(Self::private, Self::Shared)
    }

    pub(super) fn private() -> Self {
        Self::Own((0..WORDS).map(|_| Word::default()).collect())
    }

    fn word(&self, mark: u64) -> &AtomicU64 {
        let words = match self {
            Self::Shared(segment) => &segment.slots()[..],
            Self::Own(words) => words,
        };
        &words[mark as usize % WORDS].0
    }

    pub(super) fn add(&self, mark: u64) {
        self.word(mark).store(mark, SeqCst);
    }

    pub(super) fn contains(&self, mark: u64) -> bool {
        mark != 0 && self.word(mark).load(SeqCst) == mark
    }

    pub(super) fn remove(&self, mark: u64) {
        // Somebody else's in its place stays.
        let _ = self.word(mark).compare_exchange(mark, 0, SeqCst, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_up_is_known_to_all_who_share_the_memory_until_it_is_taken_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let [one, other] = [(); 2].map(|()| GivenUp::open(folder.path()));
        assert!(matches!(one, GivenUp::Shared(_)));
        one.add(7);
        assert!(other.contains(7) && !other.contains(8) && !other.contains(7 + WORDS as u64));
        other.remove(7 + WORDS as u64);
        assert!(one.contains(7), "another one of the same word");
        other.remove(7);
        assert!(!one.contains(7));
    }

    #[test]
    fn the_latest_of_a_word_is_remembered() {
        let own = GivenUp::private();
        own.add(1);
        own.add(1 + WORDS as u64);
        assert!(!own.contains(1) && own.contains(1 + WORDS as u64) && !own.contains(0));
    }

    #[test]
    fn without_memory_to_share_a_process_remembers_its_own() {
        assert!(matches!(GivenUp::open(Path::new("/nowhere")), GivenUp::Own(_)));
    }
}
