//! Which of the members this node is (Nacos `selfIp`).
//!
//! Promises that exactly one entry is this node or that the start fails with what to do about it: two nodes that take
//! themselves for the same member would each undo what the other says.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Duration,
};

use compact_str::{CompactString, ToCompactString};
use thiserror::Error;
use tokio::task::JoinSet;

use crate::{config::ClusterSettings, model::HostPort};

/// How long all names of members may take to resolve.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why no entry is this node's own.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OwnEntryError {
    /// The entry that is said to be this node's is not there.
    #[error("--advertise {0} is not among --peers")]
    NotAPeer(HostPort),
    /// Others are elsewhere, but cannot reach this node.
    #[error("{0} is on another machine, which cannot reach a node that listens on {1}; --host 0.0.0.0 opens it to all")]
    Loopback(HostPort, IpAddr),
    /// No entry is this node.
    #[error("none of --peers is this node, which listens on {0}{1}; --advertise names its own entry")]
    NotFound(SocketAddr, Unresolved),
    /// Several entries are this node.
    #[error("{0} and {1} of --peers both are this node; --advertise names its own entry")]
    Ambiguous(HostPort, HostPort),
}

/// Names without an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved(Vec<CompactString>);

impl std::fmt::Display for Unresolved {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(out, " (no address is known of {})", self.0.join(", ")) }
    }
}

/// Where this node is among the members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// What others call it.
    pub(super) address: CompactString,
    /// The others.
    pub(super) peers: Vec<CompactString>,
}

/// What the machine and the network say; a value in tests.
struct Facts<'a> {
    /// Addresses of a host: itself, or those its name resolves to.
    addresses: &'a dyn Fn(&HostPort) -> Vec<IpAddr>,
    /// Whether an address is one of this machine's.
    is_local: &'a dyn Fn(IpAddr) -> bool,
}

/// Finds the place of the node that listens on `listening` and that others reach at `reachable` when it is alone.
pub(super) async fn find(
    cluster: &ClusterSettings,
    listening: SocketAddr,
    reachable: SocketAddr,
) -> Result<Place, OwnEntryError> {
    if cluster.peers.is_empty() {
        let said = cluster.advertise.as_ref().map(HostPort::to_compact_string);
        return Ok(Place { address: said.unwrap_or_else(|| reachable.to_compact_string()), peers: Vec::new() });
    }
    let known = resolve(&cluster.peers).await;
    let addresses = |entry: &HostPort| known.get(&entry.host).cloned().unwrap_or_default();
    let facts = Facts { addresses: &addresses, is_local: &is_local };
    let own = choose(cluster, listening, &facts)?;
    let peers = cluster.peers.iter().filter(|peer| *peer != own);
    Ok(Place { address: own.to_compact_string(), peers: peers.map(HostPort::to_compact_string).collect() })
}

fn choose<'a>(
    cluster: &'a ClusterSettings,
    listening: SocketAddr,
    facts: &Facts<'_>,
) -> Result<&'a HostPort, OwnEntryError> {
    let host = listening.ip();
    let advertised = cluster.advertise.as_ref();
    let others = cluster.peers.iter().filter(|peer| Some(*peer) != advertised);
    if let Some(remote) = others.clone().find(|peer| host.is_loopback() && !is_loopback(&(facts.addresses)(peer))) {
        return Err(OwnEntryError::Loopback(remote.clone(), host));
    }
    if let Some(own) = advertised {
        let entry = cluster.peers.iter().find(|peer| *peer == own);
        return entry.ok_or_else(|| OwnEntryError::NotAPeer(own.clone()));
    }
    let is_own = |peer: &&HostPort| {
        let here = |address: &IpAddr| if host.is_unspecified() { (facts.is_local)(*address) } else { *address == host };
        peer.port == listening.port() && (facts.addresses)(peer).iter().any(here)
    };
    let mut own = others.filter(is_own);
    match (own.next(), own.next()) {
        (Some(own), None) => Ok(own),
        (Some(one), Some(other)) => Err(OwnEntryError::Ambiguous(one.clone(), other.clone())),
        (None, _) => {
            let unknown = cluster.peers.iter().filter(|peer| (facts.addresses)(peer).is_empty());
            let unknown = unknown.map(|peer| peer.host.clone()).collect();
            Err(OwnEntryError::NotFound(listening, Unresolved(unknown)))
        }
    }
}

/// A name without an address is somebody else's that has not started yet.
fn is_loopback(addresses: &[IpAddr]) -> bool {
    !addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback)
}

