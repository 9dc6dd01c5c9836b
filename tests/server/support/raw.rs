//! A gRPC client that sends whatever it is told to.

use bytes::{Buf, BufMut, Bytes};
use prost::Message as _;
use roster::{
    model::ClientId,
    proto::{
        Metadata, Payload, bi_request_stream_client::BiRequestStreamClient, google::protobuf::Any,
        request_client::RequestClient,
    },
};
use serde_json::Value;
use tokio_stream::StreamExt;
use tonic::{
    Request, Status, Streaming,
    client::Grpc,
    codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use super::{
    BiStream, DEADLINE,
    transport::{self, Held, Transport},
};

/// What a unary call came to.
pub type Outcome = Result<Answer, Status>;

/// An answered unary call.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The response class.
    pub kind: String,
    /// The JSON of the body.
    pub body: Value,
}

impl Answer {
    fn read(payload: Payload) -> Self {
        let metadata = payload.metadata.expect("an answer has metadata");
        assert_eq!(metadata.client_ip, "", "answers name no address");
        assert!(metadata.headers.is_empty(), "answers have no headers");
        let body = payload.body.expect("an answer has a body");
        assert_eq!(body.type_url, "", "answers have no type url");
        Self { kind: metadata.r#type, body: serde_json::from_slice(&body.value).expect("an answer is JSON") }
    }
}

/// A message of this type with this body.
pub fn payload(kind: &str, body: impl Into<Bytes>) -> Payload {
    let metadata = Metadata { r#type: kind.to_owned(), client_ip: "10.9.9.9".to_owned(), headers: Default::default() };
    Payload { metadata: Some(metadata), body: Some(Any { type_url: String::new(), value: body.into() }) }
}

/// One transport to a node. All calls on it are one client's.
pub struct RawClient {
    transport: Transport,
    _held: Held,
}

const ORIGIN: &str = "http://127.0.0.1";

impl RawClient {
    /// Dials the gRPC port.
    pub async fn open(port: u16) -> Self {
        let (transport, held) = transport::open(port).await;
        Self { transport, _held: held }
    }

    /// The id the node gave this transport.
    pub async fn id(&self) -> ClientId {
        let check = self.call("ServerCheckRequest", "{}").await.expect("a server check is answered");
        ClientId::from(check.body["connectionId"].as_str().expect("an id"))
    }

    /// Makes a unary call with a text as body.
    pub async fn call(&self, kind: &str, body: impl Into<String>) -> Outcome {
        self.unary(payload(kind, body.into())).await
    }

    /// Makes a unary call.
    pub async fn unary(&self, payload: Payload) -> Outcome {
        let mut client = RequestClient::with_origin(self.transport.clone(), origin());
        let answer = in_time(client.request(payload)).await?;
        Ok(Answer::read(answer.into_inner()))
    }

    /// Makes a unary call with a compressed message.
    pub async fn gzipped(&self, payload: Payload) -> Outcome {
        let client = RequestClient::with_origin(self.transport.clone(), origin());
        let mut client = client.send_compressed(CompressionEncoding::Gzip);
        let answer = in_time(client.request(payload)).await?;
        Ok(Answer::read(answer.into_inner()))
    }

    /// Makes a unary call to any path with any bytes as the message.
    pub async fn bytes(&self, path: &'static str, message: &'static [u8]) -> Outcome {
        let mut client = Grpc::with_origin(self.transport.clone(), origin());
        client.ready().await.map_err(|fault| Status::unavailable(fault.to_string()))?;
        let path = hyper::http::uri::PathAndQuery::from_static(path);
        let answer = in_time(client.unary(Request::new(Bytes::from_static(message)), path, BytesCodec)).await?;
        Ok(Answer::read(Payload::decode(answer.into_inner()).expect("an answer is a payload")))
    }

    /// Opens a stream that acknowledges whatever asks for it.
    pub async fn stream(&self) -> BiStream {
        self.stream_acking(super::stream::acknowledge).await
    }

    /// Opens a stream, sends one message and never reads what comes.
    pub async fn unread_stream(&self, first: Payload) -> Streaming<Payload> {
        let mut client = BiRequestStreamClient::with_origin(self.transport.clone(), origin());
        let outgoing = tokio_stream::once(first).chain(tokio_stream::pending());
        in_time(client.request_bi_stream(outgoing)).await.expect("a stream opens").into_inner()
    }

    /// Opens a stream that answers each message with what `ack` makes of it.
    pub async fn stream_acking(&self, ack: impl Fn(&super::Message) -> Option<Payload> + Send + 'static) -> BiStream {
        let client = BiRequestStreamClient::with_origin(self.transport.clone(), origin());
        BiStream::open(client, ack).await
    }
}

fn origin() -> hyper::Uri {
    hyper::Uri::from_static(ORIGIN)
}

async fn in_time<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    tokio::time::timeout(DEADLINE, call).await.expect("a call is answered in time")
}

/// Messages as they are.
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
