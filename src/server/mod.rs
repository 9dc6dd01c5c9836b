//! A whole node: started in floor order, stopped in its mirror.

mod cluster;
mod listen;
mod own_entry;
mod report;
mod transport;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

pub use own_entry::OwnEntryError;
use thiserror::Error;
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{GRPC_OFFSET, PEER_OFFSET, Settings},
    connection::Connections,
    datagram::Datagrams,
    grpc::Grpc,
    http::{self, Api, Process},
    metrics::Metrics,
    node::{Input, Membership},
    peer::{IllegalAddress, Peers},
    raft::{Group, PlaceError},
    runtime::{CeilingError, DataDir, DataDirError, IdentityError, Log, Runtime},
    server::{
        cluster::{Deliver, origin, peer_settings, restore},
        transport::{App, Patience},
    },
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
    #[error("no free ports {GRPC_OFFSET} and {PEER_OFFSET} apart were found")]
    NoFreePorts,
    /// The place in the group of persistent instances cannot be read.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The cluster goes on without this node.
    #[error("this node was removed from its cluster; empty {0} before it joins again")]
    Removed(PathBuf),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// The node's id cannot be read or stored.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A member cannot be dialled.
    #[error(transparent)]
    Peer(#[from] IllegalAddress),
    /// The metrics recorder cannot be installed.
    #[error("cannot install the metrics recorder: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
}

/// A running node.
pub struct Server {
    addresses: [SocketAddr; 2],
    connections: Arc<Connections>,
    data: Arc<DataDir>,
    /// Becomes true when the node begins to stop.
    stop: watch::Sender<bool>,
    /// Cancelled when the last has been said.
    ended: CancellationToken,
    loaded: CancellationToken,
    left: CancellationToken,
    tasks: JoinSet<()>,
    group: Arc<Group>,
    raft: std::thread::JoinHandle<()>,
    grace: Duration,
}

