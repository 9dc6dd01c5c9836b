//! All connections, and every way one comes or goes.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use thiserror::Error;
use tokio::sync::Notify;
use tonic::Status;

use crate::{
    connection::{
        Connection, Farewell, Liveness, Outbound, Phase,
        detector::{Verdict, judge},
        request_id,
    },
    metrics::names,
    model::{ClientId, Millis, Tick},
    node::{Input, Rejection, Reply},
    push::Push,
    runtime::Runtime,
    wire::{self, Setup},
};

/// How many connections there may be; none for no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// In all (Nacos control rule `countLimit`).
    pub total: Option<usize>,
    /// From one address.
    pub per_ip: Option<usize>,
}

/// The times and sizes of connections.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Detection of silent clients.
    pub liveness: Liveness,
    /// How many there may be.
    pub limits: Limits,
    /// How long a request waits for a set-up that is on its way.
    pub setup_hold: Duration,
    /// How long a gRPC transport may live without a set-up.
    pub setup_deadline: Duration,
    /// Bytes of pushes that may wait for one client before it is expelled.
    pub push_budget: usize,
}

/// Why a set-up was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// There are as many connections as there may be.
    #[error("the node has its limit of {0} connections")]
    Total(usize),
    /// There are as many from this address as there may be.
    #[error("the address has its limit of {0} connections")]
    PerIp(usize),
    /// The connection is over already.
    #[error("the connection is closed")]
    Closed,
}

/// The table of connections.
pub struct Connections {
    runtime: Arc<Runtime>,
    settings: Settings,
    table: RwLock<Table>,
    /// Messages numbered here so far.
    numbered: AtomicU64,
}

#[derive(Default)]
struct Table {
    connections: HashMap<ClientId, Arc<Connection>>,
    per_ip: HashMap<IpAddr, usize>,
}

/// A transport's hold on its connection. Dropping it reports the connection gone, however the transport ended.
pub struct Transport {
    connections: Arc<Connections>,
    connection: Arc<Connection>,
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.connections.close(&self.connection, Farewell::TransportEnded);
    }
}

impl Transport {
    /// The connection.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Connections {
    /// An empty table.
    pub fn new(runtime: Arc<Runtime>, settings: Settings) -> Arc<Self> {
        Arc::new(Self { runtime, settings, table: RwLock::default(), numbered: AtomicU64::new(0) })
    }

    /// The node behind the connections.
    pub fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// The times and sizes.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How many are set up.
    pub fn len(&self) -> usize {
        self.table.read().connections.len()
    }

    /// Whether none is set up.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A transport was accepted.
    pub fn accept(self: &Arc<Self>, peer: SocketAddr, local: SocketAddr) -> Transport {
        let now = self.runtime.clock().now();
        let connection = Connection {
            id: ClientId::connection(now.wall, peer),
            peer,
            local,
            accepted: now.tick,
            last_active: AtomicU64::new(now.tick.0),
            probed: AtomicU64::new(0),
            stream_seen: AtomicBool::new(false),
            plain_http: AtomicBool::new(false),
            phase: Mutex::new(Phase::New),
            changed: Notify::new(),
        };
        Transport { connections: self.clone(), connection: Arc::new(connection) }
    }

    /// A client sent its set-up on the stream behind `outbound`. A second set-up changes nothing: the first stream stays
    /// in use for pushes (grpc.md 4.2).
    pub fn register(
        &self,
        connection: &Arc<Connection>,
        setup: &Setup,
        outbound: &Arc<Outbound>,
    ) -> Result<(), Refused> {
        let mut phase = connection.phase.lock();
        match *phase {
            Phase::New => {}
            Phase::Registered { .. } => return Ok(()),
            Phase::Closed(_) => return Err(Refused::Closed),
        }
        self.table.write().admit(connection, &self.settings.limits)?;
        let connected = self.runtime.handle(Input::Connect(connection.id.clone(), setup.attributes()));
        debug_assert!(connected.is_ok(), "a connect is never refused");
        connection.touch(self.runtime.clock().tick());
        *phase = Phase::Registered { outbound: outbound.clone(), client_version: setup.client_version.clone() };
        drop(phase);
        connection.changed.notify_waiters();
        tracing::debug!(connection = %connection.id, version = %setup.client_version, "connected");
        Ok(())
    }

