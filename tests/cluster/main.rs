//! Three nodes as processes on this machine, and the official Rust client between them: what users live through when
//! nodes are asked for things, killed, frozen, restarted and filled. What takes longer than seconds is run by `.ci/run`:
//!
//!     ROSTER_TEST_BINARY=target/release/roster cargo test --test cluster -- --ignored --nocapture

mod broken_disk;
mod copies;
mod frozen;
mod killed;
mod loading;
mod members;
mod one_list;
mod persistent;
mod reborn;
mod refused;
mod rolling;
mod size;
mod support;
