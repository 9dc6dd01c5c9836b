//! Encoded hosts, kept while somebody wants them.
//!
//! One encoding serves every subscriber and reader of a selection until the service changes. It is kept while the service
//! has subscribers or was read a moment ago, inside a byte budget; beyond it those used longest ago go first.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use foldhash::quality::FixedState;

use crate::{
    model::{Tick, limits},
    registry::{Selection, ServiceNo},
};

/// The encoded hosts of one service for one selection.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// A JSON array.
    pub hosts: Bytes,
    /// How many hosts are in it.
    pub count: usize,
    /// Whether protection made all of them look healthy.
    pub protected: bool,
    /// Equal for equal content: what a subscriber that has acknowledged it need not be sent again.
    pub fingerprint: u64,
    version: u64,
}

impl Encoded {
    pub(super) fn new(version: u64, count: usize, protected: bool, hosts: Vec<u8>) -> Self {
        let fingerprint = std::hash::BuildHasher::hash_one(&FixedState::with_seed(protected.into()), hosts.as_slice());
        Self { hosts: hosts.into_boxed_slice().into(), count, protected, fingerprint, version }
    }

    /// The hosts of a service nobody knows.
    pub fn empty() -> Self {
        Self::new(0, 0, false, b"[]".to_vec())
    }
}

#[derive(Debug)]
struct Kept {
    selection: Selection,
    encoded: Encoded,
    used: Tick,
    /// Position in the order of use.
    turn: u64,
}

/// All encodings that are kept.
#[derive(Debug)]
pub(super) struct Encodings {
    budget: usize,
    bytes: usize,
    turn: u64,
    services: BTreeMap<ServiceNo, Vec<Kept>>,
    /// By turn of last use.
    order: BTreeSet<(u64, ServiceNo)>,
    /// When the oldest unused ones may be dropped.
    next_expiry: Option<Tick>,
}

