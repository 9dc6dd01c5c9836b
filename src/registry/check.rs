//! The invariants of the registry, as a function.

use crate::registry::{ClientNo, Registry, ServiceNo, service::Service};

impl Registry {
    /// Panics when the registry contradicts itself: clients and index must agree both ways, and all counts match.
    pub fn check(&self) {
        assert_eq!(self.numbers.len(), self.clients.len(), "every client has one number");
        for (id, number) in &self.numbers {
            assert_eq!(self.clients[number.0 as usize].id, *id, "a number leads to its client");
        }
        let persistent = self.numbers.keys().filter(|id| id.is_persistent()).count();
        assert_eq!(persistent, self.size.persistent_clients, "clients of persistent instances");
        self.check_clients();
        self.check_services();
        self.empty.check();
        self.encodings.check();
    }

    fn check_overrides(service: &Service) {
        let present = service.addresses();
        let overrides = service.record.iter().flat_map(|record| &record.overrides);
        for (address, set) in overrides {
            assert_eq!(set.absent.is_none(), present.contains(address), "{address:?} is there or was missed");
        }
    }

    fn check_clients(&self) {
        for (slot, client) in &self.clients {
            let number = ClientNo(slot as u32);
            for service in &client.publishes {
                let published = self.services[service.0 as usize].published_by(number);
                assert!(published.is_some(), "{} publishes for a service that knows it", client.id);
            }
            for service in &client.subscribes {
                let known = self.services[service.0 as usize].subscribers.contains_key(&number);
                assert!(known, "{} subscribes to a service that knows it", client.id);
            }
        }
    }

    fn check_services(&self) {
        let (mut instances, mut subscribers, mut listed) = (0, 0, 0);
        for (slot, service) in &self.services {
            let number = ServiceNo(slot as u32);
            assert_eq!(self.directory.find(&service.key), Some(number), "{} is found by name", service.key);
            assert!(service.publications.is_sorted_by_key(|publication| publication.client), "sorted by client");
            for publication in &service.publications {
                let client = &self.clients[publication.client.0 as usize];
                assert!(client.publishes.contains(&number), "{} knows its publisher", service.key);
            }
            for client in service.subscribers.keys() {
                let client = &self.clients[client.0 as usize];
                assert!(client.subscribes.contains(&number), "{} knows its subscriber", service.key);
            }
            let empty = service.publications.is_empty();
            assert!(service.listed || empty, "{} has publishers and is listed", service.key);
            let (record, subscribed) = (service.record.is_some(), !service.subscribers.is_empty());
            assert!(service.listed || record || subscribed, "{} is of use to somebody", service.key);
            assert_eq!(self.empty.get(number).is_some(), service.listed && empty, "{} expires", service.key);
            assert_eq!(self.recorded.contains(&number), record, "{} is looked at for what to forget", service.key);
            Self::check_overrides(service);
            instances += service.instances();
            subscribers += service.subscribers.len();
            listed += usize::from(service.listed);
        }
        assert_eq!(self.directory.len(), self.services.len(), "no name without a service");
        let counted = (self.size.instances, self.size.subscribers, self.size.services);
        assert_eq!(counted, (instances, subscribers, listed), "counts match");
    }
}
