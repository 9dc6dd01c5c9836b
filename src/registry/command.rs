//! What may be done to the registry.

use thiserror::Error;

use crate::{
    model::{AgreedChange, Attributes, ClientId, Publication, ServiceKey},
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
    /// Nodes agreed on something. It is not refused, whatever this node takes a service for.
    Agreed(AgreedChange),
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

/// Why a command was refused; it changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// A command in the name of a client that is not there (Nacos `ClientManager.checkClientIsLegal`).
    #[error("Client [{0}] connection already disconnect, can't register ephemeral instance.")]
    ClientGone(ClientId),
    /// A service has instances of one kind.
    #[error("Current service {} is persistent service, can't register ephemeral instance.", .0.grouped())]
    IsPersistent(ServiceKey),
    /// The same of a batch, which Nacos says in other words.
    #[error("Current service {} is persistent service, can't batch register ephemeral instance.", .0.grouped())]
    TakesNoBatch(ServiceKey),
    /// The same the other way round.
    #[error("Current service {} is ephemeral service, can't register persistent instance.", .0.grouped())]
    IsEphemeral(ServiceKey),
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
