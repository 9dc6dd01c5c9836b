//! What becomes of members that are heard, missed and met again.

use std::sync::Arc;

use compact_str::CompactString;
use proptest::{prelude::*, sample::Index};

use super::*;
use crate::{
    model::{Incarnation, Millis, NodeId, Tick},
    wire::peer::{Heartbeat, Phase, Regard},
};

const SETTINGS: Settings = Settings::DEFAULT;
const MINUTE: Millis = 60_000;

fn life(node: u128, since: Millis) -> Incarnation {
    Incarnation { node: NodeId(node), since }
}

fn address(place: usize) -> CompactString {
    compact_str::format_compact!("n{place}:8848")
}

/// Node 100 with peers at `n0`, `n1` and so on, which are nodes 0, 1 and so on, and what became of them.
struct Watch {
    members: Members,
    now: Tick,
    transitions: Vec<Transition>,
}

impl Watch {
    /// Nobody was heard of yet.
    fn new(peers: usize) -> Self {
        let addresses: Vec<CompactString> = (0..peers).map(address).collect();
        let members = Members::new(SETTINGS, life(100, 1), "own:8848".into(), &addresses, false);
        Self { members, now: Tick(10_000), transitions: Vec::new() }
    }

    /// All are heard and hear.
    fn up(peers: usize) -> Self {
        let mut watch = Self::new(peers);
        (0..peers).for_each(|place| watch.beat(place, &[]));
        let returned: Vec<Transition> = (0..peers).map(|place| Transition::Returned(life(place as u128, 1))).collect();
        assert_eq!(watch.taken(), returned);
        watch
    }

    fn taken(&mut self) -> Vec<Transition> {
        std::mem::take(&mut self.transitions)
    }

    fn meet(&mut self, address: &str, from: Incarnation) -> Option<usize> {
        let place = self.members.place(address, from)?;
        self.members.meet(place, address, from, &mut self.transitions);
        Some(place)
    }

    /// A heartbeat of the first life of a member.
    fn beat(&mut self, place: usize, missed: &[u128]) {
        self.beat_with(place, missed, Regard::Up, Phase::Serving);
    }

    fn beat_with(&mut self, place: usize, missed: &[u128], regard: Regard, phase: Phase) {
        let missed = missed.iter().map(|node| NodeId(*node)).collect();
        let heartbeat = Heartbeat { time: 0, phase, missed, regard, lacks: Vec::new(), known: None };
        self.meet(&address(place), life(place as u128, 1));
        self.members.hear(self.now, place, Some(&heartbeat), &mut self.transitions);
        self.poll();
    }

    fn poll(&mut self) {
        self.members.poll(self.now, &mut self.transitions);
    }

    /// Time passes; those at `alive` send a heartbeat each half second and miss these.
    fn pass(&mut self, millis: Millis, alive: &[usize], missed: &[u128]) {
        let end = self.now + millis;
        while self.now < end {
            self.now = self.now + 10;
            if self.now.0.is_multiple_of(SETTINGS.heartbeat) {
                alive.iter().for_each(|place| self.beat(*place, missed));
            }
            self.poll();
        }
    }

    fn state(&self, place: usize) -> Regard {
        self.members.cluster().peers[place].state
    }

    fn missed(&self) -> Vec<u128> {
        self.members.heartbeat(0, 0).missed.into_iter().map(|node| node.0).collect()
    }
}

#[test]
fn nobody_is_up_before_it_is_heard() {
    let mut watch = Watch::new(2);
    watch.pass(10 * MINUTE, &[], &[]);
    assert_eq!((watch.state(0), watch.taken()), (Regard::Down, vec![]));
    watch.meet("n0:8848", life(0, 1));
    assert_eq!((watch.state(0), watch.taken()), (Regard::Down, vec![]), "who was met was not heard yet");
    watch.beat(0, &[]);
    assert_eq!((watch.state(0), watch.taken()), (Regard::Up, vec![Transition::Returned(life(0, 1))]));
}

#[test]
fn a_node_alone_serves_at_once() {
    assert_eq!(Watch::new(0).members.cluster().phase, Phase::Serving);
    assert_eq!(Watch::new(1).members.cluster().phase, Phase::Loading);
}

