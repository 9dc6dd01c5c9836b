//! A whole node: started in floor order, stopped in its mirror.

mod listen;
mod own_entry;
mod transport;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

pub use own_entry::OwnEntryError;
use thiserror::Error;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::{
    config::{GRPC_OFFSET, PEER_OFFSET, Settings},
    connection::Connections,
    datagram::Datagrams,
    grpc::Grpc,
    http::{self, Api, Process},
    metrics::Metrics,
    model::NodeId,
    node::{Membership, Output},
    runtime::{CeilingError, DataDir, DataDirError, Log, Runtime},
    server::transport::{App, Patience},
};

/// Why a node could not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The clock's ceiling cannot be read or stored.
    #[error(transparent)]
    Ceiling(#[from] CeilingError),
    /// A port cannot be listened on.
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// The socket of datagrams cannot be opened.
    #[error("cannot open a UDP socket on {host}: {cause}")]
    Datagrams {
        /// Where.
        host: IpAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// It is not clear which of the members this node is.
    #[error(transparent)]
    OwnEntry(#[from] OwnEntryError),
    /// No pair of free ports was found for port 0.
    #[error("no free pair of ports {GRPC_OFFSET} apart was found")]
    NoFreePorts,
    /// The metrics recorder cannot be installed.
    #[error("cannot install the metrics recorder: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
}

/// A running node.
pub struct Server {
    addresses: [SocketAddr; 2],
    connections: Arc<Connections>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    grace: Duration,
}

/// In how many slices connections are closed when the node stops.
const DRAIN_SLICES: usize = 10;
/// How often the metrics recorder is emptied.
const UPKEEP: Duration = Duration::from_secs(5);

impl Server {
    /// Starts a node. It answers when this returns.
    pub async fn start(settings: &Settings) -> Result<Self, StartError> {
        Self::start_with_log(settings, None).await
    }

    /// The same for a node whose operators may set how much this process logs.
    pub async fn start_with_log(settings: &Settings, log: Option<Arc<Log>>) -> Result<Self, StartError> {
        // Ports first: a second start on the same machine then fails for the reason a person expects.
        let listeners = listen_pair(settings.host, settings.port).await?;
        let addresses = [local(&listeners[0])?, local(&listeners[1])?];
        let place = own_entry::find(&settings.cluster, addresses[0], reachable(addresses[0])).await?;
        let data = Arc::new(DataDir::open(&settings.data)?);
        let metrics = Metrics::install()?;
        let membership = Membership { this: NodeId(1), address: place.address, peers: place.peers };
        let runtime = Runtime::start(settings.node, membership, &data)?;
        let connections = Connections::new(runtime.clone(), settings.connection);
        let (stop, stopped) = watch::channel(false);
        let process = Process { stopping: stopped.clone(), log };
        let datagrams = Datagrams::open(settings.host, runtime.clone(), metrics.clone())
            .map_err(|cause| StartError::Datagrams { host: settings.host, cause })?;
        let app = Arc::new(App::new(
            connections.clone(),
            Grpc::new(connections.clone(), metrics.clone()),
            http::router(Api::new(connections.clone(), metrics.clone(), process), &settings.http),
            Patience { request: settings.http_timeout, idle: settings.http_idle },
        ));

        let mut tasks = JoinSet::new();
        tasks.spawn(dispatch(runtime.clone(), connections.clone(), datagrams.clone(), stopped.clone()));
        tasks.spawn(until(stopped.clone(), datagrams.clone().send()));
        tasks.spawn(until(stopped.clone(), datagrams.read()));
        tasks.spawn(until(stopped.clone(), runtime.keep_ceiling(data)));
        tasks.spawn(until(stopped.clone(), connections.clone().detect()));
        tasks.spawn(until(stopped.clone(), upkeep(metrics)));
        for listener in listeners {
            tasks.spawn(until(stopped.clone(), listen::accept(listener, app.clone())));
        }
        Ok(Self { addresses, connections, stop, tasks, grace: settings.shutdown_grace })
    }

    /// The main address and the one gRPC clients go to.
    pub fn addresses(&self) -> [SocketAddr; 2] {
        self.addresses
    }

    /// The connections of this node.
    pub fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    /// Stops: accepts nothing more, ends all streams so that clients reconnect elsewhere, then ends the tasks.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        self.connections.drain(DRAIN_SLICES, self.grace / DRAIN_SLICES as u32).await;
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn stopping(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, so the node is too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn until(stopped: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stopping(stopped) => {}
        () = work => {}
    }
}

async fn dispatch(
    runtime: Arc<Runtime>,
    connections: Arc<Connections>,
    datagrams: Arc<Datagrams>,
    stopped: watch::Receiver<bool>,
) {
    let deliver = |output| match output {
        Output::Push(push) if push.client.is_address() => datagrams.deliver(push),
        Output::Push(push) => connections.deliver(push),
        Output::Oversized(list) => {
            tracing::warn!(service = %list.service, bytes = list.bytes, "not pushed: SDKs break on a list of that size");
        }
        Output::Peer { .. } | Output::Ceiling(_) | Output::Loaded | Output::Left => {}
    };
    runtime.dispatch(deliver, stopping(stopped)).await;
}

async fn upkeep(metrics: Arc<Metrics>) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        metrics.upkeep();
    }
}

/// Where others reach a node that listens on `address`. One that listens on all addresses is reached by the one it would
/// itself go out from; no packet is sent to find that out.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let (any, outside): (IpAddr, IpAddr) = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    };
    let outgoing = std::net::UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((outside, 9))?;
        socket.local_addr()
    });
    let loopback = match address {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(outgoing.map_or(loopback, |outgoing| outgoing.ip()), address.port())
}

fn local(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
    listener.local_addr().map_err(|cause| StartError::Listen { address: unknown, cause })
}

/// Listeners on the main port and on the gRPC port above it.
async fn listen_pair(host: IpAddr, port: u16) -> Result<[TcpListener; 2], StartError> {
    if port != 0 {
        return Ok([listen::bind(host, port)?, listen::bind(host, port + GRPC_OFFSET)?]);
    }
    for _ in 0..64 {
        let main = listen::bind(host, 0)?;
        let port = local(&main)?.port();
        if port > u16::MAX - PEER_OFFSET {
            continue;
        }
        if let Ok(grpc) = listen::bind(host, port + GRPC_OFFSET) {
            return Ok([main, grpc]);
        }
    }
    Err(StartError::NoFreePorts)
}
