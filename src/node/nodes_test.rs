//! A few nodes that hear each other at once, for tests.

use std::collections::BTreeSet;

use super::*;
use crate::{
    member::Cluster,
    model::{Attributes, ClientState, Instance, NodeId, Published},
    wire::peer::{Heartbeat, Message},
};

pub(super) const SETTINGS: Settings = Settings::DEFAULT;

pub(super) const EPOCH: Millis = 1_700_000_000_000;

/// Nodes that run, each with the streams it has opened.
pub(super) struct Nodes {
    pub(super) nodes: Vec<Option<Node>>,
    pub(super) links: Vec<Vec<bool>>,
    /// Which node is at each place.
    ids: Vec<NodeId>,
    /// The other members as each node was told.
    lists: Vec<Vec<usize>>,
    pub(super) tick: Tick,
    /// Messages so far.
    pub(super) said: usize,
    pub(super) settings: Settings,
    /// What each node kept of its earlier life, and when.
    pub(super) kept: Vec<(Millis, Vec<ClientState>)>,
    /// Which messages are lost.
    pub(super) lost: fn(&Message) -> bool,
    /// Who does not reach whom, either way.
    cuts: BTreeSet<(usize, usize)>,
    /// A node of a release that knows of nobody who is lacked.
    pub(super) old: Option<usize>,
    /// Whether nodes are not looked at after each step, for very many clients.
    pub(super) unchecked: bool,
}

pub(super) fn address(place: usize) -> CompactString {
    compact_str::format_compact!("n{place}:8848")
}

pub(super) fn key(name: &str) -> ServiceKey {
    ServiceKey::new("", "", name).expect("legal")
}

pub(super) fn one(port: u16) -> Published {
    Published::One(Box::new(Instance { ip: "10.0.0.1".into(), port, ..Instance::default() }))
}

impl Nodes {
    pub(super) fn start(count: usize) -> Self {
        Self::start_with(count, SETTINGS)
    }

    pub(super) fn start_with(count: usize, settings: Settings) -> Self {
        let mut nodes = Self {
            nodes: (0..count).map(|_| None).collect(),
            links: vec![vec![false; count]; count],
            ids: (1..=count as u128).map(NodeId).collect(),
            lists: (0..count).map(|place| (0..count).filter(|other| *other != place).collect()).collect(),
            tick: Tick(0),
            said: 0,
            settings,
            kept: vec![Default::default(); count],
            lost: |_| false,
            cuts: BTreeSet::new(),
            old: None,
            unchecked: false,
        };
        (0..count).for_each(|place| nodes.run(place));
        nodes.pass(3_000);
        nodes
    }

    pub(super) fn now(&self) -> Now {
        Now { tick: self.tick, wall: EPOCH + self.tick.0 }
    }

    pub(super) fn run(&mut self, place: usize) {
        let peers = self.lists[place].iter().copied().map(address).collect();
        let membership = Membership { this: self.ids[place], address: address(place), peers, joins: false };
        let mut node = Node::new(self.settings, membership, self.now(), 0);
        node.handle(self.now(), Input::CeilingStored(EPOCH * 2)).expect("not refused");
        let (at, states) = std::mem::take(&mut self.kept[place]);
        node.handle(self.now(), Input::Restore { at, states }).expect("not refused");
        self.nodes[place] = Some(node);
    }

    fn place_of(&self, node: NodeId) -> usize {
        self.ids.iter().position(|id| *id == node).expect("one of them")
    }

    /// Whatever the node at a place kept is gone, and which one it was.
    pub(super) fn empty(&mut self, place: usize) {
        self.kept[place] = Default::default();
        self.ids[place].0 += 1_000;
    }

    /// Tells a node that these are the other members; streams to and from those that are none any more end.
    pub(super) fn tell(&mut self, place: usize, others: &[usize]) {
        self.lists[place] = others.to_vec();
        let members: Vec<CompactString> = others.iter().copied().map(address).collect();
        if self.nodes[place].is_none() {
            return;
        }
        self.handle(place, Input::Membership { members });
        for gone in (0..self.nodes.len()).filter(|other| !others.contains(other)) {
            self.links[place][gone] = false;
            if std::mem::take(&mut self.links[gone][place]) {
                self.handle(gone, Input::Unlinked { address: address(place), vacant: false });
            }
        }
    }

    /// Tells all these nodes that they are the members, and all others that they are alone.
    pub(super) fn tell_all(&mut self, members: &[usize]) {
        for place in 0..self.nodes.len() {
            let others: Vec<usize> = members.iter().copied().filter(|other| *other != place).collect();
            self.tell(place, if members.contains(&place) { &others } else { &[] });
        }
    }

    /// From now on two nodes do not reach each other; what they try comes to nothing.
    pub(super) fn cut(&mut self, one: usize, other: usize) {
        self.cuts.extend([(one, other), (other, one)]);
        for (from, to) in [(one, other), (other, one)] {
            self.links[from][to] = false;
            self.miss(from, to, false);
        }
    }

    pub(super) fn mend(&mut self) {
        self.cuts.clear();
    }

    /// A node tries to reach another, and does not.
    pub(super) fn miss(&mut self, from: usize, to: usize, vacant: bool) {
        if self.nodes[from].is_some() {
            self.handle(from, Input::Unlinked { address: address(to), vacant });
        }
    }

