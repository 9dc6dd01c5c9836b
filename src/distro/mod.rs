//! The same clients on all nodes (Nacos `DistroProtocol` with `DistroClientDataProcessor`).
//!
//! Owns, for each client that publishes, whose it is and how new it is; for each other member, what it still lacks. What a
//! client publishes stays in the registry and is read when it is sent, so marks merge, memory is bounded by the number of
//! clients, and a slow member only ever gets the newest. Promises: an older state never replaces a newer one; a client of a
//! node that is gone stays for its lease and no longer; what two nodes hold of an owner's clients is compared every few
//! seconds by one digest, and just what differs is sent again; a client is never missing because somebody did not know of
//! it. Never reads a clock, never talks to anybody: what is to be said are [`Message`]s.
//!
//! `record.rs` is what is known of a client, `outbox.rs` what a member lacks, `sync.rs` what leaves, `verify.rs` the comparison,
//! `ownership.rs` what becomes of clients when members come and go, `lacking.rs` what a member is told of those it does not reach.

mod digest;
#[cfg(test)]
mod distro_test;
mod lacking;
mod lease;
mod outbox;
mod ownership;
#[cfg(test)]
mod ownership_test;
mod peers;
mod record;
mod sync;
mod verify;
#[cfg(test)]
mod verify_test;

use std::sync::Arc;

pub use lacking::Lack;
pub use lease::{LONGEST_LEASE_MILLIS, lease};

use crate::{
    member::Cluster,
    model::{ClientId, ClientState, HybridTime, Incarnation, Millis, Tick, Version, limits},
    registry::{ClientNo, Registry},
    task::DelayedTasks,
};
use outbox::Outbox;
pub use ownership::Due;
pub use peers::PeerDetail;
use record::{RecordNo, Records};

/// How clients are kept the same on all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long changes merge for a member after something was sent to it.
    pub window: Millis,
}

impl Settings {
    /// As recommended. Nacos waits for a second before it sends anything.
    pub const DEFAULT: Self = Self { window: 50 };
}

/// Numbers about what is kept the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Clients that publish, and those remembered to be gone.
    pub records: usize,
    /// Clients without a living owner.
    pub orphans: usize,
    /// Clients remembered to be gone.
    pub tombstones: usize,
    /// Clients some member was not told the newest of, for each such member.
    pub pending: usize,
    /// States sent.
    pub sent: u64,
    /// States taken from others.
    pub taken: u64,
    /// States that came and were not newer than what was known.
    pub stale: u64,
    /// Messages with states that were not acknowledged in time.
    pub timeouts: u64,
    /// Digests that told of a difference.
    pub differences: u64,
    /// Clients sent or removed because digests differed.
    pub repaired: u64,
    /// Comparisons of contents that found no difference after all.
    pub repaired_nothing: u64,
    /// Clients removed because their lease ran out.
    pub leases_over: u64,
    /// Clients known by their address that this node took over from others.
    pub claimed: u64,
}

/// What a state that came in is to what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is about a client that lives here, of which this node alone can tell.
    Ours,
    /// It is known.
    Known,
    /// Something newer is known.
    Older,
    /// It is news.
    Newer,
}

/// What this node knows of whose clients are whose.
#[derive(Debug)]
pub struct Distro {
    settings: Settings,
    this: Incarnation,
    records: Records,
    /// Clients without a living owner, due when their lease is over.
    orphans: DelayedTasks<RecordNo, ()>,
    /// Clients that are gone, due when that may be forgotten.
    tombstones: DelayedTasks<RecordNo, ()>,
    /// Clients known by their address that may be another node's than they are recorded as, due when to look at them.
    reviews: DelayedTasks<RecordNo, ()>,
    /// In the order of the members.
    outboxes: Vec<Outbox>,
    /// Below the numbers of messages to members that are added: one may have been a member before, and an answer to what it
    /// was told then is none to what it is told now.
    floor: u64,
    /// Whether there never was another member, who could come back and not know who is gone.
    alone: bool,
    counts: Counts,
}

