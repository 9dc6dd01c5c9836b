//! A client with all that it publishes, as nodes tell each other (Nacos `ClientSyncData`).

use crate::model::{Attributes, ClientId, HybridTime, Incarnation, Millis, NodeId, Published, ServiceKey};

/// Which state of a client is newer, the same on all nodes.
///
/// Made by the node that owns the client at a change; a node that takes a client over continues above. Ordered by time,
/// then by node, so that no two states of a client ever compare equal but are different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// When it was made.
    pub time: HybridTime,
    /// Who made it.
    pub node: NodeId,
}

/// All that a client publishes, at one version.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientState {
    /// Which client.
    pub id: ClientId,
    /// How new this is.
    pub version: Version,
    /// Whose client it is.
    pub owner: Incarnation,
    /// For how long it stays without an owner; none when it has one.
    pub lease: Option<Millis>,
    /// What it says of itself.
    pub attributes: Attributes,
    /// What it publishes, by service. Nothing: it is gone.
    pub publications: Vec<Publication>,
}

/// What a client publishes for one service.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication {
    /// For which service.
    pub service: ServiceKey,
    /// When this content was published: of two clients with one address the newer hides the older.
    pub published: HybridTime,
    /// Whether it lives by heart beats.
    pub beating: bool,
    /// What.
    pub content: Published,
}
