//! Promises that need registry and engine together: stamps, restarts, storms, refusals, forgotten services.

use std::collections::VecDeque;

use super::*;
use crate::{
    agreed::Alone,
    model::{Attributes, Flag, Instance, MetadataOperation, Proposal, Published, ServiceMetadata, Switch},
    push::{Push, PushNo},
};

const SETTINGS: Settings = Settings::DEFAULT;

/// Nacos: every change waits for half a second.
const FIXED: Settings = Settings { push: push::Settings { window: 500, window_max: 500, ..SETTINGS.push }, ..SETTINGS };

const EPOCH: Millis = 1_700_000_000_000;

/// A node with its clocks, checked after every step.
struct Scene {
    node: Node,
    tick: Tick,
    wall: Millis,
    agreed: Alone,
}

impl Scene {
    fn new(settings: Settings) -> Self {
        Self::restarted(settings, 0, EPOCH)
    }

    /// A node whose earlier run left `stored`, started at `wall`, with ten seconds of room for stamps.
    fn restarted(settings: Settings, stored: Millis, wall: Millis) -> Self {
        let mut scene = Self {
            node: Node::new(settings, Membership::alone(NodeId(1), "n1:8848"), Now { tick: Tick(0), wall }, stored),
            tick: Tick(0),
            wall,
            agreed: Alone::default(),
        };
        scene.handle(Input::CeilingStored(wall.max(stored) + 10_000));
        scene
    }

    fn now(&self) -> Now {
        Now { tick: self.tick, wall: self.wall }
    }

    fn propose(&mut self, proposal: Proposal) {
        let (_, changes) = self.agreed.propose(proposal);
        self.handle(Input::Agreed(changes));
    }

    fn handle(&mut self, input: Input) -> Reply {
        let reply = self.node.handle(self.now(), input).expect("not refused");
        self.node.check();
        reply
    }

    fn connect(&mut self, client: &str) {
        self.handle(Input::Connect(client.into(), Attributes::default()));
    }

    fn register(&mut self, client: &str, service: &str, ports: &[u16]) {
        self.connect(client);
        let content = Published::Batch(ports.iter().map(|port| instance(*port)).collect());
        self.handle(Input::Register { client: client.into(), service: key(service), content });
    }

    fn view(&mut self, input: Input) -> (Millis, String) {
        let Reply::View(view) = self.handle(input) else { panic!("a read is answered with a view") };
        (view.stamp, String::from_utf8(view.hosts.to_vec()).expect("JSON is UTF-8"))
    }

    fn subscribe(&mut self, client: &str, service: &str) -> (Millis, String) {
        self.connect(client);
        self.view(Input::Subscribe { client: client.into(), service: key(service), clusters: "".into() })
    }

    fn unsubscribe(&mut self, client: &str, service: &str) -> (Millis, String) {
        self.view(Input::Unsubscribe { client: client.into(), service: key(service), clusters: "".into() })
    }

    fn query(&mut self, service: &str) -> (Millis, String) {
        self.view(Input::Query { service: key(service), selection: Selection::default() })
    }

    fn poll(&mut self) -> Vec<Push> {
        let mut outputs = Vec::new();
        self.node.poll(self.now(), &mut outputs);
        self.node.check();
        let push = |output| if let Output::Push(push) = output { Some(push) } else { None };
        outputs.into_iter().filter_map(push).collect()
    }

    /// Lets `millis` pass on both clocks, with every push acknowledged as it leaves.
    fn pass(&mut self, millis: Millis) -> Vec<Push> {
        let end = self.tick + millis;
        let mut all = Vec::new();
        while let Some(due) = self.node.next_deadline().filter(|due| *due <= end) {
            self.wall += due.since(self.tick);
            self.tick = self.tick.max(due);
            for push in self.poll() {
                self.ack(&push);
                all.push(push);
            }
        }
        self.wall += end.since(self.tick);
        self.tick = end;
        self.raise_ceiling();
        all
    }

    fn raise_ceiling(&mut self) {
        let time = self.node.time(self.now());
        self.handle(Input::CeilingStored(time + 10_000));
    }

    fn ack(&mut self, push: &Push) {
        self.handle(Input::Acked { client: push.client.clone(), push: Some(push.number), success: true });
    }
}

fn key(name: &str) -> ServiceKey {
    ServiceKey::new("", "", name).expect("legal")
}

fn instance(port: u16) -> Instance {
    Instance { ip: "10.0.0.1".into(), port, ..Instance::default() }
}

