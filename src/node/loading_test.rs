//! What a node that starts serves with, when it does not reach all others.

use super::*;
use crate::{
    distro::LONGEST_LEASE_MILLIS,
    member::ALONE_MILLIS,
    model::limits,
    node::nodes_test::{Nodes, SETTINGS, address},
    wire::peer::{Message, Regard},
};

/// Three nodes with clients, by connections to two of them and by addresses, and how many they are together.
fn served() -> (Nodes, usize) {
    let mut nodes = Nodes::start(3);
    for place in 1..3 {
        nodes.publish(place, &format!("c{place}"), "s", place as u16);
    }
    nodes.register_beating(10..40);
    // Longer than what counts as recent.
    nodes.pass(12_000);
    (nodes, 32)
}

/// Starts node 0 again, which does not reach these.
fn start_without(nodes: &mut Nodes, others: &[usize]) {
    nodes.kill(0);
    nodes.pass(1_000);
    nodes.run(0);
    others.iter().for_each(|other| nodes.cut(0, *other));
}

/// Lets time pass until node 0 serves; how long that took.
fn until_served(nodes: &mut Nodes) -> Millis {
    let began = nodes.tick;
    while nodes.cluster(0).phase == Phase::Loading {
        assert!(nodes.tick.since(began) < 60_000, "it never serves");
        nodes.pass(10);
    }
    nodes.tick.since(began)
}

/// Whatever beats beats from now on, at the node that owns it.
fn beat(nodes: &mut Nodes, at: usize) {
    for state in nodes.owned(at).into_iter().filter(|state| state.id.is_address()) {
        for publication in state.publications {
            nodes.handle(at, Input::Beat { client: state.id.clone(), service: publication.service, instance: None });
        }
    }
}

#[test]
fn a_node_has_the_clients_of_one_that_it_alone_does_not_reach() {
    let (mut nodes, all) = served();
    start_without(&mut nodes, &[1]);
    let took = until_served(&mut nodes);
    assert!(took < 2_000, "{took}");
    assert_eq!(nodes.count(0, "s"), all);
    assert_eq!(nodes.cluster(0).peers[0].state, Regard::Suspect);

    // They are alive, and what becomes of them is passed on.
    nodes.publish(1, "later", "s", 90);
    for _ in 0..12 {
        (0..3).for_each(|place| beat(&mut nodes, place));
        nodes.pass(5_000);
        assert_eq!(nodes.counts("s"), [all + 1; 3]);
    }
    nodes.handle(1, Input::Disconnect("later".into()));
    nodes.pass(100);
    assert_eq!(nodes.counts("s"), [all; 3]);

    nodes.mend();
    for _ in 0..4 {
        (0..3).for_each(|place| beat(&mut nodes, place));
        nodes.pass(5_000);
        assert_eq!(nodes.counts("s"), [all; 3]);
    }
    assert_eq!(nodes.cluster(0).peers[0].state, Regard::Up);
    assert_eq!((0..3).map(|place| nodes.owned(place).len()).sum::<usize>(), all, "each has one owner");
}

#[test]
fn news_of_one_that_is_lacked_are_passed_on_before_it_is_met_by_hearsay() {
    let (mut nodes, all) = served();
    // Of what node 2 knows nothing is heard.
    nodes.lost =
        |message| matches!(message, Message::Heartbeat(heartbeat) if heartbeat.known.iter().flatten().count() > 0);
    start_without(&mut nodes, &[1]);
    nodes.pass(1_000);
    nodes.publish(1, "later", "s", 90);
    nodes.pass(100);
    assert_eq!((nodes.cluster(0).phase, nodes.count(0, "s")), (Phase::Loading, all + 1));
}

#[test]
fn a_node_has_the_clients_of_one_that_died_while_they_are_under_lease() {
    for away in [0, 500, 1_500, 10_000] {
        let (mut nodes, _) = served();
        nodes.kill(0);
        nodes.kill(1);
        nodes.pass(away);
        nodes.run(0);
        nodes.miss(0, 1, away % 1_000 == 500);
        let took = until_served(&mut nodes);
        assert!(took < 2_000, "{took}");
        assert_eq!(nodes.count(0, "s"), nodes.count(2, "s"), "dead for {away} ms");
        assert_eq!(nodes.count(0, "s"), 32);
        nodes.pass(LONGEST_LEASE_MILLIS + 10_000);
        assert_eq!(nodes.cluster(0).peers[0].state, Regard::Down, "and its death is confirmed");
        let counts = nodes.counts("s");
        assert!(counts[0] == counts[1] && counts[0] < 32, "{counts:?} when all leases are over");
    }
}

#[test]
fn a_node_has_the_clients_of_one_that_all_lost() {
    let (mut nodes, all) = served();
    nodes.cut(1, 2);
    start_without(&mut nodes, &[1]);
    until_served(&mut nodes);
    assert_eq!(nodes.count(0, "s"), all);
    nodes.pass(10_000);
    assert_eq!(nodes.cluster(0).peers[0].state, Regard::Down, "most miss it");
    nodes.pass(LONGEST_LEASE_MILLIS);
    assert!(nodes.count(0, "s") < all, "and its clients are on their lease");
}

