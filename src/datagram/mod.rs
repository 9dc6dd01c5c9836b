//! Pushes to subscribers that are reached by datagrams, and their acks (Nacos `UdpConnector`).
//!
//! Owns the one UDP socket of a node: all pushes leave by it, because acks come back to where a push came from. Promises: what
//! waits to be sent is bounded, nobody waits for a datagram, and no datagram from outside does more than acknowledge a push
//! that went where it comes from. What is dropped here is nowhere noted: the push engine misses the ack, and subscribers poll
//! anyway.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{net::UdpSocket, sync::Notify};

use crate::{
    metrics::{Metrics, names},
    model::ServiceKey,
    node::{Input, Reply},
    push::{Backlog, Push, PushNo},
    runtime::Runtime,
    wire,
};

/// Bytes of lists that may wait to be sent, each counted in full though subscribers share it.
const WAITING_BYTES: usize = 64 * 1024 * 1024;
/// Pushes that may wait to be sent.
const WAITING: usize = 64 * 1024;
/// How long a datagram may wait for room in the socket's buffer. A neighbour that does not answer can fill it for seconds.
const ROOM: Duration = Duration::from_millis(100);
/// Longest datagram that is read. Acks take less than 100 bytes; of a longer datagram the rest is cut off.
const READ_BYTES: usize = 2 * 1024;
/// Pause after the system refused to read.
const READ_PAUSE: Duration = Duration::from_millis(100);
/// Services whose lists were told to be too large; beyond, one may be told again.
const TOLD: usize = 1_024;

/// The socket, and what waits for it.
pub struct Datagrams {
    runtime: Arc<Runtime>,
    metrics: Arc<Metrics>,
    socket: UdpSocket,
    /// Whether the socket speaks IPv6 and takes IPv4 addresses in its form.
    mapped: bool,
    waiting: Mutex<Backlog>,
    /// Told when something begins to wait.
    added: Notify,
}

impl Datagrams {
    /// Opens the socket on `host`; on all addresses of both kinds, where there are both, when `host` is any address.
    pub fn open(host: IpAddr, runtime: Arc<Runtime>, metrics: Arc<Metrics>) -> io::Result<Arc<Self>> {
        let both = host.is_unspecified().then(|| bind(Ipv6Addr::UNSPECIFIED.into()));
        let socket = match both {
            Some(Ok(socket)) => socket,
            // A machine without IPv6.
            Some(Err(_)) | None => bind(host)?,
        };
        let mapped = socket.local_addr()?.ip() == Ipv6Addr::UNSPECIFIED;
        let (waiting, added) = (Mutex::default(), Notify::new());
        Ok(Arc::new(Self { runtime, metrics, socket, mapped, waiting, added }))
    }

    /// Takes a push to be sent, in place of the one it supersedes if that was not sent yet.
    pub fn deliver(&self, push: Push) {
        let added = {
            let mut waiting = self.waiting.lock();
            waiting.len() < WAITING && waiting.add(push, WAITING_BYTES).is_ok()
        };
        if added {
            self.added.notify_one();
        } else {
            count("no_room");
        }
    }

    /// Sends what waits, for as long as the node runs.
    pub async fn send(self: Arc<Self>) {
        let mut told = BTreeSet::new();
        loop {
            let next = self.waiting.lock().take();
            match next {
                Some(push) => {
                    count(self.send_one(&push, &mut told).await);
                    // Compressing long lists for many subscribers is work; others get their turn.
                    tokio::task::yield_now().await;
                }
                None => self.added.notified().await,
            }
        }
    }

    /// Returns what became of it, as metrics name it.
    async fn send_one(&self, push: &Push, told: &mut BTreeSet<ServiceKey>) -> &'static str {
        let Some(address) = push.client.datagram_address() else {
            return "failed";
        };
        let datagram = match wire::push_datagram(push.number.0, &push.info()) {
            Ok(datagram) => datagram,
            Err(too_large) => {
                if told.len() >= TOLD {
                    told.clear();
                }
                if told.insert(push.service.clone()) {
                    tracing::warn!(service = %push.service, %too_large, "not pushed by datagram; subscribers poll");
                }
                return "too_large";
            }
        };
        match tokio::time::timeout(ROOM, self.socket.send_to(&datagram, self.reachable(address))).await {
            Ok(Ok(_)) => "sent",
            Ok(Err(error)) => {
                tracing::debug!(%address, %error, "a datagram cannot be sent");
                "failed"
            }
            Err(_) => "no_room",
        }
    }

    /// The address in the form the socket takes.
    fn reachable(&self, address: SocketAddr) -> SocketAddr {
        match address {
            SocketAddr::V4(v4) if self.mapped => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
            _ => address,
        }
    }

    /// Reads acks, for as long as the node runs.
    pub async fn read(self: Arc<Self>) {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match self.socket.recv_from(&mut buffer).await {
                Ok((length, from)) => self.take(&buffer[..length], from.ip().to_canonical()),
                Err(error) => {
                    tracing::debug!(%error, "cannot read datagrams");
                    tokio::time::sleep(READ_PAUSE).await;
                }
            }
        }
    }

    fn take(&self, datagram: &[u8], from: IpAddr) {
        let acked = wire::decode_datagram_ack(datagram)
            .map(|number| self.runtime.handle(Input::AckedByDatagram { from, push: PushNo(number) }));
        match acked {
            Some(Ok(Reply::Acked(Some(delay)))) => self.metrics.push_delay(delay),
            _ => count("ignored"),
        }
    }
}

fn count(result: &'static str) {
    ::metrics::counter!(names::DATAGRAMS, "result" => result).increment(1);
}

fn bind(host: IpAddr) -> io::Result<UdpSocket> {
    let address = SocketAddr::new(host, 0);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!host.is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}
