//! The file that keeps stamps from being repeated after a restart.
//!
//! One line: `roster-clock 1 <milliseconds> <crc32 of what stands before>`. Written beside and renamed, so that a crash
//! leaves the old or the new one.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::model::Millis;

/// Why the ceiling could not be read or stored.
#[derive(Debug, Error)]
pub enum CeilingError {
    /// The disk refused.
    #[error("cannot access the clock file {path}: {cause}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the disk said.
        cause: io::Error,
    },
    /// The file does not say what it should.
    #[error("the clock file {path} is damaged; remove it if this machine's clock was not set back since the last run")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// The file of one data directory.
pub(super) struct CeilingFile<'a> {
    dir: &'a Path,
}

impl<'a> CeilingFile<'a> {
    pub(super) fn new(dir: &'a Path) -> Self {
        Self { dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.join("clock")
    }

    /// What an earlier run stored; 0 when there was none.
    pub(super) fn load(&self) -> Result<Millis, CeilingError> {
        let path = self.path();
        match fs::read_to_string(&path) {
            Ok(text) => parse(&text).ok_or(CeilingError::Damaged { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(CeilingError::Damaged { path }),
            Err(cause) => Err(CeilingError::Io { path, cause }),
        }
    }

    /// Stores a ceiling; it is on disk when this returns.
    pub(super) fn store(&self, ceiling: Millis) -> Result<(), CeilingError> {
        let path = self.path();
        self.replace(&path, &render(ceiling)).map_err(|cause| CeilingError::Io { path, cause })
    }

    fn replace(&self, path: &Path, text: &str) -> io::Result<()> {
        let beside = self.dir.join("clock.new");
        let mut file = File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(self.dir)?.sync_all()
    }
}

fn render(ceiling: Millis) -> String {
    let head = format!("roster-clock 1 {ceiling}");
    format!("{head} {:08x}\n", crc32fast::hash(head.as_bytes()))
}

fn parse(text: &str) -> Option<Millis> {
    let (head, crc) = text.trim_end().rsplit_once(' ')?;
    let ceiling = head.strip_prefix("roster-clock 1 ")?.parse().ok()?;
    (u32::from_str_radix(crc, 16) == Ok(crc32fast::hash(head.as_bytes()))).then_some(ceiling)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_is_loaded() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = CeilingFile::new(dir.path());
        assert_eq!(file.load().expect("none yet"), 0);
        file.store(1_760_000_000_000).expect("stores");
        file.store(1_760_000_010_000).expect("stores again");
        assert_eq!(file.load().expect("loads"), 1_760_000_010_000);
    }

    #[test]
    fn damage_is_noticed() {
        let dir = tempfile::tempdir().expect("a directory");
        for text in ["", "roster-clock 1 17 00000000\n", "roster-clock 2 17 0\n", "\u{0}\u{0}\u{0}"] {
            fs::write(dir.path().join("clock"), text).expect("writes");
            assert!(matches!(CeilingFile::new(dir.path()).load(), Err(CeilingError::Damaged { .. })), "{text:?}");
        }
    }

    #[test]
    fn the_first_format_reads_for_ever() {
        assert_eq!(parse("roster-clock 1 1760000000000 e6d78ec1\n"), Some(1_760_000_000_000));
    }
}
