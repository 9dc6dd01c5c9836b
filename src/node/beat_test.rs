//! The life of instances that beat: each promise, and random histories against a model that knows only the last beat.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    model::{Attributes, Instance, Published},
    push::Push,
};

const SETTINGS: Settings = Settings::DEFAULT;

const INTERVAL: &str = "preserved.heart.beat.interval";
const TIMEOUT: &str = "preserved.heart.beat.timeout";
const DELETE_TIMEOUT: &str = "preserved.ip.delete.timeout";

/// A node, checked after every step, with one subscriber of service `s` that takes every push.
struct Scene {
    node: Node,
    now: Now,
}

impl Scene {
    fn new() -> Self {
        let mut scene = Self {
            node: Node::new(
                SETTINGS,
                Membership::alone(NodeId(1), "n1:8848"),
                Now { tick: Tick(0), wall: 1_700_000_000_000 },
                0,
            ),
            now: Now { tick: Tick(0), wall: 1_700_000_000_000 },
        };
        scene.handle(Input::CeilingStored(u64::MAX / 2));
        scene.handle(Input::Connect("reader".into(), Attributes::default()));
        scene.handle(Input::Subscribe { client: "reader".into(), service: key("s"), clusters: "".into() });
        scene
    }

    fn handle(&mut self, input: Input) -> Reply {
        let reply = self.node.handle(self.now, input).expect("not refused");
        self.node.check();
        reply
    }

    fn register(&mut self, instance: Instance) {
        let (client, service) = (client(instance.port), key("s"));
        self.handle(Input::RegisterBeating { client, service, instance: Box::new(instance) });
    }

    fn lasting(&mut self, instance: &Instance) {
        let content = Published::One(Box::new(instance.clone()));
        self.handle(Input::Register { client: client(instance.port), service: key("s"), content });
    }

    fn beat(&mut self, port: u16, instance: Option<Instance>) -> Beat {
        let input = Input::Beat { client: client(port), service: key("s"), instance: instance.map(Box::new) };
        let Reply::Beat(beat) = self.handle(input) else { panic!("a beat is answered as one") };
        beat
    }

    /// All of service `s` by port, and whether they are healthy.
    fn shown(&mut self) -> Vec<(u16, bool)> {
        self.instances("s").into_iter().flatten().map(|(_, one)| (one.port, one.healthy)).collect()
    }

    fn instances(&mut self, service: &str) -> Option<Vec<(ClientId, Instance)>> {
        let Reply::Instances(all) = self.handle(Input::Instances { service: key(service) }) else {
            panic!("instances")
        };
        all
    }

    fn poll(&mut self) -> Vec<Push> {
        let mut outputs = Vec::new();
        self.node.poll(self.now, &mut outputs);
        self.node.check();
        let push = |output| if let Output::Push(push) = output { Some(push) } else { None };
        let pushes: Vec<Push> = outputs.into_iter().filter_map(push).collect();
        for push in &pushes {
            self.handle(Input::Acked { client: push.client.clone(), push: Some(push.number), success: true });
        }
        pushes
    }