#[test]
fn silence_makes_suspect_and_a_word_ends_that() {
    let mut watch = Watch::up(2);
    watch.pass(SETTINGS.suspect - 10, &[1], &[]);
    assert_eq!((watch.state(0), watch.missed()), (Regard::Up, vec![]));
    watch.pass(10, &[1], &[]);
    assert_eq!((watch.state(0), watch.missed()), (Regard::Suspect, vec![0]));
    assert_eq!(watch.members.heartbeat(0, 0).regard, Regard::Suspect, "it is told so");
    watch.members.hear(watch.now, 0, None, &mut watch.transitions);
    assert_eq!((watch.state(0), watch.missed()), (Regard::Up, vec![]), "any message is a sign of life");
    assert_eq!(watch.taken(), [], "nothing became of it");
}

#[test]
fn who_does_not_hear_this_node_is_suspect_and_never_down_by_that() {
    for regard in [Regard::Suspect, Regard::Down] {
        let mut watch = Watch::up(2);
        for _ in 0..1_000 {
            watch.now = watch.now + SETTINGS.heartbeat;
            watch.beat_with(0, &[], regard, Phase::Serving);
            watch.beat(1, &[0]);
            assert_eq!(watch.state(0), Regard::Suspect);
        }
        assert_eq!(watch.taken(), [], "another misses it, this node does not");
        assert_eq!(watch.members.heartbeat(0, 0).regard, Regard::Up, "or both would wait for the other for ever");
        watch.beat(0, &[]);
        assert_eq!((watch.state(0), watch.taken()), (Regard::Up, vec![]));
    }
}

#[test]
fn a_death_is_confirmed_by_most_within_five_seconds() {
    let mut watch = Watch::up(2);
    let died = watch.now;
    watch.pass(SETTINGS.suspect, &[1], &[]);
    assert_eq!(watch.state(0), Regard::Suspect, "this node alone misses it");
    watch.pass(SETTINGS.heartbeat, &[1], &[0]);
    assert_eq!((watch.state(0), watch.taken()), (Regard::Down, vec![Transition::Confirmed(life(0, 1))]));
    assert!(watch.now.since(died) <= 5_000);
    assert_eq!(watch.members.heartbeat(0, 0).regard, Regard::Down);
    watch.pass(10 * MINUTE, &[1], &[0]);
    assert_eq!(watch.taken(), [], "once");
    watch.beat(0, &[]);
    assert_eq!(watch.taken(), [Transition::Returned(life(0, 1))]);
}

#[test]
fn others_alone_confirm_nothing() {
    let mut watch = Watch::up(4);
    watch.pass(2 * ALONE_MILLIS, &[1, 2, 3], &[0]);
    assert_eq!(watch.taken(), [Transition::Confirmed(life(0, 1))], "with this node");
    let mut watch = Watch::up(4);
    for _ in 0..1_000 {
        watch.pass(SETTINGS.heartbeat, &[1, 2, 3], &[0]);
        watch.beat(0, &[]);
    }
    assert_eq!(watch.taken(), [], "without");
}

#[test]
fn who_is_not_heard_has_no_vote() {
    let mut watch = Watch::up(4);
    watch.beat(1, &[0]);
    watch.beat(2, &[0]);
    watch.pass(ALONE_MILLIS - 10, &[3], &[]);
    assert_eq!(watch.taken(), [], "those who said that they miss it went silent with it");
    watch.pass(10, &[3], &[]);
    assert_eq!(watch.taken(), [0, 1, 2].map(|node| Transition::GivenUp(life(node, 1))));
}

#[test]
fn half_of_four_confirms_nothing_and_three_do() {
    let mut watch = Watch::up(3);
    watch.pass(10_000, &[1], &[0, 2]);
    assert_eq!(watch.taken(), [], "two of four");
    watch.pass(1_000, &[1, 2], &[0]);
    assert_eq!(watch.taken(), [Transition::Confirmed(life(0, 1))], "three of four");
}

#[test]
fn a_node_alone_gives_up_after_three_minutes() {
    for peers in [1, 2] {
        let mut watch = Watch::up(peers);
        watch.pass(ALONE_MILLIS - 10, &[], &[]);
        assert_eq!((watch.state(0), watch.taken()), (Regard::Suspect, vec![]));
        watch.pass(10, &[], &[]);
        let all: Vec<Transition> = (0..peers).map(|place| Transition::GivenUp(life(place as u128, 1))).collect();
        assert_eq!((watch.state(0), watch.taken()), (Regard::Down, all));
    }
}

#[test]
fn a_new_life_takes_the_place_of_the_old_one() {
    let mut watch = Watch::up(2);
    assert_eq!(watch.meet("n0:8848", life(0, 2)), Some(0));
    assert_eq!(watch.taken(), [Transition::Replaced(life(0, 1))]);
    assert_eq!(watch.state(0), Regard::Down);
    assert_eq!(watch.members.cluster().peers[0].phase, Phase::Loading, "it says itself when it serves");
    watch.members.hear(watch.now, 0, None, &mut watch.transitions);
    assert_eq!(watch.taken(), [Transition::Returned(life(0, 2))]);

    assert_eq!(watch.meet("n0:8848", life(0, 1)), None, "an older life is nobody");
    assert_eq!(watch.members.cluster().peers[0].incarnation, Some(life(0, 2)));
}

