//! Copies of other nodes' clients: they enter the same registry, and from there on nobody knows where a change came from.

use std::collections::BTreeSet;

use crate::{
    model::{ClientId, ClientState, HybridTime, NodeId, Now, ServiceKey, Tick, Version},
    node::{Cause, Node},
    registry::{ClientNo, Command},
};

impl Node {
    /// Has a client publish what its state says and nothing else.
    pub(super) fn learn(&mut self, now: Now, state: &ClientState) {
        if let Some(client) = self.registry.client_no(&state.id) {
            self.stop_watching(client);
        }
        if state.publications.is_empty() {
            self.remove_copy(now, &state.id);
            self.distro.learned(now.tick, state, None, self.members.cluster());
            return;
        }
        self.copy(now, Command::Connect(state.id.clone(), state.attributes.clone()));
        let kept: BTreeSet<&ServiceKey> = state.publications.iter().map(|publication| &publication.service).collect();
        for service in self.services_of(&state.id) {
            if !kept.contains(&service) {
                self.copy(now, Command::Deregister { client: state.id.clone(), service });
            }
        }
        let later = self.written_later(state);
        for publication in &state.publications {
            if !later.contains(&publication.service) {
                self.copy(now, Command::Replicate { client: state.id.clone(), publication: publication.clone() });
            }
        }
        let client = self.registry.client_no(&state.id);
        self.distro.learned(now.tick, state, client, self.members.cluster());
        if !later.is_empty() {
            self.claim_as(now, &state.id, |_, time, node| Version::written(time, node));
        }
    }

    /// For which services a client known by its address wrote to this node after what a newer state of it says: the node that
    /// made that state did not know, and was written to for another service since.
    fn written_later(&self, state: &ClientState) -> BTreeSet<ServiceKey> {
        let client = self.registry.client_no(&state.id).filter(|_| state.id.is_address());
        let known = client.map_or_else(Vec::new, |client| self.registry.publications(client));
        let told = |service: &ServiceKey| state.publications.iter().find(|publication| publication.service == *service);
        let later = known
            .into_iter()
            .filter(|known| told(&known.service).is_some_and(|publication| publication.published < known.published));
        later.map(|known| known.service).collect()
    }

    /// Has a client publish nothing any more. One known by its address may still poll.
    pub(super) fn remove_copy(&mut self, now: Now, id: &ClientId) {
        if !id.is_address() {
            self.copy(now, Command::Disconnect(id.clone()));
            return;
        }
        for service in self.services_of(id) {
            self.copy(now, Command::Deregister { client: id.clone(), service });
        }
        if self.registry.is_idle(id) {
            self.copy(now, Command::Disconnect(id.clone()));
        }
    }

    fn services_of(&self, id: &ClientId) -> Vec<ServiceKey> {
        let Some(client) = self.registry.client_no(id) else { return Vec::new() };
        self.registry.publishes_for(client).map(|service| self.registry.key(service).clone()).collect()
    }

    fn copy(&mut self, now: Now, command: Command) {
        self.apply_as(now, command, Cause::Copy).expect("a copy is not refused");
    }

    /// Expects the beats of a client that this node owns from now on.
    pub(super) fn watch(&mut self, now: Tick, client: ClientNo) {
        let services: Vec<_> = self.registry.publishes_for(client).collect();
        for service in services {
            if self.registry.beats(service, client) {
                self.health.inherit(now, service, client, &self.registry);
            }
        }
    }

    /// Leaves the beats of a client to its owner.
    fn stop_watching(&mut self, client: ClientNo) {
        for service in self.registry.publishes_for(client) {
            self.health.forget(service, client);
        }
    }

    /// Makes a client known by its address this node's own, because it was heard here.
    pub(super) fn claim(&mut self, now: Now, id: &ClientId) {
        self.claim_as(now, id, Version::heard);
    }

    /// Makes a client this node's own at the version that comes of the one it had and a later time.
    fn claim_as(&mut self, now: Now, id: &ClientId, version: impl FnOnce(Version, HybridTime, NodeId) -> Version) {
        let Some(client) = self.registry.client_no(id) else { return };
        let (clock, node) = (&mut self.clock, self.members.cluster().this.node);
        let next = |before: Version| version(before, clock.give(now, before.latest()), node);
        if self.distro.claim(now.tick, client, next) {
            self.watch(now.tick, client);
        }
    }
}
