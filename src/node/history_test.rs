//! Random histories of a node: whatever happens in whatever order, readers are never shown something older, and once it is
//! quiet every subscriber holds what a query shows. Subscribers behave as SDKs do: they keep a list only when its stamp is
//! larger, over reconnects too; they answer late, refuse, or never answer.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    agreed::Alone,
    model::{
        Amended, AmendedMetadata, Amendment, Attributes, ClusterMetadata, Instance, MetadataOperation,
        PersistentOperation, Proposal, Published, ServiceMetadata,
    },
    push::{Push, PushNo},
};

const SETTINGS: Settings = Settings {
    // So few bytes that encodings are dropped, and so small a budget that windows grow.
    registry: registry::Limits { empty_service_expiry: 60_000, encodings: 3_000 },
    push: push::Settings { storm_bytes: 1_000, ..push::Settings::DEFAULT },
    ..Settings::DEFAULT
};
/// The longest pause before a retry, an ack that never comes, and a window.
const LONGEST: Millis = 30_000 + 30_000 / 4 + 5_000 + 1_000;

const CLIENTS: u8 = 4;
const SERVICES: u8 = 3;
/// The client whose acks name no push, as those of the Node SDK; it answers everything, in order.
const NUMBERLESS: u8 = 3;
const FILTERS: [&str; 3] = ["", "c1", "c2,c1"];

#[derive(Clone, Debug)]
enum Step {
    Connect(u8),
    Disconnect(u8),
    /// Ports; odd ones are in cluster `c1`, those that divide by three are unhealthy.
    Register(u8, u8, Vec<u16>),
    Deregister(u8, u8),
    /// By a client that is known by its address.
    Address(u8, bool),
    /// Of that client, with the whole instance or without.
    Beat(u8, bool),
    /// A persistent instance comes or goes.
    Persistent(u8, u16, bool),
    /// Which of the things operators do.
    Operate(u8, u8),
    /// What nobody needs is forgotten.
    Forget,
    Subscribe(u8, u8, usize),
    Unsubscribe(u8, u8),
    Query(u8, usize, bool),
    /// Which of the pushes a client holds it answers, and whether it takes it.
    Answer(u8, usize, bool),
    /// A push is lost: never applied, never answered.
    Lose(u8),
    Poll,
    Pass(Millis),
    SetWallBack(Millis),
}

