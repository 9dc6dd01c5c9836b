//! This node's part in the group: started when it has a place, stopped when its store fails, and what others see of it.

use std::{
    path::PathBuf,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use compact_str::CompactString;
use openraft::async_runtime::WatchReceiver;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::Instant,
};
use tonic::service::Routes;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    model::NodeId,
    peer::{Calls, Peers},
    raft::{
        carry::Outbox,
        network::Client,
        place::{Place, PlaceError, PlaceFile},
        service,
        state_machine::StateMachine,
        store::{LogStore, Medium, OnDisk, Snapshots},
        types::{Member, RaftMetrics, TypeConfig},
        view::Shared,
    },
    runtime::Runtime,
};

/// Proposals under way that entered at this node, and at this node as the leader. Beyond, callers are told to come again.
const UNDER_WAY: usize = 4_096;
const LED: usize = 16_384;

/// Why a node that just began does nothing.
pub(super) const STARTING: &str = "this node has not read yet what it kept";

/// How the group works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a caller waits for a write. SDKs give up after 3 s.
    pub write_deadline: Duration,
    /// Pause between the leader's heartbeats.
    pub heartbeat: Duration,
    /// Silence of a leader after which another one is elected: at random between these.
    pub election: (Duration, Duration),
    /// Entries after which a snapshot is made.
    pub snapshot_entries: u64,
    /// Entries that are kept behind a snapshot, so that a node that was away for a moment needs none.
    pub kept_entries: u64,
    /// How long persistent instances may not be shown at a start because nobody says how far nodes had agreed.
    pub recovery: Duration,
    /// What elections and pauses are drawn from; none for chance.
    pub seed: Option<u64>,
}

impl Settings {
    /// As recommended. A leader that died is replaced within about 2 s.
    pub const DEFAULT: Self = Self {
        write_deadline: Duration::from_millis(2_500),
        heartbeat: Duration::from_millis(200),
        election: (Duration::from_millis(650), Duration::from_millis(975)),
        snapshot_entries: 20_000,
        kept_entries: 10_000,
        recovery: Duration::from_secs(5),
        seed: None,
    };
}

/// Who a node of the group is at its start.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Where what is kept is.
    pub dir: PathBuf,
    /// Main addresses of all nodes that found the group together, this node's among them, sorted; or of those to join.
    pub seeds: Vec<CompactString>,
    /// Whether they may found one. Who joins only asks them.
    pub founds: bool,
}

/// Raft itself, as it runs here.
pub(super) type Raft = openraft::Raft<TypeConfig, StateMachine>;

/// A node with its place in the group.
pub(super) struct Running {
    pub(super) raft: Raft,
    pub(super) place: Place,
    /// What is applied.
    pub(super) shared: Arc<Shared>,
    pub(super) snapshots: Snapshots,
    pub(super) log: LogStore,
    /// When a leader last told something that was taken.
    pub(super) followed: Mutex<Option<Instant>>,
}

/// What this node is to the group.
#[derive(Clone)]
pub(super) enum Part {
    /// What it kept is not read yet.
    Starting,
    /// Not part of it yet, for this reason.
    Waiting(String),
    /// A member.
    Running(Arc<Running>),
    /// Its store failed, or raft found something that cannot be: not a member any more until it is replaced.
    Broken(String),
    /// Removed from it.
    Removed,
}

/// The group, as this node has it.
pub struct Group {
    /// For what goes on when nobody waits for it.
    this: Weak<Self>,
    /// Which member this is, whatever its number: the id of its disk.
    pub(super) disk: NodeId,
    pub(super) runtime: Arc<Runtime>,
    pub(super) peers: Arc<Peers>,
    pub(super) calls: Arc<dyn Calls>,
    pub(super) medium: Arc<dyn Medium>,
    pub(super) origin: Origin,
    pub(super) settings: Settings,
    /// What pauses draw from.
    chance: AtomicU64,
    part: watch::Sender<Part>,
    /// Whether what is shown is not older than what was shown before.
    pub(super) recovered: watch::Sender<bool>,
    /// Another place was given, or this one was taken away.
    pub(super) moved: Notify,
    /// Held while a place is given.
    pub(super) placing: tokio::sync::Mutex<()>,
    /// Held by the leader while members change.
    pub(super) changing: Arc<tokio::sync::Mutex<()>>,
    pub(super) numbers: AtomicU64,
    pub(super) under_way: Semaphore,
    pub(super) led: Semaphore,
    pub(super) lines: Mutex<Vec<(Member, Client)>>,
    pub(super) outbox: Outbox,
}

impl Group {
    /// The group of this node, not started yet.
    pub fn new(
        runtime: Arc<Runtime>,
        peers: Arc<Peers>,
        origin: Origin,
        settings: Settings,
    ) -> Result<Arc<Self>, PlaceError> {
        let (calls, medium) = (peers.clone(), OnDisk(origin.dir.join("store")));
        Self::on(runtime, peers, calls, Arc::new(medium), origin, settings)
    }

