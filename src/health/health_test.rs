//! When silence counts, what a beat costs, and how much is done at once. The life of an instance is in `node/beat_test.rs`.

use super::*;
use crate::{
    model::{Attributes, ClientId, Published, ServiceKey},
    registry::{Command, Limits},
};

/// Heart beats over a registry, with a checked step each.
struct Scene {
    registry: Registry,
    health: Health,
}

impl Scene {
    fn new() -> Self {
        let limits = Limits { empty_service_expiry: 60_000, encodings: 0 };
        Self { registry: Registry::new(limits), health: Health::default() }
    }

    /// Not checked yet: after a poll the books are right once all its verdicts are carried out.
    fn apply(&mut self, command: Command) {
        let mut changes = Vec::new();
        self.registry.apply(Tick(0), command, &mut changes).expect("applies");
        changes.into_iter().for_each(|change| self.health.note(change));
    }

    /// Publishes an instance with these times at tick 0 and expects beats of it.
    fn watch(&mut self, port: u16, times: &[(&str, &str)]) -> Key {
        let (client, service) = (ClientId::address("10.0.0.1", port), ServiceKey::new("", "", "s").expect("legal"));
        let metadata = times.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let instance = Instance { ip: "10.0.0.1".into(), port, metadata, ..Instance::default() };
        self.apply(Command::Connect(client.clone(), Attributes::default()));
        let content = Published::One(Box::new(instance));
        self.apply(Command::register(&client, service.clone(), content));
        let service = self.registry.find(&service).expect("registered");
        let client = self.registry.client_no(&client).expect("connected");
        self.health.watch(Tick(0), service, client, &self.registry);
        self.health.check(&self.registry);
        (service, client)
    }

    /// Polls and does what the verdicts say.
    fn poll(&mut self, now: u64) -> Vec<Verdict> {
        let mut silent = Vec::new();
        self.health.poll(Tick(now), &self.registry, |_, _| true, &mut silent);
        for found in &silent {
            let client = self.registry.client_id(found.client).clone();
            let service = self.registry.key(found.service).clone();
            self.apply(match found.verdict {
                Verdict::Unhealthy => Command::Health { client, service, healthy: false },
                Verdict::Removed => Command::Deregister { client, service },
            });
        }
        self.health.check(&self.registry);
        silent.into_iter().map(|silent| silent.verdict).collect()
    }
}

#[test]
fn silence_counts_on_time_and_not_before() {
    let mut scene = Scene::new();
    scene.watch(80, &[]);
    assert_eq!(scene.health.next_due(), Some(Tick(15_000)));
    assert_eq!(scene.poll(14_999), []);
    assert_eq!(scene.poll(15_000), [Verdict::Unhealthy]);
    assert_eq!(scene.health.next_due(), Some(Tick(30_000)));
    assert_eq!(scene.poll(29_999), []);
    assert_eq!(scene.poll(30_000), [Verdict::Removed]);
    assert_eq!(scene.health.next_due(), None);
    assert_eq!(scene.health.counts(), Counts { beating: 0, unhealthy: 1, removed: 1 });
}

#[test]
fn after_a_pause_of_the_node_itself_silence_begins_anew() {
    let mut scene = Scene::new();
    scene.watch(80, &[]);
    // Due at 15 s; the node runs again after two minutes.
    assert_eq!(scene.poll(135_000), []);
    assert_eq!(scene.health.next_due(), Some(Tick(150_000)));
    assert_eq!(scene.poll(150_000), [Verdict::Unhealthy]);
    assert_eq!(scene.poll(165_000), [Verdict::Removed]);
}

#[test]
fn a_beat_leaves_the_due_time_and_is_found_when_it_comes() {
    let mut scene = Scene::new();
    let (service, client) = scene.watch(80, &[]);
    for beat in [5_000, 10_000] {
        assert!(scene.health.beat(Tick(beat), service, client));
        assert_eq!(scene.health.next_due(), Some(Tick(15_000)));
    }
    assert_eq!(scene.poll(15_000), []);
    assert_eq!(scene.health.next_due(), Some(Tick(25_000)));
    assert_eq!(scene.poll(25_000), [Verdict::Unhealthy]);
}

#[test]
fn a_poll_that_is_late_for_both_removes_at_once() {
    let mut scene = Scene::new();
    scene.watch(80, &[("preserved.ip.delete.timeout", "15500")]);
    assert_eq!(scene.poll(15_900), [Verdict::Removed]);
}

#[test]
fn an_instance_may_be_removed_before_it_would_be_unhealthy() {
    let mut scene = Scene::new();
    scene.watch(80, &[("preserved.ip.delete.timeout", "6000")]);
    assert_eq!(scene.health.next_due(), Some(Tick(6_000)));
    assert_eq!(scene.poll(6_000), [Verdict::Removed]);
}

#[test]
fn times_beyond_the_end_of_time_never_come() {
    let mut scene = Scene::new();
    let never = "99999999999999999999999";
    scene.watch(80, &[("preserved.heart.beat.timeout", never), ("preserved.ip.delete.timeout", never)]);
    assert_eq!(scene.poll(u64::MAX / 2), []);
}

#[test]
fn one_poll_looks_at_a_bounded_number() {
    let mut scene = Scene::new();
    let all = limits::SILENT_PER_POLL as u16 + 10;
    for port in 0..all {
        scene.watch(port, &[]);
    }
    assert_eq!(scene.poll(15_000).len(), limits::SILENT_PER_POLL);
    assert_eq!(scene.health.next_due(), Some(Tick(15_000)), "to be called again");
    assert_eq!(scene.poll(15_000).len(), 10);
    assert_eq!(scene.health.counts().beating, usize::from(all));
}

#[test]
fn what_is_withdrawn_is_forgotten() {
    let mut scene = Scene::new();
    let (service, client) = scene.watch(80, &[]);
    scene.apply(Command::Disconnect(ClientId::address("10.0.0.1", 80)));
    scene.health.check(&scene.registry);
    assert!(!scene.health.beat(Tick(1), service, client));
    assert_eq!((scene.health.next_due(), scene.health.counts().beating), (None, 0));
}
