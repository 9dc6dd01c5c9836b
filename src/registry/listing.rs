//! What operators list: services a stretch at a time, how much each has, who subscribes, and what a client does.
//!
//! Reads alone. A stretch is bounded, so that whoever lists everything holds the registry only briefly at a time; the
//! place to go on from is a name, so nothing is missed that was there all along, whatever comes and goes meanwhile.

use std::{collections::BTreeSet, ops::Bound};

use compact_str::CompactString;

use crate::{
    model::{Attributes, ClientId, Published, ServiceKey, Tick},
    registry::{ClientNo, Registry, ServiceNo, Subscriber, service::Service},
};

/// Entries looked at in one stretch.
pub(super) const STRETCH: usize = 1_000;

/// Which services are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// Those that lists show.
    Listed,
    /// Those with instances.
    Filled,
    /// Those with subscribers, shown by lists or not.
    Subscribed,
}

/// Some services, and where to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// By namespace, group and name.
    pub services: Vec<ServiceKey>,
    /// The last service that was looked at; none at the end.
    pub next: Option<ServiceKey>,
}

/// How much a service has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ServiceSummary {
    /// Clusters with instances.
    pub clusters: usize,
    /// Instances, disabled ones too.
    pub instances: usize,
    /// Healthy ones of them.
    pub healthy: usize,
    /// The protection threshold, if one is set.
    pub threshold: Option<f64>,
}

/// Who subscribes to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriberDetail {
    /// The client.
    pub client: ClientId,
    /// What it says of itself.
    pub attributes: Attributes,
    /// The cluster filter as it was asked.
    pub clusters: CompactString,
}

/// What a client does.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientDetail {
    /// What it says of itself.
    pub attributes: Attributes,
    /// When what it publishes changed last.
    pub updated: Tick,
    /// What it publishes, by service.
    pub publishes: Vec<(ServiceKey, Published)>,
    /// The services it subscribes to, and what it says of itself there.
    pub subscribes: Vec<(ServiceKey, Attributes)>,
}

impl Registry {
    /// The namespace's services behind `after`; those of all namespaces when none is given.
    pub fn stretch(&self, namespace: Option<&str>, among: Among, after: Option<&ServiceKey>) -> Stretch {
        let start = ServiceKey { namespace: namespace.unwrap_or_default().into(), group: "".into(), name: "".into() };
        let behind = self.directory.behind(after.unwrap_or(&start));
        let services = behind.map(|number| &self.services[number.0 as usize]);
        let mut own = services.take_while(|service| namespace.is_none_or(|wanted| service.key.namespace == wanted));
        let (mut found, mut last) = (Vec::new(), None);
        for service in own.by_ref().take(STRETCH) {
            last = Some(&service.key);
            if service.is(among) {
                found.push(service.key.clone());
            }
        }
        Stretch { services: found, next: last.filter(|_| own.next().is_some()).cloned() }
    }

    /// How much a listed service has.
    pub fn summary(&self, key: &ServiceKey) -> Option<ServiceSummary> {
        let service = &self.services[self.listed(key)?.0 as usize];
        let threshold = service.record.as_ref().and_then(|record| record.metadata.protect_threshold);
        let mut summary = ServiceSummary { threshold, ..ServiceSummary::default() };
        let mut clusters = BTreeSet::new();
        for (_, instance) in service.visible(&self.clients) {
            summary.instances += 1;
            summary.healthy += usize::from(instance.healthy);
            if !clusters.contains(&instance.cluster) {
                clusters.insert(instance.cluster.clone());
            }
        }
        summary.clusters = clusters.len();
        Some(summary)
    }

    /// The subscribers of a service, by address.
    pub fn subscriber_details(&self, key: &ServiceKey) -> Vec<SubscriberDetail> {
        let Some(number) = self.find(key) else { return Vec::new() };
        let detail = |(client, subscriber): (ClientNo, &Subscriber)| {
            let client = &self.clients[client.0 as usize];
            let attributes = client.attributes_as(subscriber).clone();
            SubscriberDetail { client: client.id.clone(), attributes, clusters: subscriber.clusters.clone() }
        };
        let mut found: Vec<_> = self.subscribers(number).map(detail).collect();
        found.sort_by(|a, b| a.client.host_port().cmp(&b.client.host_port()).then_with(|| a.client.cmp(&b.client)));
        found
    }

    /// Clients behind `after`, by id; none at the end.
    pub fn clients(&self, after: Option<&ClientId>) -> Vec<ClientId> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.numbers.range((start, Bound::Unbounded)).take(STRETCH).map(|(id, _)| id.clone()).collect()
    }

    /// What a client does.
    pub fn client_detail(&self, id: &ClientId) -> Option<ClientDetail> {
        let number = self.client_no(id)?;
        let client = &self.clients[number.0 as usize];
        let services = |numbers: &BTreeSet<ServiceNo>| {
            let mut found: Vec<_> = numbers.iter().map(|number| &self.services[number.0 as usize]).collect();
            found.sort_by(|a, b| a.key.cmp(&b.key));
            found
        };
        let publication = |service: &Service| {
            let published = service.published_by(number).expect("the index agrees with the client");
            (service.key.clone(), published.content.clone())
        };
        let subscription = |service: &Service| {
            let subscriber = service.subscribers.get(&number).expect("the index agrees with the client");
            (service.key.clone(), client.attributes_as(subscriber).clone())
        };
        Some(ClientDetail {
            attributes: client.attributes.clone(),
            updated: client.updated,
            publishes: services(&client.publishes).into_iter().map(publication).collect(),
            subscribes: services(&client.subscribes).into_iter().map(subscription).collect(),
        })
    }
}

impl Service {
    fn is(&self, among: Among) -> bool {
        match among {
            Among::Listed => self.listed,
            Among::Filled => self.publications.iter().any(|publication| !publication.content.instances().is_empty()),
            Among::Subscribed => !self.subscribers.is_empty(),
        }
    }
}
