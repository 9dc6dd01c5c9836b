//! Which number a node has in which group, on its disk.
//!
//! One line: `roster-raft-place 1 <group> <number> <new|used> <crc32 of what stands before>`. A node without it has never
//! voted; `used` says that there is a store, so one that was emptied beside it is noticed. The directory has an id of its
//! own in `disk`: members are known by it, so one that was emptied as a whole is another member.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    model::NodeId,
    proto::raft as proto,
    runtime::{draw_bits, durable},
    wire::peer::{IllegalMessage, decode_node, encode_node},
};

const NAME: &str = "place";
const RETIRED: &str = "place-given-up";
const DISK: &str = "disk";

/// A node's place in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// 128 random bits, drawn when the group was founded.
    pub(super) group: u128,
    /// Number of the node; never another node's.
    pub(super) id: u64,
}

/// Why it is not known which place a node has.
#[derive(Debug, Error)]
pub enum PlaceError {
    /// The disk refused.
    #[error("cannot access {path}: {cause}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the disk said.
        cause: io::Error,
    },
    /// The file does not say what it should.
    #[error("{path}, which says which number this node has in its group, is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// The file in a directory.
pub(super) struct PlaceFile {
    dir: PathBuf,
}

impl PlaceFile {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    fn path(&self) -> PathBuf {
        self.dir.join(NAME)
    }

    fn failed(&self, cause: io::Error) -> PlaceError {
        PlaceError::Io { path: self.path(), cause }
    }

    /// The id of this directory, drawn now if it has none.
    pub(super) fn disk(&self) -> Result<NodeId, PlaceError> {
        let path = self.dir.join(DISK);
        let failed = |cause| PlaceError::Io { path: path.clone(), cause };
        if let Some(line) = durable::read(&path).map_err(failed)? {
            let id = durable::unseal(&line).and_then(|line| line.strip_prefix("roster-raft-disk 1 ")?.parse().ok());
            return id.ok_or(PlaceError::Damaged { path });
        }
        let id = NodeId(draw_bits().map_err(|error| failed(io::Error::other(error)))?);
        self.replace(DISK, &format!("roster-raft-disk 1 {id}")).map_err(failed)?;
        Ok(id)
    }

    pub(super) fn load(&self) -> Result<Option<Place>, PlaceError> {
        Ok(self.read()?.map(|(place, _)| place))
    }

    /// Whether there is a store that belongs to the place.
    pub(super) fn is_used(&self) -> Result<bool, PlaceError> {
        Ok(self.read()?.is_some_and(|(_, used)| used))
    }

    fn read(&self) -> Result<Option<(Place, bool)>, PlaceError> {
        let line = durable::read(&self.path()).map_err(|cause| self.failed(cause))?;
        line.map(|line| parse(&line).ok_or_else(|| PlaceError::Damaged { path: self.path() })).transpose()
    }

    /// A place without a store of its own. On disk when this returns.
    pub(super) fn store(&self, place: Place) -> Result<(), PlaceError> {
        self.write(place, "new")
    }

    /// From now on there is a store. On disk when this returns.
    pub(super) fn use_it(&self, place: Place) -> Result<(), PlaceError> {
        self.write(place, "used")
    }

    fn write(&self, place: Place, state: &str) -> Result<(), PlaceError> {
        let says = format!("roster-raft-place 1 {:032x} {} {state}", place.group, place.id);
        self.replace(NAME, &says).map_err(|cause| self.failed(cause))
    }

    fn replace(&self, name: &str, says: &str) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        durable::replace(&self.dir, name, |file| file.write_all(durable::seal(says).as_bytes()))
    }

    /// Gives the place up: the group goes on without this node, whose number is never used again.
    pub(super) fn retire(&self) -> Result<(), PlaceError> {
        let retired =
            fs::rename(self.path(), self.dir.join(RETIRED)).and_then(|()| fs::File::open(&self.dir)?.sync_all());
        retired.map_err(|cause| self.failed(cause))
    }

    /// Whether the place was given up.
    pub(super) fn is_retired(&self) -> bool {
        self.dir.join(RETIRED).exists()
    }
}

fn parse(line: &[u8]) -> Option<(Place, bool)> {
    let mut parts = durable::unseal(line)?.strip_prefix("roster-raft-place 1 ")?.split(' ');
    let (group, id, state) = (parts.next()?, parts.next()?, parts.next()?);
    let place = Place { group: u128::from_str_radix(group, 16).ok()?, id: id.parse().ok()? };
    matches!(state, "new" | "used").then_some((place, state == "used"))
}

impl Place {
    pub(super) fn encode(self) -> proto::Place {
        proto::Place { group: Some(encode_node(NodeId(self.group))), id: self.id }
    }

    pub(super) fn decode(place: Option<proto::Place>) -> Result<Self, IllegalMessage> {
        let place = place.ok_or(IllegalMessage::Missing("a place"))?;
        let group = decode_node(place.group.ok_or(IllegalMessage::Missing("a group"))?);
        Ok(Self { group: group.0, id: place.id })
    }

    /// Another member of the group, as messages name it.
    pub(super) fn target(self, id: u64) -> proto::Target {
        proto::Target { group: Some(encode_node(NodeId(self.group))), id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_as_it_was_stored_and_damage_is_noticed() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = PlaceFile::new(&dir.path().join("raft"));
        assert_eq!(file.load().expect("nothing there"), None);
        let place = Place { group: 7, id: 1_003 };
        file.store(place).expect("stored");
        assert_eq!((file.load().expect("there"), file.is_used().expect("there")), (Some(place), false));
        file.use_it(place).expect("stored");
        assert_eq!((file.load().expect("there"), file.is_used().expect("there")), (Some(place), true));
        assert_eq!(file.disk().expect("drawn"), file.disk().expect("kept"));
        let text = fs::read_to_string(file.path()).expect("a line");
        fs::write(file.path(), text.replace("1003", "1004")).expect("written");
        assert!(matches!(file.load(), Err(PlaceError::Damaged { .. })));
        fs::write(file.path(), text).expect("written");
        assert!(!file.is_retired());
        file.retire().expect("given up");
        assert!(file.is_retired());
        assert_eq!(file.load().expect("nothing there"), None);
    }
}
