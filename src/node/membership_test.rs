//! What becomes of a node and its clients while the list of members changes.

use super::*;
use crate::{
    member::ALONE_MILLIS,
    model::{Attributes, NodeId, Published, limits},
    node::nodes_test::{Nodes, address, key, one},
    wire::peer::{Heartbeat, Message, Regard},
};

fn list(members: &[usize]) -> Input {
    Input::Membership { members: members.iter().copied().map(address).collect() }
}

/// Lets the node at this place run on its own for `millis`: nobody answers. Says whether it came to serve.
fn pass_alone(nodes: &mut Nodes, place: usize, millis: Millis) -> bool {
    let mut loaded = false;
    for _ in 0..millis / 10 {
        let (now, mut out) = (nodes.now(), Vec::new());
        nodes.nodes[place].as_mut().expect("runs").poll(now, &mut out);
        loaded |= out.iter().any(|output| matches!(output, Output::Loaded));
        nodes.tick = nodes.tick + 10;
    }
    loaded
}

#[test]
fn a_node_that_gets_a_member_serves_on_and_tells_it_everything() {
    let mut nodes = Nodes::start(2);
    nodes.tell_all(&[0]);
    nodes.kill(1);
    nodes.kill(0);
    nodes.run(0);
    nodes.publish(0, "a", "s", 1);
    nodes.register_beating(2..5);
    nodes.pass(2_000);
    assert_eq!(nodes.cluster(0).phase, Phase::Serving);
    nodes.tell_all(&[0, 1]);
    nodes.run(1);
    assert_eq!((nodes.cluster(0).phase, nodes.cluster(1).phase), (Phase::Serving, Phase::Loading));
    nodes.pass(500);
    assert_eq!((nodes.cluster(1).phase, nodes.counts("s")), (Phase::Serving, vec![4, 4]));
    nodes.publish(1, "b", "s", 9);
    nodes.pass(100);
    assert_eq!(nodes.counts("s"), [5, 5]);
}

#[test]
fn the_clients_of_a_member_that_is_removed_stay_for_their_lease_and_no_longer() {
    let mut nodes = Nodes::start(3);
    nodes.publish(0, "a", "s", 1);
    nodes.publish(1, "b", "s", 2);
    nodes.register_beating(3..30);
    nodes.pass(1_000);
    nodes.tell_all(&[1, 2]);
    assert_eq!(nodes.cluster(1).peers.len(), 1);
    // Those known by their addresses have an owner again and beat there; they would end by silence.
    for _ in 0..7 {
        nodes.pass(4_900);
        for port in 3..30 {
            let client = ClientId::address("10.0.0.1", port);
            let node = nodes.cluster(1).responsible(&client);
            assert_ne!(node, NodeId(1), "is no member");
            nodes.handle(node.0 as usize - 1, Input::Beat { client, service: key("s"), instance: None });
        }
    }
    assert_eq!([nodes.count(1, "s"), nodes.count(2, "s")], [29, 29]);
    nodes.pass(2_000);
    assert_eq!([nodes.count(1, "s"), nodes.count(2, "s")], [28, 28]);
    assert_eq!(nodes.owned(1).len() + nodes.owned(2).len(), 28);
    assert_eq!(nodes.stats(1).distro.pending, 0, "nothing is kept for it");
}

#[test]
fn a_member_that_was_removed_is_not_heard() {
    let mut nodes = Nodes::start(2);
    nodes.publish(1, "b", "s", 1);
    nodes.pass(1_000);
    let (from, state) = (nodes.cluster(1).this, nodes.owned(1).remove(0));
    nodes.tell(0, &[]);
    let state = Arc::new(crate::model::ClientState { id: "c".into(), ..state });
    let heartbeat = Heartbeat {
        time: 0,
        phase: Phase::Serving,
        missed: Vec::new(),
        regard: Regard::Up,
        lacks: Vec::new(),
        known: None,
    };
    for message in [Message::Sync { number: 9, clients: vec![state] }, Message::Heartbeat(heartbeat)] {
        nodes.handle(0, Input::Peer { address: address(1), from, message });
    }
    nodes.handle(0, Input::Linked { address: address(1), peer: from });
    nodes.handle(0, Input::Unlinked { address: address(1), vacant: false });
    assert!(nodes.cluster(0).peers.is_empty());
    assert_eq!(nodes.count(0, "s"), 1, "what it had told before");
}

