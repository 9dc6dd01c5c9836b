//! Random operation sequences against a model that knows only who published what, and the rules of views one by one.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{
    agreed::Alone,
    model::{AgreedChange, Attributes, ClusterFilter, Instance, MetadataOperation, Proposal, Published},
};

const LIMITS: Limits = Limits { empty_service_expiry: 60_000, encodings: 2_000 };

pub(super) fn key(name: &str) -> ServiceKey {
    ServiceKey::new("", "", name).expect("legal")
}

pub(super) fn instance(port: u16) -> Instance {
    Instance { ip: "10.0.0.1".into(), port, ..Instance::default() }
}

pub(super) fn one(port: u16) -> Published {
    Published::One(Box::new(instance(port)))
}

fn subscriber() -> Subscriber {
    Subscriber { clusters: Default::default(), filter: ClusterFilter::default(), attributes: None }
}

/// A registry with its checks run after every step.
pub(super) struct Checked {
    pub(super) registry: Registry,
    pub(super) now: Tick,
    agreed: Alone,
}

impl Checked {
    pub(super) fn new() -> Self {
        Self { registry: Registry::new(LIMITS), now: Tick(0), agreed: Alone::default() }
    }

    pub(super) fn apply(&mut self, command: Command) -> Result<Vec<Change>, Refused> {
        let mut changes = Vec::new();
        let result = self.registry.apply(self.now, command, &mut changes);
        self.registry.check();
        assert!(result.is_ok() || changes.is_empty(), "a refused command changes nothing");
        result.map(|()| changes)
    }

    /// What an operator does, where nodes agree at once.
    pub(super) fn operate(&mut self, operation: MetadataOperation) -> Result<Vec<Change>, Refused> {
        self.propose(Proposal::Metadata(operation))
    }

    pub(super) fn propose(&mut self, proposal: Proposal) -> Result<Vec<Change>, Refused> {
        if !self.registry.judge(&proposal)? {
            return Ok(Vec::new());
        }
        let (_, changes) = self.agreed.propose(proposal);
        Ok(self.agree(changes))
    }

    fn agree(&mut self, changes: Vec<AgreedChange>) -> Vec<Change> {
        changes.into_iter().flat_map(|change| self.apply(Command::Agreed(change)).expect("never refused")).collect()
    }

    /// Lets time pass; what is not needed any more is forgotten.
    pub(super) fn pass(&mut self, millis: Millis) {
        self.now = self.now + millis;
        self.apply(Command::Expire).expect("never refused");
        let (keys, _) = self.registry.forgettable(self.now, None);
        let changes = self.agreed.forget(keys);
        self.agree(changes);
    }

    pub(super) fn connect(&mut self, client: &str) {
        self.apply(Command::Connect(client.into(), Attributes::default())).expect("connects");
    }

    pub(super) fn register(&mut self, client: &str, service: &str, content: Published) -> Vec<Change> {
        let command = Command::register(&client.into(), key(service), content);
        self.apply(command).expect("the client is there")
    }

    pub(super) fn hosts(&mut self, service: &str, selection: &Selection) -> String {
        let Some(number) = self.registry.find(&key(service)) else {
            return "[]".into();
        };
        let encoded = self.registry.hosts(self.now, number, selection);
        self.registry.check();
        String::from_utf8(encoded.hosts.to_vec()).expect("JSON is UTF-8")
    }

    pub(super) fn ports(&mut self, service: &str, selection: &Selection) -> Vec<u64> {
        let hosts: serde_json::Value = serde_json::from_str(&self.hosts(service, selection)).expect("JSON");
        hosts.as_array().expect("an array").iter().map(|host| host["port"].as_u64().expect("a port")).collect()
    }
}

#[test]
fn a_second_registration_replaces_the_first_and_a_batch_too() {
    let mut registry = Checked::new();
    registry.connect("a");
    registry.register("a", "s", one(1));
    registry.register("a", "s", one(2));
    assert_eq!(registry.ports("s", &Selection::default()), [2]);
    registry.register("a", "s", Published::Batch([instance(4), instance(3)].into()));
    assert_eq!(registry.ports("s", &Selection::default()), [3, 4]);
    registry.register("a", "s", Published::Batch([].into()));
    assert_eq!(registry.ports("s", &Selection::default()), [0u64; 0]);
    assert_eq!(
        registry.registry.next_due().map(|at| at > Tick(10_000)),
        Some(false),
        "an empty batch owns the service"
    );
}

