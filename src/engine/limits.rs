//! Every bound of the engine, with unit and source.

use std::time::Duration;

/// Longest session id, in bytes. Source: `PS_MAX_SID_LENGTH` in PHP's `ext/session`.
pub const ID_BYTES_MAX: usize = 256;

/// Longest path of a store's directory, in bytes: [`PATH_BYTES_MAX`] less what the store adds,
/// `/u4294967295/ab/` and 62 digits.
pub const DIRECTORY_BYTES_MAX: usize = PATH_BYTES_MAX - 80;

/// Largest session that can be configured, in bytes. A length read from a file is compared with it
/// before anything is allocated.
pub const DATA_BYTES_MAX: u64 = 1 << 30;

/// Longest pause before the second try for a lock that another request has on a node; it doubles
/// from try to try. A local node answers in less than a tenth of it.
pub const LOCK_POLL_MIN: Duration = Duration::from_millis(1);

/// By how much a lock ends earlier for its holder than on the server, where a second more or less
/// is rounding: memcached counts whole seconds.
pub const LOCK_LEASE_MARGIN: Duration = Duration::from_secs(1);

/// Largest limit of the requests of one machine that wait for one session.
pub const WAITERS_MAX: u32 = 63;

/// Longest pause between two tries for a lock, where the kernel cannot do the waiting.
pub const LOCK_POLL_MAX: Duration = Duration::from_millis(20);

/// Files that one step of the automatic sweep looks at, at most. A look is one `stat`, about 1 us;
/// and a step lists the directories that it passes through.
pub const SWEEP_FILES_MAX: usize = 500;

/// Sessions that one step of the automatic sweep removes, at most. A removal on ext4 is about 10
/// us, so a request that happens to sweep is held up by about a millisecond.
pub const SWEEP_REMOVALS_MAX: u64 = 100;

/// Shortest time without an outage between two that are told apart: a node that answers now and
/// then must not fill the server's log.
pub const OUTAGE_PAUSE: Duration = Duration::from_secs(60);

/// How often a request asks, at most, that is told each time that no node answers while others get
/// answers. Three times are enough where the nodes are back; where some answer and those of this
/// session do not, it has to go on. Each time it may wait for others as long as it is allowed to.
pub const OUTAGE_TRIES: u32 = 5;

/// Shortest time between two looks of one process at whether a sweep is due, unless the last step
/// left something to remove.
pub const SWEEP_CHECK: Duration = Duration::from_secs(1);

/// Requests of one machine that can queue for one thing, at most; more poll for themselves.
pub const QUEUE_TICKETS_MAX: u16 = 64;

/// How long the next one in a queue watches for its turn before it sleeps. About four requests that
/// do nothing but increment a number; one that does real work is slept for.
pub const QUEUE_SPIN: Duration = Duration::from_micros(200);

/// Longest time for which a queue stands still when who is first in it dies.
pub const QUEUE_STEP: Duration = Duration::from_millis(50);

/// Longest time that a request waits in a queue without asking for itself, should who is first in
/// it live and yet not get on: stopped, or leaving a ticket behind.
pub const QUEUE_PATIENCE: Duration = Duration::from_secs(2);

/// Tries for the lock of a node that takes the place of one that has failed, at most: a request
/// that waits for another node has it for a moment.
pub const REPLACEMENT_TRIES: u32 = 3;

/// Time between two of them.
pub const REPLACEMENT_PAUSE: Duration = Duration::from_millis(2);

/// How long a session lives that nothing else is known of, in seconds. Source: the default of
/// PHP's `session.gc_maxlifetime`.
pub const LIFETIME_DEFAULT_S: u64 = 1440;

/// Time within which nodes that begin to be used were started together, in microseconds. Each is
/// first seen when the first session comes that it has to keep.
pub const BIRTHS_TOGETHER_US: u64 = 60_000_000;

/// By how much a process is later than the end of a time-out if it stood still itself: far more
/// than a busy machine makes a process wait for its turn, as a rule.
pub const ASLEEP_MIN: Duration = Duration::from_millis(50);

/// Tries to ask a node by a process that stands still again each time, at most.
pub const ASLEEP_TRIES: u32 = 4;

/// Longest time for which a failover is waited for: a server that was not replaced by then is not
/// about to be. The sentinels' default is to let 30 s pass before they begin.
pub const FAILOVER_MAX: Duration = Duration::from_secs(60);

/// Time between two tries to connect to the server that takes the place of one that has failed.
pub const FAILOVER_PAUSE: Duration = Duration::from_millis(20);

/// How long an answer is still read for when its time is up: it has arrived while another node was
/// waited for, or it has not.
pub const LATE_ANSWER_GRACE: Duration = Duration::from_millis(5);

