//! A machine with a node on it: the disk and the clocks that outlive a process, the process, and what a runtime does
//! for it.

use std::collections::BTreeMap;

use bytes::Bytes;
use compact_str::CompactString;
use roster::{
    model::{ClientId, ClientState, Millis, NodeId, Now, Tick},
    node::{Input, Membership, Node, Output, Rejection, Reply, Settings},
    wire::peer::Phase,
};

use crate::{
    event::{AtHost, MILLI, Micros, Request, SECOND},
    plan::Plan,
    service,
    weakness::Weakness,
};

/// The true wall clock when the world begins.
const EPOCH: Millis = 1_700_000_000_000;
/// As in `runtime`.
const CEILING_AHEAD: Millis = 10_000;
pub const DUTY_PERIOD: Micros = 5 * SECOND;
/// How often a node may be polled in one millisecond without saying anything before it counts as never at rest.
const RESTLESS: u32 = 1_000;

#[derive(Debug)]
pub struct Host {
    pub address: CompactString,
    pub disk: Disk,
    /// How far the wall clock is from the true time.
    pub skew: i64,
    /// Where the monotonic clock of the process began.
    ticks_from: Millis,
    /// Counts processes, so that what belongs to an earlier one is known.
    pub life: u32,
    pub process: Option<Process>,
    /// How many faults make it stand still.
    pub paused: u32,
    /// How many faults keep it from running.
    pub down: u32,
    /// How many faults keep it from being a member, and whether it is told that it is none.
    pub away: u32,
    pub dismissed: bool,
    /// The other members as it was last told, if it ever was.
    pub members: Option<Vec<usize>>,
    /// What came while it stood still.
    pub inbox: Vec<AtHost>,
}

#[derive(Debug)]
pub struct Disk {
    pub node: NodeId,
    pub ceiling: Millis,
    pub entries: Vec<ClientState>,
    /// When the entries were written, in hybrid time.
    pub kept_at: Millis,
}

#[derive(Debug)]
pub struct Process {
    pub node: Node,
    /// When the dispatcher wakes by itself.
    pub alarm: Option<Micros>,
    ceiling: Millis,
    pub sessions: BTreeMap<u64, Session>,
    /// What was forwarded and is not answered yet, by ticket.
    pub forwarded: BTreeMap<u64, (usize, Request)>,
    /// Whether it is to stop.
    pub stopping: bool,
    /// Whether its connections are being closed.
    pub draining: bool,
    /// Whether it serves before it has loaded, where that is planted.
    hasty: bool,
    restless: (u64, u32),
}

#[derive(Clone, Debug)]
pub struct Session {
    pub client: usize,
    pub id: ClientId,
    /// When its last push or answer arrives, so that a stream keeps its order.
    pub last_arrival: Micros,
    /// The last list of each service that left for it.
    pub sent: BTreeMap<u8, (Millis, Bytes)>,
}

impl Host {
    pub fn all(plan: &Plan) -> Vec<Self> {
        plan.skews.iter().enumerate().map(|(number, skew)| Self::new(number, *skew)).collect()
    }

    fn new(number: usize, skew: i64) -> Self {
        Self {
            address: format!("10.0.0.{}:8848", number + 1).into(),
            disk: Disk::empty(number, 0),
            skew,
            ticks_from: 0,
            life: 0,
            process: None,
            paused: 0,
            down: 0,
            away: 0,
            dismissed: false,
            members: None,
            inbox: Vec::new(),
        }
    }

    pub fn wipe(&mut self, number: usize) {
        self.disk = Disk::empty(number, self.life);
    }

    pub fn now(&self, now: Micros) -> Now {
        let millis = now / MILLI;
        Now { tick: Tick(millis - self.ticks_from), wall: (EPOCH + millis).saturating_add_signed(self.skew) }
    }

    /// When the monotonic clock reaches `tick`.
    pub fn reaches(&self, tick: Tick) -> Micros {
        (tick.0 + self.ticks_from) * MILLI
    }

