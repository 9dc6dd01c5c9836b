//! Each promise of the engine, one by one, on a registry of its own.

use super::*;
use crate::{
    model::{Attributes, ClusterFilter, Instance, Published},
    registry::{Command, Limits, Subscriber},
};

const SETTINGS: Settings = Settings::DEFAULT;

enum Left {
    Push(Push),
    Oversized(Oversized),
}

impl From<Push> for Left {
    fn from(push: Push) -> Self {
        Left::Push(push)
    }
}

impl From<Oversized> for Left {
    fn from(oversized: Oversized) -> Self {
        Left::Oversized(oversized)
    }
}

/// An engine with its registry, checked after every step.
pub(super) struct Scene {
    registry: Registry,
    pub(super) engine: PushEngine,
    clock: HybridClock,
    pub(super) now: Tick,
    oversized: Vec<Oversized>,
}

impl Scene {
    pub(super) fn new() -> Self {
        let mut clock = HybridClock::above(0, Tick(0));
        clock.raise_ceiling(u64::MAX / 2);
        Self {
            registry: Registry::new(Limits { empty_service_expiry: 60_000, encodings: 64 << 20 }),
            engine: PushEngine::new(SETTINGS),
            clock,
            now: Tick(10_000),
            oversized: Vec::new(),
        }
    }

    /// A service `s` with the subscriber `b`, who has acknowledged its first push; `a` is there to publish.
    fn settled() -> Self {
        let mut scene = Self::new();
        scene.subscribe("b", "s", "");
        scene.connect("a");
        scene.acknowledge_all(1_000);
        scene
    }

    fn apply(&mut self, command: Command) {
        let mut changes = Vec::new();
        self.registry.apply(self.now, command, &mut changes).expect("not refused");
        for change in changes {
            self.engine.note(self.now, change, &self.registry);
        }
        self.check();
    }

    pub(super) fn check(&self) {
        self.registry.check();
        self.engine.check(&self.registry);
        let size = self.registry.size();
        assert!(self.engine.pending() <= size.subscribers + size.services, "marks are bounded");
        assert!(self.engine.flights.all().len() <= size.subscribers, "pushes in flight are bounded");
    }

    fn connect(&mut self, client: &str) {
        self.apply(Command::Connect(client.into(), Attributes::default()));
    }

    pub(super) fn disconnect(&mut self, client: &str) {
        self.apply(Command::Disconnect(client.into()));
    }

    pub(super) fn publish(&mut self, client: &str, service: &str, instances: Vec<Instance>) {
        self.connect(client);
        let content = Published::Batch(instances.into());
        self.apply(Command::register(&client.into(), key(service), content));
    }

    pub(super) fn register(&mut self, client: &str, service: &str, ports: &[u16]) {
        self.publish(client, service, ports.iter().map(|port| instance(*port, "DEFAULT")).collect());
    }

    pub(super) fn subscribe(&mut self, client: &str, service: &str, clusters: &str) {
        self.connect(client);
        let subscriber =
            Subscriber { clusters: clusters.into(), filter: ClusterFilter::parse(clusters), attributes: None };
        self.apply(Command::Subscribe { client: client.into(), service: key(service), subscriber });
    }

    pub(super) fn unsubscribe(&mut self, client: &str, service: &str) {
        self.apply(Command::Unsubscribe { client: client.into(), service: key(service) });
    }

    pub(super) fn poll(&mut self) -> Vec<Push> {
        let mut left = Vec::new();
        let now = Now { tick: self.now, wall: 1_000_000 + self.now.0 };
        self.engine.poll(now, &mut self.registry, &mut self.clock, &mut left);
        self.check();
        let mut pushes = Vec::new();
        for left in left {
            match left {
                Left::Push(push) => pushes.push(push),
                Left::Oversized(oversized) => self.oversized.push(oversized),
            }
        }
        pushes
    }