/// What one reader was shown, in order: stamps never fall, and an equal stamp means equal hosts.
#[derive(Default)]
struct Shown(Vec<(Millis, String)>);

impl Shown {
    fn take(&mut self, (stamp, hosts): (Millis, String)) {
        if let Some((last, shown)) = self.0.last() {
            assert!(stamp > *last || (stamp == *last && hosts == *shown), "{stamp} {hosts} after {last} {shown}");
        }
        self.0.push((stamp, hosts));
    }
}

fn seen(push: &Push) -> (Millis, String) {
    (push.stamp, String::from_utf8(push.hosts.to_vec()).expect("JSON is UTF-8"))
}

#[test]
fn stamps_of_a_subscription_grow_over_answers_and_pushes() {
    let mut scene = Scene::new(SETTINGS);
    let mut stamps = Vec::new();
    for port in 1..20 {
        stamps.push(scene.subscribe("b", "s").0);
        scene.register("a", "s", &[port]);
        stamps.extend(scene.poll().iter().map(|push| push.stamp));
        if port % 5 == 0 {
            stamps.extend(scene.pass(200).iter().map(|push| push.stamp));
        }
    }
    assert!(stamps.len() > 25 && stamps.is_sorted_by(|a, b| a < b), "{stamps:?}");
}

#[test]
fn a_reader_never_sees_an_older_stamp_nor_two_lists_under_one() {
    let mut scene = Scene::new(SETTINGS);
    let mut shown = Shown::default();
    // All in one millisecond, with the clock going back in between.
    for port in 1..50 {
        shown.take(scene.query("s"));
        shown.take(scene.subscribe("b", "s"));
        scene.register("a", "s", &[port]);
        scene.poll().iter().for_each(|push| shown.take(seen(push)));
        shown.take(scene.query("s"));
        scene.handle(Input::Deregister { client: "a".into(), service: key("s") });
        shown.take(scene.query("s"));
        if port % 10 == 0 {
            scene.wall -= 1_000;
            scene.unsubscribe("b", "s");
        }
    }
}

#[test]
fn a_forgotten_service_does_not_take_its_stamps_along() {
    let mut scene = Scene::new(SETTINGS);
    let mut shown = Shown::default();
    for port in 1..6 {
        scene.register("a", "s", &[port]);
        shown.take(scene.subscribe("b", "s"));
        scene.register("a", "s", &[port + 100]);
        shown.take(scene.query("s"));
        scene.handle(Input::Disconnect("a".into()));
        scene.handle(Input::Disconnect("b".into()));
        // The wall clock is set back while the service is forgotten.
        let wall = scene.wall;
        scene.pass(61_000);
        scene.wall = wall - 5_000;
        assert_eq!(scene.node.stats().size.services, 0);
        shown.take(scene.query("s"));
    }
    // A service that only had subscribers is forgotten at once.
    for _ in 0..5 {
        shown.take(scene.subscribe("b", "s"));
        shown.take(scene.subscribe("b", "s"));
        shown.take(scene.unsubscribe("b", "s"));
        shown.take(scene.query("s"));
    }
}

#[test]
fn a_restart_repeats_no_stamp_even_when_the_clock_was_set_back() {
    let mut scene = Scene::new(SETTINGS);
    scene.register("a", "s", &[1]);
    let mut last = 0;
    for port in 2..500 {
        scene.register("a", "s", &[port]);
        last = scene.query("s").0;
    }
    assert!(last > scene.wall, "stamps ran ahead of the clock");
    let mut again = Scene::restarted(SETTINGS, scene.wall + 10_000, scene.wall - 3_600_000);
    assert!(again.query("s").0 > last, "also for a service that is not there yet");
    again.register("a", "s", &[1]);
    let first = again.subscribe("b", "s").0;
    assert!(first > last);
    assert!(again.pass(100).iter().all(|push| push.stamp > first));
}

#[test]
fn stamps_stop_at_the_ceiling_and_go_on_when_it_is_raised() {
    let mut scene = Scene::new(SETTINGS);
    scene.register("a", "s", &[1]);
    for port in 1..60 {
        scene.register("a", "s", &[port]);
        assert!(scene.query("s").0 <= scene.wall + 10_000);
    }
    for port in 0..11_000 {
        let content = Published::Batch([instance(port)].into());
        let register = Input::Register { client: "a".into(), service: key("s"), content };
        scene.node.handle(scene.now(), register).expect("not refused");
        scene
            .node
            .handle(scene.now(), Input::Query { service: key("s"), selection: Selection::default() })
            .expect("reads");
    }
    let highest = scene.query("s").0;
    assert_eq!(highest, scene.wall + 10_000, "a restart could repeat anything above");
    scene.handle(Input::CeilingStored(scene.wall + 20_000));
    scene.register("a", "s", &[1]);
    assert_eq!(scene.query("s").0, highest + 1);
}

