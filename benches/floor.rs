//! How far Roster is above the floor: the CPU time per operation and the memory per connection of a bare tonic server
//! that answers the same two gRPC methods with the same bytes, or sends the same pushes, and does nothing else; and of
//! bare axum handlers that answer the same HTTP requests with the same bytes. Promises that both are asked by the same
//! load generator, in turn, several times, and that the size of their replies is shown.
//! Never fails for a number: a machine's noise is not a defect.
//!
//! `cargo bench --bench floor`; `cargo bench --bench floor -- --help` for its options.

#![expect(clippy::disallowed_methods, reason = "it watches real processes in real time")]

mod floor {
    pub mod bare_http;
    pub mod bare_server;
    pub mod servers;
}

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};
use floor::{bare_server, servers::Server};
use serde_json::Value;

const REGISTER_TARGET: f64 = 1.5;
const QUERY_TARGET: f64 = 1.5;
const HTTP_TARGET: f64 = 2.0;
const IDLE_TARGET: f64 = 1.25;

#[derive(Parser)]
struct Options {
    /// Rounds of each operation; each asks both servers
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only rows whose name begins like this
    #[arg(long)]
    only: Option<String>,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Rounds of idle connections, each with two new servers
    #[arg(long, default_value_t = 3)]
    hold_rounds: usize,
    /// Idle connections
    #[arg(long, default_value_t = 1000)]
    connections: usize,
    /// Measure another build of Roster
    #[arg(long, default_value = env!("CARGO_BIN_EXE_roster"))]
    roster: PathBuf,
    /// What this program runs itself with
    #[arg(long, hide = true)]
    bare_server: Option<u16>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

const PUSH: &str = "push to 100";
const IDLE: &str = "idle connection";

/// What is measured as CPU time per operation: its name, the workload, and the target of the ratio.
const CPU_ROWS: [(&str, &[&str], f64); 7] = [
    ("register", &["register"], REGISTER_TARGET),
    ("query of 10", &["query"], QUERY_TARGET),
    ("HTTP register", &["http-register"], HTTP_TARGET),
    ("HTTP register again", &["http-register", "--same"], HTTP_TARGET),
    ("HTTP query of 10", &["http-query"], HTTP_TARGET),
    ("HTTP beat", &["beat"], HTTP_TARGET),
    ("HTTP beat in full", &["beat", "--full"], HTTP_TARGET),
];

fn main() -> Result<()> {
    let options = Options::parse();
    if let Some(port) = options.bare_server {
        return bare_server::run(port);
    }
    let mut rows = Vec::new();
    {
        let (bare, roster) = (Server::bare()?, Server::roster(&options.roster)?);
        let seconds = options.seconds.to_string();
        for (name, workload, target) in CPU_ROWS.into_iter().filter(|(name, ..)| options.measures(name)) {
            let workload = [workload, &["--duration", &seconds][..]].concat();
            let mut row = Row::new(name, "server CPU µs per operation", Some(target));
            for round in 1..=options.rounds {
                eprintln!("{name}: round {round} of {}", options.rounds);
                row.add([&bare, &roster], &options, &workload, "/server_cpu_us_per_op")?;
            }
            rows.push(row);
        }
    }
    if options.measures(PUSH) {
        rows.extend(pushes(&options)?);
    }
    if options.measures(IDLE) {
        rows.push(idle(&options)?);
    }
    println!("{}", table(&rows));
    Ok(())
}

impl Options {
    fn measures(&self, row: &str) -> bool {
        self.only.as_ref().is_none_or(|only| row.starts_with(only))
    }
}

fn idle(options: &Options) -> Result<Row> {
    let mut idle = Row::new(IDLE, "resident bytes", Some(IDLE_TARGET));
    let connections = options.connections.to_string();
    // Long enough for each client's first health check.
    let workload = ["hold", "--connections", &connections, "--settle", "1s", "--duration", "6s"];
    for round in 1..=options.hold_rounds {
        eprintln!("idle connections: round {round} of {}", options.hold_rounds);
        // Memory that a server once had is used again: only a new one shows what connections need.
        let (bare, roster) = (Server::bare()?, Server::roster(&options.roster)?);
        idle.add([&bare, &roster], options, &workload, "/rss_bytes_per_connection_held")?;
    }
    Ok(idle)
}

/// One change to 100 subscribers, timed from its reply to the last callback of 99 in 100.
fn pushes(options: &Options) -> Result<[Row; 2]> {
    let (bare, roster) = (Server::bare()?, Server::roster(&options.roster)?);
    let mut cost = Row::new(PUSH, "server CPU µs per push", None);
    let mut delay = Row::new(PUSH, "p99 µs from reply to callback", None);
    for round in 1..=options.rounds {
        eprintln!("push to 100: round {round} of {}", options.rounds);
        let runs = both(round, [&bare, &roster], options, &["push", "--rounds", "20"])?;
        cost.note(&runs, "/server_cpu_us_per_op")?;
        delay.note(&runs, "/latency_us/p99")?;
    }
    Ok([cost, delay])
}

/// One comparison: what both servers gave, round by round.
struct Row {
    name: &'static str,
    unit: &'static str,
    /// Of the ratio, if it has one.
    target: Option<f64>,
    pairs: Vec<[f64; 2]>,
    reply_bytes: [Option<f64>; 2],
}

impl Row {
    fn new(name: &'static str, unit: &'static str, target: Option<f64>) -> Self {
        Self { name, unit, target, pairs: Vec::new(), reply_bytes: [None; 2] }
    }