#[test]
fn an_address_may_change_and_may_come_to_be_anothers() {
    let mut watch = Watch::up(2);
    assert_eq!(watch.meet("moved:8848", life(0, 1)), Some(0), "known by its id");
    let peer = &watch.members.cluster().peers[0];
    assert_eq!((peer.address.as_str(), peer.state), ("moved:8848", Regard::Up));
    assert_eq!(watch.taken(), []);
    assert_eq!(watch.meet("n1:8848", life(0, 1)), Some(0), "two may say the same for a while");
    assert_eq!(watch.members.cluster().peers[0].address, "moved:8848", "and one is at each address");

    assert_eq!(watch.meet("n1:8848", life(7, 1)), Some(1), "another node where one was");
    assert_eq!(watch.taken(), [Transition::Replaced(life(1, 1))]);
    assert_eq!(watch.members.cluster().peers[1].id(), Some(NodeId(7)));

    assert_eq!(watch.meet("elsewhere:8848", life(8, 1)), None, "neither address nor id is known");
    assert_eq!(watch.meet("n1:8848", life(100, 9)), None, "this node is no other");
}

#[test]
fn leaving_is_told_once_in_a_life() {
    let mut watch = Watch::up(2);
    for _ in 0..3 {
        watch.beat_with(0, &[], Regard::Up, Phase::Leaving);
    }
    assert_eq!(watch.taken(), [Transition::Leaving(life(0, 1))]);
    let cluster = watch.members.cluster();
    assert_eq!(cluster.peers[0].state, Regard::Up, "it is still there");
    assert!(!cluster.is_alive(life(0, 1)) && cluster.is_alive(life(1, 1)) && cluster.is_alive(life(100, 1)));
}

#[test]
fn a_node_that_slept_holds_it_against_nobody() {
    let mut watch = Watch::up(2);
    watch.pass(2_500, &[1], &[0]);
    assert_eq!(watch.taken(), [Transition::Confirmed(life(0, 1))]);
    watch.beat(0, &[]);
    watch.taken();
    watch.now = watch.now + 10 * ALONE_MILLIS;
    watch.members.overslept(watch.now);
    watch.poll();
    assert_eq!((watch.state(0), watch.state(1), watch.taken()), (Regard::Up, Regard::Up, vec![]));
    watch.pass(ALONE_MILLIS - 10, &[], &[]);
    assert_eq!(watch.taken(), [], "and what they said before is no vote");
    watch.pass(10, &[], &[]);
    assert_eq!(watch.taken().len(), 2);
}

#[test]
fn a_clock_ahead_is_a_mark_that_goes_with_the_life() {
    let mut watch = Watch::up(1);
    let before = watch.members.cluster().clone();
    watch.members.set_skewed(0, false);
    assert!(Arc::ptr_eq(&before, watch.members.cluster()), "readers are told of changes only");
    watch.members.set_skewed(0, true);
    assert!(watch.members.cluster().peers[0].skewed);
    watch.meet("n0:8848", life(0, 2));
    assert!(!watch.members.cluster().peers[0].skewed);
}

/// All times of a history are multiples of this, so that polling at each misses no moment.
const GRAIN: Millis = 50;

#[derive(Clone, Debug)]
enum Step {
    Pass(Millis),
    Beat { place: usize, missed: Vec<u128>, regard: Regard, phase: Phase },
    Word(usize),
    Meet { place: usize, since: Millis },
    Overslept,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let regard = prop_oneof![4 => Just(Regard::Up), 1 => Just(Regard::Suspect), 1 => Just(Regard::Down)];
    let phase = prop_oneof![4 => Just(Phase::Serving), 1 => Just(Phase::Loading), 1 => Just(Phase::Leaving)];
    let beat = (0..3usize, prop::collection::vec(0..3u128, 0..3), regard, phase);
    let step = prop_oneof![
        4 => (1..14u64).prop_map(|fifty| Step::Pass(fifty * GRAIN)),
        1 => (1..4_000u64).prop_map(|fifty| Step::Pass(fifty * GRAIN)),
        6 => beat.prop_map(|(place, missed, regard, phase)| Step::Beat { place, missed, regard, phase }),
        1 => (0..3usize).prop_map(Step::Word),
        1 => (0..3usize, 1..4u64).prop_map(|(place, since)| Step::Meet { place, since }),
        1 => Just(Step::Overslept),
    ];
    prop::collection::vec(step, 1..60)
}

