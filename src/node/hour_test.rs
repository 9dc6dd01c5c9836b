//! An hour of heart beats in simulated time: whatever the node keeps, it keeps as much of it in the end as in the beginning.

use super::*;
use crate::model::{Attributes, Instance};

const SETTINGS: Settings = Settings::DEFAULT;

const SERVICES: usize = 100;
const READERS: usize = 20;
const INTERVAL: Millis = 5_000;
const HOUR: Millis = 3_600_000;
/// How long silence lasts until an instance is removed, in intervals, and a little more.
const SILENCE: usize = 7;

/// A node with instances that beat, a few of which are replaced each interval, and readers that take every push.
struct World {
    node: Node,
    now: Now,
    /// Numbers of those that beat: older ones leave, and as many newer ones join.
    beating: std::ops::Range<usize>,
    outputs: Vec<Output>,
    pushed: u64,
}

/// What can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sizes {
    clients: usize,
    services: usize,
    instances: usize,
    subscribers: usize,
    pending_pushes: usize,
    beating: usize,
    planned: usize,
}

fn key(service: usize) -> ServiceKey {
    ServiceKey::new("", "", &format!("s{service}")).expect("legal")
}

fn instance(number: usize) -> Instance {
    let [_, b, c, d] = u32::try_from(number).expect("few").to_be_bytes();
    Instance { ip: compact_str::format_compact!("10.{b}.{c}.{d}"), port: 80, ..Instance::default() }
}

fn client(number: usize) -> ClientId {
    ClientId::address(&instance(number).ip, 80)
}

impl World {
    fn new(instances: usize) -> Self {
        let mut world = Self {
            node: Node::new(
                SETTINGS,
                Membership::alone(NodeId(1), "n1:8848"),
                Now { tick: Tick(0), wall: 1_700_000_000_000 },
                0,
            ),
            now: Now { tick: Tick(0), wall: 1_700_000_000_000 },
            beating: 0..0,
            outputs: Vec::new(),
            pushed: 0,
        };
        world.handle(Input::CeilingStored(u64::MAX / 2));
        for reader in 0..READERS {
            let client = ClientId::from(format!("reader-{reader}").as_str());
            world.handle(Input::Connect(client.clone(), Attributes::default()));
            world.handle(Input::Subscribe { client, service: key(reader), clusters: "".into() });
        }
        world.join(instances);
        world
    }

    fn handle(&mut self, input: Input) -> Reply {
        self.node.handle(self.now, input).expect("not refused")
    }

    fn join(&mut self, count: usize) {
        for number in self.beating.end..self.beating.end + count {
            let (client, service) = (client(number), key(number % SERVICES));
            self.handle(Input::RegisterBeating { client, service, instance: Box::new(instance(number)) });
        }
        self.beating.end += count;
    }

    /// Half of the oldest say that they leave, the others fall silent.
    fn leave(&mut self, count: usize) {
        for number in self.beating.start..self.beating.start + count {
            if number % 2 == 0 {
                self.handle(Input::Deregister { client: client(number), service: key(number % SERVICES) });
            }
        }
        self.beating.start += count;
    }

    /// One interval: some leave and join, all beat once, spread over it, and what is due is done when it is due.
    fn interval(&mut self, replaced: usize) {
        self.leave(replaced);
        self.join(replaced);
        let (begin, count) = (self.now.tick.0, self.beating.len() as Millis);
        for (place, number) in self.beating.clone().enumerate() {
            self.until(begin + INTERVAL * place as Millis / count);
            let input = Input::Beat { client: client(number), service: key(number % SERVICES), instance: None };
            assert!(matches!(self.handle(input), Reply::Beat(Beat::Alive { .. })), "{number} is known");
        }
        self.until(begin + INTERVAL);
    }

    fn until(&mut self, at: Millis) {
        while let Some(due) = self.node.next_deadline().filter(|due| *due <= Tick(at)) {
            self.jump(due.0.max(self.now.tick.0));
            let mut outputs = std::mem::take(&mut self.outputs);
            self.node.poll(self.now, &mut outputs);
            for output in outputs.drain(..) {
                if let Output::Push(push) = output {
                    self.pushed += 1;
                    self.handle(Input::Acked { client: push.client, push: Some(push.number), success: true });
                }
            }
            self.outputs = outputs;
        }
        self.jump(at);
    }

    fn jump(&mut self, at: Millis) {
        self.now.wall += Tick(at).since(self.now.tick);
        self.now.tick = Tick(at);
    }

    fn sizes(&self) -> Sizes {
        self.node.check();
        let stats = self.node.stats();
        Sizes {
            clients: stats.size.clients,
            services: stats.size.services,
            instances: stats.size.instances,
            subscribers: stats.size.subscribers,
            pending_pushes: stats.pending_pushes,
            beating: stats.health.beating,
            planned: self.node.health.planned(),
        }
    }
}

/// Lets `instances` beat for an hour, of which `replaced` leave and join each interval.
fn an_hour(instances: usize, replaced: usize) {
    let mut world = World::new(instances);
    // Until as many are silent as there will ever be.
    (0..SILENCE).for_each(|_| world.interval(replaced));
    let (before, encoded) = (world.sizes(), world.node.stats().size.encoded_bytes);
    while world.now.tick.0 < HOUR {
        world.interval(replaced);
    }
    assert_eq!(world.sizes(), before);
    assert!(before.beating >= instances && before.planned == before.beating, "{before:?}");
    let kept = world.node.stats().size.encoded_bytes;
    assert!(kept <= encoded + encoded / 4, "encoded lists grew from {encoded} to {kept} bytes");
    assert!(world.pushed > 0, "readers saw the changes");
    // And when all have left, nothing is.
    world.leave(instances);
    world.until(world.now.tick.0 + 2 * 60_000);
    let empty = world.sizes();
    let nothing = Sizes { instances: 0, pending_pushes: 0, beating: 0, planned: 0, ..empty };
    assert_eq!(empty, Sizes { clients: READERS, subscribers: READERS, ..nothing });
    assert!(empty.services <= READERS, "only what is subscribed may stay: {empty:?}");
}

#[test]
fn an_hour_of_beats_leaves_nothing_behind() {
    an_hour(1_000, 20);
}

/// Seven million beats: half a minute in a release build, `cargo test --release an_hour -- --ignored`.
#[test]
#[ignore = "takes minutes without optimisation"]
fn an_hour_of_beats_of_ten_thousand_leaves_nothing_behind() {
    an_hour(10_000, 200);
}
