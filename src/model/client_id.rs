//! Who publishes or subscribes, as the registry knows it.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// Identity of a client: `<millis>_<ip>_<port>` of its transport for gRPC, `<ip>:<port>#true` for one that is known by
/// its address (Nacos `IpPortBasedClient`), `<ip>:<port>#false` for the publisher of a persistent instance. Consoles parse
/// all of these shapes. A gRPC id never contains `#`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// The id of the client behind a transport accepted at `accepted` (milliseconds since the epoch) from `peer`.
    pub fn connection(accepted: u64, peer: SocketAddr) -> Self {
        Self(format!("{accepted}_{}_{}", peer.ip(), peer.port()).into())
    }

    /// The id of the ephemeral client that is known by its address only.
    pub fn address(ip: &str, port: u16) -> Self {
        Self(format!("{ip}:{port}#true").into())
    }

    /// The id of the client that publishes the persistent instance at an address.
    pub fn persistent(ip: &str, port: u16) -> Self {
        Self(format!("{ip}:{port}#false").into())
    }

    /// Whether what this client publishes is agreed on by all nodes, and so no node's own.
    pub fn is_persistent(&self) -> bool {
        self.0.ends_with("#false")
    }

    /// Whether this client is known by its address, so that no transport's end removes it.
    pub fn is_address(&self) -> bool {
        self.0.contains('#')
    }

    /// The id of the client that is reached by datagrams to `address`.
    pub fn reached_at(address: SocketAddr) -> Self {
        Self::address(&address.ip().to_string(), address.port())
    }

    /// Where datagrams reach this client. None for the client of a connection, or of an instance with a host name.
    pub fn datagram_address(&self) -> Option<SocketAddr> {
        let (host, port) = self.is_address().then(|| self.host_port())?;
        Some(SocketAddr::new(host.parse::<IpAddr>().ok()?, port))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_its_client_and_back() {
        for address in ["10.0.0.1:55000", "[::1]:55000", "[fe80::1:2]:1"] {
            let address: SocketAddr = address.parse().expect("an address");
            let client = ClientId::reached_at(address);
            assert!(client.is_address());
            assert_eq!(client.datagram_address(), Some(address));
        }
        assert_eq!(ClientId::reached_at(([10, 0, 0, 1], 80).into()), ClientId::address("10.0.0.1", 80));
    }

    #[test]
    fn no_datagram_reaches_a_connection_or_a_host_name() {
        let connection = ClientId::connection(7, ([10, 0, 0, 1], 80).into());
        assert_eq!(connection.datagram_address(), None);
        assert_eq!(ClientId::address("host.example", 80).datagram_address(), None);
    }
}
