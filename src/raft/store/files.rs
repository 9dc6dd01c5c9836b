//! Files that a power cut leaves as they were or as they were to become.

use std::{fs::File, io, path::Path};

use crate::{raft::store::StoreError, runtime::durable};

/// Replaces a file of a directory by what `write` writes, durable when this returns.
pub(super) fn replace(
    dir: &Path,
    name: &str,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), StoreError> {
    durable::replace(dir, name, write).map_err(|cause| StoreError::io(&dir.join(name), cause))
}

/// Makes a file or the names in a directory durable.
pub(super) fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|cause| StoreError::io(path, cause))
}

/// The bytes of a file; none when it is not there.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    durable::read(path).map_err(|cause| StoreError::io(path, cause))
}
