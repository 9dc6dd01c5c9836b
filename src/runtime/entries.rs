//! The file of what clients of a node publish, so that nobody sees empty lists because all registries restarted.
//!
//! Holds what is new of clients of other nodes as well: one that just changed its owner would be in no file. The hybrid
//! time of the writing in 8 bytes, the bytes of `wire::peer::encode_states` (a version, then states), then the CRC-32 of all
//! before; numbers are big endian. Written beside and renamed, never on the path of a request. No picture of one moment:
//! states are read some at a time.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use thiserror::Error;

use crate::{
    model::{ClientState, Millis},
    node::{Input, Reply},
    runtime::{DataDir, Runtime, durable},
    wire::peer::{IllegalStates, Phase, STATES_VERSION, append_state, decode_states},
};

const NAME: &str = "entries";
/// How often the file is written while something changes.
const PERIOD: Duration = Duration::from_secs(5);

/// Why entries could not be read or stored. A node can do without them.
#[derive(Debug, Error)]
pub enum EntriesError {
    /// The disk refused.
    #[error("cannot access the file of entries {path}: {cause}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the disk said.
        cause: io::Error,
    },
    /// The file was not written as a whole, or changed since.
    #[error("the file of entries {path} is damaged; clients register again by themselves")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The file says what this version does not understand.
    #[error("the file of entries {path} cannot be read: {cause}")]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: IllegalStates,
    },
    /// The task that was to store them did not end well.
    #[error("storing entries failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// The file of one data directory.
pub(super) struct EntriesFile<'a> {
    dir: &'a Path,
}