    /// The same with other ways to the members and to the disk.
    pub(super) fn on(
        runtime: Arc<Runtime>,
        peers: Arc<Peers>,
        calls: Arc<dyn Calls>,
        medium: Arc<dyn Medium>,
        origin: Origin,
        settings: Settings,
    ) -> Result<Arc<Self>, PlaceError> {
        let disk = PlaceFile::new(&origin.dir).disk()?;
        // Without chance, nodes merely come back at one moment.
        let chance = settings.seed.unwrap_or_else(|| getrandom::u64().unwrap_or_default());
        Ok(Arc::new_cyclic(|this| Self {
            disk,
            chance: AtomicU64::new(chance),
            medium,
            this: this.clone(),
            runtime,
            peers,
            calls,
            origin,
            settings,
            part: watch::Sender::new(Part::Starting),
            recovered: watch::Sender::new(false),
            moved: Notify::new(),
            placing: tokio::sync::Mutex::default(),
            changing: Arc::default(),
            numbers: AtomicU64::default(),
            under_way: Semaphore::new(UNDER_WAY),
            led: Semaphore::new(LED),
            lines: Mutex::default(),
            outbox: Outbox::default(),
        }))
    }

    /// What is served on the cluster port.
    pub fn routes(self: &Arc<Self>) -> Routes {
        Routes::new(service::server(self.clone()))
    }

    pub(super) fn own(&self) -> Arc<Self> {
        self.this.upgrade().expect("whoever calls it holds it")
    }

    pub(super) fn place_file(&self) -> PlaceFile {
        PlaceFile::new(&self.origin.dir)
    }

    /// Main address of this node.
    pub(super) fn address(&self) -> CompactString {
        self.runtime.cluster().address.clone()
    }

    /// With whom this node may found a group; none for one that joins.
    pub(super) fn seeds(&self) -> &[CompactString] {
        if self.origin.founds { &self.origin.seeds } else { &[] }
    }

    /// Between a half and one and a half, by chance.
    pub(super) fn jitter(&self) -> f64 {
        let drawn = self.chance.fetch_add(1, Ordering::Relaxed);
        // The highest bits of a hash: good enough to part nodes that would meet.
        0.5 + f64::from((xxh3_64(&drawn.to_le_bytes()) >> 32) as u32) / f64::from(u32::MAX)
    }

    pub(super) fn set_part(&self, part: Part) {
        self.part.send_replace(part);
    }

    pub(super) fn part(&self) -> Part {
        self.part.borrow().clone()
    }

    /// Wakes whoever waits for this node to become something else to the group.
    pub(super) fn parts(&self) -> watch::Receiver<Part> {
        self.part.subscribe()
    }

    /// Whether the group goes on without this node.
    pub fn is_removed(&self) -> bool {
        matches!(self.part(), Part::Removed)
    }

    /// Whether this node takes no part for as long as it runs: nobody need wait for it.
    pub(super) fn is_out(&self) -> bool {
        matches!(self.part(), Part::Broken(_) | Part::Removed)
    }

    /// Completes when the group goes on without this node.
    pub async fn removed(&self) {
        // The sender lives as long as this.
        let _ = self.parts().wait_for(|part| matches!(part, Part::Removed)).await;
    }

    /// This node's part, or why it has none.
    pub(super) fn running(&self) -> Result<Arc<Running>, String> {
        match self.part() {
            Part::Running(running) => Ok(running),
            Part::Starting => Err(STARTING.into()),
            Part::Waiting(why) => Err(why),
            Part::Broken(why) => Err(why),
            Part::Removed => Err("this node was removed from the group".into()),
        }
    }

    /// Place, whether anything was ever voted or written here, and the leader; none before that is known.
    pub(super) fn stance(&self) -> Option<(Option<Place>, bool, Option<Member>)> {
        Some(match self.part() {
            Part::Starting => return None,
            Part::Running(running) => {
                (Some(running.place), running.begun(), running.leader().map(|(_, leader)| leader))
            }
            Part::Waiting(_) => (None, false, None),
            // Whatever is on that disk: it is no empty one.
            Part::Broken(_) | Part::Removed => (None, true, None),
        })
    }
}

impl Running {
    pub(super) fn metrics(&self) -> RaftMetrics {
        self.raft.metrics().borrow_watched().clone()
    }

    /// Whether it has voted or has anything in its log.
    pub(super) fn begun(&self) -> bool {
        // What raft says of itself is only right once it has looked.
        self.log.is_begun()
    }

    /// Who leads, as far as this node knows.
    pub(super) fn leader(&self) -> Option<(u64, Member)> {
        // Each proposal asks: not all of what raft says of itself is copied.
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let id = metrics.current_leader?;
        Some((id, metrics.membership_config.get_node(&id).cloned()?))
    }

    /// Returns once this node knows that somebody else leads.
    pub(super) async fn another_leads(&self, than: u64) {
        // These change with elections and members, and not with each entry.
        let mut changes = self.raft.server_metrics();
        let moved = |leader: Option<u64>| leader.is_some_and(|leader| leader != than);
        while !moved(changes.borrow_watched().current_leader) {
            if changes.changed().await.is_err() {
                // Raft ended, and nobody leads any more that this node could know.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Whether it is a voter, as far as it knows.
    pub(super) fn votes(&self) -> bool {
        self.metrics().membership_config.voter_ids().any(|voter| voter == self.place.id)
    }

    /// Numbers of the members that most agreed on, and the index of the entry that said so.
    pub(super) fn numbers(&self) -> (u64, Vec<u64>) {
        let metrics = self.metrics();
        let agreed = &metrics.committed_membership_config;
        (agreed.log_id().map_or(0, |at| at.index), agreed.nodes().map(|(id, _)| *id).collect())
    }

    /// Returns once this node shows what was agreed on up to here.
    pub(super) async fn applied(&self, index: u64) {
        self.shared.shown(index).await;
    }
}
