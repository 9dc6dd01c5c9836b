//! Which subscriber must see which service (Nacos `NamingSubscriberServiceV2Impl` with `PushDelayTask` and
//! `PushExecuteTask`).
//!
//! Owns marks, not messages: a service is marked dirty and its state is read when the push leaves, so a slow subscriber only
//! ever gets the newest. Promises: the first change of a quiet service leaves at once, later ones merge inside the window;
//! each subscription has at most one push in flight and one pending; what failed is tried again until it is
//! acknowledged, replaced or no longer wanted, by datagram once; what a subscriber has acknowledged is not sent again;
//! stamps of one subscription only grow. Never sends anything itself, never waits.

mod backlog;
#[cfg(test)]
mod datagram_test;
mod delivery;
mod flights;
mod pace;
#[cfg(test)]
mod push_test;
mod retry;

use std::collections::BTreeMap;

use bytes::Bytes;
use compact_str::CompactString;

pub use backlog::{Backlog, Full};

use crate::{
    model::{ClientId, Flag, HybridClock, Millis, Now, ServiceKey, Span, Switches, Tick, limits},
    push::{
        delivery::{Delivery, InFlight},
        flights::Flights,
        pace::{Burst, Pace},
        retry::Retry,
    },
    registry::{Change, ClientNo, Encoded, Registry, Selection, ServiceNo},
    task::DelayedTasks,
    wire::ServiceInfo,
};

/// The times and sizes of the engine.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long changes of a service merge after one was pushed (`nacos.naming.push.pushTaskDelay`).
    pub window: Millis,
    /// To what the window grows under storms.
    pub window_max: Millis,
    /// Bytes, over all subscribers, that pushes of one service may cost in a window; beyond, its window grows.
    pub storm_bytes: u64,
    /// How long an ack may take (`nacos.naming.push.pushTaskTimeout`).
    pub ack_timeout: Millis,
    /// Pause before the first retry (`nacos.naming.push.pushTaskRetryDelay`); doubles with each.
    pub retry: Millis,
    /// To what the pause grows.
    pub retry_max: Millis,
}

impl Settings {
    /// As recommended.
    pub const DEFAULT: Self = Self {
        window: 100,
        window_max: 1_000,
        storm_bytes: 256 * 1024,
        ack_timeout: 5_000,
        retry: 1_000,
        retry_max: 30_000,
    };
}

/// Number of a push, unique on this node; its ack names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PushNo(pub u64);

/// One list for one subscriber.
#[derive(Clone, Debug)]
pub struct Push {
    /// To whom.
    pub client: ClientId,
    /// What its ack must name.
    pub number: PushNo,
    /// The push of the same subscription before it, which need not be sent any more if it was not.
    pub supersedes: Option<PushNo>,
    /// Of which service.
    pub service: ServiceKey,
    /// The filter as the subscriber asked.
    pub clusters: CompactString,
    /// The encoded hosts, shared with all who get the same.
    pub hosts: Bytes,
    /// `lastRefTime`.
    pub stamp: Millis,
    /// Whether protection made all hosts look healthy.
    pub protected: bool,
    /// How long the list may be used without asking again.
    pub cache: Millis,
}

impl Push {
    /// The list as the subscriber reads it.
    pub fn info(&self) -> ServiceInfo<'_> {
        ServiceInfo {
            service: &self.service,
            clusters: &self.clusters,
            hosts: &self.hosts,
            stamp: self.stamp,
            protected: self.protected,
            cache: self.cache,
        }
    }
}

/// A list that was not pushed, because SDKs break on one of that size.
#[derive(Clone, Debug)]
pub struct Oversized {
    /// Of which service.
    pub service: ServiceKey,
    /// Its size.
    pub bytes: usize,
}

/// What became of pushes so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Handed out.
    pub sent: u64,
    /// Acknowledged.
    pub acked: u64,
    /// Milliseconds from a change to its acknowledgement, in all.
    pub acked_millis: u64,
    /// The longest of them.
    pub slowest_ack: Millis,
    /// Refused by the client.
    pub refused: u64,
    /// Not answered in time.
    pub timed_out: u64,
    /// Not sent, because the subscriber has acknowledged the same content.
    pub unchanged: u64,
    /// Not sent, because SDKs break on a list of that size.
    pub oversized: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Service(ServiceNo),
    Subscriber(ServiceNo, ClientNo),
}

