//! What nodes of a cluster say to each other, and how that looks in bytes (`proto/peer.proto`).
//!
//! Owns the vocabulary of the cluster port. Every message stands for itself: one that is lost, comes twice or comes late
//! does no harm, though the stream between two nodes keeps their order while it lasts. Bytes carry a version; those of an
//! unknown one are refused, unknown fields are left out.

mod message;

pub use message::{Bucket, BucketContents, DIGEST_BUCKETS, Digest, Heartbeat, Message, Phase, Regard};
