//! The group under faults, simulated: real nodes with real gRPC over a network, disks and clocks that are not, all from one
//! seed.
//!
//! Nothing of the group is replaced but sockets, the disk below the store, and the wall clock. Each seed runs in a process
//! of its own, because some libraries draw from what a thread keeps: so the same seed is the same run, to the millisecond.
//! `ROSTER_SIM_SEEDS=100..200 cargo test --lib raft::sim_test::many -- --ignored --nocapture` runs any seeds;
//! `ROSTER_SIM_SEED=17 cargo test --lib raft::sim_test::one -- --exact --nocapture` tells all that happens in one.

mod callers;
#[path = "../../../tests/sim/chance.rs"]
mod chance;
mod cluster;
mod door;
mod faults;
mod machine;
mod run;
mod seeds;
mod trace;
mod watch;
mod wire;

use std::env;

const SEED: &str = "ROSTER_SIM_SEED";

/// Runs the seed that is asked for in this process, and tells all that happens.
#[test]
fn one() {
    if let Ok(seed) = env::var(SEED) {
        run::run(seed.parse().expect("a number"));
    }
}

/// Each kind of fault comes at least once in these.
#[test]
fn seeds_hold_all_promises() {
    seeds::hold(1..=5);
}

#[test]
#[ignore = "as many as are asked for: ROSTER_SIM_SEEDS=100..200"]
fn many() {
    let asked = env::var("ROSTER_SIM_SEEDS").unwrap_or_else(|_| "1..100".into());
    let (from, to) = asked.split_once("..").expect("a range such as 100..200");
    seeds::hold(from.parse().expect("a number")..=to.trim_start_matches('=').parse().expect("a number"));
}

// RUSTFLAGS in the environment replaces what .cargo/config.toml asks for.
#[test]
#[cfg_attr(not(tokio_unstable), ignore = "tokio takes a seed only when it is built with --cfg tokio_unstable")]
fn a_seed_repeats_itself_exactly() {
    seeds::repeat(5);
}
