//! What is known of a run without looking into any node: who was connected when and how that ended, and which pairs of
//! hosts could not work together when.

use std::collections::BTreeMap;

use roster::model::{ClientId, Incarnation};

use crate::event::{Micros, SECOND};

/// How long two hosts may take to find together when nothing is between them any more: a dial that still hangs, a pause, and
/// another dial.
const RECOVERY: Micros = 7 * SECOND;

/// How long it may take until a host is told of a change of members, and how far apart two are told.
pub const TOLD: Micros = 3 * SECOND;

#[derive(Debug)]
pub struct Oracle {
    pub connections: BTreeMap<ClientId, Connection>,
    hosts: usize,
    /// Which hosts are members.
    pub members: Vec<bool>,
    /// When each host that was removed last was, and when it was added again.
    removals: Vec<Option<(Micros, Option<Micros>)>>,
    pairs: Vec<Pair>,
    /// When the first host of a pair last did not run, or the path between was cut.
    unreachable: Vec<Micros>,
    /// When anything last began or ended to be wrong.
    pub disturbed_at: Micros,
    /// When a clock was last set.
    pub clocks_set_at: Micros,
    /// When the process of each host began.
    pub began: Vec<Micros>,
    /// When a node last took a beat of each client.
    pub beats: BTreeMap<usize, Micros>,
}

#[derive(Clone, Debug)]
pub struct Connection {
    pub client: usize,
    pub host: usize,
    pub owner: Incarnation,
    /// When its node heard of its end.
    pub ended: Option<Micros>,
    /// When its node left it alone by dying or leaving.
    pub orphaned: Option<Micros>,
}

/// Whether two hosts work together: both run, serve and hear each other.
#[derive(Clone, Copy, Debug)]
struct Pair {
    troubled_since: Option<Micros>,
    /// Since when it was as it should be, before the trouble if there is one.
    well_since: Micros,
    /// When the trouble began that is not over, or was not long ago.
    trouble_from: Micros,
}

impl Oracle {
    pub fn new(hosts: usize) -> Self {
        Self {
            connections: BTreeMap::new(),
            hosts,
            members: vec![true; hosts],
            removals: vec![None; hosts],
            pairs: vec![Pair { troubled_since: Some(0), well_since: 0, trouble_from: 0 }; hosts * hosts],
            unreachable: vec![0; hosts * hosts],
            disturbed_at: 0,
            clocks_set_at: 0,
            began: vec![0; hosts],
            beats: BTreeMap::new(),
        }
    }

    pub fn opened(&mut self, id: ClientId, client: usize, (host, owner): (usize, Incarnation)) {
        self.connections.insert(id, Connection { client, host, owner, ended: None, orphaned: None });
    }

    pub fn ended(&mut self, id: &ClientId, now: Micros) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.ended = Some(now);
        }
    }

    pub fn orphaned(&mut self, id: &ClientId, now: Micros) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.orphaned = Some(now);
        }
    }

    pub fn beaten(&mut self, client: usize, now: Micros) {
        self.beats.insert(client, now);
    }

    pub fn started(&mut self, host: usize, now: Micros) {
        self.began[host] = now;
        self.disturbed(now);
    }

    pub fn disturbed(&mut self, now: Micros) {
        self.disturbed_at = now;
    }

    pub fn removed(&mut self, host: usize, now: Micros) {
        self.removals[host] = Some((now, None));
    }

    pub fn added(&mut self, host: usize, now: Micros) {
        if let Some((_, until)) = &mut self.removals[host] {
            *until = Some(now);
        }
    }

    /// When a host was removed, until all that know it again had the time to find it.
    pub fn removed_at(&self, host: usize, now: Micros) -> Option<Micros> {
        let (at, until) = self.removals[host]?;
        until.is_none_or(|until| now < until + TOLD + RECOVERY).then_some(at)
    }

    /// Takes note of whom others cannot reach now.
    pub fn observe_paths(&mut self, now: Micros, unreachable: impl Fn(usize, usize) -> bool) {
        for (place, last) in self.unreachable.iter_mut().enumerate() {
            if unreachable(place / self.hosts, place % self.hosts) {
                *last = now;
            }
        }
    }

    /// Since when a host runs and its path to another is whole.
    pub fn reachable_since(&self, host: usize, from: usize) -> Micros {
        self.unreachable[host * self.hosts + from]
    }

    /// Takes note of which pairs are in trouble now.
    pub fn observe(&mut self, now: Micros, troubled: impl Fn(usize, usize) -> bool) {
        for a in 0..self.hosts {
            for b in 0..self.hosts {
                let pair = &mut self.pairs[a * self.hosts + b];
                match (pair.troubled_since, troubled(a, b)) {
                    (None, true) => {
                        pair.troubled_since = Some(now);
                        if now - pair.well_since > RECOVERY {
                            pair.trouble_from = now;
                        }
                    }
                    (Some(_), false) => (pair.troubled_since, pair.well_since) = (None, now),
                    _ => continue,
                }
                self.disturbed_at = now;
            }
        }
    }

    /// For how long a pair has been in trouble, until it found together again.
    pub fn trouble(&self, a: usize, b: usize, now: Micros) -> Option<Micros> {
        let pair = self.pairs[a * self.hosts + b];
        let lasts = pair.troubled_since.is_some() || now - pair.well_since < RECOVERY;
        lasts.then(|| now - pair.trouble_from)
    }

    /// For how long a pair was in its last trouble, if that ended after a moment.
    pub fn trouble_past(&self, a: usize, b: usize, moment: Micros, now: Micros) -> Option<Micros> {
        let pair = self.pairs[a * self.hosts + b];
        let end = if pair.troubled_since.is_some() { now } else { pair.well_since };
        (end > moment).then(|| end - pair.trouble_from)
    }

    /// For how long a pair has been well; none when it is not.
    pub fn well(&self, a: usize, b: usize, now: Micros) -> Option<Micros> {
        let pair = self.pairs[a * self.hosts + b];
        pair.troubled_since.is_none().then(|| now - pair.well_since)
    }

    /// Whether all members work together.
    pub fn is_whole(&self) -> bool {
        let is_well = |(place, pair): (usize, &Pair)| {
            let among = self.members[place / self.hosts] && self.members[place % self.hosts];
            !among || pair.troubled_since.is_none()
        };
        self.pairs.iter().enumerate().all(is_well)
    }

    /// For how long a pair was well before it came to be in trouble, or has been until now.
    pub fn was_well(&self, a: usize, b: usize, now: Micros) -> Micros {
        let pair = self.pairs[a * self.hosts + b];
        pair.troubled_since.unwrap_or(now).saturating_sub(pair.well_since)
    }

    /// Whether most members work together with this one, itself included, and can miss whoever was gone at a time: one that
    /// began later never met it.
    pub fn has_majority(&self, host: usize, gone: Micros) -> bool {
        let members = (0..self.hosts).filter(|other| self.members[*other]);
        let works = |other: &usize| self.pairs[host * self.hosts + other].troubled_since.is_none();
        let with = members.clone().filter(works).filter(|other| self.began[*other] < gone);
        self.members[host] && with.count() * 2 > members.count()
    }
}
