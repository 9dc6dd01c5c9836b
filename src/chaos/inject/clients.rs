//! What clients do that no good client does.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use anyhow::{Context as _, Result};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};
use tonic::transport::{Channel, Endpoint};

use super::{Injector, Met, name};
use crate::{
    bench::{
        client::{Address, Client},
        envelope::payload,
        message::Instance,
        stream::ignore_pushes,
    },
    config::{GRPC_OFFSET, PEER_OFFSET},
    proto::request_client::RequestClient,
};

const STORM: usize = 300;
/// How long clients of a storm stay.
const STAY: Duration = Duration::from_secs(2);
const SLOW: Duration = Duration::from_secs(8);
const PATIENCE: Duration = Duration::from_secs(3);
/// How often a node that takes clients is looked for, and after which pause.
const TRIES: usize = 40;
const AGAIN: Duration = Duration::from_millis(250);
/// Bytes of one that says nonsense.
const NONSENSE: usize = 64 * 1024;

impl Injector {
    /// A node that takes clients; any when there is none.
    async fn any_ready(&mut self) -> usize {
        for _ in 0..TRIES {
            let node = self.any();
            if self.nodes.is_ready(node).await {
                return node;
            }
            sleep(AGAIN).await;
        }
        self.any()
    }

    pub(super) async fn storm(&mut self) -> Result<Met> {
        let node = self.any_ready().await;
        let mut coming = JoinSet::new();
        for number in 0..STORM {
            let address = self.servers[node].clone();
            coming.spawn(async move {
                let client = Client::connect(&address, Arc::default(), ignore_pushes()).await.ok()?;
                let instance = Instance::new(50_000 + number, 80, 1);
                client.register("chaos-storm", &instance).await.ok().map(|()| client)
            });
        }
        let clients: Vec<Client> = coming.join_all().await.into_iter().flatten().collect();
        let came = clients.len();
        sleep(STAY).await;
        let evidence = (came > 0).then(|| format!("{came} of {STORM} came, registered and went at once"));
        Ok(Met { target: name(node), evidence })
    }

    /// Watches what changes all the time, and takes nothing off its socket.
    pub(super) async fn slow_subscriber(&mut self) -> Result<Met> {
        let node = self.any_ready().await;
        let is_frozen = Arc::new(AtomicBool::new(false));
        let Ok(channel) = freezing(&self.servers[node], is_frozen.clone()).await else {
            return Ok(Met { target: name(node), evidence: None });
        };
        let Ok(client) = Client::over(channel, PATIENCE, Arc::default(), ignore_pushes()).await else {
            return Ok(Met { target: name(node), evidence: None });
        };
        let mut watched = 0;
        for number in 0..6 {
            watched += usize::from(client.subscribe(&format!("chaos-steady-{number}")).await.is_ok());
        }
        is_frozen.store(true, Relaxed);
        sleep(SLOW).await;
        let evidence = (watched > 0).then(|| format!("read nothing of {watched} services for {SLOW:?}"));
        Ok(Met { target: name(node), evidence })
    }

    pub(super) async fn hostile(&mut self) -> Result<Met> {
        let node = self.any_ready().await;
        let main = &self.nodes.all[node].main;
        let (host, port) = main.rsplit_once(':').context("host:port")?;
        let port: u16 = port.parse()?;
        let mut said = 0;
        for above in [0, GRPC_OFFSET, PEER_OFFSET] {
            let bytes: Vec<u8> = (0..NONSENSE).map(|_| self.chance.below(256) as u8).collect();
            said += usize::from(say(&format!("{host}:{}", port + above), &bytes).await.is_ok());
        }
        let head =
            format!("GET /nacos/v1/ns/instance/list?serviceName={} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(9_000));
        said += usize::from(say(main, head.as_bytes()).await.is_ok());
        said += usize::from(
            say(main, b"POST /nacos/v1/ns/instance HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n").await.is_ok(),
        );
        let refused = self.nonsense(node).await;
        let evidence = format!("{said} connections of nonsense, {refused} messages answered as illegal");
        Ok(Met { target: name(node), evidence: (said + refused > 0).then_some(evidence) })
    }

    /// How many messages that are none were answered.
    async fn nonsense(&mut self, node: usize) -> usize {
        let Ok(endpoint) = Endpoint::from_shared(self.servers[node].uri.clone()) else { return 0 };
        let mut client = RequestClient::new(endpoint.connect_timeout(PATIENCE).timeout(PATIENCE).connect_lazy());
        let mut answered = 0;
        for kind in ["InstanceRequest", "NoSuchRequest", "", "SubscribeServiceRequest", "PersistentInstanceRequest"] {
            for length in [0, 7, 5_000] {
                let bytes: Vec<u8> = (0..length).map(|_| self.chance.below(256) as u8).collect();
                answered += usize::from(client.request(payload(kind, bytes)).await.is_ok());
            }
        }
        answered
    }
}

/// Says something, and hears what comes for a moment.
async fn say(address: &str, bytes: &[u8]) -> io::Result<()> {
    let mut socket = TcpStream::connect(address).await?;
    // It may be shut before all is said, which is as well.
    let _ = timeout(PATIENCE, socket.write_all(bytes)).await;
    let mut heard = [0; 1_024];
    let _ = timeout(Duration::from_millis(300), socket.read(&mut heard)).await;
    Ok(())
}

/// A transport that can be frozen: then nothing is read any more.
async fn freezing(address: &Address, is_frozen: Arc<AtomicBool>) -> Result<Channel> {
    let target = address.uri.trim_start_matches("http://").to_owned();
    let connect = move |_| {
        let (target, is_frozen) = (target.clone(), is_frozen.clone());
        async move { io::Result::Ok(TokioIo::new(Freezing { socket: TcpStream::connect(target).await?, is_frozen })) }
    };
    let endpoint = Endpoint::from_shared(address.uri.clone())?;
    Ok(endpoint.connect_timeout(PATIENCE).connect_with_connector(tower::service_fn(connect)).await?)
}

struct Freezing {
    socket: TcpStream,
    is_frozen: Arc<AtomicBool>,
}

impl AsyncRead for Freezing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Nobody thaws it, so nobody is to be woken.
        if self.is_frozen.load(Relaxed) { Poll::Pending } else { Pin::new(&mut self.socket).poll_read(context, buffer) }
    }
}

impl AsyncWrite for Freezing {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
