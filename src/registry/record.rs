//! What operators set on one service (Nacos `NamingMetadataManager`).

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use compact_str::CompactString;

use crate::{
    model::{
        Address, AgreedKey, ClusterMetadata, Instance, Millis, Override, Published, ServiceKey, ServiceMetadata, Tick,
    },
    registry::service::Service,
};

/// Settings beside what clients publish. Most services have none.
#[derive(Debug)]
pub(super) struct Record {
    /// Since when it is of no use while its service is not listed.
    pub(super) idle_since: Tick,
    pub(super) metadata: ServiceMetadata,
    pub(super) clusters: BTreeMap<CompactString, ClusterMetadata>,
    pub(super) overrides: BTreeMap<Address, Overridden>,
}

/// What is set on one instance.
#[derive(Debug)]
pub(super) struct Overridden {
    pub(super) value: Override,
    /// Since when nobody publishes the instance; none while somebody does.
    pub(super) absent: Option<Tick>,
}

impl Record {
    /// One with nothing in it.
    pub(super) fn new(now: Tick) -> Self {
        Self {
            idle_since: now,
            metadata: ServiceMetadata::default(),
            clusters: BTreeMap::new(),
            overrides: BTreeMap::new(),
        }
    }

    /// Whether it says nothing.
    pub(super) fn is_bare(&self) -> bool {
        self.clusters.is_empty() && self.overrides.is_empty() && self.metadata == ServiceMetadata::default()
    }

    /// What of it nobody needs any more: all of it when its service is `idle`, and what is set on instances that are away for
    /// `expiry`.
    pub(super) fn forgettable(
        &self,
        service: &ServiceKey,
        now: Tick,
        idle: bool,
        expiry: Millis,
        keys: &mut Vec<AgreedKey>,
    ) {
        let away = |set: &Overridden| set.absent.is_some_and(|since| now.since(since) >= expiry);
        let overrides = self.overrides.iter().filter(|(_, set)| away(set)).map(|(address, _)| address.clone());
        keys.extend(overrides.map(|address| AgreedKey::Override(service.clone(), address)));
        if idle {
            keys.extend(self.clusters.keys().map(|cluster| AgreedKey::Cluster(service.clone(), cluster.clone())));
            keys.push(AgreedKey::Service(service.clone()));
        }
    }

    /// The instance as it is shown.
    pub(super) fn shown<'a>(&self, instance: &'a Instance) -> Cow<'a, Instance> {
        if self.overrides.is_empty() {
            return Cow::Borrowed(instance);
        }
        match self.overrides.get(&address(instance)) {
            None => Cow::Borrowed(instance),
            Some(set) => Cow::Owned(Instance {
                weight: set.value.weight,
                enabled: set.value.enabled,
                metadata: instance.metadata.merged(&set.value.metadata),
                ..instance.clone()
            }),
        }
    }
}

impl Service {
    /// All addresses somebody publishes.
    pub(super) fn addresses(&self) -> BTreeSet<Address> {
        self.publications.iter().flat_map(|publication| publication.content.instances()).map(address).collect()
    }

    /// Takes note that these are published, so that what is set on them stays.
    pub(super) fn appeared(&mut self, content: &Published) {
        let Some(record) = &mut self.record else { return };
        for instance in content.instances() {
            if record.overrides.is_empty() {
                return;
            }
            if let Some(set) = record.overrides.get_mut(&address(instance)) {
                set.absent = None;
            }
        }
    }

    /// Takes note that a client publishes these no more, so that what is set on them waits for them.
    pub(super) fn disappeared(&mut self, now: Tick, content: &Published) {
        let Some(record) = self.record.as_ref().filter(|record| !record.overrides.is_empty()) else { return };
        let overridden = |address: &Address| record.overrides.contains_key(address);
        let gone: Vec<Address> = content.instances().iter().map(address).filter(overridden).collect();
        if gone.is_empty() {
            return;
        }
        let present = self.addresses();
        let record = self.record.as_mut().expect("seen above");
        for address in gone.iter().filter(|address| !present.contains(address)) {
            record.overrides.get_mut(address).expect("seen above").absent = Some(now);
        }
    }
}

/// The address of an instance, to be kept.
pub fn address(instance: &Instance) -> Address {
    Address { ip: instance.ip.clone(), port: instance.port, cluster: instance.cluster.clone() }
}