impl Encodings {
    pub(super) fn new(budget: usize) -> Self {
        Self { budget, bytes: 0, turn: 0, services: BTreeMap::new(), order: BTreeSet::new(), next_expiry: None }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn next_due(&self) -> Option<Tick> {
        self.next_expiry
    }

    /// The encoding of that version, marked as used.
    pub(super) fn get(
        &mut self,
        now: Tick,
        service: ServiceNo,
        selection: &Selection,
        version: u64,
    ) -> Option<Encoded> {
        let kept = self.services.get_mut(&service)?.iter_mut().find(|kept| kept.selection == *selection)?;
        if kept.encoded.version != version {
            return None;
        }
        self.turn += 1;
        self.order.remove(&(kept.turn, service));
        self.order.insert((self.turn, service));
        (kept.turn, kept.used) = (self.turn, now);
        Some(kept.encoded.clone())
    }

    /// Keeps an encoding in place of an older one, and drops others until all fit.
    pub(super) fn put(&mut self, now: Tick, service: ServiceNo, selection: Selection, encoded: Encoded) {
        self.take(service, |kept| kept.selection == selection);
        if encoded.hosts.len() > self.budget {
            return;
        }
        let list = self.services.entry(service).or_default();
        if list.len() >= limits::ENCODINGS_PER_SERVICE {
            let oldest = list.iter().map(|kept| kept.turn).min();
            self.take(service, |kept| Some(kept.turn) == oldest);
        }
        self.turn += 1;
        self.bytes += encoded.hosts.len();
        self.order.insert((self.turn, service));
        let kept = Kept { selection, encoded, used: now, turn: self.turn };
        self.services.entry(service).or_default().push(kept);
        self.next_expiry.get_or_insert(now + limits::ENCODING_IDLE_MILLIS);
        while self.bytes > self.budget {
            let Some((turn, service)) = self.order.first().copied() else {
                break;
            };
            self.take(service, |kept| kept.turn == turn);
        }
    }

    /// Drops what was not used for a while and is of no service that is `wanted`.
    pub(super) fn expire(&mut self, now: Tick, wanted: impl Fn(ServiceNo) -> bool) {
        if self.next_expiry.is_none_or(|at| at > now) {
            return;
        }
        let idle: Vec<ServiceNo> = self.services.keys().copied().filter(|service| !wanted(*service)).collect();
        for service in idle {
            self.take(service, |kept| now.since(kept.used) >= limits::ENCODING_IDLE_MILLIS);
        }
        self.next_expiry = (!self.services.is_empty()).then(|| now + limits::ENCODING_IDLE_MILLIS);
    }

    /// Drops all of a service.
    pub(super) fn forget(&mut self, service: ServiceNo) {
        self.take(service, |_| true);
    }

    fn take(&mut self, service: ServiceNo, matches: impl Fn(&Kept) -> bool) {
        let Some(list) = self.services.get_mut(&service) else {
            return;
        };
        for kept in list.extract_if(.., |kept| matches(kept)) {
            self.bytes -= kept.encoded.hosts.len();
            self.order.remove(&(kept.turn, service));
        }
        if list.is_empty() {
            self.services.remove(&service);
        }
    }

    /// Panics when the books do not balance.
    pub(super) fn check(&self) {
        let kept = || self.services.values().flatten();
        assert_eq!(self.bytes, kept().map(|kept| kept.encoded.hosts.len()).sum::<usize>(), "bytes are counted");
        assert!(self.bytes <= self.budget, "the budget holds");
        assert_eq!(self.order.len(), kept().count(), "each encoding has one turn");
        assert!(self.services.values().all(|list| !list.is_empty() && list.len() <= limits::ENCODINGS_PER_SERVICE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(version: u64, size: usize) -> Encoded {
        Encoded::new(version, 0, false, vec![b' '; size])
    }

    fn clusters(list: &str) -> Selection {
        Selection { filter: crate::model::ClusterFilter::parse(list), healthy_only: false }
    }

    #[test]
    fn only_the_current_version_is_served() {
        let mut kept = Encodings::new(1_000);
        kept.put(Tick(0), ServiceNo(1), Selection::default(), encoded(1, 10));
        assert!(kept.get(Tick(0), ServiceNo(1), &Selection::default(), 1).is_some());
        assert!(kept.get(Tick(0), ServiceNo(1), &Selection::default(), 2).is_none());
        kept.put(Tick(0), ServiceNo(1), Selection::default(), encoded(2, 10));
        assert_eq!(kept.bytes(), 10);
        kept.check();
    }

    #[test]
    fn beyond_the_budget_the_one_used_longest_ago_goes() {
        let mut kept = Encodings::new(100);
        kept.put(Tick(0), ServiceNo(1), Selection::default(), encoded(1, 40));
        kept.put(Tick(0), ServiceNo(2), Selection::default(), encoded(1, 40));
        assert!(kept.get(Tick(1), ServiceNo(1), &Selection::default(), 1).is_some());
        kept.put(Tick(2), ServiceNo(3), Selection::default(), encoded(1, 40));
        assert!(kept.get(Tick(3), ServiceNo(2), &Selection::default(), 1).is_none());
        assert!(kept.get(Tick(3), ServiceNo(1), &Selection::default(), 1).is_some());
        kept.put(Tick(4), ServiceNo(4), Selection::default(), encoded(1, 101));
        assert_eq!(kept.bytes(), 80, "what never fits is not kept and drives nothing out");
        kept.check();
    }

    #[test]
    fn clients_cannot_grow_one_service_by_asking_for_many_clusters() {
        let mut kept = Encodings::new(1_000_000);
        for n in 0..100 {
            kept.put(Tick(n), ServiceNo(1), clusters(&format!("c{n}")), encoded(1, 10));
            kept.check();
        }
        assert_eq!(kept.bytes(), 10 * limits::ENCODINGS_PER_SERVICE);
        assert!(kept.get(Tick(100), ServiceNo(1), &clusters("c99"), 1).is_some());
    }

    #[test]
    fn unread_ones_without_subscribers_expire() {
        let mut kept = Encodings::new(1_000);
        kept.put(Tick(0), ServiceNo(1), Selection::default(), encoded(1, 10));
        kept.put(Tick(0), ServiceNo(2), Selection::default(), encoded(1, 10));
        assert_eq!(kept.next_due(), Some(Tick(10_000)));
        kept.expire(Tick(10_000), |service| service == ServiceNo(2));
        assert_eq!(kept.bytes(), 10);
        kept.forget(ServiceNo(2));
        kept.expire(Tick(20_000), |_| false);
        assert_eq!((kept.bytes(), kept.next_due()), (0, None));
        kept.check();
    }
}
