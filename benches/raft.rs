//! Agreement alone: three groups in this process, each with a node, a store in a directory of its own and a cluster port on
//! loopback, and proposals given to them directly (`Agreement::propose`). It is what `roster bench persist` measures without
//! HTTP, without processes and without the programs that ask; openraft, sled behind its fence, the messages between members
//! and the state are those of a server. Beside it the same commands written to openraft and the same log alone
//! (`raft/bare.rs`). Promises to measure bare `fdatasync` on the same disk right before each size. Never fails for a number.
//!
//! `cargo bench --bench raft`; `cargo bench --bench raft -- --help` for its options.

#![expect(clippy::disallowed_methods, reason = "it measures real time")]

mod raft {
    pub mod bare;
    pub mod member;
}

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};
use hdrhistogram::Histogram;
use roster::{
    bench::{Floor, Load},
    model::{Instance, PersistentOperation, Proposal, ServiceKey},
    raft::{Agreement, Group, Settings},
};
use tokio::task::JoinSet;

use raft::{bare::Bare, member::Members};

#[derive(Parser)]
struct Options {
    #[command(flatten)]
    load: Load,
    /// Seconds of each run
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Entries after which a snapshot is made
    #[arg(long, default_value_t = Settings::DEFAULT.snapshot_entries)]
    snapshot_entries: u64,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// What one size gave, in microseconds.
struct Row {
    writers: usize,
    group: Written,
    bare: Written,
    snapshot: u64,
    floor: Floor,
}

/// What some writers did.
struct Written {
    per_second: f64,
    each: Histogram<u64>,
    errors: u64,
}

/// Whoever is given proposals.
trait Asked: Clone + Send + 'static {
    /// Whether it was agreed on.
    fn ask(&self, proposal: Proposal) -> impl Future<Output = bool> + Send;
}

impl Asked for Arc<Group> {
    async fn ask(&self, proposal: Proposal) -> bool {
        self.propose(proposal).await.is_ok()
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rows = runtime.block_on(measure(&options))?;
    println!("{}", table(&rows));
    Ok(())
}

async fn measure(options: &Options) -> Result<Vec<Row>> {
    options.load.check()?;
    let dir = tempfile::tempdir_in(options.load.dir()).context("making a directory")?;
    let members = Members::start(dir.path(), options.snapshot_entries).await?;
    let leader = members.leader().await?;
    let bare = Bare::start(&dir.path().join("bare")).await?;
    let asked: Vec<Arc<Group>> = (0..members.groups.len())
        .filter(|place| options.load.at.asks(*place == leader))
        .map(|place| members.groups[place].clone())
        .collect();
    let mut rows = Vec::new();
    for (run, writers) in options.load.writers.iter().enumerate() {
        let path = dir.path().to_owned();
        let floor = tokio::task::spawn_blocking(move || Floor::measure(&path)).await??;
        let alone = write(options, &[bare.leader()], *writers, run).await?;
        let group = write(options, &asked, *writers, run).await?;
        let snapshot = asked[0].status().member.and_then(|member| member.snapshot).unwrap_or_default();
        rows.push(Row { writers: *writers, group, bare: alone, snapshot, floor });
    }
    bare.stop().await;
    members.stop().await;
    Ok(rows)
}

async fn write(options: &Options, asked: &[impl Asked], writers: usize, run: usize) -> Result<Written> {
    let deadline = Instant::now() + Duration::from_secs(options.seconds);
    let began = Instant::now();
    let mut running = JoinSet::new();
    for first in 0..writers {
        let asked = asked[first % asked.len()].clone();
        let (services, instances) = (options.load.services, options.load.instances);
        running.spawn(async move {
            let (mut each, mut errors, mut number, mut version) = (histogram(), 0, first, 0);
            while Instant::now() < deadline {
                let proposal = proposal(run, number % services, number, version);
                let began = Instant::now();
                if asked.ask(proposal).await {
                    each.saturating_record(began.elapsed().as_micros() as u64);
                } else {
                    errors += 1;
                }
                number += writers;
                if number >= instances {
                    (number, version) = (first, version + 1);
                }
            }
            (each, errors)
        });
    }
    let (mut each, mut errors) = (histogram(), 0);
    while let Some(part) = running.join_next().await {
        let part = part.context("a writer died")?;
        each.add(part.0).context("histograms of one range")?;
        errors += part.1;
    }
    Ok(Written { per_second: each.len() as f64 / began.elapsed().as_secs_f64(), each, errors })
}

fn proposal(run: usize, service: usize, number: usize, version: u64) -> Proposal {
    let [_, b, c, d] = (number as u32).to_be_bytes();
    let labels = [("zone", "a".to_owned()), ("version", (1_000_000 + version).to_string())];
    let instance = Instance {
        ip: format!("10.{b}.{c}.{d}").into(),
        port: 8080,
        metadata: labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
        ..Instance::default()
    };
    let service = ServiceKey::new("public", "DEFAULT_GROUP", &format!("bench-{run}-{service:05}"));
    let service = service.expect("a legal name");
    Proposal::Instance(PersistentOperation::Register { service, instance: Box::new(instance) })
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("a valid range")
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "writers",
        "writes/s",
        "p50 µs",
        "p99 µs",
        "max µs",
        "errors",
        "snapshot at",
        "fdatasync p50 µs",
        "p99 µs",
        "p50 to p50",
        "bare/s",
        "p50 µs",
        "p99 µs",
        "writes to bare",
    ]);
    for Row { writers, group, bare, snapshot, floor } in rows {
        let p50 = group.each.value_at_quantile(0.5);
        table.add_row([
            writers.to_string(),
            format!("{:.0}", group.per_second),
            p50.to_string(),
            group.each.value_at_quantile(0.99).to_string(),
            group.each.max().to_string(),
            (group.errors + bare.errors).to_string(),
            snapshot.to_string(),
            format!("{:.0}", floor.p50()),
            floor.p99().to_string(),
            format!("{:.1}", p50 as f64 / floor.p50()),
            format!("{:.0}", bare.per_second),
            bare.each.value_at_quantile(0.5).to_string(),
            bare.each.value_at_quantile(0.99).to_string(),
            format!("{:.2}", group.per_second / bare.per_second),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
