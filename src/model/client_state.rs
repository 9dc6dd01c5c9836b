//! A client with all that it publishes, as nodes tell each other (Nacos `ClientSyncData`).

use crate::model::{Attributes, ClientId, HybridTime, Incarnation, Millis, NodeId, Published, ServiceKey};

/// Which state of a client is newer, the same on all nodes.
///
/// Made by the node that owns the client. What the client itself wrote last counts first: whoever only heard it, or did not,
/// has nothing to say about what it publishes. Ordered by its parts, so that no two different states of a client compare
/// equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// When the client wrote.
    pub time: HybridTime,
    /// When it was last heard by a node that then made a version; a little later when it was not heard.
    pub heard: HybridTime,
    /// Who made it.
    pub node: NodeId,
}

impl Version {
    /// Of something that a client wrote.
    pub fn written(time: HybridTime, node: NodeId) -> Self {
        Self { time, heard: time, node }
    }

    /// Of the same content, by a node that heard the client at `heard`.
    pub fn heard(self, heard: HybridTime, node: NodeId) -> Self {
        Self { heard, node, ..self }
    }

    /// Of what comes of silence: just above this one, so that whoever heard the client since knows better.
    pub fn silent(self, node: NodeId) -> Self {
        Self { heard: self.heard.next(), node, ..self }
    }

    /// The later of its times.
    pub fn latest(self) -> HybridTime {
        self.time.max(self.heard)
    }
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