    /// Starts a process on what the disk holds.
    pub fn start(&mut self, now: Micros, peers: Vec<CompactString>, weakness: Option<Weakness>) {
        if weakness == Some(Weakness::ForgetsCeiling) {
            self.disk.ceiling = 0;
        }
        self.ticks_from = now / MILLI;
        let membership = Membership { this: self.disk.node, address: self.address.clone(), peers, joins: false };
        let node = Node::new(Settings::DEFAULT, membership, self.now(now), self.disk.ceiling);
        self.life += 1;
        self.process = Some(Process {
            node,
            alarm: None,
            ceiling: self.disk.ceiling,
            sessions: BTreeMap::new(),
            forwarded: BTreeMap::new(),
            stopping: false,
            draining: false,
            hasty: weakness == Some(Weakness::AnswersWhileLoading),
            restless: (0, 0),
        });
        self.raise_ceiling(now, 0);
        let input = Input::Restore { at: self.disk.kept_at, states: self.disk.entries.clone() };
        if !self.disk.entries.is_empty() && !weakness.is_some_and(|weakness| weakness.withholds(&input)) {
            self.take(now, input);
        }
    }

    /// Gives the node one input; none when no process runs.
    pub fn take(&mut self, now: Micros, input: Input) -> Option<Result<Reply, Rejection>> {
        let at = self.now(now);
        Some(self.process.as_mut()?.node.handle(at, input))
    }

    pub fn poll(&mut self, now: Micros, outputs: &mut Vec<Output>) {
        let at = self.now(now);
        let Some(process) = &mut self.process else { return };
        let before = outputs.len();
        process.node.poll(at, outputs);
        if before < outputs.len() || process.restless.0 != at.tick.0 {
            process.restless = (at.tick.0, 0);
        }
        process.restless.1 += 1;
        assert!(process.restless.1 < RESTLESS, "a node that never comes to rest");
    }

    pub fn serves(&self) -> bool {
        let is_open = |process: &Process| match process.node.cluster().phase {
            Phase::Serving => true,
            Phase::Loading => process.hasty,
            Phase::Leaving => false,
        };
        let serving = |process: &Process| !process.stopping && is_open(process);
        self.process.as_ref().is_some_and(serving)
    }

    /// Stores a ceiling ahead of all stamps that may be given before the next one, and of `asked`.
    pub fn raise_ceiling(&mut self, now: Micros, asked: Millis) {
        let at = self.now(now);
        let Some(process) = &mut self.process else { return };
        process.ceiling = process.ceiling.max(process.node.time(at).max(asked) + CEILING_AHEAD);
        self.disk.ceiling = process.ceiling;
        let ceiling = process.ceiling;
        self.take(now, Input::CeilingStored(ceiling));
    }

    /// Writes what the node is to keep.
    pub fn keep_entries(&mut self, now: Micros) {
        let mut entries = Vec::new();
        loop {
            let after = entries.last().map(|last: &ClientState| last.id.clone());
            let Some(Ok(Reply::States(states))) = self.take(now, Input::Keep { after }) else { return };
            if states.is_empty() {
                break;
            }
            entries.extend(states.iter().map(|state| (**state).clone()));
        }
        self.disk.entries = entries;
        let at = self.now(now);
        self.disk.kept_at = self.process.as_mut().map_or(0, |process| process.node.time(at));
    }

    /// What readers see of a service: who publishes which address at which revision.
    pub fn view(&mut self, now: Micros, of: u8) -> Vec<Entry> {
        let Some(Ok(Reply::Instances(found))) = self.take(now, Input::Instances { service: service(of) }) else {
            return Vec::new();
        };
        let entry = |(client, instance): (ClientId, roster::model::Instance)| Entry {
            client,
            address: (instance.ip.clone(), instance.port),
            revision: instance.weight as u32,
            healthy: instance.healthy,
        };
        found.unwrap_or_default().into_iter().map(entry).collect()
    }
}

/// One line of a view.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub struct Entry {
    pub address: (CompactString, u16),
    pub client: ClientId,
    pub revision: u32,
    pub healthy: bool,
}

impl Disk {
    fn empty(number: usize, life: u32) -> Self {
        // Ids are in no order of hosts.
        let node = NodeId((0x9E37_79B9_7F4A_7C15 * (1 + number as u128 + 100 * u128::from(life))).rotate_left(61));
        Self { node, ceiling: 0, entries: Vec::new(), kept_at: 0 }
    }
}
