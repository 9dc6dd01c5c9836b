//! The file that keeps stamps from being repeated after a restart.
//!
//! One line: `roster-clock 1 <milliseconds> <crc32 of what stands before>`. Written beside and renamed, so that a crash
//! leaves the old or the new one.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{model::Millis, runtime::durable};

const NAME: &str = "clock";

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
        self.dir.join(NAME)
    }

    /// What an earlier run stored; 0 when there was none.
    pub(super) fn load(&self) -> Result<Millis, CeilingError> {
        let path = self.path();
        match durable::read(&path) {
            Ok(Some(line)) => parse(&line).ok_or(CeilingError::Damaged { path }),
            Ok(None) => Ok(0),
            Err(cause) => Err(CeilingError::Io { path, cause }),
        }
    }

    /// Stores a ceiling; it is on disk when this returns.
    pub(super) fn store(&self, ceiling: Millis) -> Result<(), CeilingError> {
        durable::replace(self.dir, NAME, |file| file.write_all(render(ceiling).as_bytes()))
            .map_err(|cause| CeilingError::Io { path: self.path(), cause })
    }
}

fn render(ceiling: Millis) -> String {
    durable::seal(&format!("roster-clock 1 {ceiling}"))
}

fn parse(line: &[u8]) -> Option<Millis> {
    durable::unseal(line)?.strip_prefix("roster-clock 1 ")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

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
        assert_eq!(parse(b"roster-clock 1 1760000000000 e6d78ec1\n"), Some(1_760_000_000_000));
    }
}
