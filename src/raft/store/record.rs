//! Records on a disk: values of any length in parts, each with a version and a checksum.
//!
//! The database writes what is long into files that it never syncs, so nothing long is given to it.

use std::ops::ControlFlow;

use bytes::{Bytes, BytesMut};

use crate::raft::store::{
    StoreError,
    disk::{Change, Disk, Tree},
};

/// Of what stands before the content of each part.
pub(super) const VERSION: u8 = 1;
const HEAD: usize = 1 + 4 + 4;
/// How much a part holds: with its head 4 KiB.
pub(super) const PART: usize = 4_096 - HEAD;

/// A key, and what is kept under it from now on; none when nothing is.
pub(super) type Record = (Vec<u8>, Option<Bytes>);

/// Of one part. Keys of the same length sort as they are, and no key can be taken for a part of another.
fn part_key(key: &[u8], part: u32) -> Vec<u8> {
    let length = u32::try_from(key.len()).expect("keys are short");
    [&length.to_be_bytes(), key, &part.to_be_bytes()].concat()
}

/// Of the checksum: over the key too, so that a value under another is noticed.
fn checksum(key: &[u8], rest: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(key);
    crc.update(rest);
    crc.finalize()
}

/// A value with version and checksum. `parts` is how many there are with it.
fn seal(key: &[u8], parts: u32, content: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(HEAD + content.len());
    sealed.extend([VERSION, 0, 0, 0, 0]);
    sealed.extend(parts.to_be_bytes());
    sealed.extend(content);
    let crc = checksum(key, &sealed[5..]);
    sealed[1..5].copy_from_slice(&crc.to_be_bytes());
    sealed
}

/// How many parts there are, and the content of this one.
fn unseal<'a>(disk: &dyn Disk, key: &[u8], sealed: &'a [u8]) -> Result<(u32, &'a [u8]), StoreError> {
    let damaged = |what: &str| StoreError::damaged(disk.dir(), format!("{what} (key {})", hex(key)));
    match sealed.first() {
        None => return Err(damaged("a value is empty")),
        Some(&VERSION) => {}
        Some(&version) => return Err(StoreError::Version { path: disk.dir().to_owned(), version }),
    }
    let Some((crc, rest)) = sealed[1..].split_first_chunk() else { return Err(damaged("a value is cut off")) };
    if u32::from_be_bytes(*crc) != checksum(key, rest) {
        return Err(damaged("the checksum of a value is wrong"));
    }
    let Some((parts, content)) = rest.split_first_chunk() else { return Err(damaged("a value is cut off")) };
    Ok((u32::from_be_bytes(*parts), content))
}

fn hex(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Adds the parts of a value that is new.
fn add(changes: &mut Vec<Change>, key: &[u8], value: &[u8]) -> u32 {
    let parts = u32::try_from(value.len().div_ceil(PART).max(1)).expect("values are short");
    for part in 0..parts {
        let from = part as usize * PART;
        let content = &value[from..value.len().min(from + PART)];
        let key = part_key(key, part);
        let sealed = seal(&key, parts, content);
        changes.push((key, Some(sealed)));
    }
    parts
}

/// The parts of records whose keys are new.
pub(super) fn fresh(records: impl IntoIterator<Item = (Vec<u8>, Bytes)>) -> Vec<Change> {
    let mut changes = Vec::new();
    for (key, value) in records {
        add(&mut changes, &key, &value);
    }
    changes
}

/// Writes records, all or none of them. No key may come twice.
pub(super) fn write(disk: &dyn Disk, tree: Tree, records: impl IntoIterator<Item = Record>) -> Result<(), StoreError> {
    let mut changes = Vec::new();
    for (key, value) in records {
        let head = part_key(&key, 0);
        let before = match disk.get(tree, &head)? {
            Some(sealed) => unseal(disk, &head, &sealed)?.0,
            None => 0,
        };
        let now = value.map_or(0, |value| add(&mut changes, &key, &value));
        changes.extend((now..before).map(|part| (part_key(&key, part), None)));
    }
    disk.write(tree, changes)
}

/// One record.
pub(super) fn read(disk: &dyn Disk, tree: Tree, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
    let mut found = None;
    each(disk, tree, key, None, &mut |known, value| {
        found = (known == key).then_some(value);
        ControlFlow::Break(())
    })?;
    Ok(found)
}

/// The value of a record that is short; none when there is no such record, or it is in parts.
pub(super) fn read_short(disk: &dyn Disk, tree: Tree, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
    let key = part_key(key, 0);
    let Some(sealed) = disk.get(tree, &key)? else { return Ok(None) };
    let (parts, content) = unseal(disk, &key, &sealed)?;
    Ok((parts == 1).then(|| Bytes::copy_from_slice(content)))
}

/// The last key of a record from one to another, both included. None is read: what is being removed may be there in part.
pub(super) fn last_key(disk: &dyn Disk, tree: Tree, from: &[u8], to: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let mut last = None;
    disk.scan(tree, &part_key(from, 0), Some(&part_key(to, 1)), &mut |key, _| {
        if let Some(name) = key.strip_suffix(&[0; 4]).and_then(|key| key.get(4..)) {
            last = Some(name.to_vec());
        }
        ControlFlow::Continue(())
    })?;
    Ok(last)
}

/// Visits records from a key on, and before another if one is given. All keys are of one length or begin differently.
pub(super) fn each(
    disk: &dyn Disk,
    tree: Tree,
    from: &[u8],
    before: Option<&[u8]>,
    visit: &mut dyn FnMut(&[u8], Bytes) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let (mut value, mut have, mut all) = (BytesMut::new(), 0u32, 0u32);
    let mut failed = None;
    let before = before.map(|key| part_key(key, 0));
    disk.scan(tree, &part_key(from, 0), before.as_deref(), &mut |key, sealed| {
        let (parts, content) = match unseal(disk, key, sealed) {
            Ok(read) => read,
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        };
        let (name, part) = key.split_at(key.len().saturating_sub(4));
        if (have != 0 && parts != all) || part != have.to_be_bytes() || name.len() < 4 {
            failed = Some(StoreError::damaged(disk.dir(), format!("a part of a value is missing (key {})", hex(key))));
            return ControlFlow::Break(());
        }
        value.extend_from_slice(content);
        (have, all) = (have + 1, parts);
        if have < all {
            return ControlFlow::Continue(());
        }
        have = 0;
        visit(&name[4..], value.split().freeze())
    })?;
    match failed {
        Some(error) => Err(error),
        None if have != 0 => Err(StoreError::damaged(disk.dir(), "the last part of a value is missing")),
        None => Ok(()),
    }
}

/// Removes records from a key on, and before another if one is given, about so many; whether there were any.
pub(super) fn remove(
    disk: &dyn Disk,
    tree: Tree,
    from: &[u8],
    before: Option<&[u8]>,
    most: usize,
) -> Result<bool, StoreError> {
    let mut changes = Vec::new();
    let before = before.map(|key| part_key(key, 0));
    disk.scan(tree, &part_key(from, 0), before.as_deref(), &mut |key, _| {
        // Only whole records go.
        if changes.len() >= most && key.ends_with(&[0; 4]) {
            return ControlFlow::Break(());
        }
        changes.push((key.to_vec(), None));
        ControlFlow::Continue(())
    })?;
    if changes.is_empty() {
        return Ok(false);
    }
    disk.write(tree, changes)?;
    Ok(true)
}
