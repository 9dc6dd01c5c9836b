//! Files that a crash leaves as they were or as they were to become, and lines that tell whether they are damaged.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

/// How names of files end that are not finished.
pub const UNFINISHED: &str = ".new";

/// Replaces a file of a directory by what `write` writes; it is on disk when this returns.
pub fn replace(dir: &Path, name: &str, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let beside = dir.join(format!("{name}{UNFINISHED}"));
    let mut file = File::create(&beside)?;
    write(&mut file)?;
    file.sync_all()?;
    fs::rename(&beside, dir.join(name))?;
    File::open(dir)?.sync_all()
}

/// The bytes of a file; none when it is not there.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut bytes).map(|_| Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A line with the CRC-32 of what it says.
pub fn seal(head: &str) -> String {
    format!("{head} {:08x}\n", crc32fast::hash(head.as_bytes()))
}

/// What a sealed line says; none when it is damaged.
pub fn unseal(line: &[u8]) -> Option<&str> {
    let (head, crc) = std::str::from_utf8(line).ok()?.trim_end().rsplit_once(' ')?;
    (u32::from_str_radix(crc, 16) == Ok(crc32fast::hash(head.as_bytes()))).then_some(head)
}
