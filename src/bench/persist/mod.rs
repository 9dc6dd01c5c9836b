//! `roster bench persist`: callers that write persistent instances over HTTP, each kept connection with one write under way,
//! in several sizes one after the other; beside each the same disk's bare `fdatasync`. Promises that each write changes
//! something, over a bounded range of instances, and that snapshots and purges that happened meanwhile are told.
//! Nodes of its own are gone with it. Never repeats a write that failed.

mod fdatasync;
mod load;
mod nodes;
mod standing;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};

use super::{
    arguments,
    closed_loop::{self, Length, Worker},
    http::{Caller, message::check_done, turns::Turns},
    process::Reading,
    report::{Run, per},
    session::Session,
    tally::Fault,
};
pub use fdatasync::Floor;
pub use load::{At, Load};
use nodes::OwnNodes;
use standing::{Standing, Watch};

/// Quiet time before memory is read.
const SETTLE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    load: Load,
    /// How long each run measures
    #[arg(long, default_value = "5s", value_parser = arguments::duration)]
    duration: Duration,
    /// Entries after which nodes of its own make a snapshot [default: theirs]
    #[arg(long)]
    snapshot_entries: Option<u64>,
}

impl Args {
    /// A cluster that lives as long as what is returned.
    pub fn start_nodes(&self) -> Result<OwnNodes> {
        let more = self.snapshot_entries.map(|entries| ["--snapshot-entries".to_owned(), entries.to_string()]);
        OwnNodes::start(&self.load.dir(), &more.into_iter().flatten().collect::<Vec<_>>())
    }
}

pub async fn run(session: &Session, args: &Args) -> Result<Vec<Run>> {
    args.load.check()?;
    standing::settled(session).await?;
    let mut runs = Vec::new();
    for (number, writers) in args.load.writers.iter().enumerate() {
        runs.push(one(&session.again(number), &args.load, args.duration, *writers).await?);
    }
    Ok(runs)
}

async fn one(session: &Session, load: &Load, duration: Duration, writers: usize) -> Result<Run> {
    tokio::time::sleep(SETTLE).await;
    let idle = resident(&session.target.pids)?;
    let dir = load.dir();
    session.phase("fdatasync", 0);
    let floor = tokio::task::spawn_blocking(move || Floor::measure(&dir)).await.context("measuring the disk")??;
    let asked = asked(&standing::of_all(session).await?, load.at)?;
    let names: Arc<Vec<String>> = Arc::new((0..load.services).map(|number| session.service(number)).collect());
    let writing = |first: usize| Writing {
        caller: Caller::new(session, asked[first % asked.len()]),
        turns: Turns::new(&names, first, writers, load.instances),
    };
    let watch = Watch::start(session);
    let length = Length { duration, count: None };
    let mut run = closed_loop::measure(session, &length, (0..writers).map(writing).collect()).await?;
    let (snapshots, purges) = watch.end().await?;
    run.count("writers", writers as u64);
    run.count("snapshots", snapshots);
    run.count("purges", purges);
    floor.report(&mut run);
    if let Some(p50) = run.latency_us.as_ref().map(|latency| latency.p50) {
        run.figure("p50_to_fdatasync", per(p50 as f64, floor.p50()));
    }
    tokio::time::sleep(SETTLE).await;
    for (number, (before, after)) in idle.into_iter().zip(resident(&session.target.pids)?).enumerate() {
        run.count(&format!("node{}_rss_bytes_before", number + 1), before);
        run.count(&format!("node{}_rss_bytes_after", number + 1), after);
    }
    let plural = if writers == 1 { "writer" } else { "writers" };
    Ok(session.finish(run.headed(format!("{writers} {plural}"))))
}

/// Positions of the nodes that are to be asked.
fn asked(standings: &[Standing], at: At) -> Result<Vec<usize>> {
    let asked: Vec<usize> = (0..standings.len()).filter(|place| at.asks(standings[*place].leads)).collect();
    ensure!(!asked.is_empty(), "no node is a {at:?} of this cluster");
    Ok(asked)
}

fn resident(pids: &[u32]) -> Result<Vec<u64>> {
    pids.iter().map(|pid| Ok(Reading::take(*pid)?.resident_bytes)).collect()
}

struct Writing {
    caller: Caller,
    turns: Turns,
}

impl Worker for Writing {
    async fn step(&mut self) -> Result<(), Fault> {
        // What changes nothing is agreed on with nobody.
        let ask = self.turns.next(true).persist();
        check_done(&self.caller.call(ask).await?)
    }
}
