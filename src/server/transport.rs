//! One accepted transport: HTTP/1.1 and HTTP/2, gRPC and the rest, on one port.

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

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
/// How long the header of an HTTP/1.1 request may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest header block, as real servers announce it.
const HEADER_BYTES: u32 = 8 * 1024;

/// What every transport serves.
pub(super) struct App {
    connections: Arc<Connections>,
    grpc: Grpc,
    http: Router,
    http_timeout: Duration,
    builder: auto::Builder<TokioExecutor>,
}

impl App {
    pub(super) fn new(connections: Arc<Connections>, grpc: Grpc, http: Router, http_timeout: Duration) -> Self {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits::STREAMS_PER_CONNECTION)
            .max_header_list_size(HEADER_BYTES);
        Self { connections, grpc, http, http_timeout, builder }
    }

    /// Serves one transport until either side ends it.
    pub(super) async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, local: SocketAddr) {
        let transport = self.connections.accept(peer, local);
        let connection = transport.connection();
        let (app, of) = (self.clone(), connection.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (app, connection) = (app.clone(), of.clone());
            async move { Ok::<_, Infallible>(app.answer(request, connection).await) }
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
                    if closing {
                        return;
                    }
                    deadline = None;
                    if !connection.is_registered() && !connection.is_plain_http() {
                        self.connections.close(connection, Farewell::NeverSetUp);
                    }
                }
            }
        }
    }

    async fn answer(&self, mut request: Request<Incoming>, connection: Arc<Connection>) -> Response<Body> {
        if Grpc::is_grpc(&request) {
            request.extensions_mut().insert(connection);
            return self.grpc.call(request).await;
        }
        if request.version() < Version::HTTP_2 {
            connection.set_plain_http();
        }
        request.extensions_mut().insert(PeerAddress(connection.peer()));
        let answer = self.http.clone().oneshot(request.map(Body::new));
        match tokio::time::timeout(self.http_timeout, answer).await {
            Ok(response) => response.unwrap_or_else(|never| match never {}),
            Err(_) => {
                let mut response = Response::new(Body::from("the request took too long"));
                *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
                response
            }
        }
    }
}