impl Distro {
    /// Nothing is known yet. `peers`: how many other members there are.
    pub fn new(settings: Settings, this: Incarnation, peers: usize) -> Self {
        Self {
            settings,
            this,
            records: Records::default(),
            orphans: DelayedTasks::default(),
            tombstones: DelayedTasks::default(),
            reviews: DelayedTasks::default(),
            outboxes: std::iter::repeat_with(Outbox::default).take(peers).collect(),
            floor: 0,
            alone: peers == 0,
            counts: Counts::default(),
        }
    }

    /// Numbers for operators.
    pub fn counts(&self) -> Counts {
        Counts {
            records: self.records.len(),
            orphans: self.orphans.len(),
            tombstones: self.tombstones.len(),
            pending: self.outboxes.iter().map(Outbox::behind).sum(),
            ..self.counts
        }
    }

    /// A client of this node publishes something else than before, or nothing any more. It is this node's own from now on,
    /// whosever it was. `next` gives a version above another.
    pub fn changed(&mut self, now: Tick, client: ClientNo, registry: &Registry, next: impl FnOnce(Version) -> Version) {
        let id = registry.client_id(client);
        let known = self.records.find(id).map(|number| self.records.get(number).version);
        let version = next(known.unwrap_or(Version::written(HybridTime::default(), self.this.node)));
        if registry.publishes_for(client).len() > 0 {
            let number = self.records.put(id, Some(client), version, self.this);
            self.unbury(number);
            self.orphans.remove(number);
            self.mark_for_all(now, number);
        } else if known.is_some() {
            let id = id.clone();
            self.bury(now, &id, version, self.this);
        }
    }

    /// A client of this node is gone.
    pub fn disconnected(&mut self, now: Tick, client: ClientNo, next: impl FnOnce(Version) -> Version) {
        let Some(number) = self.records.of(client) else { return };
        let record = self.records.get(number);
        let (id, version) = (record.id.clone(), next(record.version));
        self.bury(now, &id, version, self.this);
    }

    /// What a state is to what is known. `from_owner`: whether its owner itself sends it.
    pub fn judge(&self, state: &ClientState, from_owner: bool) -> Judgement {
        if state.owner == self.this {
            return Judgement::Ours;
        }
        let Some(number) = self.records.find(&state.id) else { return Judgement::Newer };
        let record = self.records.get(number);
        let lives_here = record.owner == self.this && record.client.is_some() && !record.id.is_address();
        if lives_here {
            return Judgement::Ours;
        }
        match state.version.cmp(&record.version) {
            std::cmp::Ordering::Less => Judgement::Older,
            std::cmp::Ordering::Greater => Judgement::Newer,
            // Its owner corrects what went wrong.
            std::cmp::Ordering::Equal if from_owner && record.hash != Some(digest::fingerprint(state)) => {
                Judgement::Newer
            }
            std::cmp::Ordering::Equal => Judgement::Known,
        }
    }

    /// Writes down a state that was news; `client` publishes it now, or nobody does.
    pub fn learned(&mut self, now: Tick, state: &ClientState, client: Option<ClientNo>, cluster: &Cluster) {
        self.counts.taken += 1;
        match client {
            None => self.bury(now, &state.id, state.version, state.owner),
            Some(client) => {
                let number = self.records.put(&state.id, Some(client), state.version, state.owner);
                self.records.set_hash(number, digest::fingerprint(state));
                self.unbury(number);
                self.place(now, number, state, cluster);
            }
        }
        if let Some(number) = self.records.find(&state.id) {
            // Whoever was to be told the older state by this node hears of the newer from its owner.
            self.outboxes.iter_mut().for_each(|outbox| outbox.forget(number));
        }
    }

    /// Whether a client known here is this node's own.
    pub fn owns(&self, client: ClientNo) -> bool {
        self.records.of(client).is_some_and(|number| self.records.get(number).owner == self.this)
    }

    /// The state of a client, as other nodes are told it.
    pub fn state(&mut self, now: Tick, id: &ClientId, registry: &Registry) -> Option<Arc<ClientState>> {
        let number = self.records.find(id)?;
        Some(self.make(now, number, registry))
    }

