//! Agreement alone: three groups in this process, each with a node, a store in a directory of its own and a cluster port on
//! loopback, and proposals given to them directly (`Agreement::propose`). It is what `roster bench persist` measures without
//! HTTP, without processes and without the programs that ask; openraft, sled behind its fence, the messages between members
//! and the state are those of a server. Promises to measure bare `fdatasync` on the same disk right before each size.
//! Never fails for a number.
//!
//! `cargo bench --bench raft`; `cargo bench --bench raft -- --help` for its options.

#![expect(clippy::disallowed_methods, reason = "it measures real time")]

mod raft {
    pub mod member;
}

use std::{
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};
use hdrhistogram::Histogram;
use roster::{
    model::{Instance, PersistentOperation, Proposal, ServiceKey},
    raft::{Agreement, Group, Settings},
};
use tokio::task::JoinSet;

use raft::member::Members;

const FLOOR: Duration = Duration::from_secs(1);
const ENTRY: [u8; 200] = [b'x'; 200];

#[derive(Parser)]
struct Options {
    /// How many propose at a time; each number is a run of its own
    #[arg(long, value_delimiter = ',', default_value = "1,16,256")]
    writers: Vec<usize>,
    /// Seconds of each run
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Who is asked
    #[arg(long, value_enum, default_value_t = At::All)]
    at: At,
    /// Distinct instances, changed in turn
    #[arg(long, default_value_t = 10_000)]
    instances: usize,
    /// Services they are spread over
    #[arg(long, default_value_t = 100)]
    services: usize,
    /// Entries after which a snapshot is made
    #[arg(long, default_value_t = Settings::DEFAULT.snapshot_entries)]
    snapshot_entries: u64,
    /// Where the stores are [default: that of temporary files]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum At {
    All,
    Leader,
    /// All but the leader.
    Follower,
}

/// What one size gave, in microseconds.
struct Row {
    writers: usize,
    per_second: f64,
    each: Histogram<u64>,
    errors: u64,
    snapshot: u64,
    floor: Histogram<u64>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rows = runtime.block_on(measure(&options))?;
    println!("{}", table(&rows));
    Ok(())
}

async fn measure(options: &Options) -> Result<Vec<Row>> {
    let below = options.dir.clone().unwrap_or_else(std::env::temp_dir);
    let dir = tempfile::tempdir_in(&below).context("making a directory")?;
    let members = Members::start(dir.path(), options.snapshot_entries).await?;
    let leader = members.leader().await?;
    let asked: Vec<Arc<Group>> = (0..members.groups.len())
        .filter(|place| options.at == At::All || (*place == leader) == (options.at == At::Leader))
        .map(|place| members.groups[place].clone())
        .collect();
    let mut rows = Vec::new();
    for (run, writers) in options.writers.iter().enumerate() {
        ensure!((1..=options.instances).contains(writers), "--writers must be from 1 to --instances");
        let path = dir.path().join("floor");
        let floor = tokio::task::spawn_blocking(move || floor(&path)).await??;
        rows.push(one(options, &asked, *writers, run, floor).await?);
    }
    members.stop().await;
    Ok(rows)
}

async fn one(
    options: &Options,
    asked: &[Arc<Group>],
    writers: usize,
    run: usize,
    floor: Histogram<u64>,
) -> Result<Row> {
    let deadline = Instant::now() + Duration::from_secs(options.seconds);
    let began = Instant::now();
    let mut running = JoinSet::new();
    for first in 0..writers {
        let group = asked[first % asked.len()].clone();
        let (services, instances) = (options.services, options.instances);
        running.spawn(async move {
            let (mut each, mut errors, mut number, mut version) = (histogram(), 0, first, 0);
            while Instant::now() < deadline {
                let proposal = proposal(run, number % services, number, version);
                let asked = Instant::now();
                match group.propose(proposal).await {
                    Ok(_) => each.saturating_record(asked.elapsed().as_micros() as u64),
                    Err(_) => errors += 1,
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
    let per_second = each.len() as f64 / began.elapsed().as_secs_f64();
    let snapshot = asked[0].status().member.and_then(|member| member.snapshot).unwrap_or_default();
    Ok(Row { writers, per_second, each, errors, snapshot, floor })
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

/// Appends as many bytes as an entry has and syncs them, over and over.
fn floor(path: &Path) -> Result<Histogram<u64>> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let (mut each, began) = (histogram(), Instant::now());
    while began.elapsed() < FLOOR {
        let asked = Instant::now();
        file.write_all(&ENTRY)?;
        file.sync_data()?;
        each.saturating_record(asked.elapsed().as_micros() as u64);
    }
    Ok(each)
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
    ]);
    for row in rows {
        let (p50, floor) = (row.each.value_at_quantile(0.5), row.floor.value_at_quantile(0.5));
        table.add_row([
            row.writers.to_string(),
            format!("{:.0}", row.per_second),
            p50.to_string(),
            row.each.value_at_quantile(0.99).to_string(),
            row.each.max().to_string(),
            row.errors.to_string(),
            row.snapshot.to_string(),
            floor.to_string(),
            row.floor.value_at_quantile(0.99).to_string(),
            format!("{:.1}", p50 as f64 / floor as f64),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
