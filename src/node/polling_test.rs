//! The life of subscriptions by polling: each promise, and random histories against a model that knows only the last poll.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use proptest::prelude::*;

use super::*;
use crate::{
    model::{Attributes, Instance, Published, limits},
    push::Push,
};

const SETTINGS: Settings = Settings::DEFAULT;
const WINDOW: Millis = SETTINGS.push.window;
const A: ([u8; 4], u16) = ([10, 0, 0, 1], 55_000);
const B: ([u8; 4], u16) = ([10, 0, 0, 2], 55_000);

/// A node, checked after every step, and whether its subscribers answer.
struct Scene {
    node: Node,
    now: Now,
    answering: bool,
}

impl Scene {
    fn new() -> Self {
        let now = Now { tick: Tick(0), wall: 1_700_000_000_000 };
        let mut scene =
            Self { node: Node::new(SETTINGS, Membership::alone(NodeId(1), "n1:8848"), now, 0), now, answering: true };
        scene.handle(Input::CeilingStored(u64::MAX / 2));
        scene
    }

    fn handle(&mut self, input: Input) -> Reply {
        let reply = self.node.handle(self.now, input).expect("not refused");
        self.node.check();
        reply
    }

    fn polls(&mut self, from: ([u8; 4], u16), service: &str, clusters: &str) -> View {
        let poll = Poll { clusters: clusters.into(), ..poll(from.into(), service) };
        let Reply::View(view) = self.handle(Input::Poll(poll)) else { panic!("a poll is answered with a list") };
        view
    }

    fn register(&mut self, service: &str, instance: Instance) {
        let client = ClientId::address(&instance.ip, instance.port);
        let content = Published::One(Box::new(instance));
        self.handle(Input::Register { client, service: key(service), content });
    }

    fn acknowledge(&mut self, from: impl Into<IpAddr>, push: &Push) -> bool {
        let reply = self.handle(Input::AckedByDatagram { from: from.into(), push: push.number });
        matches!(reply, Reply::Acked(Some(_)))
    }

    /// Lets time pass up to `at`, polled whenever the node asks for it. Returns what left, and when.
    fn until(&mut self, at: Millis) -> Vec<(Millis, Push)> {
        let mut left = Vec::new();
        while let Some(due) = self.node.next_deadline().filter(|due| *due <= Tick(at)) {
            self.jump(due.max(self.now.tick));
            let mut outputs = Vec::new();
            self.node.poll(self.now, &mut outputs);
            self.node.check();
            for output in outputs {
                let Output::Push(push) = output else { panic!("small lists") };
                if self.answering {
                    let address = push.client.datagram_address().expect("reached by datagrams");
                    assert!(self.acknowledge(address.ip(), &push), "is waited for");
                }
                left.push((self.now.tick.0, push));
            }
        }
        self.jump(Tick(at));
        left
    }

    fn jump(&mut self, to: Tick) {
        self.now.wall += to.since(self.now.tick);
        self.now.tick = to;
    }

    fn size(&self) -> (usize, usize) {
        let size = self.node.stats().size;
        (size.clients, size.subscribers)
    }
}

fn poll(from: SocketAddr, service: &str) -> Poll {
    let attributes = Attributes { agent: "Nacos-Java-Client:v1.4.8".into(), ..Attributes::default() };
    Poll { from, attributes, service: key(service), clusters: "".into(), healthy_only: false }
}

fn key(name: &str) -> ServiceKey {
    ServiceKey::new("", "", name).expect("legal")
}

fn instance(port: u16, cluster: &str) -> Instance {
    Instance { ip: "10.9.9.9".into(), port, cluster: cluster.into(), ..Instance::default() }
}

fn times(left: &[(Millis, Push)]) -> Vec<Millis> {
    left.iter().map(|(at, _)| *at).collect()
}