    /// Some states to be kept on this node's disk, of clients behind `after`, by id; none at the end: of its own clients,
    /// of those whose owner is gone, and of all that are newer than `recent`.
    pub fn what_to_keep(
        &mut self,
        now: Tick,
        recent: HybridTime,
        after: Option<&ClientId>,
        cluster: &Cluster,
        registry: &Registry,
    ) -> Vec<Arc<ClientState>> {
        let is_kept = |number: &RecordNo| {
            let record = self.records.get(*number);
            // Orphans too: this life may be short, and the disk of another owner may be gone with it. Whoever became
            // another's was kept by this node alone.
            let is_own = record.owner.node == self.this.node || !cluster.is_alive(record.owner);
            (is_own || record.version.latest() >= recent) && record.client.is_some()
        };
        let some: Vec<RecordNo> = self.records.behind(after).filter(is_kept).take(limits::KEPT_PER_READ).collect();
        some.into_iter().map(|number| self.make(now, number, registry)).collect()
    }

    /// A client is gone: that is remembered until all know it.
    fn bury(&mut self, now: Tick, id: &ClientId, version: Version, owner: Incarnation) {
        let number = self.records.put(id, None, version, owner);
        self.orphans.remove(number);
        self.reviews.remove(number);
        if self.alone {
            self.records.remove(number);
            return;
        }
        self.unbury(number);
        self.tombstones.add(number, (), now + limits::TOMBSTONE_MILLIS);
        if owner == self.this {
            self.mark_for_all(now, number);
        }
        if self.tombstones.len() > limits::TOMBSTONES
            && let Some((oldest, ())) = self.tombstones.pop_due(Tick(u64::MAX))
        {
            self.forget(oldest);
        }
    }

    fn unbury(&mut self, number: RecordNo) {
        self.tombstones.remove(number);
    }

    fn forget(&mut self, number: RecordNo) {
        self.orphans.remove(number);
        self.tombstones.remove(number);
        self.reviews.remove(number);
        self.outboxes.iter_mut().for_each(|outbox| outbox.forget(number));
        self.records.remove(number);
    }

    fn mark_for_all(&mut self, now: Tick, number: RecordNo) {
        for outbox in &mut self.outboxes {
            outbox.mark(now, number, &self.settings);
        }
    }

    /// A copy is removed because its owner does not know it any more.
    pub fn lost(&mut self, id: &ClientId) {
        if let Some(number) = self.records.find(id) {
            self.forget(number);
        }
    }

    /// When there is something to do.
    pub fn next_due(&self) -> Option<Tick> {
        let outboxes = self.outboxes.iter().filter_map(Outbox::next_due).min();
        let heartbeats = self.outboxes.iter().filter(|outbox| outbox.linked).map(|outbox| outbox.heartbeat).min();
        [heartbeats, self.orphans.next_due(), self.tombstones.next_due(), self.reviews.next_due(), outboxes]
            .into_iter()
            .flatten()
            .min()
    }

    /// This node did not run for `by`: nothing of that counts against others.
    pub fn overslept(&mut self, now: Tick, by: Millis) {
        for (number, due) in std::mem::take(&mut self.orphans).all() {
            self.orphans.add(number, (), due + by);
        }
        for outbox in &mut self.outboxes {
            outbox.shift(by);
            // Not as late as it was: a second look before they leave would give back the same time again.
            outbox.heartbeat = now;
        }
    }

    /// Panics when a part contradicts itself or the registry.
    pub fn check(&self, registry: &Registry) {
        self.records.check();
        for number in self.records.behind(None) {
            let record = self.records.get(number);
            let buried = self.tombstones.get(number).is_some();
            assert_eq!(buried, record.client.is_none(), "{} is gone and buried, or neither", record.id);
            let Some(client) = record.client else { continue };
            assert_eq!(registry.client_id(client), &record.id, "a record leads to its client");
            assert!(registry.publishes_for(client).len() > 0, "{} publishes", record.id);
            if let Some(hash) = record.hash {
                let state = self.read(Tick(0), number, registry);
                assert_eq!(digest::fingerprint(&state), hash, "{} is what its hash says", record.id);
            }
        }
        self.orphans.check();
        self.tombstones.check();
        self.reviews.check();
        self.outboxes.iter().for_each(Outbox::check);
        assert!(
            !self.alone || self.outboxes.is_empty() && self.tombstones.is_empty(),
            "who is alone has nobody to tell"
        );
    }
}
