//! Why a store does not do what it was told.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use thiserror::Error;

/// Why something could not be kept or read.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// The disk refused.
    #[error("cannot access the store of the raft group in {path}: {cause}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What the disk said.
        cause: Arc<io::Error>,
    },
    /// What was acknowledged is not there, or not as it was written. Such a node must not vote: it may have forgotten
    /// what it promised.
    #[error(
        "the store of the raft group in {} is damaged: {what}. This node must not vote any more. To rejoin: stop the \
         node, remove the whole directory {} and start the node again: it joins the other members with a new number \
         (docs/cluster.md)",
        dir.display(),
        dir.parent().unwrap_or(dir).display()
    )]
    Damaged {
        /// The directory of the store.
        dir: PathBuf,
        /// What was found.
        what: String,
    },
    /// Another version of this program wrote it.
    #[error(
        "{path} has version {version}, which this program does not know (it knows 1); it was written by a newer one"
    )]
    Version {
        /// What has it.
        path: PathBuf,
        /// Which.
        version: u8,
    },
    /// Something failed before, and nothing is certain since.
    #[error(
        "the store of the raft group failed earlier and takes nothing until the node is replaced or restarted: {0}"
    )]
    Broken(Arc<str>),
    /// A file that was given is not a snapshot, or not a whole one.
    #[error("{from} is not a snapshot that can be read: {what}")]
    Snapshot {
        /// What was read.
        from: String,
        /// What is wrong with it.
        what: String,
    },
}

impl StoreError {
    pub(super) fn io(path: &Path, cause: io::Error) -> Self {
        Self::Io { path: path.to_owned(), cause: Arc::new(cause) }
    }

    #[expect(clippy::needless_pass_by_value, reason = "texts and errors alike")]
    pub(super) fn damaged(dir: &Path, what: impl ToString) -> Self {
        Self::Damaged { dir: dir.to_owned(), what: what.to_string() }
    }
}

impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        io::Error::other(error)
    }
}

/// Whether a store failed once. It stays so: after a failed sync the system may have dropped what was to be written, and
/// the next sync would succeed without it.
#[derive(Clone, Default)]
pub(super) struct Broken(Arc<OnceLock<Arc<str>>>);

impl Broken {
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.0.get().map_or(Ok(()), |why| Err(StoreError::Broken(why.clone())))
    }

    /// Does something unless the store is broken; it is once that fails.
    pub(super) fn guard<T>(&self, dir: &Path, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.check()?;
        // A database that panics is in no known state, but the rest of the node lives on.
        let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panicked(dir, &*panic)));
        done.inspect_err(|error| {
            self.0.get_or_init(|| error.to_string().into());
        })
    }
}

/// What a panic of the database says of the store.
pub(super) fn panicked(dir: &Path, panic: &(dyn Any + Send)) -> StoreError {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
    StoreError::damaged(dir, format!("the database panicked: {text}"))
}