/// The engine.
#[derive(Debug)]
pub struct PushEngine {
    settings: Settings,
    marks: DelayedTasks<Mark, Burst>,
    deliveries: BTreeMap<(ServiceNo, ClientNo), Delivery>,
    flights: Flights,
    paces: BTreeMap<ServiceNo, Pace>,
    last_number: u64,
    counts: Counts,
    /// Whether pushes leave; marks wait meanwhile.
    enabled: bool,
    /// What clients are told of how long lists may be used.
    cache: Millis,
}

impl PushEngine {
    /// An engine without subscribers.
    pub fn new(settings: Settings) -> Self {
        let switches = Switches::default();
        Self {
            settings,
            marks: DelayedTasks::default(),
            deliveries: BTreeMap::new(),
            flights: Flights::default(),
            paces: BTreeMap::new(),
            last_number: 0,
            counts: Counts::default(),
            enabled: switches.flag(Flag::Push),
            cache: switches.span(Span::PushCache),
        }
    }

    /// Lets pushes leave or has them wait, each subscription at most one; and what clients are told of how long lists may
    /// be used, from the next push on.
    pub fn switch(&mut self, enabled: bool, cache: Millis) {
        self.enabled = enabled;
        self.cache = cache;
    }

    /// What became of pushes so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Marks waiting to be drained.
    pub fn pending(&self) -> usize {
        self.marks.len()
    }

    /// When [`PushEngine::poll`] has something to do.
    pub fn next_due(&self) -> Option<Tick> {
        let marks = if self.enabled { self.marks.next_due() } else { None };
        [marks, self.flights.next_due()].into_iter().flatten().min()
    }

    /// Takes note of a change of the registry.
    pub fn note(&mut self, now: Tick, change: Change, registry: &Registry) {
        match change {
            Change::ServiceChanged(service) if registry.subscribers(service).len() > 0 => {
                self.marks.add(Mark::Service(service), Burst::at(now), self.due(now, service));
            }
            Change::ClientSubscribed { service, client, first } => {
                let by_datagram = registry.client_id(client).is_address();
                let retry = if by_datagram { Retry::datagram() } else { Retry::stream() };
                self.subscribed(now, (service, client), retry, first);
            }
            Change::ClientUnsubscribed { service, client } => self.unsubscribed(service, client),
            Change::ServiceRemoved(service) => {
                self.marks.remove(Mark::Service(service));
                self.paces.remove(&service);
            }
            Change::ServiceChanged(_)
            | Change::ClientConnected
            | Change::ClientDisconnected(_)
            | Change::ClientRegistered
            | Change::ClientChanged(_)
            | Change::ClientDeregistered { .. } => {}
        }
    }

    /// Records the stamp of the list a subscriber was just answered with, so that pushes carry later ones.
    pub fn answered(&mut self, service: ServiceNo, client: ClientNo, stamp: Millis) {
        if let Some(delivery) = self.deliveries.get_mut(&(service, client)) {
            delivery.stamp = delivery.stamp.max(stamp);
        }
    }

    /// The stamp of the last list a subscriber was sent, by push or by answer.
    pub fn last_stamp(&self, service: ServiceNo, client: ClientNo) -> Option<Millis> {
        self.deliveries.get(&(service, client)).map(|delivery| delivery.stamp)
    }

    /// When a service that changes at `now` is due: at once when it was quiet, else when its window is over.
    fn due(&self, now: Tick, service: ServiceNo) -> Tick {
        self.paces.get(&service).map_or(now, |pace| pace.due(now))
    }

    fn subscribed(&mut self, now: Tick, (service, client): (ServiceNo, ClientNo), retry: Retry, first: bool) {
        let delivery = self.deliveries.entry((service, client)).or_insert_with(|| Delivery::new(retry));
        // Another filter: what was sent or acknowledged under the old one says nothing of the new.
        delivery.forget_content();
        self.land(service, client);
        if first {
            // Nacos also pushes what it just answered; inside the window, so that the answer comes first.
            let due = now + self.settings.window;
            self.marks.add(Mark::Subscriber(service, client), Burst::at(now), due);
        }
    }

    fn unsubscribed(&mut self, service: ServiceNo, client: ClientNo) {
        self.land(service, client);
        self.deliveries.remove(&(service, client));
        self.marks.remove(Mark::Subscriber(service, client));
    }

