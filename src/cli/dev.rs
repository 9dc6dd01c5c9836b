//! `roster dev`: a cluster on this machine to try things with, each node a process of its own.
//!
//! Promises that no node outlives this process, however it ends: each watches its standard input, which ends with it. A
//! node that ends is told of and not started again, so that one can be killed to see what becomes of the others.

mod node;

use std::{
    io::{self, Write},
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{ExitCode, ExitStatus},
    time::Duration,
};

use anyhow::{Context, bail};
use clap::Args;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

use crate::{
    cli::table,
    config::{GRPC_OFFSET, PEER_OFFSET},
};
use node::{Node, State};

/// From the main port of one node to that of the next.
const PORT_STEP: u16 = 10;
/// How long nodes may take to stop before they are killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs a cluster on this machine to try things with. Settings can be given as ROSTER_NAME in the environment.
#[derive(Args)]
pub(super) struct DevArgs {
    /// How many nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=9))]
    nodes: u16,
    /// Main port of the first node; that of each other is 10 above the one before.
    #[arg(long, default_value_t = 8_848, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Directory that holds those of the nodes.
    #[arg(long, default_value = "roster-dev-data")]
    data: PathBuf,
}

/// The nodes, and what is awaited of them.
struct Cluster {
    nodes: Vec<Node>,
    /// Ends of processes, by position.
    ends: JoinSet<(usize, io::Result<ExitStatus>)>,
    /// Whether nodes became ready, by position.
    starts: JoinSet<(usize, bool)>,
}

pub(super) async fn run(args: DevArgs) -> anyhow::Result<ExitCode> {
    let ports = ports(args.port, args.nodes)?;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut cluster = Cluster::start(&args, &ports)?;
    let lived = tokio::select! {
        () = cluster.watch() => false,
        _ = interrupt.recv() => true,
        _ = terminate.recv() => true,
    };
    if !lived {
        bail!("no node is left");
    }
    cluster.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// The main ports, all of whose ports are there and free.
fn ports(first: u16, nodes: u16) -> anyhow::Result<Vec<u16>> {
    let last = u32::from(first) + u32::from((nodes - 1) * PORT_STEP + PEER_OFFSET);
    if last > u32::from(u16::MAX) {
        bail!("--port {first}: {nodes} nodes need ports up to {last}, and there are none above 65535");
    }
    let ports: Vec<u16> = (0..nodes).map(|number| first + number * PORT_STEP).collect();
    for port in &ports {
        for taken in [*port, port + GRPC_OFFSET, port + PEER_OFFSET] {
            TcpListener::bind((Ipv4Addr::LOCALHOST, taken))
                .with_context(|| format!("port {taken} cannot be listened on; --port moves all nodes"))?;
        }
    }
    Ok(ports)
}

impl Cluster {
    fn start(args: &DevArgs, ports: &[u16]) -> anyhow::Result<Self> {
        let addresses: Vec<String> = ports.iter().map(|port| format!("{}:{port}", Ipv4Addr::LOCALHOST)).collect();
        let peers = addresses.join(",");
        let mut cluster = Self { nodes: Vec::new(), ends: JoinSet::new(), starts: JoinSet::new() };
        for (position, (address, port)) in addresses.into_iter().zip(ports).enumerate() {
            let data = args.data.join(format!("node{}", position + 1));
            let (node, end) = Node::start(position + 1, &address, *port, &peers, data)?;
            cluster.starts.spawn(async move { (position, node::becomes_ready(&address).await) });
            cluster.ends.spawn(async move { (position, end.await) });
            cluster.nodes.push(node);
        }
        Ok(cluster)
    }

    /// Tells what becomes of the nodes until none is left.
    async fn watch(&mut self) {
        loop {
            tokio::select! {
                Some(Ok((position, ready))) = self.starts.join_next() => self.started(position, ready),
                ended = self.ends.join_next() => match ended {
                    Some(Ok((position, status))) => self.ended(position, status),
                    // A task that waits for a process neither panics nor is aborted here.
                    Some(Err(_)) => {}
                    None => return,
                },
            }
        }
    }

    fn started(&mut self, position: usize, ready: bool) {
        let node = &mut self.nodes[position];
        if matches!(node.state, State::Starting) {
            node.state = if ready { State::Ready } else { State::Late };
            self.announce();
        }
    }

    fn ended(&mut self, position: usize, status: io::Result<ExitStatus>) {
        let node = &mut self.nodes[position];
        let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        node::say(&format!("node {} ended: {how}", node.number));
        let was_starting = matches!(node.state, State::Starting);
        node.state = State::Ended(how);
        if was_starting {
            self.announce();
        }
    }

    /// Says where to connect, once it is clear how all nodes started.
    fn announce(&self) {
        if self.nodes.iter().any(|node| matches!(node.state, State::Starting)) {
            return;
        }
        let mut table = table(&["NODE", "ADDRESS", "STATE", "PID", "DATA"]);
        for node in &self.nodes {
            let pid = node.pid.map(|pid| pid.to_string()).unwrap_or_default();
            let data = node.data.display().to_string();
            table.add_row([node.number.to_string(), node.address.clone(), node.state.to_string(), pid, data]);
        }
        let addresses: Vec<&str> = self.nodes.iter().map(|node| node.address.as_str()).collect();
        let where_to = format!("clients connect to {}; Ctrl-C stops all nodes", addresses.join(","));
        // As with what nodes say: nobody may be reading.
        let _ = writeln!(io::stdout(), "{table}\n\n{where_to}");
    }

    async fn stop(mut self) {
        node::say("stopping");
        self.starts.abort_all();
        for node in &mut self.nodes {
            node.ask_to_stop();
        }
        let all = async { while self.ends.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_TIMEOUT, all).await.is_err() {
            // Whoever is left is killed as its end is no longer awaited.
            node::say(&format!("nodes that did not stop in {STOP_TIMEOUT:?} are killed"));
            self.ends.shutdown().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_are_not_there_or_taken_are_named() {
        let fault = ports(64_530, 1).and(ports(64_530, 2)).expect_err("too high").to_string();
        assert!(fault.contains("up to 65541"), "{fault}");
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = taken.local_addr().expect("bound").port();
        let fault = ports(port, 1).expect_err("taken").to_string();
        assert!(fault.contains(&format!("port {port} cannot")), "{fault}");
    }
}
