//! What nodes agree on, one thing at a time.

use compact_str::CompactString;

use crate::model::{
    Address, ClusterMetadata, HybridTime, Instance, Namespace, Override, ServiceKey, ServiceMetadata, Switch,
};

/// One thing that is agreed on.
#[derive(Clone, Debug, PartialEq)]
pub enum Agreed {
    /// What is set on a service.
    Service {
        /// Which.
        service: ServiceKey,
        /// Of which kind its instances are.
        ephemeral: bool,
        /// What.
        metadata: ServiceMetadata,
    },
    /// What is set on a cluster.
    Cluster {
        /// Of which service.
        service: ServiceKey,
        /// Which.
        cluster: CompactString,
        /// What.
        metadata: ClusterMetadata,
    },
    /// What is set on an instance, persistent or not.
    Override {
        /// Of which service.
        service: ServiceKey,
        /// Which.
        address: Address,
        /// What.
        value: Override,
    },
    /// A persistent instance.
    Instance {
        /// Of which service.
        service: ServiceKey,
        /// When this content was proposed.
        published: HybridTime,
        /// What.
        instance: Box<Instance>,
    },
    /// A namespace.
    Namespace(Namespace),
    /// A switch that is not as it was made.
    Switch(Switch),
}

/// What names something agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgreedKey {
    /// What is set on a service.
    Service(ServiceKey),
    /// What is set on one of its clusters.
    Cluster(ServiceKey, CompactString),
    /// What is set on one of its instances.
    Override(ServiceKey, Address),
    /// A persistent instance, by IP and port.
    Instance(ServiceKey, CompactString, u16),
    /// A namespace, by id.
    Namespace(CompactString),
    /// A switch, by its place among all.
    Switch(u8),
}

/// How what is agreed on changed.
#[derive(Clone, Debug, PartialEq)]
pub enum AgreedChange {
    /// It is this now.
    Put(Agreed),
    /// It is not there any more.
    Gone(AgreedKey),
}

impl Agreed {
    /// What names it.
    pub fn key(&self) -> AgreedKey {
        match self {
            Agreed::Service { service, .. } => AgreedKey::Service(service.clone()),
            Agreed::Cluster { service, cluster, .. } => AgreedKey::Cluster(service.clone(), cluster.clone()),
            Agreed::Override { service, address, .. } => AgreedKey::Override(service.clone(), address.clone()),
            Agreed::Instance { service, instance, .. } => {
                AgreedKey::Instance(service.clone(), instance.ip.clone(), instance.port)
            }
            Agreed::Namespace(namespace) => AgreedKey::Namespace(namespace.id.clone()),
            Agreed::Switch(switch) => AgreedKey::Switch(switch.place()),
        }
    }
}
