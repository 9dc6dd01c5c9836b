//! What nodes agree on about services: what operators set, and persistent instances.
//!
//! Applying it is never refused, because nodes must come to agree; whoever proposes has it judged first. What nobody needs
//! any more stays until nodes agree to forget it.

use std::ops::Bound;

use compact_str::CompactString;

use crate::{
    model::{
        Agreed, AgreedChange, AgreedKey, ClientId, ClusterMetadata, HybridTime, Instance, MetadataOperation, Millis,
        PersistentOperation, Proposal, Publication, Published, ServiceKey, ServiceMetadata, Tick,
    },
    registry::{
        Change, Refused, Registry, ServiceNo,
        record::{Overridden, Record},
    },
};

/// How long what is set on an instance waits for it (Nacos `nacos.naming.clean.expired-metadata.expired-time`): an
/// application that restarts comes back with its weight and its `enabled=false`.
const OVERRIDE_EXPIRY: Millis = 60_000;
/// How many services are looked at under one lock.
const LOOKED_AT_ONCE: usize = 1_024;

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

    /// Whether a proposal can be made as things stand here; `false` when it would change nothing on any node.
    pub fn judge(&self, proposal: &Proposal) -> Result<bool, Refused> {
        match proposal {
            Proposal::Metadata(operation) => self.judge_operation(operation),
            Proposal::Instance(PersistentOperation::Register { service, .. }) => {
                let listed = self.listed(service).map(|number| &self.services[number.0 as usize]);
                match listed {
                    Some(listed) if listed.ephemeral => Err(Refused::IsEphemeral(service.clone())),
                    _ => Ok(true),
                }
            }
            _ => Ok(true),
        }
    }

    fn judge_operation(&self, operation: &MetadataOperation) -> Result<bool, Refused> {
        let listed = |service: &ServiceKey| self.listed(service).is_some();
        match operation {
            MetadataOperation::Create { service, .. } if listed(service) => {
                Err(Refused::ServiceExists(service.clone()))
            }
            MetadataOperation::Create { .. } => Ok(true),
            MetadataOperation::Protect { service, threshold } => Ok(threshold.is_some() || listed(service)),
            MetadataOperation::Override { service, amendments } => Ok(listed(service) && !amendments.is_empty()),
            MetadataOperation::Update { service, .. }
            | MetadataOperation::UpdateCluster { service, .. }
            | MetadataOperation::Remove { service }
                if !listed(service) =>
            {
                Err(Refused::NoService(service.clone()))
            }
            MetadataOperation::Remove { service } => {
                let empty = self.find(service).is_none_or(|number| self.instances(number) == 0);
                if empty { Ok(true) } else { Err(Refused::NotEmpty(service.clone())) }
            }
            MetadataOperation::Update { .. } | MetadataOperation::UpdateCluster { .. } => Ok(true),
        }
    }

    /// Makes an agreed change.
    pub(super) fn agree(&mut self, now: Tick, change: AgreedChange, changes: &mut Vec<Change>) {
        match change {
            AgreedChange::Put(thing) => self.put(now, thing, changes),
            AgreedChange::Gone(key) => self.gone(now, &key, changes),
        }
    }

    fn put(&mut self, now: Tick, thing: Agreed, changes: &mut Vec<Change>) {
        match thing {
            Agreed::Service { service, ephemeral, metadata } => {
                let number = self.find_or_create(&service);
                if !self.services[number.0 as usize].listed {
                    self.list_empty(now, number, ephemeral);
                }
                self.record(now, number).metadata = metadata;
                self.changed(number, changes);
            }
            Agreed::Cluster { service, cluster, metadata } => {
                let number = self.find_or_create(&service);
                self.record(now, number).clusters.insert(cluster, metadata);
                self.changed(number, changes);
            }
            Agreed::Override { service, address, value } => {
                let number = self.find_or_create(&service);
                let absent = (!self.services[number.0 as usize].addresses().contains(&address)).then_some(now);
                self.record(now, number).overrides.insert(address, Overridden { value, absent });
                self.changed(number, changes);
            }
            Agreed::Instance { service, published, instance } => {
                self.publish_persistent(now, service, published, instance, changes);
            }
            // Not a registry's.
            Agreed::Namespace(_) | Agreed::Switch(_) => {}
        }
    }

    fn publish_persistent(
        &mut self,
        now: Tick,
        service: ServiceKey,
        published: HybridTime,
        instance: Box<Instance>,
        changes: &mut Vec<Change>,
    ) {
        let client = ClientId::persistent(&instance.ip, instance.port);
        let publication = Publication { service, published, beating: false, content: Published::One(instance) };
        self.replicate(now, client, publication, changes);
    }

    fn gone(&mut self, now: Tick, key: &AgreedKey, changes: &mut Vec<Change>) {
        let (AgreedKey::Service(service)
        | AgreedKey::Cluster(service, _)
        | AgreedKey::Override(service, _)
        | AgreedKey::Instance(service, ..)) = key
        else {
            return;
        };
        let Some(number) = self.find(service) else { return };
        let record = self.services[number.0 as usize].record.as_deref_mut();
        match (key, record) {
            (AgreedKey::Instance(_, ip, port), _) => return self.withdraw_persistent(now, number, ip, *port, changes),
            (AgreedKey::Service(_), Some(record)) => record.metadata = ServiceMetadata::default(),
            (AgreedKey::Cluster(_, cluster), Some(record)) => {
                record.clusters.remove(cluster);
            }
            (AgreedKey::Override(_, address), Some(record)) => {
                record.overrides.remove(address);
            }
            _ => {}
        }
        if matches!(key, AgreedKey::Service(_)) {
            self.unlist_empty(number);
        }
        self.drop_bare_record(number);
        self.forget_if_unused(number, changes);
        if self.services.contains(number.0 as usize) {
            self.changed(number, changes);
        }
    }

    fn withdraw_persistent(&mut self, now: Tick, service: ServiceNo, ip: &str, port: u16, changes: &mut Vec<Change>) {
        let id = ClientId::persistent(ip, port);
        let Some(client) = self.client_no(&id) else { return };
        self.deregister(now, client, service, changes);
        if self.is_idle(&id) {
            self.disconnect(now, &id, changes);
        }
    }

    /// A service that lists show.
    pub(super) fn listed(&self, key: &ServiceKey) -> Option<ServiceNo> {
        self.find(key).filter(|number| self.services[number.0 as usize].listed)
    }

    fn record(&mut self, now: Tick, number: ServiceNo) -> &mut Record {
        self.recorded.insert(number);
        self.services[number.0 as usize].record.get_or_insert_with(|| Box::new(Record::new(now)))
    }

    fn drop_bare_record(&mut self, number: ServiceNo) {
        let service = &mut self.services[number.0 as usize];
        if service.record.as_ref().is_some_and(|record| record.is_bare()) {
            service.record = None;
            self.recorded.remove(&number);
        }
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
        self.empty.add(number, (), now + self.limits.empty_service_expiry);
    }

    /// Lists a service no more, unless somebody publishes to it.
    fn unlist_empty(&mut self, number: ServiceNo) {
        let service = &mut self.services[number.0 as usize];
        if service.listed && service.publications.is_empty() {
            service.listed = false;
            self.size.services -= 1;
            self.empty.remove(number);
        }
    }

    /// What is agreed on and not needed any more, of some services behind `after` in the order of names; with where to go on.
    pub fn forgettable(&self, now: Tick, after: Option<ServiceNo>) -> (Vec<AgreedKey>, Option<ServiceNo>) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut keys = Vec::new();
        let mut last = None;
        for number in self.recorded.range((from, Bound::Unbounded)).take(LOOKED_AT_ONCE) {
            last = Some(*number);
            let service = &self.services[number.0 as usize];
            if let Some(record) = &service.record {
                let idle = !service.listed && now.since(record.idle_since) >= self.limits.empty_service_expiry;
                record.forgettable(&service.key, now, idle, OVERRIDE_EXPIRY, &mut keys);
            }
        }
        (keys, last)
    }
}