/// Time that a node that was down has to answer well before it is used again. The system calls and
/// the two or three round trips of one request take less, so it is not one request that decides.
pub const BOARD_STEADY: Duration = Duration::from_millis(50);

/// Longest such time for which the thread that has looked waits to look again: the end of a process
/// waits for it.
pub const PROBE_STEADY_MAX: Duration = Duration::from_millis(200);

/// A node that goes down again within this time after it came back goes up and down.
pub const BOARD_FLAP: Duration = Duration::from_secs(60);

/// Intervals for which nobody has looked at a node that is down, after which a request does. More
/// than one, for a thread may be late on a busy machine, and a request that looks may have to wait.
pub const BOARD_UNWATCHED: u64 = 5;

/// The interval between two looks at a node that is down if nobody has said, in milliseconds: the
/// default of `sessclust.probe_interval`.
pub const BOARD_INTERVAL_MS_DEFAULT: u64 = 1000;

/// The longest such interval, in milliseconds: the largest `sessclust.probe_interval`.
pub const BOARD_INTERVAL_MS_MAX: u64 = 60_000;

/// Most nodes that can be told to keep one session.
pub const REPLICAS_MAX: u32 = 5;

/// Most nodes of a pool. Source: `MEMCACHED_CONTINUUM_SIZE` of libmemcached, which is made for 100.
pub const NODES_MAX: usize = 100;

/// Largest weight of a node. Shares are relative, so more digits say nothing more.
pub const NODE_WEIGHT_MAX: u32 = 1_000_000;

/// Largest number of a Redis database. Source: the range of `databases` in Redis' `config.c`.
pub const REDIS_DATABASE_MAX: u32 = i32::MAX as u32;

/// Largest number of replicas that a write can be made to wait for.
pub const REDIS_WAIT_MAX: u32 = 10;

/// Longest list of users and passwords, in bytes: more than a line for each of 1000 servers.
pub const CREDENTIALS_BYTES_MAX: u64 = 1 << 20;

/// Longest path of a file, in bytes: Linux's `PATH_MAX` without the final NUL.
pub const PATH_BYTES_MAX: usize = 4095;

/// Longest host name, in bytes. Source: RFC 1035, 2.3.4.
pub const HOST_BYTES_MAX: usize = 255;

/// Longest path of a Unix socket, in bytes: Linux's `sun_path` (108) less the final NUL.
pub const SOCKET_BYTES_MAX: usize = 107;

/// Tries for an id that belongs to a certain node. A node that has one session in a thousand is
/// missed by all of them once in twenty thousand times; a try takes about a microsecond.
pub const DRAWS_MAX: u32 = 10_000;

/// Longest piece of foreign text (a command line, a setting) that is shown in a message, in bytes.
pub const SHOWN_BYTES_MAX: usize = 80;

/// Longest key of an item on a memcached server, in bytes. Source: memcached's `doc/protocol.txt`,
/// "Keys".
pub const MEMCACHED_KEY_BYTES_MAX: usize = 250;

/// Longest line of a reply of a memcached server, in bytes without its end. Source: the buffer that
/// memcached 1.6 writes it into (`WRITE_BUFFER_SIZE`). What we ask for takes less than 100.
pub const MEMCACHED_LINE_BYTES_MAX: usize = 1024;

/// Flags of one reply of memcached's meta protocol, at most. Source: those that memcached reads in
/// one request (`MFLAG_MAX_OPT_LENGTH` in `proto_text.c`); a reply has no more.
pub const MEMCACHED_FLAGS_MAX: usize = 20;

/// Largest value that a memcached server can hold, in bytes. Source: `memcached -I`, at most 1024m.
pub const MEMCACHED_VALUE_BYTES_MAX: usize = 1 << 30;

/// The limit of a memcached server for one item if it does not tell its own, in bytes. Source: the
/// default of `memcached -I`.
pub const MEMCACHED_ITEM_BYTES_DEFAULT: usize = 1 << 20;

/// Settings that a memcached server lists, at most; memcached 1.6.18 has 83.
pub const MEMCACHED_SETTINGS_MAX: usize = 1000;

/// What a memcached server counts for an item besides its key and its value, in bytes. It is 59 in
/// memcached 1.6.18 on 64 bits: 48 of header, 8 of CAS, 3 at the ends of key and value
/// (`do_item_alloc` in `items.c`). The rest is room for other versions.
pub const MEMCACHED_ITEM_OVERHEAD_BYTES: usize = 64;

/// Longest time to live that a memcached server takes as a span, in seconds: 30 days. Source:
/// memcached's `doc/protocol.txt`, "Expiration times".
pub const MEMCACHED_SPAN_S_MAX: u64 = 60 * 60 * 24 * 30;

