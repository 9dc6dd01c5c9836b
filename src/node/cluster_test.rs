//! A few nodes that hear each other at once: what one is told all know, and what becomes of it when one goes.

use super::*;
use crate::{
    model::limits,
    node::nodes_test::{EPOCH, Nodes, SETTINGS, address, key, one},
    wire::peer::{Message, Regard},
};

#[test]
fn what_one_is_told_all_know_and_forget() {
    let mut nodes = Nodes::start(3);
    nodes.publish(0, "a", "s", 1);
    nodes.pass(60);
    assert_eq!(nodes.counts("s"), [1, 1, 1]);
    nodes.publish(2, "b", "s", 2);
    nodes.pass(60);
    assert_eq!(nodes.counts("s"), [2, 2, 2]);
    nodes.handle(0, Input::Disconnect("a".into()));
    nodes.pass(60);
    assert_eq!(nodes.counts("s"), [1, 1, 1]);
}

#[test]
fn the_clients_of_a_dead_node_stay_for_their_lease_and_no_longer() {
    let mut nodes = Nodes::start(3);
    nodes.publish(0, "a", "s", 1);
    nodes.pass(1_000);
    nodes.kill(0);
    nodes.pass(35_000);
    assert_eq!(nodes.counts("s"), [1, 1]);
    nodes.pass(5_000);
    assert_eq!(nodes.counts("s"), [0, 0]);
}

#[test]
fn a_node_that_comes_back_has_all_before_it_serves() {
    let mut nodes = Nodes::start(3);
    nodes.publish(0, "a", "s", 1);
    nodes.publish(1, "b", "s", 2);
    nodes.pass(1_000);
    nodes.kill(0);
    nodes.pass(500);
    nodes.run(0);
    assert_eq!(nodes.nodes[0].as_ref().expect("runs").cluster().phase, Phase::Loading);
    nodes.pass(200);
    assert_eq!(nodes.nodes[0].as_ref().expect("runs").cluster().phase, Phase::Serving);
    assert_eq!(nodes.counts("s"), [2, 2, 2], "those of its earlier life too");
    nodes.pass(40_000);
    assert_eq!(nodes.counts("s"), [1, 1, 1]);
}

#[test]
fn a_client_known_by_its_address_moves_when_its_node_dies() {
    let mut nodes = Nodes::start(3);
    for port in 0..30 {
        let client = ClientId::address("10.0.0.1", port);
        let responsible = nodes.nodes[0].as_ref().expect("runs").cluster().responsible(&client).0 as usize - 1;
        nodes.handle(responsible, Input::Register { client, service: key("s"), content: one(port) });
    }
    nodes.pass(100);
    assert_eq!(nodes.counts("s"), [30, 30, 30]);
    nodes.kill(0);
    nodes.pass(60_000);
    assert_eq!(nodes.counts("s"), [30, 30]);
    assert_eq!(nodes.owned(1).len() + nodes.owned(2).len(), 30);
    nodes.run(0);
    nodes.pass(10_000);
    assert!(!nodes.owned(0).is_empty(), "it takes back what it is responsible for");
    assert_eq!((0..3).map(|place| nodes.owned(place).len()).sum::<usize>(), 30);
    assert_eq!(nodes.counts("s"), [30, 30, 30]);
    let claimed = nodes.sum(|counts| counts.claimed);
    nodes.pass(60_000);
    assert_eq!(nodes.sum(|counts| counts.claimed), claimed, "and nobody takes any back again");
}

#[test]
fn a_node_that_leaves_takes_nothing_along() {
    let mut nodes = Nodes::start(3);
    nodes.publish(0, "a", "s", 1);
    nodes.handle(0, Input::Leave);
    nodes.pass(100);
    nodes.handle(0, Input::Disconnect("a".into()));
    nodes.pass(1_000);
    assert_eq!(nodes.counts("s"), [1, 1, 1]);
    nodes.kill(0);
    nodes.pass(33_000);
    assert_eq!(nodes.counts("s"), [1, 1]);
    nodes.pass(2_000);
    assert_eq!(nodes.counts("s"), [0, 0]);
}

