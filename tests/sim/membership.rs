//! Who is a member, and how hosts come to know: whoever keeps the list tells each of them after a while, those that it
//! reaches.

use compact_str::CompactString;
use roster::node::Input;

use crate::{
    event::{AtHost, MILLI, Micros, SECOND},
    host::Host,
    oracle::TOLD,
    world::World,
};

/// Until when all hosts of a cluster that is set up begin.
const FIRST: Micros = SECOND;

impl Host {
    /// Whether another host is a member, as this one was told.
    pub fn knows(&self, other: usize) -> bool {
        self.members.as_ref().is_some_and(|members| members.contains(&other))
    }
}

impl World {
    /// The member that clients try behind this one: they are told of changes at once.
    pub fn server_behind(&self, server: usize) -> usize {
        let hosts = self.hosts.len();
        let others = (1..=hosts).map(|step| (server + step) % hosts);
        others.into_iter().find(|host| self.hosts[*host].away == 0).unwrap_or(server)
    }

    /// The other members, as whoever keeps the list would tell a host.
    fn others(&self, host: usize) -> Vec<usize> {
        let is_one = |other: &usize| *other != host && self.hosts[*other].away == 0;
        let others = (0..self.hosts.len()).filter(is_one);
        if self.hosts[host].away == 0 { others.collect() } else { Vec::new() }
    }

    /// Whether a host can begin: one that is new waits until somebody who serves lets it in.
    pub fn may_begin(&self, host: usize) -> bool {
        let lets_in = |other: &usize| {
            let member = &self.hosts[*other];
            member.serves() && member.paused == 0 && member.knows(host) && !self.network.is_cut(host, *other)
        };
        self.hosts[host].members.is_some() || self.now < FIRST || self.others(host).iter().any(lets_in)
    }

    /// Those that a process begins with: what the host was told before, or when it is set up.
    pub fn members_at_start(&mut self, host: usize) -> Vec<usize> {
        let others = self.others(host);
        self.hosts[host].members.get_or_insert(others).clone()
    }

    pub fn remove_member(&mut self, host: usize, told: bool) {
        self.hosts[host].away += 1;
        self.hosts[host].dismissed = told;
        self.oracle.removed(host, self.now);
        self.spread();
    }

    pub fn add_member(&mut self, host: usize) {
        self.hosts[host].away -= 1;
        self.oracle.added(host, self.now);
        if self.hosts[host].process.is_none() {
            // Whoever adds a host tells it the list of now.
            self.hosts[host].members = None;
        }
        self.spread();
    }

    fn spread(&mut self) {
        (0..self.hosts.len()).for_each(|host| self.later_told(host));
    }

    /// A host that does not know who is a member will be told.
    pub fn later_told(&mut self, host: usize) {
        let of = &self.hosts[host];
        let is_to_know = of.away == 0 || of.dismissed;
        if of.process.is_none() || !is_to_know || of.members.as_ref() == Some(&self.others(host)) {
            return;
        }
        let life = of.life;
        let after = self.network.chance().within(MILLI, TOLD);
        self.later_at_host(after, host, AtHost::Members { life });
    }

    /// A host is told who the members are, unless it is cut off from all that run.
    pub fn told_members(&mut self, host: usize) {
        let others = self.others(host);
        let runs = |other: &&usize| self.hosts[**other].process.is_some();
        let cut = |other: &usize| self.network.is_cut(host, *other);
        if self.hosts[host].members.as_ref() == Some(&others) {
            return;
        }
        let before = self.hosts[host].members.clone().unwrap_or_default();
        let mut running = others.iter().chain(&before).filter(runs).peekable();
        if running.peek().is_some() && running.all(cut) {
            self.later_told(host);
            return;
        }
        let members: Vec<CompactString> = others.iter().map(|other| self.hosts[*other].address.clone()).collect();
        self.hosts[host].members = Some(others.clone());
        self.feed(host, Input::Membership { members });
        let life = self.hosts[host].life;
        for gone in before.iter().filter(|other| !others.contains(other)) {
            self.network.link_mut(host, *gone).close();
            self.break_stream(*gone, host);
        }
        for to in others.into_iter().filter(|other| !before.contains(other)) {
            self.later_at_host(MILLI, host, AtHost::Dial { life, to });
        }
        self.oracle.disturbed(self.now);
        self.observe();
    }
}
