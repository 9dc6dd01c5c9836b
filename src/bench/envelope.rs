//! The protobuf around the JSON: what every message of the protocol travels in.

use bytes::Bytes;

use crate::proto::{Metadata, Payload, google::protobuf::Any};

/// What the Java and Go clients accept; a server must keep its pushes below.
pub const MESSAGE_LIMIT: usize = 10 * 1024 * 1024;

pub fn payload(kind: &str, body: impl Into<Bytes>) -> Payload {
    Payload {
        metadata: Some(Metadata { r#type: kind.to_owned(), ..Metadata::default() }),
        body: Some(Any { type_url: String::new(), value: body.into() }),
    }
}

/// The type and the JSON of a payload; what is missing reads as empty.
pub fn open(payload: Payload) -> (String, Bytes) {
    let kind = payload.metadata.map(|metadata| metadata.r#type).unwrap_or_default();
    (kind, payload.body.map(|body| body.value).unwrap_or_default())
}
