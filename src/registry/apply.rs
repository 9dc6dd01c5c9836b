//! The one way to change a registry.

use crate::{
    model::{Attributes, ClientId, Publication, Published, ServiceKey, Tick},
    registry::{
        Change, ClientNo, Command, Refused, Registry, ServiceNo, Subscriber,
        client::Client,
        service::{self, Service},
    },
};

impl Registry {
    /// Applies one command at `now` and appends what it changed. A refused command changes nothing.
    pub fn apply(&mut self, now: Tick, command: Command, changes: &mut Vec<Change>) -> Result<(), Refused> {
        match command {
            Command::Connect(client, attributes) => {
                if !self.numbers.contains_key(&client) {
                    self.connect(now, client, attributes, changes);
                }
            }
            Command::Disconnect(client) => self.disconnect(now, &client, changes),
            Command::Orphan(client) => self.orphan(&client, changes),
            Command::Register { client, publication } => {
                let found = self.find_ephemeral(&publication)?;
                let number = match self.numbers.get(&client) {
                    Some(number) => *number,
                    None if client.is_address() => self.connect(now, client, Attributes::default(), changes),
                    None => return Err(Refused::ClientGone(client)),
                };
                let service = found.unwrap_or_else(|| self.create(&publication.service));
                let known = self.services[service.0 as usize].published_by(number);
                // A repeated registration is no change: after a reconnect or a reset clients repeat all they have, and
                // nobody is to be told nor synchronised because of that.
                let repeated = known.filter(|known| known.content == publication.content);
                let published = repeated.map_or(publication.published, |known| known.published);
                self.register(now, number, service, Publication { published, ..publication }, changes);
            }
            Command::Replicate { client, publication } => self.replicate(now, client, publication, changes),
            Command::Deregister { client, service } => {
                let number = self.require(&client)?;
                if let Some(service) = self.directory.find(&service) {
                    self.deregister(now, number, service, changes);
                }
            }
            Command::Health { client, service, healthy } => {
                let number = self.require(&client)?;
                if let Some(service) = self.directory.find(&service) {
                    self.find_healthy(now, number, service, healthy, changes);
                }
            }
            Command::Subscribe { client, service, subscriber } => {
                let number = self.require(&client)?;
                self.subscribe(number, &service, subscriber, changes);
            }
            Command::Unsubscribe { client, service } => {
                let number = self.require(&client)?;
                if let Some(service) = self.directory.find(&service) {
                    self.unsubscribe(number, service, changes);
                }
            }
            Command::Agreed(change) => self.agree(now, change, changes),
            Command::Expire => self.expire(now, changes),
        }
        Ok(())
    }

    fn require(&self, client: &ClientId) -> Result<ClientNo, Refused> {
        self.numbers.get(client).copied().ok_or_else(|| Refused::ClientGone(client.clone()))
    }

    /// Makes a client that is not there.
    fn connect(&mut self, now: Tick, id: ClientId, attributes: Attributes, changes: &mut Vec<Change>) -> ClientNo {
        self.size.persistent_clients += usize::from(id.is_persistent());
        let number = ClientNo(number(self.clients.insert(Client::new(now, id.clone(), attributes))));
        self.numbers.insert(id, number);
        changes.push(Change::ClientConnected);
        number
    }

    pub(super) fn disconnect(&mut self, now: Tick, id: &ClientId, changes: &mut Vec<Change>) {
        let Some(client) = self.numbers.remove(id) else {
            return;
        };
        let slot = client.0 as usize;
        for service in std::mem::take(&mut self.clients[slot].publishes) {
            self.withdraw(now, client, service, changes);
        }
        for service in std::mem::take(&mut self.clients[slot].subscribes) {
            self.forget_subscriber(client, service, changes);
        }
        self.clients.remove(slot);
        self.size.persistent_clients -= usize::from(id.is_persistent());
        changes.push(Change::ClientDisconnected(client));
    }

    fn orphan(&mut self, id: &ClientId, changes: &mut Vec<Change>) {
        let Some(client) = self.numbers.get(id).copied() else { return };
        for service in std::mem::take(&mut self.clients[client.0 as usize].subscribes) {
            self.forget_subscriber(client, service, changes);
        }
    }

    /// Publishes what is not refused: other nodes have it too.
    pub(super) fn replicate(
        &mut self,
        now: Tick,
        client: ClientId,
        publication: Publication,
        changes: &mut Vec<Change>,
    ) {
        let known = self.numbers.get(&client).copied();
        let number = known.unwrap_or_else(|| self.connect(now, client, Attributes::default(), changes));
        let service = self.find_or_create(&publication.service);
        self.register(now, number, service, publication, changes);
    }

    fn register(
        &mut self,
        now: Tick,
        client: ClientNo,
        number: ServiceNo,
        publication: Publication,
        changes: &mut Vec<Change>,
    ) {
        let service = &mut self.services[number.0 as usize];
        let Publication { published, beating, content, .. } = publication;
        if let Some(known) = service.published_by_mut(client)
            && (known.published, &known.content) == (published, &content)
        {
            if std::mem::replace(&mut known.beating, beating) != beating {
                self.clients[client.0 as usize].changed(now);
                changes.push(Change::ClientChanged(client));
            }
            return;
        }
        self.size.instances += content.instances().len();
        service.appeared(&content);
        let replaced = service.publish(service::Publication { client, published, beating, content });
        self.size.instances -= replaced.as_ref().map_or(0, |content| content.instances().len());
        if let Some(replaced) = replaced {
            service.disappeared(now, &replaced);
        }
        service.version += 1;
        let publisher = &mut self.clients[client.0 as usize];
        if !service.listed {
            (service.listed, service.ephemeral) = (true, !publisher.id.is_persistent());
            self.size.services += 1;
        }
        self.empty.remove(number);
        publisher.publishes.insert(number);
        publisher.changed(now);
        changes.extend([Change::ClientRegistered, Change::ClientChanged(client), Change::ServiceChanged(number)]);
    }

