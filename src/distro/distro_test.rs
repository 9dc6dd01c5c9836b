//! Tasks, versions, tombstones and comparisons one by one.

use super::*;
use crate::{
    member::Peer,
    model::{Attributes, Instance, NodeId, Publication, Published, ServiceKey},
    registry::{Command, Limits},
    wire::peer::{Bucket, Message, Phase, Regard},
};

const WINDOW: Millis = Settings::DEFAULT.window;

/// Lives of the nodes of these tests: this one is 1, the others are at places 0 and 1.
pub(super) const OWN: Incarnation = life(1);
pub(super) const OTHER: Incarnation = life(2);
pub(super) const THIRD: Incarnation = life(3);

pub(super) const fn life(node: u128) -> Incarnation {
    Incarnation { node: NodeId(node), since: 1 }
}

fn key(name: &str) -> ServiceKey {
    ServiceKey::new("", "", name).expect("legal")
}

pub(super) fn instances(ports: impl IntoIterator<Item = u16>) -> Published {
    let instance = |port| Instance { ip: "10.0.0.1".into(), port, ..Instance::default() };
    Published::Batch(ports.into_iter().map(instance).collect())
}

/// What some node says of a client: that it publishes this port, or nothing for port 0.
pub(super) fn told(id: &str, time: u64, owner: Incarnation, port: u16) -> ClientState {
    let publication =
        Publication { service: key("s"), published: HybridTime(time), beating: false, content: instances([port]) };
    ClientState {
        id: id.into(),
        version: Version::written(HybridTime(time), owner.node),
        owner,
        lease: None,
        attributes: Attributes::default(),
        publications: if port == 0 { Vec::new() } else { vec![publication] },
    }
}

fn ports(state: &ClientState) -> Vec<u16> {
    let all = state.publications.iter().flat_map(|publication| publication.content.instances());
    all.map(|instance| instance.port).collect()
}

/// A client, and the ports it publishes.
type Shown = (String, Vec<u16>);

/// One node's side, with a registry, and members that are what the test says.
pub(super) struct Side {
    pub(super) registry: Registry,
    pub(super) distro: Distro,
    pub(super) cluster: Cluster,
    pub(super) now: Tick,
    pub(super) given: HybridTime,
}

impl Side {
    /// The others are up, and nothing was said to them yet.
    pub(super) fn new() -> Self {
        let peer = |life: Incarnation| Peer {
            incarnation: Some(life),
            state: Regard::Up,
            phase: Phase::Serving,
            ..Peer::unheard(compact_str::format_compact!("n{}:1", life.node.0))
        };
        let peers = [OTHER, THIRD].map(peer).into();
        let cluster = Cluster { this: OWN, address: "own:1".into(), phase: Phase::Serving, peers };
        let registry = Registry::new(Limits { empty_service_expiry: 60_000, encodings: 0 });
        let distro = Distro::new(Settings::DEFAULT, OWN, 2);
        Self { registry, distro, cluster, now: Tick(1_000), given: HybridTime(1_000_000) }
    }

    /// Both others are linked and have been told that there is nothing.
    pub(super) fn linked() -> Self {
        let mut side = Self::new();
        side.link(0);
        side.link(1);
        side.poll();
        side
    }

    pub(super) fn link(&mut self, place: usize) {
        self.distro.linked(self.now, place, [OTHER, THIRD][place], &self.cluster);
    }

    pub(super) fn apply(&mut self, command: Command) {
        self.registry.apply(self.now, command, &mut Vec::new()).expect("not refused");
    }

    pub(super) fn publish(&mut self, id: &str, content: Published) {
        self.publish_unchecked(id, content);
        self.check();
    }

    /// For many: the check looks at all of them.
    fn publish_unchecked(&mut self, id: &str, content: Published) {
        self.apply(Command::Connect(id.into(), Attributes::default()));
        self.apply(Command::register(&id.into(), key("s"), content));
        let given = &mut self.given;
        let client = self.registry.client_no(&id.into()).expect("connected");
        self.distro.changed(self.now, client, &self.registry, |before| {
            *given = given.next().max(before.latest().next());
            Version::written(*given, OWN.node)
        });
    }

