//! A client: the unit that publishes, subscribes and disappears (Nacos `AbstractClient`).

use std::collections::BTreeSet;

use crate::{
    model::{Attributes, ClientId, Tick},
    registry::{ServiceNo, Subscriber},
};

/// A client's place in the registry. Given to another client once this one is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientNo(pub(super) u32);

/// One client. What it publishes and wants is kept with the services; here is the other direction of the index.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: ClientId,
    pub(super) attributes: Attributes,
    /// When what it publishes changed last.
    pub(super) updated: Tick,
    /// Raised by every change of what it publishes; copies on other nodes are compared by it.
    pub(super) revision: u64,
    pub(super) publishes: BTreeSet<ServiceNo>,
    pub(super) subscribes: BTreeSet<ServiceNo>,
}

impl Client {
    pub(super) fn new(now: Tick, id: ClientId, attributes: Attributes) -> Self {
        Self { id, attributes, updated: now, revision: 0, publishes: BTreeSet::new(), subscribes: BTreeSet::new() }
    }

    /// What it says of itself as this subscriber.
    pub(super) fn attributes_as<'a>(&'a self, subscriber: &'a Subscriber) -> &'a Attributes {
        subscriber.attributes.as_deref().unwrap_or(&self.attributes)
    }

    /// Takes note of a change of what it publishes.
    pub(super) fn changed(&mut self, now: Tick) {
        self.revision += 1;
        self.updated = now;
    }
}
