//! The cluster port: streams from the other members, and writes they forward.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use futures_core::Stream;
use parking_lot::Mutex;
use prost::Message as _;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status, Streaming,
    service::{Interceptor, Routes, interceptor::InterceptedService},
    transport::{
        Server,
        server::{Connected, TcpIncoming},
    },
};

use crate::{
    metrics::names,
    model::{Incarnation, NodeId},
    node::{Input, Reply},
    peer::{
        KEEPALIVE, KEEPALIVE_PATIENCE, MESSAGE_BYTES, Peers, Refusal, STREAM_WINDOW, TRANSPORT_WINDOW,
        forward::{decode_write, encode_answer},
        handshake::{Noted, Presented, presented},
        outgoing::dropped,
    },
    proto::peer::{
        self as proto,
        peer_server::{Peer, PeerServer},
    },
    wire::peer::decode,
};

/// Calls at a time on one transport: the stream, and writes under way.
const CALLS: u32 = 1_024;
/// How long members may take to leave once this node stops.
const LINGER: Duration = Duration::from_secs(1);

/// Serves the cluster port, and what `others` serve there, until `stop` completes. Streams then end with a status that says so.
pub async fn serve(
    peers: Arc<Peers>,
    listener: TcpListener,
    others: Routes,
    stop: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    // The server's own setting counts only for listeners that it makes itself.
    serve_on(peers, TcpIncoming::from(listener).with_nodelay(Some(true)), others, stop).await
}

/// The same on whatever transports come in.
pub async fn serve_on<T>(
    peers: Arc<Peers>,
    incoming: impl Stream<Item = io::Result<T>>,
    others: Routes,
    stop: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error>
where
    T: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    let stopped = CancellationToken::new();
    let gate = Gate { peers: peers.clone(), noted: Arc::default() };
    let calls = Calls { peers, stopped: stopped.clone(), streams: Streams::default(), noted: Noted::default() };
    let service = PeerServer::new(calls).max_decoding_message_size(MESSAGE_BYTES);
    let serving = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_PATIENCE))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(TRANSPORT_WINDOW)
        .max_concurrent_streams(CALLS)
        .add_routes(others.add_service(InterceptedService::new(service, gate)))
        .serve_with_incoming_shutdown(incoming, stopped.clone().cancelled_owned());
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => ended,
        () = stop => {
            stopped.cancel();
            timeout(LINGER, serving).await.unwrap_or(Ok(()))
        }
    }
}

/// Lets members in, before anything but the head of their calls is read.
#[derive(Clone)]
struct Gate {
    peers: Arc<Peers>,
    noted: Arc<Noted>,
}

impl Interceptor for Gate {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let admitted = presented(request.metadata()).and_then(|hello| self.peers.admit(&hello));
        match admitted {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
                Ok(request)
            }
            Err(refusal) => {
                if self.noted.is_new(&refusal.to_string()) {
                    let from = request.remote_addr().map(|from| from.ip());
                    tracing::warn!(?from, %refusal, "a call on the cluster port is refused");
                }
                Err(refusal.status())
            }
        }
    }
}

/// The calls of members.
struct Calls {
    peers: Arc<Peers>,
    stopped: CancellationToken,
    streams: Streams,
    noted: Noted,
}

#[tonic::async_trait]
impl Peer for Calls {
    async fn hello(&self, _: Request<proto::HelloRequest>) -> Result<Response<proto::HelloAnswer>, Status> {
        Ok(Response::new(proto::HelloAnswer { hello: Some(self.peers.hello()) }))
    }