    /// The sending half of a new stream on a transport.
    pub fn outbound(&self, connection: &Connection) -> Arc<Outbound> {
        connection.stream_opened();
        Outbound::new(connection.local.ip(), self.settings.push_budget)
    }

    /// Ends a connection: the node forgets its client now, its stream ends, its transport is closed. Only the first call
    /// does something.
    pub fn close(&self, connection: &Connection, farewell: Farewell) {
        let before = {
            let mut phase = connection.phase.lock();
            if matches!(*phase, Phase::Closed(_)) {
                return;
            }
            std::mem::replace(&mut *phase, Phase::Closed(farewell))
        };
        if matches!(before, Phase::Registered { .. }) || farewell != Farewell::TransportEnded {
            // Transports that only asked something over HTTP come and go uncounted.
            ::metrics::counter!(names::DISCONNECTIONS, "reason" => farewell.name()).increment(1);
        }
        if let Phase::Registered { outbound, client_version } = before {
            self.table.write().remove(connection);
            let gone = self.runtime.handle(Input::Disconnect(connection.id.clone()));
            debug_assert!(gone.is_ok(), "a disconnect is never refused");
            // An error makes SDKs reconnect at once; Python ignores an orderly end, C# breaks on an error (grpc.md 4.6).
            let orderly = client_version.starts_with("Nacos-CSharp-Client");
            outbound.end((!orderly).then(|| Status::unavailable("connection closed by server")));
            tracing::debug!(connection = %connection.id, reason = farewell.name(), "disconnected");
        }
        connection.changed.notify_waiters();
    }

    /// Hands a push to its connection. One that is gone needs none: its client is already forgotten.
    pub fn deliver(&self, push: Push) {
        let connection = self.table.read().connections.get(&push.client).cloned();
        let Some(connection) = connection else { return };
        let Some(outbound) = connection.outbound() else {
            return;
        };
        let service = push.service.clone();
        if outbound.push(push).is_err() {
            tracing::warn!(connection = %connection.id, %service, budget = self.settings.push_budget,
                "expelled: more pushes wait for the client than the budget allows");
            self.close(&connection, Farewell::TooSlow);
        }
    }

    /// A response arrived on the stream of a connection: a sign of life, and perhaps the ack of a push.
    pub fn acked(&self, connection: &Connection, request_id: Option<u64>, success: bool) -> Result<Reply, Rejection> {
        connection.touch(self.runtime.clock().tick());
        let push = match request_id {
            None => None,
            Some(id) => match request_id::push_of(id) {
                Some(number) => Some(number),
                None => return Ok(Reply::Acked(None)),
            },
        };
        self.runtime.handle(Input::Acked { client: connection.id.clone(), push, success })
    }

    /// Tells a connected client to connect elsewhere. False when there is no such connection.
    pub fn reset(&self, id: &ClientId, target: Option<(&str, &str)>) -> bool {
        let connection = self.table.read().connections.get(id).cloned();
        let Some((connection, outbound)) = connection.and_then(|it| it.outbound().map(|outbound| (it, outbound)))
        else {
            return false;
        };
        let body = wire::connect_reset(self.next_request_id(), target, connection.id.as_str());
        self.send(&connection, &outbound, "ConnectResetRequest", body);
        true
    }

    /// Tells connected clients to connect elsewhere, so many that `count` are left.
    pub fn reset_surplus(&self, count: usize, target: Option<(&str, &str)>) {
        for (id, _) in self.list().iter().skip(count) {
            self.reset(id, target);
        }
    }