    pub(super) fn cluster(&self, place: usize) -> &Cluster {
        self.nodes[place].as_ref().expect("runs").cluster()
    }

    pub(super) fn kill(&mut self, place: usize) {
        self.nodes[place] = None;
        for other in 0..self.nodes.len() {
            self.links[place][other] = false;
            if std::mem::take(&mut self.links[other][place]) {
                self.handle(other, Input::Unlinked { address: address(place), vacant: true });
            }
        }
    }

    pub(super) fn handle(&mut self, place: usize, input: Input) -> Reply {
        let now = self.now();
        let node = self.nodes[place].as_mut().expect("runs");
        let reply = node.handle(now, input).expect("not refused");
        if !self.unchecked {
            node.check();
        }
        reply
    }

    pub(super) fn connect(&mut self) {
        let lives: Vec<_> = self.nodes.iter().map(|node| node.as_ref().map(|node| node.cluster().this)).collect();
        for from in 0..lives.len() {
            for (to, life) in lives.iter().enumerate() {
                let Some(peer) = *life else { continue };
                let known = self.lists[from].contains(&to) && self.lists[to].contains(&from);
                let known = known && !self.cuts.contains(&(from, to));
                if known && lives[from].is_some() && !std::mem::replace(&mut self.links[from][to], true) {
                    self.handle(from, Input::Linked { address: address(to), peer });
                }
            }
        }
    }

    /// Lets `millis` pass; whatever is said is heard at once.
    pub(super) fn pass(&mut self, millis: Millis) {
        let end = self.tick + millis;
        while self.tick < end {
            self.connect();
            for place in 0..self.nodes.len() {
                let now = self.now();
                let Some(node) = self.nodes[place].as_mut() else { continue };
                if node.next_deadline().is_none_or(|due| due > now.tick) {
                    continue;
                }
                let (mut out, from) = (Vec::new(), node.cluster().this);
                node.poll(now, &mut out);
                if !self.unchecked {
                    node.check();
                }
                for output in out {
                    let Output::Peer { to, message } = output else { continue };
                    let to = self.place_of(to);
                    self.said += 1;
                    if self.nodes[to].is_some() && !(self.lost)(&message) && !self.cuts.contains(&(place, to)) {
                        let is_old = [Some(place), Some(to)].contains(&self.old);
                        let message = if is_old { aged(message) } else { message };
                        self.handle(to, Input::Peer { address: address(place), from, message });
                    }
                }
            }
            self.tick = self.tick + 10;
        }
    }

    pub(super) fn publish(&mut self, place: usize, client: &str, service: &str, port: u16) {
        self.handle(place, Input::Connect(client.into(), Attributes::default()));
        self.handle(place, Input::Register { client: client.into(), service: key(service), content: one(port) });
    }

    pub(super) fn count(&mut self, place: usize, service: &str) -> usize {
        match self.handle(place, Input::Query { service: key(service), selection: Selection::default() }) {
            Reply::View(view) => view.count,
            other => panic!("a read is answered with a view, not {other:?}"),
        }
    }

    /// What a node owns.
    pub(super) fn owned(&mut self, place: usize) -> Vec<ClientState> {
        let this = self.cluster(place).this.node;
        let mut states = self.what_to_keep(place);
        states.retain(|state| state.owner.node == this);
        states
    }

    fn what_to_keep(&mut self, place: usize) -> Vec<ClientState> {
        match self.handle(place, Input::Keep { after: None }) {
            Reply::States(states) => states.iter().map(|state| ClientState::clone(state)).collect(),
            other => panic!("states, not {other:?}"),
        }
    }

    pub(super) fn keep(&mut self, place: usize) {
        self.kept[place] = (self.now().wall, self.what_to_keep(place));
    }

    pub(super) fn stats(&self, place: usize) -> Stats {
        self.nodes[place].as_ref().expect("runs").stats()
    }

    /// A sum over all nodes that run.
    pub(super) fn sum(&self, of: fn(&distro::Counts) -> u64) -> u64 {
        self.nodes.iter().flatten().map(|node| of(&node.stats().distro)).sum()
    }

    /// Registers these ports by instances that beat, each at the node that is responsible for its client.
    pub(super) fn register_beating(&mut self, ports: std::ops::Range<u16>) {
        for port in ports {
            let client = ClientId::address("10.0.0.1", port);
            let node = self.nodes.iter().flatten().next().expect("runs").cluster().responsible(&client);
            let Published::One(instance) = one(port) else { panic!("one") };
            self.handle(self.place_of(node), Input::RegisterBeating { client, service: key("s"), instance });
        }
    }

    pub(super) fn counts(&mut self, service: &str) -> Vec<usize> {
        let running: Vec<usize> = (0..self.nodes.len()).filter(|place| self.nodes[*place].is_some()).collect();
        running.into_iter().map(|place| self.count(place, service)).collect()
    }
}

/// A message as the release before says it, or reads it.
fn aged(message: Message) -> Message {
    match message {
        Message::Heartbeat(heartbeat) => Message::Heartbeat(Heartbeat { lacks: Vec::new(), known: None, ..heartbeat }),
        other => other,
    }
}
