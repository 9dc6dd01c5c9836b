//! What differs for subscribers that are reached by datagrams: one resend, news that overtake, and acks known by number.

use proptest::prelude::*;

use super::{
    push_test::{Scene, instance, only, ports},
    *,
};

const B: &str = "10.0.0.9:55000#true";

/// A service `s` with a subscriber by datagram, who has acknowledged its first push.
fn settled() -> Scene {
    let mut scene = Scene::new();
    scene.subscribe(B, "s", "");
    let (_, first) = scene.next_push();
    assert!(acknowledge(&mut scene, first.number));
    scene.pass(1_000);
    scene
}

/// Acknowledges as the socket does: by number alone. Returns whether somebody waited for it.
fn acknowledge(scene: &mut Scene, number: PushNo) -> bool {
    let client = scene.engine.datagram(number);
    let taken = client.and_then(|client| scene.engine.acked(scene.now, client, Some(number), true));
    scene.check();
    taken.is_some()
}

fn assert_at_rest(scene: &Scene) {
    assert_eq!((scene.engine.next_due(), scene.engine.pending()), (None, 0), "nothing is waited for");
    assert_eq!(scene.engine.flights.all(), [], "nothing is in flight");
}

#[test]
fn an_unanswered_datagram_is_sent_once_more_and_then_given_up() {
    let mut scene = settled();
    scene.register("a", "s", &[1]);
    let lost = only(scene.poll());
    let left = scene.pass(120_000);
    let (at, again) = only(left);
    assert_eq!((at, ports(&again)), (10_000, vec![1]));
    assert!(again.stamp > lost.stamp && again.number != lost.number);
    assert_at_rest(&scene);
    assert!(!acknowledge(&mut scene, lost.number) && !acknowledge(&mut scene, again.number), "too late");
    scene.register("a", "s", &[2]);
    let news = only(scene.poll());
    assert_eq!(ports(&news), [2], "the next change is pushed again");
    let (at, again) = only(scene.pass(120_000));
    assert_eq!((at, ports(&again)), (10_000, vec![2]), "and has a resend of its own");
    assert_at_rest(&scene);
    let counts = scene.engine.counts();
    assert_eq!((counts.sent, counts.acked, counts.timed_out), (5, 1, 4));
}

#[test]
fn an_ack_stops_the_resend() {
    let mut scene = settled();
    scene.register("a", "s", &[1]);
    let push = only(scene.poll());
    scene.pass(9_999);
    assert!(acknowledge(&mut scene, push.number));
    assert!(!acknowledge(&mut scene, push.number), "only once");
    assert_at_rest(&scene);
    scene.register("a", "s", &[2]);
    scene.poll();
    let (_, again) = scene.next_push();
    assert!(acknowledge(&mut scene, again.number), "that of a resend counts too");
    assert_at_rest(&scene);
}

#[test]
fn news_overtake_a_datagram_in_flight() {
    let mut scene = settled();
    scene.register("a", "s", &[1]);
    let first = only(scene.poll());
    scene.register("a", "s", &[2]);
    let (at, second) = only(scene.pass(5_000));
    assert_eq!((at, ports(&second)), (SETTINGS.window, vec![2]), "a window later, not an ack later");
    assert_eq!(second.supersedes, Some(first.number));
    assert!(!acknowledge(&mut scene, first.number), "of the old list");
    assert!(acknowledge(&mut scene, second.number));
    assert_at_rest(&scene);
}

#[test]
fn what_overtakes_a_resend_has_a_resend_of_its_own() {
    let mut scene = settled();
    scene.register("a", "s", &[1]);
    scene.poll();
    let (at, again) = scene.next_push();
    assert_eq!((at, ports(&again)), (10_000, vec![1]));
    scene.pass(1_000);
    scene.register("a", "s", &[2]);
    assert_eq!(ports(&only(scene.poll())), [2]);
    scene.pass(1_000);
    scene.register("a", "s", &[1]);
    assert_eq!(ports(&only(scene.poll())), [1]);
    let (at, again) = only(scene.pass(120_000));
    assert_eq!((at, ports(&again)), (10_000, vec![1]), "lost before, but news since");
    assert_at_rest(&scene);
}

