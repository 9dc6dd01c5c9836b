//! The books of pushes in flight: who acknowledges which, and until when.

use std::collections::BTreeMap;

use crate::{
    model::Tick,
    push::PushNo,
    registry::{ClientNo, ServiceNo},
    task::DelayedTasks,
};

/// All pushes whose acks are awaited, one at most for a subscription.
#[derive(Debug, Default)]
pub(super) struct Flights {
    by_client: BTreeMap<(ClientNo, PushNo), ServiceNo>,
    /// Those that went by datagram: whoever acknowledges one is known by its number only.
    datagrams: BTreeMap<PushNo, ClientNo>,
    timeouts: DelayedTasks<(ServiceNo, ClientNo), ()>,
}

impl Flights {
    pub(super) fn take_off(&mut self, service: ServiceNo, client: ClientNo, number: PushNo, until: Tick) {
        self.by_client.insert((client, number), service);
        self.timeouts.add((service, client), (), until);
    }

    /// Notes that a push in flight went by datagram.
    pub(super) fn by_datagram(&mut self, client: ClientNo, number: PushNo) {
        self.datagrams.insert(number, client);
    }

    pub(super) fn land(&mut self, service: ServiceNo, client: ClientNo, number: PushNo) {
        self.by_client.remove(&(client, number));
        self.datagrams.remove(&number);
        self.timeouts.remove((service, client));
    }

    /// Of which service a push to a client is; without a number the oldest one.
    pub(super) fn service(&self, client: ClientNo, number: Option<PushNo>) -> Option<ServiceNo> {
        let (first, last) = number.map_or((PushNo(0), PushNo(u64::MAX)), |number| (number, number));
        self.by_client.range((client, first)..=(client, last)).next().map(|(_, service)| *service)
    }

    /// To whom a push went by datagram.
    pub(super) fn datagram(&self, number: PushNo) -> Option<ClientNo> {
        self.datagrams.get(&number).copied()
    }

    /// The subscription whose ack is overdue longest.
    pub(super) fn pop_overdue(&mut self, now: Tick) -> Option<(ServiceNo, ClientNo)> {
        self.timeouts.pop_due(now).map(|(subscription, ())| subscription)
    }

    pub(super) fn next_due(&self) -> Option<Tick> {
        self.timeouts.next_due()
    }

    /// Panics unless there are `expected` pushes in flight, each in all books it belongs to.
    pub(super) fn check(&self, expected: usize) {
        assert_eq!((self.by_client.len(), self.timeouts.len()), (expected, expected), "books of pushes in flight");
        for ((client, _), service) in &self.by_client {
            assert!(self.timeouts.get((*service, *client)).is_some(), "every push in flight times out");
        }
        for (number, client) in &self.datagrams {
            assert!(self.by_client.contains_key(&(*client, *number)), "a datagram is a push in flight");
        }
        self.timeouts.check();
    }

    /// All of them, for tests.
    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<(ClientNo, PushNo)> {
        self.by_client.keys().copied().collect()
    }
}