fn operation(service: ServiceKey, which: u8) -> MetadataOperation {
    let metadata = ServiceMetadata { protect_threshold: Some(0.5), ..ServiceMetadata::default() };
    let amendment = |weight, enabled| Amendment { weight, enabled, metadata: AmendedMetadata::Keep };
    let one = |amendment| vec![(crate::registry::address(&instance(3)), amendment)];
    match which {
        0 | 1 => MetadataOperation::Create { service, ephemeral: which == 0, metadata },
        2 => MetadataOperation::Update { service, metadata },
        3 => MetadataOperation::Protect { service, threshold: None },
        4 => MetadataOperation::Remove { service },
        5 => {
            let (cluster, metadata) = ("c1".into(), ClusterMetadata::default());
            MetadataOperation::UpdateCluster { service, cluster, metadata }
        }
        6 => {
            let amendments = one(amendment(Amended::Keep(1.0), Amended::Set(false)));
            MetadataOperation::Override { service, amendments }
        }
        _ => {
            let amendments = one(amendment(Amended::Set(3.0), Amended::Set(true)));
            MetadataOperation::Override { service, amendments }
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let (client, service, filter) = (0..CLIENTS, 0..SERVICES, 0..FILTERS.len());
    let both = (client.clone(), service.clone());
    prop_oneof![
        3 => client.clone().prop_map(Step::Connect),
        1 => client.clone().prop_map(Step::Disconnect),
        8 => (both.clone(), prop::collection::vec(1u16..7, 0..4)).prop_map(|((c, s), ports)| Step::Register(c, s, ports)),
        2 => both.clone().prop_map(|(c, s)| Step::Deregister(c, s)),
        1 => (service.clone(), any::<bool>()).prop_map(|(s, there)| Step::Address(s, there)),
        2 => (service.clone(), any::<bool>()).prop_map(|(s, full)| Step::Beat(s, full)),
        2 => (service.clone(), 0u8..8).prop_map(|(s, which)| Step::Operate(s, which)),
        5 => (both.clone(), filter.clone()).prop_map(|((c, s), filter)| Step::Subscribe(c, s, filter)),
        1 => both.prop_map(|(c, s)| Step::Unsubscribe(c, s)),
        3 => (service.clone(), filter, any::<bool>()).prop_map(|(s, filter, healthy)| Step::Query(s, filter, healthy)),
        6 => (client.clone(), 0usize..4, prop::bool::weighted(0.8)).prop_map(|(c, n, taken)| Step::Answer(c, n, taken)),
        1 => client.prop_map(Step::Lose),
        3 => (service, 1..4_u16, any::<bool>()).prop_map(|(service, port, there)| Step::Persistent(service, port, there)),
        1 => Just(Step::Forget),
        6 => Just(Step::Poll),
        4 => (0u64..250).prop_map(Step::Pass),
        1 => (0u64..70_000).prop_map(Step::Pass),
        1 => (0u64..5_000).prop_map(Step::SetWallBack),
    ]
}

/// What a reader is shown: the stamp, the hosts, whether they are protected.
type Shown = (Millis, String, bool);

#[derive(Default)]
struct Subscriber {
    /// What it applied, by service and filter, as the cache of an SDK: it outlives connections.
    held: BTreeMap<(u8, usize), Shown>,
    /// What it wants, with the last stamp that was sent to it for that.
    wants: BTreeMap<u8, (usize, Millis)>,
    /// Pushes on their way or not answered yet, with the service and the filter.
    holds: Vec<(Push, u8, usize)>,
}

impl Subscriber {
    fn apply(&mut self, service: u8, filter: usize, shown: Shown) {
        match self.held.get(&(service, filter)) {
            Some(held) if held.0 > shown.0 => {}
            Some(held) if held.0 == shown.0 => assert_eq!(*held, shown, "one stamp, one list"),
            _ => drop(self.held.insert((service, filter), shown)),
        }
    }

    /// A list leaves for this subscriber: it must be newer than the one before.
    fn sent(&mut self, service: u8, filter: usize, stamp: Millis) {
        if let Some((_, last)) = self.wants.insert(service, (filter, stamp)) {
            assert!(stamp > last, "{stamp} after {last}");
        }
    }
}

struct World {
    node: Node,
    agreed: Alone,
    now: Now,
    subscribers: BTreeMap<u8, Subscriber>,
    /// The newest list anybody was shown, by service and selection.
    newest: BTreeMap<(u8, usize, bool), Shown>,
    /// Whose push a number was.
    pushes: BTreeMap<PushNo, (u8, u8)>,
    /// All that came out.
    trace: String,
}

impl World {
    fn new() -> Self {
        let now = Now { tick: Tick(0), wall: 1_700_000_000_000 };
        let subscribers = (0..CLIENTS).map(|client| (client, Subscriber::default())).collect();
        let node = Node::new(
            SETTINGS,
            Membership::alone(NodeId(1), "n1:8848"),
            Now { tick: Tick(0), wall: 1_700_000_000_000 },
            0,
        );
        let mut world = Self {
            node,
            agreed: Alone::default(),
            now,
            subscribers,
            newest: BTreeMap::new(),
            pushes: BTreeMap::new(),
            trace: String::new(),
        };
        world.handle(Input::CeilingStored(now.wall + 1_000_000_000));
        world
    }

    fn handle(&mut self, input: Input) -> Option<Reply> {
        let reply = self.node.handle(self.now, input);
        self.node.check();
        self.trace += &format!("{reply:?}\n");
        reply.ok()
    }

    fn subscriber(&mut self, client: u8) -> &mut Subscriber {
        self.subscribers.get_mut(&client).expect("all are there")
    }

    /// Nobody may be shown a list that is older than one that somebody was shown.
    fn show(&mut self, service: u8, filter: usize, healthy_only: bool, shown: &Shown) {
        if let Some(newest) = self.newest.insert((service, filter, healthy_only), shown.clone()) {
            assert!(shown.0 > newest.0 || *shown == newest, "{shown:?} after {newest:?}");
        }
    }

    fn view(&mut self, service: u8, filter: usize, healthy_only: bool, input: Input) -> Option<Shown> {
        let Reply::View(view) = self.handle(input)? else { panic!("a read is answered with a view") };
        let shown = (view.stamp, text(&view.hosts), view.protected);
        self.show(service, filter, healthy_only, &shown);
        Some(shown)
    }

    fn query(&mut self, service: u8, filter: usize, healthy_only: bool) -> Shown {
        let selection = Selection { filter: ClusterFilter::parse(FILTERS[filter]), healthy_only };
        self.view(service, filter, healthy_only, Input::Query { service: key(service), selection })
            .expect("never refused")
    }

    fn poll(&mut self) {
        let mut outputs = Vec::new();
        self.node.poll(self.now, &mut outputs);
        self.node.check();
        for output in outputs {
            self.trace += &format!("{output:?}\n");
            let Output::Push(push) = output else { panic!("small lists") };
            self.pushed(push);
        }
    }

    fn pushed(&mut self, push: Push) {
        let client = (0..CLIENTS).find(|client| id(*client) == push.client).expect("one of ours");
        let service = (0..SERVICES).find(|service| key(*service) == push.service).expect("one of ours");
        let filter = FILTERS.iter().position(|filter| *filter == push.clusters).expect("one of ours");
        self.show(service, filter, false, &seen(&push));
        if let Some(before) = push.supersedes {
            assert_eq!(self.pushes.get(&before), Some(&(client, service)), "of the same subscription");
        }
        assert_eq!(self.pushes.insert(push.number, (client, service)), None, "numbers are not used again");
        let subscriber = self.subscriber(client);
        assert_eq!(
            subscriber.wants.get(&service).map(|wants| wants.0),
            Some(filter),
            "nobody is pushed what it does not want"
        );
        subscriber.sent(service, filter, push.stamp);
        // A slow connection: what is superseded never leaves.
        if client.is_multiple_of(2) {
            subscriber.holds.retain(|(held, ..)| Some(held.number) != push.supersedes);
        }
        subscriber.holds.push((push, service, filter));
    }

    fn answer(&mut self, client: u8, which: usize, taken: bool) {
        let subscriber = self.subscriber(client);
        if subscriber.holds.is_empty() {
            return;
        }
        let (which, taken) = if client == NUMBERLESS { (0, true) } else { (which % subscriber.holds.len(), taken) };
        let (push, service, filter) = subscriber.holds.remove(which);
        if taken {
            subscriber.apply(service, filter, seen(&push));
        }
        let number = (client != NUMBERLESS).then_some(push.number);
        self.handle(Input::Acked { client: push.client, push: number, success: taken });
    }

    /// Lets time pass, polled whenever the node asks for it. With `answering` every push is taken as it leaves.
    fn pass(&mut self, millis: Millis, answering: bool) {
        let end = self.now.tick + millis;
        let mut polls = 0;
        while let Some(due) = self.node.next_deadline().filter(|due| *due <= end) {
            polls += 1;
            assert!(polls < 10_000, "a node that never comes to rest");
            self.advance(self.now.tick.max(due));
            self.poll();
            for client in (0..CLIENTS).filter(|_| answering) {
                while !self.subscriber(client).holds.is_empty() {
                    self.answer(client, 0, true);
                }
            }
        }
        self.advance(end);
    }

    fn persistent(&mut self, service: ServiceKey, port: u16, there: bool) {
        self.propose(Proposal::Instance(if there {
            PersistentOperation::Register { service, instance: Box::new(instance(port)) }
        } else {
            PersistentOperation::Deregister { service, ip: "10.0.0.1".into(), port }
        }));
    }

    /// Nodes agree at once.
    fn propose(&mut self, proposal: Proposal) {
        let judged = self.node.handle(self.now, Input::Judge(Box::new(proposal.clone())));
        if matches!(judged, Ok(Reply::Judged(true))) {
            let (_, changes) = self.agreed.propose(proposal);
            self.handle(Input::Agreed(changes));
        }
    }

    /// What nobody needs any more is forgotten.
    fn forget(&mut self) {
        let Some(Reply::Forgettable(keys, _)) = self.handle(Input::Forgettable { after: None }) else {
            unreachable!("asked for what may be forgotten")
        };
        let changes = self.agreed.forget(keys);
        self.handle(Input::Agreed(changes));
    }

    fn advance(&mut self, to: Tick) {
        self.now.wall += to.since(self.now.tick);
        self.now.tick = to;
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Connect(client) => drop(self.handle(Input::Connect(id(client), Attributes::default()))),
            Step::Disconnect(client) => {
                self.handle(Input::Disconnect(id(client)));
                let subscriber = self.subscriber(client);
                subscriber.wants.clear();
                subscriber.holds.clear();
            }
            Step::Register(client, service, ports) => {
                let content = Published::Batch(ports.into_iter().map(instance).collect());
                self.handle(Input::Register { client: id(client), service: key(service), content });
            }
            Step::Deregister(client, service) => {
                self.handle(Input::Deregister { client: id(client), service: key(service) });
            }
            Step::Address(service, there) => {
                let (client, service) = (ClientId::address("10.0.0.2", 80), key(service));
                let content = Published::One(Box::new(instance(80)));
                self.handle(if there {
                    Input::Register { client, service, content }
                } else {
                    Input::Deregister { client, service }
                });
            }
            Step::Beat(service, full) => {
                let (client, service) = (ClientId::address("10.0.0.2", 80), key(service));
                let instance = full.then(|| Box::new(instance(80)));
                self.handle(Input::Beat { client, service, instance });
            }
            Step::Operate(service, which) => {
                self.propose(Proposal::Metadata(operation(key(service), which)));
            }
            Step::Subscribe(client, service, filter) => self.subscribe(client, service, filter),
            Step::Unsubscribe(client, service) => {
                let input = Input::Unsubscribe { client: id(client), service: key(service), clusters: "".into() };
                self.view(service, 0, false, input);
                self.subscriber(client).wants.remove(&service);
            }
            Step::Query(service, filter, healthy_only) => drop(self.query(service, filter, healthy_only)),
            Step::Answer(client, which, taken) => self.answer(client, which, taken),
            Step::Lose(client) if client != NUMBERLESS => drop(self.subscriber(client).holds.pop()),
            Step::Lose(_) => {}
            Step::Persistent(service, port, there) => self.persistent(key(service), port, there),
            Step::Forget => self.forget(),
            Step::Poll => self.poll(),
            Step::Pass(millis) => self.pass(millis, false),
            Step::SetWallBack(millis) => self.now.wall -= millis,
        }
    }

    fn subscribe(&mut self, client: u8, service: u8, filter: usize) {
        let clusters = FILTERS[filter].into();
        let input = Input::Subscribe { client: id(client), service: key(service), clusters };
        if let Some(shown) = self.view(service, filter, false, input) {
            let subscriber = self.subscriber(client);
            subscriber.sent(service, filter, shown.0);
            subscriber.apply(service, filter, shown);
        }
    }

    /// Everybody answers from now on; after the longest pause all must be told and nothing be left to do.
    fn come_to_rest(&mut self) {
        for client in 0..CLIENTS {
            while !self.subscriber(client).holds.is_empty() {
                self.answer(client, 0, true);
            }
        }
        self.pass(LONGEST, true);
        assert_eq!(self.node.stats().pending_pushes, 0);
        for client in 0..CLIENTS {
            for (service, (filter, _)) in self.subscriber(client).wants.clone() {
                let (_, hosts, protected) = self.query(service, filter, false);
                let held = self.subscriber(client).held.get(&(service, filter)).expect("was answered");
                assert_eq!((&held.1, held.2), (&hosts, protected), "client {client} holds what a query shows");
            }
        }
        let counts = self.node.stats().pushes;
        self.pass(SETTINGS.registry.empty_service_expiry * 2, true);
        assert_eq!(self.node.stats().pushes, counts, "nothing is pushed without a change");
        assert_eq!(self.node.push.next_due(), None, "and nothing waited for");
    }
}

fn id(client: u8) -> ClientId {
    format!("client-{client}").as_str().into()
}

fn key(service: u8) -> ServiceKey {
    ServiceKey::new("", "", &format!("s{service}")).expect("legal")
}

fn instance(port: u16) -> Instance {
    let cluster = if port % 2 == 1 { "c1" } else { "c2" };
    Instance {
        ip: "10.0.0.1".into(),
        port,
        cluster: cluster.into(),
        healthy: !port.is_multiple_of(3),
        ..Instance::default()
    }
}

fn text(hosts: &[u8]) -> String {
    String::from_utf8(hosts.to_vec()).expect("JSON is UTF-8")
}

fn seen(push: &Push) -> Shown {
    (push.stamp, text(&push.hosts), push.protected)
}

fn run(steps: &[Step]) -> String {
    let mut world = World::new();
    for step in steps {
        world.step(step.clone());
    }
    world.come_to_rest();
    world.trace
}

proptest! {
    #[test]
    fn subscribers_end_with_what_a_query_shows_and_never_see_time_go_back(steps in prop::collection::vec(step(), 1..150)) {
        run(&steps);
    }

    #[test]
    fn the_same_inputs_give_the_same_outputs(steps in prop::collection::vec(step(), 1..60)) {
        prop_assert_eq!(run(&steps), run(&steps));
    }
}