#[test]
fn the_same_content_again_is_no_change() {
    let mut registry = Checked::new();
    registry.connect("a");
    assert_eq!(registry.register("a", "s", one(1)).len(), 3);
    assert_eq!(registry.register("a", "s", one(1)), []);
}

#[test]
fn health_is_a_change_only_when_it_differs_and_hides_nobody() {
    let mut registry = Checked::new();
    registry.connect("old");
    registry.connect("new");
    registry.register("old", "s", one(1));
    registry.register("new", "s", Published::One(Box::new(Instance { weight: 2.0, ..instance(1) })));
    let health =
        |client: &str, service, healthy| Command::Health { client: client.into(), service: key(service), healthy };
    assert_eq!(registry.apply(health("old", "s", true)), Ok(vec![]));
    let number = registry.registry.find(&key("s")).expect("registered");
    let changed = |registry: &Checked, client: &str| {
        let client = registry.registry.client_no(&client.into()).expect("connected");
        Ok(vec![Change::ClientChanged(client), Change::ServiceChanged(number)])
    };
    assert_eq!(registry.apply(health("old", "s", false)), changed(&registry, "old"));
    assert!(registry.hosts("s", &Selection::default()).contains(r#""weight":2.0"#), "the newer content still shows");
    assert_eq!(registry.apply(health("new", "s", false)), changed(&registry, "new"));
    assert!(registry.hosts("s", &Selection::default()).contains(r#""healthy":false"#));
    assert_eq!(registry.apply(health("new", "t", false)), Ok(vec![]), "a service it does not publish for");
    assert!(registry.apply(health("nobody", "s", false)).is_err());
}

#[test]
fn the_newer_of_two_equal_addresses_hides_the_older() {
    let mut registry = Checked::new();
    registry.connect("old");
    registry.connect("new");
    let weighted = |weight| Published::One(Box::new(Instance { weight, ..instance(1) }));
    registry.register("new", "s", weighted(1.0));
    registry.register("old", "s", weighted(2.0));
    registry.register("new", "s", weighted(3.0));
    assert!(registry.hosts("s", &Selection::default()).contains(r#""weight":3.0"#));
    assert_eq!(registry.ports("s", &Selection::default()), [1]);
    registry.apply(Command::Disconnect("new".into())).expect("disconnects");
    assert!(registry.hosts("s", &Selection::default()).contains(r#""weight":2.0"#), "the older shows again");
}

#[test]
fn selection_follows_cluster_enabled_and_health() {
    let mut registry = Checked::new();
    registry.connect("a");
    let in_cluster = |port, cluster: &str| Instance { cluster: cluster.into(), ..instance(port) };
    let batch = [
        in_cluster(1, "c1"),
        in_cluster(2, "c2"),
        Instance { enabled: false, ..in_cluster(3, "c1") },
        Instance { healthy: false, ..in_cluster(4, "c2") },
        Instance { weight: 0.0, ..in_cluster(5, "c3") },
    ];
    registry.register("a", "s", Published::Batch(batch.into()));
    let select = |list, healthy_only| Selection { filter: ClusterFilter::parse(list), healthy_only };
    assert_eq!(registry.ports("s", &select("", false)), [1, 2, 4, 5]);
    assert_eq!(registry.ports("s", &select("", true)), [1, 2, 5]);
    assert_eq!(registry.ports("s", &select("c2,c1", false)), [1, 2, 4]);
    assert_eq!(registry.ports("s", &select("zz", false)), [0u64; 0]);
}

#[test]
fn protection_shows_all_as_healthy_from_the_threshold_on() {
    let mut registry = Checked::new();
    registry.connect("a");
    let unhealthy = |port| Instance { healthy: false, ..instance(port) };
    registry.register("a", "s", Published::Batch([instance(1), unhealthy(2)].into()));
    let protect = |threshold| MetadataOperation::Protect { service: key("s"), threshold };
    let healthy =
        |registry: &mut Checked| registry.hosts("s", &Selection::default()).matches(r#""healthy":true"#).count();
    assert_eq!(healthy(&mut registry), 1);
    registry.operate(protect(Some(0.4))).expect("applies");
    assert_eq!(healthy(&mut registry), 1);
    assert_eq!(registry.operate(protect(Some(0.5))).expect("applies").len(), 1, "readers see another view");
    assert_eq!(healthy(&mut registry), 2);
    registry.register("a", "s", Published::Batch([unhealthy(1), unhealthy(2)].into()));
    registry.operate(protect(Some(0.0))).expect("applies");
    assert_eq!(healthy(&mut registry), 2, "a threshold of 0 protects when none is healthy");
    registry.operate(protect(None)).expect("applies");
    assert_eq!(healthy(&mut registry), 0);
}

#[test]
fn a_service_without_publishers_leaves_the_lists_after_its_time() {
    let mut registry = Checked::new();
    registry.connect("a");
    registry.register("a", "s", one(1));
    registry.apply(Command::Deregister { client: "a".into(), service: key("s") }).expect("applies");
    registry.now = Tick(59_999);
    registry.apply(Command::Expire).expect("applies");
    assert_eq!(registry.registry.list(&key(""), 1, 10), (1, vec!["s".into()]));
    registry.now = Tick(60_000);
    let changes = registry.apply(Command::Expire).expect("applies");
    assert_eq!(changes.len(), 1, "forgotten: {changes:?}");
    assert_eq!(registry.registry.list(&key(""), 1, 10).0, 0);
}

#[test]
fn a_subscription_neither_lists_a_service_nor_is_lost_with_it() {
    let mut registry = Checked::new();
    for client in ["a", "b"] {
        registry.connect(client);
    }
    registry
        .apply(Command::Subscribe { client: "b".into(), service: key("s"), subscriber: subscriber() })
        .expect("applies");
    assert_eq!(registry.registry.list(&key(""), 1, 10).0, 0);
    registry.register("a", "s", one(1));
    registry.apply(Command::Disconnect("a".into())).expect("applies");
    registry.now = Tick(60_000);
    registry.apply(Command::Expire).expect("applies");
    let number = registry.registry.find(&key("s")).expect("still wanted");
    assert_eq!(registry.registry.subscribers(number).len(), 1);
}

#[test]
fn pages_are_sorted_and_counted() {
    let mut registry = Checked::new();
    registry.connect("a");
    for name in ["s3", "s1", "s2"] {
        registry.register("a", name, one(1));
    }
    let page = |page, size| registry.registry.list(&key(""), page, size);
    assert_eq!(page(1, 2), (3, vec!["s1".into(), "s2".into()]));
    assert_eq!(page(2, 2), (3, vec!["s3".into()]));
    assert_eq!(page(3, 2), (3, vec![]));
    assert_eq!(page(1, 0), (3, vec![]));
    assert_eq!(page(i32::MAX as usize, 10).1.len(), 3, "an overflowing page is the first");
}

#[test]
fn stamps_grow_with_the_view_and_stand_still_without() {
    let mut registry = Checked::new();
    registry.connect("a");
    registry.register("a", "s", one(1));
    let number = registry.registry.find(&key("s")).expect("there");
    let stamp = |registry: &mut Checked, above| registry.registry.stamp(number, above, |floor| floor.max(1_000));
    assert_eq!(stamp(&mut registry, None), 1_000);
    assert_eq!(stamp(&mut registry, None), 1_000, "the same view may carry the same stamp");
    registry.register("a", "s", one(2));
    assert_eq!(stamp(&mut registry, None), 1_001);
    assert_eq!(stamp(&mut registry, Some(1_001)), 1_002, "a push is always newer than the one before");
    assert_eq!(stamp(&mut registry, None), 1_002);
}

#[derive(Clone, Debug)]
enum Step {
    Connect(u8),
    Disconnect(u8),
    Register(u8, u8, Vec<u16>),
    Deregister(u8, u8),
    Subscribe(u8, u8),
    Unsubscribe(u8, u8),
    Read(u8, bool),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (client, service) = (0u8..4, 0u8..3);
    let step = prop_oneof![
        2 => client.clone().prop_map(Step::Connect),
        1 => client.clone().prop_map(Step::Disconnect),
        6 => (client.clone(), service.clone(), proptest::collection::vec(1u16..5, 0..4))
            .prop_map(|(client, service, ports)| Step::Register(client, service, ports)),
        2 => (client.clone(), service.clone()).prop_map(|(client, service)| Step::Deregister(client, service)),
        2 => (client.clone(), service.clone()).prop_map(|(client, service)| Step::Subscribe(client, service)),
        1 => (client, service.clone()).prop_map(|(client, service)| Step::Unsubscribe(client, service)),
        3 => (service, any::<bool>()).prop_map(|(service, healthy)| Step::Read(service, healthy)),
        1 => (0u64..70_000).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..120)
}

/// What the registry should hold, kept as simply as can be.
#[derive(Default)]
struct Model {
    clients: BTreeMap<String, BTreeMap<String, Vec<u16>>>,
}

impl Model {
    fn ports(&self, service: &str) -> BTreeSet<u64> {
        self.clients
            .values()
            .filter_map(|published| published.get(service))
            .flatten()
            .map(|port| (*port).into())
            .collect()
    }
}

proptest! {
    #[test]
    fn agrees_with_a_simple_model(steps in steps()) {
        let mut registry = Checked::new();
        let mut model = Model::default();
        let client = |n: u8| format!("client-{n}");
        let service = |n: u8| format!("service-{n}");
        for step in steps {
            match step {
                Step::Connect(c) => {
                    registry.connect(&client(c));
                    model.clients.entry(client(c)).or_default();
                }
                Step::Disconnect(c) => {
                    registry.apply(Command::Disconnect(client(c).as_str().into())).expect("never refused");
                    model.clients.remove(&client(c));
                }
                Step::Register(c, s, ports) => {
                    let content = Published::Batch(ports.iter().map(|port| instance(*port)).collect());
                    let command = Command::register(&client(c).as_str().into(), key(&service(s)), content);
                    let known = model.clients.get_mut(&client(c)).map(|published| published.insert(service(s), ports));
                    prop_assert_eq!(registry.apply(command).is_ok(), known.is_some());
                }
                Step::Deregister(c, s) => {
                    let command = Command::Deregister { client: client(c).as_str().into(), service: key(&service(s)) };
                    let known = model.clients.get_mut(&client(c)).map(|published| published.remove(&service(s)));
                    prop_assert_eq!(registry.apply(command).is_ok(), known.is_some());
                }
                Step::Subscribe(c, s) => {
                    let command = Command::Subscribe { client: client(c).as_str().into(), service: key(&service(s)), subscriber: subscriber() };
                    prop_assert_eq!(registry.apply(command).is_ok(), model.clients.contains_key(&client(c)));
                }
                Step::Unsubscribe(c, s) => {
                    let command = Command::Unsubscribe { client: client(c).as_str().into(), service: key(&service(s)) };
                    prop_assert_eq!(registry.apply(command).is_ok(), model.clients.contains_key(&client(c)));
                }
                Step::Read(s, healthy_only) => {
                    let selection = Selection { healthy_only, ..Selection::default() };
                    let ports: Vec<u64> = registry.ports(&service(s), &selection);
                    prop_assert_eq!(ports.iter().copied().collect::<BTreeSet<_>>(), model.ports(&service(s)));
                    prop_assert!(ports.is_sorted(), "the order of hosts is fixed");
                }
                Step::Wait(millis) => {
                    registry.now = registry.now + millis;
                    registry.apply(Command::Expire).expect("never refused");
                }
            }
        }
        for s in 0..3 {
            let ports: BTreeSet<u64> = registry.ports(&service(s), &Selection::default()).into_iter().collect();
            prop_assert_eq!(ports, model.ports(&service(s)), "reads show every acknowledged write");
        }
    }
}
