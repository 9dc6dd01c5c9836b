//! Settings: one list of them for the command line, the environment and the file.
//!
//! Flags win over `ROSTER_…` environment variables, those over the TOML file, that over the defaults. A setting that is
//! unknown or does not read is refused with its name and where it came from, before anything is opened.

mod cluster;
mod raw;
mod span;

use std::{net::IpAddr, path::PathBuf, time::Duration};

pub use cluster::{ClusterSettings, EmptySecret, IllegalRoute, List, Maybe, Route, Routed, Secret};
pub use raw::{ConfigError, LogFormat, RawSettings};

use crate::{connection, http, node, raft};

/// Checked settings of one node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address to listen on.
    pub host: IpAddr,
    /// Main port; 0 for any pair of free ports. gRPC clients go to the port [`GRPC_OFFSET`] above.
    pub port: u16,
    /// Directory of this node.
    pub data: PathBuf,
    /// What to log, in `tracing`'s filter syntax.
    pub log: String,
    /// How to log.
    pub log_format: LogFormat,
    /// Who else there is.
    pub cluster: ClusterSettings,
    /// The core.
    pub node: node::Settings,
    /// Connections.
    pub connection: connection::Settings,
    /// The group of persistent instances.
    pub raft: raft::Settings,
    /// The HTTP API.
    pub http: http::Settings,
    /// How long an HTTP request may take.
    pub http_timeout: Duration,
    /// How long an HTTP/1.1 connection may wait for its next request, or with an answer that is not read.
    pub http_idle: Duration,
    /// How long closing all connections may take when the node stops.
    pub shutdown_grace: Duration,
}

/// What Nacos clients add to the main port to find gRPC.
pub const GRPC_OFFSET: u16 = 1_000;
/// What peers add to the main port to find each other.
pub const PEER_OFFSET: u16 = 1_001;
