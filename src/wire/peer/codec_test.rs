//! Whatever a node can say comes out as it went in, and whatever bytes come are read or refused.

use std::sync::Arc;

use proptest::prelude::*;
use prost::Message as _;

use crate::{
    model::{
        Attributes, ClientId, ClientState, HybridTime, Incarnation, Instance, InstanceId, NodeId, Publication,
        Published, ServiceKey, Version,
    },
    proto::peer as proto,
    wire::peer::{
        Bucket, BucketContents, DIGEST_BUCKETS, Digest, Heartbeat, IllegalMessage, IllegalStates, Known, Message,
        Phase, Regard, decode, decode_content, decode_instance, decode_states, encode, encode_content, encode_instance,
        encode_states,
    },
};

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,12}", "\\PC{0,8}"]
}

fn client() -> impl Strategy<Value = ClientId> {
    prop_oneof![
        "[0-9.]{1,15}".prop_map(|ip| ClientId::address(&ip, 8080)),
        any::<u64>().prop_map(|at| ClientId::connection(at, ([10, 0, 0, 1], 80).into())),
    ]
}

fn service() -> impl Strategy<Value = ServiceKey> {
    // Blank names too: readers may ask for them, so such keys can be held.
    let names =
        prop_oneof![Just(String::new()), Just(" ".into()), "[A-Za-z0-9_./:-]{1,20}", Just("providers:é#".into())];
    ("[a-z0-9_-]{0,8}", "[a-z0-9_.:-]{0,8}", names)
        .prop_map(|(namespace, group, name)| ServiceKey::new(&namespace, &group, &name).expect("legal"))
}

fn instance(ids: impl Strategy<Value = InstanceId>) -> impl Strategy<Value = Instance> {
    let weight = any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |weight| weight.is_finite());
    let labels = prop::collection::vec((text(), text()), 0..4);
    (text(), any::<u16>(), text(), weight, any::<[bool; 2]>(), labels, ids).prop_map(
        |(ip, port, cluster, weight, [healthy, enabled], labels, id)| Instance {
            ip: ip.into(),
            port,
            cluster: cluster.into(),
            weight,
            healthy,
            enabled,
            metadata: labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
            id,
        },
    )
}

fn published_id() -> impl Strategy<Value = InstanceId> {
    prop_oneof![Just(InstanceId::Derived), text().prop_map(|id| InstanceId::Given(id.into()))]
}

fn content() -> impl Strategy<Value = Published> {
    prop_oneof![
        instance(published_id()).prop_map(|one| Published::One(Box::new(one))),
        prop::collection::vec(instance(published_id()), 0..3).prop_map(|all| Published::Batch(all.into())),
    ]
}

fn node() -> impl Strategy<Value = NodeId> {
    any::<u128>().prop_map(NodeId)
}

fn version() -> impl Strategy<Value = Version> {
    (any::<u64>(), any::<u64>(), node()).prop_map(|(time, heard, node)| Version {
        time: HybridTime(time),
        heard: HybridTime(heard),
        node,
    })
}

fn state() -> impl Strategy<Value = ClientState> {
    let publication =
        (service(), any::<u64>(), any::<bool>(), content()).prop_map(|(service, published, beating, content)| {
            Publication { service, published: HybridTime(published), beating, content }
        });
    let life = (node(), any::<u64>()).prop_map(|(node, since)| Incarnation { node, since });
    let publications = prop::collection::vec(publication, 0..4);
    (client(), version(), life, any::<Option<u64>>(), text(), text(), publications).prop_map(
        |(id, version, owner, lease, agent, app, publications)| ClientState {
            id,
            version,
            owner,
            lease,
            attributes: Attributes { agent: agent.into(), app: app.into() },
            publications,
        },
    )
}

fn heartbeat() -> impl Strategy<Value = Heartbeat> {
    let phases = prop_oneof![Just(Phase::Loading), Just(Phase::Serving), Just(Phase::Leaving)];
    let regards = prop_oneof![Just(Regard::Up), Just(Regard::Suspect), Just(Regard::Down)];
    let life = (node(), any::<u64>()).prop_map(|(node, since)| Incarnation { node, since });
    let known = (text(), prop::option::of(life), any::<bool>()).prop_map(|(address, life, told)| Known {
        address: address.into(),
        life,
        told,
    });
    let known = prop::option::of(prop::collection::vec(known, 0..3));
    let lacks = prop::collection::vec(text().prop_map(Into::into), 0..3);
    (any::<u64>(), phases, prop::collection::vec(node(), 0..4), regards, lacks, known)
        .prop_map(|(time, phase, missed, regard, lacks, known)| Heartbeat { time, phase, missed, regard, lacks, known })
}

