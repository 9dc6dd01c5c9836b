//! Changes that must be durable and the same on all nodes, and what comes of them.
//!
//! A proposal carries all that it needs: applying one reads what was agreed before and the proposal, never what ephemeral
//! clients publish, because that differs between nodes for a while. Whoever proposes looks at clients first.

use compact_str::CompactString;

use crate::model::{
    Address, AgreedKey, Amendment, ClusterMetadata, Instance, Millis, NamespaceOperation, NodeId, ServiceKey,
    ServiceMetadata, Switch,
};

/// One such change.
#[derive(Clone, Debug, PartialEq)]
pub enum Proposal {
    /// Of a persistent instance.
    Instance(PersistentOperation),
    /// Of what operators set on services.
    Metadata(MetadataOperation),
    /// Of the namespaces.
    Namespace(NamespaceOperation),
    /// Of a switch, on all nodes.
    Switch(Switch),
    /// What nobody needs any more is forgotten.
    Forget(Vec<Forgotten>),
}

/// What is done to persistent instances (Nacos `PersistentClientOperationServiceImpl`).
#[derive(Clone, Debug, PartialEq)]
pub enum PersistentOperation {
    /// The instance at its address is this from now on.
    Register {
        /// Where.
        service: ServiceKey,
        /// What; its id is not to be minted any more.
        instance: Box<Instance>,
    },
    /// There is no instance at an address any more.
    Deregister {
        /// Where.
        service: ServiceKey,
        /// An IP or a host name.
        ip: CompactString,
        /// Its port.
        port: u16,
    },
    /// An instance is found healthy or not. Nothing happens when it is not there.
    Health {
        /// Where.
        service: ServiceKey,
        /// An IP or a host name.
        ip: CompactString,
        /// Its port.
        port: u16,
        /// How it is found.
        healthy: bool,
    },
}

/// What operators do to services (Nacos `MetadataOperation`).
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataOperation {
    /// A service is made before anybody publishes to it.
    Create {
        /// Which.
        service: ServiceKey,
        /// Of which kind its instances are.
        ephemeral: bool,
        /// Its settings.
        metadata: ServiceMetadata,
    },
    /// All settings of a service are replaced, but for those of its clusters.
    Update {
        /// Which.
        service: ServiceKey,
        /// Its settings.
        metadata: ServiceMetadata,
    },
    /// The protection threshold alone is set; the service is made, for ephemeral instances, when it is not there.
    Protect {
        /// Which.
        service: ServiceKey,
        /// The threshold; none for never.
        threshold: Option<f64>,
    },
    /// A service without instances is removed, with all that is set on it.
    Remove {
        /// Which.
        service: ServiceKey,
    },
    /// The settings of a cluster are replaced. There need not be instances in it.
    UpdateCluster {
        /// Of which service.
        service: ServiceKey,
        /// Which.
        cluster: CompactString,
        /// Its settings.
        metadata: ClusterMetadata,
    },
    /// What is set on instances is changed. They need not be there: what is set waits for them for a while. Nothing
    /// happens when the service is not there.
    Override {
        /// Of which service.
        service: ServiceKey,
        /// Which instances, and how each is changed.
        amendments: Vec<(Address, Amendment)>,
    },
}

/// Something agreed that nobody needs any more, as whoever proposes knows it: if it was changed since, it stays.
#[derive(Clone, Debug, PartialEq)]
pub struct Forgotten {
    /// Which.
    pub key: AgreedKey,
    /// Fingerprint of what it was.
    pub was: u64,
}

/// Which proposal is meant, whoever repeats it: minted once, by the node that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProposalId {
    /// Hybrid time of its minting.
    pub minted: Millis,
    /// Who minted it.
    pub node: NodeId,
    /// Its number among those of that node, which begins anew with each of its lives.
    pub number: u64,
}

/// What came of a proposal, the same on all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// Whether there was an instance to deregister.
    Deregistered(bool),
    /// The service is there.
    ServiceExists,
    /// The service has instances.
    NotEmpty,
    /// There is a namespace of that id.
    NamespaceExists,
    /// There are as many namespaces as there may be.
    NamespacesFull,
    /// So old that nobody knows any more whether it was done before.
    Late,
    /// So many came within so short a time that they could not be told apart any more.
    Overloaded,
}
