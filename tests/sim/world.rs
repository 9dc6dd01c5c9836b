//! The world of one run: hosts, network, clients and the queue of what happens next. Runs a plan to its end or to the
//! first property that does not hold.

use std::{cmp::Reverse, collections::BinaryHeap, fmt::Display};

use roster::node::{Input, Output, Rejection, Reply};

use crate::{
    client::Client,
    event::{AtClient, AtHost, Event, List, Micros, SECOND},
    host::{DUTY_PERIOD, Host},
    network::Network,
    oracle::Oracle,
    plan::{Deed, Plan},
    properties::Properties,
    service_number,
    weakness::{Told, Weakness},
};

/// How often the properties are looked at.
const CHECK_PERIOD: Micros = SECOND;

pub struct World {
    pub plan: Plan,
    pub now: Micros,
    queue: Queue,
    pub hosts: Vec<Host>,
    pub network: Network,
    pub clients: Vec<Client>,
    pub oracle: Oracle,
    pub properties: Properties,
    /// What happened, when somebody wants to read it.
    pub trace: Option<Vec<String>>,
    pub failure: Option<String>,
    /// What is wrong with these nodes on purpose.
    pub weakness: Option<Weakness>,
    /// For weaknesses that remember.
    pub told: Told,
    outputs: Vec<Output>,
    last_number: u64,
}

/// What is to happen, by time and then in the order it was said.
#[derive(Default)]
struct Queue {
    due: BinaryHeap<Reverse<(Micros, u64, usize)>>,
    events: Vec<Option<Event>>,
    free: Vec<usize>,
    said: u64,
}

impl Queue {
    fn add(&mut self, at: Micros, event: Event) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[place] = Some(event);
        self.said += 1;
        self.due.push(Reverse((at, self.said, place)));
    }

    fn next(&mut self) -> Option<(Micros, Event)> {
        let Reverse((at, _, place)) = self.due.pop()?;
        self.free.push(place);
        self.events[place].take().map(|event| (at, event))
    }
}

impl World {
    pub fn new(plan: &Plan, traced: bool, weakness: Option<Weakness>) -> Self {
        let hosts = plan.skews.len();
        let clients = plan.clients.iter().enumerate();
        let mut world = Self {
            now: 0,
            queue: Queue::default(),
            hosts: Host::all(plan),
            network: Network::new(plan.seed, hosts, plan.wild),
            clients: clients.map(|(number, kind)| Client::new(plan.seed, number, *kind)).collect(),
            oracle: Oracle::new(hosts),
            properties: Properties::default(),
            trace: traced.then(Vec::new),
            failure: None,
            weakness,
            told: Told::new(),
            outputs: Vec::new(),
            last_number: 0,
            plan: plan.clone(),
        };
        for host in 0..hosts {
            world.at(10_000 * (host as u64 + 1), Event::Start(host));
        }
        for (number, action) in plan.actions.iter().enumerate() {
            world.at(action.at, Event::Begin(number));
            if let Deed::Fault { lasts, .. } = action.deed {
                world.at(action.at + lasts, Event::End(number));
            }
        }
        world.at(plan.heal_at + 1, Event::Heal);
        world.at(CHECK_PERIOD, Event::Check);
        world
    }

    /// Runs to the end of the plan, or to the first failure.
    pub fn run(&mut self) {
        while let Some((at, event)) = self.queue.next() {
            if at > self.plan.ends_at || self.failure.is_some() {
                return;
            }
            self.now = at;
            self.happen(event);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Begin(action) => self.begin(action),
            Event::End(action) => self.end(action),
            Event::Heal => {
                self.note(|| "all faults end".to_owned());
                self.oracle.disturbed(self.now);
            }
            Event::Check => {
                Properties::look(self);
                self.at(self.now + CHECK_PERIOD, Event::Check);
            }
            Event::Host { host, what } => self.at_host(host, what),
            Event::Client { client, what } => self.at_client(client, what),
            Event::Detect { from, to, stream } => self.detect(from, to, stream),
            Event::Start(host) => self.start(host),
        }
    }

    pub fn at(&mut self, at: Micros, event: Event) {
        self.queue.add(at.max(self.now), event);
    }

    pub fn later_at_host(&mut self, after: Micros, host: usize, what: AtHost) {
        self.at(self.now + after, Event::Host { host, what });
    }

    pub fn later_at_client(&mut self, after: Micros, client: usize, what: AtClient) {
        self.at(self.now + after, Event::Client { client, what });
    }

