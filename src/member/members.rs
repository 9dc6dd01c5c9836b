//! The members: what was heard of each, and what follows from that.

use std::{collections::BTreeSet, sync::Arc};

use compact_str::CompactString;

use crate::{
    member::{Cluster, Peer},
    model::{Incarnation, Millis, NodeId, Tick},
    wire::peer::{Heartbeat, Phase, Regard},
};

/// How members are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Pause between heartbeats to a member.
    pub heartbeat: Millis,
    /// Silence after which a member is suspect.
    pub suspect: Millis,
    /// How far ahead of this node's clock another may be and still be followed.
    pub skew: Millis,
}

impl Settings {
    /// As recommended.
    pub const DEFAULT: Self = Self { heartbeat: 500, suspect: 2_000, skew: 60_000 };
}

/// Silence after which a member is down though no majority misses it, in milliseconds: as long as Nacos keeps the clients of
/// a dead node. Whoever is alone must not believe for ever in what it cannot hear of.
pub const ALONE_MILLIS: Millis = 180_000;

/// What became of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// It is heard of, for the first time in this life or again.
    Returned(Incarnation),
    /// Most members, this node included, miss it, or it is a member no more. Its clients may be on their way elsewhere.
    Confirmed(Incarnation),
    /// This node alone misses it, for so long that its clients are given up.
    GivenUp(Incarnation),
    /// It is about to stop and said so.
    Leaving(Incarnation),
    /// It lives anew, or another node took its place.
    Replaced(Incarnation),
}

/// What was heard of a member.
#[derive(Clone, Debug, Default)]
struct Heard {
    /// When it was heard of last.
    at: Option<Tick>,
    /// Since when it has been missed without a break.
    missed_since: Option<Tick>,
    /// Whom it misses itself.
    misses: BTreeSet<NodeId>,
    /// What it holds of this node.
    regard: Option<Regard>,
}

/// The members.
#[derive(Debug)]
pub struct Members {
    settings: Settings,
    cluster: Arc<Cluster>,
    /// In the order of the cluster's peers.
    heard: Vec<Heard>,
}

impl Members {
    /// A node alone serves at once; one of several first learns what the others know.
    pub fn new(
        settings: Settings,
        this: Incarnation,
        address: CompactString,
        peers: &[CompactString],
        joins: bool,
    ) -> Self {
        let phase = if peers.is_empty() && !joins { Phase::Serving } else { Phase::Loading };
        let heard = vec![Heard::default(); peers.len()];
        let cluster = Cluster { this, address, phase, peers: peers.iter().cloned().map(Peer::unheard).collect() };
        Self { settings, cluster: Arc::new(cluster), heard }
    }

    /// There is a member at this address that was not there before. It takes the last place.
    pub fn add(&mut self, told: CompactString) {
        Arc::make_mut(&mut self.cluster).peers.push(Peer::unheard(told));
        self.heard.push(Heard::default());
    }

    /// The one at a place is a member no more; those behind it move up. Nobody will hear of it again, so it is as good as
    /// confirmed that it is gone.
    pub fn remove(&mut self, place: usize, transitions: &mut Vec<Transition>) {
        let peer = Arc::make_mut(&mut self.cluster).peers.remove(place);
        self.heard.remove(place);
        transitions.extend(peer.incarnation.map(Transition::Confirmed));
    }

    /// The members as they are now.
    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// What this node is about from now on.
    pub fn set_phase(&mut self, phase: Phase) {
        if self.cluster.phase != phase {
            Arc::make_mut(&mut self.cluster).phase = phase;
        }
    }

    /// When a member was heard of last.
    pub fn heard(&self, place: usize) -> Option<Tick> {
        self.heard[place].at
    }

    /// The place of the member that this node was told of under this address.
    pub fn told(&self, address: &str) -> Option<usize> {
        self.cluster.peers.iter().position(|peer| peer.told == address)
    }