/// Last end of an item that a memcached server can be told, in seconds of Unix time: a later one
/// becomes negative there, and the item ends at once. Source: memcached's `proto_text.c` reads it
/// into 32 bits with a sign.
pub const MEMCACHED_END_S_MAX: u64 = i32::MAX as u64;

/// How long a server that lists its keys may take from one piece of the list to the next. It takes
/// naps on the way, and has other clients to serve.
pub const MEMCACHED_LIST_PAUSE_MAX: Duration = Duration::from_secs(10);

/// How long a server's list of keys is waited for while it is busy with its items otherwise, and
/// the time between two tries. It looks for ended items now and then.
pub const MEMCACHED_LIST_BUSY_MAX: Duration = Duration::from_secs(30);

/// See [`MEMCACHED_LIST_BUSY_MAX`].
pub const MEMCACHED_LIST_BUSY_PAUSE: Duration = Duration::from_millis(200);

/// Pause before sentinels are asked again that name a server which is no primary, at first and at
/// most. A failover takes seconds.
pub const SENTINEL_PAUSE_MIN: Duration = Duration::from_millis(10);

/// See [`SENTINEL_PAUSE_MIN`].
pub const SENTINEL_PAUSE_MAX: Duration = Duration::from_millis(100);

/// Entries of its table that a Redis looks at in one step of a list of its keys; it does nothing
/// else meanwhile, for a good part of a millisecond.
pub const REDIS_SCAN_COUNT: u32 = 1000;

/// Largest value that a Redis takes, in bytes, with what stands in front of a record. Source: its
/// `proto-max-bulk-len`, 512 MB by default.
pub const REDIS_VALUE_BYTES_MAX: usize = (512 << 20) - 1024;

/// How long a lock is waited for at a server before it is looked whether its holder, a process of
/// this machine, is dead.
pub const QUEUE_PIECE: Duration = Duration::from_millis(100);

/// How long it is waited for before the server is asked, over another connection, whether the lock
/// has ended: also the time in which it is noticed that the server hangs.
pub const QUEUE_LOOK: Duration = Duration::from_secs(1);

/// Longest line of a reply of a Redis server, in bytes without its end. Lengths and numbers take at
/// most 20; errors and states are texts without a limit, and this is that of a line which Redis
/// reads itself (`PROTO_INLINE_MAX_SIZE` in its `server.h`).
pub const REDIS_LINE_BYTES_MAX: usize = 64 * 1024;

/// Largest bulk string of a reply of a Redis server, in bytes: the largest session that can be
/// configured, and room for what is stored with it.
pub const REDIS_BULK_BYTES_MAX: usize = (1 << 30) + (1 << 16);

/// Elements of one reply of a Redis server, at most, of all its arrays together. The largest that
/// we ask for is `CLUSTER SLOTS`; were each of the 16384 slots a range of its own with six servers,
/// it would have 700,000.
pub const REDIS_ELEMENTS_MAX: usize = 1 << 20;

/// Arrays within arrays of one reply of a Redis server, at most. `CLUSTER SLOTS` has four: the
/// ranges, a range, a server, and what else is known of that.
pub const REDIS_DEPTH_MAX: usize = 8;

/// Servers of a Redis Cluster that have slots, at most. Source: "Redis cluster specification",
/// "Redis Cluster goals": up to 1000 nodes.
pub const CLUSTER_SERVERS_MAX: usize = 1000;

/// Shortest time between two looks at which server of a cluster has which slots, if one has moved:
/// while many move, one after the other, each that is asked for is told of by itself.
pub const CLUSTER_MAP_PAUSE: Duration = Duration::from_secs(1);

/// Pause before what a server of a cluster could not do now is asked for again, at first and at
/// most; it doubles from try to try. A slot of a few hundred sessions moves in some milliseconds.
pub const CLUSTER_PAUSE_MIN: Duration = Duration::from_millis(1);

/// See [`CLUSTER_PAUSE_MIN`].
pub const CLUSTER_PAUSE_MAX: Duration = Duration::from_millis(20);

/// How long a process does not try again to connect to a server of a cluster for which it has
/// waited in vain.
pub const CLUSTER_HUNG_PAUSE: Duration = Duration::from_secs(1);

/// How long a process waits for a server of a cluster that says that the cluster is down. In a
/// planned failover that is over when two files are on the disk, mostly within 20 ms.
pub const CLUSTER_DOWN_MAX: Duration = Duration::from_millis(500);

/// When a process waits again for a server that has done nothing else since it said so first.
pub const CLUSTER_DOWN_AGAIN: Duration = Duration::from_secs(60);
