//! Raft on a thread of its own: started in this node's place, watched, stopped.
//!
//! On its own thread so that pushes never delay a heartbeat. A store that fails ends this and nothing else: what was applied
//! stays readable, and clients' own instances come and go as before.

use std::{collections::BTreeMap, io, path::Path, sync::Arc, thread, time::Duration};

use compact_str::CompactString;
use openraft::{Config, SnapshotPolicy, async_runtime::WatchReceiver};
use openraft_rt::deterministic_rng::DeterministicRng;
use openraft_rt_tokio::TokioRuntime;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{
    model::{Agreed, AgreedChange},
    node::Input,
    raft::{
        group::{Group, Part, Raft, Running, Settings},
        network::Network,
        off_thread::off_thread,
        place::Place,
        state_machine::Registry,
        store::Store,
        types::Member,
        view::Shared,
    },
    runtime::Runtime,
};

/// How long what was kept may take to be read at a start.
const LOADING: Duration = Duration::from_secs(60);
/// How many things are given to the node under one lock.
const AT_ONCE: usize = 512;
/// What a store keeps that was used.
const OWNED: &str = "owned";
/// How long raft may take to stop.
const STOPPING: Duration = Duration::from_secs(5);

/// Why raft stopped.
enum End {
    /// The node stops.
    Stopped,
    /// Another place was given.
    Moved,
    /// The store failed, or raft found something that cannot be.
    Broken(String),
    /// The group goes on without this node.
    Removed,
}

impl Group {
    /// Runs this node's part until `stop`. The thread ends soon after.
    pub fn spawn(self: &Arc<Self>, stop: CancellationToken) -> io::Result<thread::JoinHandle<()>> {
        let group = self.clone();
        thread::Builder::new().name("raft".into()).spawn(move || {
            let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match built {
                Ok(runtime) => runtime.block_on(group.run(stop)),
                Err(error) => group.set_part(Part::Broken(format!("raft has no runtime: {error}"))),
            }
        })
    }