    /// The place of the member that says it is `from` at `address`; none when it is not one, or only was in an earlier life.
    pub fn place(&self, address: &str, from: Incarnation) -> Option<usize> {
        let peers = &self.cluster.peers;
        let known = peers.iter().position(|peer| peer.id() == Some(from.node));
        let place = known.or_else(|| self.told(address))?;
        let is_earlier =
            peers[place].incarnation.is_some_and(|known| known.node == from.node && from.since < known.since);
        (from.node != self.cluster.this.node && !is_earlier).then_some(place)
    }

    /// Takes note that a member says who it is and where. A life that was not known is another member in its place.
    pub fn meet(&mut self, place: usize, address: &str, from: Incarnation, transitions: &mut Vec<Transition>) {
        let peer = &self.cluster.peers[place];
        if peer.incarnation == Some(from) && peer.address == address {
            return;
        }
        let taken = self.cluster.peers.iter().any(|other| other.address == address);
        let peer = &mut Arc::make_mut(&mut self.cluster).peers[place];
        if !taken {
            peer.address = address.into();
        }
        if peer.incarnation == Some(from) {
            return;
        }
        transitions.extend(peer.incarnation.map(Transition::Replaced));
        (peer.incarnation, peer.state, peer.phase, peer.skewed) = (Some(from), Regard::Down, Phase::Loading, false);
        self.heard[place] = Heard::default();
    }

    /// Takes note of a sign of life.
    pub fn hear(&mut self, now: Tick, place: usize, heartbeat: Option<&Heartbeat>, transitions: &mut Vec<Transition>) {
        let heard = &mut self.heard[place];
        (heard.at, heard.missed_since) = (Some(now), None);
        let mut phase = self.cluster.peers[place].phase;
        if let Some(heartbeat) = heartbeat {
            heard.misses = heartbeat.missed.iter().copied().collect();
            heard.regard = Some(heartbeat.regard);
            phase = heartbeat.phase;
        }
        let left = phase == Phase::Leaving && self.cluster.peers[place].phase != phase;
        self.show(place, self.state_of_heard(place), phase, transitions);
        if left {
            transitions.extend(self.cluster.peers[place].incarnation.map(Transition::Leaving));
        }
    }

    /// Takes note that a member says of another, which this node does not hear, that it serves in this life: as if it had
    /// been heard and were missed since. So its clients are not without an owner, and others are asked to pass on its news.
    pub fn hear_of(&mut self, now: Tick, address: &str, life: Incarnation, transitions: &mut Vec<Transition>) {
        let Some(place) = self.told(address).filter(|place| self.place(address, life) == Some(*place)) else { return };
        let peer = &self.cluster.peers[place];
        if self.hears(place) || peer.incarnation == Some(life) {
            return;
        }
        let said = peer.address.clone();
        self.meet(place, &said, life, transitions);
        let heard = &mut self.heard[place];
        (heard.at, heard.missed_since) = (Some(now), Some(now));
        self.show(place, Regard::Suspect, Phase::Serving, transitions);
    }

    /// Whether the member at a place is heard and not missed.
    pub fn hears(&self, place: usize) -> bool {
        let heard = &self.heard[place];
        heard.at.is_some() && heard.missed_since.is_none()
    }

    /// Whether the member at a place says that it does not hear another.
    pub fn misses(&self, place: usize, other: NodeId) -> bool {
        self.heard[place].misses.contains(&other)
    }

    /// Takes note of whether a member's clock is too far ahead.
    pub fn set_skewed(&mut self, place: usize, skewed: bool) {
        if self.cluster.peers[place].skewed != skewed {
            Arc::make_mut(&mut self.cluster).peers[place].skewed = skewed;
        }
    }

    /// A member that is heard but does not hear this node cannot be told anything.
    fn state_of_heard(&self, place: usize) -> Regard {
        match self.heard[place].regard {
            Some(Regard::Up) | None => Regard::Up,
            Some(Regard::Suspect | Regard::Down) => Regard::Suspect,
        }
    }

