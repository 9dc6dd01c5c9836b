//! What is done to a node's store while the node is stopped: a new group on a backup, and a group of one out of what most
//! members took with them.
//!
//! Both found a *new* group: nodes of the old one are strangers to it, so no two halves can ever meet.

use std::path::{Path, PathBuf};

use compact_str::CompactString;
use openraft::{
    EntryPayload, Membership, StoredMembership,
    storage::{IOFlushed, RaftLogReader, RaftLogStorage, RaftStateMachine},
    type_config::TypeConfigExt,
};
use thiserror::Error;

use crate::{
    model::{AgreedChange, NodeId},
    raft::{
        place::{Place, PlaceError, PlaceFile},
        state_machine::Registry,
        store::{Store, StoreError, read_snapshot},
        types::{Entry, LeaderId, LogId, Member, SnapshotMeta, TypeConfig, Vote},
    },
    runtime::{DataDir, DataDirError, draw_bits},
};

/// Why nothing was done.
#[derive(Debug, Error)]
pub enum OfflineError {
    /// The directory cannot be used; a running node holds its own.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The place cannot be read or written.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The store, or the backup, cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The disk refused.
    #[error("the store cannot be written: {0}")]
    Io(#[from] std::io::Error),
    /// There is something already.
    #[error("{0} has data of a group; a backup is restored to an empty directory")]
    NotEmpty(PathBuf),
    /// There is nothing.
    #[error("{0} has no data of a group: this node was no member, so there is nothing to go on with")]
    Empty(PathBuf),
    /// There are no random numbers.
    #[error("cannot draw the id of a group: {0}")]
    Random(#[from] getrandom::Error),
    /// A group that cannot be.
    #[error("no group of one: {0}")]
    Membership(String),
}

/// Nobody looks on.
struct Nobody;

impl Registry for Nobody {
    fn agreed(&self, _: Vec<AgreedChange>) {}
}

/// Fills an empty data directory from a backup: a group of which the node of that directory is the only member. How many
/// things there are.
pub async fn restore(backup: &Path, data: &Path, address: &str) -> Result<usize, OfflineError> {
    let (state, _) = read_snapshot(backup)?;
    let directory = DataDir::open(data)?;
    let dir = directory.raft();
    if dir.exists() {
        return Err(OfflineError::NotEmpty(dir));
    }
    let place = Place { group: draw_bits()?, id: 1 };
    std::fs::create_dir_all(&dir)?;
    let store = Store::open(&dir.join("store"))?;
    let last = LogId::new(LeaderId { term: 1, node_id: place.id }, 1);
    let members = alone(place.id, address, PlaceFile::new(&dir).disk()?)?;
    let meta = SnapshotMeta { last_log_id: Some(last), last_membership: StoredMembership::new(Some(last), members) };
    let things = state.things().count();
    let (meta, snapshot) = store.snapshots().write(&state, &meta)?;
    store.state_machine(std::sync::Arc::new(Nobody)).install_snapshot(&meta, snapshot).await?;
    let mut log = store.log();
    log.purge(last).await?;
    log.save_vote(&Vote::new(1, place.id)).await?;
    // Last: without it the directory has no place, and is found not to be whole.
    PlaceFile::new(&dir).store(place)?;
    Ok(things)
}

/// Makes the stopped node of a data directory the only member of a new group with all that it has, or says what that would
/// mean.
pub async fn recover(data: &Path, address: &str, dry_run: bool) -> Result<String, OfflineError> {
    let directory = DataDir::open(data)?;
    let dir = directory.raft();
    let file = PlaceFile::new(&dir);
    let Some(place) = file.load()? else { return Err(OfflineError::Empty(dir)) };
    let store = Store::open(&dir.join("store"))?;
    let mut log = store.log();
    let end = log.get_log_state().await?.last_log_id;
    let Some(end) = end else { return Err(OfflineError::Empty(dir)) };
    let applied = store.shared().view();
    let shown = applied.meta.last_log_id.map_or(0, |last| last.index);
    let members: Vec<String> = applied.meta.last_membership.nodes().map(|(_, one)| one.to_string()).collect();
    let says = format!(
        "member {} of {}: the log ends with entry {} of term {}, of which {} are applied, {} things",
        place.id,
        members.join(", "),
        end.index,
        end.leader_id.term,
        shown,
        applied.state.things().count(),
    );
    if dry_run {
        return Ok(format!(
            "{says}\nit would become the only member of a new group; what only others have would be lost, and they would have \
             to be emptied before they join. Nothing was changed"
        ));
    }
    let vote = log.read_vote().await?.map_or(0, |vote| vote.leader_id.term);
    let leader = LeaderId { term: vote.max(end.leader_id.term) + 1, node_id: place.id };
    let members = alone(place.id, address, PlaceFile::new(&dir).disk()?)?;
    log.save_vote(&Vote::new(leader.term, place.id)).await?;
    let entry = Entry { log_id: LogId::new(leader, end.index + 1), payload: EntryPayload::Membership(members) };
    let (flushed, durable) = TypeConfig::oneshot();
    log.append([entry], IOFlushed::signal(flushed)).await?;
    durable.await.map_err(std::io::Error::other)??;
    file.store(Place { group: draw_bits()?, ..place })?;
    Ok(format!("{says}\nit is the only member of a new group now: start it, empty the others, and have them join"))
}

fn alone(id: u64, address: &str, node: NodeId) -> Result<Membership<u64, Member>, OfflineError> {
    let member = Member { address: CompactString::from(address), node };
    Membership::new(vec![[id].into()], std::collections::BTreeMap::from([(id, member)]))
        .map_err(|error| OfflineError::Membership(error.to_string()))
}
