//! A simulated cluster: pure nodes, a network, clocks, disks and clients, all from one seed.
//!
//! `cargo test --test sim` runs some seeds, `make sim SEEDS=1000 FROM=1` any number. A failing seed is shortened and printed;
//! `SIM_SEED=17 cargo test --test sim replay -- --nocapture` tells all that happens in it, `SIM_SHORT=1` with it all that
//! happens in the shortened one.

mod chance;
mod client;
mod event;
mod faults;
mod forwarding;
mod host;
mod membership;
mod network;
mod oracle;
mod plan;
mod properties;
mod run;
mod script;
mod serving;
mod shrink;
mod streams;
mod weakness;
mod world;

use std::env;

use roster::model::ServiceKey;

use crate::{plan::Plan, weakness::Weakness};

/// An address that several clients publish.
const SHARED_IP: &str = "10.9.9.9";
/// How many failing seeds are shortened and printed.
const EXPLAINED: usize = 3;
/// Seeds of `cargo test`.
const SEEDS: u64 = 200;

/// Where a client is, and what it publishes unless that is shared.
fn client_ip(client: usize) -> String {
    format!("10.0.1.{}", client + 1)
}

fn service(number: u8) -> ServiceKey {
    ServiceKey::new("", "", ["orders", "users", "stock", "mail"][usize::from(number)]).expect("legal")
}

fn service_number(service: &ServiceKey) -> u8 {
    ["orders", "users", "stock", "mail"].iter().position(|name| service.name == **name).expect("one of ours") as u8
}

fn number(name: &str, otherwise: u64) -> u64 {
    let text = env::var(name).ok().filter(|text| !text.is_empty());
    text.map_or(otherwise, |text| text.parse().expect("a number"))
}

fn sweep(from: u64, count: u64) {
    let summary = run::run_many(from, count);
    for (seed, failure) in &summary.failures {
        println!("seed {seed}: {}", failure.chars().take(300).collect::<String>());
    }
    for (seed, _) in summary.failures.iter().take(EXPLAINED) {
        println!("\n{}", run::explain(*seed));
    }
    println!("{}", summary.text);
    assert!(summary.failures.is_empty(), "{} of {count} seeds fail", summary.failures.len());
}

#[test]
fn seeds() {
    sweep(1, SEEDS);
}

#[test]
#[ignore = "as many as are asked for: make sim SEEDS=1000 FROM=1"]
fn many() {
    sweep(number("FROM", 1), number("SEEDS", 1_000));
}

#[test]
fn a_seed_repeats_itself_exactly() {
    for seed in 1..4 {
        let plan = Plan::new(seed);
        let (first, second) = (run::run_traced(&plan), run::run_traced(&plan));
        assert!(first.trace.len() > 100, "seed {seed} says what happens");
        let differs = first.trace.iter().zip(&second.trace).find(|(a, b)| a != b);
        assert_eq!((differs, first.trace.len()), (None, second.trace.len()), "seed {seed}");
    }
}

/// Says in which seed each was noticed first, and by which property.
fn notice(weaknesses: &[Weakness], seeds: u64) {
    for weakness in weaknesses {
        let noticed = run::notices(*weakness, seeds);
        let told =
            noticed.map(|(seed, failure)| format!("seed {seed}, {}", failure.chars().take(80).collect::<String>()));
        println!("{weakness:?}: {told:?}");
        assert!(told.is_some(), "{weakness:?} is not noticed in {seeds} seeds");
    }
}

#[test]
fn each_weakness_is_noticed() {
    notice(&Weakness::PLAIN, SEEDS);
}

#[test]
#[ignore = "hundreds of seeds; run by .ci/run"]
fn rare_weaknesses_are_noticed_too() {
    notice(&Weakness::RARE, 5 * SEEDS);
}

/// Prints all that happens in the seed that `SIM_SEED` names.
#[test]
fn replay() {
    let Ok(seed) = env::var("SIM_SEED") else { return };
    let mut plan = Plan::new(seed.parse().expect("a number"));
    if env::var("SIM_SHORT").is_ok()
        && let Some(failure) = run::run(&plan).failure
    {
        plan = shrink::shrink(&plan, &failure).0;
    }
    let outcome = run::run_traced(&plan);
    println!("{plan}");
    for line in &outcome.trace {
        println!("{line}");
    }
    assert_eq!(outcome.failure, None, "seed {seed}");
}