fn message() -> impl Strategy<Value = Message> {
    let bucket = any::<(u32, u64)>().prop_map(|(count, sum)| Bucket { count, sum });
    let digest = (any::<u64>(), prop::collection::vec(bucket, DIGEST_BUCKETS))
        .prop_map(|(number, buckets)| Digest { number, buckets: buckets.into() });
    let entries = prop::collection::vec((client(), version(), any::<u64>()), 0..3);
    let contents = (any::<u8>(), entries).prop_map(|(bucket, clients)| BucketContents { bucket, clients });
    prop_oneof![
        heartbeat().prop_map(Message::Heartbeat),
        (any::<u64>(), prop::collection::vec(state().prop_map(Arc::new), 0..3))
            .prop_map(|(number, clients)| Message::Sync { number, clients }),
        any::<u64>().prop_map(|number| Message::SyncTaken { number }),
        digest.prop_map(Message::Digest),
        (any::<u64>(), prop::collection::vec(any::<u8>(), 0..DIGEST_BUCKETS))
            .prop_map(|(number, differ)| Message::Compared { number, differ }),
        (any::<u64>(), prop::collection::vec(contents, 0..3))
            .prop_map(|(at, buckets)| Message::Contents { at: HybridTime(at), buckets }),
        prop::collection::vec((client(), prop::option::of(version())), 0..4)
            .prop_map(|clients| Message::Want { clients }),
        Just(Message::LeaveTaken),
    ]
}

