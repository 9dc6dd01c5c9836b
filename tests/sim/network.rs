//! What lies between hosts: paths with delays and cuts, and the streams on them. Nothing here knows a node.
//!
//! A stream keeps the order of its messages while it lasts. A cut holds back what is under way, as TCP would, until the
//! path is whole again or somebody notices; then the stream breaks and what it held is gone. A wild network also loses,
//! repeats and reorders single messages, which no TCP stream does, and which messages between nodes are promised to
//! survive.

use roster::{
    model::{Incarnation, NodeId},
    wire::peer::Message,
};

use crate::{
    chance::Chance,
    event::{MILLI, Micros, SECOND},
};

/// Messages that may be under way on a stream; one more breaks it.
pub const IN_FLIGHT: u32 = 64;

#[derive(Debug)]
pub enum Stream {
    Closed,
    Dialling,
    Open { peer: Incarnation, life: u32 },
}

/// One direction between two hosts, and the stream that its first host dialled.
#[derive(Debug)]
pub struct Link {
    chance: Chance,
    base: Micros,
    /// How many faults cut this direction.
    pub cuts: u32,
    /// What faults add to each delay.
    pub slowed: Micros,
    /// Counts streams, so that what belongs to an earlier one is known.
    pub number: u32,
    pub stream: Stream,
    pub failures: u32,
    pub in_flight: u32,
    last_arrival: Micros,
    pub held: Vec<(Incarnation, Message)>,
}

#[derive(Debug)]
pub struct Network {
    hosts: usize,
    wild: bool,
    links: Vec<Link>,
    chance: Chance,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Arrives(Micros),
    Twice(Micros, Micros),
    /// Until the path is whole.
    Held,
    Lost,
    /// Too many are under way.
    Breaks,
}

impl Network {
    pub fn new(seed: u64, hosts: usize, wild: bool) -> Self {
        let links = (0..hosts * hosts).map(|link| {
            let (a, b) = (link / hosts, link % hosts);
            // Both directions of a pair are alike.
            let mut pair = Chance::new(seed, 1_000 + (a.min(b) * hosts + a.max(b)) as u64);
            let far = pair.percent(10);
            let base = if far { pair.within(50 * MILLI, 300 * MILLI) } else { pair.within(100, 3 * MILLI) };
            let chance = Chance::new(seed, 2_000 + link as u64);
            Link {
                chance,
                base,
                cuts: 0,
                slowed: 0,
                number: 0,
                stream: Stream::Closed,
                failures: 0,
                in_flight: 0,
                last_arrival: 0,
                held: Vec::new(),
            }
        });
        Self { hosts, wild, links: links.collect(), chance: Chance::new(seed, 3_000) }
    }

    /// Chance that belongs to no link.
    pub fn chance(&mut self) -> &mut Chance {
        &mut self.chance
    }

    pub fn link(&self, from: usize, to: usize) -> &Link {
        &self.links[from * self.hosts + to]
    }

    pub fn link_mut(&mut self, from: usize, to: usize) -> &mut Link {
        &mut self.links[from * self.hosts + to]
    }

    pub fn is_cut(&self, a: usize, b: usize) -> bool {
        self.link(a, b).cuts > 0 || self.link(b, a).cuts > 0
    }

    /// Where the stream leads that `from` has to this node.
    pub fn leads_to(&self, from: usize, node: NodeId) -> Option<(usize, u32)> {
        (0..self.hosts).find_map(|to| match self.link(from, to).stream {
            Stream::Open { peer, life } if peer.node == node => Some((to, life)),
            _ => None,
        })
    }

    /// Whether every one of these hosts has a stream to every other, and to no others.
    pub fn is_whole(&self, members: &[bool]) -> bool {
        let wanted = |place: usize| {
            let (from, to) = (place / self.hosts, place % self.hosts);
            from != to && members[from] && members[to]
        };
        let there = |link: &Link| matches!(link.stream, Stream::Open { .. });
        self.links.iter().enumerate().all(|(place, link)| wanted(place) == there(link))
    }

    /// Decides about one message on the stream from one host to another.
    pub fn send(&mut self, now: Micros, from: usize, to: usize) -> Fate {
        let wild = self.wild;
        let link = self.link_mut(from, to);
        if link.in_flight >= IN_FLIGHT {
            return Fate::Breaks;
        }
        if wild && link.chance.percent(3) {
            return Fate::Lost;
        }
        link.in_flight += 1;
        if link.cuts > 0 {
            return Fate::Held;
        }
        let at = link.arrival(now, wild);
        if wild && link.chance.percent(3) {
            link.in_flight += 1;
            return Fate::Twice(at, link.arrival(now, true) + link.chance.below(SECOND));
        }
        Fate::Arrives(at)
    }

    /// When something arrives that needs no order.
    pub fn once(&mut self, now: Micros, from: usize, to: usize) -> Option<Micros> {
        let link = self.link_mut(from, to);
        (link.cuts == 0).then(|| now + link.delay())
    }

    pub fn round_trip(&mut self, from: usize, to: usize) -> Micros {
        self.link_mut(from, to).delay() + self.link_mut(to, from).delay()
    }
}

impl Link {
    pub fn delay(&mut self) -> Micros {
        let spread = self.base / 2 + 100;
        // Seldom much longer, as when a packet is lost.
        let rare = if self.chance.percent(1) { self.chance.below(200 * MILLI) } else { 0 };
        self.base + self.chance.below(spread) + rare + self.slowed
    }

    fn arrival(&mut self, now: Micros, wild: bool) -> Micros {
        if wild && self.chance.percent(5) {
            return now + self.delay() + self.chance.below(3 * SECOND);
        }
        self.last_arrival = self.last_arrival.max(now + self.delay());
        self.last_arrival
    }

    /// When what was held back arrives, now that the path is whole.
    pub fn released(&mut self, now: Micros) -> Micros {
        self.last_arrival = self.last_arrival.max(now + self.chance.within(50 * MILLI, SECOND));
        self.last_arrival
    }

    /// How long until the end of a stream is noticed on a path that says nothing.
    pub fn detection(&mut self) -> Micros {
        self.chance.within(3 * SECOND, 8 * SECOND)
    }

    /// The pause before the next dial.
    pub fn backoff(&mut self) -> Micros {
        let longest = ((100 * MILLI) << self.failures.min(5)).min(2 * SECOND);
        self.failures += 1;
        self.chance.within(longest / 2, longest)
    }

    /// Ends the stream; what it held is gone.
    pub fn close(&mut self) {
        self.stream = Stream::Closed;
        self.number += 1;
        self.in_flight = 0;
        self.held.clear();
    }
}
