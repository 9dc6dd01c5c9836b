//! What becomes of proposals: once each, the same everywhere, and never by anything but what was agreed before.

use bytes::Bytes;
use proptest::prelude::*;

use crate::{
    agreed::{Alone, State, done},
    model::{
        Address, Agreed, AgreedChange, AgreedKey, Amended, AmendedMetadata, Amendment, ClusterMetadata, Flag,
        Forgotten, Instance, MetadataOperation, Namespace, NamespaceOperation, NodeId, Outcome, PersistentOperation,
        Proposal, ProposalId, ServiceKey, ServiceMetadata, Switch, limits,
    },
};

fn service(name: &str) -> ServiceKey {
    ServiceKey::new("", "", name).expect("legal")
}

fn id(minted: u64, number: u64) -> ProposalId {
    ProposalId { minted, node: NodeId(7), number }
}

fn instance(port: u16) -> Box<Instance> {
    Box::new(Instance { ip: "10.0.0.1".into(), port, ..Instance::default() })
}

fn register(name: &str, port: u16) -> Proposal {
    Proposal::Instance(PersistentOperation::Register { service: service(name), instance: instance(port) })
}

fn deregister(name: &str, port: u16) -> Proposal {
    let (service, ip) = (service(name), "10.0.0.1".into());
    Proposal::Instance(PersistentOperation::Deregister { service, ip, port })
}

fn named(name: &str, port: u16) -> AgreedKey {
    AgreedKey::Instance(service(name), "10.0.0.1".into(), port)
}

fn create(name: &str) -> Proposal {
    let metadata = ServiceMetadata { protect_threshold: Some(0.5), ..ServiceMetadata::default() };
    Proposal::Metadata(MetadataOperation::Create { service: service(name), ephemeral: false, metadata })
}

fn remove(name: &str) -> Proposal {
    Proposal::Metadata(MetadataOperation::Remove { service: service(name) })
}

fn namespace(id: &str, name: &str) -> Namespace {
    Namespace { id: id.into(), name: name.into(), description: None }
}

fn make(id: &str) -> Proposal {
    Proposal::Namespace(NamespaceOperation::Create(namespace(id, "first")))
}

/// The leader died between doing and answering, somebody else deregistered meanwhile, and the registration is repeated.
#[test]
fn a_repeated_proposal_is_done_once() {
    let mut state = State::default();
    assert_eq!(state.apply(&id(1, 1), register("s", 80)).outcome, Outcome::Done);
    assert_eq!(state.apply(&id(2, 2), deregister("s", 80)).outcome, Outcome::Deregistered(true));
    let hash = state.hash();
    let again = state.apply(&id(1, 1), register("s", 80));
    assert_eq!((again.outcome, again.changes.len(), again.pairs.len()), (Outcome::Done, 0, 0));
    assert_eq!((state.hash(), state.get(&named("s", 80))), (hash, None));
    assert_eq!(state.apply(&id(2, 2), deregister("s", 80)).outcome, Outcome::Deregistered(true), "as it was answered");
}

#[test]
fn who_comes_too_late_is_refused_and_not_done() {
    let mut state = State::default();
    state.apply(&id(done::WINDOW_MILLIS + 2, 1), register("s", 80));
    assert_eq!(state.apply(&id(1, 2), register("s", 81)).outcome, Outcome::Late);
    assert_eq!(state.get(&named("s", 81)), None);
    assert_eq!(state.apply(&id(2, 3), register("s", 81)).outcome, Outcome::Done);
}

#[test]
fn what_was_done_long_ago_is_forgotten_bit_by_bit() {
    let mut state = State::default();
    for number in 0..100 {
        state.apply(&id(1, number), register("s", 80));
    }
    let known = state.len();
    for number in 0..100 {
        state.apply(&id(2 * done::WINDOW_MILLIS, number), register("s", 80));
    }
    assert_eq!(state.len(), known, "no more than were done within the window");
}

#[test]
fn a_repeated_registration_is_no_news() {
    let mut state = State::default();
    state.apply(&id(1, 1), register("s", 80));
    assert!(state.apply(&id(2, 2), register("s", 80)).changes.is_empty());
}

#[test]
fn a_service_with_instances_is_not_removed() {
    let mut group = Alone::default();
    group.propose(register("s", 80));
    assert_eq!(group.propose(remove("s")).0, Outcome::NotEmpty);
    group.propose(deregister("s", 80));
    let (outcome, changes) = group.propose(remove("s"));
    assert_eq!((outcome, changes), (Outcome::Done, vec![AgreedChange::Gone(AgreedKey::Service(service("s")))]));
}

#[test]
fn all_that_is_set_on_a_service_goes_with_it() {
    let mut group = Alone::default();
    let cluster = MetadataOperation::UpdateCluster {
        service: service("s"),
        cluster: "c".into(),
        metadata: ClusterMetadata::default(),
    };
    for proposal in [create("s"), create("t"), Proposal::Metadata(cluster)] {
        assert_eq!(group.propose(proposal).0, Outcome::Done);
    }
    assert_eq!(group.propose(create("s")).0, Outcome::ServiceExists);
    assert_eq!(group.propose(remove("s")).1.len(), 2);
    let left: Vec<AgreedKey> = group.state.things().map(|thing| thing.key()).collect();
    assert_eq!(left, [AgreedKey::Service(service("t"))]);
}

