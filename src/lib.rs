//! Roster, a service registry that speaks the Nacos naming protocol. `ARCHITECTURE.md` is the map.

pub mod agreed;
pub mod bench;

pub mod proto {
    //! Generated from `proto/`: the envelope of the Nacos gRPC protocol, and what nodes of a cluster say to each other.
    #![allow(non_camel_case_types, missing_docs, clippy::large_enum_variant)]
    include!(concat!(env!("OUT_DIR"), "/proto.rs"));
    pub use roster::{peer::v1 as peer, raft::v1 as raft};
}

pub mod chaos;
pub mod cli;
pub mod config;
pub mod connection;
pub mod datagram;
pub mod distro;
pub mod grpc;
pub mod health;
pub(crate) mod history;
pub mod http;
pub mod member;
pub mod metrics;
pub mod model;
pub mod node;
pub mod peer;
pub mod polling;
pub mod push;
pub mod raft;
pub mod registry;
pub mod runtime;
#[cfg(feature = "sabotage")]
pub mod sabotage;
pub mod server;
pub mod task;
pub mod wire;
