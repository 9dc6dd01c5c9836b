//! Lists of everything come whole and in order, however many stretches they take and whatever happens meanwhile.

use compact_str::CompactString;

use super::{listing::STRETCH, *};
use crate::model::{Agreed, AgreedChange, Attributes, ClusterFilter, Instance, Published, ServiceMetadata};

fn key(namespace: &str, group: &str, name: &str) -> ServiceKey {
    ServiceKey::new(namespace, group, name).expect("legal")
}

fn instance(port: u16) -> Instance {
    Instance { ip: "10.0.0.1".into(), port, ..Instance::default() }
}

/// A registry with one client, `a`, at a time.
struct Scene {
    registry: Registry,
    now: Tick,
}

impl Scene {
    fn new() -> Self {
        let mut scene =
            Self { registry: Registry::new(Limits { empty_service_expiry: 60_000, encodings: 0 }), now: Tick(0) };
        scene.connect("a", Attributes::default());
        scene
    }

    fn apply(&mut self, command: Command) {
        self.registry.apply(self.now, command, &mut Vec::new()).expect("not refused");
    }

    fn connect(&mut self, client: &str, attributes: Attributes) {
        self.apply(Command::Connect(client.into(), attributes));
    }

    fn register(&mut self, client: &str, service: &ServiceKey, instances: &[Instance]) {
        let content = Published::Batch(instances.into());
        self.apply(Command::register(&client.into(), service.clone(), content));
    }

    fn subscribe(&mut self, client: &str, service: &ServiceKey, clusters: &str) {
        let subscriber =
            Subscriber { clusters: clusters.into(), filter: ClusterFilter::parse(clusters), attributes: None };
        self.apply(Command::Subscribe { client: client.into(), service: service.clone(), subscriber });
    }

    /// All services, with `meanwhile` between two stretches.
    fn walk(
        &mut self,
        namespace: Option<&str>,
        among: Among,
        mut meanwhile: impl FnMut(&mut Self),
    ) -> (usize, Vec<ServiceKey>) {
        let (mut stretches, mut all, mut after) = (0, Vec::new(), None);
        loop {
            let stretch = self.registry.stretch(namespace, among, after.as_ref());
            assert!(stretch.services.len() <= STRETCH);
            stretches += 1;
            all.extend(stretch.services);
            if stretch.next.is_none() {
                return (stretches, all);
            }
            after = stretch.next;
            meanwhile(self);
        }
    }
}

#[test]
fn a_walk_meets_every_service_once_and_in_order() {
    let mut scene = Scene::new();
    let services: Vec<_> =
        (0..2 * STRETCH + 1).map(|n| key("n", &format!("g{}", n % 3), &format!("s{n:05}"))).collect();
    for service in services.iter().rev() {
        scene.register("a", service, &[instance(1)]);
    }
    scene.register("a", &key("m", "", "other"), &[instance(1)]);
    scene.register("a", &key("o", "", "other"), &[instance(1)]);
    let mut expected = services;
    expected.sort();
    assert_eq!(scene.walk(Some("n"), Among::Listed, |_| {}), (3, expected.clone()));
    let (_, all) = scene.walk(None, Among::Listed, |_| {});
    assert_eq!(all.len(), expected.len() + 2);
    assert!(all.is_sorted());
    assert_eq!(scene.walk(Some("none"), Among::Listed, |_| {}), (1, Vec::new()));
}

#[test]
fn a_walk_misses_nothing_that_was_there_all_along() {
    let mut scene = Scene::new();
    let lasting: Vec<_> = (0..2 * STRETCH).map(|n| key("", "g", &format!("s{n:05}"))).collect();
    for service in &lasting {
        scene.register("a", service, &[instance(1)]);
    }
    scene.connect("b", Attributes::default());
    let mut round = 0;
    let (_, met) = scene.walk(None, Among::Listed, |scene| {
        round += 1;
        // Before and behind every place, the place itself gone and come again.
        scene.apply(Command::Disconnect("b".into()));
        scene.connect("b", Attributes::default());
        for name in ["a", "s00999x", "z"] {
            scene.register("b", &key("", "g", &format!("{name}{round}")), &[instance(2)]);
        }
    });
    assert!(lasting.iter().all(|service| met.binary_search(service).is_ok()), "each was met");
    assert!(met.is_sorted() && met.windows(2).all(|pair| pair[0] != pair[1]), "none twice");
}

#[test]
fn a_full_last_stretch_is_the_last() {
    let mut scene = Scene::new();
    for n in 0..STRETCH {
        scene.register("a", &key("", "", &format!("s{n}")), &[instance(1)]);
    }
    assert_eq!(scene.walk(None, Among::Listed, |_| {}).0, 1);
}

#[test]
fn the_place_to_go_on_from_need_not_be_a_service() {
    let mut directory = Directory::default();
    let parts = ["a", "b", "c"];
    let all = || parts.into_iter().flat_map(|n| parts.map(|g| parts.map(|s| (n, g, s)))).flatten();
    let keys: Vec<_> = all().filter(|(n, g, s)| [n, g, s] != [&"b"; 3]).map(|(n, g, s)| key(n, g, s)).collect();
    for (number, key) in keys.iter().enumerate() {
        directory.insert(key, ServiceNo(number as u32));
    }
    let places =
        all().map(|(n, g, s)| key(n, g, s)).chain([key("0", "0", "0"), key("z", "z", "z"), key("b", "bb", "a")]);
    for place in places {
        let behind: Vec<_> = directory.behind(&place).map(|number| &keys[number.0 as usize]).collect();
        let expected: Vec<_> = keys.iter().filter(|key| **key > place).collect();
        assert_eq!(behind, expected, "behind {place}");
    }
}