    /// Sums of what is held of a node's clients.
    pub(super) fn held(&self, owner: Incarnation) -> Box<[Bucket]> {
        let held = self.distro.records.holdings(owner);
        held.map_or_else(|| digest::Table::default().buckets().into(), |holdings| holdings.table.buckets().into())
    }

    pub(super) fn disconnect(&mut self, id: &str) {
        let client = self.registry.client_no(&id.into()).expect("connected");
        self.apply(Command::Disconnect(id.into()));
        self.distro.disconnected(self.now, client, later);
        self.check();
    }

    /// As the node takes what is news.
    pub(super) fn learn(&mut self, state: &ClientState) -> Judgement {
        let judgement = self.distro.judge(state, true);
        if judgement == Judgement::Newer {
            self.apply(Command::Disconnect(state.id.clone()));
            for publication in &state.publications {
                self.apply(Command::Connect(state.id.clone(), state.attributes.clone()));
                self.apply(Command::Replicate { client: state.id.clone(), publication: publication.clone() });
            }
            let client = self.registry.client_no(&state.id);
            self.distro.learned(self.now, state, client, &self.cluster);
        }
        self.check();
        judgement
    }

    pub(super) fn check(&self) {
        self.distro.check(&self.registry);
    }

    pub(super) fn poll(&mut self) -> Vec<(usize, Message)> {
        let mut out = Vec::new();
        self.distro.heartbeats(self.now, 500);
        self.distro.poll(self.now, &self.registry, true, &mut out);
        self.check();
        out
    }

    /// What is sent to a place at this moment: numbers, and the ports that each client of them publishes.
    pub(super) fn sent(&mut self, place: usize) -> Vec<(u64, Vec<Shown>)> {
        let sync = |(to, message)| match message {
            Message::Sync { number, clients } if to == place => {
                let shown = clients.iter().map(|state| (state.id.to_string(), ports(state))).collect();
                Some((number, shown))
            }
            _ => None,
        };
        self.poll().into_iter().filter_map(sync).collect()
    }

    /// Sends and acknowledges all that there is for all.
    pub(super) fn settle(&mut self) {
        for _ in 0..3 {
            for (place, message) in self.poll() {
                if let Message::Sync { number, .. } = message {
                    self.distro.taken(place, number);
                }
            }
            self.now = self.now + WINDOW;
        }
    }

    /// Lets time pass from one due time to the next, and says what came due when.
    pub(super) fn expire_until(&mut self, end: Tick) -> Vec<(Millis, Due)> {
        let (mut found, began) = (Vec::new(), self.now);
        while let Some(due) = self.distro.next_due().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            let due = self.distro.expire(self.now, &self.cluster, |_| true, later);
            for due in due {
                if let Due::LeaseOver(id) = &due {
                    self.apply(Command::Disconnect(id.clone()));
                }
                found.push((self.now.since(began), due));
            }
            for (place, message) in self.poll() {
                if let Message::Sync { number, .. } = message {
                    self.distro.taken(place, number);
                }
            }
        }
        self.now = end;
        found
    }
}

/// What a node of these tests makes of whatever was.
pub(super) fn later(before: Version) -> Version {
    Version::written(before.latest().next(), OWN.node)
}

pub(super) fn shown(id: &str, ports: &[u16]) -> Shown {
    (id.to_owned(), ports.to_vec())
}

