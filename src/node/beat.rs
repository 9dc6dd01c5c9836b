//! Registrations that live as long as they beat (Nacos `InstanceOperatorClientImpl.handleBeat`).

use crate::{
    health::{Silent, Verdict},
    model::{ClientId, Instance, Millis, Published, ServiceKey, Span, Tick},
    node::{Beat, Node, Rejection, Reply},
    registry::Command,
};

impl Node {
    pub(super) fn register_beating(
        &mut self,
        now: Tick,
        client: &ClientId,
        service: &ServiceKey,
        instance: Box<Instance>,
    ) -> Result<Reply, Rejection> {
        let content = Published::One(instance);
        self.apply(now, Command::Register { client: client.clone(), service: service.clone(), content })?;
        let (service, client) = self.numbers(service, client).expect("just registered");
        self.health.watch(now, service, client, &self.registry);
        Ok(Reply::Done)
    }

    /// A registration that lives as long as its client or until it is withdrawn, in place of one that had to beat.
    pub(super) fn register_lasting(
        &mut self,
        now: Tick,
        client: ClientId,
        service: ServiceKey,
        content: Published,
    ) -> Result<Reply, Rejection> {
        let before = self.numbers(&service, &client);
        self.apply(now, Command::Register { client, service, content })?;
        // Not left to the changes: the same content again is none, but it lasts from now on.
        if let Some((service, client)) = before {
            self.health.forget(service, client);
        }
        Ok(Reply::Done)
    }

    pub(super) fn beat(
        &mut self,
        now: Tick,
        client: ClientId,
        service: ServiceKey,
        instance: Option<Box<Instance>>,
    ) -> Result<Reply, Rejection> {
        let numbers = self.numbers(&service, &client);
        let published = numbers.and_then(|(service, client)| self.registry.published(service, client));
        let known = published.and_then(|content| content.instances().first());
        let Some(((service_no, client_no), known)) = numbers.zip(known) else {
            return self.beat_of_unknown(now, &client, &service, instance);
        };
        let (healthy, interval) = (known.healthy, self.beat_interval(known));
        let beating = self.health.beat(now, service_no, client_no);
        if !healthy {
            self.apply(now, Command::Health { client, service, healthy: true })?;
            if beating {
                self.health.watch(now, service_no, client_no, &self.registry);
            }
        }
        Ok(Reply::Beat(Beat::Alive { interval }))
    }

    fn beat_of_unknown(
        &mut self,
        now: Tick,
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
    pub(super) fn expire_silent(&mut self, now: Tick) {
        let mut silent = Vec::new();
        self.health.poll(now, &self.registry, &mut silent);
        for Silent { service, client, verdict } in silent {
            let (client, service) = (self.registry.client_id(client).clone(), self.registry.key(service).clone());
            let done = match verdict {
                Verdict::Unhealthy => self.apply(now, Command::Health { client, service, healthy: false }),
                Verdict::Removed => self.deregister(now, client, service).map(drop),
            };
            done.expect("a client that publishes is there");
        }
    }

    /// How often an instance is to beat: as it says itself, or as all are told.
    fn beat_interval(&self, instance: &Instance) -> Millis {
        instance.own_beat_interval().unwrap_or_else(|| self.switches.span(Span::ClientBeat))
    }
}