    /// Takes the push in flight out of the books.
    fn land(&mut self, service: ServiceNo, client: ClientNo) -> Option<InFlight> {
        let in_flight = self.deliveries.get_mut(&(service, client))?.in_flight.take()?;
        self.flights.land(service, client, in_flight.number);
        Some(in_flight)
    }

    /// To whom a push went that is in flight by datagram.
    pub fn datagram(&self, number: PushNo) -> Option<ClientNo> {
        self.flights.datagram(number)
    }

    /// Takes note of an ack. Without a number (the Node SDK sends none) it is for the oldest push in flight to the client.
    /// Returns how long the change took to be acknowledged; none for an ack that nothing waits for.
    pub fn acked(&mut self, now: Tick, client: ClientNo, number: Option<PushNo>, success: bool) -> Option<Millis> {
        let service = self.flights.service(client, number)?;
        let landed = self.land(service, client)?;
        let delivery = self.deliveries.get_mut(&(service, client))?;
        if success {
            self.counts.acked += 1;
            delivery.acknowledge(landed.fingerprint);
            if let Some(burst) = delivery.pending.take() {
                self.marks.add(Mark::Subscriber(service, client), burst, now);
            }
            let delay = now.since(landed.since);
            self.counts.acked_millis += delay;
            self.counts.slowest_ack = self.counts.slowest_ack.max(delay);
            return Some(delay);
        }
        self.counts.refused += 1;
        let pause = delivery.fail(&self.settings, &landed)?;
        let burst = delivery.pending.take().unwrap_or(Burst::at(landed.since));
        self.marks.add(Mark::Subscriber(service, client), burst, now + pause);
        None
    }

    /// Hands out what is due, until nothing is or `limits::PUSHES_PER_POLL` are out.
    pub fn poll<O>(&mut self, now: Now, registry: &mut Registry, clock: &mut HybridClock, out: &mut Vec<O>)
    where
        O: From<Push> + From<Oversized>,
    {
        self.time_out(now.tick);
        while self.enabled && out.len() < limits::PUSHES_PER_POLL {
            let Some((mark, burst)) = self.marks.pop_due(now.tick) else {
                break;
            };
            let mut round = Round {
                now,
                burst,
                registry: &mut *registry,
                clock: &mut *clock,
                encoded: Vec::new(),
                oversized: None,
            };
            match mark {
                Mark::Service(service) => self.drain(service, &mut round, out),
                // A push to all takes this subscriber along.
                Mark::Subscriber(service, _) if self.marks.get(Mark::Service(service)).is_some() => {}
                Mark::Subscriber(service, client) => self.push(service, client, &mut round, out),
            }
            out.extend(round.oversized.map(O::from));
        }
    }

    fn time_out(&mut self, now: Tick) {
        while let Some((service, client)) = self.flights.pop_overdue(now) {
            let Some(landed) = self.land(service, client) else {
                continue;
            };
            let Some(delivery) = self.deliveries.get_mut(&(service, client)) else {
                continue;
            };
            self.counts.timed_out += 1;
            let pause = delivery.fail(&self.settings, &landed);
            // What changed meanwhile is news and has waited long enough; the same again must not press.
            let (burst, due) = match (delivery.pending.take(), pause) {
                (Some(burst), _) => (burst, now),
                (None, Some(pause)) => (Burst::at(landed.since), now + pause),
                (None, None) => continue,
            };
            self.marks.add(Mark::Subscriber(service, client), burst, due);
        }
    }

    fn drain<O: From<Push>>(&mut self, service: ServiceNo, round: &mut Round<'_>, out: &mut Vec<O>) {
        let now = round.now.tick;
        let clients: Vec<ClientNo> = round.registry.subscribers(service).map(|(client, _)| client).collect();
        let cost = (round.registry.instances(service) * HOST_BYTES * clients.len()) as u64;
        let pace = self.paces.get(&service);
        if let Some(later) = pace.and_then(|pace| pace.postpone(now, round.burst, cost, &self.settings)) {
            self.marks.add(Mark::Service(service), round.burst, later);
            return;
        }
        self.paces.insert(service, Pace::after(now, cost, &self.settings));
        for client in clients {
            self.push(service, client, round, out);
        }
    }