#[test]
fn services_are_found_by_what_they_have() {
    let mut scene = Scene::new();
    let (filled, empty, wanted) = (key("", "", "filled"), key("", "", "empty"), key("", "", "wanted"));
    scene.register("a", &filled, &[instance(1)]);
    scene.register("a", &empty, &[]);
    scene.subscribe("a", &wanted, "");
    let mut found = |among| scene.walk(None, among, |_| {}).1;
    assert_eq!(found(Among::Listed), [empty.clone(), filled.clone()]);
    assert_eq!(found(Among::Filled), [filled]);
    assert_eq!(found(Among::Subscribed), std::slice::from_ref(&wanted));
    assert_eq!(scene.registry.summary(&empty), Some(ServiceSummary::default()));
    assert_eq!(scene.registry.summary(&wanted), None, "only wanted");
}

#[test]
fn a_summary_counts_what_operators_see() {
    let mut scene = Scene::new();
    let service = key("", "", "s");
    let cluster = |port, cluster: &str| Instance { cluster: cluster.into(), ..instance(port) };
    let sick = Instance { healthy: false, ..cluster(2, "c1") };
    let disabled = Instance { enabled: false, ..cluster(3, "c2") };
    scene.register("a", &service, &[cluster(1, "c1"), sick, disabled]);
    scene.connect("b", Attributes::default());
    // Hides the first one, as in every list.
    scene.register("b", &service, &[cluster(1, "c1")]);
    let summary = ServiceSummary { clusters: 2, instances: 3, healthy: 2, threshold: None };
    assert_eq!(scene.registry.summary(&service), Some(summary));
    let metadata = ServiceMetadata { protect_threshold: Some(0.5), ..ServiceMetadata::default() };
    let set = Agreed::Service { service: service.clone(), ephemeral: true, metadata };
    scene.apply(Command::Agreed(AgreedChange::Put(set)));
    assert_eq!(scene.registry.summary(&service), Some(ServiceSummary { threshold: Some(0.5), ..summary }));
}

#[test]
fn subscribers_come_by_address_with_what_they_say_of_themselves() {
    let mut scene = Scene::new();
    let service = key("", "", "s");
    let attributes = |agent: &str| Attributes { agent: agent.into(), app: "shop".into() };
    for (client, agent) in [("9_10.0.0.2_80", "x"), ("10_10.0.0.1_90", "y"), ("10.0.0.1:80#true", "z")] {
        scene.connect(client, attributes(agent));
        scene.subscribe(client, &service, "c1,c2");
    }
    let found = scene.registry.subscriber_details(&service);
    let agents: Vec<_> = found.iter().map(|subscriber| subscriber.attributes.clone()).collect();
    assert_eq!(agents, ["z", "y", "x"].map(attributes));
    assert!(found.iter().all(|subscriber| subscriber.clusters == "c1,c2"));
    assert_eq!(scene.registry.subscriber_details(&key("", "", "nobody")), []);
}

#[test]
fn clients_come_in_stretches_too() {
    let mut scene = Scene::new();
    let ids: Vec<CompactString> = (0..STRETCH + 1).map(|n| format!("c{n:05}").into()).collect();
    for id in &ids {
        scene.connect(id, Attributes::default());
    }
    let first = scene.registry.clients(None);
    let second = scene.registry.clients(first.last());
    assert_eq!((first.len(), second.len()), (STRETCH, 2));
    assert!(first.iter().chain(&second).is_sorted());
    assert_eq!(scene.registry.clients(second.last()), []);
    // The place to go on from may be gone.
    assert_eq!(scene.registry.clients(Some(&"c00".into())).len(), STRETCH);
}

#[test]
fn a_client_shows_what_it_does_and_since_when() {
    let mut scene = Scene::new();
    let (s, t) = (key("", "", "s"), key("", "", "t"));
    scene.now = Tick(10);
    scene.register("a", &t, &[instance(2)]);
    scene.register("a", &s, &[instance(1)]);
    scene.now = Tick(20);
    scene.subscribe("a", &t, "");
    let detail = scene.registry.client_detail(&"a".into()).expect("there");
    let batch = |port| Published::Batch([instance(port)].into());
    assert_eq!(detail.publishes, [(s.clone(), batch(1)), (t.clone(), batch(2))]);
    assert_eq!(
        (detail.subscribes, detail.updated),
        (vec![(t.clone(), Attributes::default())], Tick(10)),
        "a subscription publishes nothing"
    );
    scene.apply(Command::Deregister { client: "a".into(), service: t });
    let detail = scene.registry.client_detail(&"a".into()).expect("there");
    assert_eq!((detail.publishes.len(), detail.updated), (1, Tick(20)));
    assert_eq!(scene.registry.client_detail(&"nobody".into()), None);
}
