//! The file of one session, as functions of bytes.
//!
//! Format 1. Two slots are written in turn, always into the one that is not live, so whatever
//! interrupts a write leaves the version before it whole:
//!
//! ```text
//!  0          96                    2048        2144                 4096
//!  | header 0 | data of 0, if short | header 1  | data of 1, if short | extents: longer data ...
//!  |<------------ slot 0 ---------->|<------------- slot 1 --------->|
//!
//!  slot header, 96 bytes:
//!  0                80        88                96
//!  | record header  | offset  | sum of bytes 0..88 |
//! ```
//!
//! *offset* is where the data begins: 0 means right behind the header (up to 1952 bytes), anything
//! else is a multiple of 4096, at or behind 4096. The extents of the two slots never overlap. A
//! slot of zeros has never been written. The file's modification time is the session's last use.
//!
//! A small session is one block of disk, and slot and data go out in one write within one page.
//! Nothing is renamed or truncated on the way; a file that has become much too large is cut behind
//! both extents (see [`Page::end`]).

use crate::session::id::Digest;
use crate::session::record::{Header, HeaderError, read_u64, sum};

/// Bytes of both slots, at the start of the file.
pub const PAGE_BYTES: usize = 4096;
const SLOT_BYTES: usize = PAGE_BYTES / 2;
/// Bytes of a slot's header.
pub const SLOT_HEADER_BYTES: usize = Header::BYTES + 16;
/// Longest data, in bytes, that is kept within its slot.
pub const INLINE_BYTES_MAX: usize = SLOT_BYTES - SLOT_HEADER_BYTES;
/// Extents begin at multiples of this: whole pages are overwritten without being read first.
const EXTENT_ALIGN: u64 = 4096;

/// One of the two slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotIndex {
    /// The slot at the start of the file.
    First,
    /// The slot behind it.
    Second,
}

impl SlotIndex {
    fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    /// Where the slot's header begins in the file.
    pub fn file_offset(self) -> u64 {
        match self {
            Self::First => 0,
            Self::Second => SLOT_BYTES as u64,
        }
    }
}

/// A slot whose header has been believed; its data has still to be compared with the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Which of the two.
    pub index: SlotIndex,
    /// What the data has to be.
    pub header: Header,
    /// Where the data begins in the file, 0 for inline.
    offset: u64,
}

impl Slot {
    /// Where the slot's data begins in the file.
    pub fn data_offset(&self) -> u64 {
        match self.offset {
            0 => self.index.file_offset() + SLOT_HEADER_BYTES as u64,
            offset => offset,
        }
    }

    /// Whether the data lies within the slot, and so within the page.
    pub fn is_inline(&self) -> bool {
        self.offset == 0
    }

    /// The slot's header as bytes.
    pub fn encode(&self) -> [u8; SLOT_HEADER_BYTES] {
        let mut out = [0; SLOT_HEADER_BYTES];
        out[..80].copy_from_slice(&self.header.encode());
        out[80..88].copy_from_slice(&self.offset.to_le_bytes());
        let slot_sum = sum(&out[..88]);
        out[88..].copy_from_slice(&slot_sum.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8], index: SlotIndex, digest: &Digest) -> Result<Self, HeaderError> {
        let header = Header::decode(bytes, digest)?;
        let bytes = bytes.get(..SLOT_HEADER_BYTES).ok_or(HeaderError::Short)?;
        if read_u64(bytes, 88) != sum(&bytes[..88]) {
            return Err(HeaderError::Sum);
        }
        let offset = read_u64(bytes, 80);
        let placed = match offset {
            0 => header.data_bytes <= INLINE_BYTES_MAX as u64,
            offset => offset % EXTENT_ALIGN == 0 && offset <= u64::from(u32::MAX),
        };
        if !placed {
            return Err(HeaderError::Length);
        }
        Ok(Self { index, header, offset })
    }

    /// The end of the slot's extent, 0 if it has none.
    fn end(&self) -> u64 {
        if self.is_inline() { 0 } else { self.offset + self.header.data_bytes }
    }
}

/// The two slots of a session's file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    slots: [Option<Slot>; 2],
    /// Why a slot that is not empty was not believed.
    damage: Option<HeaderError>,
}

impl Page {
    /// Reads the slots of session `digest` from the first bytes of its file: [`PAGE_BYTES`] of
    /// them, or fewer if the file is shorter. No bytes are a file that was made but never written.
    pub fn decode(bytes: &[u8], digest: &Digest) -> Self {
        let mut page = Self::default();
        for index in [SlotIndex::First, SlotIndex::Second] {
            let start = index.file_offset() as usize;
            let slot = &bytes[start.min(bytes.len())..bytes.len().min(start + SLOT_BYTES)];
            if slot.iter().all(|byte| *byte == 0) {
                continue;
            }
            match Slot::decode(slot, index, digest) {
                Ok(slot) => page.slots[index as usize] = Some(slot),
                Err(error) => page.note(error),
            }
        }
        page
    }

