//! One raft group for all that must be durable and agreed on: the only place that knows openraft and sled.
//!
//! Peers are told, and disks hold, messages of our own (`proto/raft.proto`); nothing outside of this module names a type of
//! openraft. Owns the log, the vote, the applied state, and the list of members. Promises: what was acknowledged survives a
//! power cut of all nodes; a store that fails ends this side of the node and nothing else.
//!
//! Start with `propose.rs`, the way of a change, and `carry.rs`, its way to the leader; `founding.rs` is how a node comes to have a place.

mod agreement;
mod carry;
mod codec;
mod failure;
mod forget;
mod founding;
mod group;
mod lifecycle;
mod members;
mod network;
mod numbers;
mod off_thread;
mod offline;
mod place;
mod propose;
mod service;
#[cfg(test)]
mod sim_test;
mod state_machine;
mod status;
pub mod store;
pub mod types;
mod view;

pub use agreement::{Agreement, MemberChange};
pub use failure::Failure;
pub use group::{Group, Origin, Settings};
pub use numbers::publish;
pub use offline::{OfflineError, recover, restore};
pub use place::PlaceError;
pub use status::{MemberStatus, OtherStatus, Status};
