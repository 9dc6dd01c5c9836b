//! What nodes agree on, in bytes (`proto/raft.proto`): proposals as the log carries them, things as the state keeps them.
//!
//! Promises: the same value is the same bytes on every node and in every run, so states can be compared by their bytes.
//! Old samples are fixtures: what was written once can be read for ever. Knows nothing of raft itself.

mod agreed;
#[cfg(test)]
mod codec_test;
mod proposal;
mod settings;
mod switch;

pub use agreed::{THINGS, decode_key, decode_thing, encode_key, encode_thing, instances_of, namespaces, things_of};
pub use proposal::{decode_command, decode_outcome, encode_command, encode_outcome};

/// Version of what is kept on disk and carried by the log.
pub const RAFT_VERSION: u8 = 1;
