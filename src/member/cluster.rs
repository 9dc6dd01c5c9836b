//! The members as all may look at them at any time.

use compact_str::CompactString;

use crate::{
    member::responsible::responsible,
    model::{ClientId, Incarnation, NodeId},
    wire::peer::{Phase, Regard},
};

/// Who is in the cluster and how sure this node is of each. Made anew at each change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// This node, in this life.
    pub this: Incarnation,
    /// Where this node is reached.
    pub address: CompactString,
    /// What this node is about.
    pub phase: Phase,
    /// The others, in the order in which this node was told of them.
    pub peers: Vec<Peer>,
}

/// Another member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address that this node was told: as what it is a member, for as long as it is one.
    pub told: CompactString,
    /// Its main address, `host:port`, as it says itself once it was heard of.
    pub address: CompactString,
    /// Which node it is and in which life; none until it was heard of.
    pub incarnation: Option<Incarnation>,
    /// How sure this node is of it.
    pub state: Regard,
    /// What it is about.
    pub phase: Phase,
    /// Whether its clock is too far ahead to be followed.
    pub skewed: bool,
}

impl Peer {
    /// A member that nobody has heard of yet.
    pub fn unheard(told: CompactString) -> Self {
        let (state, phase) = (Regard::Down, Phase::Loading);
        Self { address: told.clone(), told, incarnation: None, state, phase, skewed: false }
    }

    /// Whether clients may be its own: dead, loading and leaving nodes take none.
    fn takes_clients(&self) -> bool {
        self.state != Regard::Down && self.phase == Phase::Serving
    }

    /// Its id, once it is known.
    pub fn id(&self) -> Option<NodeId> {
        self.incarnation.map(|incarnation| incarnation.node)
    }
}

impl Cluster {
    /// The node that is responsible for a client known by its address: this one when no other can be.
    pub fn responsible(&self, client: &ClientId) -> NodeId {
        let this = (self.phase == Phase::Serving).then_some(self.this.node);
        let others = self.peers.iter().filter(|peer| peer.takes_clients()).filter_map(Peer::id);
        responsible(client, others.chain(this)).unwrap_or(self.this.node)
    }

    /// Whether a life of a node goes on, as far as is known here: it is not down, about to stop or over.
    pub fn is_alive(&self, life: Incarnation) -> bool {
        let is_up = |peer: &Peer| peer.incarnation == Some(life) && peer.state != Regard::Down;
        life == self.this || self.peers.iter().any(|peer| is_up(peer) && peer.phase != Phase::Leaving)
    }

    /// The member with this id.
    pub fn peer(&self, id: NodeId) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.id() == Some(id))
    }

    /// The member that a request for a client is to be forwarded to; none when this node is to do it itself. One that is
    /// not heard of is not waited for: whoever takes a request then owns the client, and the newer state wins later.
    pub fn forward_to(&self, client: &ClientId) -> Option<NodeId> {
        if self.peers.is_empty() {
            return None;
        }
        let responsible = self.responsible(client);
        let peer = self.peer(responsible)?;
        (peer.state == Regard::Up).then_some(responsible)
    }
}
