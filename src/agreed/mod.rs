//! What all nodes agree on, as a value: the state machine that the log of raft is applied to.
//!
//! Owns persistent instances, what operators set, and which proposals were done lately. Promises: the same proposals in the
//! same order make the same state, outcomes and bytes on every node, so states are compared by one fingerprint; a
//! proposal that comes twice is done once. Applying one reads this state and the proposal and nothing else: what
//! ephemeral clients publish differs between nodes for a while (Nacos applies to what the node happens to hold).
//! Never reads a clock: time comes with the proposals.
//!
//! A copy costs next to nothing, so that snapshots are made of one while the log goes on.

#[cfg(test)]
mod alone;
mod apply;
#[cfg(test)]
mod apply_test;
mod done;
mod state;

#[cfg(test)]
pub(crate) use alone::Alone;
pub use apply::Applied;
pub use state::{IllegalPair, Pair, State};
