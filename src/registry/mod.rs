//! The data: who publishes and who subscribes to what, the two-way index, and the views readers get.
//!
//! Owns clients, services and the index between them; they change only through [`Registry::apply`], one command at a
//! time, and clients and index never disagree ([`Registry::check`]). What changed is returned as a closed set of
//! [`Change`]s; there is no event bus (Nacos `NotifyCenter`), because order would live in it. A read after an applied
//! command shows it. Never knows a protocol, a peer or a clock.
//!
//! Start with `apply.rs`; `view.rs` is what readers see.

mod apply;
mod change;
mod check;
mod client;
mod command;
mod directory;
mod encodings;
mod listing;
#[cfg(test)]
mod listing_test;
mod metadata;
#[cfg(test)]
mod metadata_test;
mod record;
#[cfg(test)]
mod registry_test;
mod service;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use slab::Slab;

pub use change::Change;
pub use client::ClientNo;
pub use command::{Command, Refused};
pub use encodings::Encoded;
pub use listing::{Among, ClientDetail, ServiceSummary, Stretch, SubscriberDetail};
pub use metadata::ServiceDetail;
pub use record::address;
pub use service::{ServiceNo, Subscriber};
pub use view::{Found, Selection};

use crate::{
    model::{Attributes, ClientId, Millis, Publication, Published, ServiceKey, Tick},
    registry::{client::Client, directory::Directory, encodings::Encodings, service::Service},
    task::DelayedTasks,
};

/// What the registry may be told at its making.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a service without publishers stays in lists (`nacos.naming.clean.empty-service.expired-time`).
    pub empty_service_expiry: Millis,
    /// Bytes of encoded hosts kept for readers, over all services.
    pub encodings: usize,
}

/// How much the registry holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Clients, publishing or not.
    pub clients: usize,
    /// Those among them that publish a persistent instance.
    pub persistent_clients: usize,
    /// Services that lists show.
    pub services: usize,
    /// Published instances, each member of a batch counted.
    pub instances: usize,
    /// Subscriptions: pairs of client and service.
    pub subscribers: usize,
    /// Bytes of encoded hosts kept.
    pub encoded_bytes: usize,
}

/// All that one node knows of services and clients.
#[derive(Debug)]
pub struct Registry {
    limits: Limits,
    clients: Slab<Client>,
    numbers: BTreeMap<ClientId, ClientNo>,
    services: Slab<Service>,
    directory: Directory,
    encodings: Encodings,
    /// Listed services without publishers, due when they are to be unlisted.
    empty: DelayedTasks<ServiceNo, ()>,
    /// Services with something set on them.
    recorded: BTreeSet<ServiceNo>,
    /// No less than any stamp given for a service that is not there, so that its first view is newer.
    absent_stamp: Millis,
    size: Size,
}