    /// A number that nothing else has: of a connection or a request.
    pub fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Says what happens, to whoever replays this run.
    pub fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>11.6} {}", self.now as f64 / SECOND as f64, text()));
        }
    }

    /// The first failure counts; what follows may follow from it.
    pub fn fail(&mut self, property: &str, what: impl Display) {
        self.note(|| format!("FAILED {property}: {what}"));
        let at = self.now as f64 / SECOND as f64;
        self.failure.get_or_insert_with(|| format!("{property}, at {at:.3} s: {what}"));
    }

    pub fn start(&mut self, host: usize) {
        let started = &self.hosts[host];
        if started.process.is_some() || started.down > 0 || started.paused > 0 {
            return;
        }
        if !self.may_begin(host) {
            self.at(self.now + SECOND, Event::Start(host));
            return;
        }
        let members = self.members_at_start(host);
        let peers: Vec<_> = members.iter().map(|other| self.hosts[*other].address.clone()).collect();
        let started = &mut self.hosts[host];
        started.start(self.now, peers, self.weakness);
        let (life, entries) = (started.life, started.disk.entries.len());
        self.note(|| format!("host {host} starts, life {life}, with {entries} entries"));
        self.oracle.started(host, self.now);
        for to in (0..self.hosts.len()).filter(|to| *to != host) {
            self.network.link_mut(host, to).close();
        }
        for to in members {
            self.later_at_host(1_000, host, AtHost::Dial { life, to });
        }
        self.later_told(host);
        self.later_at_host(DUTY_PERIOD, host, AtHost::Duty { life });
        self.arm(host);
        self.observe();
    }

    /// Gives a node one input; none when no process runs.
    pub fn feed(&mut self, host: usize, input: Input) -> Option<Result<Reply, Rejection>> {
        if self.trace.is_some() {
            self.note(|| format!("host {host} < {input:?}"));
        }
        if self.weakness.is_some_and(|weakness| weakness.withholds(&input)) {
            return Some(Ok(Reply::Done));
        }
        let reply = self.hosts[host].take(self.now, input)?;
        self.arm(host);
        Some(reply)
    }

    /// Has the dispatcher wake when the node wants it.
    fn arm(&mut self, host: usize) {
        let now = self.now;
        let armed = &mut self.hosts[host];
        let Some(deadline) = armed.process.as_ref().and_then(|process| process.node.next_deadline()) else { return };
        let at = armed.reaches(deadline).max(now);
        let life = armed.life;
        let Some(process) = &mut armed.process else { return };
        if process.alarm.is_none_or(|alarm| at < alarm) {
            process.alarm = Some(at);
            self.at(at, Event::Host { host, what: AtHost::Alarm { life } });
        }
    }

    /// Polls a node until it says nothing more, and carries out what it says.
    pub fn dispatch(&mut self, host: usize) {
        loop {
            let mut outputs = std::mem::take(&mut self.outputs);
            self.hosts[host].poll(self.now, &mut outputs);
            let silent = outputs.is_empty();
            for output in outputs.drain(..) {
                self.carry_out(host, output);
            }
            self.outputs = outputs;
            if silent {
                break;
            }
        }
        self.arm(host);
    }

    fn carry_out(&mut self, host: usize, output: Output) {
        if self.trace.is_some() {
            self.note(|| format!("host {host} > {output:?}"));
        }
        match output {
            Output::Push(push) => {
                let list = List { service: service_number(&push.service), stamp: push.stamp, hosts: push.hosts };
                self.push(host, &push.client, push.number, list);
            }
            Output::Peer { to, message } => self.send(host, to, message),
            Output::Ceiling(ceiling) => {
                self.hosts[host].raise_ceiling(self.now, ceiling);
            }
            Output::Loaded => self.observe(),
            Output::Left => {
                let life = self.hosts[host].life;
                self.later_at_host(0, host, AtHost::Drain { life, slice: 0 });
            }
            Output::Oversized(oversized) => self.fail("limits", format!("{oversized:?}")),
        }
    }

    /// Has the oracle know which pairs of hosts do not work together.
    pub fn observe(&mut self) {
        let (hosts, network) = (&self.hosts, &self.network);
        let works = |host: usize| hosts[host].paused == 0 && hosts[host].serves();
        let strange = |a: usize, b: usize| a != b && !(hosts[a].knows(b) && hosts[b].knows(a));
        self.oracle.members = hosts.iter().map(|host| host.away == 0).collect();
        self.oracle.observe(self.now, |a, b| {
            let slow = network.link(a, b).slowed.max(network.link(b, a).slowed) > SECOND;
            !works(a) || !works(b) || strange(a, b) || (a != b && (network.is_cut(a, b) || slow))
        });
        self.oracle.observe_paths(self.now, |a, b| !works(a) || strange(a, b) || (a != b && network.is_cut(a, b)));
    }
}
