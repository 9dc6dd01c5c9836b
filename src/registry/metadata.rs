//! What operators do to services.

use compact_str::CompactString;

use crate::{
    model::{Address, Amendment, ClusterMetadata, Millis, ServiceKey, ServiceMetadata, Tick},
    registry::{
        Change, MetadataOperation, Refused, Registry, ServiceNo,
        record::{Overridden, Record},
    },
};

/// How long what is set on an instance waits for it (Nacos `nacos.naming.clean.expired-metadata.expired-time`): an
/// application that restarts comes back with its weight and its `enabled=false`.
const OVERRIDE_EXPIRY: Millis = 60_000;

/// A service as operators see it.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceDetail {
    /// Of which kind its instances are.
    pub ephemeral: bool,
    /// What is set on it.
    pub metadata: ServiceMetadata,
    /// The clusters it has instances in, by name, with what is set on each.
    pub clusters: Vec<(CompactString, ClusterMetadata)>,
}

impl ServiceDetail {
    /// What is set on a cluster that has instances.
    pub fn cluster(&self, name: &str) -> Option<&ClusterMetadata> {
        self.clusters.iter().find(|(cluster, _)| cluster == name).map(|(_, set)| set)
    }
}

impl Registry {
    /// A listed service.
    pub fn detail(&self, key: &ServiceKey) -> Option<ServiceDetail> {
        let service = &self.services[self.listed(key)?.0 as usize];
        let mut names: Vec<CompactString> =
            service.visible(&self.clients).map(|(_, instance)| instance.cluster.clone()).collect();
        names.sort();
        names.dedup();
        let record = service.record.as_deref();
        let of = |name: &CompactString| record.and_then(|record| record.clusters.get(name)).cloned();
        Some(ServiceDetail {
            ephemeral: service.ephemeral,
            metadata: record.map_or_else(ServiceMetadata::default, |record| record.metadata.clone()),
            clusters: names.into_iter().map(|name| (name.clone(), of(&name).unwrap_or_default())).collect(),
        })
    }

    pub(super) fn operate(
        &mut self,
        now: Tick,
        operation: MetadataOperation,
        changes: &mut Vec<Change>,
    ) -> Result<(), Refused> {
        match operation {
            MetadataOperation::Create { service, ephemeral, metadata } => {
                if self.listed(&service).is_some() {
                    return Err(Refused::ServiceExists(service));
                }
                let number = self.find_or_create(&service);
                self.list_empty(now, number, ephemeral);
                self.services[number.0 as usize].record = Some(Box::new(Record { metadata, ..Record::default() }));
                self.changed(number, changes);
            }
            MetadataOperation::Update { service, metadata } => {
                let number = self.listed(&service).ok_or(Refused::NoService(service))?;
                self.record(number).metadata = metadata;
                self.changed(number, changes);
            }
            MetadataOperation::Protect { service, threshold } => self.protect(now, &service, threshold, changes),
            MetadataOperation::Remove { service } => self.remove(service, changes)?,
            MetadataOperation::UpdateCluster { service, cluster, metadata } => {
                let number = self.listed(&service).ok_or(Refused::NoService(service))?;
                self.record(number).clusters.insert(cluster, metadata);
                self.changed(number, changes);
            }
            MetadataOperation::Override { service, amendments } => {
                if let Some(number) = self.listed(&service) {
                    self.amend(now, number, amendments, changes);
                }
            }
        }
        Ok(())
    }

    /// A service that lists show.
    pub(super) fn listed(&self, key: &ServiceKey) -> Option<ServiceNo> {
        self.find(key).filter(|number| self.services[number.0 as usize].listed)
    }

    fn record(&mut self, number: ServiceNo) -> &mut Record {
        self.services[number.0 as usize].record.get_or_insert_default()
    }

    fn changed(&mut self, number: ServiceNo, changes: &mut Vec<Change>) {
        self.services[number.0 as usize].version += 1;
        changes.push(Change::ServiceChanged(number));
    }

    /// Lists a service that nobody publishes to.
    fn list_empty(&mut self, now: Tick, number: ServiceNo, ephemeral: bool) {
        let service = &mut self.services[number.0 as usize];
        (service.listed, service.ephemeral) = (true, ephemeral);
        self.size.services += 1;
        self.empty.remove(number);
        self.empty.add(number, (), now + self.limits.empty_service_expiry);
    }

    fn protect(&mut self, now: Tick, key: &ServiceKey, threshold: Option<f64>, changes: &mut Vec<Change>) {
        let number = match self.listed(key) {
            Some(number) => number,
            None if threshold.is_none() => return,
            None => {
                let number = self.find_or_create(key);
                self.list_empty(now, number, true);
                number
            }
        };
        let metadata = &mut self.record(number).metadata;
        if metadata.protect_threshold != threshold {
            metadata.protect_threshold = threshold;
            self.changed(number, changes);
        }
    }

    fn remove(&mut self, key: ServiceKey, changes: &mut Vec<Change>) -> Result<(), Refused> {
        let Some(number) = self.listed(&key) else { return Err(Refused::NoService(key)) };
        let service = &mut self.services[number.0 as usize];
        if !service.publications.is_empty() {
            return Err(Refused::NotEmpty(key));
        }
        (service.listed, service.record) = (false, None);
        let service_is_wanted = !service.subscribers.is_empty();
        self.size.services -= 1;
        self.empty.remove(number);
        self.overridden.remove(number);
        if service_is_wanted {
            self.changed(number, changes);
        } else {
            self.forget_if_unused(number, changes);
        }
        Ok(())
    }

    fn amend(
        &mut self,
        now: Tick,
        number: ServiceNo,
        amendments: Vec<(Address, Amendment)>,
        changes: &mut Vec<Change>,
    ) {
        let present = self.services[number.0 as usize].addresses();
        let mut waits = false;
        for (address, amendment) in amendments {
            let absent = (!present.contains(&address)).then_some(now);
            waits |= absent.is_some();
            let overrides = &mut self.record(number).overrides;
            let before = overrides.get(&address).map(|set| set.value.clone());
            overrides.insert(address, Overridden { value: amendment.amend(before), absent });
        }
        if waits {
            self.await_absent(now, number);
        }
        self.changed(number, changes);
    }

    /// Has what is set on absent instances looked at when it may be forgotten.
    pub(super) fn await_absent(&mut self, now: Tick, number: ServiceNo) {
        self.overridden.add(number, (), now + OVERRIDE_EXPIRY);
    }

    /// Forgets what is set on instances that were absent for long.
    pub(super) fn expire_overrides(&mut self, now: Tick) {
        while let Some((number, ())) = self.overridden.pop_due(now) {
            let Some(record) = &mut self.services[number.0 as usize].record else { continue };
            record.overrides.retain(|_, set| set.absent.is_none_or(|since| now < since + OVERRIDE_EXPIRY));
            if let Some(since) = record.overrides.values().filter_map(|set| set.absent).min() {
                self.overridden.add(number, (), since + OVERRIDE_EXPIRY);
            }
        }
    }
}
