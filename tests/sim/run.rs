//! Runs one plan, or many seeds on all processors, and says what failed.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{event::SECOND, plan::Plan, shrink::shrink, weakness::Weakness, world::World};

pub struct Outcome {
    pub failure: Option<String>,
    /// Simulated seconds, times the number of hosts.
    pub cluster_seconds: u64,
    pub trace: Vec<String>,
}

/// Runs a plan; a panic within is a failure like any other.
pub fn run(plan: &Plan) -> Outcome {
    run_world(plan, World::new(plan, false, None))
}

pub fn run_traced(plan: &Plan) -> Outcome {
    run_world(plan, World::new(plan, true, None))
}

/// The first seed of so many in which something fails when nodes have a weakness, and nothing when they have none.
pub fn notices(weakness: Weakness, seeds: u64) -> Option<(u64, String)> {
    let failure = |plan: &Plan| run_world(plan, World::new(plan, false, Some(weakness))).failure;
    let noticed = |seed: u64| {
        let plan = Plan::new(seed);
        failure(&plan).filter(|_| run(&plan).failure.is_none()).map(|failure| (seed, failure))
    };
    quietly(|| (1..=seeds).find_map(noticed))
}

fn run_world(plan: &Plan, mut world: World) -> Outcome {
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| world.run())).err();
    let panicked = panicked.map(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
        format!("panic, at {:.3} s: {text}", world.now as f64 / SECOND as f64)
    });
    let simulated = world.now.min(plan.ends_at) / SECOND;
    Outcome {
        failure: world.failure.take().or(panicked),
        cluster_seconds: simulated * plan.skews.len() as u64,
        trace: world.trace.take().unwrap_or_default(),
    }
}

/// What became of many seeds.
pub struct Summary {
    pub failures: Vec<(u64, String)>,
    pub text: String,
}

/// Runs `count` seeds from `from` on. Failures are printed in full as long as there are few.
pub fn run_many(from: u64, count: u64) -> Summary {
    let bar = ProgressBar::new(count);
    bar.set_style(ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg}").expect("a template"));
    let (next, seconds, failures) = (AtomicU64::new(from), AtomicU64::new(0), Mutex::new(Vec::new()));
    let threads = thread::available_parallelism().map_or(2, usize::from);
    quietly(|| {
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= from + count {
                            return;
                        }
                        let outcome = run(&Plan::new(seed));
                        seconds.fetch_add(outcome.cluster_seconds, Ordering::Relaxed);
                        if let Some(failure) = outcome.failure {
                            failures.lock().expect("nobody panics here").push((seed, failure));
                        }
                        bar.inc(1);
                    }
                });
            }
        });
    });
    let mut failures = failures.into_inner().expect("nobody panics here");
    failures.sort();
    bar.finish_and_clear();
    let (seconds, real) = (seconds.into_inner(), bar.elapsed().as_secs_f64().max(0.001));
    let (rate, failed) = (seconds as f64 / real, failures.len());
    let text =
        format!("sim: {count} seeds, {seconds} simulated cluster-seconds, {rate:.0} per real second, {failed} failed");
    Summary { failures, text }
}

/// The shortest plan of a failing seed that was found, and how to run the seed again.
pub fn explain(seed: u64) -> String {
    let plan = Plan::new(seed);
    let Some(failure) = quietly(|| run(&plan).failure) else { return format!("seed {seed} does not fail") };
    let (plan, failure) = quietly(|| shrink(&plan, &failure));
    format!("{plan}\n{failure}\nagain: SIM_SEED={seed} cargo test --test sim replay -- --nocapture\n")
}

/// Panics of nodes are failures of a run and reported as such.
fn quietly<T>(work: impl FnOnce() -> T) -> T {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let done = work();
    panic::set_hook(hook);
    done
}
