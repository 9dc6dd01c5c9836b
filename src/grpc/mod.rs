//! The Nacos gRPC services: translate payloads into inputs of the node and its replies into payloads.
//!
//! Promises that every call gets the answer a Nacos client expects in its situation, and that application failures never
//! are gRPC failures. Has no rules of its own: what is legal is `wire`'s, what it means is the node's.

mod request;
#[cfg(test)]
mod request_test;
mod status;
mod stream;

use std::sync::Arc;

use axum::body::Body;
use hyper::{Request, Response};
use tonic::codec::CompressionEncoding;
use tower::Service;

use crate::{
    connection::Connections,
    metrics::Metrics,
    model::limits,
    proto::{bi_request_stream_server::BiRequestStreamServer, request_server::RequestServer},
    raft::Agreement,
};

/// Both services, for any number of transports. The request's extensions must hold the `Arc<Connection>` it came on.
#[derive(Clone)]
pub struct Grpc {
    unary: RequestServer<request::Unary>,
    stream: BiRequestStreamServer<stream::Streams>,
}

impl Grpc {
    /// The services over these connections.
    pub fn new(connections: Arc<Connections>, metrics: Arc<Metrics>, group: Arc<dyn Agreement>) -> Self {
        let unary = request::Unary::new(connections.clone(), metrics.clone(), group);
        let streams = stream::Streams::new(connections, metrics);
        Self {
            unary: RequestServer::new(unary)
                .accept_compressed(CompressionEncoding::Gzip)
                .max_decoding_message_size(limits::MESSAGE_BYTES),
            stream: BiRequestStreamServer::new(streams)
                .accept_compressed(CompressionEncoding::Gzip)
                .max_decoding_message_size(limits::MESSAGE_BYTES),
        }
    }

    /// Whether a request is gRPC at all.
    pub fn is_grpc<B>(request: &Request<B>) -> bool {
        let content_type = request.headers().get(hyper::header::CONTENT_TYPE);
        content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
    }

    /// Answers one gRPC call.
    pub async fn call(&self, request: Request<hyper::body::Incoming>) -> Response<Body> {
        let response = match request.uri().path() {
            "/Request/request" => infallible(self.unary.clone().call(request).await),
            "/BiRequestStream/requestBiStream" => infallible(self.stream.clone().call(request).await),
            other => status::method_not_found(other).into_http(),
        };
        status::as_nacos(response).map(Body::new)
    }
}

fn infallible<T>(result: Result<T, std::convert::Infallible>) -> T {
    result.unwrap_or_else(|never| match never {})
}