#[test]
fn one_that_is_known_by_hearsay_is_given_up_like_any_other() {
    let (mut nodes, _) = served();
    start_without(&mut nodes, &[1]);
    until_served(&mut nodes);
    assert!(nodes.owned(1).iter().any(|state| state.id == "c1".into()));
    nodes.pass(ALONE_MILLIS - 5_000);
    assert_eq!(nodes.cluster(0).peers[0].state, Regard::Suspect);
    // Longer than what counts as recent.
    nodes.pass(12_000);
    assert_eq!(nodes.cluster(0).peers[0].state, Regard::Down);
}

#[test]
fn what_is_told_comes_before_the_word_that_it_was() {
    let mut nodes = Nodes::start(3);
    nodes.unchecked = true;
    // More than may be on their way.
    let many = limits::SYNCS_IN_FLIGHT * limits::SYNC_CLIENTS + 500;
    for client in 0..many {
        nodes.publish(1, &format!("c{client}"), "s", client as u16);
    }
    nodes.pass(12_000);
    assert_eq!(nodes.count(2, "s"), many);
    start_without(&mut nodes, &[1]);
    until_served(&mut nodes);
    assert_eq!(nodes.count(0, "s"), many);
}

#[test]
fn who_asks_is_told_again_after_its_stream_ended() {
    let (mut nodes, all) = served();
    nodes.lost = |message| matches!(message, Message::Sync { .. });
    start_without(&mut nodes, &[1]);
    nodes.pass(100);
    // What was on its way is gone with the stream.
    nodes.links[2][0] = false;
    nodes.miss(2, 0, false);
    nodes.lost = |_| false;
    until_served(&mut nodes);
    assert_eq!(nodes.count(0, "s"), all);
}

#[test]
fn a_member_too_old_to_tell_is_not_waited_for() {
    let (mut nodes, all) = served();
    nodes.old = Some(2);
    start_without(&mut nodes, &[1]);
    let took = until_served(&mut nodes);
    assert!((limits::TOGETHER_MILLIS..limits::TOGETHER_MILLIS + 500).contains(&took), "{took}");
    assert!(nodes.count(0, "s") < all);
}

#[test]
fn a_node_that_is_cut_off_does_not_serve_what_little_it_has() {
    let (mut nodes, _) = served();
    start_without(&mut nodes, &[1, 2]);
    nodes.pass(SETTINGS.loading_limit - 100);
    assert_eq!(nodes.cluster(0).phase, Phase::Loading);
    let (mut cut_off, _) = served();
    start_without(&mut cut_off, &[1, 2]);
    let took = until_served(&mut cut_off);
    assert!(took.abs_diff(SETTINGS.loading_limit) <= 20, "and then it does, after {took}");

    nodes.mend();
    nodes.pass(100);
    let counts = nodes.counts("s");
    assert_eq!((nodes.cluster(0).phase, counts[0]), (Phase::Serving, counts[1]));
    assert!(counts[0] > 2, "{counts:?}");
}

#[test]
fn who_hears_nothing_waits_for_one_that_may_be_alive() {
    for (vacant, phase) in [([true, true], Phase::Serving), ([true, false], Phase::Loading)] {
        let (mut nodes, _) = served();
        (0..3).for_each(|place| nodes.kill(place));
        nodes.run(0);
        nodes.miss(0, 1, vacant[0]);
        nodes.miss(0, 2, vacant[1]);
        nodes.pass(limits::TOGETHER_MILLIS + 100);
        assert_eq!(nodes.cluster(0).phase, phase, "{vacant:?}");
        nodes.miss(0, 2, true);
        nodes.pass(20);
        assert_eq!(nodes.cluster(0).phase, Phase::Serving, "nobody is there now");
    }
}

#[test]
fn two_that_start_together_serve_soon_when_nobody_is_at_the_third() {
    for vacant in [true, false] {
        let (mut nodes, _) = served();
        (0..3).for_each(|place| nodes.keep(place));
        let kept = nodes.kept[0].1.len() + nodes.kept[1].1.len();
        (0..3).for_each(|place| nodes.kill(place));
        nodes.run(0);
        nodes.run(1);
        nodes.miss(0, 2, vacant);
        nodes.miss(1, 2, vacant);
        let took = until_served(&mut nodes);
        let soon = limits::TOGETHER_MILLIS..limits::TOGETHER_MILLIS + 500;
        assert_eq!(soon.contains(&took), vacant, "{took}");
        assert_eq!(nodes.counts("s"), [kept; 2]);
    }
}

#[test]
fn one_that_is_reached_after_all_tells_by_itself() {
    let (mut nodes, all) = served();
    nodes.lost = |message| matches!(message, Message::Sync { .. });
    start_without(&mut nodes, &[1]);
    nodes.pass(2_000);
    assert_eq!(nodes.cluster(0).phase, Phase::Loading);
    nodes.lost = |_| false;
    nodes.mend();
    until_served(&mut nodes);
    assert_eq!(nodes.counts("s"), [all; 3]);
    assert!(nodes.nodes[0].as_ref().expect("runs").lacks().is_empty());
    nodes.miss(0, 1, false);
    assert!(nodes.nodes[0].as_ref().expect("runs").lacks().is_empty(), "{} was there", address(1));
}