/// Weights by their bits: `-0.0` equals `0.0`.
fn weights(states: &[ClientState]) -> Vec<u64> {
    let publications = states.iter().flat_map(|state| &state.publications);
    publications.flat_map(|publication| publication.content.instances()).map(|one| one.weight.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn messages_come_out_as_they_went_in(message in message()) {
        let bytes = encode(&message).encode_to_vec();
        let frame = proto::Frame::decode(bytes.as_slice()).expect("a frame");
        prop_assert_eq!(decode(frame), Ok(message));
    }

    #[test]
    fn kept_states_come_out_as_they_went_in(states in prop::collection::vec(state(), 0..4)) {
        let read = decode_states(&encode_states(&states)).expect("readable");
        prop_assert_eq!(weights(&read), weights(&states));
        prop_assert_eq!(read, states);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(frame) = proto::Frame::decode(bytes.as_slice()) {
            let _ = decode(frame);
        }
        let _ = decode_states(&bytes);
        let _ = decode_states(&[&[1], bytes.as_slice()].concat());
    }

    #[test]
    fn a_damaged_message_is_read_or_refused(message in message(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encode(&message).encode_to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(frame) = proto::Frame::decode(bytes.as_slice()) {
            let _ = decode(frame);
        }
    }

    #[test]
    fn an_instance_to_be_minted_travels_in_writes_only(mut one in instance(Just(InstanceId::Snowflake))) {
        prop_assert_eq!(decode_instance(encode_instance(&one)), Ok(one.clone()));
        one.id = InstanceId::Snowflake;
        let content = Published::One(Box::new(one));
        prop_assert_eq!(decode_content(Some(encode_content(&content))), Ok(content.clone()));
        let published = Publication { content, ..example().publications[0].clone() };
        let states = encode_states(&[ClientState { publications: vec![published], ..example() }]);
        prop_assert_eq!(decode_states(&states), Err(IllegalStates::Illegal(IllegalMessage::Unminted)));
    }
}

fn example() -> ClientState {
    let instance = Instance {
        ip: "10.0.0.7".into(),
        port: 8080,
        weight: -0.0,
        healthy: false,
        metadata: [("zone".into(), "a".into())].into_iter().collect(),
        ..Instance::default()
    };
    let given = Instance { id: InstanceId::Given("id-1".into()), ..instance.clone() };
    let publication = |name: &str, beating, content| Publication {
        service: ServiceKey::new("dev", "g", name).expect("legal"),
        published: HybridTime::at(1_760_000_000_000),
        beating,
        content,
    };
    ClientState {
        id: ClientId::address("10.0.0.7", 8080),
        version: Version {
            time: HybridTime::at(1_760_000_000_001).next(),
            heard: HybridTime::at(1_760_000_000_002),
            node: NodeId(0x17 << 64 | 0x2),
        },
        owner: Incarnation { node: NodeId(0x17 << 64 | 0x2), since: 1_759_000_000_000 },
        lease: Some(15_000),
        attributes: Attributes { agent: "Nacos-Java-Client:v2.5.1".into(), app: "shop".into() },
        publications: vec![
            publication("orders", true, Published::One(Box::new(instance))),
            publication("carts", false, Published::Batch([given].into())),
            publication("empty", false, Published::Batch([].into())),
        ],
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("digits");
    digits.chunks(2).map(byte).collect()
}

/// Written by the first release that had this version. Must be read for ever.
#[test]
fn version_1_reads_for_ever() {
    let states = decode_states(&from_hex(include_str!("fixtures/states-1.hex"))).expect("readable");
    assert_eq!(states, [example()]);
    assert_eq!(weights(&states), weights(&[example()]));
    assert_eq!(encode_states(&states), from_hex(include_str!("fixtures/states-1.hex")), "and is written so still");

    let frame = proto::Frame::decode(from_hex(include_str!("fixtures/sync-1.hex")).as_slice()).expect("a frame");
    assert_eq!(decode(frame), Ok(Message::Sync { number: 7, clients: vec![Arc::new(example())] }));
    let frame = proto::Frame::decode(from_hex(include_str!("fixtures/heartbeat-1.hex")).as_slice()).expect("a frame");
    let heartbeat = Heartbeat {
        time: 1_760_000_000_000,
        phase: Phase::Loading,
        missed: vec![NodeId(1 << 64 | 2)],
        regard: Regard::Suspect,
        lacks: Vec::new(),
        known: None,
    };
    assert_eq!(decode(frame), Ok(Message::Heartbeat(heartbeat)));
}

#[test]
fn a_digest_has_all_its_buckets() {
    let digest = |bytes: usize| proto::Frame {
        message: Some(proto::frame::Message::Digest(proto::Digest { number: 1, buckets: vec![0; bytes].into() })),
    };
    assert!(decode(digest(DIGEST_BUCKETS * 12)).is_ok());
    let mut buckets = vec![Bucket::default(); DIGEST_BUCKETS];
    buckets[0] = Bucket { count: 1, sum: 2 };
    let encoded = encode(&Message::Digest(Digest { number: 1, buckets: buckets.into() }));
    let Some(proto::frame::Message::Digest(encoded)) = encoded.message else { panic!("a digest") };
    assert_eq!(encoded.buckets[..12], [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2]);
    for bytes in [0, DIGEST_BUCKETS * 12 - 1, DIGEST_BUCKETS * 12 + 1, DIGEST_BUCKETS * 12 + 12] {
        assert_eq!(decode(digest(bytes)), Err(IllegalMessage::Length("a digest", bytes)));
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |spoil: &dyn Fn(&mut proto::ClientState)| {
        let mut frame = encode(&Message::Sync { number: 1, clients: vec![Arc::new(example())] });
        let Some(proto::frame::Message::Sync(sync)) = &mut frame.message else { panic!("a sync") };
        spoil(&mut sync.clients[0]);
        decode(frame).expect_err("illegal").to_string()
    };
    fn first(state: &mut proto::ClientState) -> &mut proto::Publication {
        &mut state.publications[0]
    }
    fn one(state: &mut proto::ClientState) -> &mut proto::Instance {
        &mut state.publications[0].content.as_mut().expect("a content").instances[0]
    }
    assert_eq!(refused(&|state| state.id.clear()), "a client's id has a wrong length: 0 bytes");
    assert_eq!(refused(&|state| state.version = None), "a version is missing or unknown");
    assert_eq!(refused(&|state| state.owner = None), "a life is missing or unknown");
    assert_eq!(refused(&|state| first(state).service = None), "a service is missing or unknown");
    assert_eq!(refused(&|state| one(state).port = 65_536), "a port is out of range");
    assert_eq!(refused(&|state| one(state).weight = f64::NAN.to_bits()), "a weight is out of range");
    let none = refused(&|state| first(state).content.as_mut().expect("a content").instances.clear());
    assert_eq!(none, "the number of instances is out of range");
    let name = refused(&|state| first(state).service.as_mut().expect("a service").name = "a@@b".into());
    assert!(name.contains("illegal characters"), "{name}");

    assert_eq!(decode(proto::Frame::default()), Err(IllegalMessage::Missing("a message")));
    assert_eq!(decode_states(&[]), Err(IllegalStates::Empty));
    assert_eq!(decode_states(&[2]), Err(IllegalStates::Version(2)));
    let whole = encode_states(&[example()]);
    assert!(matches!(decode_states(&whole[..whole.len() - 1]), Err(IllegalStates::Encoding(_))), "cut off");
}
