//! What was written once is read for ever, and written the same: samples of each kind with their bytes.

use std::collections::BTreeMap;

use crate::{
    model::{
        Address, Agreed, AgreedKey, Amended, AmendedMetadata, Amendment, ClusterMetadata, Flag, Forgotten,
        HealthChecker, HybridTime, Instance, InstanceId, Language, Metadata, MetadataOperation, Namespace,
        NamespaceOperation, NodeId, Outcome, Override, PersistentOperation, Probe, ProbePace, Proposal, ProposalId,
        Selector, ServerStatus, ServiceKey, ServiceMetadata, Span, Switch,
    },
    wire::raft::{
        decode_command, decode_key, decode_outcome, decode_thing, encode_command, encode_key, encode_outcome,
        encode_thing,
    },
};

/// One line each: what it is, and its bytes in hexadecimal digits. Lines are added, never changed: disks hold such bytes.
const COMMANDS: &str = include_str!("fixtures/commands-1.hex");
const THINGS: &str = include_str!("fixtures/things-1.hex");

fn service() -> ServiceKey {
    ServiceKey::new("dev", "g", "orders").expect("legal")
}

fn labels() -> Metadata {
    [("a".into(), "1".into()), ("b".into(), "".into())].into_iter().collect()
}

fn instance() -> Instance {
    let id = InstanceId::Given("7".into());
    let metadata = labels();
    Instance {
        ip: "10.0.0.1".into(),
        port: 80,
        cluster: "c".into(),
        weight: 0.5,
        healthy: false,
        enabled: false,
        metadata,
        id,
    }
}

fn address() -> Address {
    Address { ip: "::1".into(), port: 81, cluster: "c".into() }
}

fn set() -> ServiceMetadata {
    let selector = Selector::Label { expression: Some("x".into()), labels: vec!["l".into()] };
    ServiceMetadata { protect_threshold: Some(0.25), selector, metadata: labels() }
}

fn cluster(checker: HealthChecker) -> ClusterMetadata {
    ClusterMetadata { checker, check_port: 81, use_instance_port: false, metadata: labels() }
}

fn checkers() -> [HealthChecker; 4] {
    let http = HealthChecker::Http { path: "/up".into(), headers: "a:b".into(), expected_response_code: 204 };
    let mysql = HealthChecker::Mysql { user: Some("u".into()), password: None, command: Some("select 1".into()) };
    [HealthChecker::Tcp, http, mysql, HealthChecker::None]
}

fn switches() -> Vec<Switch> {
    vec![
        Switch::Flag(Flag::Push, false),
        Switch::Span(Span::PushCache, 20_000),
        Switch::DistroThreshold(0.5),
        Switch::CheckTimes(-1),
        Switch::Pace(Probe::Http, ProbePace { max: 9, min: 8, factor: 0.75 }),
        Switch::PushVersion(Language::Go, "9.9".into()),
        Switch::Masters(vec!["m".into()]),
        Switch::LimitedUrls(BTreeMap::from([("/a".into(), 418)])),
        Switch::Status(Some(ServerStatus::ReadOnly)),
        Switch::Status(None),
    ]
}

fn namespace() -> Namespace {
    Namespace { id: "dev".into(), name: "Development".into(), description: Some("d".into()) }
}