    /// Lets `millis` pass and returns what leaves meanwhile, with its time since the start.
    pub(super) fn pass(&mut self, millis: Millis) -> Vec<(Millis, Push)> {
        let (start, end) = (self.now, self.now + millis);
        let mut left = Vec::new();
        while let Some(due) = self.engine.next_due().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            let at = self.now.since(start);
            left.extend(self.poll().into_iter().map(|push| (at, push)));
        }
        self.now = end;
        left
    }

    /// Lets time pass until exactly one push leaves, and returns how long that took.
    pub(super) fn next_push(&mut self) -> (Millis, Push) {
        let start = self.now;
        loop {
            self.now = self.now.max(self.engine.next_due().expect("something is to come"));
            let left = self.poll();
            if !left.is_empty() {
                return (self.now.since(start), only(left));
            }
        }
    }

    fn ack(&mut self, client: &str, number: Option<PushNo>, success: bool) -> Option<Millis> {
        let client = self.registry.client_no(&client.into())?;
        let taken = self.engine.acked(self.now, client, number, success);
        self.check();
        taken
    }

    /// Lets time pass with every push acknowledged as soon as it leaves.
    fn acknowledge_all(&mut self, millis: Millis) -> Vec<Push> {
        let end = self.now + millis;
        let mut all = Vec::new();
        while let Some(due) = self.engine.next_due().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            for push in self.poll() {
                assert!(self.ack(push.client.as_str(), Some(push.number), true).is_some(), "is waited for");
                all.push(push);
            }
        }
        self.now = end;
        all
    }
}

pub(super) fn key(name: &str) -> ServiceKey {
    ServiceKey::new("", "", name).expect("legal")
}

pub(super) fn instance(port: u16, cluster: &str) -> Instance {
    Instance { ip: "10.0.0.1".into(), port, cluster: cluster.into(), ..Instance::default() }
}

pub(super) fn ports(push: &Push) -> Vec<u64> {
    let hosts: serde_json::Value = serde_json::from_slice(&push.hosts).expect("JSON");
    hosts.as_array().expect("an array").iter().map(|host| host["port"].as_u64().expect("a port")).collect()
}

pub(super) fn only<T>(mut list: Vec<T>) -> T {
    assert_eq!(list.len(), 1, "exactly one");
    list.remove(0)
}

#[test]
fn the_first_change_of_a_quiet_service_leaves_at_once() {
    let mut scene = Scene::settled();
    scene.register("a", "s", &[1]);
    assert_eq!(scene.engine.next_due(), Some(scene.now));
    let push = only(scene.poll());
    assert_eq!((push.client.as_str(), ports(&push)), ("b", vec![1]));
}

#[test]
fn two_changes_of_a_quiet_service_in_one_moment_leave_at_once() {
    let mut scene = Scene::settled();
    scene.register("a", "s", &[1]);
    scene.register("c", "s", &[2]);
    assert_eq!(ports(&only(scene.poll())), [1, 2]);
}

#[test]
fn changes_inside_the_window_merge_into_one_push() {
    let mut scene = Scene::settled();
    scene.register("a", "s", &[1]);
    let first = only(scene.poll());
    scene.now = scene.now + 5;
    assert_eq!(scene.ack("b", Some(first.number), true), Some(5), "how long the change took");
    for (at, port) in [(10, 2), (45, 3), (90, 4)] {
        let gap = Tick(11_000 + at).since(scene.now);
        assert_eq!(scene.pass(gap).len(), 0);
        scene.register("a", "s", &[port]);
    }
    let (at, push) = only(scene.pass(1_000));
    assert_eq!((90 + at, ports(&push)), (100, vec![4]), "a window after the push before");
}

#[test]
fn one_push_is_in_flight_and_the_newest_state_waits_behind_it() {
    let mut scene = Scene::settled();
    scene.register("a", "s", &[1]);
    let first = only(scene.poll());
    for port in 2..6 {
        scene.register("a", "s", &[port]);
        assert_eq!(scene.pass(400).len(), 0, "one is in flight");
    }
    scene.ack("b", Some(first.number), true);
    assert_eq!(scene.engine.next_due(), Some(scene.now));
    let second = only(scene.poll());
    assert_eq!(ports(&second), [5], "what came between is never sent");
    assert_eq!(second.supersedes, Some(first.number));
    assert!(second.stamp > first.stamp);
    scene.ack("b", Some(second.number), true);
    assert_eq!(scene.pass(60_000).len(), 0);
    assert_eq!(scene.engine.next_due(), None);
}

#[test]
fn an_ack_without_a_number_is_for_the_oldest_push_in_flight() {
    let mut scene = Scene::new();
    for service in ["s", "t"] {
        scene.subscribe("b", service, "");
    }
    let pushes: Vec<Push> = scene.pass(1_000).into_iter().map(|(_, push)| push).collect();
    assert_eq!(pushes.len(), 2);
    assert!(scene.ack("b", None, true).is_some());
    assert!(scene.ack("b", Some(pushes[0].number), true).is_none(), "taken by the ack without a number");
    assert!(scene.ack("b", Some(pushes[1].number), true).is_some());
    assert!(scene.ack("b", None, true).is_none());
}

