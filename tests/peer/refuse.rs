//! Who is not spoken to, and in which words.

use roster::{
    model::{Incarnation, NodeId},
    proto::peer::{self as proto, peer_client::PeerClient},
};
use tonic::{Code, Request};

use crate::{
    raw::{self, Mute},
    support::{Member, NOBODY, Plan, bind, main_address},
};

async fn node() -> Member {
    let (listener, _) = bind().await;
    Member::start(Plan::new(1, &[(2, NOBODY)]), listener)
}

#[tokio::test]
async fn a_member_learns_who_answers() {
    let node = node().await;
    let answer = raw::ask(node.address, &raw::hello(2, None)).await.expect("welcome");
    let hello = answer.hello.expect("a hello");
    assert_eq!((hello.version, hello.cluster.as_str(), hello.address), (1, "test", main_address(1)));
    assert_eq!(roster::wire::peer::decode_life(hello.life), Ok(node.life()));
}

#[tokio::test]
async fn others_are_refused_in_words() {
    let node = node().await;
    let member = raw::hello(2, None);
    let other_life = Incarnation { node: NodeId(1), since: 1 };
    let cases = [
        (
            proto::Hello { version: 2, ..member.clone() },
            (Code::FailedPrecondition, "version 2 of the cluster protocol is not spoken here, but version 1"),
        ),
        (
            proto::Hello { cluster: "other".into(), ..member.clone() },
            (Code::PermissionDenied, r#"this node is of cluster "test", not of "other""#),
        ),
        (
            proto::Hello { secret: "guess".into(), ..member.clone() },
            (Code::Unauthenticated, "the cluster's secret is another one here"),
        ),
        (
            proto::Hello { secret: String::new(), ..member.clone() },
            (Code::Unauthenticated, "the cluster's secret is another one here"),
        ),
        (
            raw::hello(1, None),
            (
                Code::PermissionDenied,
                "00000000000000000000000000000001 is this node's own id: a node is a member of itself, or a data \
                 directory was copied",
            ),
        ),
        (
            raw::hello(3, None),
            (
                Code::PermissionDenied,
                "node 00000000000000000000000000000003 at \"n3:8848\" is no member here: neither this address nor this \
                 id is known",
            ),
        ),
        (
            raw::hello(2, Some(other_life)),
            (Code::FailedPrecondition, "the call is for another node or for an earlier life of this one"),
        ),
        (
            proto::Hello { life: None, ..member },
            (Code::InvalidArgument, "who makes the call cannot be read: a life is missing or unknown"),
        ),
    ];
    for (hello, expected) in cases {
        let status = raw::ask(node.address, &hello).await.expect_err("refused");
        assert_eq!((status.code(), status.message()), expected);
        // Refused before anything else is read, so all calls are alike.
        let (_frames, ended) = raw::link(node.address, &hello).await;
        let status = ended.await.expect("no panic").expect_err("refused");
        assert_eq!((status.code(), status.message()), expected);
    }
}

#[tokio::test]
async fn a_call_must_say_who_makes_it_and_a_stream_to_whom() {
    let node = node().await;
    let mut client = PeerClient::new(raw::channel(node.address).await);
    let status = client.hello(Request::new(proto::HelloRequest {})).await.expect_err("refused");
    assert_eq!(status.code(), Code::Unauthenticated);
    let status = client.hello(raw::request(proto::HelloRequest {}, &[0xff; 40])).await.expect_err("refused");
    assert_eq!(status.code(), Code::InvalidArgument);
    let (_frames, ended) = raw::link(node.address, &raw::hello(2, None)).await;
    let status = ended.await.expect("no panic").expect_err("refused");
    assert_eq!(status.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_node_that_is_dialled_is_known_by_its_id_too() {
    let hello = proto::Hello { address: "elsewhere:8848".into(), ..raw::hello(2, None) };
    let mute = Mute::start(hello.clone()).await;
    let (listener, _) = bind().await;
    let mut node = Member::start(Plan::new(1, &[(2, mute)]), listener);
    assert_eq!(node.linked().await.0, main_address(2), "told of by the address it was dialled at");
    raw::ask(node.address, &hello).await.expect("welcome under another address");
}

#[tokio::test]
async fn who_answers_is_checked_as_who_calls_is() {
    let answers = [
        proto::Hello { version: 2, ..raw::hello(2, None) },
        proto::Hello { cluster: "other".into(), ..raw::hello(2, None) },
        proto::Hello { secret: "guess".into(), ..raw::hello(2, None) },
        raw::hello(1, None),
    ];
    for hello in answers {
        let mute = Mute::start(hello).await;
        let (listener, _) = bind().await;
        let mut node = Member::start(Plan::new(1, &[(2, mute)]), listener);
        // `unlinked` panics on a link.
        assert_eq!(node.unlinked().await, main_address(2));
        assert_eq!(node.unlinked().await, main_address(2));
    }
}

#[tokio::test]
async fn members_with_different_secrets_stay_apart() {
    let ((one, at_one), (two, at_two)) = (bind().await, bind().await);
    let mut one = Member::start(Plan::new(1, &[(2, at_two)]), one);
    let mut two = Member::start(Plan { secret: "", ..Plan::new(2, &[(1, at_one)]) }, two);
    assert_eq!((one.unlinked().await, two.unlinked().await), (main_address(2), main_address(1)));
    assert_eq!((one.unlinked().await, two.unlinked().await), (main_address(2), main_address(1)));
}
