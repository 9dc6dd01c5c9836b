//! One raft group for all that must be durable and agreed on: the only place that knows openraft and sled.
//!
//! Peers are told, and disks hold, messages of our own (`proto/raft.proto`); nothing outside of this module names a type of
//! openraft. Owns the log, the vote and the applied state. Promises: what was acknowledged survives a power cut of all
//! nodes; a store that fails ends this side of the node and nothing else.

mod agreement;
mod codec;
mod failure;
mod group;
mod state_machine;
pub mod store;
pub mod types;

pub use agreement::Agreement;
pub use failure::Failure;
pub use group::Group;
