//! Every bound of the store, once, with its unit.

/// Longest id of a part.
pub const PART_ID_BYTES_MAX: usize = 32;
/// Longest row key.
pub const KEY_BYTES_MAX: usize = 512;
/// Longest value.
pub const VALUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most checks and operations of one batch, together.
pub const BATCH_STEPS_MAX: usize = 1024;
/// Most bytes of keys and values of one batch, together.
pub const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most keys of one [`get_many`](crate::Store::get_many).
pub const GET_KEYS_MAX: usize = 1024;
/// Most rows of one scan or range delete; a larger [`Limit`](crate::Limit) is cut to this.
pub const PAGE_ROWS_MAX: usize = 4096;
/// Most bytes of keys and values of one scan or range delete; one row may exceed it.
pub const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most parts of one [`parts`](crate::Store::parts).
pub const PARTS_MAX: usize = 4096;
/// Commits that may wait for the committer; the next one waits for a place.
pub const COMMIT_QUEUE_MAX: usize = 1024;
/// Most waiting commits made durable by one sync.
pub const GROUP_COMMITS_MAX: usize = 256;
/// Once a group of commits holds this many bytes, no further commit joins it.
pub const GROUP_BYTES_MAX: usize = 16 * 1024 * 1024;
