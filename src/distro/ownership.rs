//! What becomes of clients when members come and go: orphans, leases, and who takes over.

use crate::{
    distro::{Distro, LONGEST_LEASE_MILLIS, lease::lease, outbox::Outbox, record::RecordNo},
    member::{Cluster, Transition},
    model::{ClientId, ClientState, Incarnation, Millis, Tick, Version, limits},
    registry::{ClientNo, Registry},
    wire::peer::Phase,
};

/// What is left of a tombstone's time when no node keeps the client any more: its lease was over long ago.
const OLD_GRAVE: Millis = limits::TOMBSTONE_MILLIS - 2 * LONGEST_LEASE_MILLIS;

/// What came due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// The lease of a client without an owner is over: it is to be removed from the registry.
    LeaseOver(ClientId),
    /// This node has taken a client over: its beats are to be watched.
    TakenOver(ClientNo),
}

impl Distro {
    /// A stream to the member at a place is there, to this life of it. One that knows nothing yet is to be told of all that
    /// is this node's own or nobody's.
    pub fn linked(&mut self, now: Tick, place: usize, life: Incarnation, cluster: &Cluster) {
        if !self.outboxes[place].linked(now, life, &self.settings) {
            return;
        }
        let is_told = |number: &RecordNo| {
            let record = self.records.get(*number);
            match record.client {
                Some(_) => record.owner == self.this || !cluster.is_alive(record.owner),
                // What it may have kept of its earlier life does not bring this back.
                None => self.tombstones.due(*number).is_some_and(|due| due > now + OLD_GRAVE),
            }
        };
        let told: Vec<RecordNo> = self.records.behind(None).filter(is_told).collect();
        for number in told {
            self.outboxes[place].mark(now, number, &self.settings);
        }
    }

    /// The stream to the member at a place is gone.
    pub fn unlinked(&mut self, now: Tick, place: usize) {
        self.outboxes[place].unlinked(now, &self.settings);
    }

    /// A member came or went.
    pub fn note(&mut self, now: Tick, transition: Transition, registry: &Registry) {
        match transition {
            Transition::Returned(life) => {
                for number in self.records.owned(life) {
                    self.orphans.remove(number);
                }
            }
            Transition::Confirmed(life) | Transition::Leaving(life) | Transition::Replaced(life) => {
                self.orphan(now, life, |client| lease(registry.attributes(client)));
            }
            Transition::GivenUp(life) => self.orphan(now, life, |_| 0),
        }
        if let Transition::Confirmed(life) | Transition::GivenUp(life) | Transition::Replaced(life) = transition {
            let away = |outbox: &&mut Outbox| outbox.has_all.is_some_and(|(of, _)| of == life);
            self.outboxes.iter_mut().filter(away).for_each(|outbox| outbox.has_all = None);
        }
    }

    fn orphan(&mut self, now: Tick, life: Incarnation, lease: impl Fn(ClientNo) -> Millis) {
        for number in self.records.owned(life) {
            let record = self.records.get(number);
            let Some(client) = record.client.filter(|_| !record.id.is_address()) else { continue };
            let over = now + lease(client);
            #[cfg(feature = "sabotage")]
            let over = if crate::sabotage::Bug::ForgetLease.is_planted() { now } else { over };
            // One that has been an orphan for a while stays so: the earlier end holds.
            self.orphans.add(number, (), over);
        }
    }

    /// Puts a client that was learned of where it belongs: to an owner that is there, or among those without.
    pub(super) fn place(&mut self, now: Tick, number: RecordNo, state: &ClientState, cluster: &Cluster) {
        if state.id.is_address() {
            self.plan_review(now, number, cluster);
        } else if cluster.is_alive(state.owner) {
            self.orphans.remove(number);
        } else {
            let lease = state.lease.unwrap_or_else(|| lease(&state.attributes));
            self.orphans.add(number, (), now + lease);
        }
    }

    /// Looks at all clients whose responsible node may be another since members changed.
    pub fn review_all(&mut self, now: Tick, cluster: &Cluster) {
        let is_copy = |number: &RecordNo| {
            let record = self.records.get(*number);
            record.client.is_some() && record.id.is_address() && record.owner != self.this
        };
        let copies: Vec<RecordNo> = self.records.behind(None).filter(is_copy).collect();
        for number in copies {
            self.plan_review(now, number, cluster);
        }
    }