#[test]
fn a_member_that_is_added_again_in_the_same_life_has_its_clients_back() {
    for away in [1_000, 20_000, 60_000, ALONE_MILLIS + 30_000] {
        let mut nodes = Nodes::start(3);
        nodes.publish(0, "a", "s", 1);
        nodes.publish(1, "b", "s", 2);
        nodes.register_beating(3..9);
        nodes.pass(6_000);
        // One of the members knows, and then all do; the removed one goes on as if nothing was.
        nodes.tell(1, &[2]);
        nodes.pass(100);
        nodes.tell(2, &[1]);
        nodes.publish(0, "c", "s", 10);
        nodes.handle(1, Input::Disconnect("b".into()));
        nodes.publish(1, "d", "s", 11);
        nodes.pass(away);
        nodes.tell(1, &[0, 2]);
        nodes.tell(2, &[1, 0]);
        nodes.pass(limits::VERIFY_MILLIS + 3_000);
        let counts = nodes.counts("s");
        assert!(counts.iter().all(|count| *count == counts[0] && *count >= 3), "{away}: {counts:?}");
        assert_eq!(nodes.sum(|counts| counts.orphans as u64), 0, "{away}");
    }
}

#[test]
fn an_answer_to_what_a_member_was_told_before_it_was_removed_is_none_to_what_it_is_told_now() {
    let mut nodes = Nodes::start(2);
    nodes.publish(0, "a", "s", 1);
    nodes.pass(6_000);
    let from = nodes.cluster(1).this;
    nodes.tell_all(&[0]);
    nodes.lost = |message| matches!(message, Message::Sync { .. });
    nodes.tell_all(&[0, 1]);
    nodes.pass(100);
    let behind = |nodes: &Nodes| nodes.nodes[0].as_ref().expect("runs").member_details(nodes.tick)[0].distro.behind;
    assert_eq!(behind(&nodes), 1);
    for number in [1, 2] {
        nodes.handle(0, Input::Peer { address: address(1), from, message: Message::SyncTaken { number } });
        assert_eq!(behind(&nodes), 1, "the client was told under number 1 before, and there was a digest");
    }
    nodes.lost = |_| false;
    nodes.pass(limits::SYNC_ACK_MILLIS + 1_000);
    assert_eq!(behind(&nodes), 0);
}

#[test]
fn the_same_list_again_changes_nothing() {
    let mut nodes = Nodes::start(3);
    nodes.publish(0, "a", "s", 1);
    nodes.pass(1_000);
    let before = nodes.nodes[1].as_ref().expect("runs").cluster().clone();
    for members in [&[0, 2][..], &[2, 0], &[2, 0, 1, 0]] {
        nodes.handle(1, list(members));
        assert!(Arc::ptr_eq(nodes.nodes[1].as_ref().expect("runs").cluster(), &before), "{members:?}");
    }
    assert_eq!(nodes.stats(1).distro.orphans, 0);
}

#[test]
fn members_behind_one_that_is_removed_are_themselves() {
    let mut nodes = Nodes::start(4);
    (0..4).for_each(|place| nodes.publish(place, &format!("c{place}"), "s", place as u16 + 1));
    nodes.pass(1_000);
    nodes.tell_all(&[0, 2, 3]);
    nodes.publish(3, "d", "s", 9);
    nodes.kill(2);
    nodes.pass(8_000);
    let cluster = nodes.cluster(0);
    let states: Vec<_> = cluster.peers.iter().map(|peer| (peer.told.as_str(), peer.state)).collect();
    assert_eq!(states, [("n2:8848", Regard::Down), ("n3:8848", Regard::Up)]);
    nodes.pass(40_000);
    assert_eq!([nodes.count(0, "s"), nodes.count(3, "s")], [3, 3], "of the first and the last");
    nodes.tell_all(&[0, 3, 1]);
    nodes.pass(8_000);
    assert_eq!([nodes.count(0, "s"), nodes.count(1, "s"), nodes.count(3, "s")], [4, 4, 4]);
}

