//! How it stands with each member: heartbeats, leaving, and what operators see.

use crate::{
    distro::{Distro, Outbox},
    member::Peer,
    model::{Incarnation, Millis, Tick},
};

/// How it stands with one member. Times are milliseconds ago.
#[derive(Clone, Debug)]
pub struct PeerDetail {
    /// Whether a stream to it is there.
    pub linked: bool,
    /// Clients whose copies here are recorded as its own.
    pub owns: usize,
    /// Clients it has not been told the newest of.
    pub behind: usize,
    /// When it last found that it has all that this node owns.
    pub agreed: Option<Millis>,
    /// When this node last found that it has all that the member owns.
    pub has_all: Option<Millis>,
}

impl Distro {
    /// There is another member, which takes the last place.
    pub fn add(&mut self) {
        // One above, as the last digest of before had the highest number.
        self.outboxes.push(Outbox::above(self.floor + 1));
        self.alone = false;
    }

    /// The one at a place is a member no more, and those behind it move up. What it was still to be told is forgotten.
    pub fn remove(&mut self, place: usize) {
        let outbox = self.outboxes.remove(place);
        self.floor = self.floor.max(outbox.highest());
    }

    /// How many other members there are.
    pub fn members(&self) -> usize {
        self.outboxes.len()
    }

    /// Which life of the member at a place is told things; none while it cannot be.
    pub fn linked_life(&self, place: usize) -> Option<Incarnation> {
        let outbox = &self.outboxes[place];
        outbox.life.filter(|_| outbox.linked)
    }

    /// Whether this node has been told all that the member at a place owns.
    pub fn has_all(&self, place: usize) -> bool {
        self.outboxes[place].has_all.is_some()
    }

    /// The members that are due a heartbeat; the next one is due a `pause` later.
    pub fn heartbeats(&mut self, now: Tick, pause: Millis) -> Vec<usize> {
        let due = |(place, outbox): (usize, &mut Outbox)| {
            let is_due = outbox.linked && outbox.heartbeat <= now;
            if is_due {
                outbox.heartbeat = now + pause;
            }
            is_due.then_some(place)
        };
        self.outboxes.iter_mut().enumerate().filter_map(due).collect()
    }

    /// Something changed that all should hear of soon.
    pub fn hurry_heartbeats(&mut self, now: Tick) {
        self.outboxes.iter_mut().for_each(|outbox| outbox.heartbeat = outbox.heartbeat.min(now));
    }

    /// By how much this node is late for what it does at set times: then it did not run.
    pub fn late_by(&self, now: Tick) -> Millis {
        let heartbeats = self.outboxes.iter().filter(|outbox| outbox.linked).map(|outbox| outbox.heartbeat);
        heartbeats.chain(self.orphans.next_due()).map(|due| now.since(due)).max().unwrap_or_default()
    }

    /// The member at a place knows that this node leaves.
    pub fn knows_leaving(&mut self, place: usize) {
        self.outboxes[place].knows_leaving = true;
    }

    /// Whether all members that can be told know all of this node's clients, and that it leaves.
    pub fn has_left(&self) -> bool {
        let told = self.outboxes.iter().filter(|outbox| outbox.linked);
        told.into_iter().all(|outbox| outbox.knows_leaving && outbox.is_acknowledged())
    }

    /// How it stands with the member at a place.
    pub fn detail(&self, now: Tick, place: usize, peer: &Peer) -> PeerDetail {
        let outbox = &self.outboxes[place];
        let holdings = peer.incarnation.and_then(|life| self.records.holdings(life));
        PeerDetail {
            linked: outbox.linked,
            owns: holdings.map_or(0, |holdings| holdings.records.len()),
            behind: outbox.behind(),
            agreed: outbox.agreed.map(|at| now.since(at)),
            has_all: outbox.has_all.map(|(_, at)| now.since(at)),
        }
    }
}