#[test]
fn the_first_poll_is_answered_and_pushed_once_and_later_ones_are_answered() {
    let mut scene = Scene::new();
    scene.register("s", instance(1, "c1"));
    let view = scene.polls(A, "s", "");
    assert_eq!(view.count, 1);
    let left = scene.until(5_000);
    assert_eq!(times(&left), [WINDOW]);
    assert!(left[0].1.stamp > view.stamp && left[0].1.hosts == view.hosts);
    for at in 1..5 {
        assert_eq!(scene.polls(A, "s", "").hosts, view.hosts);
        assert_eq!(times(&scene.until(5_000 + at * 10_000)), [0; 0]);
    }
}

#[test]
fn a_service_that_nobody_publishes_is_pushed_empty() {
    let mut scene = Scene::new();
    assert_eq!(scene.polls(A, "s", "").hosts, "[]");
    let left = scene.until(5_000);
    assert_eq!((left.len(), &left[0].1.hosts[..]), (1, &b"[]"[..]));
    scene.register("s", instance(1, "c1"));
    assert_eq!(times(&scene.until(6_000)), [5_000], "at once");
}

#[test]
fn a_subscription_ends_a_while_after_its_last_poll_and_its_client_with_it() {
    let mut scene = Scene::new();
    scene.polls(A, "s", "");
    scene.until(20_000);
    scene.polls(A, "s", "");
    scene.until(49_999);
    assert_eq!(scene.size(), (1, 1));
    scene.register("s", instance(1, "c1"));
    assert_eq!(scene.until(49_999).len(), 1, "pushed until it ends");
    scene.until(50_000);
    assert_eq!(scene.size(), (1, 0), "the publisher is left");
    scene.register("s", instance(2, "c1"));
    assert_eq!(scene.until(200_000).len(), 0);
    scene.polls(A, "s", "");
    assert_eq!(scene.until(201_000).len(), 1, "a first poll again");
}

#[test]
fn a_client_that_publishes_outlives_its_subscriptions_and_the_other_way_round() {
    let mut scene = Scene::new();
    let own = Instance { ip: "10.0.0.1".into(), port: 55_000, ..Instance::default() };
    scene.polls(A, "s", "");
    scene.register("t", own);
    scene.until(29_999);
    assert_eq!(scene.size(), (1, 1));
    scene.until(30_000);
    assert_eq!(scene.size(), (1, 0), "it still publishes");
    scene.polls(A, "s", "");
    scene.handle(Input::Deregister { client: ClientId::reached_at(A.into()), service: key("t") });
    assert_eq!(scene.size(), (1, 1), "it still subscribes");
    scene.until(60_000);
    assert_eq!(scene.size(), (0, 0));
}

#[test]
fn another_filter_takes_the_place_of_the_old_one_without_a_push() {
    let mut scene = Scene::new();
    scene.register("s", instance(1, "c1"));
    scene.register("s", instance(2, "c2"));
    assert_eq!(scene.polls(A, "s", "c1").count, 1);
    scene.until(1_000);
    assert_eq!(scene.polls(A, "s", "c1,c2").count, 2);
    assert_eq!(times(&scene.until(5_000)), [0; 0]);
    scene.register("s", instance(3, "c2"));
    let left = scene.until(10_000);
    assert_eq!((left.len(), left[0].1.clusters.as_str()), (1, "c1,c2"));
    assert_eq!(scene.size(), (4, 1));
}

#[test]
fn healthy_ones_only_is_for_the_answer() {
    let mut scene = Scene::new();
    scene.register("s", Instance { healthy: false, ..instance(1, "c1") });
    let poll = Poll { healthy_only: true, ..poll(A.into(), "s") };
    let Reply::View(view) = scene.handle(Input::Poll(poll)) else { panic!("a list") };
    assert_eq!(view.count, 0);
    let left = scene.until(1_000);
    assert!(left[0].1.stamp > view.stamp && left[0].1.hosts != "[]");
}

