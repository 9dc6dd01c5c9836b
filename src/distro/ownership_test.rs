//! What becomes of clients when members come and go: leases, and who takes over.

use std::collections::BTreeMap;

use super::{
    distro_test::{OTHER, OWN, Side, THIRD, later, life, shown, told},
    *,
};
use crate::{
    member::Transition,
    model::{Attributes, NodeId},
    wire::peer::{Digest, Message, Regard},
};

#[test]
fn leases_are_as_long_as_each_sdk_needs() {
    let mut side = Side::linked();
    let agents = [
        ("java", "Nacos-Java-Client:v2.5.1", 15_000),
        ("go", "Nacos-Go-Client:v2.3.5", 15_000),
        ("csharp", "Nacos-CSharp-Client:v1.3.10", 15_000),
        ("rust", "Nacos-Rust-Client:0.8.3", 20_000),
        ("python", "Nacos-Python-Client:3.2.0", 35_000),
        ("none", "", 35_000),
    ];
    for (id, agent, _) in agents {
        let attributes = Attributes { agent: agent.into(), app: "".into() };
        side.learn(&ClientState { attributes, ..told(id, 5, OTHER, 1) });
    }
    side.cluster.peers[0].state = Regard::Down;
    side.distro.note(side.now, Transition::Confirmed(OTHER), &side.registry);
    assert_eq!(side.distro.counts().orphans, 6);
    let over = side.expire_until(side.now + 60_000);
    let over: BTreeMap<String, Millis> = over
        .into_iter()
        .map(|(after, due)| match due {
            Due::LeaseOver(id) => (id.to_string(), after),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(over, agents.map(|(id, _, lease)| (id.to_owned(), lease)).into_iter().collect());
    let counts = side.distro.counts();
    assert_eq!((counts.leases_over, counts.records, counts.tombstones), (6, 6, 6), "nothing older brings them back");
}

#[test]
fn a_lease_ends_once_and_not_at_all_for_who_returns() {
    let mut side = Side::linked();
    side.learn(&told("a", 5, OTHER, 1));
    let began = side.now;
    side.distro.note(side.now, Transition::Leaving(OTHER), &side.registry);
    side.expire_until(began + 20_000);
    side.distro.note(side.now, Transition::Confirmed(OTHER), &side.registry);
    let over = side.expire_until(began + 90_000);
    assert_eq!(over, [(15_000, Due::LeaseOver("a".into()))], "it runs from when it began to leave");

    side.learn(&told("a", 6, OTHER, 1));
    side.distro.note(side.now, Transition::Confirmed(OTHER), &side.registry);
    side.expire_until(side.now + 30_000);
    side.distro.note(side.now, Transition::Returned(OTHER), &side.registry);
    assert_eq!((side.distro.counts().orphans, side.expire_until(side.now + 90_000)), (0, vec![]));

    side.distro.note(side.now, Transition::GivenUp(OTHER), &side.registry);
    assert_eq!(side.expire_until(side.now + 1), [(0, Due::LeaseOver("a".into()))], "they had three minutes");
}

#[test]
fn a_lease_is_passed_on_with_what_is_left_of_it() {
    let mut side = Side::linked();
    side.learn(&ClientState { lease: Some(4_000), ..told("a", 5, life(9), 1) });
    side.now = side.now + 1_000;
    side.distro.hand_on(side.now, &"a".into());
    let passed = side.poll().into_iter().find_map(|(_, message)| match message {
        Message::Sync { clients, .. } => Some(clients[0].lease),
        _ => None,
    });
    assert_eq!(passed, Some(Some(3_000)));
    assert_eq!(side.expire_until(side.now + 9_000), [(3_000, Due::LeaseOver("a".into()))]);
}

#[test]
fn a_node_that_slept_gives_orphans_that_time_back() {
    let mut side = Side::linked();
    side.learn(&ClientState { lease: Some(4_000), ..told("a", 5, life(9), 1) });
    side.poll();
    side.now = side.now + 60_000;
    let late = side.distro.late_by(side.now);
    assert_eq!(late, 59_500, "a heartbeat was due so long ago");
    side.distro.overslept(side.now, late);
    assert_eq!(side.expire_until(side.now + 9_000), [(3_500, Due::LeaseOver("a".into()))]);
}

/// A client known by its address that this node, or the member at the place, is responsible for while all are up.
fn address_of(side: &Side, node: NodeId) -> String {
    let ids = (1..1_000).map(|port| ClientId::address("10.0.0.1", port));
    ids.into_iter().find(|id| side.cluster.responsible(id) == node).expect("one of a thousand").to_string()
}

#[test]
fn the_responsible_node_takes_over_from_the_dead_and_from_the_living_when_it_knows_all() {
    let mut side = Side::linked();
    let id = address_of(&side, OWN.node);
    side.learn(&told(&id, 5, OTHER, 1));
    assert_eq!(side.expire_until(side.now + 10_000), [], "its owner lives, and may know better");
    let digest = Digest { number: 1, buckets: side.held(OTHER) };
    side.distro.compare(side.now, 0, OTHER, &digest);
    let due = side.expire_until(side.now + limits::REPAIR_MILLIS);
    assert!(matches!(due[..], [(_, Due::TakenOver(_))]), "{due:?}");
    assert_eq!(side.distro.counts().claimed, 1);
    let judgement = side.distro.judge(&told(&id, 5, OTHER, 1), true);
    assert_eq!(judgement, Judgement::Older, "it goes on above what its owner said");
    assert_eq!(side.expire_until(side.now + 60_000), [], "once");

    let mut side = Side::linked();
    side.learn(&told(&id, 5, OTHER, 1));
    side.cluster.peers[0].state = Regard::Down;
    side.distro.note(side.now, Transition::Confirmed(OTHER), &side.registry);
    side.distro.review_all(side.now, &side.cluster);
    let due = side.expire_until(side.now + limits::REPAIR_MILLIS);
    assert!(matches!(due[..], [(_, Due::TakenOver(_))]), "{due:?}");
    assert_eq!(side.distro.counts().orphans, 0, "clients known by their address live by their beats");
}

#[test]
fn a_client_of_the_dead_is_handed_to_whoever_is_responsible_after_a_while() {
    let mut side = Side::linked();
    let id = address_of(&side, THIRD.node);
    side.learn(&told(&id, 5, OTHER, 1));
    side.cluster.peers[0].state = Regard::Down;
    side.distro.review_all(side.now, &side.cluster);
    let after = |side: &mut Side, millis| {
        side.now = side.now + millis;
        side.distro.expire(side.now, &side.cluster, |_| true, later);
        side.sent(1)
    };
    assert_eq!(after(&mut side, limits::TAKE_OVER_MILLIS - 1), []);
    assert_eq!(after(&mut side, 1), [(1, vec![shown(&id, &[1])])], "it may not have it");
    assert_eq!(side.distro.counts().claimed, 0);
}