#[test]
fn nothing_much_is_said_while_nothing_happens() {
    let mut nodes = Nodes::start(3);
    for client in 0..200 {
        nodes.publish(client % 3, &format!("c{client}"), "s", client as u16);
    }
    nodes.pass(10_000);
    let before = nodes.said;
    nodes.pass(10_000);
    // Six directions: a heartbeat each half second, a digest and its comparison each five.
    assert!(nodes.said - before <= 6 * (20 + 4) + 12, "{}", nodes.said - before);
    let cluster = nodes.nodes[0].as_ref().expect("runs").cluster().clone();
    assert!(cluster.peers.iter().all(|peer| peer.state == Regard::Up));
}

#[test]
fn members_that_agree_find_no_difference_however_much_changes() {
    let mut nodes = Nodes::start(3);
    for step in 0..700u16 {
        let (place, client) = (usize::from(step % 3), format!("c{}", step % 90));
        if step % 7 == 6 {
            nodes.handle(place, Input::Disconnect(client.as_str().into()));
        } else {
            nodes.publish(place, &client, "s", step);
        }
        nodes.pass(20);
    }
    assert_eq!(nodes.sum(|counts| counts.differences + counts.stale + counts.timeouts), 0);
    assert!(nodes.sum(|counts| counts.sent) > 0);
}

#[test]
fn what_went_wrong_is_repaired_and_nothing_else() {
    let mut nodes = Nodes::start(3);
    for client in 0..60 {
        nodes.publish(client % 3, &format!("c{client}"), "s", client as u16);
    }
    nodes.pass(6_000);
    // Copies are removed without a reason: some node 0 has, and their owner is told nothing of it.
    let owner = nodes.nodes[1].as_ref().expect("runs").cluster().this;
    let buckets = (0..100).map(|bucket| crate::wire::peer::BucketContents { bucket, clients: Vec::new() }).collect();
    let contents = Message::Contents { at: crate::model::HybridTime::at(EPOCH * 2), buckets };
    nodes.handle(0, Input::Peer { address: address(1), from: owner, message: contents });
    let left = nodes.count(0, "s");
    assert!((41..60).contains(&left), "{left}");
    nodes.pass(limits::VERIFY_MILLIS + 1_500);
    assert_eq!(nodes.counts("s"), [60, 60, 60]);
    let differences = nodes.sum(|counts| counts.differences);
    assert_eq!(differences, 1);
    nodes.pass(30_000);
    assert_eq!(nodes.sum(|counts| counts.differences), differences);
    assert_eq!(nodes.sum(|counts| counts.repaired_nothing), 0);
}

#[test]
fn states_that_are_lost_are_told_again() {
    let mut nodes = Nodes::start(3);
    nodes.lost = |message| matches!(message, Message::Sync { .. });
    nodes.publish(0, "a", "s", 1);
    nodes.pass(3_500);
    assert_eq!(nodes.counts("s"), [1, 0, 0]);
    nodes.lost = |message| matches!(message, Message::SyncTaken { .. });
    nodes.pass(5_000);
    assert_eq!(nodes.counts("s"), [1, 1, 1]);
    nodes.lost = |_| false;
    nodes.pass(35_000);
    assert!(nodes.sum(|counts| counts.timeouts) > 0);
    assert_eq!(nodes.sum(|counts| counts.pending as u64), 0);
}

#[test]
fn what_a_node_alone_kept_is_shown_at_once_and_goes_with_its_lease() {
    let mut nodes = Nodes::start(1);
    nodes.publish(0, "a", "s", 1);
    nodes.publish(0, "b", "s", 2);
    nodes.keep(0);
    nodes.kill(0);
    nodes.run(0);
    assert_eq!(nodes.counts("s"), [2]);
    nodes.publish(0, "a-again", "s", 1);
    assert_eq!(nodes.counts("s"), [2], "the newer hides the older");
    nodes.pass(distro::LONGEST_LEASE_MILLIS + 1_000);
    assert_eq!(nodes.counts("s"), [1]);
}

