//! Power cuts, simulated: what the store acknowledged is there after any of them.
//!
//! The test starts itself once more as a writer that works with a real store. A shim before the C library notes every write
//! and sync in order. Files are then rebuilt as a cut at random points would leave them, opened, and compared with what the
//! writer was told. `ROSTER_POWER_CUTS` says how many cuts, `ROSTER_POWER_CUT_SEED` where; the same seed works and cuts the
//! same, but for the timing of threads.

mod chance;
mod promises;
mod trace;
mod writer;

use std::{env, fs, path::Path, process::Command};

use chance::Chance;
use roster::chaos::shim;
use tempfile::TempDir;
use trace::Files;

const SHIM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/power_cut/shim.rs");
const ROOT: &str = "SHIM_ROOT";
const SEED: &str = "ROSTER_POWER_CUT_SEED";
const CUTS: &str = "ROSTER_POWER_CUTS";

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// In memory, if there is such a place: images are many, and their syncs mean nothing.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a directory")
}

/// What a writer did: where, and the trace.
fn written(dir: &Path, seed: u64) -> (String, Vec<u8>) {
    let (root, trace) = (dir.join("root"), dir.join("trace"));
    fs::create_dir(&root).expect("a directory");
    let done = Command::new(env::current_exe().expect("this test"))
        .args(["--exact", "writes_until_it_is_done", "--ignored", "--nocapture"])
        .env("LD_PRELOAD", shim::compile(Path::new(SHIM), dir).expect("a library"))
        .env(ROOT, &root)
        .env("SHIM_TRACE", &trace)
        .env(SEED, seed.to_string())
        .output()
        .expect("starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    (root.to_str().expect("a name").to_owned(), fs::read(trace).expect("a trace"))
}

/// Cuts at random points; what was wrong after each.
fn cut(dir: &Path, cuts: u64, data_syncs: bool, chance: &mut Chance) -> Vec<String> {
    let (root, trace) = written(dir, chance.number());
    let steps = trace::parse(&trace);
    let mut points: Vec<usize> = (0..cuts).map(|_| chance.below(steps.len() as u64 + 1) as usize).collect();
    points.sort_unstable();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (mut files, mut done, mut faults) = (Files::default(), 0, Vec::new());
    for point in points {
        steps[done..point].iter().for_each(|step| files.step(step, data_syncs));
        done = point;
        let image = dir.join("image");
        files.after_cut(&root, &image, chance);
        let notes = std::str::from_utf8(files.read(&format!("{root}/notes"))).expect("a text");
        if let Err(fault) = runtime.block_on(promises::check(&image, notes)) {
            faults.push(format!("step {point} of {}: {fault}", steps.len()));
        }
        if image.exists() {
            fs::remove_dir_all(&image).expect("is removed");
        }
    }
    faults
}

#[test]
fn what_was_acknowledged_survives_every_power_cut() {
    let (seed, cuts) = (number(SEED, 1), number(CUTS, 150));
    println!("{SEED}={seed} {CUTS}={cuts}");
    let (mut chance, mut left) = (Chance::new(seed), cuts);
    while left > 0 {
        let dir = scratch();
        let some = left.min(500);
        let faults = cut(dir.path(), some, true, &mut chance);
        assert!(faults.is_empty(), "{SEED}={seed}: {} of {some} cuts:\n{}", faults.len(), faults.join("\n"));
        left -= some;
    }
}

/// Without the syncs of the barrier, which is what sled alone amounts to.
#[test]
fn a_barrier_that_syncs_nothing_is_noticed() {
    let (seed, dir) = (number(SEED, 1), scratch());
    let faults = cut(dir.path(), 30, false, &mut Chance::new(seed));
    println!("{SEED}={seed}: {} of 30 cuts lost something", faults.len());
    assert!(faults.len() >= 10, "{faults:?}");
}

/// Not a test but the writer; see the top of the file.
#[test]
#[ignore = "is started by the others"]
fn writes_until_it_is_done() {
    let Ok(root) = env::var(ROOT) else { return };
    let root = Path::new(&root);
    let aside = root.parent().expect("a directory").join("aside");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(writer::work(root, &aside, number(SEED, 1)));
}