impl Registry {
    /// An empty registry.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            clients: Slab::new(),
            numbers: BTreeMap::new(),
            services: Slab::new(),
            directory: Directory::default(),
            encodings: Encodings::new(limits.encodings),
            empty: DelayedTasks::default(),
            recorded: BTreeSet::new(),
            absent_stamp: 0,
            size: Size::default(),
        }
    }

    /// How much there is.
    pub fn size(&self) -> Size {
        Size { clients: self.clients.len(), encoded_bytes: self.encodings.bytes(), ..self.size }
    }

    /// The id of a client that is there.
    pub fn client_id(&self, client: ClientNo) -> &ClientId {
        &self.clients[client.0 as usize].id
    }

    /// Whether a client is there.
    pub fn has_client(&self, client: &ClientId) -> bool {
        self.numbers.contains_key(client)
    }

    /// Whether a client publishes nothing and subscribes to nothing.
    pub fn is_idle(&self, client: &ClientId) -> bool {
        self.numbers.get(client).is_none_or(|number| {
            let client = &self.clients[number.0 as usize];
            client.publishes.is_empty() && client.subscribes.is_empty()
        })
    }

    /// Whether a client publishes anything for a service.
    pub fn publishes(&self, client: &ClientId, service: &ServiceKey) -> bool {
        let number = self.directory.find(service).zip(self.client_no(client));
        number.is_some_and(|(service, client)| self.services[service.0 as usize].published_by(client).is_some())
    }

    /// What a client publishes for a service that is there.
    pub fn published(&self, service: ServiceNo, client: ClientNo) -> Option<&Published> {
        self.services[service.0 as usize].published_by(client).map(|publication| &publication.content)
    }

    /// All that a client publishes, by the service's name, as nodes tell each other.
    pub fn publications(&self, client: ClientNo) -> Vec<Publication> {
        let services = self.clients[client.0 as usize].publishes.iter().map(|number| &self.services[number.0 as usize]);
        let of = |service: &Service| {
            let publication = service.published_by(client).expect("the index agrees with the client");
            let (published, beating) = (publication.published, publication.beating);
            Publication { service: service.key.clone(), published, beating, content: publication.content.clone() }
        };
        let mut all: Vec<Publication> = services.map(of).collect();
        all.sort_by(|a, b| a.service.cmp(&b.service));
        all
    }

    /// The services a client publishes for.
    pub fn publishes_for(&self, client: ClientNo) -> impl ExactSizeIterator<Item = ServiceNo> + '_ {
        self.clients[client.0 as usize].publishes.iter().copied()
    }

    /// Whether what a client publishes for a service lives by heart beats.
    pub fn beats(&self, service: ServiceNo, client: ClientNo) -> bool {
        self.services[service.0 as usize].published_by(client).is_some_and(|publication| publication.beating)
    }

    /// What a client says of itself.
    pub fn attributes(&self, client: ClientNo) -> &Attributes {
        &self.clients[client.0 as usize].attributes
    }

    /// The number of a service that somebody published or subscribed to and that is not forgotten yet.
    pub fn find(&self, service: &ServiceKey) -> Option<ServiceNo> {
        self.directory.find(service)
    }

    /// Whether a service is listed and takes persistent instances.
    pub fn is_persistent(&self, service: &ServiceKey) -> bool {
        self.listed(service).is_some_and(|number| !self.services[number.0 as usize].ephemeral)
    }

    /// The number of a client.
    pub fn client_no(&self, client: &ClientId) -> Option<ClientNo> {
        self.numbers.get(client).copied()
    }

    /// The key of a service that is there.
    pub fn key(&self, service: ServiceNo) -> &ServiceKey {
        &self.services[service.0 as usize].key
    }

    /// The subscribers of a service that is there, in a fixed order.
    pub fn subscribers(&self, service: ServiceNo) -> impl ExactSizeIterator<Item = (ClientNo, &Subscriber)> {
        self.services[service.0 as usize].subscribers.iter().map(|(client, subscriber)| (*client, subscriber))
    }

    /// One subscriber of a service that is there.
    pub fn subscriber(&self, service: ServiceNo, client: ClientNo) -> Option<&Subscriber> {
        self.services[service.0 as usize].subscribers.get(&client)
    }

    /// How many instances a service that is there has, hidden and disabled ones included.
    pub fn instances(&self, service: ServiceNo) -> usize {
        self.services[service.0 as usize].instances()
    }

    /// Names of the listed services of a group in order: the page from `page` (1-based) of `size`, and the count of all.
    /// A page so large that its start overflows 32 bits is the first one, as in Nacos.
    pub fn list(&self, group: &ServiceKey, page: usize, size: usize) -> (usize, Vec<compact_str::CompactString>) {
        let listed = || {
            self.directory
                .group(&group.namespace, &group.group)
                .filter(|(_, service)| self.services[service.0 as usize].listed)
        };
        let start = page.saturating_sub(1).saturating_mul(size);
        let start = if i32::try_from(start).is_ok() { start } else { 0 };
        (listed().count(), listed().skip(start).take(size).map(|(name, _)| name.clone()).collect())
    }

    /// All listed services of a namespace with the number of instances and of subscribers each, in order.
    pub fn overview(&self, namespace: &str) -> Vec<(ServiceKey, usize, usize)> {
        let services = self.directory.namespace(namespace).map(|number| &self.services[number.0 as usize]);
        services
            .filter(|service| service.listed)
            .map(|service| (service.key.clone(), service.instances(), service.subscribers.len()))
            .collect()
    }

    /// When [`Registry::apply`] should next be told to expire what is due.
    pub fn next_due(&self) -> Option<Tick> {
        [self.empty.next_due(), self.encodings.next_due()].into_iter().flatten().min()
    }
}