    fn plan_review(&mut self, now: Tick, number: RecordNo, cluster: &Cluster) {
        let record = self.records.get(number);
        self.reviews.remove(number);
        if cluster.responsible(&record.id) == self.this.node {
            self.reviews.add(number, (), now);
        } else if !cluster.is_alive(record.owner) {
            self.reviews.add(number, (), now + limits::TAKE_OVER_MILLIS);
        }
    }

    /// Takes note that this node is asked to change a client, or heard it, that was another's: it is this one's from now on.
    /// Says whether that is news.
    pub fn claim(&mut self, now: Tick, client: ClientNo, next: impl FnOnce(Version) -> Version) -> bool {
        let Some(number) = self.records.of(client) else { return false };
        let record = self.records.get(number);
        if record.owner == self.this {
            return false;
        }
        let (id, version) = (record.id.clone(), next(record.version));
        self.records.put(&id, Some(client), version, self.this);
        self.reviews.remove(number);
        self.counts.claimed += 1;
        self.mark_for_all(now, number);
        true
    }

    /// Does what is due; bounded, call again at [`Distro::next_due`].
    /// `may_go` says whether a client may be removed now; if not, it is asked again later.
    pub fn expire(
        &mut self,
        now: Tick,
        cluster: &Cluster,
        mut may_go: impl FnMut(ClientNo) -> bool,
        mut next: impl FnMut(Version) -> Version,
    ) -> Vec<Due> {
        let mut due = Vec::new();
        for _ in 0..limits::REVIEWS_PER_POLL {
            let Some((number, ())) = self.reviews.pop_due(now) else { break };
            due.extend(self.review(now, number, cluster, &mut next));
        }
        for _ in 0..limits::REVIEWS_PER_POLL {
            let Some((number, ())) = self.orphans.pop_due(now) else { break };
            let record = self.records.get(number);
            if record.client.is_some_and(|client| !may_go(client)) {
                self.orphans.add(number, (), now + limits::BRAKE_RETRY_MILLIS);
                continue;
            }
            // Gone at the version it had: nothing older brings it back, but its owner may come back and say that it lives.
            let (id, version, owner) = (record.id.clone(), record.version, record.owner);
            self.bury(now, &id, version, owner);
            self.counts.leases_over += 1;
            due.push(Due::LeaseOver(id));
        }
        for _ in 0..limits::REVIEWS_PER_POLL {
            let Some((number, ())) = self.tombstones.pop_due(now) else { break };
            if self.outboxes.iter().any(|outbox| outbox.is_marked(number)) {
                self.tombstones.add(number, (), now + limits::TOMBSTONE_MILLIS);
            } else {
                self.forget(number);
            }
        }
        due
    }

    fn review(
        &mut self,
        now: Tick,
        number: RecordNo,
        cluster: &Cluster,
        next: &mut impl FnMut(Version) -> Version,
    ) -> Option<Due> {
        let record = self.records.get(number);
        let (client, owner) = (record.client?, record.owner);
        if owner == self.this {
            return None;
        }
        let responsible = cluster.responsible(&record.id);
        let place = |node| cluster.peers.iter().position(|peer| peer.id() == Some(node));
        if responsible != self.this.node {
            if !cluster.is_alive(owner) {
                // Whoever is to take it over may not have it.
                let place = place(responsible)?;
                self.outboxes[place].mark(now, number, &self.settings);
                self.reviews.add(number, (), now + limits::TAKE_OVER_MILLIS);
            }
            return None;
        }
        // From one that lives only with all that it knows; it may have just come back with old ideas, or this node may.
        let known = || place(owner.node).is_some_and(|place| self.outboxes[place].has_all.is_some());
        if cluster.phase != Phase::Serving || (cluster.is_alive(owner) && !known()) {
            self.reviews.add(number, (), now + limits::REPAIR_MILLIS);
            return None;
        }
        self.claim(now, client, next);
        Some(Due::TakenOver(client))
    }

    /// Tells all others of a client that is nobody's: they may not know of it.
    pub fn hand_on(&mut self, now: Tick, id: &ClientId) {
        if let Some(number) = self.records.find(id) {
            self.mark_for_all(now, number);
        }
    }
}
