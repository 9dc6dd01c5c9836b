//! Calls on a cluster port by whoever likes, and a cluster port that behaves as tests like.

use std::net::SocketAddr;

use prost::Message as _;
use roster::{
    model::{Incarnation, NodeId},
    peer::HELLO_HEADER,
    proto::peer::{
        self as proto,
        peer_client::PeerClient,
        peer_server::{Peer, PeerServer},
    },
    wire::peer::encode_life,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Response, Status, Streaming,
    metadata::MetadataValue,
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};

use crate::support::{DEADLINE, SECRET, bind, main_address};

/// What the node with this id says of itself in its first life.
pub fn hello(id: u128, to: Option<Incarnation>) -> proto::Hello {
    proto::Hello {
        version: 1,
        cluster: "test".into(),
        secret: SECRET.into(),
        address: main_address(id),
        life: Some(encode_life(Incarnation { node: NodeId(id), since: 1 })),
        to: to.map(encode_life),
    }
}

/// The same of another life of it.
pub fn hello_of_life(id: u128, since: u64, to: Incarnation) -> proto::Hello {
    let life = Incarnation { node: NodeId(id), since };
    proto::Hello { life: Some(encode_life(life)), ..hello(id, Some(to)) }
}

pub fn request<T>(message: T, header: &[u8]) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request.metadata_mut().insert_bin(HELLO_HEADER, MetadataValue::from_bytes(header));
    request
}

pub async fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).expect("legal").connect().await.expect("connects")
}

/// What a call for a hello is answered with.
pub async fn ask(address: SocketAddr, hello: &proto::Hello) -> Result<proto::HelloAnswer, Status> {
    let call = request(proto::HelloRequest {}, &hello.encode_to_vec());
    PeerClient::new(channel(address).await).hello(call).await.map(Response::into_inner)
}

/// A stream to a member: what is sent goes there, and how it ended.
pub async fn link(
    address: SocketAddr,
    hello: &proto::Hello,
) -> (mpsc::Sender<proto::Frame>, tokio::task::JoinHandle<Result<(), Status>>) {
    let (frames, body) = mpsc::channel(16);
    let call = request(ReceiverStream::new(body), &hello.encode_to_vec());
    let mut client = PeerClient::new(channel(address).await);
    (frames, tokio::spawn(async move { client.link(call).await.map(|_| ()) }))
}

/// A member that says who it is, and then neither reads nor answers anything.
pub struct Mute {
    hello: proto::Hello,
}

#[tonic::async_trait]
impl Peer for Mute {
    async fn hello(&self, _: Request<proto::HelloRequest>) -> Result<Response<proto::HelloAnswer>, Status> {
        Ok(Response::new(proto::HelloAnswer { hello: Some(self.hello.clone()) }))
    }

    async fn link(&self, unread: Request<Streaming<proto::Frame>>) -> Result<Response<proto::LinkEnd>, Status> {
        let _unread = unread;
        std::future::pending().await
    }

    async fn forward(&self, _: Request<proto::ForwardRequest>) -> Result<Response<proto::ForwardAnswer>, Status> {
        std::future::pending().await
    }
}

impl Mute {
    pub async fn start(hello: proto::Hello) -> SocketAddr {
        let (listener, address) = bind().await;
        let service = PeerServer::new(Self { hello });
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener)));
        address
    }
}
