//! Who may speak to whom: both ends of a stream check what the other says of itself before anything else is read.

use std::collections::BTreeSet;

use compact_str::CompactString;
use parking_lot::Mutex;
use prost::Message;
use subtle::ConstantTimeEq;
use thiserror::Error;
use tonic::{Code, Status, metadata::MetadataMap};

use crate::{
    member::Cluster,
    model::{Incarnation, NodeId},
    peer::{Secret, Settings},
    proto::peer as proto,
    wire::peer::{IllegalMessage, PROTOCOL_VERSION, decode_life, encode_life},
};

/// The header of every call on the cluster port: an encoded `Hello`.
pub const HELLO_HEADER: &str = "roster-hello-bin";
/// Refusals that are remembered as logged.
const NOTED: usize = 64;

/// Why a node does not speak to another.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It does not say who it is.
    #[error("only members of the cluster are served here: the call does not say who makes it")]
    Unknown,
    /// It says so in a way that cannot be read.
    #[error("who makes the call cannot be read: {0}")]
    Illegible(#[from] IllegalMessage),
    /// It speaks otherwise.
    #[error("version {0} of the cluster protocol is not spoken here, but version {PROTOCOL_VERSION}")]
    Version(u32),
    /// It belongs elsewhere.
    #[error("this node is of cluster {ours:?}, not of {theirs:?}")]
    Cluster {
        /// Of this node.
        ours: CompactString,
        /// Of the other.
        theirs: String,
    },
    /// It does not know the secret, or knows one where there is none.
    #[error("the cluster's secret is another one here")]
    Secret,
    /// It is this node, or was made from a copy of its data directory.
    #[error("{0} is this node's own id: a node is a member of itself, or a data directory was copied")]
    OwnId(NodeId),
    /// Nobody told this node of it.
    #[error("node {id} at {address:?} is no member here: neither this address nor this id is known")]
    Stranger {
        /// Who.
        id: NodeId,
        /// Where it says that it is reached.
        address: String,
    },
    /// The called node is not, or no longer, whom the caller takes it for.
    #[error("the call is for another node or for an earlier life of this one")]
    NotMe,
    /// A later life of the caller is linked.
    #[error("a later life of node {0} is linked: a data directory was copied")]
    Outlived(NodeId),
}

impl Refusal {
    /// The status that says so.
    pub(super) fn status(&self) -> Status {
        let code = match self {
            Refusal::Unknown | Refusal::Secret => Code::Unauthenticated,
            Refusal::Illegible(_) => Code::InvalidArgument,
            Refusal::Version(_) | Refusal::NotMe | Refusal::Outlived(_) => Code::FailedPrecondition,
            Refusal::Cluster { .. } | Refusal::OwnId(_) | Refusal::Stranger { .. } => Code::PermissionDenied,
        };
        Status::new(code, self.to_string())
    }
}

/// Who a node says it is, after all was checked that can be checked alone.
#[derive(Clone, Debug)]
pub(super) struct Presented {
    pub(super) life: Incarnation,
    pub(super) address: CompactString,
    /// Whom it takes this node for.
    pub(super) to: Option<Incarnation>,
}

/// What both ends must agree on.
pub(super) struct Terms {
    cluster: CompactString,
    secret: Secret,
}