#[test]
fn late_foreign_and_repeated_acks_are_ignored() {
    let mut scene = Scene::settled();
    scene.connect("c");
    scene.register("a", "s", &[1]);
    let push = only(scene.poll());
    for number in [None, Some(push.number)] {
        assert_eq!(scene.ack("c", number, false), None, "somebody else's");
    }
    assert_eq!(scene.ack("b", Some(PushNo(push.number.0 + 1)), false), None, "never sent");
    assert!(scene.ack("b", Some(push.number), true).is_some());
    let counts = scene.engine.counts();
    assert_eq!(scene.ack("b", Some(push.number), false), None, "answered already");
    assert_eq!(scene.engine.counts(), counts);
    scene.register("a", "s", &[2]);
    let (_, late) = only(scene.pass(5_000));
    let (_, again) = only(scene.pass(1_300));
    assert_eq!(scene.ack("b", Some(late.number), true), None, "timed out before");
    assert_eq!(ports(&again), [2]);
    assert!(scene.ack("b", Some(again.number), true).is_some());
}

#[test]
fn a_refused_push_is_tried_again_after_growing_pauses_until_it_is_taken() {
    let mut scene = Scene::settled();
    scene.register("a", "s", &[1]);
    let mut push = only(scene.poll());
    for pause in [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
        assert_eq!(scene.ack("b", Some(push.number), false), None);
        let stamp = push.stamp;
        let (at, again) = scene.next_push();
        assert!((pause..=pause + pause / 4).contains(&at), "{at} of {pause}");
        assert!(again.stamp > stamp && ports(&again) == [1]);
        push = again;
    }
    assert!(scene.ack("b", Some(push.number), true).is_some());
    assert_eq!(scene.pass(60_000).len(), 0);
    assert_eq!(scene.engine.counts().refused, 7);
}

#[test]
fn a_push_without_an_answer_is_sent_again_and_news_do_not_wait_for_it_twice() {
    let mut scene = Scene::settled();
    scene.register("a", "s", &[1]);
    let lost = only(scene.poll());
    let (at, again) = scene.next_push();
    assert!((6_000..=6_250).contains(&at) && ports(&again) == [1] && again.stamp > lost.stamp, "{at}");
    scene.register("a", "s", &[2]);
    let (at, news) = scene.next_push();
    assert_eq!((at, ports(&news)), (5_000, vec![2]), "at its time-out, without a pause");
    assert_eq!(scene.engine.counts().timed_out, 2);
}

#[test]
fn what_was_acknowledged_is_not_sent_again() {
    let mut scene = Scene::settled();
    scene.register("a", "s", &[1]);
    scene.acknowledge_all(1_000);
    let sent = scene.engine.counts().sent;
    scene.register("a", "s", &[1]);
    assert_eq!(scene.engine.next_due(), None, "a repeated registration is no change");
    scene.register("c", "s", &[2]);
    scene.disconnect("c");
    assert_eq!(scene.acknowledge_all(10_000).len(), 0, "there and gone again");
    let counts = scene.engine.counts();
    assert_eq!((counts.sent, counts.unchanged), (sent, 1));
}

#[test]
fn what_a_failed_push_carried_is_not_taken_as_seen() {
    let mut scene = Scene::settled();
    scene.register("a", "s", &[1]);
    scene.acknowledge_all(1_000);
    scene.register("a", "s", &[2]);
    let lost = only(scene.poll());
    scene.register("a", "s", &[1]);
    scene.pass(1_000);
    assert_eq!(scene.ack("b", Some(lost.number), false), None);
    assert_eq!(ports(&only(scene.acknowledge_all(2_000))), [1], "the refused list may have been applied");
}

#[test]
fn a_first_subscription_is_pushed_once_inside_the_window_and_a_second_never() {
    let mut scene = Scene::new();
    scene.subscribe("b", "s", "");
    let (at, push) = only(scene.pass(3_000));
    assert!(at <= SETTINGS.window && push.hosts == "[]", "also for a service nobody publishes");
    scene.ack("b", Some(push.number), true);
    scene.subscribe("b", "s", "c1");
    assert_eq!(scene.pass(10_000).len(), 0);
    scene.publish("a", "s", vec![instance(1, "c1"), instance(2, "c2")]);
    let push = only(scene.poll());
    assert_eq!((push.clusters.as_str(), ports(&push)), ("c1", vec![1]), "by the filter it has now");
}