    pub(super) fn deregister(&mut self, now: Tick, client: ClientNo, service: ServiceNo, changes: &mut Vec<Change>) {
        if !self.clients[client.0 as usize].publishes.remove(&service) {
            return;
        }
        self.clients[client.0 as usize].changed(now);
        changes.push(Change::ClientChanged(client));
        self.withdraw(now, client, service, changes);
    }

    /// Removes a publication whose client no longer lists it.
    fn withdraw(&mut self, now: Tick, client: ClientNo, number: ServiceNo, changes: &mut Vec<Change>) {
        let service = &mut self.services[number.0 as usize];
        let withdrawn = service.withdraw(client).expect("the index agrees with the client");
        self.size.instances -= withdrawn.instances().len();
        service.disappeared(now, &withdrawn);
        service.version += 1;
        if service.publications.is_empty() {
            self.empty.add(number, (), now + self.limits.empty_service_expiry);
        }
        changes.extend([Change::ClientDeregistered { service: number, client }, Change::ServiceChanged(number)]);
    }

    /// Keeps the order of publications: a beat is no newer content, so it hides nobody's.
    fn find_healthy(
        &mut self,
        now: Tick,
        client: ClientNo,
        number: ServiceNo,
        healthy: bool,
        changes: &mut Vec<Change>,
    ) {
        let service = &mut self.services[number.0 as usize];
        let instances = service.published_by_mut(client).map_or(&mut [][..], |known| known.content.instances_mut());
        if instances.iter().all(|instance| instance.healthy == healthy) {
            return;
        }
        instances.iter_mut().for_each(|instance| instance.healthy = healthy);
        service.version += 1;
        // Nacos leaves the revision as it is, so its copies on other nodes cannot notice that they missed this.
        self.clients[client.0 as usize].changed(now);
        changes.extend([Change::ClientChanged(client), Change::ServiceChanged(number)]);
    }

    fn subscribe(&mut self, client: ClientNo, key: &ServiceKey, subscriber: Subscriber, changes: &mut Vec<Change>) {
        let number = self.find_or_create(key);
        let service = &mut self.services[number.0 as usize];
        let first = service.subscribers.insert(client, subscriber).is_none();
        if first {
            self.clients[client.0 as usize].subscribes.insert(number);
            self.size.subscribers += 1;
        }
        changes.push(Change::ClientSubscribed { service: number, client, first });
    }

    fn unsubscribe(&mut self, client: ClientNo, service: ServiceNo, changes: &mut Vec<Change>) {
        if self.clients[client.0 as usize].subscribes.remove(&service) {
            self.forget_subscriber(client, service, changes);
        }
    }

    /// Removes a subscription whose client no longer lists it.
    fn forget_subscriber(&mut self, client: ClientNo, number: ServiceNo, changes: &mut Vec<Change>) {
        let removed = self.services[number.0 as usize].subscribers.remove(&client);
        assert!(removed.is_some(), "the index agrees with the client");
        self.size.subscribers -= 1;
        changes.push(Change::ClientUnsubscribed { service: number, client });
        self.forget_if_unused(number, changes);
    }

    fn expire(&mut self, now: Tick, changes: &mut Vec<Change>) {
        while let Some((number, ())) = self.empty.pop_due(now) {
            let service = &mut self.services[number.0 as usize];
            service.listed = false;
            self.size.services -= 1;
            if let Some(record) = &mut service.record {
                record.idle_since = now;
            }
            self.forget_if_unused(number, changes);
        }
        let services = &self.services;
        self.encodings.expire(now, |service| !services[service.0 as usize].subscribers.is_empty());
    }

    pub(super) fn find_or_create(&mut self, key: &ServiceKey) -> ServiceNo {
        self.directory.find(key).unwrap_or_else(|| self.create(key))
    }

    /// The number of a service that takes ephemeral instances; none when it is not there yet.
    fn find_ephemeral(&self, publication: &Publication) -> Result<Option<ServiceNo>, Refused> {
        let key = &publication.service;
        let Some(number) = self.directory.find(key) else { return Ok(None) };
        let service = &self.services[number.0 as usize];
        if service.listed && !service.ephemeral {
            return Err(match publication.content {
                Published::One(_) => Refused::IsPersistent(key.clone()),
                Published::Batch(_) => Refused::TakesNoBatch(key.clone()),
            });
        }
        Ok(Some(number))
    }

    /// Makes a service that is not there.
    fn create(&mut self, key: &ServiceKey) -> ServiceNo {
        let created = ServiceNo(number(self.services.insert(Service::new(key.clone(), self.absent_stamp))));
        self.directory.insert(key, created);
        created
    }

    pub(super) fn forget_if_unused(&mut self, number: ServiceNo, changes: &mut Vec<Change>) {
        let service = &self.services[number.0 as usize];
        if service.listed
            || service.record.is_some()
            || !service.publications.is_empty()
            || !service.subscribers.is_empty()
        {
            return;
        }
        // Whoever asks for it again must not be shown an older stamp than it was.
        self.absent_stamp = self.absent_stamp.max(service.next_stamp());
        self.directory.remove(&service.key);
        self.services.remove(number.0 as usize);
        self.encodings.forget(number);
        changes.push(Change::ServiceRemoved(number));
    }
}

/// A slab index as one of our numbers. Four thousand million clients do not fit into one process.
fn number(slot: usize) -> u32 {
    u32::try_from(slot).expect("fewer than 2^32 clients and services")
}