#[test]
fn polls_leave_an_unanswered_push_its_resend_and_no_more() {
    let mut scene = Scene::new();
    scene.answering = false;
    let mut left = Vec::new();
    for poll in 0..6 {
        scene.polls(A, "s", "");
        left.extend(scene.until(poll * 10_000 + 9_999));
    }
    assert_eq!(times(&left), [WINDOW, WINDOW + limits::DATAGRAM_ACK_MILLIS]);
    left.extend(scene.until(200_000));
    assert_eq!((left.len(), scene.size()), (2, (0, 0)));
}

#[test]
fn an_ack_counts_only_from_where_the_push_went() {
    let mut scene = Scene::new();
    scene.answering = false;
    scene.polls(A, "s", "");
    scene.polls(B, "s", "");
    let left = scene.until(WINDOW);
    let to = |from: ([u8; 4], u16)| {
        let client = ClientId::reached_at(from.into());
        left.iter().find(|(_, push)| push.client == client).map(|(_, push)| push.clone()).expect("pushed")
    };
    let (to_a, to_b) = (to(A), to(B));
    assert!(!scene.acknowledge(B.0, &to_a), "of another subscriber");
    assert!(!scene.acknowledge([192, 0, 2, 1], &to_a), "of nobody");
    assert!(scene.acknowledge(A.0, &to_a));
    assert!(!scene.acknowledge(A.0, &to_a), "once");
    assert_eq!(times(&scene.until(29_000)), [WINDOW + limits::DATAGRAM_ACK_MILLIS], "to the other one");
    assert!(!scene.acknowledge(B.0, &to_b), "the resend has a number of its own");
}

#[test]
fn addresses_of_both_kinds_subscribe() {
    let mut scene = Scene::new();
    for from in ["10.0.0.1:1", "[2001:db8::1]:1"] {
        scene.handle(Input::Poll(poll(from.parse().expect("an address"), "s")));
    }
    assert_eq!(scene.until(1_000).len(), 2);
}

#[derive(Clone, Debug)]
enum Step {
    Poll(u8, u8, bool),
    Publish(u8, u16),
    Answer(bool),
    Pass(Millis),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..3, 0u8..2, any::<bool>()).prop_map(|(client, service, all)| Step::Poll(client, service, all)),
        3 => (0u8..2, 1u16..4).prop_map(|(service, port)| Step::Publish(service, port)),
        1 => any::<bool>().prop_map(Step::Answer),
        3 => (0u64..20_000).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn subscribed_is_who_polled_lately_and_nobody_else_is_pushed(steps in prop::collection::vec(step(), 1..80)) {
        let mut scene = Scene::new();
        let mut model: BTreeMap<(ClientId, ServiceKey), (Millis, &str)> = BTreeMap::new();
        for step in steps.into_iter().chain([Step::Pass(60_000)]) {
            match step {
                Step::Poll(client, service, all) => {
                    let (from, service) = (([10, 0, 0, client], 55_000), format!("s{service}"));
                    let clusters = if all { "" } else { "c1" };
                    scene.polls(from, &service, clusters);
                    model.insert((ClientId::reached_at(from.into()), key(&service)), (scene.now.tick.0, clusters));
                }
                Step::Publish(service, port) => {
                    let weight = scene.now.tick.0 as f64;
                    scene.register(&format!("s{service}"), Instance { weight, ..instance(port, "c1") });
                }
                Step::Answer(answering) => scene.answering = answering,
                Step::Pass(millis) => {
                    let left = scene.until(scene.now.tick.0 + millis);
                    for (at, push) in left {
                        let (last, clusters) = model[&(push.client, push.service)];
                        prop_assert!(at < last + limits::POLLED_MILLIS && push.clusters == clusters);
                    }
                }
            }
            let now = scene.now.tick.0;
            let alive = model.values().filter(|(last, _)| now < last + limits::POLLED_MILLIS).count();
            prop_assert_eq!(scene.node.stats().size.subscribers, alive);
        }
        prop_assert_eq!(scene.node.push.next_due(), None);
        prop_assert_eq!(scene.node.polling.next_due(), None);
    }
}