#[test]
fn what_all_kept_is_there_after_all_restarted() {
    let mut nodes = Nodes::start(3);
    nodes.publish(0, "a", "s", 1);
    nodes.publish(1, "b", "s", 2);
    nodes.register_beating(3..9);
    nodes.pass(1_000);
    (0..3).for_each(|place| nodes.keep(place));
    (0..3).for_each(|place| nodes.kill(place));
    nodes.pass(5_000);
    (0..3).for_each(|place| nodes.run(place));
    nodes.pass(1_000);
    assert_eq!(nodes.counts("s"), [8, 8, 8]);
    nodes.pass(distro::LONGEST_LEASE_MILLIS + 5_000);
    assert_eq!(nodes.counts("s"), [0, 0, 0], "nobody came back");
}

#[test]
fn a_client_whose_owner_changes_is_kept_by_the_one_or_the_other() {
    let mut nodes = Nodes::start(3);
    let client = ClientId::address("10.0.0.1", 3);
    let after = nodes.nodes[0].as_ref().expect("runs").cluster().responsible(&client).0 as usize - 1;
    let before = (after + 1) % 3;
    nodes.handle(before, Input::Register { client, service: key("s"), content: one(3) });
    nodes.keep(before);
    nodes.pass(1_000);
    assert_eq!((nodes.owned(before).len(), nodes.owned(after).len()), (0, 1));
    // Who owns it now has not kept it yet.
    nodes.keep(before);
    (0..3).for_each(|place| nodes.kill(place));
    (0..3).for_each(|place| nodes.run(place));
    nodes.pass(1_000);
    assert_eq!(nodes.counts("s"), [1, 1, 1]);
}

#[test]
fn what_a_node_kept_is_nothing_beside_one_that_lived_on() {
    let mut nodes = Nodes::start(3);
    nodes.publish(0, "a", "s", 1);
    nodes.pass(1_000);
    nodes.keep(0);
    nodes.kill(0);
    nodes.pass(60_000);
    assert_eq!(nodes.counts("s"), [0, 0]);
    nodes.run(0);
    nodes.pass(10_000);
    assert_eq!(nodes.counts("s"), [0, 0, 0]);
}

#[test]
fn what_a_node_kept_counts_when_it_is_the_first_of_all() {
    let mut nodes = Nodes::start(3);
    nodes.publish(0, "a", "s", 1);
    nodes.pass(1_000);
    nodes.keep(0);
    (0..3).for_each(|place| nodes.kill(place));
    nodes.run(0);
    for other in [1, 2] {
        nodes.handle(0, Input::Unlinked { address: address(other), vacant: true });
    }
    for phase in [Phase::Loading, Phase::Serving] {
        nodes.pass(limits::TOGETHER_MILLIS - 100);
        assert_eq!(nodes.nodes[0].as_ref().expect("runs").cluster().phase, phase, "the others may be about to start");
    }
    assert_eq!(nodes.counts("s"), [1]);
    nodes.run(1);
    nodes.pass(1_000);
    assert_eq!(nodes.counts("s"), [1, 1], "and whoever comes later hears of it");
    nodes.pass(distro::LONGEST_LEASE_MILLIS);
    assert_eq!(nodes.counts("s"), [0, 0]);
}

#[test]
fn a_node_has_left_when_all_know() {
    let mut nodes = Nodes::start(3);
    nodes.publish(0, "a", "s", 1);
    let left = |nodes: &mut Nodes| {
        let now = nodes.now();
        let mut out = Vec::new();
        nodes.nodes[0].as_mut().expect("runs").poll(now, &mut out);
        out.iter().any(|output| matches!(output, Output::Left))
    };
    nodes.handle(0, Input::Leave);
    assert!(!left(&mut nodes), "nobody was told");
    let mut alone = Nodes::start(1);
    alone.handle(0, Input::Leave);
    assert!(left(&mut alone), "there is nobody to tell");
}

fn braked(share: u8) -> Settings {
    Settings { removal_brake: Some(share), ..SETTINGS }
}

