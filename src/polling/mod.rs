//! Which subscriptions last only as long as their subscribers keep polling (Nacos `EphemeralIpPortClientManager` with
//! `PushClient`).
//!
//! Owns when each of them was polled last. Promises: a subscription ends `limits::POLLED_MILLIS` after its last poll, neither
//! earlier nor, when polled at [`Polling::next_due`], later. A poll is one write: the due time stays where it is, and when
//! it comes the subscription is asked for its last poll. Never changes the registry.

use std::collections::BTreeMap;

use crate::{
    model::{Tick, limits},
    registry::{Change, ClientNo, Registry, ServiceNo},
    task::DelayedTasks,
};

/// A subscription.
type Key = (ServiceNo, ClientNo);

/// The subscriptions by polling of a node.
#[derive(Debug, Default)]
pub struct Polling {
    last: BTreeMap<Key, Tick>,
    /// When to look at a subscription: never later than it would end.
    due: DelayedTasks<Key, ()>,
}

impl Polling {
    /// Takes note of a poll of `service` by `client`, who subscribes to it.
    pub fn polled(&mut self, now: Tick, service: ServiceNo, client: ClientNo) {
        if self.last.insert((service, client), now).is_none() {
            self.due.add((service, client), (), now + limits::POLLED_MILLIS);
        }
    }

    /// Takes note of a change of the registry.
    pub fn note(&mut self, change: Change) {
        if let Change::ClientUnsubscribed { service, client } = change {
            self.last.remove(&(service, client));
            self.due.remove((service, client));
        }
    }

    /// When [`Polling::poll`] has something to do.
    pub fn next_due(&self) -> Option<Tick> {
        self.due.next_due()
    }

    /// Appends the subscriptions that end, after looking at `limits::SILENT_PER_POLL` of those that are due. The caller
    /// ends them before it calls again.
    pub fn poll(&mut self, now: Tick, ended: &mut Vec<(ServiceNo, ClientNo)>) {
        for _ in 0..limits::SILENT_PER_POLL {
            let Some((key, ())) = self.due.pop_due(now) else {
                return;
            };
            let end = self.last[&key] + limits::POLLED_MILLIS;
            if end > now {
                self.due.add(key, (), end);
            } else {
                self.last.remove(&key);
                ended.push(key);
            }
        }
    }

    /// Panics when a subscription is kept that is not there, or would end too late.
    pub fn check(&self, registry: &Registry) {
        for ((service, client), last) in &self.last {
            assert!(registry.subscriber(*service, *client).is_some(), "what is polled is subscribed to");
            assert!(registry.client_id(*client).is_address(), "a connection keeps its subscriptions by itself");
            let due = self.due.due((*service, *client));
            assert!(due.is_some_and(|due| due <= *last + limits::POLLED_MILLIS), "looked at before it ends");
        }
        assert_eq!(self.due.len(), self.last.len(), "only what is polled is due");
        self.due.check();
    }
}