fn proposals() -> Vec<Proposal> {
    let ip = || "10.0.0.1".into();
    let amended = |metadata| Amendment { weight: Amended::Set(2.0), enabled: Amended::Keep(true), metadata };
    let all = [
        AmendedMetadata::Keep,
        AmendedMetadata::Replace(labels()),
        AmendedMetadata::Merge(labels()),
        AmendedMetadata::Remove(labels()),
    ];
    let amendments = all.map(|metadata| (address(), amended(metadata))).into();
    let forgotten = Forgotten { key: AgreedKey::Override(service(), address()), was: 7 };
    let mut proposals = vec![
        Proposal::Instance(PersistentOperation::Register { service: service(), instance: Box::new(instance()) }),
        Proposal::Instance(PersistentOperation::Deregister { service: service(), ip: ip(), port: 80 }),
        Proposal::Instance(PersistentOperation::Health { service: service(), ip: ip(), port: 80, healthy: true }),
        Proposal::Metadata(MetadataOperation::Create { service: service(), ephemeral: true, metadata: set() }),
        Proposal::Metadata(MetadataOperation::Update { service: service(), metadata: ServiceMetadata::default() }),
        Proposal::Metadata(MetadataOperation::Protect { service: service(), threshold: Some(0.5) }),
        Proposal::Metadata(MetadataOperation::Protect { service: service(), threshold: None }),
        Proposal::Metadata(MetadataOperation::Remove { service: service() }),
        Proposal::Metadata(MetadataOperation::Override { service: service(), amendments }),
        Proposal::Namespace(NamespaceOperation::Create(namespace())),
        Proposal::Namespace(NamespaceOperation::Update(namespace())),
        Proposal::Namespace(NamespaceOperation::Delete("dev".into())),
        Proposal::Forget(vec![forgotten]),
    ];
    proposals.extend(checkers().map(|checker| {
        let (service, cluster) = (service(), ("c".into(), cluster(checker)));
        Proposal::Metadata(MetadataOperation::UpdateCluster { service, cluster: cluster.0, metadata: cluster.1 })
    }));
    proposals.extend(switches().into_iter().map(Proposal::Switch));
    proposals
}

fn things() -> Vec<Agreed> {
    let value = Override { weight: 2.0, enabled: false, metadata: labels() };
    let mut things = vec![
        Agreed::Service { service: service(), ephemeral: false, metadata: set() },
        Agreed::Override { service: service(), address: address(), value },
        Agreed::Instance { service: service(), published: HybridTime(9), instance: Box::new(instance()) },
        Agreed::Namespace(namespace()),
    ];
    let of = |checker| Agreed::Cluster { service: service(), cluster: "c".into(), metadata: cluster(checker) };
    things.extend(checkers().map(of));
    things.extend(switches().into_iter().map(Agreed::Switch));
    things
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(digits).collect()
}

/// The samples of a file, which has one for each of what there is.
fn samples(file: &str, now: &[String]) -> Vec<Vec<u8>> {
    let kept: Vec<&str> = file.lines().collect();
    assert_eq!(kept, now, "the bytes of something have changed, or it has no sample:\n{}", now.join("\n"));
    kept.iter().map(|line| bytes(line)).collect()
}

#[test]
fn proposals_are_read_and_written_as_ever() {
    let id = ProposalId { minted: 1_700_000_000_000, node: NodeId(1 << 64 | 2), number: 3 };
    let now: Vec<String> = proposals().iter().map(|proposal| hex(&encode_command(&id, proposal))).collect();
    for (sample, proposal) in samples(COMMANDS, &now).iter().zip(proposals()) {
        assert_eq!(decode_command(sample), Ok((id, proposal)));
    }
}

#[test]
fn things_and_their_keys_are_read_and_written_as_ever() {
    let both = |thing: &Agreed| [hex(&encode_key(&thing.key())), hex(&encode_thing(thing))];
    let now: Vec<String> = things().iter().flat_map(both).collect();
    for (sample, thing) in samples(THINGS, &now).chunks(2).zip(things()) {
        assert_eq!(decode_key(&sample[0]), Ok(thing.key()));
        assert_eq!(decode_thing(&sample[1]), Ok(thing));
    }
}

#[test]
fn outcomes_have_numbers_of_their_own() {
    let all = [
        Outcome::Done,
        Outcome::Deregistered(true),
        Outcome::Deregistered(false),
        Outcome::ServiceExists,
        Outcome::NotEmpty,
        Outcome::NamespaceExists,
        Outcome::NamespacesFull,
        Outcome::Late,
        Outcome::Overloaded,
    ];
    for (number, outcome) in (1..).zip(all) {
        assert_eq!(encode_outcome(outcome) as i32, number);
        assert_eq!(decode_outcome(number), Ok(outcome));
    }
    assert!(decode_outcome(0).is_err() && decode_outcome(10).is_err());
}

#[test]
fn what_is_cut_off_is_refused_and_nothing_panics() {
    for thing in things() {
        let (key, value) = (encode_key(&thing.key()), encode_thing(&thing));
        for end in 0..key.len() {
            assert!(decode_key(&key[..end]).is_err(), "{thing:?}");
        }
        for end in 0..value.len() {
            // Some are whole without their end; none is another's beginning.
            let _ = decode_thing(&value[..end]);
        }
    }
}