/// In how many slices connections are closed when the node stops.
const DRAIN_SLICES: usize = 10;
/// How long the others may take to hear that the node leaves.
const LEAVING: Duration = Duration::from_secs(2);
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
        let (listeners, cluster_port) = listen_all(settings.host, settings.port)?;
        let addresses = [local(&listeners[0])?, local(&listeners[1])?];
        let place = own_entry::find(&settings.cluster, addresses[0], reachable(addresses[0])).await?;
        let data = Arc::new(DataDir::open(&settings.data)?);
        let metrics = Metrics::install()?;
        let membership = Membership {
            this: data.node_id()?,
            address: place.address.clone(),
            peers: place.peers.clone(),
            joins: !settings.cluster.join.is_empty(),
        };
        let runtime = Runtime::start(settings.node, membership, &data)?;
        restore(&runtime, &data);
        let peers = Peers::new(runtime.clone(), &peer_settings(&settings.cluster, place.peers.clone()))?;
        let group = Group::new(
            runtime.clone(),
            peers.clone(),
            origin(&settings.cluster, &data, &place),
            settings.raft.clone(),
        )?;
        let connections = Connections::new(runtime.clone(), settings.connection);
        let (stop, stopped) = watch::channel(false);
        let process = Process { stopping: stopped.clone(), log };
        let datagrams = Datagrams::open(settings.host, runtime.clone(), metrics.clone())
            .map_err(|cause| StartError::Datagrams { host: settings.host, cause })?;
        let app = Arc::new(App::new(
            connections.clone(),
            Grpc::new(connections.clone(), metrics.clone(), group.clone()),
            http::router(
                Api::new(connections.clone(), metrics.clone(), peers.clone(), group.clone(), process),
                &settings.http,
            ),
            Patience { request: settings.http_timeout, idle: settings.http_idle },
        ));

        // The node outlives its doors: what it tells others while it stops must still leave.
        let ended = CancellationToken::new();
        let deliver = Deliver::new(runtime.clone(), connections.clone(), datagrams.clone(), peers.clone());
        let (loaded, left) = (deliver.loaded.clone(), deliver.left.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(deliver.run(ended.clone()));
        tasks.spawn(until(stopped.clone(), datagrams.clone().send()));
        tasks.spawn(until(stopped.clone(), datagrams.read()));
        tasks.spawn(until(stopped.clone(), connections.clone().detect()));
        tasks.spawn(until(stopped.clone(), upkeep(metrics)));
        tasks.spawn(until_ended(ended.clone(), runtime.clone().keep_ceiling(data.clone())));
        tasks.spawn(until(stopped.clone(), report::report(runtime.clone())));
        tasks.spawn(until(stopped.clone(), runtime.keep_entries(data.clone())));
        tasks.spawn(cluster::serve(peers.clone(), cluster_port, group.routes(), ended.clone()));
        tasks.spawn(until_ended(ended.clone(), peers.dial()));
        let raft = group.spawn(ended.clone()).map_err(StartError::Thread)?;
        // Doors open once what was agreed on is shown: no list lacks it because this node is young.
        group.loaded().await;
        if group.is_removed() {
            return Err(StartError::Removed(settings.data.clone()));
        }
        for listener in listeners {
            tasks.spawn(until(stopped.clone(), listen::accept(listener, app.clone())));
        }
        let grace = settings.shutdown_grace;
        Ok(Self { addresses, connections, data, stop, ended, loaded, left, tasks, group, raft, grace })
    }

    /// The main address and the one gRPC clients go to.
    pub fn addresses(&self) -> [SocketAddr; 2] {
        self.addresses
    }

    /// The connections of this node.
    pub fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    /// Completes once clients are welcome: a node of a cluster first learns what the others know.
    pub async fn ready(&self) {
        self.loaded.cancelled().await;
    }

    /// Completes when the members go on without this node.
    pub async fn removed(&self) {
        self.group.removed().await;
    }

    /// Stops: hands over what it leads, tells the others, accepts nothing more, ends all streams so that clients reconnect
    /// elsewhere, keeps what they published, then ends the tasks.
    pub async fn stop(mut self) {
        let runtime = self.connections.runtime().clone();
        self.group.hand_over().await;
        let leaving = runtime.handle(Input::Leave);
        debug_assert!(leaving.is_ok(), "nothing to refuse");
        self.stop.send_replace(true);
        if timeout(LEAVING, self.left.cancelled()).await.is_err() {
            tracing::warn!("not all members know that this node leaves; they will find out");
        }
        self.connections.drain(DRAIN_SLICES, self.grace / DRAIN_SLICES as u32).await;
        if let Err(error) = runtime.store_entries_now(&self.data).await {
            tracing::warn!(%error, "what clients published is not kept");
        }
        self.ended.cancel();
        while self.tasks.join_next().await.is_some() {}
        let raft = self.raft;
        let ended = tokio::task::spawn_blocking(move || raft.join()).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::error!("the thread of raft ended with a panic");
        }
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

async fn until_ended(ended: CancellationToken, work: impl Future<Output = ()>) {
    // Either way it is over.
    let _ = ended.run_until_cancelled_owned(work).await;
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

/// Listeners on the main port, on the gRPC port above it, and on the cluster port.
fn listen_all(host: IpAddr, port: u16) -> Result<([TcpListener; 2], TcpListener), StartError> {
    if port != 0 {
        let main = listen::bind(host, port)?;
        let grpc = listen::bind(host, port + GRPC_OFFSET)?;
        return Ok(([main, grpc], listen::bind(host, port + PEER_OFFSET)?));
    }
    for _ in 0..64 {
        let main = listen::bind(host, 0)?;
        let port = local(&main)?.port();
        if port > u16::MAX - PEER_OFFSET {
            continue;
        }
        let above = (listen::bind(host, port + GRPC_OFFSET), listen::bind(host, port + PEER_OFFSET));
        if let (Ok(grpc), Ok(cluster)) = above {
            return Ok(([main, grpc], cluster));
        }
    }
    Err(StartError::NoFreePorts)
}
