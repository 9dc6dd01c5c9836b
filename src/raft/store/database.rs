//! The disk that is sled, behind a fence: the only file that names it.
//!
//! sled's own flush is not durable: it syncs neither the size of its file, nor its settings, nor the directory, nor what
//! is longer than a segment. Here every barrier syncs the file through a second handle, opening syncs the rest, values are
//! short (`record`), and what sled answers with a panic, an endless loop or an empty database ends as an error.
//!
//! A store is made beside its place and renamed into it when it is whole: what is half made was never used.

use std::{
    fs::{self, File},
    io,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use futures_core::future::BoxFuture;

use crate::{
    raft::store::{
        StoreError,
        disk::{Change, Disk, Done, Each, Tree},
        error::{Broken, panicked},
        files,
        flush::Flusher,
    },
    runtime::durable,
};

/// What is cached of it, in bytes; by default it would take 1 GiB.
const CACHE: u64 = 32 << 20;
/// How long opening may take: a damaged file can keep sled in a loop. A million entries take less than a second.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is tried while somebody has it open, and after how long: a run before this one may be ending.
const TRIES: u32 = 200;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);
/// Of the directory as a whole. One of an older version is of this one from its first start on.
const FORMAT: u8 = 3;
const OLDEST: u8 = 1;

const FORMAT_NAME: &str = "format";
const WITNESS_NAME: &str = "witness";
const DATABASE_NAME: &str = "db";
/// Where snapshots are.
pub(super) const SNAPSHOTS_NAME: &str = "snapshots";

pub(super) struct Database {
    dir: PathBuf,
    trees: [sled::Tree; 3],
    broken: Broken,
    flusher: Flusher,
}

impl Database {
    /// Opens the store in a directory; makes one if there is no such directory, or nothing in it.
    pub(super) fn open(dir: &Path, patience: Duration) -> Result<Self, StoreError> {
        let mut beside = dir.as_os_str().to_owned();
        beside.push(durable::UNFINISHED);
        let beside = PathBuf::from(beside);
        // Made by a run that ended before it used it.
        if beside.exists() {
            fs::remove_dir_all(&beside).map_err(|cause| StoreError::io(&beside, cause))?;
        }
        if is_empty(dir)? {
            make(dir, &beside, patience)?;
        }
        check_format(dir)?;
        let path = dir.join(DATABASE_NAME);
        for name in ["db", "conf"] {
            if !path.join(name).is_file() {
                return Err(StoreError::damaged(dir, format!("the file {DATABASE_NAME}/{name} is missing")));
            }
        }
        remove_unfinished(&path)?;
        let (database, trees) = open_sled(dir, &path, patience)?;
        if !database.was_recovered() {
            return Err(StoreError::damaged(dir, "the database was found empty"));
        }
        sync_all(dir, &path)?;
        Self::fence(dir, &path, database, trees)
    }

    fn fence(dir: &Path, path: &Path, database: sled::Db, trees: [sled::Tree; 3]) -> Result<Self, StoreError> {
        let (broken, file_path) = (Broken::default(), path.join("db"));
        let file = File::open(&file_path).map_err(|cause| StoreError::io(&file_path, cause))?;
        let place = dir.to_owned();
        let barrier = move || {
            database.flush().map_err(|error| failed(&place, error))?;
            file.sync_data().map_err(|cause| StoreError::io(&file_path, cause))
        };
        let flusher = Flusher::start(dir.to_owned(), broken.clone(), barrier);
        let flusher = flusher.map_err(|cause| StoreError::io(dir, cause))?;
        Ok(Self { dir: dir.to_owned(), trees, broken, flusher })
    }

    fn tree(&self, tree: Tree) -> &sled::Tree {
        &self.trees[tree as usize]
    }
}

impl Drop for Database {
    /// One whose disk failed is never let go: sled would write out what it has, and panics when it cannot.
    fn drop(&mut self) {
        if self.broken.check().is_err() {
            std::mem::forget(self.trees[0].clone());
        }
    }
}

fn is_empty(dir: &Path) -> Result<bool, StoreError> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(cause) => Err(StoreError::io(dir, cause)),
    }
}

/// Makes an empty store beside its place and moves it there.
fn make(dir: &Path, beside: &Path, patience: Duration) -> Result<(), StoreError> {
    let path = beside.join(DATABASE_NAME);
    for part in [&path, &beside.join(SNAPSHOTS_NAME)] {
        fs::create_dir_all(part).map_err(|cause| StoreError::io(part, cause))?;
    }
    drop(open_sled(dir, &path, patience)?);
    sync_all(beside, &path)?;
    witness(beside, &[])?;
    write_format(beside)?;
    fs::rename(beside, dir).map_err(|cause| StoreError::io(dir, cause))?;
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => files::sync(parent),
        _ => files::sync(Path::new(".")),
    }
}

/// sled sums up its file in another when it opens, and takes one that it did not finish for the newest: it would not open.
fn remove_unfinished(path: &Path) -> Result<(), StoreError> {
    let failed = |cause| StoreError::io(path, cause);
    for entry in fs::read_dir(path).map_err(failed)? {
        let unfinished = entry.map_err(failed)?.path();
        if unfinished.extension().is_some_and(|extension| extension == "generating") {
            fs::remove_file(unfinished).map_err(failed)?;
        }
    }
    Ok(())
}

/// Makes durable what sled never syncs itself.
fn sync_all(dir: &Path, path: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(path).map_err(|cause| StoreError::io(path, cause))? {
        let entry = entry.map_err(|cause| StoreError::io(path, cause))?.path();
        files::sync(&entry)?;
    }
    files::sync(path)?;
    files::sync(dir)
}

