//! A few nodes that hear each other at once: what one is told all know, and what becomes of it when one goes.

use super::*;
use crate::{
    model::{Attributes, Instance, NodeId, Published},
    wire::peer::Regard,
};

const SETTINGS: Settings = Settings::DEFAULT;

const EPOCH: Millis = 1_700_000_000_000;

/// Nodes that run, each with the streams it has opened.
struct Nodes {
    nodes: Vec<Option<Node>>,
    links: Vec<Vec<bool>>,
    tick: Tick,
    /// Messages so far.
    said: usize,
}

fn address(place: usize) -> CompactString {
    compact_str::format_compact!("n{place}:8848")
}

fn key(name: &str) -> ServiceKey {
    ServiceKey::new("", "", name).expect("legal")
}

fn one(port: u16) -> Published {
    Published::One(Box::new(Instance { ip: "10.0.0.1".into(), port, ..Instance::default() }))
}

impl Nodes {
    fn start(count: usize) -> Self {
        let links = vec![vec![false; count]; count];
        let mut nodes = Self { nodes: (0..count).map(|_| None).collect(), links, tick: Tick(0), said: 0 };
        (0..count).for_each(|place| nodes.run(place));
        nodes.pass(3_000);
        nodes
    }

    fn now(&self) -> Now {
        Now { tick: self.tick, wall: EPOCH + self.tick.0 }
    }

    fn run(&mut self, place: usize) {
        let peers = (0..self.nodes.len()).filter(|other| *other != place).map(address).collect();
        let membership = Membership { this: NodeId(place as u128 + 1), address: address(place), peers };
        let mut node = Node::new(SETTINGS, membership, self.now(), 0);
        node.handle(self.now(), Input::CeilingStored(EPOCH * 2)).expect("not refused");
        self.nodes[place] = Some(node);
    }

    fn kill(&mut self, place: usize) {
        self.nodes[place] = None;
        for other in 0..self.nodes.len() {
            self.links[place][other] = false;
            if std::mem::take(&mut self.links[other][place]) {
                self.handle(other, Input::Unlinked { address: address(place) });
            }
        }
    }

    fn handle(&mut self, place: usize, input: Input) -> Reply {
        let now = self.now();
        let node = self.nodes[place].as_mut().expect("runs");
        let reply = node.handle(now, input).expect("not refused");
        node.check();
        reply
    }

    fn connect(&mut self) {
        let lives: Vec<_> = self.nodes.iter().map(|node| node.as_ref().map(|node| node.cluster().this)).collect();
        for from in 0..lives.len() {
            for (to, life) in lives.iter().enumerate() {
                let Some(peer) = *life else { continue };
                if from != to && lives[from].is_some() && !std::mem::replace(&mut self.links[from][to], true) {
                    self.handle(from, Input::Linked { address: address(to), peer });
                }
            }
        }
    }

    /// Lets `millis` pass; whatever is said is heard at once.
    fn pass(&mut self, millis: Millis) {
        let end = self.tick + millis;
        while self.tick < end {
            self.connect();
            for place in 0..self.nodes.len() {
                let now = self.now();
                let Some(node) = self.nodes[place].as_mut() else { continue };
                let (mut out, from) = (Vec::new(), node.cluster().this);
                node.poll(now, &mut out);
                node.check();
                for output in out {
                    let Output::Peer { to, message } = output else { continue };
                    let to = to.0 as usize - 1;
                    self.said += 1;
                    if self.nodes[to].is_some() {
                        self.handle(to, Input::Peer { address: address(place), from, message });
                    }
                }
            }
            self.tick = self.tick + 10;
        }
    }

    fn publish(&mut self, place: usize, client: &str, service: &str, port: u16) {
        self.handle(place, Input::Connect(client.into(), Attributes::default()));
        self.handle(place, Input::Register { client: client.into(), service: key(service), content: one(port) });
    }

    fn count(&mut self, place: usize, service: &str) -> usize {
        match self.handle(place, Input::Query { service: key(service), selection: Selection::default() }) {
            Reply::View(view) => view.count,
            other => panic!("a read is answered with a view, not {other:?}"),
        }
    }

    fn counts(&mut self, service: &str) -> Vec<usize> {
        let running: Vec<usize> = (0..self.nodes.len()).filter(|place| self.nodes[*place].is_some()).collect();
        running.into_iter().map(|place| self.count(place, service)).collect()
    }
}

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
    let owned = |nodes: &mut Nodes, place| match nodes.handle(place, Input::Owned { after: None }) {
        Reply::States(states) => states.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(owned(&mut nodes, 1) + owned(&mut nodes, 2), 30);
    nodes.run(0);
    nodes.pass(10_000);
    assert!(owned(&mut nodes, 0) > 0, "it takes back what it is responsible for");
    assert_eq!(owned(&mut nodes, 0) + owned(&mut nodes, 1) + owned(&mut nodes, 2), 30);
    assert_eq!(nodes.counts("s"), [30, 30, 30]);
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
fn what_came_before_the_way_back_was_open_is_acknowledged_when_it_is() {
    let mut nodes = Nodes::start(2);
    nodes.handle(1, Input::Unlinked { address: address(0) });
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
#[ignore = "fails: nodes that load at the same time do not wait for what the others kept"]
fn nodes_that_all_start_again_have_what_all_kept_before_they_serve() {
    let mut nodes = Nodes::start(3);
    nodes.publish(0, "a", "s", 1);
    nodes.publish(1, "b", "s", 2);
    nodes.pass(1_000);
    let kept = [0, 1, 2].map(|place| match nodes.handle(place, Input::Owned { after: None }) {
        Reply::States(states) => states.iter().map(|state| (**state).clone()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    });
    let at = nodes.now().wall;
    (0..3).for_each(|place| nodes.kill(place));
    nodes.pass(1_000);
    for (place, states) in kept.into_iter().enumerate() {
        nodes.run(place);
        nodes.handle(place, Input::Restore { at, states });
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
