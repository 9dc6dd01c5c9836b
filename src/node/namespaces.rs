//! The namespaces operators made. The default one is not among them: it is always there and cannot be changed.

use std::collections::BTreeMap;

use compact_str::CompactString;

use crate::model::Namespace;

/// All namespaces but the default one.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    all: BTreeMap<CompactString, Namespace>,
}

impl Namespaces {
    /// There is one like this now.
    pub(super) fn put(&mut self, namespace: Namespace) {
        self.all.insert(namespace.id.clone(), namespace);
    }

    /// There is none of that id any more.
    pub(super) fn remove(&mut self, id: &str) {
        self.all.remove(id);
    }

    /// One of them.
    pub(super) fn get(&self, id: &str) -> Option<&Namespace> {
        self.all.get(id)
    }

    /// All of them, by id.
    pub(super) fn list(&self) -> Vec<Namespace> {
        self.all.values().cloned().collect()
    }
}