fn check_format(dir: &Path) -> Result<(), StoreError> {
    let path = dir.join(FORMAT_NAME);
    let Some(bytes) = files::read(&path)? else {
        return Err(StoreError::damaged(dir, format!("the file {FORMAT_NAME} is missing")));
    };
    match bytes.split_first() {
        Some((version, crc)) if crc == crc32fast::hash(&[*version]).to_be_bytes() => match *version {
            FORMAT => Ok(()),
            OLDEST..FORMAT => write_format(dir),
            version => Err(StoreError::Version { path, version }),
        },
        _ => Err(StoreError::damaged(dir, format!("the file {FORMAT_NAME} is not as it was written"))),
    }
}

fn write_format(dir: &Path) -> Result<(), StoreError> {
    files::replace(dir, FORMAT_NAME, |file| {
        let crc = crc32fast::hash(&[FORMAT]).to_be_bytes();
        io::Write::write_all(file, &[&[FORMAT], &crc[..]].concat())
    })
}

fn witness(dir: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    files::replace(dir, WITNESS_NAME, |file| {
        let crc = crc32fast::hash(bytes).to_be_bytes();
        io::Write::write_all(file, &[&crc, bytes].concat())
    })
}

type Opened = (sled::Db, [sled::Tree; 3]);

/// On a thread of its own, which is left behind when it does not come to an end.
fn open_sled(dir: &Path, path: &Path, patience: Duration) -> Result<Opened, StoreError> {
    let (told, hears) = mpsc::sync_channel(1);
    let (place, path) = (dir.to_owned(), path.to_owned());
    let open = move || {
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let database = open_unlocked(&path)?;
            let trees = [database.open_tree("log")?, database.open_tree("meta")?, database.open_tree("state")?];
            database.flush()?;
            Ok((database, trees))
        }));
        let opened = match opened {
            Ok(opened) => opened.map_err(|error| failed(&place, error)),
            Err(panic) => Err(panicked(&place, &*panic)),
        };
        // Whoever waited may have given up.
        let _ = told.send(opened);
    };
    thread::Builder::new().name("raft-open".into()).spawn(open).map_err(|cause| StoreError::io(dir, cause))?;
    hears.recv_timeout(patience).unwrap_or_else(|_| {
        Err(StoreError::damaged(dir, format!("the database did not open within {} s", patience.as_secs())))
    })
}

fn open_unlocked(path: &Path) -> Result<sled::Db, sled::Error> {
    let config = sled::Config::new().path(path).flush_every_ms(None).cache_capacity(CACHE);
    for _ in 0..TRIES {
        match config.open() {
            Err(sled::Error::Io(error)) if error.to_string().contains("acquire lock") => {
                thread::park_timeout(BETWEEN_TRIES);
            }
            opened => return opened,
        }
    }
    config.open()
}

/// What an error of sled says of the store.
fn failed(dir: &Path, error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(cause)
            if !matches!(cause.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) =>
        {
            StoreError::io(dir, cause)
        }
        error => StoreError::damaged(dir, format!("the database says: {error}")),
    }
}

fn batch(changes: Vec<Change>) -> sled::Batch {
    let mut batch = sled::Batch::default();
    for (key, value) in changes {
        match value {
            Some(value) => batch.insert(key, value),
            None => batch.remove(key),
        }
    }
    batch
}

impl Disk for Database {
    fn dir(&self) -> &Path {
        &self.dir
    }

    fn write(&self, tree: Tree, mut changes: Vec<Change>) -> Result<(), StoreError> {
        let tree = self.tree(tree);
        let write = || match changes.len() {
            // sled ends its buffer before and after a batch and writes out both parts, waking a dozen threads each time.
            // What is one change is whole without.
            1 => match changes.pop() {
                Some((key, Some(value))) => tree.insert(key, value).map(drop),
                Some((key, None)) => tree.remove(key).map(drop),
                None => Ok(()),
            },
            _ => tree.apply_batch(batch(changes)),
        };
        self.broken.guard(&self.dir, || write().map_err(|error| failed(&self.dir, error)))
    }

    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.broken.guard(&self.dir, || {
            let value = self.tree(tree).get(key).map_err(|error| failed(&self.dir, error))?;
            Ok(value.map(|value| value.to_vec()))
        })
    }

    fn scan(&self, tree: Tree, from: &[u8], before: Option<&[u8]>, each: Each<'_>) -> Result<(), StoreError> {
        self.broken.guard(&self.dir, || {
            for pair in self.tree(tree).range(from..) {
                let (key, value) = pair.map_err(|error| failed(&self.dir, error))?;
                if before.is_some_and(|before| &*key >= before) || each(&key, &value) == ControlFlow::Break(()) {
                    break;
                }
            }
            Ok(())
        })
    }

    fn barrier(&self, done: Done) -> BoxFuture<'static, ()> {
        let queue = self.flusher.queue();
        Box::pin(async move {
            if let Err(refused) = queue.send(done).await {
                refused.0(Err(StoreError::Broken("the thread that flushes is gone".into())));
            }
        })
    }

    fn witness(&self, bytes: &[u8]) -> Result<(), StoreError> {
        self.broken.guard(&self.dir, || witness(&self.dir, bytes))
    }

    fn witnessed(&self) -> Result<Vec<u8>, StoreError> {
        let damaged = |how| StoreError::damaged(&self.dir, format!("the file {WITNESS_NAME} is {how}"));
        let bytes = files::read(&self.dir.join(WITNESS_NAME))?.ok_or_else(|| damaged("missing"))?;
        match bytes.split_first_chunk() {
            Some((crc, bytes)) if u32::from_be_bytes(*crc) == crc32fast::hash(bytes) => Ok(bytes.to_vec()),
            _ => Err(damaged("not as it was written")),
        }
    }
}
