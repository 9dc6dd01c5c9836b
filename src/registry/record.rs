//! What operators set on one service (Nacos `NamingMetadataManager`).

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use compact_str::CompactString;

use crate::{
    model::{Address, ClusterMetadata, Instance, Override, Published, ServiceMetadata, Tick},
    registry::service::Service,
};

/// Settings beside what clients publish. Most services have none.
#[derive(Debug, Default)]
pub(super) struct Record {
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

    /// Takes note that a client publishes these no more. Says whether something is set on one that nobody publishes now.
    pub(super) fn disappeared(&mut self, now: Tick, content: &Published) -> bool {
        let overridden = |record: &Record, address: &Address| record.overrides.contains_key(address);
        let Some(record) = self.record.as_ref().filter(|record| !record.overrides.is_empty()) else { return false };
        let gone: Vec<Address> =
            content.instances().iter().map(address).filter(|address| overridden(record, address)).collect();
        if gone.is_empty() {
            return false;
        }
        let present = self.addresses();
        let record = self.record.as_mut().expect("seen above");
        let mut absent = false;
        for address in gone.iter().filter(|address| !present.contains(address)) {
            absent = true;
            record.overrides.get_mut(address).expect("seen above").absent = Some(now);
        }
        absent
    }
}

/// The address of an instance, to be kept.
pub fn address(instance: &Instance) -> Address {
    Address { ip: instance.ip.clone(), port: instance.port, cluster: instance.cluster.clone() }
}
