//! What readers of a service see (Nacos `ServiceStorage` and `ServiceUtil.selectInstancesWithHealthyProtection`).

use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
};

use slab::Slab;

use crate::{
    model::{Address, ClientId, ClusterFilter, HybridTime, Instance, Millis, ServiceKey, Tick},
    registry::{
        ClientNo, Encoded, Registry, ServiceNo,
        client::Client,
        service::{Publication, Service},
    },
    wire::encode_host,
};

/// Which instances a reader wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selection {
    /// Of these clusters.
    pub filter: ClusterFilter,
    /// Without unhealthy ones.
    pub healthy_only: bool,
}

/// What is found at an address of a service.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// The service has no instances.
    Empty,
    /// It has others.
    Other,
    /// This, of this client.
    One(ClientId, Box<Instance>),
}

impl Registry {
    /// The hosts of a service that is there, encoded once for each version and selection.
    pub fn hosts(&mut self, now: Tick, number: ServiceNo, selection: &Selection) -> Encoded {
        let service = &self.services[number.0 as usize];
        if let Some(encoded) = self.encodings.get(now, number, selection, service.version) {
            return encoded;
        }
        let encoded = service.encode(selection, &self.clients);
        self.encodings.put(now, number, selection.clone(), encoded.clone());
        encoded
    }

    /// All instances of a listed service with their publishers, in the order of lists: those that lists leave out because
    /// they are disabled too, but not those that a newer one with their address hides. None when it is not listed.
    pub fn visible(&self, service: &ServiceKey) -> Option<impl Iterator<Item = (&ClientId, Cow<'_, Instance>)>> {
        let service = &self.services[self.listed(service)?.0 as usize];
        Some(service.visible(&self.clients).map(|(client, instance)| (self.client_id(client), instance)))
    }

    /// One instance as it is shown, or why there is none. Looks without copying the others.
    pub fn instance(&self, service: &ServiceKey, address: &Address) -> Found {
        let service = self.find(service).map(|number| &self.services[number.0 as usize]);
        let Some(service) = service.filter(|service| service.instances() > 0) else { return Found::Empty };
        match service.newest_at(address, &self.clients) {
            Some((client, instance)) => {
                Found::One(self.client_id(client).clone(), Box::new(service.shown(instance).into_owned()))
            }
            None => Found::Other,
        }
    }

    /// A stamp for what a reader of the service is shown now: `clock` gives hybrid time not below a floor. Greater than
    /// the last one when the view is another, and greater than `above`.
    pub fn stamp(&mut self, number: ServiceNo, above: Option<Millis>, clock: impl FnOnce(Millis) -> Millis) -> Millis {
        let service = &mut self.services[number.0 as usize];
        let stamp = clock(service.next_stamp().max(above.map_or(0, |above| above + 1)));
        service.stamped = (service.stamped.0.max(stamp), service.version);
        stamp
    }

    /// What a reader of a service that is not there is shown, with its stamp: not older than any list of a service that
    /// was there and is forgotten.
    pub fn absent(&mut self, clock: impl FnOnce(Millis) -> Millis) -> (Encoded, Millis) {
        self.absent_stamp = clock(self.absent_stamp);
        (Encoded::empty(), self.absent_stamp)
    }
}

impl Service {
    /// The least stamp that what readers see now may carry.
    pub(super) fn next_stamp(&self) -> Millis {
        let (last, version) = self.stamped;
        if version == self.version { last } else { last + 1 }
    }

    /// The instances readers may see, by address: of two with the same address the newer hides the older, so that no
    /// list names an address twice (the C# SDK throws on one that does).
    pub(super) fn visible<'a>(
        &'a self,
        clients: &'a Slab<Client>,
    ) -> impl Iterator<Item = (ClientNo, Cow<'a, Instance>)> {
        let mut newest: BTreeMap<(&str, u16, &str), (&Publication, &Instance)> = BTreeMap::new();
        for publication in &self.publications {
            for instance in publication.content.instances() {
                match newest.entry(instance.address()) {
                    Entry::Vacant(free) => {
                        free.insert((publication, instance));
                    }
                    Entry::Occupied(mut taken) if !is_older(publication, taken.get().0, clients) => {
                        taken.insert((publication, instance));
                    }
                    Entry::Occupied(_) => {}
                }
            }
        }
        newest.into_values().map(|(publication, instance)| (publication.client, self.shown(instance)))
    }

    /// The instance at an address that is not hidden by a newer one; within one batch the later one counts.
    fn newest_at(&self, address: &Address, clients: &Slab<Client>) -> Option<(ClientNo, &Instance)> {
        let wanted = (address.ip.as_str(), address.port, address.cluster.as_str());
        let all = self.publications.iter().flat_map(|publication| {
            publication.content.instances().iter().map(move |instance| (publication, instance))
        });
        let found = all.filter(|(_, instance)| instance.address() == wanted);
        let newest = found.max_by_key(|(publication, _)| rank(publication, clients));
        newest.map(|(publication, instance)| (publication.client, instance))
    }

    /// The instance as readers are shown it.
    fn shown<'a>(&'a self, instance: &'a Instance) -> Cow<'a, Instance> {
        match &self.record {
            None => Cow::Borrowed(instance),
            Some(record) => record.shown(instance),
        }
    }

    /// Selects and encodes, in the order of Nacos's rule: cluster and enabled, healthy only, then protection.
    fn encode(&self, selection: &Selection, clients: &Slab<Client>) -> Encoded {
        let selected: Vec<(ClientNo, Cow<'_, Instance>)> = self
            .visible(clients)
            .filter(|(_, instance)| instance.enabled && selection.filter.admits(&instance.cluster))
            .filter(|(_, instance)| instance.healthy || !selection.healthy_only)
            .collect();
        let healthy = selected.iter().filter(|(_, instance)| instance.healthy).count();
        // A service nobody configured has no threshold at all; a threshold of 0 protects when all are unhealthy.
        let threshold = self.record.as_ref().and_then(|record| record.metadata.protect_threshold);
        let protected = threshold
            .is_some_and(|threshold| !selected.is_empty() && healthy as f64 / selected.len() as f64 <= threshold);
        let mut hosts = Vec::with_capacity(2 + selected.len() * 384);
        hosts.push(b'[');
        for (client, instance) in &selected {
            if hosts.len() > 1 {
                hosts.push(b',');
            }
            let ephemeral = !clients[client.0 as usize].id.is_persistent();
            encode_host(&mut hosts, &self.key, instance, instance.healthy || protected, ephemeral);
        }
        hosts.push(b']');
        Encoded::new(self.version, selected.len(), protected, hosts)
    }
}

/// By what the newer of two publications is told, the same on all nodes. Two nodes may publish within one tick of their
/// clocks, though hardly ever one address.
fn rank<'a>(publication: &Publication, clients: &'a Slab<Client>) -> (HybridTime, &'a ClientId) {
    (publication.published, &clients[publication.client.0 as usize].id)
}

/// Whether `one` is hidden by `other`. Within one batch the later one counts.
fn is_older(one: &Publication, other: &Publication, clients: &Slab<Client>) -> bool {
    rank(one, clients) < rank(other, clients)
}
