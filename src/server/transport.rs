//! One accepted transport: HTTP/1.1 and HTTP/2, gRPC and the rest, on one port.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{Request, Response, StatusCode, Version, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::net::TcpStream;
use tower::ServiceExt;

use crate::{
    connection::{Connection, Connections, Farewell},
    grpc::Grpc,
    http::PeerAddress,
    model::{Tick, limits},
};

/// How long a transport lives on after its streams were ended, so that their ends arrive.
const LINGER: Duration = Duration::from_secs(1);
/// Largest header block over HTTP/2, as real servers announce it.
const HEADER_BYTES: u32 = 8 * 1024;
/// Largest request line with headers over HTTP/1.1: some callers write a whole list of instances into the query.
const HEAD_BYTES: usize = 64 * 1024;

/// What every transport serves.
pub(super) struct App {
    connections: Arc<Connections>,
    grpc: Grpc,
    http: Router,
    patience: Patience,
    builder: auto::Builder<TokioExecutor>,
}

/// How long callers over HTTP are waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From the head of a request to its answer: the body must arrive meanwhile.
    pub(super) request: Duration,
    /// From one request to the head of the next, over HTTP/1.1; the answer must be taken meanwhile.
    pub(super) idle: Duration,
}

/// What the requests on one transport share.
struct Shared {
    connection: Arc<Connection>,
    /// When a transport of plain HTTP is given up, as things stand.
    until: AtomicU64,
}

impl App {
    pub(super) fn new(connections: Arc<Connections>, grpc: Grpc, http: Router, patience: Patience) -> Self {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        // No timer of hyper's for heads: it would also run between requests, and be made anew for each.
        builder.http1().header_read_timeout(None).max_buf_size(HEAD_BYTES);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits::STREAMS_PER_CONNECTION)
            .max_header_list_size(HEADER_BYTES);
        Self { connections, grpc, http, patience, builder }
    }

    /// Serves one transport until either side ends it.
    pub(super) async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, local: SocketAddr) {
        let transport = self.connections.accept(peer, local);
        let connection = transport.connection();
        let shared = Arc::new(Shared { connection: connection.clone(), until: AtomicU64::new(0) });
        let (app, of) = (self.clone(), shared.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (app, shared) = (app.clone(), of.clone());
            async move { Ok::<_, Infallible>(app.answer(request, &shared).await) }
        });
        let mut serving = pin!(self.builder.serve_connection(TokioIo::new(stream), service));
        let clock = self.connections.runtime().clock();
        let mut deadline: Option<Tick> = Some(self.connections.setup_deadline(connection));
        let mut closing = false;
        loop {
            tokio::select! {
                _ = serving.as_mut() => return,
                _ = connection.closing(), if !closing => {
                    closing = true;
                    serving.as_mut().graceful_shutdown();
                    deadline = Some(clock.tick() + LINGER.as_millis() as u64);
                }
                () = clock.sleep_until(deadline) => {
                    let until = Tick(shared.until.load(Relaxed));
                    deadline = None;
                    if closing {
                        return;
                    } else if !connection.is_plain_http() {
                        self.expect_set_up(connection);
                    } else if until <= clock.tick() {
                        return;
                    } else {
                        deadline = Some(until);
                    }
                }
            }
        }
    }

    /// A transport that is no client's by now never will be.
    fn expect_set_up(&self, connection: &Arc<Connection>) {
        if !connection.is_registered() {
            self.connections.close(connection, Farewell::NeverSetUp);
        }
    }

    async fn answer(&self, mut request: Request<Incoming>, shared: &Shared) -> Response<Body> {
        if Grpc::is_grpc(&request) {
            request.extensions_mut().insert(shared.connection.clone());
            return self.grpc.call(request).await;
        }
        if request.version() < Version::HTTP_2 {
            shared.connection.set_plain_http();
        }
        let Patience { request: limit, idle } = self.patience;
        self.allow(shared, limit + idle);
        request.extensions_mut().insert(PeerAddress(shared.connection.peer()));
        let answer = self.http.clone().oneshot(request.map(Body::new));
        let response = in_time(limit, answer).await.unwrap_or_else(|never| match never {});
        self.allow(shared, idle);
        response
    }

    /// A transport of plain HTTP may go on so long.
    fn allow(&self, shared: &Shared, time: Duration) {
        let until = self.connections.runtime().clock().tick() + time.as_millis() as u64;
        shared.until.store(until.0, Relaxed);
    }
}

/// The answer, or 408 when it does not come in time.
async fn in_time<E>(
    limit: Duration,
    answer: impl Future<Output = Result<Response<Body>, E>>,
) -> Result<Response<Body>, E> {
    tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| {
        let mut response = Response::new(Body::from("the request took too long"));
        *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
        Ok(response)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_a_request_timeout() {
        let never = std::future::pending::<Result<Response<Body>, Infallible>>();
        let response = in_time(Duration::from_millis(1), never).await.unwrap_or_else(|never| match never {});
        assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    }
}
