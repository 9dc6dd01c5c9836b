//! Who publishes or subscribes, as the registry knows it.

use std::{fmt, sync::Arc};

/// Identity of a client: `<millis>_<ip>_<port>` of its transport for gRPC, `<ip>:<port>#true` for one that is known by
/// its address (Nacos `IpPortBasedClient`). Consoles parse both shapes. A gRPC id never contains `#`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// The id of the client behind a transport accepted at `accepted` (milliseconds since the epoch) from `peer`.
    pub fn connection(accepted: u64, peer: std::net::SocketAddr) -> Self {
        Self(format!("{accepted}_{}_{}", peer.ip(), peer.port()).into())
    }

    /// The id of the ephemeral client that is known by its address only.
    pub fn address(ip: &str, port: u16) -> Self {
        Self(format!("{ip}:{port}#true").into())
    }

    /// Whether this client is known by its address, so that no transport's end removes it.
    pub fn is_address(&self) -> bool {
        self.0.contains('#')
    }

    /// Host and port of the client, whichever shape its id has.
    pub fn host_port(&self) -> (&str, u16) {
        let parts = match self.0.split_once('#') {
            Some((address, _)) => address.rsplit_once(':'),
            None => self.0.split_once('_').and_then(|(_, peer)| peer.rsplit_once('_')),
        };
        let (host, port) = parts.unwrap_or((&self.0, ""));
        (host, port.parse().unwrap_or(0))
    }

    /// The id as it appears on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ClientId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}
