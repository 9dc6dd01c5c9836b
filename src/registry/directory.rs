//! Finds services by name, in order.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Included, Unbounded},
};

use compact_str::CompactString;

use crate::{model::ServiceKey, registry::ServiceNo};

type Group = BTreeMap<CompactString, ServiceNo>;
type Namespace = BTreeMap<CompactString, Group>;

/// Namespace, group and name to the service, sorted at each level so that pages are stable.
#[derive(Debug, Default)]
pub(super) struct Directory {
    namespaces: BTreeMap<CompactString, Namespace>,
}

impl Directory {
    pub(super) fn find(&self, key: &ServiceKey) -> Option<ServiceNo> {
        self.namespaces.get(&key.namespace)?.get(&key.group)?.get(&key.name).copied()
    }

    pub(super) fn insert(&mut self, key: &ServiceKey, service: ServiceNo) {
        let namespace = self.namespaces.entry(key.namespace.clone()).or_default();
        namespace.entry(key.group.clone()).or_default().insert(key.name.clone(), service);
    }

    /// Forgets a service, and its group and namespace with their last one.
    pub(super) fn remove(&mut self, key: &ServiceKey) {
        let Some(namespace) = self.namespaces.get_mut(&key.namespace) else {
            return;
        };
        let Some(group) = namespace.get_mut(&key.group) else {
            return;
        };
        group.remove(&key.name);
        if group.is_empty() {
            namespace.remove(&key.group);
        }
        if namespace.is_empty() {
            self.namespaces.remove(&key.namespace);
        }
    }

    /// The services of a group, by name.
    pub(super) fn group(&self, namespace: &str, group: &str) -> impl Iterator<Item = (&CompactString, ServiceNo)> {
        let found = self.namespaces.get(namespace).and_then(|namespace| namespace.get(group));
        found.into_iter().flatten().map(|(name, service)| (name, *service))
    }

    /// The services of a namespace, by group and name.
    pub(super) fn namespace(&self, namespace: &str) -> impl Iterator<Item = ServiceNo> {
        self.namespaces
            .get(namespace)
            .into_iter()
            .flat_map(|namespace| namespace.values())
            .flat_map(Group::values)
            .copied()
    }

    /// All services behind a place, by namespace, group and name. No service need be at that place.
    pub(super) fn behind<'a>(&'a self, place: &'a ServiceKey) -> impl Iterator<Item = ServiceNo> + 'a {
        let namespaces = self.namespaces.range::<str, _>((Included(&*place.namespace), Unbounded));
        namespaces.flat_map(move |(namespace, groups)| {
            let here = *namespace == place.namespace;
            let start = if here { Included(&*place.group) } else { Unbounded };
            groups.range::<str, _>((start, Unbounded)).flat_map(move |(group, names)| {
                let start = if here && *group == place.group { Excluded(&*place.name) } else { Unbounded };
                names.range::<str, _>((start, Unbounded)).map(|(_, service)| *service)
            })
        })
    }

    /// How many services there are.
    pub(super) fn len(&self) -> usize {
        self.namespaces.values().flat_map(BTreeMap::values).map(BTreeMap::len).sum()
    }
}