    /// The connections there are, with the version each client names.
    pub fn list(&self) -> Vec<(ClientId, String)> {
        let all: Vec<Arc<Connection>> = self.table.read().connections.values().cloned().collect();
        let version = |connection: &Connection| match &*connection.phase.lock() {
            Phase::Registered { client_version, .. } => client_version.to_string(),
            Phase::New | Phase::Closed(_) => String::new(),
        };
        all.iter().map(|connection| (connection.id.clone(), version(connection))).collect()
    }

    /// Probes the idle and expels the silent, for as long as the node runs.
    pub async fn detect(self: Arc<Self>) {
        loop {
            let now = self.runtime.clock().tick();
            let next = self.scan(now).unwrap_or(Tick(u64::MAX)).min(now + self.settings.liveness.scan);
            self.runtime.clock().sleep_until(Some(next)).await;
        }
    }

    /// One scan; returns when the first probe under way runs out.
    fn scan(&self, now: Tick) -> Option<Tick> {
        let all: Vec<Arc<Connection>> = self.table.read().connections.values().cloned().collect();
        let mut next: Option<Tick> = None;
        for connection in all {
            let last_active = Tick(connection.last_active.load(Ordering::Relaxed));
            let probed = Some(Tick(connection.probed.load(Ordering::Relaxed))).filter(|probed| *probed > Tick(0));
            match judge(now, last_active, probed, &self.settings.liveness) {
                Verdict::Alive => {}
                Verdict::Wait(until) => next = Some(next.map_or(until, |next| next.min(until))),
                Verdict::Probe => {
                    connection.probed.store(now.0.max(1), Ordering::Relaxed);
                    let until = now + self.settings.liveness.probe_timeout;
                    next = Some(next.map_or(until, |next| next.min(until)));
                    if let Some(outbound) = connection.outbound() {
                        let body = wire::client_detection(self.next_request_id());
                        self.send(&connection, &outbound, "ClientDetectionRequest", body);
                    }
                }
                Verdict::Expel => {
                    tracing::info!(connection = %connection.id, "expelled: silent, and no answer to a probe");
                    self.close(&connection, Farewell::Silent);
                }
            }
        }
        next
    }

    /// Closes all connections, a slice at a time, so that their clients do not all arrive elsewhere in the same moment.
    pub async fn drain(&self, slices: usize, pause: Duration) {
        let all: Vec<Arc<Connection>> = self.table.read().connections.values().cloned().collect();
        for slice in all.chunks(all.len().div_ceil(slices.max(1)).max(1)) {
            for connection in slice {
                self.close(connection, Farewell::ShuttingDown);
            }
            tokio::time::sleep(pause).await;
        }
    }

    fn send(&self, connection: &Connection, outbound: &Outbound, kind: &'static str, body: wire::Body) {
        if outbound.send(kind, body).is_err() {
            self.close(connection, Farewell::TooSlow);
        }
    }

    fn next_request_id(&self) -> u64 {
        request_id::of_other(self.numbered.fetch_add(1, Ordering::Relaxed))
    }

    /// The tick by which a gRPC transport must have sent its set-up.
    pub fn setup_deadline(&self, connection: &Connection) -> Tick {
        connection.accepted + self.settings.setup_deadline.as_millis() as Millis
    }
}

impl Table {
    fn admit(&mut self, connection: &Arc<Connection>, limits: &Limits) -> Result<(), Refused> {
        if let Some(total) = limits.total.filter(|total| self.connections.len() >= *total) {
            return Err(Refused::Total(total));
        }
        let from_here = self.per_ip.entry(connection.peer.ip()).or_default();
        if let Some(per_ip) = limits.per_ip.filter(|per_ip| *from_here >= *per_ip) {
            return Err(Refused::PerIp(per_ip));
        }
        *from_here += 1;
        self.connections.insert(connection.id.clone(), connection.clone());
        Ok(())
    }

    fn remove(&mut self, connection: &Connection) {
        self.connections.remove(&connection.id);
        let ip = connection.peer.ip();
        if let Some(count) = self.per_ip.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.per_ip.remove(&ip);
            }
        }
    }
}