#[test]
fn the_majority_is_of_the_members_of_now() {
    let mut nodes = Nodes::start(3);
    nodes.publish(1, "b", "s", 1);
    nodes.publish(2, "c", "s", 2);
    nodes.pass(1_000);
    nodes.kill(1);
    nodes.links[0][2] = true;
    nodes.kill(2);
    nodes.pass(10_000);
    let states = |nodes: &Nodes| nodes.cluster(0).peers.iter().map(|peer| peer.state).collect::<Vec<_>>();
    assert_eq!(states(&nodes), [Regard::Suspect; 2], "one of three is no majority");
    nodes.tell(0, &[2]);
    assert_eq!(states(&nodes), [Regard::Suspect], "nor is one of two");
    nodes.tell(0, &[]);
    nodes.pass(40_000);
    assert_eq!(nodes.count(0, "s"), 0, "their leases are over");
    nodes.tell_all(&[0, 1, 2]);
    nodes.run(1);
    nodes.run(2);
    nodes.pass(2_000);
    assert_eq!(states(&nodes), [Regard::Up; 2]);
    nodes.kill(2);
    nodes.pass(5_000);
    assert_eq!(states(&nodes), [Regard::Up, Regard::Down], "two of three are one");
}

#[test]
fn the_removal_of_a_member_can_be_what_confirms_a_death() {
    let mut nodes = Nodes::start(4);
    nodes.pass(1_000);
    nodes.kill(2);
    nodes.kill(3);
    nodes.pass(5_000);
    let state = |nodes: &Nodes| nodes.cluster(0).peers.iter().find(|peer| peer.told == address(2)).map(|one| one.state);
    assert_eq!(state(&nodes), Some(Regard::Suspect), "two of four");
    nodes.tell(0, &[1, 2]);
    assert_eq!(state(&nodes), Some(Regard::Down), "two of three");
}

#[test]
fn a_node_that_loads_waits_for_the_members_of_now() {
    let mut nodes = Nodes::start(3);
    nodes.publish(1, "b", "s", 1);
    nodes.pass(1_000);
    nodes.kill(0);
    nodes.kill(2);
    nodes.tell(0, &[1]);
    nodes.tell(1, &[0]);
    nodes.lost = |message| matches!(message, Message::Digest(_));
    nodes.run(0);
    nodes.pass(5_000);
    assert_eq!(nodes.cluster(0).phase, Phase::Loading, "it was told, and does not know that this is all");
    nodes.tell(0, &[1, 2]);
    nodes.pass(1_000);
    nodes.handle(0, Input::Unlinked { address: address(2), vacant: true });
    nodes.lost = |_| false;
    nodes.pass(limits::VERIFY_MILLIS);
    assert_eq!(
        (nodes.cluster(0).phase, nodes.count(0, "s")),
        (Phase::Serving, 1),
        "who is not there is not waited for"
    );
}

#[test]
fn the_removal_of_all_whom_a_node_waits_for_ends_its_loading() {
    let mut nodes = Nodes::start(3);
    (0..3).for_each(|place| nodes.kill(place));
    nodes.run(0);
    assert!(!pass_alone(&mut nodes, 0, 5_000));
    nodes.tell(0, &[2]);
    assert!(!pass_alone(&mut nodes, 0, 5_000), "one is left");
    nodes.tell(0, &[]);
    assert!(pass_alone(&mut nodes, 0, 10), "at once");
    nodes.tell(0, &[1, 2]);
    assert!(!pass_alone(&mut nodes, 0, 60_000), "it does not load again");
    assert_eq!(nodes.cluster(0).phase, Phase::Serving);
}