    /// The same on the runtime that this is polled on. To be run once.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        // Two nodes of one seed would try to lead at the same moments.
        let seed = self.settings.seed.unwrap_or(self.disk.0 as u64 ^ self.runtime.time());
        DeterministicRng::<TokioRuntime>::scope(seed, self.live(stop)).await;
    }

    /// Returns once what this node kept of what was agreed on is shown, or it is clear that it kept nothing.
    pub async fn loaded(&self) {
        let mut parts = self.parts();
        let known = |part: &Part| !matches!(part, Part::Starting);
        // The sender lives as long as this.
        // What it gives is a lock on the part, which must not be kept.
        let is_late = tokio::time::timeout(LOADING, parts.wait_for(known)).await.is_err();
        if is_late {
            tracing::warn!("what was agreed on takes long to be read; starting without it");
        }
        let alone = self.running().is_ok_and(|running| running_alone(&running.shared, running.place.id));
        if alone {
            let mut recovered = self.recovered.subscribe();
            // It goes by itself or says why not.
            let _ = tokio::time::timeout(self.settings.recovery, recovered.wait_for(|recovered| *recovered)).await;
        }
    }

    async fn live(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let place = match self.place_file().load() {
                Ok(place) => place,
                Err(error) => return self.broken(error.to_string()),
            };
            let Some(place) = place else {
                if self.place_file().is_retired() {
                    return self.set_part(Part::Removed);
                }
                // From now on others may rely on that it has nothing.
                self.set_part(Part::Waiting("this node has no place in a group yet".into()));
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.moved.notified() => continue,
                    () = self.seek() => continue,
                }
            };
            let running = match self.start(place).await {
                Ok(running) => running,
                Err(why) => return self.broken(why),
            };
            let end = self.tend(&running, &stop).await;
            // Nobody finds raft any more while it stops.
            match &end {
                End::Stopped => self.set_part(Part::Waiting("this node stops".into())),
                End::Moved => self.set_part(Part::Waiting("this node takes another place".into())),
                End::Broken(why) => self.broken(why.clone()),
                End::Removed => self.retire(),
            }
            let had_begun = running.begun();
            if tokio::time::timeout(STOPPING, running.raft.shutdown()).await.is_err() {
                tracing::warn!("raft does not stop");
            }
            match end {
                End::Stopped | End::Broken(_) | End::Removed => return,
                End::Moved if had_begun => {}
                // Nobody knows of it: it is not to be found in the store of another place.
                End::Moved => {
                    drop(running);
                    if let Err(error) = self.medium.clear() {
                        return self.broken(format!("cannot empty the store: {error}"));
                    }
                }
            }
        }
    }

    /// One line for operators, and the end of this side of the node.
    fn broken(&self, why: String) {
        tracing::error!(
            why,
            "persistent instances cannot be changed through this node any more; clients' own instances are not affected"
        );
        self.set_part(Part::Broken(why));
    }

    fn retire(&self) {
        tracing::warn!("the group goes on without this node; empty its directory before it joins again");
        if let Err(error) = self.place_file().retire() {
            tracing::error!(%error, "a restart would not know that this node was removed");
        }
        self.set_part(Part::Removed);
    }

    async fn start(self: &Arc<Self>, place: Place) -> Result<Arc<Running>, String> {
        let medium = self.medium.clone();
        let opened = off_thread(move || medium.open()).await;
        let store = opened.map_err(|panic| panic.to_string())?.map_err(|error| error.to_string())?;
        self.own_store(place, &store).await?;
        let shared = store.shared();
        self.show(&shared);
        let network = Network { calls: self.calls.clone(), place };
        let config = Arc::new(config(&self.settings, place).validate().map_err(|error| error.to_string())?);
        let machine = store.state_machine(Arc::new(Shown(self.runtime.clone())));
        let raft = Raft::new(place.id, config, network, store.log(), machine).await;
        let raft = raft.map_err(|error| error.to_string())?;
        if running_alone(&shared, place.id) {
            // There is nobody to wait for.
            raft.trigger().elect(false).await.map_err(|error| error.to_string())?;
        }
        let (snapshots, log) = (store.snapshots(), store.log());
        let running = Arc::new(Running { raft, place, shared, snapshots, log, followed: Mutex::default() });
        self.set_part(Part::Running(running.clone()));
        Ok(running)
    }

    /// Makes sure that the store is that of this place, and not one that was emptied: an empty one may have forgotten votes.
    async fn own_store(&self, place: Place, store: &Store) -> Result<(), String> {
        let (file, text) = (self.place_file(), |error: &dyn std::fmt::Display| error.to_string());
        let is_own = store.kept(OWNED).map_err(|error| text(&error))?.is_some();
        if file.is_used().map_err(|error| text(&error))? {
            return if is_own { Ok(()) } else { Err(emptied(&self.origin.dir)) };
        }
        if !is_own {
            store.keep(OWNED, bytes::Bytes::from_static(b"1")).await.map_err(|error| text(&error))?;
        }
        file.use_it(place).map_err(|error| text(&error))
    }

    /// Shows what was agreed on when this node stopped, as something that may have been overtaken.
    fn show(&self, shared: &Shared) {
        let things: Vec<Agreed> = shared.view().state.things().collect();
        if things.is_empty() {
            return;
        }
        let runtime = &self.runtime;
        tell(runtime, Input::Recovering(true));
        for some in things.chunks(AT_ONCE) {
            tell(runtime, Input::Agreed(some.iter().cloned().map(AgreedChange::Put).collect()));
        }
        tracing::info!(things = things.len(), "restored what was agreed on");
    }

    /// Does what a member does, until it is none any more.
    async fn tend(self: &Arc<Self>, running: &Arc<Running>, stop: &CancellationToken) -> End {
        let begin = async {
            self.seek().await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => End::Stopped,
            () = self.moved.notified() => End::Moved,
            end = self.watch(running) => end,
            () = self.left_behind(running) => End::Removed,
            () = begin => End::Stopped,
            () = self.recover(running) => End::Stopped,
            () = self.forget(running) => End::Stopped,
        }
    }

    async fn recover(&self, running: &Running) {
        if let Err(error) = running.raft.wait_for_recovery(Some(self.settings.recovery)).await {
            tracing::warn!(%error, "persistent instances are shown as they were when this node stopped");
        }
        tell(&self.runtime, Input::Recovering(false));
        self.recovered.send_replace(true);
        std::future::pending::<()>().await;
    }

    /// Follows the members, until this node is none or raft ends.
    async fn watch(&self, running: &Running) -> End {
        let mut changes = running.raft.metrics();
        let mut shown: Option<BTreeMap<u64, Member>> = None;
        // One that joins first hears of members from before its time.
        let mut was_member = false;
        loop {
            let metrics = changes.borrow_watched().clone();
            if let Err(fatal) = &metrics.running_state {
                return End::Broken(fatal.to_string());
            }
            let members: BTreeMap<u64, Member> =
                metrics.membership_config.nodes().map(|(id, member)| (*id, member.clone())).collect();
            let agreed = metrics.committed_membership_config.membership();
            let is_member = members.contains_key(&running.place.id);
            if was_member && !is_member && agreed.get_node(&running.place.id).is_none() {
                return End::Removed;
            }
            was_member |= is_member;
            if !members.is_empty() && shown.as_ref() != Some(&members) {
                self.follow(&members);
                shown = Some(members);
            }
            if changes.changed().await.is_err() {
                return End::Broken("raft ended".into());
            }
        }
    }

    /// The members of the group are those of the cluster.
    fn follow(&self, members: &BTreeMap<u64, Member>) {
        let addresses: Vec<CompactString> = members.values().map(|member| member.address.clone()).collect();
        self.keep_lines(members);
        if let Err(error) = self.peers.set_members(&addresses) {
            tracing::error!(%error, "a member cannot be dialled");
        }
    }
}