#[test]
fn what_is_newer_counts_and_nothing_else() {
    use Judgement::{Known, Newer, Older, Ours};
    let mut side = Side::linked();
    assert_eq!(side.learn(&told("a", 5, OTHER, 1)), Newer);
    assert_eq!(side.learn(&told("a", 5, OTHER, 1)), Known);
    assert_eq!(side.learn(&told("a", 4, OTHER, 2)), Older);
    assert_eq!(side.learn(&told("a", 5, THIRD, 3)), Newer, "of one moment the greater node wins on all nodes");
    assert_eq!(side.learn(&told("a", 5, OTHER, 1)), Older);
    assert_eq!(side.learn(&told("a", 6, OTHER, 0)), Newer);
    assert_eq!(side.learn(&told("a", 5, THIRD, 3)), Older, "gone is gone");
    assert_eq!(side.learn(&told("a", 7, THIRD, 4)), Newer, "unless it is there again");

    let spoilt = told("a", 7, THIRD, 5);
    assert_eq!(side.distro.judge(&spoilt, false), Known, "nobody but its owner");
    assert_eq!(side.distro.judge(&spoilt, true), Newer, "corrects what has the same version");

    side.publish("own", instances([1]));
    assert_eq!(side.learn(&told("own", u64::MAX, OTHER, 2)), Ours, "nobody else has its connection");
    assert_eq!(side.learn(&told("b", 9, OWN, 2)), Ours, "of its own clients this node alone can tell");
    assert_eq!(side.distro.counts().taken, 4);
}

#[test]
fn a_member_that_holds_something_older_is_corrected() {
    let mut side = Side::linked();
    side.learn(&told("a", 5, THIRD, 1));
    side.distro.correct(side.now, 0, &"a".into());
    assert_eq!(side.sent(0), [(1, vec![shown("a", &[1])])]);
    assert_eq!(side.distro.counts().stale, 1);
}

#[test]
fn marks_merge_and_the_newest_is_sent() {
    let mut side = Side::linked();
    side.publish("a", instances([1]));
    assert_eq!(side.sent(0), [(1, vec![shown("a", &[1])])], "the first goes at once");
    side.publish("a", instances([2]));
    side.publish("a", instances([3]));
    side.publish("b", instances([4]));
    side.disconnect("b");
    assert_eq!(side.distro.counts().pending, 2 * 3, "one flight and two marks for each");
    assert_eq!(side.sent(0), []);
    side.now = side.now + WINDOW;
    assert_eq!(side.sent(0), [(2, vec![shown("a", &[3]), shown("b", &[])])]);
}

#[test]
fn news_of_the_owner_replace_what_was_to_be_told() {
    let mut side = Side::linked();
    side.publish("10.0.0.1:1#true", instances([1]));
    assert_eq!(side.learn(&told("10.0.0.1:1#true", u64::MAX, OTHER, 2)), Judgement::Newer);
    assert_eq!((side.sent(1), side.distro.counts().pending), (vec![], 0));
}

#[test]
fn messages_are_bounded_in_clients_and_instances_and_number() {
    let mut side = Side::linked();
    for client in 0..1_100 {
        side.publish_unchecked(&format!("c{client:04}"), instances([1]));
    }
    let sizes: Vec<usize> = side.sent(0).iter().map(|(_, clients)| clients.len()).collect();
    assert_eq!(sizes, [512, 512, 76]);

    let mut side = Side::linked();
    for client in ["a", "b", "c"] {
        side.publish(client, instances(0..600));
    }
    let sizes: Vec<usize> = side.sent(0).iter().map(|(_, clients)| clients.len()).collect();
    assert_eq!(sizes, [2, 1], "begun below the bound, sent whole");

    let mut side = Side::linked();
    for client in 0..20 {
        side.publish_unchecked(&format!("c{client:02}"), instances(0..1_024));
    }
    assert_eq!(side.sent(0).len(), limits::SYNCS_IN_FLIGHT);
    assert_eq!(side.sent(0), []);
    side.distro.taken(0, 3);
    side.distro.taken(0, 3);
    let numbers: Vec<u64> = side.sent(0).into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, [17], "one was taken, one may go");
}