#[test]
fn a_node_that_leaves_tells_also_whom_it_got_meanwhile() {
    let mut nodes = Nodes::start(3);
    nodes.tell_all(&[0, 1]);
    nodes.publish(0, "a", "s", 1);
    nodes.pass(1_000);
    nodes.lost = |message| matches!(message, Message::LeaveTaken);
    nodes.handle(0, Input::Leave);
    nodes.pass(600);
    nodes.lost = |_| false;
    nodes.tell_all(&[0, 1, 2]);
    nodes.pass(1_500);
    for place in [1, 2] {
        let left = nodes.cluster(place).peers.iter().find(|peer| peer.told == address(0)).map(|peer| peer.phase);
        assert_eq!((left, nodes.count(place, "s")), (Some(Phase::Leaving), 1), "at {place}");
    }
}

#[test]
fn a_lease_that_begins_when_a_node_wakes_is_no_longer_for_its_sleep() {
    for leaves in [false, true] {
        let mut nodes = Nodes::start(3);
        nodes.publish(1, "b", "s", 1);
        nodes.pass(1_000);
        let from = nodes.cluster(1).this;
        nodes.kill(1);
        nodes.tick = nodes.tick + 60_000;
        if leaves {
            // It lay there unread.
            let (phase, regard) = (Phase::Leaving, Regard::Up);
            let heartbeat = Heartbeat { time: 0, phase, missed: Vec::new(), regard, lacks: Vec::new(), known: None };
            nodes.handle(0, Input::Peer { address: address(1), from, message: Message::Heartbeat(heartbeat) });
        } else {
            nodes.tell(0, &[2]);
        }
        nodes.pass(34_000);
        assert_eq!(nodes.count(0, "s"), 1, "leaves: {leaves}");
        nodes.pass(2_000);
        assert_eq!(nodes.count(0, "s"), 0, "leaves: {leaves}");
    }
}

#[test]
fn who_was_a_member_does_not_bring_back_what_ended_while_it_was_none() {
    let mut nodes = Nodes::start(2);
    for port in 1..20 {
        let client = ClientId::address("10.0.0.1", port);
        nodes.handle(0, Input::Register { client, service: key("s"), content: one(port) });
    }
    nodes.pass(1_000);
    assert_eq!(nodes.counts("s"), [19, 19]);
    nodes.tell(0, &[]);
    for port in 1..20 {
        nodes.handle(0, Input::Deregister { client: ClientId::address("10.0.0.1", port), service: key("s") });
    }
    nodes.pass(1_000);
    nodes.tell(0, &[1]);
    nodes.pass(10_000);
    assert_eq!(nodes.counts("s"), [0, 0]);
}

#[test]
fn a_stranger_does_not_become_a_member_by_the_address_it_says() {
    let mut nodes = Nodes::start(2);
    nodes.tell(0, &[]);
    let peer = nodes.cluster(1).this;
    nodes.handle(0, Input::Linked { address: "elsewhere:8848".into(), peer });
    assert!(nodes.cluster(0).peers.is_empty());
    nodes.tell(0, &[1]);
    // It says another address than the one that it is a member under.
    nodes.handle(0, Input::Linked { address: address(1), peer });
    let message = Message::SyncTaken { number: 1 };
    nodes.handle(0, Input::Peer { address: "elsewhere:8848".into(), from: peer, message });
    assert_eq!(nodes.cluster(0).peers[0].address, "elsewhere:8848");
    nodes.handle(0, list(&[1]));
    assert_eq!(nodes.cluster(0).peers[0].incarnation, Some(peer), "it is the same one");
    nodes.handle(0, Input::Connect("x".into(), Attributes::default()));
    let Published::One(instance) = one(1) else { panic!("one") };
    nodes.handle(0, Input::Register { client: "x".into(), service: key("s"), content: Published::One(instance) });
    nodes.tell(0, &[]);
    assert!(nodes.cluster(0).peers.is_empty(), "removed under the address it was told under");
}