    /// Runs the workload against both and notes one figure.
    fn add(&mut self, servers: [&Server; 2], options: &Options, workload: &[&str], figure: &str) -> Result<()> {
        let runs = both(self.pairs.len(), servers, options, workload)?;
        self.note(&runs, figure)
    }

    /// Notes one figure, a JSON pointer, of two runs.
    fn note(&mut self, runs: &[Value; 2], figure: &str) -> Result<()> {
        let read =
            |run: &Value| run.pointer(figure).and_then(Value::as_f64).with_context(|| format!("no {figure} in {run}"));
        self.pairs.push([read(&runs[0])?, read(&runs[1])?]);
        self.reply_bytes = [runs[0]["reply_bytes"].as_f64(), runs[1]["reply_bytes"].as_f64()];
        Ok(())
    }

    fn cells(&self) -> Vec<String> {
        let side = |side: usize| median(self.pairs.iter().map(|pair| pair[side]).collect());
        let ratio = median(self.pairs.iter().map(|pair| pair[1] / pair[0]).collect());
        let bytes = |side: usize| self.reply_bytes[side].map_or_else(String::new, |bytes| format!("{bytes:.0}"));
        vec![
            self.name.to_owned(),
            self.unit.to_owned(),
            format!("{:.1}", side(0)),
            format!("{:.1}", side(1)),
            format!("{ratio:.2}"),
            self.target.map_or_else(String::new, |target| format!("<= {target}")),
            self.target.map_or("", |target| if ratio <= target { "met" } else { "missed" }).to_owned(),
            bytes(0),
            bytes(1),
        ]
    }
}

/// The workload against both servers, one after the other; which is first alternates, as a machine warms up or gets busy.
fn both(round: usize, servers: [&Server; 2], options: &Options, workload: &[&str]) -> Result<[Value; 2]> {
    if round.is_multiple_of(2) {
        let bare = bench(servers[0], options, workload)?;
        Ok([bare, bench(servers[1], options, workload)?])
    } else {
        let roster = bench(servers[1], options, workload)?;
        Ok([bench(servers[0], options, workload)?, roster])
    }
}

fn bench(server: &Server, options: &Options, workload: &[&str]) -> Result<Value> {
    let output = Command::new(&options.roster)
        .arg("bench")
        .args(workload)
        .args(["--json", "--server", &server.address(), "--server-pid", &server.pid().to_string()])
        .output()
        .context("running roster bench")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "roster bench {workload:?} against {}: {}\n{errors}",
        server.address(),
        String::from_utf8_lossy(&output.stdout)
    );
    let report: Value = serde_json::from_slice(&output.stdout).context("the report of roster bench")?;
    Ok(report["runs"][0].clone())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["", "median of", "bare", "roster", "ratio", "target", "", "reply B bare", "reply B roster"]);
    table.add_rows(rows.iter().map(Row::cells));
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