    /// The slots that can be believed so far, the newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = Slot> + use<> {
        let mut slots = self.slots;
        slots.sort_by_key(|slot| std::cmp::Reverse(slot.map(|slot| slot.header.version)));
        slots.into_iter().flatten()
    }

    /// Strikes out a slot whose data is not what its header says.
    pub fn strike(&mut self, slot: &Slot) {
        self.slots[slot.index as usize] = None;
        self.note(HeaderError::DataSum);
    }

    /// What was wrong with a slot that is not empty, if anything was. A later format outranks all
    /// else, for such a file must not be written.
    pub fn damage(&self) -> Option<HeaderError> {
        self.damage
    }

    fn note(&mut self, error: HeaderError) {
        if !matches!(self.damage, Some(HeaderError::NewerFormat(_))) {
            self.damage = Some(error);
        }
    }

    /// The live slot: the newest that was not struck out.
    pub fn live(&self) -> Option<Slot> {
        self.newest_first().next()
    }

    /// Where the next version goes: the slot that is not live, and for long data an extent that
    /// does not touch the live one's.
    pub fn place(&self, digest: Digest, lifetime_s: u64, data: &[u8]) -> Slot {
        let live = self.live();
        let index = live.map_or(SlotIndex::First, |live| live.index.other());
        let version = live.map_or(1, |live| live.header.version.saturating_add(1));
        let first = PAGE_BYTES as u64;
        let offset = match live {
            _ if data.len() <= INLINE_BYTES_MAX => 0,
            Some(live) if !live.is_inline() && first + data.len() as u64 > live.offset => {
                live.end().next_multiple_of(EXTENT_ALIGN)
            }
            _ => first,
        };
        Slot { index, header: Header::of(digest, version, lifetime_s, data), offset }
    }

    /// Takes over a slot that has been written.
    pub fn commit(&mut self, slot: Slot) {
        self.slots[slot.index as usize] = Some(slot);
    }

    /// The end of what the two slots use: bytes behind it belong to no version.
    pub fn end(&self) -> u64 {
        let ends = self.slots.iter().flatten().map(Slot::end);
        ends.max().unwrap_or(0).max(PAGE_BYTES as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::id::SessionId;

    fn digest() -> Digest {
        SessionId::parse(b"abc").expect("valid").digest()
    }

    /// A file in memory, written as the store writes it.
    #[derive(Clone, Default)]
    struct File {
        bytes: Vec<u8>,
        page: Page,
    }

    impl File {
        /// The writes of a commit, in order.
        fn writes(&self, data: &[u8]) -> (Slot, Vec<(u64, Vec<u8>)>) {
            let slot = self.page.place(digest(), 1440, data);
            let header = slot.encode().to_vec();
            let at = slot.index.file_offset();
            let writes = match slot.is_inline() {
                true => vec![(at, [header, data.to_vec()].concat())],
                false => vec![(slot.data_offset(), data.to_vec()), (at, header)],
            };
            (slot, writes)
        }

        fn apply(&mut self, (offset, bytes): &(u64, Vec<u8>)) {
            let start = *offset as usize;
            let end = start + bytes.len();
            self.bytes.resize(self.bytes.len().max(end), 0);
            self.bytes[start..end].copy_from_slice(bytes);
        }

        fn commit(&mut self, data: &[u8]) {
            let (slot, writes) = self.writes(data);
            writes.iter().for_each(|write| self.apply(write));
            self.page.commit(slot);
        }

        /// What a reader finds, newest first, as the store reads it.
        fn read(&self) -> Option<Vec<u8>> {
            let page = &self.bytes[..self.bytes.len().min(PAGE_BYTES)];
            Page::decode(page, &digest()).newest_first().find_map(|slot| {
                let start = slot.data_offset() as usize;
                let data = self.bytes.get(start..start + slot.header.data_bytes as usize)?;
                slot.header.matches(data).then(|| data.to_vec())
            })
        }
    }

    /// Data of `length` bytes that differs in every version.
    fn data(version: u8, length: usize) -> Vec<u8> {
        (0..length).map(|i| version ^ (i as u8).wrapping_mul(31)).collect()
    }

    const LENGTHS: [usize; 9] = [
        0,
        1,
        INLINE_BYTES_MAX - 1,
        INLINE_BYTES_MAX,
        INLINE_BYTES_MAX + 1,
        4096,
        4097,
        20_000,
        100_000,
    ];

    #[test]
    fn the_last_version_is_read_whatever_the_lengths() {
        for first in LENGTHS {
            for second in LENGTHS {
                for third in LENGTHS {
                    let mut file = File::default();
                    for (version, length) in [first, second, third].into_iter().enumerate() {
                        let data = data(version as u8, length);
                        file.commit(&data);
                        assert_eq!(file.read(), Some(data), "{first} {second} {third}");
                    }
                }
            }
        }
    }

    #[test]
    fn no_extent_overlaps_the_live_one() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut file = File::default();
        for version in 0..2000u32 {
            let before = file.page.live();
            file.commit(&data(version as u8, random.usize(..60_000)));
            let after = file.page.live().expect("just written");
            if let Some(before) = before.filter(|slot| !slot.is_inline() && !after.is_inline()) {
                let apart = before.end() <= after.offset || after.end() <= before.offset;
                assert!(apart, "{before:?} {after:?}");
            }
            // Both extents and what lies between: never more than three of the largest.
            assert!(file.page.end() <= 4096 * 2 + 3 * 60_000, "{}", file.page.end());
        }
    }

    /// kill -9: the writes stop anywhere. The version before is read, or the new one.
    #[test]
    fn a_write_that_stops_anywhere_leaves_the_version_before() {
        for (old, new) in LENGTHS.iter().flat_map(|old| LENGTHS.map(|new| (*old, new))) {
            let mut file = File::default();
            file.commit(&data(1, 3000));
            file.commit(&data(2, old));
            let (_, writes) = file.writes(&data(3, new));
            let total: usize = writes.iter().map(|(_, bytes)| bytes.len()).sum();
            let cuts = (0..=total).step_by(1 + total / 97).chain([total - 1, total]);
            for cut in cuts {
                let mut torn = file.clone();
                let mut left = cut;
                for (offset, bytes) in &writes {
                    let part = &bytes[..bytes.len().min(left)];
                    left -= part.len();
                    torn.apply(&(*offset, part.to_vec()));
                }
                let expected = if cut == total { data(3, new) } else { data(2, old) };
                assert_eq!(torn.read(), Some(expected), "{old} -> {new}, {cut} of {total} bytes");
            }
        }
    }

    /// Power loss: of the pages written since the last sync any subset is on the disk. What is read
    /// is a whole version that was written, or nothing; and the synced one is there as long as only
    /// one write followed.
    #[test]
    fn power_loss_never_gives_half_a_session() {
        let mut random = fastrand::Rng::with_seed(2);
        for round in 0..4000 {
            let mut synced = File::default();
            let mut versions = vec![data(0, random.usize(..9000))];
            synced.commit(&versions[0]);
            let mut file = synced.clone();
            let writes = 1 + round % 3;
            for version in 1..=writes {
                versions.push(data(version as u8, random.usize(..9000)));
                file.commit(&versions[version]);
            }
            let mut disk = File { bytes: synced.bytes.clone(), page: Page::default() };
            disk.bytes.resize(file.bytes.len(), 0);
            for start in (0..file.bytes.len()).step_by(4096).filter(|_| random.bool()) {
                let end = file.bytes.len().min(start + 4096);
                disk.bytes[start..end].copy_from_slice(&file.bytes[start..end]);
            }
            match disk.read() {
                Some(found) => assert!(versions.contains(&found), "round {round}: torn"),
                None => assert!(writes > 1, "round {round}: the synced version is gone"),
            }
        }
    }

    #[test]
    fn a_struck_slot_is_written_next() {
        let mut file = File::default();
        file.commit(&data(1, 10));
        file.commit(&data(2, 10));
        let newest = file.page.live().expect("two versions");
        file.page.strike(&newest);
        let next = file.page.place(digest(), 0, b"x");
        assert_eq!((next.index, next.header.version), (newest.index, newest.header.version));
        assert_eq!(file.page.damage(), Some(HeaderError::DataSum));
    }

    #[test]
    fn a_later_format_is_told_apart_from_damage() {
        let mut file = File::default();
        file.commit(b"a");
        file.commit(b"b");
        file.bytes[4] = 2;
        let header_sum = sum(&file.bytes[..72]);
        file.bytes[72..80].copy_from_slice(&header_sum.to_le_bytes());
        file.bytes[2048] = b'x';
        let page = Page::decode(&file.bytes, &digest());
        assert_eq!(page.damage(), Some(HeaderError::NewerFormat(2)));
        assert_eq!(page.live(), None);
    }

    #[test]
    fn bytes_of_another_session_are_never_believed() {
        let mut file = File::default();
        file.commit(b"secret");
        let other = SessionId::parse(b"abd").expect("valid").digest();
        let page = Page::decode(&file.bytes, &other);
        assert_eq!(page.live(), None);
        assert_eq!(page.damage(), Some(HeaderError::OtherSession));
    }

    #[test]
    fn an_empty_file_has_neither_versions_nor_damage() {
        for bytes in [&[][..], &[0; 100], &[0; PAGE_BYTES]] {
            let page = Page::decode(bytes, &digest());
            assert_eq!((page.live(), page.damage()), (None, None));
        }
    }

    #[test]
    fn an_offset_within_the_slots_or_askew_is_not_believed() {
        for offset in [1, 96, 2048, 4095, 4097, u64::MAX, 1 << 40] {
            let header = Header::of(digest(), 1, 0, b"x");
            let slot = Slot { index: SlotIndex::First, header, offset };
            let page = Page::decode(&slot.encode(), &digest());
            assert_eq!(page.damage(), Some(HeaderError::Length), "{offset}");
        }
    }
}