impl Terms {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { cluster: settings.cluster.clone(), secret: settings.secret.clone() }
    }

    /// What this node says of itself, to a node that it takes for `to`.
    pub(super) fn hello(&self, cluster: &Cluster, to: Option<Incarnation>) -> proto::Hello {
        proto::Hello {
            version: PROTOCOL_VERSION,
            cluster: self.cluster.as_str().into(),
            secret: self.secret.0.as_ref().into(),
            address: cluster.address.as_str().into(),
            life: Some(encode_life(cluster.this)),
            to: to.map(encode_life),
        }
    }

    /// Checks what another node says of itself to `this`. The version first: what it does not cover may mean anything.
    pub(super) fn check(&self, this: Incarnation, hello: &proto::Hello) -> Result<Presented, Refusal> {
        if hello.version != PROTOCOL_VERSION {
            return Err(Refusal::Version(hello.version));
        }
        if hello.cluster != self.cluster {
            return Err(Refusal::Cluster { ours: self.cluster.clone(), theirs: hello.cluster.clone() });
        }
        if !bool::from(hello.secret.as_bytes().ct_eq(self.secret.0.as_bytes())) {
            return Err(Refusal::Secret);
        }
        let life = decode_life(hello.life)?;
        if life.node == this.node {
            return Err(Refusal::OwnId(life.node));
        }
        let to = hello.to.map(|to| decode_life(Some(to))).transpose()?;
        Ok(Presented { life, address: hello.address.as_str().into(), to })
    }
}

/// Reads the header of a call.
pub(super) fn presented(headers: &MetadataMap) -> Result<proto::Hello, Refusal> {
    let header = headers.get_bin(HELLO_HEADER).ok_or(Refusal::Unknown)?;
    let bytes = header.to_bytes().map_err(|_| IllegalMessage::Missing("a hello"))?;
    Ok(proto::Hello::decode(bytes).map_err(|_| IllegalMessage::Missing("a hello"))?)
}

/// What was logged, so that a node that tries for ever is told of once.
#[derive(Default)]
pub(super) struct Noted(Mutex<BTreeSet<String>>);

impl Noted {
    /// Whether this is new. Says so at most a bounded number of times until [`Noted::forget`].
    pub(super) fn is_new(&self, what: &str) -> bool {
        let mut noted = self.0.lock();
        noted.len() < NOTED && noted.insert(what.to_owned())
    }

    /// All is well: what comes from now on is news.
    pub(super) fn forget(&self) {
        self.0.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::peer::Phase;

    fn terms(cluster: &str, secret: &str) -> Terms {
        Terms::new(&Settings { cluster: cluster.into(), secret: secret.into(), ..Settings::default() })
    }

    fn node(id: u128) -> Cluster {
        let this = Incarnation { node: NodeId(id), since: 5 };
        Cluster { this, address: "n:8848".into(), phase: Phase::Serving, peers: Vec::new() }
    }

    #[test]
    fn members_agree_on_version_cluster_and_secret() {
        let ours = terms("a", "s");
        let refusal = |hello: &proto::Hello| ours.check(node(1).this, hello).map(|_| ()).expect_err("refused");
        let hello = ours.hello(&node(2), Some(node(1).this));
        let other = ours.check(node(1).this, &hello).expect("a member");
        assert_eq!((other.life, other.address.as_str(), other.to), (node(2).this, "n:8848", Some(node(1).this)));

        assert_eq!(refusal(&proto::Hello { version: 2, ..hello.clone() }), Refusal::Version(2));
        assert_eq!(refusal(&ours.hello(&node(1), None)), Refusal::OwnId(NodeId(1)));
        assert_eq!(refusal(&terms("a", "").hello(&node(2), None)), Refusal::Secret);
        assert_eq!(refusal(&terms("a", "t").hello(&node(2), None)), Refusal::Secret);
        let elsewhere = refusal(&terms("b", "s").hello(&node(2), None));
        assert_eq!(elsewhere.to_string(), r#"this node is of cluster "a", not of "b""#);
        assert!(matches!(refusal(&proto::Hello { life: None, ..hello }), Refusal::Illegible(_)));
    }

    #[test]
    fn a_secret_is_not_shown() {
        let shown = format!("{:?}", Settings { secret: "hush".into(), ..Settings::default() });
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn what_is_noted_is_bounded() {
        let noted = Noted::default();
        assert!(noted.is_new("a") && !noted.is_new("a"));
        assert_eq!((0..1_000).filter(|number| noted.is_new(&number.to_string())).count(), NOTED - 1);
        noted.forget();
        assert!(noted.is_new("a"));
    }
}