impl<'a> EntriesFile<'a> {
    pub(super) fn new(dir: &'a Path) -> Self {
        Self { dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.join(NAME)
    }

    fn load(&self) -> Result<(Millis, Vec<ClientState>), EntriesError> {
        let path = self.path();
        let bytes = match durable::read(&path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok((0, Vec::new())),
            Err(cause) => return Err(EntriesError::Io { path, cause }),
        };
        let whole = bytes.split_last_chunk().filter(|(all, crc)| u32::from_be_bytes(**crc) == crc32fast::hash(all));
        let Some((at, states)) = whole.and_then(|(all, _)| all.split_first_chunk()) else {
            return Err(EntriesError::Damaged { path });
        };
        let states = decode_states(states).map_err(|cause| EntriesError::Unknown { path, cause })?;
        Ok((u64::from_be_bytes(*at), states))
    }

    /// Stores these, of which only one part at a time is held.
    fn store(&self, at: Millis, parts: impl Iterator<Item = Vec<Arc<ClientState>>>) -> Result<(), EntriesError> {
        let write = |file: &mut File| {
            let (mut out, mut crc) = (BufWriter::new(file), crc32fast::Hasher::new());
            let mut put = |bytes: &[u8]| {
                crc.update(bytes);
                out.write_all(bytes)
            };
            put(&at.to_be_bytes())?;
            put(&[STATES_VERSION])?;
            let mut encoded = Vec::new();
            for part in parts {
                encoded.clear();
                part.iter().for_each(|state| append_state(state, &mut encoded));
                put(&encoded)?;
            }
            out.write_all(&crc.finalize().to_be_bytes())?;
            out.flush()
        };
        durable::replace(self.dir, NAME, write).map_err(|cause| EntriesError::Io { path: self.path(), cause })
    }
}

impl DataDir {
    /// What clients of the node published when an earlier run stored it last, and its hybrid time then; nothing when none
    /// did.
    pub fn load_entries(&self) -> Result<(Millis, Vec<ClientState>), EntriesError> {
        self.entries().load()
    }
}

impl Runtime {
    /// Stores what clients of this node publish as soon as it serves, and then every few seconds, if anything changed. To be
    /// started after an earlier run's entries were restored: it overwrites them.
    pub async fn keep_entries(self: Arc<Self>, data: Arc<DataDir>) {
        let mut stored = None;
        // Until then what an earlier life kept is all there is. The sender lives as long as this.
        let _ = self.cluster_changes().wait_for(|cluster| cluster.phase != Phase::Loading).await;
        loop {
            // Read before the states are: what changes meanwhile is stored the next time.
            let (stats, cluster) = (self.stats(), self.cluster());
            let changes = (stats.changes.iter().sum::<u64>() + stats.distro.claimed, cluster);
            if stored.as_ref() != Some(&changes) {
                match self.store_entries_now(&data).await {
                    Ok(()) => stored = Some(changes),
                    Err(error) => {
                        tracing::warn!(%error, "entries are not stored; a restart of all nodes would lose them");
                    }
                }
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Stores what clients of this node publish; it is on disk when this completes.
    pub async fn store_entries_now(self: &Arc<Self>, data: &Arc<DataDir>) -> Result<(), EntriesError> {
        let (runtime, data) = (self.clone(), data.clone());
        tokio::task::spawn_blocking(move || data.entries().store(runtime.time(), runtime.what_to_keep())).await?
    }

    /// All states that are to be kept, some at a time: the lock is held briefly for each part.
    fn what_to_keep(&self) -> impl Iterator<Item = Vec<Arc<ClientState>>> {
        let mut after = None;
        std::iter::from_fn(move || {
            let Ok(Reply::States(states)) = self.handle(Input::Keep { after: after.take() }) else { return None };
            after = Some(states.last()?.id.clone());
            Some(states)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        model::{Attributes, ClientId, HybridTime, Incarnation, NodeId, Version},
        node::Membership,
    };

    fn state(port: u16) -> ClientState {
        let node = NodeId(7);
        ClientState {
            id: ClientId::address("10.0.0.1", port),
            version: Version::written(HybridTime::at(5), node),
            owner: Incarnation { node, since: 3 },
            lease: None,
            attributes: Attributes::default(),
            publications: Vec::new(),
        }
    }

    fn parts(ports: &[&[u16]]) -> impl Iterator<Item = Vec<Arc<ClientState>>> {
        ports.iter().map(|part| part.iter().map(|port| Arc::new(state(*port))).collect())
    }

    #[test]
    fn what_was_stored_is_loaded() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = EntriesFile::new(dir.path());
        assert_eq!(file.load().expect("none yet"), (0, vec![]));
        file.store(7, parts(&[&[1, 2], &[3]])).expect("stores");
        assert_eq!(file.load().expect("loads"), (7, vec![state(1), state(2), state(3)]));
        file.store(8, parts(&[])).expect("stores nothing");
        assert_eq!(file.load().expect("loads"), (8, vec![]));
    }

    #[test]
    fn every_damage_is_noticed() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = EntriesFile::new(dir.path());
        file.store(7, parts(&[&[1]])).expect("stores");
        let whole = fs::read(dir.path().join(NAME)).expect("reads");
        let damaged = |bytes: &[u8]| {
            fs::write(dir.path().join(NAME), bytes).expect("writes");
            matches!(file.load(), Err(EntriesError::Damaged { .. }))
        };
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            assert!(damaged(&flipped), "byte {at}");
            assert!(damaged(&whole[..at]), "cut off at {at}");
        }
    }

    #[test]
    fn another_version_is_told_from_damage() {
        let dir = tempfile::tempdir().expect("a directory");
        let later = [0, 0, 0, 0, 0, 0, 0, 7, 9, 1, 2, 3];
        let bytes = [&later[..], &crc32fast::hash(&later).to_be_bytes()].concat();
        fs::write(dir.path().join(NAME), bytes).expect("writes");
        let error = EntriesFile::new(dir.path()).load().expect_err("unknown");
        assert!(error.to_string().contains("version 9 is not known"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_stores_what_it_owns_when_something_changed() {
        let dir = tempfile::tempdir().expect("a directory");
        let data = Arc::new(DataDir::open(dir.path()).expect("usable"));
        let settings = crate::runtime::tests::SETTINGS;
        let runtime = Runtime::start(settings, Membership::alone(NodeId(1), "n1:8848"), &data).expect("starts");
        let keeping = tokio::spawn(runtime.clone().keep_entries(data.clone()));
        let file = dir.path().join(NAME);
        let stored = async || {
            tokio::time::sleep(PERIOD * 2).await;
            let stored = data.load_entries().is_ok() && fs::remove_file(&file).is_ok();
            assert!(!keeping.is_finished());
            stored
        };
        tokio::time::sleep(PERIOD / 2).await;
        assert!(
            fs::remove_file(&file).is_ok(),
            "as soon as it serves: what an earlier run left is not what this one has"
        );
        assert!(!stored().await, "nothing changed");
        let client = ClientId::connection(1, ([10, 0, 0, 1], 80).into());
        runtime.handle(Input::Connect(client, Attributes::default())).expect("connects");
        assert!(stored().await);
        assert!(!stored().await);
        runtime.store_entries_now(&data).await.expect("stores");
        assert!(file.exists());
    }
}
