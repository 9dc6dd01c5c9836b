//! `roster chaos`: a real cluster under real load and real faults, and a verdict.
//!
//! Promises that the verdict is good only when each promise of `journal::Promise` was kept and each fault that was asked for
//! happened; that the same seed asks for the same faults in the same order; that nothing is left behind but the report. Runs
//! anywhere without rights: lines between nodes are broken by a proxy that all that nodes say passes through.
//! Read `fault.rs` for what is done, `load.rs` for who is there, `verdict.rs` and `watch.rs` for what must hold.

mod ask;
mod beats;
mod fault;
mod inject;
mod journal;
mod links;
mod load;
mod nodes;
mod persistent;
mod picture;
mod report;
mod sample;
mod sdk;
pub mod shim;
mod source;
mod verdict;
mod watch;

use std::{
    fs, iter,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use self::{
    fault::{Kind, Lane},
    inject::Injector,
    journal::Journal,
    load::Load,
    nodes::Nodes,
    report::{FAILED, Operations, PASSED, Report},
    sample::Sampler,
};
use crate::bench::{arguments, chance::Chance};

/// How long clients have the whole cluster before the first fault: longer than nodes take to keep what clients published.
const PEACE: Duration = Duration::from_secs(7);
/// Mean pause between faults of one lane.
const PAUSE: Duration = Duration::from_secs(3);

/// Break a cluster of this machine while clients use it, and see whether anything is lost.
#[derive(Clone, Debug, clap::Args)]
pub struct ChaosArgs {
    /// How many nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(3..=7))]
    nodes: u16,
    /// How long faults are injected; healing and checking come after
    #[arg(long, default_value = "120s", value_parser = arguments::duration)]
    duration: Duration,
    /// The same seed asks for the same faults in the same order
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which faults, between commas [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    faults: Vec<Kind>,
    /// Directory for the report, the timeline and what nodes log; made if it is not there
    #[arg(long)]
    report: Option<PathBuf>,
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
}

impl ChaosArgs {
    /// Which faults, and the library that some of them need. Without `rustc` all means all others.
    fn asked(&self, dir: &Path) -> Result<(Vec<Kind>, Option<PathBuf>)> {
        let all = self.faults.is_empty();
        let mut asked = if all { Kind::value_variants().to_vec() } else { self.faults.clone() };
        asked.sort_unstable();
        asked.dedup();
        if !asked.iter().any(|kind| kind.needs_shim()) {
            return Ok((asked, None));
        }
        match shim::build(dir) {
            Ok(library) => Ok((asked, Some(library))),
            Err(error) if all => {
                eprintln!("no clocks and no disks are broken: {error:#}");
                asked.retain(|kind| !kind.needs_shim());
                Ok((asked, None))
            }
            Err(error) => Err(error.context("these faults need a library that cannot be built")),
        }
    }
}

/// Runs it; the code is a failure when a promise was broken.
pub async fn run(args: ChaosArgs) -> Result<ExitCode> {
    let own = std::env::temp_dir().join(format!("roster-chaos-{}", std::process::id()));
    let dir = args.report.clone().unwrap_or_else(|| own.clone());
    fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
    let data = dir.join("nodes");
    ensure!(!data.exists(), "{} is there already, of another run", data.display());
    fs::create_dir(&data)?;
    let report = break_cluster(&args, &data).await?;
    report.print(args.json)?;
    report.write(&dir)?;
    // What nodes kept is of use only to whoever looks for what went wrong.
    if report.verdict == PASSED {
        fs::remove_dir_all(if args.report.is_some() { &data } else { &own })?;
    } else {
        eprintln!("what nodes kept and logged is in {}", data.display());
    }
    Ok(report.exit_code())
}

async fn break_cluster(args: &ChaosArgs, data: &Path) -> Result<Report> {
    let (asked, library) = args.asked(data)?;
    let nodes = Arc::new(Nodes::start(args.nodes.into(), data, library.as_deref()).await?);
    for number in 0..nodes.all.len() {
        nodes.ready(number).await?;
    }
    nodes.leader().await?;
    let journal = Arc::new(Journal::begin());
    let mut load = Load::begin(&nodes, &journal, args.seed).await?;
    let end = CancellationToken::new();
    let sampler = Sampler {
        nodes: nodes.clone(),
        journal: journal.clone(),
        ground: load.ground.clone(),
        watches: load.watches.clone(),
        callers: load.callers.clone(),
    };
    let sampling = tokio::spawn(sampler.run(end.clone()));
    sleep(PEACE).await;
    load.ground.steady.lock().is_known = true;
    inject_all(args, &asked, &nodes, &journal, &load).await?;
    for number in 0..nodes.all.len() {
        nodes.ready(number).await?;
    }
    let (truth, held) = load.quiet().await?;
    let converged = verdict::converge(&nodes, &load.watches, &truth, &journal).await;
    let checked = verdict::histories(load.callers.clone(), &nodes, &journal).await?;
    end.cancel();
    sampling.await.context("the sampler died")?;
    verdict::logs(&nodes, &journal);
    verdict::coverage(&asked, &journal);
    let journal::Pages { injected, samples, .. } = journal.read();
    let checks = verdict::checks(&journal);
    let most = |value: fn(&journal::Sample) -> u64| samples.iter().map(value).max().unwrap_or(0);
    let mut faults = std::collections::BTreeMap::new();
    for one in injected.iter().filter(|one| one.evidence.is_some()) {
        *faults.entry(fault::name(&one.kind)).or_default() += 1;
    }
    Ok(Report {
        verdict: if checks.iter().all(|check| check.kept) { PASSED } else { FAILED },
        seed: args.seed,
        nodes: nodes.all.len(),
        seconds: journal.seconds(),
        faults,
        operations: Operations {
            checked,
            answered: load.callers.answered.load(Relaxed),
            failed: load.callers.failed.load(Relaxed),
            connects: held.iter().map(|sdk| sdk.connects).sum(),
            converged: converged.map(|took| took.as_secs_f64()),
            slowest_push: most(|sample| sample.push),
            largest_lag: most(|sample| sample.lag),
            resident: most(|sample| sample.resident),
            descriptors: samples.iter().map(|sample| sample.descriptors).max().unwrap_or(0),
        },
        checks,
        injected,
        samples,
    })
}

/// Has each lane do its faults in turn until time is up; each of them once at least.
async fn inject_all(
    args: &ChaosArgs,
    asked: &[Kind],
    nodes: &Arc<Nodes>,
    journal: &Arc<Journal>,
    load: &Load,
) -> Result<()> {
    let until = Instant::now() + args.duration;
    let mut lanes = JoinSet::new();
    for (number, lane) in Lane::ALL.into_iter().enumerate() {
        let kinds: Vec<Kind> = asked.iter().copied().filter(|kind| kind.lane() == lane).collect();
        let injector = Injector {
            nodes: nodes.clone(),
            journal: journal.clone(),
            servers: load.servers.clone(),
            chance: Chance::new(args.seed, 2_000 + number as u64),
        };
        lanes.spawn(inject_lane(injector, kinds, until));
    }
    while let Some(lane) = lanes.join_next().await {
        lane.context("an injection died")??;
    }
    Ok(())
}

async fn inject_lane(mut injector: Injector, kinds: Vec<Kind>, until: Instant) -> Result<()> {
    // Each once, and then each as often as its frequency says.
    let mut round = kinds.clone();
    while !kinds.is_empty() && Instant::now() < until {
        if round.is_empty() {
            round = kinds.iter().flat_map(|kind| iter::repeat_n(*kind, kind.frequency())).collect();
        }
        let kind = round.swap_remove(injector.chance.below(round.len()));
        injector.inject(kind).await?;
        let pause = PAUSE.mul_f64(0.3 + injector.chance.below(140) as f64 / 100.0);
        sleep_until(until.min(Instant::now() + pause)).await;
    }
    Ok(())
}
