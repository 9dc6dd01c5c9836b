//! Files that a power cut leaves as they were or as they were to become.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use crate::raft::store::StoreError;

/// How names of files end that are not finished.
pub(super) const UNFINISHED: &str = ".new";

/// Replaces a file of a directory by what `write` writes, durable when this returns.
pub(super) fn replace(
    dir: &Path,
    name: &str,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), StoreError> {
    let (path, beside) = (dir.join(name), dir.join(format!("{name}{UNFINISHED}")));
    let replaced = || {
        let mut file = File::create(&beside)?;
        write(&mut file)?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    };
    replaced().map_err(|cause| StoreError::io(&path, cause))?;
    sync(dir)
}

/// Makes a file or the names in a directory durable.
pub(super) fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|cause| StoreError::io(path, cause))
}

/// The bytes of a file; none when it is not there.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(StoreError::io(path, cause)),
    }
}