/// Members with the times at which something became of one.
struct Lived {
    watch: Watch,
    log: Vec<(Tick, Transition)>,
}

impl Lived {
    fn new() -> Self {
        Self { watch: Watch::new(3), log: Vec::new() }
    }

    fn note(&mut self) {
        let now = self.watch.now;
        self.log.extend(self.watch.taken().into_iter().map(|transition| (now, transition)));
    }

    fn poll_at(&mut self, now: Tick) {
        self.watch.now = now;
        self.watch.poll();
        self.note();
    }

    /// Time passes, and poll is called when it says itself that it has something to do, or at each of `each` too.
    fn pass(&mut self, millis: Millis, each: Option<Millis>) {
        let end = self.watch.now + millis;
        loop {
            let next = match each {
                Some(each) => Some(self.watch.now + each),
                None => self.watch.members.next_due(),
            };
            match next.filter(|next| *next <= end) {
                Some(next) => {
                    self.poll_at(next.max(self.watch.now));
                    let later = self.watch.members.next_due();
                    assert!(later.is_none_or(|later| later > self.watch.now), "what is due is done");
                }
                None => break,
            }
        }
        self.watch.now = end;
    }

    fn step(&mut self, step: &Step, each: Option<Millis>) {
        match step {
            Step::Pass(millis) => self.pass(*millis, each),
            Step::Beat { place, missed, regard, phase } => {
                let known = self.watch.members.cluster().peers[*place].incarnation;
                let missed = missed.iter().map(|node| NodeId(*node)).collect();
                let heartbeat =
                    Heartbeat { time: 0, phase: *phase, missed, regard: *regard, lacks: Vec::new(), known: None };
                self.watch.meet(&address(*place), known.unwrap_or(life(*place as u128, 1)));
                self.watch.members.hear(self.watch.now, *place, Some(&heartbeat), &mut self.watch.transitions);
                self.watch.poll();
            }
            Step::Word(place) => {
                if self.watch.members.cluster().peers[*place].incarnation.is_some() {
                    self.watch.members.hear(self.watch.now, *place, None, &mut self.watch.transitions);
                    self.watch.poll();
                }
            }
            Step::Meet { place, since } => {
                self.watch.meet(&address(*place), life(*place as u128, *since));
            }
            Step::Overslept => self.watch.members.overslept(self.watch.now),
        }
        self.note();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Nothing is missed by whoever polls only when something is due, and lives go their way.
    #[test]
    fn polling_when_due_is_polling_always(steps in steps()) {
        let (mut due, mut always) = (Lived::new(), Lived::new());
        for step in &steps {
            due.step(step, None);
            always.step(step, Some(GRAIN));
            prop_assert_eq!(due.watch.members.cluster(), always.watch.members.cluster(), "after {:?}", step);
        }
        prop_assert_eq!(&due.log, &always.log);
        // A life returns, and then is confirmed dead or given up, before it returns again; when replaced it is over.
        let mut up = std::collections::BTreeSet::new();
        let mut over = std::collections::BTreeSet::new();
        for (_, transition) in due.log {
            match transition {
                Transition::Returned(life) => prop_assert!(up.insert(life) && !over.contains(&life), "{:?}", life),
                Transition::Confirmed(life) | Transition::GivenUp(life) => prop_assert!(up.remove(&life), "{:?}", life),
                Transition::Leaving(life) => prop_assert!(up.contains(&life), "{:?}", life),
                Transition::Replaced(life) => {
                    up.remove(&life);
                    prop_assert!(over.insert(life), "{:?}", life);
                }
            }
        }
        for peer in &due.watch.members.cluster().peers {
            let is_up = peer.incarnation.is_some_and(|life| up.contains(&life));
            prop_assert_eq!(is_up, peer.state != Regard::Down, "{:?}", peer);
        }
    }

    /// While all beat in time and miss nobody, nobody is anything but up.
    #[test]
    fn who_beats_in_time_is_up(pauses in prop::collection::vec(any::<Index>(), 1..60)) {
        let mut watch = Watch::up(3);
        for pause in pauses {
            watch.now = watch.now + pause.index(SETTINGS.suspect as usize) as Millis;
            watch.poll();
            prop_assert!((0..3).all(|place| watch.state(place) == Regard::Up));
            (0..3).for_each(|place| watch.beat(place, &[]));
        }
        prop_assert_eq!(watch.taken(), []);
    }
}
