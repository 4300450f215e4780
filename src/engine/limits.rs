//! Every bound of the engine, with unit and source.

use std::time::Duration;

/// Longest session id, in bytes. Source: `PS_MAX_SID_LENGTH` in PHP's `ext/session`.
pub const ID_BYTES_MAX: usize = 256;

/// Longest path of a store's directory, in bytes: Linux's `PATH_MAX` (4096 with the final NUL) less
/// what the store adds, `/u4294967295/ab/` and 62 digits.
pub const DIRECTORY_BYTES_MAX: usize = 4095 - 80;

/// Largest session that can be configured, in bytes. A length read from a file is compared with it
/// before anything is allocated.
pub const DATA_BYTES_MAX: u64 = 1 << 30;

/// Longest pause between two tries for a lock, where the kernel cannot do the waiting.
pub const LOCK_POLL_MAX: Duration = Duration::from_millis(20);

/// Files that one step of the automatic sweep looks at, at most. A look is one `stat`, about 1 us;
/// and a step lists the directories that it passes through.
pub const SWEEP_FILES_MAX: usize = 500;

/// Sessions that one step of the automatic sweep removes, at most. A removal on ext4 is about 10
/// us, so a request that happens to sweep is held up by about a millisecond.
pub const SWEEP_REMOVALS_MAX: u64 = 100;

/// Shortest time between two looks of one process at whether a sweep is due, unless the last step
/// left something to remove.
pub const SWEEP_CHECK: Duration = Duration::from_secs(1);

/// Most nodes of a pool. Source: `MEMCACHED_CONTINUUM_SIZE` of libmemcached, which is made for 100.
pub const NODES_MAX: usize = 100;

/// Longest piece of foreign text (a command line, a setting) that is shown in a message, in bytes.
pub const SHOWN_BYTES_MAX: usize = 80;
