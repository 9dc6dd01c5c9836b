//! Streams between members: what arrives, what ends them, and what does not.

use std::{collections::BTreeMap, sync::Arc};

use roster::{
    model::{Attributes, ClientId, ClientState, HybridTime, Incarnation, NodeId, Version},
    proto::peer as proto,
    wire::peer::{Message, encode},
};
use tokio::{io::AsyncWriteExt, net::TcpListener, net::TcpStream};
use tonic::{Code, client::Grpc, codegen::http::uri::PathAndQuery};
use tonic_prost::ProstCodec;

use crate::{
    raw::{self, Mute},
    support::{DEADLINE, Member, NOBODY, Plan, bind, main_address, numbered, pair},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_arrive_in_order_both_ways() {
    let mut both = pair().await;
    for (from, to) in [(0, 1), (1, 0)] {
        let (sender, receiver) = (both[from].life(), both[to].life().node);
        for number in 0..60 {
            both[from].peers.deliver(receiver, numbered(number));
        }
        for number in 0..60 {
            let said = both[to].said().await;
            assert_eq!(said, (main_address(sender.node.0), sender, numbered(number)));
        }
    }
}

#[tokio::test]
async fn a_message_of_many_megabytes_arrives() {
    let [one, mut two] = pair().await;
    let state = |number: u32| {
        Arc::new(ClientState {
            id: ClientId::from(format!("10.0.0.1:{number}#true").as_str()),
            version: Version::written(HybridTime(number.into()), NodeId(1)),
            owner: one.life(),
            lease: None,
            attributes: Attributes { agent: "a".repeat(1_000).into(), app: "".into() },
            publications: Vec::new(),
        })
    };
    let sync = Message::Sync { number: 1, clients: (0..10_000).map(state).collect() };
    one.peers.deliver(two.life().node, sync.clone());
    assert_eq!(two.said().await.2, sync);
}

#[tokio::test]
async fn a_member_that_is_gone_is_dialled_until_it_is_back() {
    let [mut one, mut two] = pair().await;
    two.stop_serving().await;
    assert_eq!(one.unlinked().await, main_address(2));
    one.peers.deliver(two.life().node, numbered(1));
    assert_eq!(one.unlinked().await, main_address(2), "tried again");

    let listener = TcpListener::bind(two.address).await.expect("still free");
    two.serve(listener);
    assert_eq!(one.linked().await, (main_address(2), two.life()));
    one.peers.deliver(two.life().node, numbered(2));
    assert_eq!(two.said().await.2, numbered(2), "what was said meanwhile is lost");
}

#[tokio::test]
async fn where_nobody_listens_is_told_from_where_nothing_is_said() {
    let ((listener, _), (silent, at_silent)) = (bind().await, bind().await);
    let mut node = Member::start(Plan::new(1, &[(2, NOBODY), (3, at_silent)]), listener);
    let mut vacant = BTreeMap::new();
    while vacant.len() < 2 {
        vacant.extend([node.not_reached().await]);
    }
    assert_eq!(vacant, BTreeMap::from([(main_address(2), true), (main_address(3), false)]));
    drop(silent);
}

#[tokio::test]
async fn a_newer_stream_ends_the_older_one() {
    let (listener, _) = bind().await;
    let mut node = Member::start(Plan::new(1, &[(2, NOBODY)]), listener);
    let hello = raw::hello(2, Some(node.life()));
    let (older, ended) = raw::link(node.address, &hello).await;
    older.send(encode(&numbered(1))).await.expect("open");
    assert_eq!(node.said().await.2, numbered(1));

    let (newer, _newer) = raw::link(node.address, &hello).await;
    newer.send(encode(&numbered(2))).await.expect("open");
    assert_eq!(node.said().await.2, numbered(2));
    let status = ended.await.expect("no panic").expect_err("ended");
    assert_eq!(
        (status.code(), status.message()),
        (Code::Aborted, "a newer stream of this node took the place of this one")
    );

    let (later, _later) = raw::link(node.address, &raw::hello_of_life(2, 9, node.life())).await;
    later.send(encode(&numbered(3))).await.expect("open");
    assert_eq!(node.said().await.2, numbered(3));
    let (_earlier, refused) = raw::link(node.address, &hello).await;
    let status = refused.await.expect("no panic").expect_err("refused");
    assert!(status.message().starts_with("a later life of node"), "{status}");
}

#[tokio::test]
async fn a_node_that_stops_says_so() {
    let (listener, _) = bind().await;
    let mut node = Member::start(Plan::new(1, &[(2, NOBODY)]), listener);
    let (frames, ended) = raw::link(node.address, &raw::hello(2, Some(node.life()))).await;
    frames.send(encode(&numbered(1))).await.expect("open");
    node.said().await;
    node.stop_serving().await;
    let status = ended.await.expect("no panic").expect_err("ended");
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "this node stops"));
}