fn running_alone(shared: &Shared, id: u64) -> bool {
    shared.view().meta.last_membership.voter_ids().eq([id])
}

fn emptied(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "the store in {dir} was emptied, and this node must not vote without what it promised. To rejoin: stop the node, \
         remove the whole directory {dir} and start the node again (docs/cluster.md)"
    )
}

/// Gives the node what it never refuses.
fn tell(runtime: &Runtime, input: Input) {
    let told = runtime.handle(input);
    debug_assert!(told.is_ok(), "nothing to refuse");
}

/// The node shows what is agreed on.
struct Shown(Arc<Runtime>);

impl Registry for Shown {
    fn agreed(&self, changes: Vec<AgreedChange>) {
        tell(&self.0, Input::Agreed(changes));
    }
}

fn config(settings: &Settings, place: Place) -> Config {
    // A snapshot takes a core for some time: members whose logs are the same must not make theirs at the same entry.
    let snapshot_entries = settings.snapshot_entries + settings.snapshot_entries / 8 * (place.id % 4);
    Config {
        cluster_name: "roster".into(),
        heartbeat_interval: settings.heartbeat.as_millis() as u64,
        election_timeout_min: settings.election.0.as_millis() as u64,
        election_timeout_max: settings.election.1.as_millis() as u64,
        enable_pre_vote: Some(true),
        // A node that comes back is told by whoever leads; it must not believe that it still does.
        enable_leader_restore: Some(false),
        // The limit of a whole snapshot, not of a piece.
        install_snapshot_timeout: 60_000,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(snapshot_entries),
        // Above the distance of snapshots, or a follower would be sent one that it does not need.
        replication_lag_threshold: snapshot_entries + settings.kept_entries,
        max_in_snapshot_log_to_keep: settings.kept_entries,
        purge_batch_size: 1_024,
        max_payload_entries: 512,
        max_append_entries: Some(512),
        ..Config::default()
    }
}