    /// Lets time pass up to `at`, polled whenever the node asks for it. Returns when something was pushed, and how many
    /// hosts of it were healthy and how many not.
    fn until(&mut self, at: Millis) -> Vec<(Millis, usize, usize)> {
        let mut pushed = Vec::new();
        while let Some(due) = self.node.next_deadline().filter(|due| *due <= Tick(at)) {
            self.jump(due.0.max(self.now.tick.0));
            for push in self.poll() {
                let hosts = String::from_utf8(push.hosts.to_vec()).expect("JSON is UTF-8");
                let count = |healthy: &str| hosts.matches(healthy).count();
                pushed.push((self.now.tick.0, count(r#""healthy":true"#), count(r#""healthy":false"#)));
            }
        }
        self.jump(at);
        pushed
    }

    /// Lets time pass with nobody polling.
    fn jump(&mut self, at: Millis) {
        self.now.wall += Tick(at).since(self.now.tick);
        self.now.tick = Tick(at);
    }
}

fn key(name: &str) -> ServiceKey {
    ServiceKey::new("", "", name).expect("legal")
}

fn client(port: u16) -> ClientId {
    ClientId::address("10.0.0.1", port)
}

fn instance(port: u16) -> Instance {
    Instance { ip: "10.0.0.1".into(), port, ..Instance::default() }
}

fn timed(port: u16, times: &[(&str, u64)]) -> Instance {
    let metadata = times.iter().map(|(key, value)| ((*key).into(), value.to_string().as_str().into())).collect();
    Instance { metadata, ..instance(port) }
}

const ALIVE: Beat = Beat::Alive { interval: 5_000 };

#[test]
fn a_silent_instance_turns_unhealthy_then_leaves_and_both_are_pushed_on_time() {
    let mut scene = Scene::new();
    scene.register(instance(80));
    assert_eq!(scene.until(100_000), [(0, 1, 0), (15_000, 0, 1), (30_000, 0, 0)]);
    let stats = scene.node.stats();
    assert_eq!((stats.size.clients, stats.size.instances), (1, 0), "only the reader is left");
    assert_eq!(stats.health, health::Counts { beating: 0, unhealthy: 1, removed: 1 });
    assert_eq!(scene.beat(80, None), Beat::Unknown);
}

#[test]
fn beats_keep_an_instance_and_change_nothing() {
    let mut scene = Scene::new();
    scene.register(instance(80));
    assert_eq!(scene.until(0), [(0, 1, 0)]);
    for beat in 1..40 {
        assert_eq!(scene.until(beat * 14_999), [], "nothing to push");
        assert_eq!(scene.beat(80, None), ALIVE);
    }
    assert_eq!(scene.until(39 * 14_999 + 15_000), [(39 * 14_999 + 15_000, 0, 1)]);
}

#[test]
fn a_beat_heals_and_is_pushed_and_silence_counts_from_it() {
    let mut scene = Scene::new();
    scene.register(instance(80));
    scene.until(29_000);
    assert_eq!(scene.shown(), [(80, false)]);
    assert_eq!(scene.beat(80, None), ALIVE);
    assert_eq!(scene.until(100_000), [(29_000, 1, 0), (44_000, 0, 1), (59_000, 0, 0)]);
}

#[test]
fn an_instance_registered_unhealthy_stays_so_until_it_beats() {
    let mut scene = Scene::new();
    scene.register(Instance { healthy: false, ..instance(80) });
    assert_eq!(scene.until(10_000), [(0, 0, 1)]);
    scene.beat(80, None);
    assert_eq!(scene.until(100_000), [(10_000, 1, 0), (25_000, 0, 1), (40_000, 0, 0)]);
}

#[test]
fn metadata_shortens_and_lengthens_the_times() {
    let mut scene = Scene::new();
    scene.register(timed(1, &[(INTERVAL, 1_000), (TIMEOUT, 3_000), (DELETE_TIMEOUT, 6_000)]));
    scene.register(timed(2, &[(TIMEOUT, 60_000), (DELETE_TIMEOUT, 90_000)]));
    assert_eq!(scene.beat(1, None), Beat::Alive { interval: 1_000 });
    let expected = [(0, 2, 0), (3_000, 1, 1), (6_000, 1, 0), (60_000, 0, 1), (90_000, 0, 0)];
    assert_eq!(scene.until(100_000), expected);
}

#[test]
fn an_instance_with_its_client_beat_enabled_never_expires() {
    let mut scene = Scene::new();
    let metadata = [("enableClientBeat".into(), "true".into())].into_iter().collect();
    scene.register(Instance { metadata, ..instance(80) });
    scene.until(10_000_000);
    assert_eq!(scene.shown(), [(80, true)]);
    // Registered again without it, it does.
    scene.register(instance(80));
    scene.until(10_015_000);
    assert_eq!(scene.shown(), [(80, false)]);
}

#[test]
fn a_registration_again_is_a_beat_and_takes_its_times_and_health_along() {
    let mut scene = Scene::new();
    scene.register(instance(80));
    scene.until(14_000);
    scene.register(instance(80));
    assert_eq!(scene.until(28_000), [], "the same again");
    scene.until(29_000);
    assert_eq!(scene.shown(), [(80, false)]);
    scene.register(instance(80));
    assert_eq!(scene.shown(), [(80, true)]);
    scene.register(timed(80, &[(INTERVAL, 1_000), (TIMEOUT, 2_000), (DELETE_TIMEOUT, 90_000)]));
    assert_eq!(scene.until(31_000).last(), Some(&(31_000, 0, 1)));
    scene.register(timed(80, &[(TIMEOUT, 60_000), (DELETE_TIMEOUT, 90_000)]));
    scene.until(90_999);
    assert_eq!(scene.shown(), [(80, true)]);
    scene.register(Instance { healthy: false, ..timed(80, &[(TIMEOUT, 60_000), (DELETE_TIMEOUT, 90_000)]) });
    assert_eq!(scene.shown(), [(80, false)]);
}

#[test]
fn a_full_beat_registers_what_is_unknown_and_changes_nothing_that_is_known() {
    let mut scene = Scene::new();
    let first = Instance { weight: 3.0, ..timed(80, &[(INTERVAL, 1_000)]) };
    assert_eq!(scene.beat(80, Some(first.clone())), Beat::Alive { interval: 1_000 });
    let other = Instance { weight: 7.0, healthy: false, ..timed(80, &[(INTERVAL, 2_000)]) };
    assert_eq!(scene.beat(80, Some(other)), Beat::Alive { interval: 1_000 });
    assert_eq!(scene.instances("s"), Some(vec![(client(80), first)]));
    assert_eq!(scene.node.stats().health.beating, 1);
    scene.until(30_000);
    assert_eq!(scene.shown(), []);
}

#[test]
fn what_does_not_beat_does_not_expire_but_a_beat_sets_its_health() {
    let mut scene = Scene::new();
    scene.lasting(&Instance { healthy: false, ..instance(80) });
    assert_eq!(scene.beat(80, None), ALIVE);
    scene.until(1_000_000);
    assert_eq!(scene.shown(), [(80, true)]);
    assert_eq!(scene.node.stats().health, health::Counts::default());
}

#[test]
fn a_lasting_registration_ends_the_beats_of_the_one_it_replaces_even_an_equal_one() {
    let mut scene = Scene::new();
    for lasting in [instance(80), timed(80, &[(TIMEOUT, 60_000)])] {
        scene.register(instance(80));
        assert_eq!(scene.node.stats().health.beating, 1);
        scene.lasting(&lasting);
        assert_eq!(scene.node.stats().health.beating, 0);
    }
    scene.until(1_000_000);
    assert_eq!(scene.shown(), [(80, true)]);
    scene.register(instance(80));
    scene.until(1_030_000);
    assert_eq!(scene.shown(), []);
}

#[test]
fn beats_are_of_one_service_and_the_client_leaves_with_its_last() {
    let mut scene = Scene::new();
    scene.register(instance(80));
    let other = Input::RegisterBeating { client: client(80), service: key("t"), instance: Box::new(instance(80)) };
    scene.handle(other);
    scene.until(14_000);
    scene.beat(80, None);
    scene.until(30_000);
    assert_eq!((scene.shown(), scene.instances("t")), (vec![(80, false)], Some(vec![])));
    assert!(matches!(
        scene.handle(Input::Deregister { client: client(80), service: key("s") }),
        Reply::Deregistered(true)
    ));
    let stats = scene.node.stats();
    assert_eq!((stats.size.clients, stats.health.beating), (1, 0));
}

#[test]
fn a_connection_that_is_gone_cannot_register_by_beating() {
    let mut scene = Scene::new();
    let beat = Input::Beat { client: "gone".into(), service: key("s"), instance: Some(Box::new(instance(80))) };
    assert_eq!(scene.node.handle(scene.now, beat).expect_err("refused").code(), -401);
    scene.node.check();
    assert_eq!(scene.node.stats().health.beating, 0);
}

#[test]
fn all_instances_are_those_of_lists_and_the_disabled_ones() {
    let mut scene = Scene::new();
    assert_eq!(scene.instances("s"), None, "only subscribed to");
    assert_eq!(scene.instances("nobody"), None);
    scene.register(instance(90));
    scene.register(Instance { enabled: false, ..instance(80) });
    scene.handle(Input::Connect("a".into(), Attributes::default()));
    let newer = Instance { weight: 2.0, ..instance(90) };
    let content = Published::One(Box::new(newer.clone()));
    scene.handle(Input::Register { client: "a".into(), service: key("s"), content });
    let expected = vec![(client(80), Instance { enabled: false, ..instance(80) }), ("a".into(), newer)];
    assert_eq!(scene.instances("s"), Some(expected), "in order, with the hidden left out");
}

#[test]
fn a_crowd_that_falls_silent_at_once_is_worked_off_at_once() {
    let mut scene = Scene::new();
    for port in 1..=1_000 {
        let input =
            Input::RegisterBeating { client: client(port), service: key("s"), instance: Box::new(instance(port)) };
        scene.node.handle(scene.now, input).expect("registers");
    }
    scene.until(30_000);
    assert_eq!(scene.shown(), []);
    assert_eq!(scene.node.stats().health, health::Counts { beating: 0, unhealthy: 1_000, removed: 1_000 });
}

#[derive(Clone, Debug)]
enum Step {
    Register(u16, usize, usize, bool),
    Lasting(u16, usize, usize, bool),
    Beat(u16, usize, Option<usize>),
    Deregister(u16, usize),
    Disconnect(u16),
    /// Polled whenever the node asks for it.
    Pass(Millis),
    /// Polled only at the end.
    Jump(Millis),
}

/// Timeout, delete timeout, and whether they count.
const TIMES: [(u64, u64, bool); 5] = [
    (15_000, 30_000, true),
    (3_000, 6_000, true),
    (60_000, 90_000, true),
    (8_000, 2_000, true),
    (15_000, 30_000, false),
];
const NAMES: [&str; 2] = ["s", "t"];

fn step() -> impl Strategy<Value = Step> {
    let both = (1u16..4, 0..NAMES.len());
    let whole = (both.clone(), 0..TIMES.len(), prop::bool::weighted(0.8));
    prop_oneof![
        4 => whole.clone().prop_map(|((c, s), times, healthy)| Step::Register(c, s, times, healthy)),
        1 => whole.prop_map(|((c, s), times, healthy)| Step::Lasting(c, s, times, healthy)),
        6 => (both.clone(), prop::option::of(0..TIMES.len())).prop_map(|((c, s), full)| Step::Beat(c, s, full)),
        1 => both.prop_map(|(c, s)| Step::Deregister(c, s)),
        1 => (1u16..4).prop_map(Step::Disconnect),
        6 => (0u64..8_000).prop_map(Step::Pass),
        1 => (0u64..70_000).prop_map(Step::Pass),
        1 => (0u64..40_000).prop_map(Step::Jump),
    ]
}

fn of_times(port: u16, times: usize, healthy: bool) -> Instance {
    let (timeout, delete, expires) = TIMES[times];
    let beat = [("enableClientBeat".into(), if expires { "false" } else { "true" }.into())];
    let times = [(INTERVAL, 1_000), (TIMEOUT, timeout), (DELETE_TIMEOUT, delete)];
    let times = times.iter().map(|(key, value)| ((*key).into(), value.to_string().as_str().into()));
    Instance { healthy, metadata: times.chain(beat).collect(), ..instance(port) }
}

/// What the model knows of an instance.
#[derive(Clone, Copy, Debug)]
struct Known {
    times: usize,
    healthy: bool,
    /// The last beat of one that must.
    last: Option<Millis>,
}

impl Known {
    /// When silence is next to count.
    fn next(&self) -> Option<Millis> {
        let (timeout, delete, expires) = TIMES[self.times];
        let last = self.last.filter(|_| expires)?;
        Some(last + if self.healthy { timeout.min(delete) } else { delete })
    }
}

/// Who is known where.
#[derive(Default)]
struct Model(BTreeMap<(usize, u16), Known>);

impl Model {
    fn beat(&mut self, now: Millis, at: (usize, u16), full: Option<usize>) -> bool {
        match (self.0.get_mut(&at), full) {
            (Some(known), _) => {
                known.last = known.last.map(|_| now);
                known.healthy = true;
                true
            }
            (None, Some(times)) => self.0.insert(at, Known { times, healthy: true, last: Some(now) }).is_none(),
            (None, None) => false,
        }
    }

    fn forgive(&mut self, now: Millis) {
        self.0.values_mut().for_each(|known| known.last = known.last.map(|_| now));
    }

    fn settle(&mut self, now: Millis) {
        self.0.retain(|_, known| {
            let (timeout, delete, expires) = TIMES[known.times];
            let silence = known.last.filter(|_| expires).map(|last| now - last);
            known.healthy &= silence.is_none_or(|silence| silence < timeout);
            silence.is_none_or(|silence| silence < delete)
        });
    }
}

/// Both side by side, compared after every step.
struct Pair {
    scene: Scene,
    model: Model,
}

impl Pair {
    fn step(&mut self, step: &Step) {
        let now = self.scene.now.tick.0;
        match *step {
            Step::Register(port, service, times, healthy) => {
                let (client, instance) = (client(port), Box::new(of_times(port, times, healthy)));
                self.scene.handle(Input::RegisterBeating { client, service: key(NAMES[service]), instance });
                self.model.0.insert((service, port), Known { times, healthy, last: Some(now) });
            }
            Step::Lasting(port, service, times, healthy) => {
                let (client, content) = (client(port), Published::One(Box::new(of_times(port, times, healthy))));
                self.scene.handle(Input::Register { client, service: key(NAMES[service]), content });
                self.model.0.insert((service, port), Known { times, healthy, last: None });
            }
            Step::Beat(port, service, full) => {
                let instance = full.map(|times| Box::new(of_times(port, times, true)));
                let input = Input::Beat { client: client(port), service: key(NAMES[service]), instance };
                let Reply::Beat(beat) = self.scene.handle(input) else { panic!("a beat is answered as one") };
                assert_eq!(beat != Beat::Unknown, self.model.beat(now, (service, port), full));
            }
            Step::Deregister(port, service) => {
                self.scene.handle(Input::Deregister { client: client(port), service: key(NAMES[service]) });
                self.model.0.remove(&(service, port));
            }
            Step::Disconnect(port) => {
                self.scene.handle(Input::Disconnect(client(port)));
                self.model.0.retain(|(_, known), _| *known != port);
            }
            Step::Pass(millis) => self.pass(now + millis),
            Step::Jump(millis) => {
                self.scene.jump(now + millis);
                self.compare();
                if self.scene.node.health.overslept(self.scene.now.tick) {
                    self.model.forgive(now + millis);
                }
                self.scene.poll();
                self.model.settle(now + millis);
            }
        }
        self.compare();
    }

    fn pass(&mut self, end: Millis) {
        while let Some(due) = self.scene.node.next_deadline().filter(|due| due.0 <= end) {
            self.scene.jump(due.0.max(self.scene.now.tick.0));
            self.scene.poll();
            self.model.settle(self.scene.now.tick.0);
            self.compare();
        }
        self.scene.jump(end);
        self.model.settle(end);
    }

    fn compare(&mut self) {
        for (service, name) in NAMES.into_iter().enumerate() {
            let shown = self.scene.instances(name).unwrap_or_default();
            let shown: Vec<_> = shown.into_iter().map(|(_, one)| (one.port, one.healthy)).collect();
            let known = self.model.0.iter().filter(|((of, _), _)| *of == service);
            let known: Vec<_> = known.map(|((_, port), known)| (*port, known.healthy)).collect();
            assert_eq!(shown, known, "{name} at {:?}", self.scene.now.tick);
        }
        let beating = self.model.0.values().filter(|known| known.last.is_some()).count();
        assert_eq!(self.scene.node.stats().health.beating, beating);
        let next = self.model.0.values().filter_map(Known::next).min();
        let deadline = self.scene.node.next_deadline().map(|at| at.0);
        assert!(next.is_none_or(|next| deadline.is_some_and(|at| at <= next)), "{next:?} is not slept through");
    }
}

proptest! {
    #[test]
    fn health_is_what_the_last_beat_says(steps in prop::collection::vec(step(), 1..80)) {
        let mut pair = Pair { scene: Scene::new(), model: Model::default() };
        steps.iter().for_each(|step| pair.step(step));
        pair.pass(pair.scene.now.tick.0 + 200_000);
        pair.compare();
        prop_assert_eq!(pair.scene.node.health.next_due(), None, "nothing is left to look at");
    }
}
