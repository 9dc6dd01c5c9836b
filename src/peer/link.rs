//! The stream to one member: dialled, held, and dialled again when it ended.

use std::{error::Error, time::Duration};

use compact_str::CompactString;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Status,
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint},
};

use crate::{
    metrics::names,
    model::{Incarnation, NodeId},
    node::Input,
    peer::{
        Core, KEEPALIVE, KEEPALIVE_PATIENCE, MESSAGE_BYTES, Refusal, STREAM_WINDOW, Stamp, TRANSPORT_WINDOW,
        handshake::Noted,
        is_refused,
        outgoing::{Outgoing, Queue, queue},
    },
    proto::peer::{self as proto, peer_client::PeerClient},
};

/// How long it may take from dialling to knowing who answered.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pauses before dialling again: the first, doubled up to the longest. A stream that lasted that long begins anew.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Calls to one member, each saying who makes it.
pub(super) type Client = PeerClient<InterceptedService<Channel, Stamp>>;

/// Why there is no stream to a member, or none any more.
#[derive(Debug, Error)]
pub(super) enum LinkError {
    #[error("cannot be reached: {text}")]
    Unreachable { text: String, vacant: bool },
    #[error("does not answer")]
    Silent,
    #[error("says: {0}")]
    Said(String),
    #[error("is refused: {0}")]
    Refused(#[from] Refusal),
    #[error("is the same node as {0}")]
    Twice(CompactString),
    #[error("is too slow: more waits for it than may")]
    TooSlow,
    #[error("ended the stream")]
    Ended,
}

impl From<tonic::transport::Error> for LinkError {
    fn from(error: tonic::transport::Error) -> Self {
        // Its own text says nothing; the reason is at the end of the chain.
        let mut last: &(dyn Error + 'static) = &error;
        while let Some(cause) = last.source() {
            last = cause;
        }
        Self::Unreachable { text: last.to_string(), vacant: is_refused(&error) }
    }
}

impl From<Status> for LinkError {
    fn from(status: Status) -> Self {
        Self::Said(status.message().to_owned())
    }
}

/// A member and the stream to it.
pub(super) struct Link {
    /// Its main address, as this node was told.
    pub(super) address: CompactString,
    endpoint: Endpoint,
    /// Who answered there last.
    known: Mutex<Option<Incarnation>>,
    up: Mutex<Option<Up>>,
    /// The member called, so it can be dialled.
    called: Notify,
    noted: Noted,
}

/// A stream that is there.
struct Up {
    peer: Incarnation,
    queue: Queue,
    client: Client,
}

/// Takes the link down when it is dropped, however its holder ends.
struct Held<'a>(&'a Link);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.up.lock().take();
        self.0.gauge(0.0);
    }
}

impl Link {
    pub(super) fn new(address: CompactString, endpoint: Endpoint) -> Self {
        let (known, up) = (Mutex::default(), Mutex::default());
        Self { address, endpoint, known, up, called: Notify::new(), noted: Noted::default() }
    }

    /// This is no member any more, and no stream to it is missing.
    pub(super) fn forget(&self) {
        self.gauge(f64::NAN);
    }

    fn gauge(&self, up: f64) {
        ::metrics::gauge!(names::PEER_LINK, "peer" => self.address.to_string()).set(up);
    }

    /// Who answered at this address last.
    pub(super) fn known(&self) -> Option<Incarnation> {
        *self.known.lock()
    }

    /// Whom the stream goes to.
    pub(super) fn peer(&self) -> Option<Incarnation> {
        self.up.lock().as_ref().map(|up| up.peer)
    }

    /// Calls to this node, if the stream goes to it.
    pub(super) fn client(&self, to: NodeId) -> Option<Client> {
        self.up.lock().as_ref().filter(|up| up.peer.node == to).map(|up| up.client.clone())
    }

    /// Does something with what waits for this node, if the stream goes to it.
    pub(super) fn with_queue<T>(&self, to: NodeId, act: impl FnOnce(&Queue) -> T) -> Option<T> {
        self.up.lock().as_ref().filter(|up| up.peer.node == to).map(|up| act(&up.queue))
    }

    /// The member called: it is dialled without waiting any longer.
    pub(super) fn called(&self) {
        if self.peer().is_none() {
            self.called.notify_waiters();
        }
    }

    /// Where to dial when nothing else is said.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Dials and holds the stream until this is dropped, which says nothing to the node.
    pub(super) async fn keep<D, F>(&self, core: &dyn Core, dial: D)
    where
        D: Fn() -> F,
        F: Future<Output = Result<(Incarnation, Client), LinkError>>,
    {
        self.gauge(0.0);
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            let error = match timeout(PATIENCE, dial()).await {
                Ok(Ok((peer, client))) => self.hold(core, peer, client).await,
                Ok(Err(error)) => error,
                Err(_) => LinkError::Silent,
            };
            let vacant = matches!(error, LinkError::Unreachable { vacant: true, .. });
            tell(core, Input::Unlinked { address: self.address.clone(), vacant });
            if self.noted.is_new(&error.to_string()) {
                tracing::warn!(peer = %self.address, "member {error}");
            }
            if began.elapsed() > PATIENCE + LONGEST_PAUSE {
                self.noted.forget();
                pause = FIRST_PAUSE;
            }
            // One that calls is there again.
            let _ = timeout(pause, self.called.notified()).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Holds a stream until it ends.
    async fn hold(&self, core: &dyn Core, peer: Incarnation, mut client: Client) -> LinkError {
        let cut = CancellationToken::new();
        let (queue, outgoing): (Queue, Outgoing) = queue(cut.clone());
        *self.known.lock() = Some(peer);
        // Before the node hears of it: it may have something to say at once.
        *self.up.lock() = Some(Up { peer, queue, client: client.clone() });
        let _held = Held(self);
        self.gauge(1.0);
        tell(core, Input::Linked { address: self.address.clone(), peer });
        tracing::info!(peer = %self.address, id = %peer.node, "linked");
        tokio::select! {
            () = cut.cancelled() => LinkError::TooSlow,
            ended = client.link(outgoing) => match ended {
                Ok(_) => LinkError::Ended,
                Err(status) => status.into(),
            }
        }
    }
}

/// Gives the node what it never refuses.
pub(super) fn tell(core: &dyn Core, input: Input) {
    if let Err(rejection) = core.handle(input) {
        tracing::error!(%rejection, "the node does not take the state of its members");
    }
}

/// How to dial a `host:port`.
pub(super) fn endpoint(target: &str) -> Result<Endpoint, tonic::transport::Error> {
    Ok(Endpoint::from_shared(format!("http://{target}"))?
        .connect_timeout(PATIENCE)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_PATIENCE)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(TRANSPORT_WINDOW))
}

/// Calls over a channel, made with this hello.
pub(super) fn client(channel: Channel, hello: &proto::Hello) -> Client {
    PeerClient::with_interceptor(channel, Stamp::new(hello)).max_decoding_message_size(MESSAGE_BYTES)
}