    fn push<O: From<Push>>(&mut self, service: ServiceNo, client: ClientNo, round: &mut Round<'_>, out: &mut Vec<O>) {
        let Some(delivery) = self.deliveries.get_mut(&(service, client)) else {
            return;
        };
        let by_datagram = delivery.retry.is_datagram();
        if delivery.in_flight.is_some() && !by_datagram {
            delivery.keep_pending(round.burst);
            return;
        }
        let Some((clusters, encoded)) = round.hosts(service, client) else {
            return;
        };
        if delivery.in_flight.as_ref().is_some_and(|in_flight| in_flight.fingerprint == encoded.fingerprint) {
            return;
        }
        // The ack of a datagram may never come: news overtake it, and nobody knows whether it arrived.
        if let Some(overtaken) = delivery.in_flight.take() {
            self.flights.land(service, client, overtaken.number);
            delivery.forget_content();
        }
        if delivery.has_seen(encoded.fingerprint) {
            self.counts.unchanged += 1;
            return;
        }
        if encoded.hosts.len() > limits::PUSH_BYTES {
            self.counts.oversized += 1;
            let (service, bytes) = (round.registry.key(service).clone(), encoded.hosts.len());
            round.oversized.get_or_insert(Oversized { service, bytes });
            return;
        }
        self.last_number += 1;
        self.counts.sent += 1;
        let number = PushNo(self.last_number);
        let now = round.now;
        let stamp = round.registry.stamp(service, Some(delivery.stamp), |floor| round.clock.stamp(now, floor));
        delivery.stamp = stamp;
        let supersedes = delivery.last.replace(number);
        delivery.in_flight = Some(InFlight { number, fingerprint: encoded.fingerprint, since: round.burst.since() });
        self.flights.take_off(service, client, number, round.now.tick + delivery.retry.ack_timeout(&self.settings));
        if by_datagram {
            self.flights.by_datagram(client, number);
        }
        let hosts = encoded.hosts;
        #[cfg(feature = "sabotage")]
        let hosts = crate::sabotage::hosts(round.registry.key(service), hosts);
        let push = Push {
            client: round.registry.client_id(client).clone(),
            number,
            supersedes,
            service: round.registry.key(service).clone(),
            clusters,
            hosts,
            stamp,
            protected: encoded.protected,
            cache: self.cache,
        };
        out.push(push.into());
    }

    /// Panics when the engine contradicts itself or the registry.
    pub fn check(&self, registry: &Registry) {
        let wanted = registry.size().subscribers;
        assert_eq!(self.deliveries.len(), wanted, "one delivery for each subscription");
        for ((service, client), delivery) in &self.deliveries {
            assert!(registry.subscriber(*service, *client).is_some(), "a delivery has its subscription");
            if let Some(in_flight) = &delivery.in_flight {
                let found = self.flights.service(*client, Some(in_flight.number));
                assert_eq!(found, Some(*service), "an ack finds its push");
                let by_datagram = self.flights.datagram(in_flight.number) == Some(*client);
                assert_eq!(by_datagram, delivery.retry.is_datagram(), "an ack by datagram finds its push");
            } else {
                assert!(delivery.pending.is_none(), "only a push in flight holds another back");
            }
        }
        let in_flight = self.deliveries.values().filter(|delivery| delivery.in_flight.is_some()).count();
        self.flights.check(in_flight);
        self.marks.check();
    }
}

/// About what one instance takes in a list.
const HOST_BYTES: usize = 384;

/// One drained mark: what all pushes of it share.
struct Round<'a> {
    now: Now,
    burst: Burst,
    registry: &'a mut Registry,
    clock: &'a mut HybridClock,
    /// The encodings in use, so that a list to a thousand subscribers is looked up once.
    encoded: Vec<(Selection, Encoded)>,
    /// The first list that was too large, to be told once.
    oversized: Option<Oversized>,
}

impl Round<'_> {
    fn hosts(&mut self, service: ServiceNo, client: ClientNo) -> Option<(CompactString, Encoded)> {
        let subscriber = self.registry.subscriber(service, client)?;
        let clusters = subscriber.clusters.clone();
        if let Some((_, encoded)) = self.encoded.iter().find(|(selection, _)| selection.filter == subscriber.filter) {
            return Some((clusters, encoded.clone()));
        }
        let selection = Selection { filter: subscriber.filter.clone(), healthy_only: false };
        let encoded = self.registry.hosts(self.now.tick, service, &selection);
        self.encoded.push((selection, encoded.clone()));
        Some((clusters, encoded))
    }
}
