//! Live client transports: which there are, what waits to be sent to each, and when one is given up.
//!
//! Owns the table of connections and their outbound slots. Promises: a connection that is gone is reported to the node
//! exactly once; a connection is never merely unregistered, its transport is closed with it (Go and Python SDKs would not
//! notice otherwise); memory that waits for a slow client is bounded, and a client that stays too slow is expelled. Never
//! waits for a client.

mod detector;
mod outbound;
mod request_id;
mod table;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use compact_str::CompactString;
use parking_lot::Mutex;
use tokio::sync::Notify;

pub use detector::Liveness;
pub(crate) use outbound::payload;
pub use outbound::{Outbound, OutboundStream};
pub use table::{Connections, Limits, Refused, Settings, Transport};

use crate::model::{ClientId, Tick};

/// Why a connection was ended by this side, or that the other side left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// The transport is gone.
    TransportEnded,
    /// The client ended its stream: its half of the conversation is over, though the transport may linger.
    StreamEnded,
    /// The client did not answer a probe.
    Silent,
    /// More waits for the client than it may.
    TooSlow,
    /// No set-up arrived in time.
    NeverSetUp,
    /// The set-up was refused.
    Refused,
    /// This node stops.
    ShuttingDown,
}

impl Farewell {
    /// The reason as metrics and logs name it.
    pub fn name(self) -> &'static str {
        match self {
            Farewell::TransportEnded => "transport_ended",
            Farewell::StreamEnded => "stream_ended",
            Farewell::Silent => "silent",
            Farewell::TooSlow => "too_slow",
            Farewell::NeverSetUp => "never_set_up",
            Farewell::Refused => "refused",
            Farewell::ShuttingDown => "shutting_down",
        }
    }
}

/// One accepted transport. It is the client's identity: all calls on it are that client's (grpc.md 4.1).
#[derive(Debug)]
pub struct Connection {
    id: ClientId,
    peer: SocketAddr,
    local: SocketAddr,
    accepted: Tick,
    last_active: AtomicU64,
    /// When the probe under way was sent; 0 for none.
    probed: AtomicU64,
    /// A stream was opened, so a set-up is on its way.
    stream_seen: AtomicBool,
    /// An HTTP/1.1 request came on it, so no set-up ever will.
    plain_http: AtomicBool,
    phase: Mutex<Phase>,
    /// Told at every change of phase.
    changed: Notify,
}

#[derive(Debug)]
enum Phase {
    /// No set-up yet.
    New,
    /// Set up; pushes go to this stream.
    Registered { outbound: Arc<Outbound>, client_version: CompactString },
    /// Over; nothing is served any more.
    Closed(Farewell),
}

impl Connection {
    /// The id, which is also the client's.
    pub fn id(&self) -> &ClientId {
        &self.id
    }

    /// The other end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Notes that the client showed life.
    pub fn touch(&self, now: Tick) {
        self.last_active.store(now.0, Ordering::Relaxed);
    }

    /// Notes that a stream was opened.
    fn stream_opened(&self) {
        self.stream_seen.store(true, Ordering::Relaxed);
    }

    /// Notes that the transport is used for plain HTTP.
    pub fn set_plain_http(&self) {
        self.plain_http.store(true, Ordering::Relaxed);
    }

    /// Whether the transport is used for plain HTTP.
    pub fn is_plain_http(&self) -> bool {
        self.plain_http.load(Ordering::Relaxed)
    }

    /// Whether the client is set up.
    pub fn is_registered(&self) -> bool {
        matches!(*self.phase.lock(), Phase::Registered { .. })
    }

    /// Whether the connection is set up, waiting up to `hold` for a set-up that may be on its way.
    ///
    /// The set-up travels on the stream and a request beside it may overtake it. Real servers answer such a request with
    /// 301, which costs the Rust SDK a third of a second and leaves the C# SDK unhealthy for good.
    pub async fn wait_registered(&self, now: Tick, hold: Duration) -> bool {
        let expected = || {
            let young = now.since(self.accepted) < hold.as_millis() as u64;
            self.stream_seen.load(Ordering::Relaxed) || young
        };
        if self.is_registered() {
            return true;
        }
        if !expected() {
            return false;
        }
        let settled = async {
            loop {
                let changed = self.changed.notified();
                match &*self.phase.lock() {
                    Phase::Registered { .. } => return true,
                    Phase::Closed(_) => return false,
                    Phase::New => {}
                }
                changed.await;
            }
        };
        tokio::time::timeout(hold, settled).await.unwrap_or(false)
    }

    /// Completes when this side has decided to close the transport.
    pub async fn closing(&self) -> Farewell {
        loop {
            let changed = self.changed.notified();
            if let Phase::Closed(farewell) = *self.phase.lock() {
                return farewell;
            }
            changed.await;
        }
    }

    fn outbound(&self) -> Option<Arc<Outbound>> {
        match &*self.phase.lock() {
            Phase::Registered { outbound, .. } => Some(outbound.clone()),
            Phase::New | Phase::Closed(_) => None,
        }
    }
}
