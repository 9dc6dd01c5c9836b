//! Where a node is reached, as people write it.

use std::{fmt, net::IpAddr, str::FromStr};

use compact_str::CompactString;
use serde::{Serialize, Serializer};
use thiserror::Error;

/// `host:port`. One host has one spelling: names are in lower case, addresses as the standard writes them, those of version
/// 6 in brackets. So the text of a node's address is the same on all nodes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// A name or an address, without brackets.
    pub host: CompactString,
    /// The port, not 0.
    pub port: u16,
}

/// A text that is no `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no host:port such as 10.0.0.1:8848, node-1:8848 or [::1]:8848")]
pub struct IllegalHostPort(String);

/// The longest name that DNS knows.
const HOST_BYTES: usize = 253;

impl HostPort {
    /// The address, when the host is one and not a name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl FromStr for HostPort {
    type Err = IllegalHostPort;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let illegal = || IllegalHostPort(text.to_owned());
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(illegal)?;
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| digits && *port != 0).ok_or_else(illegal)?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(host) => {
                let address: IpAddr = host.parse().ok().filter(IpAddr::is_ipv6).ok_or_else(illegal)?;
                address.to_string()
            }
            None => host.to_ascii_lowercase(),
        };
        let bare = !host.contains(':') || text.contains('[');
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
        if host.is_empty() || host.len() > HOST_BYTES || !bare || !host.bytes().all(named) {
            return Err(illegal());
        }
        Ok(Self { host: host.into(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(out, "[{}]:{}", self.host, self.port),
            false => write!(out, "{}:{}", self.host, self.port),
        }
    }
}

impl Serialize for HostPort {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_has_one_spelling() {
        for (given, spelt) in [
            ("10.0.0.1:8848", "10.0.0.1:8848"),
            (" Node-1.Example:80 ", "node-1.example:80"),
            ("[::1]:7000", "[::1]:7000"),
            ("[2001:DB8:0::1]:1", "[2001:db8::1]:1"),
        ] {
            assert_eq!(given.parse::<HostPort>().expect("legal").to_string(), spelt);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for given in
            ["", "a", "a:", ":1", "a:0", "a:65536", "a:+1", "::1:80", "[a]:1", "[1.2.3.4]:1", "a b:1", "[::1:1"]
        {
            assert!(given.parse::<HostPort>().is_err(), "{given}");
        }
    }
}