#[test]
fn refused_inputs_change_nothing() {
    let mut scene = Scene::new(SETTINGS);
    scene.register("a", "s", &[1]);
    scene.subscribe("b", "s");
    scene.pass(1_000);
    let before = format!("{:?}", (scene.node.stats(), scene.node.next_deadline()));
    let (client, service): (ClientId, ServiceKey) = ("nobody".into(), key("s"));
    let refused = [
        Input::Register { client: client.clone(), service: key("new"), content: Published::One(Box::new(instance(1))) },
        Input::Deregister { client: client.clone(), service: service.clone() },
        Input::Subscribe { client: client.clone(), service: key("new"), clusters: "".into() },
        Input::Unsubscribe { client: client.clone(), service, clusters: "".into() },
    ];
    for input in refused {
        let rejection = scene.node.handle(scene.now(), input).expect_err("nobody is there");
        assert_eq!(rejection.code(), -401);
    }
    let acked = scene.handle(Input::Acked { client, push: None, success: false });
    assert!(matches!(acked, Reply::Acked(None)));
    assert_eq!(format!("{:?}", (scene.node.stats(), scene.node.next_deadline())), before);
}

#[test]
fn a_client_that_is_refused_by_a_service_of_another_kind_leaves_nothing() {
    let mut scene = Scene::new(SETTINGS);
    let metadata = ServiceMetadata::default();
    let create = MetadataOperation::Create { service: key("s"), ephemeral: false, metadata };
    scene.propose(Proposal::Metadata(create));
    let before = format!("{:?}", scene.node.stats());
    let (client, instance) = (ClientId::address("10.0.0.1", 80), Box::new(instance(80)));
    let full = Input::Beat { client: client.clone(), service: key("s"), instance: Some(instance.clone()) };
    for input in [full, Input::RegisterBeating { client, service: key("s"), instance }] {
        let rejection = scene.node.handle(scene.now(), input).expect_err("the service is persistent");
        assert_eq!(rejection.code(), 400);
    }
    assert_eq!(format!("{:?}", scene.node.stats()), before);
}

#[test]
fn clients_known_by_address_come_and_go_with_what_they_publish() {
    let mut scene = Scene::new(SETTINGS);
    let client = ClientId::address("10.0.0.1", 80);
    let register = |service| Input::Register {
        client: client.clone(),
        service: key(service),
        content: Published::One(Box::new(instance(80))),
    };
    let deregister = |service| Input::Deregister { client: client.clone(), service: key(service) };
    assert!(matches!(scene.handle(deregister("s")), Reply::Deregistered(false)));
    assert_eq!(scene.node.stats().size, registry::Size::default());
    scene.handle(register("s"));
    scene.handle(register("t"));
    assert_eq!(scene.node.stats().size.clients, 1);
    assert!(matches!(scene.handle(deregister("s")), Reply::Deregistered(true)));
    assert!(matches!(scene.handle(deregister("s")), Reply::Deregistered(false)));
    assert!(matches!(scene.handle(deregister("t")), Reply::Deregistered(true)));
    assert_eq!(scene.node.stats().size.clients, 0);
}

/// What a storm cost and how long its first and last changes took to be pushed.
#[derive(Debug, Default)]
struct Cost {
    bytes: usize,
    pushes: usize,
    first: Millis,
    last: Millis,
}

const STORM_CLIENTS: u64 = 1_000;
const STORM_SERVICES: u64 = 4;

