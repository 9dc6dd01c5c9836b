//! What the cluster ports of simulated nodes are made of: the sockets of the simulated network below real gRPC.
//!
//! What is said on them, with which settings and deadlines, is the product's.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hyper::Uri;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::mpsc,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status,
    metadata::MetadataMap,
    transport::{Channel, server::Connected},
};
use turmoil::net::{TcpListener, TcpStream};

use crate::{
    model::Incarnation,
    peer::{Calls, IllegalAddress, Peers, Stamp},
};

/// How far above the main port others are listened to.
pub(super) const OFFSET: u16 = 1_001;

/// A transport of the simulated network.
pub(super) struct Socket(TcpStream);

impl Connected for Socket {
    type ConnectInfo = Option<SocketAddr>;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.0.peer_addr().ok()
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, bytes)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// Whoever calls the cluster port of this host.
pub(super) async fn incoming(main_port: u16) -> io::Result<ReceiverStream<io::Result<Socket>>> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, main_port + OFFSET)).await?;
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(async move {
        loop {
            let accepted = listener.accept().await.map(|(stream, _)| Socket(stream));
            if sender.send(accepted).await.is_err() {
                return;
            }
        }
    });
    Ok(ReceiverStream::new(receiver))
}

/// The product's calls, over the simulated network.
pub(super) struct Wires(pub(super) Arc<Peers>);

impl Calls for Wires {
    fn channel(&self, address: &str) -> Result<Channel, IllegalAddress> {
        Ok(self.0.endpoint(address)?.connect_with_connector_lazy(Dial))
    }

    fn stamp(&self) -> Stamp {
        self.0.stamp()
    }

    fn check(&self, headers: &MetadataMap, from: Option<SocketAddr>) -> Result<Incarnation, Status> {
        self.0.check(headers, from)
    }
}

#[derive(Clone)]
struct Dial;

impl tower::Service<Uri> for Dial {
    type Response = TokioIo<Socket>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Socket>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(async move {
            let to = uri.authority().map(ToString::to_string).unwrap_or_default();
            Ok(TokioIo::new(Socket(TcpStream::connect(to).await?)))
        })
    }
}