#[test]
fn the_brake_holds_back_leases_that_end_together() {
    let mut nodes = Nodes::start_with(3, braked(30));
    for client in 0..10 {
        nodes.publish(0, &format!("c{client}"), "s", client);
    }
    nodes.pass(1_000);
    nodes.kill(0);
    nodes.pass(distro::LONGEST_LEASE_MILLIS + 5_000);
    assert_eq!(nodes.counts("s"), [7, 7], "three of ten may go");
    assert!(nodes.stats(1).held_back >= 7);
    nodes.pass(limits::BRAKE_MILLIS - 10_000);
    assert_eq!(nodes.counts("s"), [7, 7]);
    nodes.pass(15_000);
    assert_eq!(nodes.counts("s"), [0, 0]);
}

#[test]
fn the_brake_holds_back_the_silent_and_not_who_says_that_it_goes() {
    let mut nodes = Nodes::start_with(1, braked(30));
    nodes.register_beating(1..11);
    nodes.pass(36_000);
    assert_eq!(nodes.counts("s"), [7]);
    for port in 1..11 {
        let client = ClientId::address("10.0.0.1", port);
        nodes.handle(0, Input::Deregister { client, service: key("s") });
    }
    assert_eq!(nodes.counts("s"), [0], "a deregistration is no expiry");

    nodes.register_beating(11..21);
    nodes.pass(36_000);
    let held = nodes.counts("s");
    assert!(held[0] >= 7, "{held:?}");
    nodes.pass(limits::BRAKE_MILLIS + 5_000);
    assert_eq!(nodes.counts("s"), [0]);
}

#[test]
fn what_came_before_the_way_back_was_open_is_acknowledged_when_it_is() {
    let mut nodes = Nodes::start(2);
    nodes.handle(1, Input::Unlinked { address: address(0), vacant: false });
    nodes.publish(0, "1_10.0.0.1_1", "orders", 1);
    nodes.pass(1_000);
    let behind = |nodes: &Nodes| {
        let details = nodes.nodes[0].as_ref().expect("runs").member_details(nodes.tick);
        details[0].distro.behind
    };
    assert_eq!(behind(&nodes), 1, "it was told, and cannot say so");
    nodes.links[1][0] = false;
    nodes.pass(20);
    assert_eq!(behind(&nodes), 0);
}

#[test]
fn nodes_that_all_start_again_have_what_all_kept_before_they_serve() {
    let mut nodes = Nodes::start(3);
    nodes.publish(0, "a", "s", 1);
    nodes.publish(1, "b", "s", 2);
    nodes.pass(1_000);
    (0..3).for_each(|place| nodes.keep(place));
    (0..3).for_each(|place| nodes.kill(place));
    nodes.pass(1_000);
    for place in 0..3 {
        nodes.run(place);
        // The first two are up; the last takes a moment longer, and they wait for it.
        nodes.pass(if place == 1 { 100 } else { 0 });
    }
    for _ in 0..500 {
        nodes.pass(10);
        for place in 0..3 {
            if nodes.nodes[place].as_ref().expect("runs").cluster().phase == Phase::Serving {
                assert_eq!(nodes.count(place, "s"), 2, "node {place} serves");
            }
        }
    }
}

/// Its clients are nobody's until they are heard of again: the others wrote their files before that, and without them.
#[test]
fn clients_of_a_node_whose_disk_was_emptied_outlive_a_restart_of_all() {
    let mut nodes = Nodes::start(3);
    nodes.publish(2, "c", "s", 9);
    nodes.register_beating(10..40);
    nodes.pass(12_000);
    (0..3).for_each(|place| nodes.keep(place));
    nodes.kill(2);
    nodes.empty(2);
    nodes.run(2);
    while nodes.cluster(2).phase == Phase::Loading {
        nodes.pass(10);
    }
    assert_eq!(nodes.counts("s"), [31; 3]);
    // As soon as it serves, and before anybody else did.
    nodes.keep(2);
    (0..3).for_each(|place| nodes.kill(place));
    (0..3).for_each(|place| nodes.run(place));
    nodes.pass(1_000);
    assert_eq!(nodes.counts("s"), [31; 3]);
}