#[test]
fn what_is_not_acknowledged_is_sent_again_ever_later() {
    let mut side = Side::linked();
    side.publish("a", instances([1]));
    let mut times = Vec::new();
    while times.len() < 8 {
        if !side.sent(0).is_empty() {
            times.push(side.now);
        }
        side.now = side.distro.next_due().expect("something is").max(side.now + 1);
    }
    let pauses: Vec<Millis> = times.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    assert_eq!(pauses, [4_000, 5_000, 7_000, 11_000, 19_000, 33_000, 33_000], "3 s for the ack, then 1 to 30 s");

    side.publish("a", instances([8]));
    side.now = side.now + 33_000;
    side.poll();
    side.now = side.now + 30_000;
    let (number, clients) = side.sent(0).pop().expect("sent");
    assert_eq!(clients, [shown("a", &[8])], "and what is sent is the newest");
    side.distro.taken(0, number - 1);
    assert_eq!(side.distro.detail(side.now, 0, &side.cluster.peers[0]).behind, 1, "a late ack says nothing of it");
    side.distro.taken(0, number);
    assert_eq!(side.distro.detail(side.now, 0, &side.cluster.peers[0]).behind, 0);
    side.publish("a", instances([9]));
    side.now = side.now + WINDOW;
    assert_eq!(side.sent(0).len(), 1, "an ack ends the pauses");
}

#[test]
fn what_was_on_its_way_when_a_stream_ended_is_told_again() {
    let mut side = Side::linked();
    side.publish("a", instances([1]));
    side.publish("b", instances([1]));
    assert_eq!(side.sent(0).len(), 1);
    side.distro.unlinked(side.now, 0);
    for port in 2..100 {
        side.publish("a", instances([port]));
    }
    assert_eq!(side.distro.detail(side.now, 0, &side.cluster.peers[0]).behind, 2, "one mark a client");
    side.now = side.now + 60_000;
    assert_eq!(side.sent(0), []);
    side.link(0);
    assert_eq!(side.sent(0), [(2, vec![shown("a", &[99]), shown("b", &[1])])]);
}

#[test]
fn a_new_life_is_told_of_what_is_ours_or_nobodys() {
    let mut side = Side::new();
    side.publish("own", instances([1]));
    side.learn(&told("thirds", 5, THIRD, 2));
    side.learn(&told("nobodys", 5, life(9), 3));
    side.link(0);
    assert_eq!(side.sent(0), [(1, vec![shown("own", &[1]), shown("nobodys", &[3])])]);
    side.distro.taken(0, 1);
    side.distro.unlinked(side.now, 0);
    side.link(0);
    assert_eq!(side.sent(0), [], "the same life knows it");
    side.distro.linked(side.now, 0, Incarnation { since: 2, ..OTHER }, &side.cluster);
    assert_eq!(side.sent(0).len(), 1);
}

#[test]
fn a_grave_is_kept_until_all_know_it() {
    let mut side = Side::linked();
    side.publish("a", instances([1]));
    side.settle();
    side.distro.unlinked(side.now, 1);
    side.disconnect("a");
    let dead = side.now;
    let version = side.distro.records.get(side.distro.records.find(&"a".into()).expect("kept")).version;
    assert_eq!(side.distro.judge(&told("a", version.time.0 - 1, OTHER, 1), true), Judgement::Older);
    side.expire_until(dead + 3 * limits::TOMBSTONE_MILLIS);
    assert_eq!(side.distro.counts().tombstones, 1, "a member was not told");
    side.link(1);
    side.expire_until(side.now + limits::TOMBSTONE_MILLIS);
    assert_eq!((side.distro.counts().tombstones, side.distro.counts().records), (0, 0));
}

#[test]
fn graves_are_bounded_and_a_node_alone_needs_none() {
    let mut side = Side::new();
    side.distro = Distro::new(Settings::DEFAULT, OWN, 0);
    side.publish("a", instances([1]));
    side.disconnect("a");
    assert_eq!(side.distro.counts().records, 0, "there is nobody to bring it back");
    side.distro = Distro::new(Settings::DEFAULT, OWN, 2);
    let gone = told("", 1, OTHER, 0);
    for grave in 0..=limits::TOMBSTONES {
        let id = ClientId::from(compact_str::format_compact!("g{grave:06}").as_str());
        side.distro.learned(side.now, &ClientState { id, ..gone.clone() }, None, &side.cluster);
        side.now = side.now + 1;
    }
    assert_eq!(side.distro.counts().tombstones, limits::TOMBSTONES);
    assert!(side.distro.records.find(&"g000000".into()).is_none(), "the oldest is forgotten");
}
