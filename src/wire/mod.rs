//! Bytes to types and back: the JSON of Nacos gRPC payloads and datagrams, and the codes and texts Nacos clients know.
//!
//! Promises: whatever arrives becomes a typed request or a [`Refusal`]; nothing here panics on input, and no byte from
//! outside gets past here unchecked. Never decides what a request means, never keeps anything.

mod ability;
mod beat;
mod datagram;
mod instance;
mod json;
pub mod peer;
mod push;
pub mod raft;
mod refusal;
mod request;
mod request_type;
mod response;
mod service_info;
mod service_metadata;
mod setup;

pub use beat::decode_beat;
pub use datagram::{TooLarge, decode_datagram_ack, push_datagram};
pub use push::{ack, client_detection, connect_reset, notify_subscriber, setup_ack};
pub use refusal::{Refusal, Shape};
pub use request::{InstanceOperation, PersistentInstanceOperation, Request, decode};
pub use request_type::RequestType;
pub use response::{Body, batch_registered, deregistered, done, registered, server_check, service_list, service_view};
pub use service_info::{Host, ServiceInfo, encode_host};
pub use service_metadata::{
    CheckerJson, IllegalChecker, IllegalSelector, MetadataJson, SELECTOR_TYPES, SelectorJson, decode_checker,
    decode_selector,
};
pub use setup::{Setup, decode_setup};
