//! Seeds in processes of their own, two at a time.

use std::{env, ops::RangeInclusive, process::Command, thread};

use parking_lot::Mutex;

use super::SEED;

/// How much of a failing run is printed.
const LINES: usize = 60;
/// As many as the smallest machines have cores.
const AT_ONCE: usize = 2;
const TEST: &str = "raft::sim_test::one";

struct Ran {
    seed: u64,
    held: bool,
    says: String,
}

fn run(seed: u64) -> Ran {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command.args(["--exact", TEST, "--nocapture"]).env(SEED, seed.to_string()).env("RUST_BACKTRACE", "0");
    let output = command.output().expect("starts");
    let says = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Ran { seed, held: output.status.success(), says }
}

fn run_all(seeds: impl Iterator<Item = u64> + Send) -> Vec<Ran> {
    let (seeds, ran) = (Mutex::new(seeds), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(seed) = { seeds.lock().next() } {
                    let one = run(seed);
                    ran.lock().push(one);
                }
            });
        }
    });
    let mut ran = ran.into_inner();
    ran.sort_by_key(|ran| ran.seed);
    ran
}

/// Runs seeds, and tells of those in which a promise was broken how to see it again.
pub(super) fn hold(seeds: RangeInclusive<u64>) {
    let ran = run_all(seeds);
    let failed: Vec<&Ran> = ran.iter().filter(|ran| !ran.held).collect();
    for Ran { seed, says, .. } in &failed {
        let lines: Vec<&str> = says.lines().collect();
        println!("seed {seed}:\n{}\n", lines[lines.len().saturating_sub(LINES)..].join("\n"));
        println!("{SEED}={seed} cargo test --lib {TEST} -- --exact --nocapture\n");
    }
    for Ran { says, .. } in ran.iter().filter(|ran| ran.held) {
        says.lines().filter(|line| line.contains("held: ")).for_each(|line| println!("{line}"));
    }
    let failed: Vec<u64> = failed.iter().map(|ran| ran.seed).collect();
    assert!(failed.is_empty(), "of {} seeds these fail: {failed:?}", ran.len());
}

/// Runs a seed twice and compares what happened.
pub(super) fn repeat(seed: u64) {
    let ran = run_all([seed, seed].into_iter());
    let lines = |ran: &Ran| -> Vec<String> {
        // How long the test took is no part of it.
        ran.says.lines().filter(|line| !line.starts_with("test result")).map(str::to_owned).collect()
    };
    let (first, second) = (lines(&ran[0]), lines(&ran[1]));
    assert!(first.len() > 100, "seed {seed} says what happens");
    let differs = first.iter().zip(&second).find(|(a, b)| a != b);
    assert_eq!((differs, first.len()), (None, second.len()), "seed {seed}");
}
