//! What a command changed, in Nacos's event words.

use crate::registry::{ClientNo, ServiceNo};

/// One change. The set is closed: an engine that matches on it knows all that can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A client is there.
    ClientConnected,
    /// A client and all it published and wanted are gone; its number may be given away.
    ClientDisconnected(ClientNo),
    /// A client publishes something else for a service than before.
    ClientRegistered,
    /// What a client publishes is different, in any way.
    ClientChanged(ClientNo),
    /// A client publishes nothing for a service any more.
    ClientDeregistered {
        /// The service.
        service: ServiceNo,
        /// Who published.
        client: ClientNo,
    },
    /// A client subscribes; `first` when it did not before.
    ClientSubscribed {
        /// The service.
        service: ServiceNo,
        /// The subscriber.
        client: ClientNo,
        /// Whether this is a new subscription and not another filter for one that was there.
        first: bool,
    },
    /// A client no longer subscribes.
    ClientUnsubscribed {
        /// The service.
        service: ServiceNo,
        /// Who subscribed.
        client: ClientNo,
    },
    /// What readers of a service could see is different.
    ServiceChanged(ServiceNo),
    /// A service is forgotten; its number may be given away.
    ServiceRemoved(ServiceNo),
}

impl Change {
    /// The kinds of changes, by the index of [`Change::kind`].
    pub const KINDS: [&'static str; 9] = [
        "client_connected",
        "client_disconnected",
        "client_registered",
        "client_deregistered",
        "client_subscribed",
        "client_unsubscribed",
        "service_changed",
        "service_removed",
        "client_changed",
    ];

    /// Which kind of [`Change::KINDS`] this is.
    pub fn kind(self) -> usize {
        match self {
            Change::ClientConnected => 0,
            Change::ClientDisconnected(_) => 1,
            Change::ClientRegistered => 2,
            Change::ClientDeregistered { .. } => 3,
            Change::ClientSubscribed { .. } => 4,
            Change::ClientUnsubscribed { .. } => 5,
            Change::ServiceChanged(_) => 6,
            Change::ServiceRemoved(_) => 7,
            Change::ClientChanged(_) => 8,
        }
    }
}