    fn show(&mut self, place: usize, state: Regard, phase: Phase, transitions: &mut Vec<Transition>) {
        let peer = &self.cluster.peers[place];
        if (peer.state, peer.phase) == (state, phase) {
            return;
        }
        if peer.state == Regard::Down && state != Regard::Down {
            transitions.extend(peer.incarnation.map(Transition::Returned));
        }
        let peer = &mut Arc::make_mut(&mut self.cluster).peers[place];
        (peer.state, peer.phase) = (state, phase);
    }

    /// Does what silence makes of members.
    pub fn poll(&mut self, now: Tick, transitions: &mut Vec<Transition>) {
        // All of them before any is judged: whoever is silent has no vote, whichever place it has.
        for heard in &mut self.heard {
            if let Some(at) = heard.at.filter(|at| now.since(*at) >= self.settings.suspect) {
                heard.missed_since.get_or_insert(at);
            }
        }
        for place in 0..self.heard.len() {
            let Some(since) = self.heard[place].missed_since else { continue };
            let peer = &self.cluster.peers[place];
            if peer.state == Regard::Down {
                continue;
            }
            let (phase, incarnation) = (peer.phase, peer.incarnation);
            if self.most_miss(place) {
                self.show(place, Regard::Down, phase, transitions);
                transitions.extend(incarnation.map(Transition::Confirmed));
            } else if now.since(since) >= ALONE_MILLIS {
                self.show(place, Regard::Down, phase, transitions);
                transitions.extend(incarnation.map(Transition::GivenUp));
            } else {
                self.show(place, Regard::Suspect, phase, transitions);
            }
        }
    }

    /// Whether most members miss this one: this node, and others that this node hears.
    fn most_miss(&self, place: usize) -> bool {
        let Some(id) = self.cluster.peers[place].id() else { return false };
        let misses = |place: &usize| self.hears(*place) && self.misses(*place, id);
        let others = (0..self.heard.len()).filter(misses).count();
        let voters = self.heard.len() + 1;
        others + 1 > voters / 2
    }

    /// When [`Members::poll`] has something to do.
    pub fn next_due(&self) -> Option<Tick> {
        let due = |(heard, peer): (&Heard, &Peer)| {
            let at = heard.at?;
            match (peer.state, heard.missed_since) {
                (Regard::Down, _) => None,
                (_, None) => Some(at + self.settings.suspect),
                (_, Some(since)) => Some(since + ALONE_MILLIS),
            }
        };
        self.heard.iter().zip(&self.cluster.peers).filter_map(due).min()
    }

    /// This node did not run for a while: what it missed meanwhile says nothing of others.
    pub fn overslept(&mut self, now: Tick) {
        for heard in &mut self.heard {
            heard.at = heard.at.map(|_| now);
            heard.missed_since = None;
            heard.misses.clear();
        }
    }

    /// What this node tells a member of itself at hybrid time `time`.
    pub fn heartbeat(&self, place: usize, time: Millis) -> Heartbeat {
        let missed = self.heard.iter().zip(&self.cluster.peers).filter(|(heard, _)| heard.missed_since.is_some());
        let heard = &self.heard[place];
        let regard = match self.cluster.peers[place].state {
            Regard::Down => Regard::Down,
            _ if heard.at.is_none() || heard.missed_since.is_some() => Regard::Suspect,
            _ => Regard::Up,
        };
        Heartbeat {
            time,
            phase: self.cluster.phase,
            missed: missed.filter_map(|(_, peer)| peer.id()).collect(),
            regard,
            lacks: Vec::new(),
            known: Some(Vec::new()),
        }
    }

    /// Panics when two members can be taken for one, or one for this node.
    pub fn check(&self) {
        let Cluster { this, peers, .. } = &*self.cluster;
        assert_eq!(self.heard.len(), peers.len(), "of each member is known when it was heard");
        for (place, peer) in peers.iter().enumerate() {
            let is_other = |other: &Peer| other.told != peer.told && (other.id() != peer.id() || peer.id().is_none());
            assert!(peers[..place].iter().all(is_other) && peer.id() != Some(this.node), "{peer:?} is one member");
        }
    }

    /// Pause between heartbeats, and how far ahead a clock may be.
    pub fn settings(&self) -> Settings {
        self.settings
    }
}