#[tokio::test]
async fn a_member_that_does_not_read_is_cut_off() {
    let mute = Mute::start(raw::hello(2, None)).await;
    let (listener, _) = bind().await;
    let mut node = Member::start(Plan::new(1, &[(2, mute)]), listener);
    assert_eq!(node.linked().await.1.node, NodeId(2));
    // More than may wait and may be under way, in number.
    for number in 0..200 {
        node.peers.deliver(NodeId(2), Message::Compared { number, differ: vec![0; 100_000] });
    }
    assert_eq!(node.unlinked().await, main_address(2));
    assert_eq!(node.linked().await.1.node, NodeId(2), "and dialled again");
}

#[tokio::test]
async fn a_member_whose_id_is_known_can_have_a_route_of_its_own() {
    let there = raw::hello(2, None);
    let elsewhere = raw::hello_of_life(2, 9, Incarnation { node: NodeId(1), since: 1 });
    let (at_first, later) = (Mute::start(there).await, Mute::start(elsewhere).await);
    let (listener, _) = bind().await;
    let plan = Plan { by_id: vec![(2, later)], ..Plan::new(1, &[(2, at_first)]) };
    let mut node = Member::start(plan, listener);
    assert_eq!(node.linked().await.1.since, 1);
    for number in 0..200 {
        node.peers.deliver(NodeId(2), Message::Compared { number, differ: vec![0; 100_000] });
    }
    assert_eq!(node.linked().await.1.since, 9);
}

#[tokio::test]
async fn what_cannot_be_read_hurts_nobody() {
    let (listener, _) = bind().await;
    let mut node = Member::start(Plan::new(1, &[(2, NOBODY)]), listener);
    let hello = raw::hello(2, Some(node.life()));
    let (frames, _ended) = raw::link(node.address, &hello).await;
    let short = proto::Digest { number: 1, buckets: vec![0; 11].into() };
    frames.send(proto::Frame { message: None }).await.expect("open");
    frames.send(proto::Frame { message: Some(proto::frame::Message::Digest(short)) }).await.expect("open");
    frames.send(encode(&numbered(1))).await.expect("open");
    assert_eq!(node.said().await.2, numbered(1), "the stream goes on");

    let mut noise = TcpStream::connect(node.address).await.expect("connects");
    noise.write_all(&[0xa5; 10_000]).await.ok();
    drop(noise);
    junk(&node, &hello).await;

    let (frames, _ended) = raw::link(node.address, &hello).await;
    frames.send(encode(&numbered(2))).await.expect("open");
    assert_eq!(node.said().await.2, numbered(2));
}

/// A frame in which a number stands where a message belongs.
#[derive(Clone, PartialEq, prost::Message)]
struct Junk {
    #[prost(uint32, tag = "2")]
    sync: u32,
}

async fn junk(node: &Member, hello: &proto::Hello) {
    let mut client = Grpc::new(raw::channel(node.address).await);
    client.ready().await.expect("ready");
    let path = PathAndQuery::from_static("/roster.peer.v1.Peer/Link");
    let body = raw::request(tokio_stream::once(Junk { sync: 7 }), &prost::Message::encode_to_vec(hello));
    let call = client.client_streaming(body, path, ProstCodec::<Junk, proto::LinkEnd>::default());
    let ended = tokio::time::timeout(DEADLINE, call).await.expect("in time");
    assert!(ended.is_err(), "that stream ends");
}
