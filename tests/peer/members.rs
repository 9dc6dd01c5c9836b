//! Members that are added and removed while nodes run.

use std::time::Duration;

use roster::{
    model::{Incarnation, NodeId},
    node::Input,
    peer::IllegalAddress,
    wire::peer::{Message, encode},
};
use tokio::time::timeout;
use tonic::Code;

use crate::{
    raw::{self, Mute},
    support::{Member, NOBODY, Plan, bind, main_address, numbered, pair},
};

/// How long nothing may happen where nothing is to.
const QUIET: Duration = Duration::from_millis(300);

/// The second dials the first, which does not know it.
async fn strangers() -> [Member; 2] {
    let ((one, at_one), (two, at_two)) = (bind().await, bind().await);
    let plan = Plan { strangers: vec![(2, at_two)], ..Plan::new(1, &[]) };
    [Member::start(plan, one), Member::start(Plan::new(2, &[(1, at_one)]), two)]
}

fn peers(member: &Member) -> Vec<String> {
    member.runtime.cluster().peers.iter().map(|peer| peer.told.to_string()).collect()
}

async fn speak(both: &mut [Member; 2], number: u64) {
    for (from, to) in [(0, 1), (1, 0)] {
        let (sender, receiver) = (both[from].life(), both[to].life().node);
        both[from].peers.deliver(receiver, numbered(number));
        assert_eq!(both[to].said().await, (main_address(sender.node.0), sender, numbered(number)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_added_is_linked_and_heard_and_one_that_is_removed_is_neither_until_it_comes_back() {
    let mut both = strangers().await;
    assert_eq!(both[1].unlinked().await, main_address(1), "refused");
    for round in 0..3 {
        both[0].set_members(&[2]);
        assert_eq!(peers(&both[0]), [main_address(2)], "the node knows");
        assert_eq!(both[0].linked().await, (main_address(2), both[1].life()));
        assert_eq!(both[1].linked().await, (main_address(1), both[0].life()), "let in");
        speak(&mut both, round).await;

        both[0].set_members(&[]);
        assert!(peers(&both[0]).is_empty());
        assert_eq!(both[1].unlinked().await, main_address(1), "its stream is cut");
        assert_eq!(both[1].unlinked().await, main_address(1), "and no other is let in");
        let status = raw::ask(both[0].address, &raw::hello(2, None)).await.expect_err("refused");
        assert_eq!(status.code(), Code::PermissionDenied);
        both[0].peers.deliver(both[1].life().node, numbered(99));
    }
    let said = async {
        loop {
            if let Input::Peer { message, .. } = both[1].next().await {
                return message;
            }
        }
    };
    assert!(timeout(QUIET, said).await.is_err(), "nothing is said to who is no member");
}

#[tokio::test]
async fn a_stream_that_is_read_ends_when_its_sender_is_removed() {
    let (listener, _) = bind().await;
    let mut node = Member::start(Plan::new(1, &[(2, NOBODY), (3, NOBODY)]), listener);
    let (removed, ended) = raw::link(node.address, &raw::hello(2, Some(node.life()))).await;
    let (stays, _open) = raw::link(node.address, &raw::hello(3, Some(node.life()))).await;
    removed.send(encode(&numbered(1))).await.expect("open");
    assert_eq!(node.said().await.2, numbered(1));
    node.set_members(&[3]);
    let status = ended.await.expect("no panic").expect_err("ended");
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    stays.send(encode(&numbered(2))).await.expect("open");
    assert_eq!(node.said().await.2, numbered(2), "that of another goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_members_again_and_illegal_ones_change_nothing() {
    let mut both = pair().await;
    both[0].set_members(&[2]);
    let own = [main_address(2).into(), main_address(1).into(), main_address(2).into()];
    both[0].peers.set_members(&own).expect("legal");
    let illegal = [main_address(3).into(), "nowhere".into()];
    assert_eq!(both[0].peers.set_members(&illegal), Err(IllegalAddress("nowhere".into())));
    assert_eq!(peers(&both[0]), [main_address(2)]);
    speak(&mut both, 1).await;
    for member in &mut both {
        assert!(timeout(QUIET, member.next()).await.is_err(), "no stream ended or began");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_fast_members_come_and_go_the_last_word_counts() {
    let mut both = pair().await;
    both[0].set_members(&[2]);
    for _ in 0..50 {
        both[0].set_members(&[]);
        tokio::task::yield_now().await;
        both[0].set_members(&[2]);
        tokio::task::yield_now().await;
    }
    // Both know within their pauses that they are linked; what is said before that is lost.
    let (one, two) = (both[0].life(), both[1].life());
    for (from, to, life) in [(0, 1, two), (1, 0, one)] {
        let arrives = async {
            loop {
                both[from].peers.deliver(life.node, numbered(7));
                if let Ok((.., Message::SyncTaken { number: 7 })) = timeout(QUIET, both[to].said()).await {
                    return;
                }
            }
        };
        timeout(crate::support::DEADLINE, arrives).await.expect("linked again");
    }
}

#[tokio::test]
async fn a_member_that_is_added_can_have_a_route_by_its_id() {
    let elsewhere = raw::hello_of_life(2, 9, Incarnation { node: NodeId(1), since: 1 });
    let (at_first, later) = (Mute::start(raw::hello(2, None)).await, Mute::start(elsewhere).await);
    let (listener, _) = bind().await;
    let plan = Plan { strangers: vec![(2, at_first)], by_id: vec![(2, later)], ..Plan::new(1, &[]) };
    let mut node = Member::start(plan, listener);
    node.set_members(&[2]);
    assert_eq!(node.linked().await.1.since, 1);
    for number in 0..200 {
        node.peers.deliver(NodeId(2), Message::Compared { number, differ: vec![0; 100_000] });
    }
    assert_eq!(node.linked().await.1.since, 9);
}
