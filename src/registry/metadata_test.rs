//! What operators set: it wins over what clients publish, waits for them a while, and goes with its service.

use super::{
    registry_test::{Checked, instance, key, one},
    *,
};
use crate::model::{
    Address, Amended, AmendedMetadata, Amendment, ClusterMetadata, Instance, Metadata, MetadataOperation, Published,
    ServiceMetadata,
};

const MINUTE: u64 = 60_000;

fn labels(pairs: &[(&str, &str)]) -> Metadata {
    pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

fn with_threshold(threshold: f64) -> ServiceMetadata {
    ServiceMetadata { protect_threshold: Some(threshold), ..ServiceMetadata::default() }
}

impl Checked {
    fn set(&mut self, port: u16, weight: f64, enabled: bool, metadata: AmendedMetadata) {
        let amendment = Amendment { weight: Amended::Set(weight), enabled: Amended::Set(enabled), metadata };
        let amendments = vec![(address(&instance(port)), amendment)];
        self.operate(MetadataOperation::Override { service: key("s"), amendments }).expect("never refused");
    }

    fn shown(&self, port: u16) -> Instance {
        let service = key("s");
        let mut all = self.registry.visible(&service).expect("listed");
        let (client, shown) = all.find(|(_, shown)| shown.port == port).expect("published");
        let (client, shown) = (client.clone(), shown.into_owned());
        assert_eq!(self.registry.instance(&service, &address(&shown)), Found::One(client, Box::new(shown.clone())));
        shown
    }
}

#[test]
fn what_is_set_on_an_instance_wins_over_what_is_published() {
    let mut registry = Checked::new();
    registry.connect("a");
    let published = Instance { metadata: labels(&[("a", "1"), ("b", "1")]), weight: 5.0, ..instance(1) };
    registry.register("a", "s", Published::One(Box::new(published)));
    registry.set(1, 2.0, true, AmendedMetadata::Replace(labels(&[("b", "2"), ("c", "2")])));
    let shown = registry.shown(1);
    assert_eq!((shown.weight, shown.metadata), (2.0, labels(&[("a", "1"), ("b", "2"), ("c", "2")])));
    registry.set(1, 2.0, false, AmendedMetadata::Keep);
    assert_eq!(registry.ports("s", &Selection::default()), [0; 0], "a disabled one is hidden");
    registry.register("a", "s", one(1));
    assert_eq!(
        (registry.shown(1).enabled, registry.shown(1).weight),
        (false, 2.0),
        "a new registration changes nothing"
    );
}

#[test]
fn what_is_set_waits_a_minute_for_its_instance() {
    for (away, kept) in [(MINUTE - 1, true), (MINUTE, false)] {
        let mut registry = Checked::new();
        registry.connect("a");
        registry.connect("b");
        registry.register("a", "s", one(1));
        registry.register("b", "s", one(2));
        registry.set(1, 7.0, true, AmendedMetadata::Keep);
        registry.pass(10 * MINUTE);
        registry.apply(Command::Disconnect("a".into())).expect("there");
        registry.pass(away);
        registry.connect("a");
        registry.register("a", "s", one(1));
        assert_eq!(registry.shown(1).weight == 7.0, kept, "after {away} ms");
    }
}

#[test]
fn another_publisher_of_the_address_keeps_what_is_set() {
    let mut registry = Checked::new();
    registry.connect("a");
    registry.connect("b");
    registry.register("a", "s", one(1));
    registry.register("b", "s", one(1));
    registry.set(1, 7.0, true, AmendedMetadata::Keep);
    registry.apply(Command::Disconnect("b".into())).expect("there");
    registry.pass(10 * MINUTE);
    assert_eq!(registry.shown(1).weight, 7.0);
    registry.register("a", "s", one(2));
    registry.pass(MINUTE);
    registry.register("a", "s", one(1));
    assert_eq!(registry.shown(1).weight, 1.0, "a replaced publication is gone as well");
}

#[test]
fn what_is_set_beforehand_waits_as_well() {
    let mut registry = Checked::new();
    registry.connect("a");
    registry
        .operate(MetadataOperation::Create { service: key("s"), ephemeral: true, metadata: with_threshold(0.0) })
        .expect("new");
    registry.set(1, 7.0, true, AmendedMetadata::Keep);
    registry.pass(MINUTE / 2);
    registry.register("a", "s", one(1));
    registry.pass(10 * MINUTE);
    assert_eq!(registry.shown(1).weight, 7.0);
}

#[test]
fn a_service_is_made_changed_and_removed_once() {
    let mut registry = Checked::new();
    let (service, metadata) = (|| key("s"), || with_threshold(0.5));
    let refused = |result: Result<Vec<Change>, Refused>| result.expect_err("refused");
    let update = || MetadataOperation::Update { service: service(), metadata: with_threshold(0.7) };
    let remove = || MetadataOperation::Remove { service: service() };
    assert_eq!(refused(registry.operate(update())), Refused::NoService(service()));
    assert_eq!(refused(registry.operate(remove())), Refused::NoService(service()));
    let create = || MetadataOperation::Create { service: service(), ephemeral: false, metadata: metadata() };
    registry.operate(create()).expect("new");
    assert_eq!(refused(registry.operate(create())), Refused::ServiceExists(service()));
    registry.operate(update()).expect("there");
    let detail = registry.registry.detail(&service()).expect("listed");
    assert_eq!((detail.ephemeral, detail.metadata), (false, with_threshold(0.7)));
    registry.operate(remove()).expect("empty");
    assert_eq!(registry.registry.detail(&service()), None);
    assert_eq!(registry.registry.find(&service()), None, "nothing is left");
}

#[test]
fn a_service_takes_instances_of_its_kind_only_and_is_not_removed_with_them() {
    let mut registry = Checked::new();
    registry.connect("a");
    let metadata = ServiceMetadata::default();
    registry.operate(MetadataOperation::Create { service: key("s"), ephemeral: false, metadata }).expect("new");
    let register = || Command::register(&"a".into(), key("s"), one(1));
    assert_eq!(registry.apply(register()), Err(Refused::IsPersistent(key("s"))));
    registry.pass(MINUTE);
    registry.apply(register()).expect("an empty service is unlisted, and its kind forgotten");
    let remove = MetadataOperation::Remove { service: key("s") };
    assert_eq!(registry.operate(remove), Err(Refused::NotEmpty(key("s"))));
}

#[test]
fn settings_outlive_their_unlisted_service_for_a_while() {
    for (away, threshold) in [(2 * MINUTE - 1, Some(0.5)), (2 * MINUTE, None)] {
        let mut registry = Checked::new();
        registry.connect("a");
        let metadata = with_threshold(0.5);
        registry.operate(MetadataOperation::Create { service: key("s"), ephemeral: true, metadata }).expect("new");
        registry.pass(MINUTE);
        assert_eq!(registry.registry.detail(&key("s")), None, "unlisted");
        registry.pass(away - MINUTE);
        registry.register("a", "s", one(1));
        let detail = registry.registry.detail(&key("s")).expect("listed again");
        assert_eq!(detail.metadata.protect_threshold, threshold, "after {away} ms");
    }
}

#[test]
fn clusters_are_those_with_instances() {
    let mut registry = Checked::new();
    registry.connect("a");
    registry.register("a", "s", Published::One(Box::new(Instance { cluster: "c1".into(), ..instance(1) })));
    for cluster in ["c1", "c2"] {
        let metadata = ClusterMetadata { check_port: 81, ..ClusterMetadata::default() };
        let operation = MetadataOperation::UpdateCluster { service: key("s"), cluster: cluster.into(), metadata };
        registry.operate(operation).expect("the service is there");
    }
    let detail = registry.registry.detail(&key("s")).expect("listed");
    let clusters: Vec<(&str, u16)> = detail.clusters.iter().map(|(name, set)| (&**name, set.check_port)).collect();
    assert_eq!(clusters, [("c1", 81)]);
}

#[test]
fn nothing_is_set_where_no_service_is() {
    let mut registry = Checked::new();
    let amendment =
        Amendment { weight: Amended::Set(1.0), enabled: Amended::Set(true), metadata: AmendedMetadata::Keep };
    let address = Address { ip: "10.0.0.1".into(), port: 1, cluster: "DEFAULT".into() };
    let operation = MetadataOperation::Override { service: key("s"), amendments: vec![(address, amendment)] };
    assert_eq!(registry.operate(operation), Ok(Vec::new()));
    assert_eq!(registry.registry.find(&key("s")), None);
}
