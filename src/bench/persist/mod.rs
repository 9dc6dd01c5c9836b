//! `roster bench persist`: callers that write persistent instances over HTTP, each kept connection with one write under way,
//! in several sizes one after the other; beside each the same disk's bare `fdatasync`. Promises that each write changes
//! something, over a bounded range of instances, and that snapshots and purges that happened meanwhile are told.
//! Nodes of its own are gone with it. Never repeats a write that failed.

mod fdatasync;
mod nodes;
mod standing;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use super::{
    arguments,
    closed_loop::{self, Length, Worker},
    http::{Caller, message::check_done},
    http_register::publication,
    process::Reading,
    report::{Run, per},
    session::Session,
    tally::Fault,
};
use fdatasync::Floor;
use nodes::OwnNodes;
use standing::{Standing, Watch};

/// How long the disk is measured alone before each size.
const FLOOR: Duration = Duration::from_secs(1);
/// Quiet time before memory is read.
const SETTLE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// How many write at a time; each number is a run of its own
    #[arg(long, value_delimiter = ',', default_value = "1,16,256")]
    writers: Vec<usize>,
    /// How long each run measures
    #[arg(long, default_value = "5s", value_parser = arguments::duration)]
    duration: Duration,
    /// Which nodes are asked
    #[arg(long, value_enum, default_value_t = At::All)]
    at: At,
    /// Distinct instances of each run, written in turn
    #[arg(long, default_value_t = 10_000)]
    instances: usize,
    /// Services they are spread over
    #[arg(long, default_value_t = 100)]
    services: usize,
    /// Entries after which nodes of its own make a snapshot [default: theirs]
    #[arg(long)]
    snapshot_entries: Option<u64>,
    /// Existing directory for nodes of its own, and for bare fdatasync [default: that of temporary files]
    #[arg(long)]
    dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum At {
    All,
    Leader,
    /// All but the leader.
    Follower,
}

impl Args {
    fn dir(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(std::env::temp_dir)
    }

    /// A cluster that lives as long as what is returned.
    pub fn start_nodes(&self) -> Result<OwnNodes> {
        let more = self.snapshot_entries.map(|entries| ["--snapshot-entries".to_owned(), entries.to_string()]);
        OwnNodes::start(&self.dir(), &more.into_iter().flatten().collect::<Vec<_>>())
    }

    fn check(&self) -> Result<()> {
        ensure!(self.services > 0, "--services must be at least 1");
        ensure!(self.writers.iter().all(|writers| *writers > 0), "--writers must be at least 1");
        ensure!(
            self.writers.iter().all(|writers| self.instances >= *writers),
            "--instances must be at least --writers"
        );
        Ok(())
    }
}

pub async fn run(session: &Session, args: &Args) -> Result<Vec<Run>> {
    args.check()?;
    standing::settled(session).await?;
    let mut runs = Vec::new();
    for (number, writers) in args.writers.iter().enumerate() {
        runs.push(one(&session.again(number), args, *writers).await?);
    }
    Ok(runs)
}

async fn one(session: &Session, args: &Args, writers: usize) -> Result<Run> {
    tokio::time::sleep(SETTLE).await;
    let idle = resident(&session.target.pids)?;
    let dir = args.dir();
    session.phase("fdatasync", 0);
    let floor =
        tokio::task::spawn_blocking(move || Floor::measure(&dir, FLOOR)).await.context("measuring the disk")??;
    let asked = asked(&standing::of_all(session).await?, args.at)?;
    let names: Arc<Vec<String>> = Arc::new((0..args.services).map(|number| session.service(number)).collect());
    let writing = |first: usize| Writing {
        caller: Caller::new(session, asked[first % asked.len()]),
        names: names.clone(),
        numbers: (first, writers, args.instances),
        next: first,
        round: 0,
    };
    let watch = Watch::start(session);
    let length = Length { duration: args.duration, count: None };
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
    let wanted = |one: &Standing| at == At::All || one.leads == (at == At::Leader);
    let asked: Vec<usize> = (0..standings.len()).filter(|position| wanted(&standings[*position])).collect();
    ensure!(!asked.is_empty(), "no node is a {at:?} of this cluster");
    Ok(asked)
}

fn resident(pids: &[u32]) -> Result<Vec<u64>> {
    pids.iter().map(|pid| Ok(Reading::take(*pid)?.resident_bytes)).collect()
}

struct Writing {
    caller: Caller,
    names: Arc<Vec<String>>,
    /// Its first instance, how far the next is, and how many there are of all.
    numbers: (usize, usize, usize),
    next: usize,
    round: u64,
}

impl Worker for Writing {
    async fn step(&mut self) -> Result<(), Fault> {
        let (first, step, count) = self.numbers;
        let ask = publication(&self.names, self.next, self.round).persist();
        self.next += step;
        if self.next >= count {
            self.next = first;
            // Other metadata: what changes nothing is agreed on with nobody.
            self.round += 1;
        }
        check_done(&self.caller.call(ask).await?)
    }
}