#[test]
fn a_list_that_is_in_flight_is_not_sent_beside_itself() {
    let mut scene = settled();
    scene.register("a", "s", &[1]);
    let push = only(scene.poll());
    scene.register("a", "s", &[1, 2]);
    scene.register("a", "s", &[1]);
    assert_eq!(scene.pass(5_000).len(), 0, "changed and changed back");
    assert!(acknowledge(&mut scene, push.number));
    assert_at_rest(&scene);
}

#[test]
fn what_was_acknowledged_before_something_was_lost_is_sent_again() {
    let mut scene = settled();
    scene.register("a", "s", &[1]);
    assert_eq!(ports(&only(scene.poll())), [1]);
    scene.register("a", "s", &[]);
    let (_, back) = only(scene.pass(5_000));
    assert_eq!(back.hosts, "[]", "acknowledged before, but the list between may have arrived");
}

#[test]
fn another_filter_calls_the_datagram_off_and_has_a_resend_of_its_own() {
    let mut scene = settled();
    scene.publish("a", "s", vec![instance(1, "c1")]);
    let old = only(scene.poll());
    scene.next_push();
    scene.subscribe(B, "s", "c1");
    assert!(!acknowledge(&mut scene, old.number));
    assert_eq!(scene.pass(60_000).len(), 0, "the answer told it");
    assert_at_rest(&scene);
    scene.publish("a", "s", vec![instance(2, "c1")]);
    assert_eq!(ports(&only(scene.poll())), [2]);
    assert_eq!(only(scene.pass(60_000)).0, 10_000);
}

#[test]
fn nothing_is_left_of_a_subscription_that_ends_in_between() {
    type End = fn(&mut Scene);
    let ends: [End; 2] = [|scene| scene.unsubscribe(B, "s"), |scene| scene.disconnect(B)];
    for end in ends {
        for waited in [0, 5_000, 10_000, 15_000, 20_000] {
            let mut scene = settled();
            scene.register("a", "s", &[1]);
            let push = only(scene.poll());
            scene.pass(waited);
            end(&mut scene);
            scene.pass(SETTINGS.window);
            assert_at_rest(&scene);
            assert!(!acknowledge(&mut scene, push.number));
        }
    }
}

#[test]
fn pushes_by_stream_are_not_found_by_their_number_alone() {
    let mut scene = Scene::new();
    scene.subscribe("b", "s", "");
    let (_, push) = scene.next_push();
    assert_eq!(scene.engine.datagram(push.number), None);
}

const SETTINGS: Settings = Settings::DEFAULT;

#[derive(Clone, Debug)]
enum Step {
    Publish(Vec<u16>),
    Answer(usize),
    Pass(Millis),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop::collection::vec(1u16..4, 0..3).prop_map(Step::Publish),
        3 => (0usize..3).prop_map(Step::Answer),
        2 => (0u64..500).prop_map(Step::Pass),
        2 => (0u64..12_000).prop_map(Step::Pass),
    ]
}

proptest! {
    /// Whatever is lost: a change costs two datagrams at most, the last one does go out, and then there is rest.
    #[test]
    fn a_change_costs_two_datagrams_at_most_and_the_newest_list_does_go_out(steps in prop::collection::vec(step(), 1..60)) {
        let mut scene = settled();
        let mut sent: Vec<(Vec<u64>, PushNo)> = Vec::new();
        let mut since_change = 0;
        let mut newest: Vec<u64> = Vec::new();
        for step in steps.into_iter().chain([Step::Pass(60_000)]) {
            match step {
                Step::Publish(mut published) => {
                    published.sort_unstable();
                    published.dedup();
                    since_change = 0;
                    scene.register("a", "s", &published);
                    newest = published.into_iter().map(u64::from).collect();
                }
                Step::Answer(back) if back < sent.len() => {
                    acknowledge(&mut scene, sent[sent.len() - 1 - back].1);
                }
                Step::Answer(_) => {}
                Step::Pass(millis) => {
                    let left = scene.pass(millis);
                    since_change += left.len();
                    prop_assert!(since_change <= 2, "{left:?}");
                    sent.extend(left.iter().map(|(_, push)| (ports(push), push.number)));
                }
            }
        }
        assert_at_rest(&scene);
        let last = sent.last().map_or(&[][..], |(ports, _)| ports);
        prop_assert_eq!(last, &newest[..]);
    }
}
