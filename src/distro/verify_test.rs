//! The comparison of what an owner has with the copies of it.

use super::{
    distro_test::{OTHER, Side, THIRD, instances, shown, told},
    *,
};
use crate::wire::peer::{BucketContents, Digest, Message};

fn digest_to(side: &mut Side, place: usize) -> Digest {
    let find = |(to, message)| match message {
        Message::Digest(digest) if to == place => Some(digest),
        _ => None,
    };
    side.poll().into_iter().find_map(find).expect("a digest is due")
}

#[test]
fn a_digest_stands_behind_what_is_due_and_waits_for_no_ack() {
    let mut side = Side::linked();
    side.publish("a", instances([1]));
    side.poll();
    side.now = side.now + (limits::VERIFY_MILLIS - 1);
    side.distro.taken(0, 1);
    side.publish("a", instances([2]));
    side.sent(0);
    side.publish("a", instances([3]));
    side.now = side.now + 1;
    let kinds: Vec<&str> = side
        .poll()
        .iter()
        .filter(|(place, _)| *place == 0)
        .map(|(_, message)| if matches!(message, Message::Digest(_)) { "digest" } else { "sync" })
        .collect();
    assert_eq!(kinds, ["sync", "digest"], "what still waits for its window goes before it");
}

#[test]
fn both_sides_of_a_comparison_find_the_same() {
    let (mut owner, mut holder) = (Side::linked(), Side::linked());
    for round in 0..20u16 {
        owner.publish(&format!("c{}", round % 7), instances([round]));
        if round % 5 == 4 {
            owner.disconnect(&format!("c{}", round % 7));
        }
        owner.now = owner.now + limits::VERIFY_MILLIS;
        // The other side of the table: there this node is OTHER.
        for (_, message) in owner.poll().into_iter().filter(|(place, _)| *place == 0) {
            match message {
                Message::Sync { number, clients } => {
                    for state in &clients {
                        let version = Version { node: OTHER.node, ..state.version };
                        holder.learn(&ClientState { owner: OTHER, version, ..ClientState::clone(state) });
                    }
                    owner.distro.taken(0, number);
                }
                Message::Digest(digest) => {
                    let held: Vec<u32> = holder.held(OTHER).iter().map(|bucket| bucket.count).collect();
                    let told: Vec<u32> = digest.buckets.iter().map(|bucket| bucket.count).collect();
                    assert_eq!(held, told, "round {round}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn a_comparison_counts_for_its_digest_only() {
    let mut side = Side::linked();
    side.publish("a", instances([1]));
    side.now = side.now + limits::VERIFY_MILLIS;
    let number = digest_to(&mut side, 0).number;
    let bucket = digest::bucket(&"a".into());
    let at = HybridTime(u64::MAX);
    assert!(side.distro.compared(side.now, 0, number - 1, &[bucket], at).is_none(), "of an older digest");
    let Some(Message::Contents { buckets, .. }) = side.distro.compared(side.now, 0, number, &[bucket], at) else {
        panic!("contents")
    };
    assert_eq!((buckets.len(), buckets[0].clients.len()), (1, 1));
    assert_eq!(side.distro.detail(side.now, 0, &side.cluster.peers[0]).agreed, None);
    side.distro.taken(0, 1);
    side.now = side.now + limits::REPAIR_MILLIS;
    let again = digest_to(&mut side, 0).number;
    assert!(side.distro.compared(side.now, 0, again, &[], at).is_none());
    assert_eq!(side.distro.detail(side.now, 0, &side.cluster.peers[0]).agreed, Some(0), "sooner than usual");
}

fn contents(clients: Vec<(ClientId, Version, u64)>) -> impl Fn(&str) -> BucketContents {
    move |of| BucketContents { bucket: digest::bucket(&of.into()), clients: clients.clone() }
}

#[test]
fn what_an_owner_does_not_have_is_removed_or_asked_for() {
    let address = "10.0.0.1:1#true";
    let mut side = Side::linked();
    side.learn(&told("a", 5, OTHER, 1));
    side.learn(&told(address, 5, OTHER, 2));
    let nothing = [contents(vec![])("a"), contents(vec![])(address)];

    let found = side.distro.differences(side.now, 0, OTHER, HybridTime(4), &nothing);
    assert_eq!(found, verify::Differences::default(), "they were told later than the owner looked");
    assert_eq!(side.distro.counts().repaired_nothing, 1);

    let found = side.distro.differences(side.now, 0, THIRD, HybridTime(9), &nothing);
    assert_eq!(found, verify::Differences::default(), "they are not the sender's");

    let found = side.distro.differences(side.now, 0, OTHER, HybridTime(5), &nothing);
    assert_eq!(found.gone, ["a".into()], "nobody else has its connection");
    let version = told(address, 5, OTHER, 2).version;
    assert_eq!(found.wanted, [(address.into(), Some(version))], "it may be another's by now: the sender knows");
}

/// What stood in all buckets up to the next that is not empty was taken for what is in one: a repair removed clients that
/// nothing was wrong with.
#[test]
fn a_bucket_has_its_own_clients_only() {
    let mut side = Side::linked();
    for client in 0..20 {
        side.learn(&told(&format!("c{client}"), 5, OTHER, 1));
    }
    let mut found = 0;
    for bucket in 0..=255 {
        let nothing = [BucketContents { bucket, clients: Vec::new() }];
        let gone = side.distro.differences(side.now, 0, OTHER, HybridTime(9), &nothing).gone;
        assert!(gone.iter().all(|id| digest::bucket(id) == bucket), "bucket {bucket}: {gone:?}");
        found += gone.len();
    }
    assert_eq!(found, 20);
}

#[test]
fn what_differs_is_asked_for_or_told() {
    let mut side = Side::linked();
    let version = |time| Version::written(HybridTime(time), OTHER.node);
    side.learn(&told("a", 5, OTHER, 1));
    let hash = digest::fingerprint(&told("a", 5, OTHER, 1));
    let mut wanted = |told: (u64, u64)| {
        let contents = contents(vec![("a".into(), version(told.0), told.1)])("a");
        side.distro.differences(side.now, 0, OTHER, HybridTime(9), &[contents]).wanted
    };
    assert_eq!(wanted((5, hash)), []);
    assert_eq!(wanted((5, hash ^ 1)), [("a".into(), Some(version(5)))], "the same version, and something else");
    assert_eq!(wanted((6, hash)), [("a".into(), Some(version(5)))]);
    assert_eq!(wanted((4, hash)), [], "this node knows better");
    assert_eq!(side.sent(0), [(1, vec![shown("a", &[1])])], "and says so");
    let unknown = contents(vec![("b".into(), version(5), 1)])("b");
    let found = side.distro.differences(side.now, 0, OTHER, HybridTime(9), &[unknown]);
    assert_eq!(found.wanted, [("b".into(), None)]);
}

#[test]
fn who_is_asked_for_what_is_long_gone_says_so_barely_later() {
    let mut side = Side::linked();
    let theirs = Version::written(HybridTime(7), OTHER.node);
    side.distro.wanted(side.now, 0, vec![("a".into(), Some(theirs)), ("b".into(), None)]);
    assert_eq!(side.sent(0), [(1, vec![shown("a", &[])])]);
    assert_eq!(side.learn(&told("a", 8, THIRD, 1)), Judgement::Newer, "whoever heard it later wins");
}
