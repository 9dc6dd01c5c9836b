//! What may be done to the registry.

use compact_str::CompactString;
use thiserror::Error;

use crate::{
    model::{Address, Amendment, Attributes, ClientId, ClusterMetadata, Publication, ServiceKey, ServiceMetadata},
    registry::Subscriber,
};

/// One command; all of it happens or nothing.
#[derive(Clone, Debug)]
pub enum Command {
    /// A client is there. Nothing happens when it already is.
    Connect(ClientId, Attributes),
    /// A client is gone, with all it published and wanted. Nothing happens when it already is.
    Disconnect(ClientId),
    /// A client is gone, but what it published stays until somebody says otherwise.
    Orphan(ClientId),
    /// A client publishes this for a service, which is created when it is not there, and nothing else. One that is known by
    /// its address appears by that.
    Register {
        /// Who.
        client: ClientId,
        /// What and where.
        publication: Publication,
    },
    /// The same, as the node that owns the client says. It is not refused: nodes must come to agree, whatever kind of
    /// service this one takes it for.
    Replicate {
        /// Who; made when it is not there.
        client: ClientId,
        /// What and where.
        publication: Publication,
    },
    /// A client publishes nothing for a service any more.
    Deregister {
        /// Who.
        client: ClientId,
        /// Where.
        service: ServiceKey,
    },
    /// What a client publishes for a service is found healthy or not. Nothing happens when it publishes nothing there.
    Health {
        /// Who.
        client: ClientId,
        /// Where.
        service: ServiceKey,
        /// How it is found.
        healthy: bool,
    },
    /// A client wants to hear of a service, which need not be there.
    Subscribe {
        /// Who.
        client: ClientId,
        /// Of what.
        service: ServiceKey,
        /// In which form.
        subscriber: Subscriber,
    },
    /// A client no longer wants to hear of a service.
    Unsubscribe {
        /// Who.
        client: ClientId,
        /// Of what.
        service: ServiceKey,
    },
    /// An operator sets something.
    Metadata(MetadataOperation),
    /// Forget what is due to be forgotten.
    Expire,
}

#[cfg(test)]
impl Command {
    /// A registration, later than all before it.
    pub(crate) fn register(client: &ClientId, service: ServiceKey, content: crate::model::Published) -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static LAST: AtomicU64 = AtomicU64::new(0);
        let published = crate::model::HybridTime(LAST.fetch_add(1, Ordering::Relaxed));
        let publication = Publication { service, published, beating: false, content };
        Self::Register { client: client.clone(), publication }
    }
}

/// What operators do to services (Nacos `MetadataOperation`).
#[derive(Clone, Debug)]
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

/// Why a command was refused; it changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// A command in the name of a client that is not there (Nacos `ClientManager.checkClientIsLegal`).
    #[error("Client [{0}] connection already disconnect, can't register ephemeral instance.")]
    ClientGone(ClientId),
    /// A service has instances of one kind.
    #[error("Current service {} is persistent service, can't register ephemeral instance.", .0.grouped())]
    IsPersistent(ServiceKey),
    /// A service of that name is there.
    #[error("specified service {} already exists!", .0.grouped())]
    ServiceExists(ServiceKey),
    /// No service of that name is there.
    #[error("service {} not found!", .0.grouped())]
    NoService(ServiceKey),
    /// A service with instances is not removed.
    #[error("Service {} is not empty, can't be delete. Please unregister instance first", .0.grouped())]
    NotEmpty(ServiceKey),
}
