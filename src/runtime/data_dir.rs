//! The directory of one node.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    model::NodeId,
    runtime::{
        ceiling::CeilingFile,
        entries::EntriesFile,
        identity::{self, IdentityError},
    },
};

/// Why a directory cannot be used.
#[derive(Debug, Error)]
pub enum DataDirError {
    /// It cannot be made or written.
    #[error("cannot write the data directory {path}: {cause}")]
    Unwritable {
        /// The directory.
        path: PathBuf,
        /// What the disk said.
        cause: io::Error,
    },
    /// Another process holds it.
    #[error("the data directory {path} is in use by another process; give each node its own with --data")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
}

/// A directory that this process alone uses, for as long as this value lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory if need be and locks it.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let unwritable = |cause| DataDirError::Unwritable { path: path.to_owned(), cause };
        fs::create_dir_all(path).map_err(unwritable)?;
        let lock = File::create(path.join("lock")).map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(DataDirError::InUse { path: path.to_owned() }),
            Err(fs::TryLockError::Error(cause)) => Err(unwritable(cause)),
        }
    }

    pub(super) fn ceiling(&self) -> CeilingFile<'_> {
        CeilingFile::new(&self.path)
    }

    pub(super) fn entries(&self) -> EntriesFile<'_> {
        EntriesFile::new(&self.path)
    }

    /// Where what all nodes agreed on is kept.
    pub fn raft(&self) -> PathBuf {
        self.path.join("raft")
    }

    /// Who the node of this directory is. Drawn at its first start, the same ever after.
    pub fn node_id(&self) -> Result<NodeId, IdentityError> {
        identity::load_or_draw(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_one_directory() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a/b");
        let held = DataDir::open(&path).expect("opens");
        assert!(matches!(DataDir::open(&path), Err(DataDirError::InUse { .. })));
        drop(held);
        DataDir::open(&path).expect("free again");
    }

    #[test]
    fn a_file_in_the_way_is_an_error_that_names_it() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let error = DataDir::open(file.path()).expect_err("no directory");
        assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
    }
}
