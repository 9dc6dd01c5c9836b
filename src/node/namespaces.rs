//! The namespaces operators made. The default one is not among them: it is always there and cannot be changed.

use std::collections::BTreeMap;

use compact_str::CompactString;

use crate::model::{DEFAULT_NAMESPACE, Namespace, NamespaceOperation, NamespaceRefused, limits};

/// All namespaces but the default one.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    all: BTreeMap<CompactString, Namespace>,
}

impl Namespaces {
    /// Makes an agreed change. A refused one changes nothing.
    pub(super) fn apply(&mut self, operation: NamespaceOperation) -> Result<(), NamespaceRefused> {
        match operation {
            NamespaceOperation::Create(namespace) => {
                if namespace.id == DEFAULT_NAMESPACE || self.all.contains_key(&namespace.id) {
                    return Err(NamespaceRefused::Exists(namespace.id));
                }
                if self.all.len() >= limits::NAMESPACES {
                    return Err(NamespaceRefused::Full(self.all.len()));
                }
                self.all.insert(namespace.id.clone(), namespace);
            }
            NamespaceOperation::Update(namespace) => {
                if let Some(known) = self.all.get_mut(&namespace.id) {
                    *known = namespace;
                }
            }
            NamespaceOperation::Delete(id) => {
                self.all.remove(&id);
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn named(id: &str, name: &str) -> Namespace {
        Namespace { id: id.into(), name: name.into(), description: None }
    }

    fn create(id: &str) -> NamespaceOperation {
        NamespaceOperation::Create(named(id, "first"))
    }

    #[test]
    fn an_id_is_taken_once_and_the_default_one_always() {
        let mut namespaces = Namespaces::default();
        assert_eq!(namespaces.apply(create("dev")), Ok(()));
        assert_eq!(namespaces.apply(create("dev")), Err(NamespaceRefused::Exists("dev".into())));
        assert_eq!(namespaces.apply(create("public")), Err(NamespaceRefused::Exists("public".into())));
        assert_eq!(namespaces.apply(NamespaceOperation::Delete("dev".into())), Ok(()));
        assert_eq!(namespaces.apply(create("dev")), Ok(()));
        assert_eq!(namespaces.list(), [named("dev", "first")]);
    }

    #[test]
    fn what_is_not_there_is_neither_changed_nor_made() {
        let mut namespaces = Namespaces::default();
        assert_eq!(namespaces.apply(NamespaceOperation::Update(named("dev", "second"))), Ok(()));
        assert_eq!(namespaces.apply(NamespaceOperation::Delete("dev".into())), Ok(()));
        assert_eq!(namespaces.get("dev"), None);
        assert_eq!(namespaces.apply(create("dev")), Ok(()));
        assert_eq!(namespaces.apply(NamespaceOperation::Update(named("dev", "second"))), Ok(()));
        assert_eq!(namespaces.get("dev"), Some(&named("dev", "second")));
    }

    #[test]
    fn there_is_a_limit_and_room_again_below_it() {
        let mut namespaces = Namespaces::default();
        for number in 0..limits::NAMESPACES {
            assert_eq!(namespaces.apply(create(&number.to_string())), Ok(()));
        }
        assert_eq!(namespaces.apply(create("dev")), Err(NamespaceRefused::Full(limits::NAMESPACES)));
        assert_eq!(namespaces.apply(NamespaceOperation::Delete("0".into())), Ok(()));
        assert_eq!(namespaces.apply(create("dev")), Ok(()));
    }
}
