//! Registrations that live as long as they beat (Nacos `InstanceOperatorClientImpl.handleBeat`).

use crate::{
    health::{Silent, Verdict},
    model::{ClientId, HybridTime, Instance, InstanceId, Millis, Now, Publication, Published, ServiceKey, Span},
    node::{Beat, Cause, Node, Rejection, Reply},
    registry::Command,
};

impl Node {
    pub(super) fn register_beating(
        &mut self,
        now: Now,
        client: &ClientId,
        service: &ServiceKey,
        instance: Box<Instance>,
    ) -> Result<Reply, Rejection> {
        self.claim(now, client);
        let publication = self.publication(now, service, Published::One(instance), true);
        self.apply(now, Command::Register { client: client.clone(), publication })?;
        let (service, client) = self.numbers(service, client).expect("just registered");
        self.health.watch(now.tick, service, client, &self.registry);
        Ok(Reply::Done)
    }

    /// A registration that lives as long as its client or until it is withdrawn, in place of one that had to beat.
    pub(super) fn register_lasting(
        &mut self,
        now: Now,
        client: ClientId,
        service: &ServiceKey,
        content: Published,
    ) -> Result<Reply, Rejection> {
        if client.is_address() {
            self.claim(now, &client);
        }
        let before = self.numbers(service, &client);
        let publication = self.publication(now, service, content, false);
        self.apply(now, Command::Register { client, publication })?;
        // Not left to the changes: the same content again is none, but it lasts from now on.
        if let Some((service, client)) = before {
            self.health.forget(service, client);
        }
        Ok(Reply::Done)
    }

    pub(super) fn beat(
        &mut self,
        now: Now,
        client: &ClientId,
        service: &ServiceKey,
        instance: Option<Box<Instance>>,
    ) -> Result<Reply, Rejection> {
        self.claim(now, client);
        let numbers = self.numbers(service, client);
        let published = numbers.and_then(|(service, client)| self.registry.published(service, client));
        let known = published.and_then(|content| content.instances().first());
        let Some(((service_no, client_no), known)) = numbers.zip(known) else {
            return self.beat_of_unknown(now, client, service, instance);
        };
        let (healthy, interval) = (known.healthy, self.beat_interval(known));
        let beating = self.health.beat(now.tick, service_no, client_no);
        let inherited = self.health.is_inherited(service_no, client_no);
        if !healthy {
            let command = Command::Health { client: client.clone(), service: service.clone(), healthy: true };
            self.apply_as(now, command, Cause::Heard)?;
            if beating {
                self.health.watch(now.tick, service_no, client_no, &self.registry);
            }
        }
        if inherited {
            // Alive, but the node that owned it may have known of something newer: it is to register again.
            self.health.inherit(now.tick, service_no, client_no, &self.registry);
            return self.beat_of_unknown(now, client, service, instance);
        }
        Ok(Reply::Beat(Beat::Alive { interval }))
    }

    fn beat_of_unknown(
        &mut self,
        now: Now,
        client: &ClientId,
        service: &ServiceKey,
        instance: Option<Box<Instance>>,
    ) -> Result<Reply, Rejection> {
        let Some(instance) = instance else {
            return Ok(Reply::Beat(Beat::Unknown));
        };
        let interval = self.beat_interval(&instance);
        self.register_beating(now, client, service, instance)?;
        Ok(Reply::Beat(Beat::Alive { interval }))
    }

    /// Does what silence makes of instances.
    pub(super) fn expire_silent(&mut self, now: Now) {
        let mut silent = Vec::new();
        let (brake, registry) = (&mut self.brake, &self.registry);
        let may_go = |service, count| brake.admits(now.tick, service, registry.instances(service), count);
        self.health.poll(now.tick, registry, may_go, &mut silent);
        for Silent { service, client, verdict } in silent {
            let (client, service) = (self.registry.client_id(client).clone(), self.registry.key(service).clone());
            let done = match verdict {
                Verdict::Unhealthy => {
                    self.apply_as(now, Command::Health { client, service, healthy: false }, Cause::Silence)
                }
                Verdict::Removed => self.remove_silent(now, client, service),
            };
            done.expect("a client that publishes is there");
        }
    }

    fn remove_silent(&mut self, now: Now, client: ClientId, service: ServiceKey) -> Result<(), Rejection> {
        self.apply_as(now, Command::Deregister { client: client.clone(), service }, Cause::Silence)?;
        if self.registry.is_idle(&client) {
            self.apply_as(now, Command::Disconnect(client), Cause::Silence)?;
        }
        Ok(())
    }

    /// What is published now.
    fn publication(&mut self, now: Now, service: &ServiceKey, mut content: Published, beating: bool) -> Publication {
        let published = self.mint(now, service, content.instances_mut());
        Publication { service: service.clone(), published, beating, content }
    }

    /// Gives ids to instances that asked for generated ones, unique in the cluster (Nacos generator `snowflake`).
    pub(super) fn mint(&mut self, now: Now, service: &ServiceKey, instances: &mut [Instance]) -> HybridTime {
        let published = self.clock.give(now, HybridTime::default());
        let node = self.members.cluster().this.node.0 as u16;
        for (place, instance) in instances.iter_mut().enumerate() {
            if instance.id == InstanceId::Snowflake {
                let (time, cluster, service) = (published.0, &instance.cluster, service.grouped());
                let id = format!("{time}{node:05}{place:03}#{cluster}#{service}");
                instance.id = InstanceId::Given(id.into());
            }
        }
        published
    }

    /// How often an instance is to beat: as it says itself, or as all are told.
    fn beat_interval(&self, instance: &Instance) -> Millis {
        instance.own_beat_interval().unwrap_or_else(|| self.switches.span(Span::ClientBeat))
    }
}