/// A thousand clients register within `spread` into few services with `subscribers` each, who acknowledge after 2 ms.
fn storm(settings: Settings, spread: Millis, subscribers: u64) -> Cost {
    let mut scene = Scene::new(settings);
    for service in 0..STORM_SERVICES {
        for subscriber in 0..subscribers {
            scene.subscribe(&format!("b{subscriber}"), &format!("s{service}"));
        }
    }
    scene.pass(10_000);
    let (start, mut registered) = (scene.tick, 0);
    let mut acks: VecDeque<(Tick, ClientId, PushNo)> = VecDeque::new();
    let mut cost = Cost::default();
    while scene.tick.since(start) < spread + 5_000 {
        while registered < STORM_CLIENTS && registered * spread / STORM_CLIENTS <= scene.tick.since(start) {
            let (client, service) = (format!("a{registered}").as_str().into(), registered % STORM_SERVICES);
            scene
                .node
                .handle(scene.now(), Input::Connect(ClientId::clone(&client), Attributes::default()))
                .expect("connects");
            let content = Published::One(Box::new(instance(registered as u16)));
            let register = Input::Register { client, service: key(&format!("s{service}")), content };
            scene.node.handle(scene.now(), register).expect("registers");
            registered += 1;
        }
        while acks.front().is_some_and(|(at, ..)| *at <= scene.tick) {
            let (_, client, number) = acks.pop_front().expect("there");
            let ack = Input::Acked { client, push: Some(number), success: true };
            scene.node.handle(scene.now(), ack).expect("never refused");
        }
        let mut outputs = Vec::new();
        scene.node.poll(scene.now(), &mut outputs);
        for output in outputs {
            let Output::Push(push) = output else { panic!("small lists") };
            if cost.bytes == 0 {
                cost.first = scene.tick.since(start);
            }
            cost.last = scene.tick.since(start).saturating_sub(spread);
            cost.bytes += push.hosts.len();
            cost.pushes += 1;
            acks.push_back((scene.tick + 2, push.client, push.number));
        }
        scene.tick = scene.tick + 1;
        scene.wall += 1;
    }
    scene.node.check();
    cost
}

#[test]
fn a_storm_costs_no_more_than_under_a_fixed_window() {
    for (spread, subscribers) in [(0, 50), (50, 50), (200, 50), (1_000, 50), (5_000, 20), (20_000, 10)] {
        let (ours, fixed) = (storm(SETTINGS, spread, subscribers), storm(FIXED, spread, subscribers));
        let both = format!("{spread} ms, {subscribers} subscribers: {ours:?} against {fixed:?}");
        eprintln!("{both}");
        assert!(ours.bytes <= fixed.bytes, "{both}");
        // While a list is short many pushes of it cost less than one of a long list.
        assert!(ours.pushes <= fixed.pushes || ours.bytes * 10 <= fixed.bytes * 9, "{both}");
        assert!(ours.first == 0 && ours.last <= SETTINGS.push.window_max, "{both}");
    }
}

#[test]
fn pushes_wait_while_they_are_switched_off_and_lists_do_not() {
    let mut scene = Scene::new(SETTINGS);
    scene.subscribe("s", "a");
    scene.pass(1_000);
    scene.handle(Input::Switch(Switch::Flag(Flag::Push, false)));
    scene.register("p", "a", &[1]);
    scene.register("p", "a", &[1, 2]);
    assert_eq!(scene.pass(30_000).len(), 0);
    let (_, shown) = scene.query("a");
    assert!(shown.contains("\"port\":1,") && shown.contains("\"port\":2,"), "{shown}");
    scene.propose(Proposal::Switch(Switch::Flag(Flag::Push, true)));
    let pushes = scene.pass(0);
    assert_eq!(pushes.len(), 1, "only the newest");
    assert_eq!(pushes[0].hosts, shown.as_bytes());
}

#[test]
fn lists_say_how_long_they_may_be_used() {
    let mut scene = Scene::new(SETTINGS);
    scene.subscribe("s", "a");
    scene.pass(1_000);
    scene.propose(Proposal::Switch(Switch::Span(Span::PushCache, 20_000)));
    scene.register("p", "a", &[1]);
    let Reply::View(view) = scene.handle(Input::Query { service: key("a"), selection: Selection::default() }) else {
        panic!("a read is answered with a view")
    };
    assert_eq!((view.cache, scene.pass(1_000)[0].cache), (20_000, 20_000));
}

#[test]
fn a_client_was_changed_at_a_time_of_the_wall() {
    let mut scene = Scene::new(SETTINGS);
    scene.register("a", "s", &[1]);
    let changed = scene.wall;
    scene.pass(5_000);
    let Reply::Client(Some((detail, updated))) = scene.handle(Input::Client("a".into())) else { panic!("it is there") };
    assert_eq!((updated, detail.publishes.len()), (changed, 1));
    assert!(matches!(scene.handle(Input::Client("b".into())), Reply::Client(None)));
}
