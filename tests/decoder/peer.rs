//! What must hold for any bytes that come on the stream of a member: they are refused, or read as something that is written
//! the same again, and no message puts a node at odds with itself.

use std::sync::Arc;

use prost::Message as _;
use roster::{
    model::{
        Attributes, ClientId, ClientState, HybridTime, Incarnation, Instance, NodeId, Now, Publication, Published,
        ServiceKey, Tick, Version,
    },
    node::{Input, Membership, Node, Output, Settings},
    proto::peer::Frame,
    wire::peer::{
        Bucket, BucketContents, DIGEST_BUCKETS, Digest, Heartbeat, Known, Message, Phase, Regard, decode, encode,
    },
};

const EPOCH: u64 = 1_700_000_000_000;
/// Messages that one node hears: what they make must not fill the memory of who asks for hours.
const MESSAGES_PER_NODE: usize = 20_000;

/// The lives of the members; the node itself is 1.
fn life(node: u128) -> Incarnation {
    Incarnation { node: NodeId(node), since: 1 }
}

fn address(node: u128) -> String {
    format!("n{node}:8848")
}

/// Messages of each kind, as members write them.
pub fn samples() -> Vec<Vec<u8>> {
    let instance = Instance { ip: "10.0.0.1".into(), port: 80, ..Instance::default() };
    let state = |id: ClientId, owner, publishes: bool| {
        let publication = Publication {
            service: ServiceKey::new("", "", "orders").expect("legal"),
            published: HybridTime::at(EPOCH),
            beating: id.is_address(),
            content: Published::One(Box::new(instance.clone())),
        };
        let version = Version::written(HybridTime::at(EPOCH), NodeId(2));
        let publications = if publishes { vec![publication] } else { Vec::new() };
        let (attributes, lease) = (Attributes::default(), None);
        Arc::new(ClientState { id, version, owner, lease, attributes, publications })
    };
    let own = || ClientId::address("10.0.0.1", 80);
    let theirs = || ClientId::connection(EPOCH, ([10, 0, 0, 2], 80).into());
    let version = Version::written(HybridTime::at(EPOCH), NodeId(3));
    let known = Known { address: "n3:1".into(), life: Some(life(3)), told: true };
    let heartbeat = |phase, regard| {
        let (missed, lacks, known) = (vec![NodeId(3)], vec!["n3:1".into()], Some(vec![known.clone()]));
        Message::Heartbeat(Heartbeat { time: EPOCH, phase, missed, regard, lacks, known })
    };
    let clients = vec![state(own(), life(2), true), state(theirs(), life(3), true), state(own(), life(2), false)];
    let messages = [
        heartbeat(Phase::Serving, Regard::Up),
        heartbeat(Phase::Leaving, Regard::Suspect),
        Message::Sync { number: 1, clients },
        Message::SyncTaken { number: 1 },
        Message::Digest(Digest { number: 1, buckets: vec![Bucket::default(); DIGEST_BUCKETS].into() }),
        Message::Compared { number: 1, differ: (0..=255).collect() },
        Message::Contents {
            at: HybridTime(u64::MAX),
            buckets: vec![BucketContents { bucket: 146, clients: vec![(theirs(), version, 7)] }],
        },
        Message::Want { clients: vec![(own(), None), (theirs(), Some(version))] },
        Message::LeaveTaken,
    ];
    messages.iter().map(|message| encode(message).encode_to_vec()).collect()
}

/// A node with two members that say whatever the bytes are.
pub struct Renewed {
    node: Node,
    now: Now,
    heard: usize,
}

impl Default for Renewed {
    fn default() -> Self {
        let now = Now { tick: Tick(1_000), wall: EPOCH };
        let peers = vec![address(2).into(), address(3).into()];
        let membership = Membership { this: NodeId(1), address: address(1).into(), peers, joins: false };
        let mut renewed = Self { node: Node::new(Settings::DEFAULT, membership, now, 0), now, heard: 0 };
        renewed.handle(Input::CeilingStored(EPOCH * 2));
        for node in [2, 3] {
            renewed.handle(Input::Linked { address: address(node).into(), peer: life(node) });
        }
        renewed.handle(Input::Connect("own".into(), Attributes::default()));
        let service = ServiceKey::new("", "", "orders").expect("legal");
        let content = Published::One(Box::default());
        renewed.handle(Input::Register { client: "own".into(), service, content });
        renewed
    }
}

impl Renewed {
    /// Hears `bytes`: the first says who speaks and how much time has passed, the rest is the frame. Says whether it was read.
    pub fn hear(&mut self, bytes: &[u8]) -> bool {
        let Some((&[said], frame)) = bytes.split_first_chunk() else { return false };
        let Some(message) = read(frame) else { return false };
        self.heard += 1;
        if self.heard.is_multiple_of(MESSAGES_PER_NODE) {
            *self = Self::default();
        }
        let millis = u64::from(said >> 1) * 10;
        self.now = Now { tick: self.now.tick + millis, wall: self.now.wall + millis };
        let node = 2 + u128::from(said & 1);
        self.handle(Input::Peer { address: address(node).into(), from: life(node), message });
        let mut said = Vec::new();
        self.node.poll(self.now, &mut said);
        self.node.check();
        for output in said {
            if let Output::Peer { message, .. } = output {
                assert_eq!(read(&encode(&message).encode_to_vec()), Some(message), "a node says only what others read");
            }
        }
        true
    }

    fn handle(&mut self, input: Input) {
        self.node.handle(self.now, input).expect("nothing to refuse");
        self.node.check();
    }
}

/// What is read is said again as it was.
fn read(bytes: &[u8]) -> Option<Message> {
    let message = decode(Frame::decode(bytes).ok()?).ok()?;
    assert_eq!(decode(encode(&message)).as_ref(), Ok(&message));
    Some(message)
}