    async fn link(&self, request: Request<Streaming<proto::Frame>>) -> Result<Response<proto::LinkEnd>, Status> {
        let caller = caller(&request).map_err(|refusal| refusal.status())?;
        let stream = self.streams.begin(caller.life).map_err(|refusal| refusal.status())?;
        self.peers.called(&caller.address, caller.life);
        let mut changes = self.peers.changes();
        // It may have been removed since it was let in.
        changes.mark_changed();
        let mut frames = request.into_inner();
        loop {
            let frame = tokio::select! {
                biased;
                () = self.stopped.cancelled() => return Err(Status::unavailable("this node stops")),
                () = stream.cut.cancelled() => {
                    return Err(Status::aborted("a newer stream of this node took the place of this one"));
                }
                _ = changes.changed() => {
                    self.peers.check_member(&caller).map_err(|refusal| refusal.status())?;
                    continue;
                }
                frame = frames.message() => frame?,
            };
            let Some(frame) = frame else { return Ok(Response::new(proto::LinkEnd {})) };
            self.take(&caller, frame);
        }
    }

    async fn forward(&self, request: Request<proto::ForwardRequest>) -> Result<Response<proto::ForwardAnswer>, Status> {
        caller(&request).map_err(|refusal| refusal.status())?;
        let request = request.into_inner();
        let sent = request.sent;
        let write = decode_write(request).map_err(|illegal| Status::invalid_argument(illegal.to_string()))?;
        let core = self.peers.core();
        let client = write.client().clone();
        let result = core.handle(Input::Forwarded { sent, write: Box::new(write) });
        if matches!(result, Ok(Reply::Late)) {
            return Err(Status::deadline_exceeded("nobody waits for this write any more"));
        }
        let state = match core.handle(Input::ClientState(client)) {
            Ok(Reply::State(state)) => state,
            _ => None,
        };
        let answer = encode_answer(result, state.as_deref());
        answer.map(Response::new).ok_or_else(|| Status::internal("the node's answer is none to a write"))
    }
}

impl Calls {
    /// Gives the node one message. One that cannot be read is left out: the others are none the worse for it.
    fn take(&self, caller: &Presented, frame: proto::Frame) {
        ::metrics::counter!(names::PEER_MESSAGES, "direction" => "received").increment(1);
        ::metrics::counter!(names::PEER_BYTES, "direction" => "received").increment(frame.encoded_len() as u64);
        let message = match decode(frame) {
            Ok(message) => message,
            Err(illegal) => {
                dropped("illegible");
                if self.noted.is_new(&format!("{} {illegal}", caller.life.node)) {
                    tracing::warn!(peer = %caller.address, %illegal, "a message of a member cannot be read");
                }
                return;
            }
        };
        let input = Input::Peer { address: caller.address.clone(), from: caller.life, message };
        if let Err(rejection) = self.peers.core().handle(input) {
            tracing::error!(peer = %caller.address, %rejection, "the node refuses a message of a member");
        }
    }
}

/// Who makes a call, which must say to whom: a transport may have been opened anew to another life.
fn caller<T>(request: &Request<T>) -> Result<Presented, Refusal> {
    let caller = request.extensions().get::<Presented>().ok_or(Refusal::Unknown)?;
    if caller.to.is_none() {
        return Err(Refusal::NotMe);
    }
    Ok(caller.clone())
}

/// The newest stream of each node.
#[derive(Default)]
struct Streams(Mutex<BTreeMap<NodeId, Newest>>);

struct Newest {
    life: Incarnation,
    cut: CancellationToken,
    /// Streams of this node so far, while there is one.
    number: u64,
}

/// A stream that is being read.
struct Reading<'a> {
    streams: &'a Streams,
    node: NodeId,
    number: u64,
    cut: CancellationToken,
}

impl Streams {
    /// Begins a stream of this life in place of older ones.
    fn begin(&self, life: Incarnation) -> Result<Reading<'_>, Refusal> {
        let mut streams = self.0.lock();
        let before = streams.get(&life.node);
        if before.is_some_and(|before| before.life.since > life.since) {
            return Err(Refusal::Outlived(life.node));
        }
        let number = before.map_or(0, |before| before.number + 1);
        let cut = CancellationToken::new();
        if let Some(before) = streams.insert(life.node, Newest { life, cut: cut.clone(), number }) {
            before.cut.cancel();
        }
        Ok(Reading { streams: self, node: life.node, number, cut })
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut streams = self.streams.0.lock();
        if streams.get(&self.node).is_some_and(|newest| newest.number == self.number) {
            streams.remove(&self.node);
        }
    }
}
