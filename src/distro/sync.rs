//! What leaves for other members: states of clients in batches, and behind them digests.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    distro::{Distro, digest, record::RecordNo},
    model::{ClientId, ClientState, HybridTime, Incarnation, NodeId, Tick, Version, limits},
    registry::Registry,
    wire::peer::{Digest, Message},
};

/// States made for one member, to be sent to others as well.
type Made = BTreeMap<RecordNo, Arc<ClientState>>;

impl Distro {
    /// Appends what is to be said at `now`, each to the member at that place. Digests wait unless they `may` leave.
    pub fn poll(&mut self, now: Tick, registry: &Registry, may: bool, out: &mut Vec<(usize, Message)>) {
        let mut made = Made::new();
        for place in 0..self.outboxes.len() {
            self.counts.timeouts += u64::from(self.outboxes[place].time_out(now, &self.settings));
            self.send_states(now, place, registry, &mut made, out);
            self.send_digest(now, place, may, out);
        }
    }

    fn send_states(
        &mut self,
        now: Tick,
        place: usize,
        registry: &Registry,
        made: &mut Made,
        out: &mut Vec<(usize, Message)>,
    ) {
        // What still waits for its window goes along when a digest is due, which must stand behind it.
        let all = self.outboxes[place].verify <= now;
        while self.outboxes[place].is_open(now) {
            let (mut records, mut clients, mut instances) = (Vec::new(), Vec::new(), 0);
            while clients.len() < limits::SYNC_CLIENTS && instances < limits::SYNC_INSTANCES {
                let Some(number) = self.outboxes[place].next(now, all) else { break };
                if !self.records.contains(number) {
                    continue;
                }
                let state = made.entry(number).or_insert_with(|| self.make(now, number, registry)).clone();
                instances += state.publications.iter().map(|it| it.content.instances().len()).sum::<usize>();
                records.push(number);
                clients.push(state);
            }
            if clients.is_empty() {
                return;
            }
            self.counts.sent += clients.len() as u64;
            let number = self.outboxes[place].take_off(now, records);
            out.push((place, Message::Sync { number, clients }));
        }
    }

    fn send_digest(&mut self, now: Tick, place: usize, may: bool, out: &mut Vec<(usize, Message)>) {
        let outbox = &mut self.outboxes[place];
        if !outbox.is_open(now) || outbox.verify > now || !outbox.is_drained() {
            return;
        }
        outbox.verify = now + limits::VERIFY_MILLIS;
        if !may {
            return;
        }
        outbox.all_told(now);
        outbox.last_digest += 1;
        let holdings = self.records.holdings(self.this);
        let buckets =
            holdings.map_or_else(|| digest::Table::default().buckets().into(), |it| it.table.buckets().into());
        out.push((place, Message::Digest(Digest { number: outbox.last_digest, buckets })));
    }

    /// Digests are due for all.
    pub fn hurry_digests(&mut self, now: Tick) {
        self.outboxes.iter_mut().for_each(|outbox| outbox.verify = now);
    }

    /// The member at a place took states.
    pub fn taken(&mut self, place: usize, number: u64) {
        self.outboxes[place].taken(number);
    }

    /// States of a member were taken while nothing can be said to it: that is to be acknowledged once it can.
    pub fn owe(&mut self, place: usize, life: Incarnation, number: u64) {
        let owed = &mut self.outboxes[place].owed;
        // It has no more than so many on their way; older ones it has given up.
        if owed.len() == limits::SYNCS_IN_FLIGHT {
            owed.remove(0);
        }
        owed.push((life, number));
    }

    /// What is to be acknowledged to this life of the member at a place, now that a stream to it is there.
    pub fn owed(&mut self, place: usize, life: Incarnation) -> Vec<u64> {
        let owed = std::mem::take(&mut self.outboxes[place].owed);
        owed.into_iter().filter(|(from, _)| *from == life).map(|(_, number)| number).collect()
    }

    /// The member at a place holds something older than what is known here.
    pub fn correct(&mut self, now: Tick, place: usize, id: &ClientId) {
        self.counts.stale += 1;
        self.pass_on(now, place, id);
    }

    /// The member at a place has just lost sight of a node: it may have missed what that told others since `recent`.
    pub fn pass_on_recent(&mut self, now: Tick, place: usize, owner: NodeId, recent: HybridTime) {
        let is_recent = |number: &RecordNo| {
            let record = self.records.get(*number);
            record.owner.node == owner && record.version.latest() >= recent
        };
        let missed: Vec<RecordNo> = self.records.behind(None).filter(is_recent).collect();
        for number in missed {
            self.outboxes[place].mark(now, number, &self.settings);
        }
    }

    /// The member at a place is to be told of a client, whosever it is.
    pub fn pass_on(&mut self, now: Tick, place: usize, id: &ClientId) {
        if let Some(number) = self.records.find(id) {
            self.outboxes[place].mark(now, number, &self.settings);
        }
    }

    /// The member at a place lacks these clients, or has others than this node.
    pub fn wanted(&mut self, now: Tick, place: usize, clients: Vec<(ClientId, Option<Version>)>) {
        for (id, theirs) in clients {
            match (self.records.find(&id), theirs) {
                (Some(number), _) => self.outboxes[place].mark(now, number, &self.settings),
                // Long gone here. Just above what they hold, so that whoever knows better wins.
                (None, Some(theirs)) => {
                    self.bury(now, &id, theirs.silent(self.this.node), self.this);
                }
                (None, None) => {}
            }
        }
    }

    /// Makes the state of a client and writes down what it comes to.
    pub(super) fn make(&mut self, now: Tick, number: RecordNo, registry: &Registry) -> Arc<ClientState> {
        let state = self.read(now, number, registry);
        if self.records.get(number).hash.is_none() {
            self.records.set_hash(number, digest::fingerprint(&state));
        }
        Arc::new(state)
    }

    pub(super) fn read(&self, now: Tick, number: RecordNo, registry: &Registry) -> ClientState {
        let record = self.records.get(number);
        ClientState {
            id: record.id.clone(),
            version: record.version,
            owner: record.owner,
            lease: self.orphans.due(number).map(|due| due.since(now)),
            attributes: record.client.map(|client| registry.attributes(client).clone()).unwrap_or_default(),
            publications: record.client.map(|client| registry.publications(client)).unwrap_or_default(),
        }
    }
}