/// Only addresses of this machine can be bound; nothing is sent.
fn is_local(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// The addresses of each host, as far as they are found in time.
async fn resolve(entries: &[HostPort]) -> HashMap<CompactString, Vec<IpAddr>> {
    let mut known = HashMap::new();
    let mut asked = JoinSet::new();
    for entry in entries {
        if let Some(address) = entry.ip() {
            known.insert(entry.host.clone(), vec![address]);
            continue;
        }
        let HostPort { host, port } = entry.clone();
        asked.spawn(async move {
            let found = tokio::net::lookup_host((host.as_str(), port)).await;
            let found = found.map(|all| all.map(|address| address.ip()).collect());
            (host, found.unwrap_or_default())
        });
    }
    let gather = async {
        // A look-up that panicked found nothing.
        while let Some(found) = asked.join_next().await {
            known.extend(found.ok());
        }
    };
    if tokio::time::timeout(RESOLVE_TIMEOUT, gather).await.is_err() {
        tracing::warn!("not all names of peers were resolved in {RESOLVE_TIMEOUT:?}");
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RawSettings;

    /// This machine is 10.0.0.2, also called n2; n9 has no address.
    fn own(peers: &str, advertise: Option<&str>, listening: &str) -> String {
        let raw = RawSettings {
            peers: Some(peers.parse().expect("legal")),
            advertise: advertise.map(|own| own.parse().expect("legal")),
            ..RawSettings::default()
        };
        let cluster = raw.load(None).expect("legal").cluster;
        let listening: SocketAddr = listening.parse().expect("legal");
        let addresses = |entry: &HostPort| {
            let named = match entry.host.as_str() {
                "n1" => Some([10, 0, 0, 1]),
                "n2" => Some([10, 0, 0, 2]),
                "localhost" => Some([127, 0, 0, 1]),
                _ => None,
            };
            entry.ip().or(named.map(IpAddr::from)).into_iter().collect()
        };
        let is_local = |address: IpAddr| address.is_loopback() || address == IpAddr::from([10, 0, 0, 2]);
        let facts = Facts { addresses: &addresses, is_local: &is_local };
        choose(&cluster, listening, &facts).map_or_else(|fault| fault.to_string(), |own| own.to_string())
    }

    #[test]
    fn the_own_entry_is_the_one_with_an_address_of_this_machine() {
        assert_eq!(own("10.0.0.1:1,10.0.0.2:1,n9:1", None, "0.0.0.0:1"), "10.0.0.2:1");
        assert_eq!(own("n1:1,n2:1", None, "0.0.0.0:1"), "n2:1");
        assert_eq!(own("n1:1,n2:1", None, "[::]:1"), "n2:1");
        assert_eq!(own("n2:1,n2:2", None, "10.0.0.2:2"), "n2:2", "the port tells nodes of one machine apart");
        assert_eq!(own("127.0.0.1:1,localhost:2", None, "127.0.0.1:2"), "localhost:2");
        assert_eq!(own("n1:1,n9:1", Some("n9:1"), "0.0.0.0:7"), "n9:1", "what is said needs no proof");
    }

    #[test]
    fn what_cannot_be_told_says_what_to_do() {
        let fault = own("n1:1,n9:1", None, "0.0.0.0:1");
        assert!(fault.contains("none of --peers") && fault.contains("known of n9") && fault.contains("--advertise"));
        assert!(own("n1:1,n2:2", None, "10.0.0.2:1").contains("--advertise"), "another port");
        let fault = own("n2:1,10.0.0.2:1", None, "10.0.0.2:1");
        assert!(fault.contains("n2:1 and 10.0.0.2:1") && fault.contains("--advertise"), "{fault}");
        assert!(own("n1:1", Some("n2:1"), "0.0.0.0:1").contains("--advertise n2:1 is not among"));
        for peers in ["127.0.0.1:1,n1:1", "127.0.0.1:1,n9:1"] {
            let fault = own(peers, None, "127.0.0.1:1");
            assert!(fault.contains("on another machine") && fault.contains("--host 0.0.0.0"), "{fault}");
        }
    }

    #[tokio::test]
    async fn a_node_alone_is_what_it_says_or_where_it_listens() {
        let at: SocketAddr = ([127, 0, 0, 1], 1).into();
        let mut cluster = RawSettings::default().load(None).expect("legal").cluster;
        let alone = find(&cluster, at, at).await.expect("found");
        assert_eq!(alone, Place { address: "127.0.0.1:1".into(), peers: Vec::new() });
        cluster.advertise = "n1:80".parse().ok();
        assert_eq!(find(&cluster, at, at).await.expect("found").address, "n1:80");
        cluster.peers = ["n1:80", "127.0.0.1:1"].iter().filter_map(|peer| peer.parse().ok()).collect();
        cluster.advertise = "127.0.0.1:1".parse().ok();
        let place = find(&cluster, ([0, 0, 0, 0], 1).into(), at).await.expect("found");
        assert_eq!((place.address.as_str(), &*place.peers), ("127.0.0.1:1", &["n1:80".into()][..]));
    }

    #[test]
    fn this_machine_has_its_own_addresses() {
        assert!(is_local(IpAddr::from([127, 0, 0, 1])));
        assert!(!is_local(IpAddr::from([192, 0, 2, 1])));
    }
}
