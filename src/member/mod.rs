//! Who is in the cluster, how sure this node is of each, and who is responsible for a client (Nacos `ServerMemberManager`).
//!
//! Owns the members and what was heard of them when. Promises: a member is suspect when it was not heard of for a while or
//! says that it does not hear this node; it is down when most members, this node included, miss it, and not before, but for
//! a node that has been alone for long. A node that did not run for a while holds that against nobody. Never dials anybody.

mod cluster;
mod members;
#[cfg(test)]
mod members_test;
mod responsible;

pub use cluster::{Cluster, Peer};
pub use members::{ALONE_MILLIS, Members, Settings, Transition};
pub use responsible::responsible;