#[test]
fn another_filter_calls_the_push_in_flight_off() {
    let mut scene = Scene::settled();
    scene.publish("a", "s", vec![instance(1, "c1")]);
    let old = only(scene.poll());
    scene.register("a", "s", &[2]);
    scene.pass(500);
    scene.subscribe("b", "s", "c1");
    assert_eq!(scene.ack("b", Some(old.number), true), None, "it says nothing of the new filter");
    assert_eq!(scene.pass(60_000).len(), 0, "the answer told the rest");
    scene.publish("a", "s", vec![instance(1, "c1")]);
    assert_eq!(ports(&only(scene.poll())), [1], "acknowledged under the old filter only");
}

#[test]
fn nothing_is_left_of_a_subscription_that_ended() {
    type End = fn(&mut Scene);
    let ends: [End; 2] = [|scene| scene.unsubscribe("b", "s"), |scene| scene.disconnect("b")];
    let moments: [End; 4] = [
        |_| {},
        |scene| drop(scene.poll()),
        |scene| {
            let push = only(scene.poll());
            scene.ack("b", Some(push.number), false);
        },
        |scene| {
            scene.poll();
            scene.register("a", "s", &[2]);
            scene.pass(300);
        },
    ];
    for end in ends {
        for moment in moments {
            let mut scene = Scene::settled();
            scene.register("a", "s", &[1]);
            moment(&mut scene);
            end(&mut scene);
            assert_eq!(scene.pass(SETTINGS.window).len(), 0);
            assert_eq!((scene.engine.next_due(), scene.engine.pending()), (None, 0), "nor is anything waited for");
            scene.register("a", "s", &[9]);
            assert_eq!(scene.pass(60_000).len(), 0);
        }
    }
}

#[test]
fn an_oversized_list_is_told_once_and_not_pushed() {
    let mut scene = Scene::settled();
    for client in ["c", "d"] {
        scene.subscribe(client, "s", "");
    }
    scene.acknowledge_all(1_000);
    let labels = [("k".into(), "v".repeat(1_000).into())];
    let large = |port| Instance { metadata: labels.clone().into_iter().collect(), ..instance(port, "DEFAULT") };
    scene.publish("a", "s", (0..3_500).map(large).collect());
    assert_eq!(scene.pass(60_000).len(), 0);
    assert!(only(std::mem::take(&mut scene.oversized)).bytes > limits::PUSH_BYTES);
    assert_eq!(scene.engine.counts().oversized, 3, "each subscriber that went without is counted");
    scene.register("a", "s", &[1]);
    assert_eq!(scene.acknowledge_all(1_000).len(), 3, "it fits again");
}

#[test]
fn a_poll_is_bounded_and_one_service_is_always_finished() {
    let mut scene = Scene::new();
    let many = limits::PUSHES_PER_POLL + 50;
    for n in 0..many {
        scene.connect(&format!("b{n}"));
        let subscriber = Subscriber { clusters: "".into(), filter: ClusterFilter::default(), attributes: None };
        let service = key(&format!("s{n}"));
        let mut changes = Vec::new();
        for service in [service, key("all")] {
            let client = format!("b{n}").as_str().into();
            let command = Command::Subscribe { client, service, subscriber: subscriber.clone() };
            scene.registry.apply(scene.now, command, &mut changes).expect("not refused");
        }
        for change in changes {
            scene.engine.note(scene.now, change, &scene.registry);
        }
    }
    let due = scene.engine.next_due().expect("first subscriptions");
    scene.now = due;
    assert_eq!(scene.poll().len(), limits::PUSHES_PER_POLL);
    assert_eq!(scene.engine.next_due(), Some(due), "work remains");
    assert_eq!(scene.poll().len(), limits::PUSHES_PER_POLL);
    assert_eq!(scene.poll().len(), 2 * many - 2 * limits::PUSHES_PER_POLL);
    for (client, number) in scene.engine.flights.all() {
        scene.engine.acked(scene.now, client, Some(number), true);
    }
    scene.register("a", "all", &[1]);
    assert_eq!(scene.poll().len(), many, "one service to all its subscribers");
}
