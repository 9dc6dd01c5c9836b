//! One HTTP/2 connection. tonic's own channel dials again behind one's back, and here the connection is the client.

use std::task::{Context, Poll};

use hyper::{Request, Response, body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{net::TcpStream, task::AbortHandle};
use tonic::body::Body;
use tower::Service;

/// The sending half of one connection; clones share it.
#[derive(Clone)]
pub(super) struct Transport {
    send: http2::SendRequest<Body>,
}

/// Keeps a connection open; dropped, the socket is closed without a word, as when a client dies.
pub(super) struct Held(AbortHandle);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Dials `port` of this machine.
pub(super) async fn open(port: u16) -> (Transport, Held) {
    let socket = TcpStream::connect(("127.0.0.1", port)).await.expect("the node accepts");
    socket.set_nodelay(true).expect("a TCP socket");
    let mut builder = http2::Builder::new(TokioExecutor::new());
    // The default of most gRPC clients; a server that is not read from soon notices.
    builder.timer(TokioTimer::new()).initial_stream_window_size(64 * 1024);
    let (send, connection) = builder.handshake(TokioIo::new(socket)).await.expect("the node speaks HTTP/2");
    let driver = tokio::spawn(async move {
        // Whatever ends it, the calls on it say so.
        let _ = connection.await;
    });
    (Transport { send }, Held(driver.abort_handle()))
}

impl Service<Request<Body>> for Transport {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.send.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.send.send_request(request))
    }
}
