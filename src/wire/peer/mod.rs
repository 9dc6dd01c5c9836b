//! What nodes of a cluster say to each other, and how that looks in bytes (`proto/peer.proto`).
//!
//! Owns the vocabulary of the cluster port. Every message stands for itself: one that is lost, comes twice or comes late
//! does no harm, though the stream between two nodes keeps their order while it lasts. Bytes carry a version; those of an
//! unknown one are refused, unknown fields are left out.

#[cfg(test)]
mod codec_test;
mod frame;
mod illegal;
mod message;
mod state;
mod states;

pub use frame::{decode, encode};
pub use illegal::{IllegalMessage, decode_client};
pub use message::{Bucket, BucketContents, DIGEST_BUCKETS, Digest, Heartbeat, Known, Message, Phase, Regard};
pub use state::{
    decode_content, decode_instance, decode_life, decode_node, decode_service, decode_state, encode_content,
    encode_instance, encode_life, encode_node, encode_service, encode_state,
};
pub use states::{IllegalStates, STATES_VERSION, append_state, decode_states, encode_states};

/// Version of what is said on the cluster port.
pub const PROTOCOL_VERSION: u32 = 1;
