//! What a store is opened on, each time that raft is started.

use std::{fs, path::PathBuf};

use crate::raft::store::{Store, StoreError};

/// Where a node's store is.
pub(in crate::raft) trait Medium: Send + Sync {
    /// Opens what is there, or makes an empty store. May wait for the disk.
    fn open(&self) -> Result<Store, StoreError>;

    /// Forgets what is there. Only when it was closed.
    fn clear(&self) -> Result<(), StoreError>;
}

/// In a directory, as the program has it.
pub(in crate::raft) struct OnDisk(pub(in crate::raft) PathBuf);

impl Medium for OnDisk {
    fn open(&self) -> Result<Store, StoreError> {
        Store::open(&self.0)
    }

    fn clear(&self) -> Result<(), StoreError> {
        fs::remove_dir_all(&self.0).map_err(|cause| StoreError::io(&self.0, cause))
    }
}
