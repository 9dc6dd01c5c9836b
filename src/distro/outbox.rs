//! What one member still lacks of what this node knows, and what is on its way to it.

use std::collections::BTreeMap;

use crate::{
    distro::{Lack, Settings, record::RecordNo},
    model::{Incarnation, Millis, Tick, limits},
    task::DelayedTasks,
};

/// States on their way.
#[derive(Debug)]
struct Flight {
    /// By when they must be acknowledged.
    due: Tick,
    records: Vec<RecordNo>,
}

/// One member. Marks are kept for a member that cannot be reached too: at most one a client.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Which life of it knows what was sent; none before it was met.
    pub(super) life: Option<Incarnation>,
    /// Whether something sent now may arrive.
    pub(super) linked: bool,
    marks: DelayedTasks<RecordNo, ()>,
    flights: BTreeMap<u64, Flight>,
    /// States of which life of it were taken and not yet acknowledged, for want of a stream to it.
    pub(super) owed: Vec<(Incarnation, u64)>,
    last_number: u64,
    last_sent: Option<Tick>,
    /// Acks that did not come in a row, and until when nothing is sent because of that.
    failures: u32,
    paused: Option<Tick>,
    /// When the next digest is due.
    pub(super) verify: Tick,
    pub(super) last_digest: u64,
    /// When the next heartbeat is due.
    pub(super) heartbeat: Tick,
    /// Whether it knows that this node leaves.
    pub(super) knows_leaving: bool,
    /// When it last said that it has all that this node owns.
    pub(super) agreed: Option<Tick>,
    /// When this node last found that it has all that this life of the member owns; none since that was away.
    pub(super) has_all: Option<(Incarnation, Tick)>,
    /// Whom it lacks while it loads.
    pub(super) lacks: Vec<Lack>,
}

impl Outbox {
    /// One of a member that knows nothing, whose messages have numbers above this one.
    pub(super) fn above(number: u64) -> Self {
        Self { last_number: number, last_digest: number, ..Self::default() }
    }

    /// The highest number that a message to the member had.
    pub(super) fn highest(&self) -> u64 {
        self.last_number.max(self.last_digest)
    }

    /// How many clients it has not been told the newest of, for certain.
    pub(super) fn behind(&self) -> usize {
        self.marks.len() + self.flights.values().map(|flight| flight.records.len()).sum::<usize>()
    }

    /// Whether it is still to be told the newest of a client.
    pub(super) fn is_marked(&self, record: RecordNo) -> bool {
        self.marks.get(record).is_some()
    }

    /// A client changed. Goes at once when nothing went lately, else when the window is over.
    pub(super) fn mark(&mut self, now: Tick, record: RecordNo, settings: &Settings) {
        if self.life.is_some() {
            let due = self.last_sent.map_or(now, |sent| now.max(sent + settings.window));
            self.marks.add(record, (), due);
        }
    }

    /// A client need not be told any more. What is on its way may come back as a mark: whoever takes that looks whether
    /// there is such a client.
    pub(super) fn forget(&mut self, record: RecordNo) {
        self.marks.remove(record);
    }

    /// A stream to the member is there. Says whether it is to another life than the last one.
    pub(super) fn linked(&mut self, now: Tick, life: Incarnation, settings: &Settings) -> bool {
        let is_new = self.life != Some(life);
        if is_new {
            let Self { last_number, last_digest, has_all, .. } = *self;
            let owed = std::mem::take(&mut self.owed);
            *self = Self { owed, last_number, last_digest, has_all, ..Self::default() };
        }
        (self.life, self.linked) = (Some(life), true);
        self.mark_flights(now, settings);
        (self.failures, self.paused, self.verify, self.heartbeat) = (0, None, now, now);
        is_new
    }

    /// The stream is gone, and perhaps what was on its way.
    pub(super) fn unlinked(&mut self, now: Tick, settings: &Settings) {
        self.linked = false;
        self.mark_flights(now, settings);
    }

    fn mark_flights(&mut self, now: Tick, settings: &Settings) {
        // It may not have come to know what was said before.
        self.lacks.iter_mut().for_each(|lack| lack.told = false);
        for flight in std::mem::take(&mut self.flights).into_values() {
            flight.records.into_iter().for_each(|record| self.mark(now, record, settings));
        }
    }

    /// The member took what went under this number.
    pub(super) fn taken(&mut self, number: u64) {
        if self.flights.remove(&number).is_some() {
            (self.failures, self.paused) = (0, None);
        }
    }

    /// Marks again what was not acknowledged in time, and pauses. Says whether there was any.
    pub(super) fn time_out(&mut self, now: Tick, settings: &Settings) -> bool {
        if self.flights.values().all(|flight| flight.due > now) {
            return false;
        }
        self.mark_flights(now, settings);
        let pause = limits::SYNC_RETRY_MILLIS << self.failures.min(8);
        self.paused = Some(now + pause.min(limits::SYNC_RETRY_MAX_MILLIS));
        self.failures += 1;
        true
    }

    /// Whether states may leave.
    pub(super) fn is_open(&self, now: Tick) -> bool {
        self.linked && self.paused.is_none_or(|until| until <= now) && self.flights.len() < limits::SYNCS_IN_FLIGHT
    }

    /// All that was to be told is on its way: that may be said behind it.
    pub(super) fn all_told(&mut self, now: Tick) {
        for lack in self.lacks.iter_mut().filter(|lack| !lack.told) {
            lack.told = true;
            self.heartbeat = self.heartbeat.min(now);
        }
    }

    /// Whether all that was marked is on its way or acknowledged.
    pub(super) fn is_drained(&self) -> bool {
        self.marks.is_empty()
    }

    /// Whether all was acknowledged.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.marks.is_empty() && self.flights.is_empty()
    }

    /// Takes the next client that is to be told; with `all`, also one whose window is not over.
    pub(super) fn next(&mut self, now: Tick, all: bool) -> Option<RecordNo> {
        self.marks.pop_due(if all { Tick(u64::MAX) } else { now }).map(|(record, ())| record)
    }

    /// These leave; returns their number.
    pub(super) fn take_off(&mut self, now: Tick, records: Vec<RecordNo>) -> u64 {
        self.last_number += 1;
        self.last_sent = Some(now);
        self.flights.insert(self.last_number, Flight { due: now + limits::SYNC_ACK_MILLIS, records });
        self.last_number
    }

    /// When there is something to do, but for heartbeats.
    pub(super) fn next_due(&self) -> Option<Tick> {
        let timeout = self.flights.values().map(|flight| flight.due).min();
        let full = self.flights.len() >= limits::SYNCS_IN_FLIGHT;
        let sending = (self.linked && !full).then(|| {
            let due = self.marks.next_due().map_or(self.verify, |marks| marks.min(self.verify));
            self.paused.map_or(due, |until| due.max(until))
        });
        [timeout, sending].into_iter().flatten().min()
    }

    /// Everything waits so much longer.
    pub(super) fn shift(&mut self, by: Millis) {
        self.flights.values_mut().for_each(|flight| flight.due = flight.due + by);
    }

    /// Panics when the marks contradict themselves.
    pub(super) fn check(&self) {
        self.marks.check();
        assert!(self.flights.len() <= limits::SYNCS_IN_FLIGHT, "no more on its way than may be");
        assert!(self.linked || self.flights.is_empty(), "nothing is on its way without a stream");
    }
}
