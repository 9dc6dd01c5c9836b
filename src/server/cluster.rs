//! The node among others, as a process: what it kept, whom it calls, who calls it.

use std::sync::Arc;

use compact_str::{CompactString, ToCompactString};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::{
    config::{ClusterSettings, PEER_OFFSET, Routed},
    connection::Connections,
    datagram::Datagrams,
    model::HostPort,
    node::{Input, Output},
    peer::{self, Peers},
    raft::Origin,
    runtime::{DataDir, Runtime},
    server::own_entry::Place,
    wire::peer::Phase,
};

/// What the cluster port is told of the cluster.
pub(super) fn peer_settings(cluster: &ClusterSettings, members: Vec<CompactString>) -> peer::Settings {
    let member = |routed: &Routed| match routed {
        Routed::Node(id) => id.to_string(),
        Routed::Address(address) => address.to_string(),
    };
    peer::Settings {
        cluster: cluster.name.to_compact_string(),
        secret: cluster.secret.as_ref().map(|secret| secret.reveal().into()).unwrap_or_default(),
        members,
        offset: PEER_OFFSET,
        routes: cluster.routes.iter().map(|route| (member(&route.member), route.at.to_string())).collect(),
    }
}

/// Gives the node what its earlier life kept. It can do without: clients register again by themselves.
pub(super) fn restore(runtime: &Runtime, data: &DataDir) {
    match data.load_entries() {
        Ok((_, states)) if states.is_empty() => {}
        Ok((at, states)) => {
            tracing::info!(clients = states.len(), "restored what clients published before");
            let restored = runtime.handle(Input::Restore { at, states });
            debug_assert!(restored.is_ok(), "nothing to refuse");
        }
        Err(error) => tracing::warn!(%error, "starting without what clients published before"),
    }
}

/// Who this node is to the group of persistent instances.
pub(super) fn origin(cluster: &ClusterSettings, data: &DataDir, place: &Place) -> Origin {
    let joins = cluster.join.iter().map(HostPort::to_compact_string);
    let founds = cluster.join.is_empty();
    let mut seeds: Vec<CompactString> =
        if founds { place.peers.iter().chain([&place.address]).cloned().collect() } else { joins.collect() };
    seeds.sort_unstable();
    Origin { dir: data.raft(), seeds, founds }
}

/// Serves the cluster port until `stop`: streams of members, and what the group asks.
pub(super) async fn serve(peers: Arc<Peers>, listener: TcpListener, group: Routes, stop: CancellationToken) {
    if let Err(error) = peer::serve(peers, listener, group, stop.cancelled_owned()).await {
        tracing::error!(%error, "the cluster port is closed");
    }
}

/// Where what the node wants goes.
pub(super) struct Deliver {
    runtime: Arc<Runtime>,
    connections: Arc<Connections>,
    datagrams: Arc<Datagrams>,
    peers: Arc<Peers>,
    /// Cancelled once the node serves.
    pub(super) loaded: CancellationToken,
    /// Cancelled once all who can know that this node leaves do.
    pub(super) left: CancellationToken,
}

impl Deliver {
    /// For a node that serves already, or will.
    pub(super) fn new(
        runtime: Arc<Runtime>,
        connections: Arc<Connections>,
        datagrams: Arc<Datagrams>,
        peers: Arc<Peers>,
    ) -> Self {
        let loaded = CancellationToken::new();
        if runtime.cluster().phase == Phase::Serving {
            loaded.cancel();
        }
        Self { runtime, connections, datagrams, peers, loaded, left: CancellationToken::new() }
    }

    /// Carries out what the node wants until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        self.runtime.dispatch(|output| self.deliver(output), stop.cancelled_owned()).await;
    }

    fn deliver(&self, output: Output) {
        match output {
            Output::Push(push) if push.client.is_address() => self.datagrams.deliver(push),
            Output::Push(push) => self.connections.deliver(push),
            Output::Oversized(list) => {
                let (service, bytes) = (list.service, list.bytes);
                tracing::warn!(%service, bytes, "not pushed: SDKs break on a list of that size");
            }
            Output::Peer { to, message } => self.peers.deliver(to, message),
            Output::Ceiling(ceiling) => self.runtime.ask_ceiling(ceiling),
            Output::Loaded => {
                tracing::info!("loaded: this node knows what the others know");
                self.loaded.cancel();
            }
            Output::Left => self.left.cancel(),
        }
    }
}
