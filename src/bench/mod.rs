//! `roster bench`: load for any server that speaks the Nacos naming protocol over gRPC or HTTP. Owns the workloads and what
//! they report. Promises that failed calls, wrong answers and lost pushes are counted and make the command fail. Uses
//! nothing of the server in this crate but the generated envelope: it must not share the mistakes it is to find.
//! Read `client.rs` or `http/mod.rs` for the protocol, then any workload.

#![expect(clippy::disallowed_methods, reason = "a load generator measures real time")]

pub(crate) mod arguments;
mod beat;
pub(crate) mod chance;
mod churn;
pub(crate) mod client;
mod closed_loop;
mod convergence;
pub(crate) mod envelope;
mod hold;
mod http;
mod http_query;
mod http_register;
pub(crate) mod message;
mod persist;
mod ports;
pub(crate) mod process;
mod push;
mod query;
mod register;
mod report;
mod session;
mod spread;
mod storm;
pub(crate) mod stream;
pub(crate) mod tally;

use std::{process::ExitCode, time::Duration};

use anyhow::{Result, ensure};

pub use persist::{At, Floor, Load};
pub use ports::free_ports;
use report::{Report, Run};
use session::{Session, Target};

/// Put load on a Nacos server and measure it
#[derive(Clone, Debug, clap::Args)]
pub struct BenchArgs {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    workload: Workload,
}

#[derive(Clone, Debug, clap::Args)]
struct Common {
    /// host:port of the server, with its main port; the gRPC port is 1000 above. `storm` takes several and compares them
    #[arg(long, global = true, default_value = "127.0.0.1:8848")]
    server: Vec<String>,
    /// The same of all nodes of one cluster, between commas; connections are spread over them
    #[arg(long, global = true, value_delimiter = ',', conflicts_with = "server")]
    servers: Vec<String>,
    /// Process id of the server on this machine, for its CPU time and memory; one for each server
    #[arg(long, global = true)]
    server_pid: Vec<u32>,
    /// Longest wait for a connection or a reply
    #[arg(long, global = true, default_value = "10s", value_parser = arguments::duration)]
    timeout: Duration,
    /// Print one JSON object instead of a table
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Workload {
    /// Replace registrations as fast as the server answers
    Register(register::Args),
    /// Read one service as fast as the server answers
    Query(query::Args),
    /// Register instances over HTTP as fast as the server answers
    HttpRegister(http_register::Args),
    /// Read one service over HTTP as fast as the server answers
    HttpQuery(http_query::Args),
    /// Beat over HTTP: as fast as the server answers, or at the pace of so many instances
    Beat(beat::Args),
    /// Change one instance and time its way to every subscriber
    Push(push::Args),
    /// Change one instance on the first node of --servers and time its way to subscribers on the others
    Convergence(convergence::Args),
    /// Write persistent instances through all nodes of a cluster, of --servers or of its own, beside bare fdatasync
    Persist(persist::Args),
    /// Change and subscribe at random, then compare every view with what was published
    Churn(churn::Args),
    /// Keep idle connections, and instances if asked, and see what they cost
    Hold(hold::Args),
    /// Start many clients at once; with several --server, compare them
    Storm(storm::Args),
}

impl Workload {
    fn name(&self) -> &'static str {
        match self {
            Self::Register(_) => "register",
            Self::Query(_) => "query",
            Self::HttpRegister(_) => "http-register",
            Self::HttpQuery(_) => "http-query",
            Self::Beat(_) => "beat",
            Self::Push(_) => "push",
            Self::Convergence(_) => "convergence",
            Self::Persist(_) => "persist",
            Self::Churn(_) => "churn",
            Self::Hold(_) => "hold",
            Self::Storm(_) => "storm",
        }
    }

    /// Several runs when it measures the same in several sizes.
    async fn run(&self, session: &Session) -> Result<Vec<Run>> {
        let run = match self {
            Self::Persist(args) => return persist::run(session, args).await,
            Self::Register(args) => register::run(session, args).await,
            Self::Query(args) => query::run(session, args).await,
            Self::HttpRegister(args) => http_register::run(session, args).await,
            Self::HttpQuery(args) => http_query::run(session, args).await,
            Self::Beat(args) => beat::run(session, args).await,
            Self::Push(args) => push::run(session, args).await,
            Self::Convergence(args) => convergence::run(session, args).await,
            Self::Churn(args) => churn::run(session, args).await,
            Self::Hold(args) => hold::run(session, args).await,
            Self::Storm(args) => storm::run(session, args).await,
        };
        Ok(vec![run?])
    }
}

/// Runs the workload and prints its report; the code is a failure if the server made a mistake.
pub async fn run(mut args: BenchArgs) -> Result<ExitCode> {
    let own = match &args.workload {
        Workload::Persist(persist) if args.common.servers.is_empty() => Some(persist.start_nodes()?),
        _ => None,
    };
    if let Some(own) = &own {
        (args.common.servers, args.common.server_pid) = (own.addresses(), own.pids());
    }
    let targets = args.common.targets()?;
    let compares = matches!(args.workload, Workload::Storm(_));
    ensure!(compares || targets.len() == 1, "only storm compares servers");
    let mut runs = Vec::new();
    for target in targets {
        let session = Session::new(target, args.common.json);
        runs.extend(args.workload.run(&session).await?);
    }
    let name = args.workload.name();
    let report = if compares { Report::new(name, runs) } else { Report::apart(name, runs) };
    report.print(args.common.json)?;
    Ok(report.exit_code())
}

impl Common {
    fn targets(&self) -> Result<Vec<Target>> {
        let given = if self.servers.is_empty() { &self.server } else { &self.servers };
        let (servers, pids) = (given.len(), self.server_pid.len());
        ensure!(pids == 0 || pids == servers, "{servers} servers but {pids} --server-pid");
        if !self.servers.is_empty() {
            return Ok(vec![Target::parse(&self.servers, self.server_pid.clone(), self.timeout)?]);
        }
        let pids = self.server_pid.iter().map(|pid| vec![*pid]).chain(std::iter::repeat(Vec::new()));
        let each = self.server.chunks(1).zip(pids);
        each.map(|(server, pids)| Target::parse(server, pids, self.timeout)).collect()
    }
}
