//! What may be done to the registry.

use thiserror::Error;

use crate::{
    model::{ClientId, Published, ServiceKey},
    registry::Subscriber,
};

/// One command; all of it happens or nothing.
#[derive(Clone, Debug)]
pub enum Command {
    /// A client is there. Nothing happens when it already is.
    Connect(ClientId),
    /// A client is gone, with all it published and wanted. Nothing happens when it already is.
    Disconnect(ClientId),
    /// A client publishes this for a service and nothing else.
    Register {
        /// Who.
        client: ClientId,
        /// Where; created when it is not there.
        service: ServiceKey,
        /// What.
        content: Published,
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
    /// From which share of healthy instances on readers are shown all as healthy; none for never.
    Protect {
        /// Where; created when it is not there.
        service: ServiceKey,
        /// The share, 0 to 1.
        threshold: Option<f64>,
    },
    /// Forget what is due to be forgotten.
    Expire,
}

/// A command in the name of a client that is not there (Nacos `ClientManager.checkClientIsLegal`).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("Client [{0}] connection already disconnect, can't register ephemeral instance.")]
pub struct ClientGone(pub ClientId);