#[test]
fn overrides_build_on_what_was_set_before() {
    let mut group = Alone::default();
    let address = Address { ip: "10.0.0.1".into(), port: 80, cluster: "DEFAULT".into() };
    let mut amend = |weight, enabled| {
        let amendment = Amendment { weight, enabled, metadata: AmendedMetadata::Keep };
        let amendments = vec![(address.clone(), amendment)];
        group.propose(Proposal::Metadata(MetadataOperation::Override { service: service("s"), amendments }));
    };
    amend(Amended::Set(3.0), Amended::Keep(true));
    amend(Amended::Keep(9.0), Amended::Set(false));
    let set = group.state.get(&AgreedKey::Override(service("s"), address));
    assert!(matches!(set, Some(Agreed::Override { value, .. }) if (value.weight, value.enabled) == (3.0, false)));
}

#[test]
fn health_is_found_where_there_is_an_instance() {
    let mut group = Alone::default();
    let found = |port| {
        let (service, ip) = (service("s"), "10.0.0.1".into());
        Proposal::Instance(PersistentOperation::Health { service, ip, port, healthy: false })
    };
    group.propose(register("s", 80));
    assert_eq!(group.propose(found(81)).1, []);
    assert_eq!(group.propose(found(80)).1.len(), 1);
    assert!(matches!(group.state.get(&named("s", 80)), Some(Agreed::Instance { instance, .. }) if !instance.healthy));
}

#[test]
fn an_id_of_a_namespace_is_taken_once_and_the_default_one_always() {
    let mut group = Alone::default();
    let delete = || Proposal::Namespace(NamespaceOperation::Delete("dev".into()));
    let rename = || Proposal::Namespace(NamespaceOperation::Update(namespace("dev", "second")));
    assert_eq!(group.propose(rename()), (Outcome::Done, Vec::new()), "what is not there is not made");
    assert_eq!(group.propose(delete()), (Outcome::Done, Vec::new()));
    assert_eq!(group.propose(make("dev")).0, Outcome::Done);
    assert_eq!(group.propose(make("dev")).0, Outcome::NamespaceExists);
    assert_eq!(group.propose(make("public")).0, Outcome::NamespaceExists);
    assert_eq!(group.propose(rename()).1, [AgreedChange::Put(Agreed::Namespace(namespace("dev", "second")))]);
    assert_eq!(group.propose(delete()).1.len(), 1);
    for number in 0..limits::NAMESPACES {
        assert_eq!(group.propose(make(&number.to_string())).0, Outcome::Done);
    }
    assert_eq!(group.propose(make("dev")).0, Outcome::NamespacesFull);
}

#[test]
fn only_what_did_not_change_meanwhile_is_forgotten() {
    let mut group = Alone::default();
    group.propose(create("s"));
    let key = AgreedKey::Service(service("s"));
    let was = group.state.fingerprint(&key).expect("there");
    let update = MetadataOperation::Update { service: service("s"), metadata: ServiceMetadata::default() };
    group.propose(Proposal::Metadata(update));
    let forget = |was| Proposal::Forget(vec![Forgotten { key: key.clone(), was }]);
    assert_eq!(group.propose(forget(was)).1, []);
    let was = group.state.fingerprint(&key).expect("there");
    assert_eq!(group.propose(forget(was)).1, [AgreedChange::Gone(key.clone())]);
}

fn proposals() -> impl Strategy<Value = Vec<Proposal>> {
    let one = (0..9_u8, 0..3_u16).prop_map(|(kind, which)| {
        let name = ["a", "b", "c"][usize::from(which)];
        match kind {
            0..=2 => register(name, which),
            3 => deregister(name, which),
            4 => create(name),
            5 => remove(name),
            6 => make(name),
            7 => Proposal::Namespace(NamespaceOperation::Delete(name.into())),
            _ => Proposal::Switch(Switch::Flag(Flag::Push, which == 0)),
        }
    });
    prop::collection::vec(one, 0..60)
}

proptest! {
    /// The same state comes of the entries, of a snapshot with the rest of them, and of the changes alone.
    #[test]
    fn a_state_is_what_was_applied_however_it_was_come_by(proposals in proposals(), at in 0..60_usize) {
        let mut state = State::default();
        let mut copy = State::default();
        let mut from_pairs = std::collections::BTreeMap::<Bytes, Bytes>::new();
        for (number, proposal) in proposals.into_iter().enumerate() {
            if number == at {
                copy = State::default();
                for (key, value) in state.pairs() {
                    copy.restore(&key, value).expect("its own");
                }
            }
            let before = state.clone();
            let applied = state.apply(&id(number as u64, 1), proposal.clone());
            let same = copy.apply(&id(number as u64, 1), proposal);
            if number >= at {
                prop_assert_eq!((same.outcome, &same.changes), (applied.outcome, &applied.changes));
            }
            prop_assert_eq!(before.differences(&state).len() <= applied.changes.len(), true);
            for (key, value) in applied.pairs {
                match value {
                    Some(value) => from_pairs.insert(key, value),
                    None => from_pairs.remove(&key),
                };
            }
        }
        prop_assert_eq!(copy.hash(), state.hash());
        prop_assert!(state.pairs().eq(from_pairs));
        prop_assert!(state.differences(&copy).is_empty());
    }
}
