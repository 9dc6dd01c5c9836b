//! A library before the C library of each node, by which disks break and clocks jump while the node runs.
//!
//! Its source is part of this program and is built where it is needed, by `rustc`; without that these faults cannot be done.
//! What is to go wrong stands in a page of memory that node and chaos share, so that asking for it costs nothing.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

const SOURCE: &str = include_str!("shim/source.rs");
/// Names of the variables by which the library is told its page, and below which directory the disk breaks.
const PAGE: &str = "CHAOS_PAGE";
const ROOT: &str = "CHAOS_ROOT";

/// What goes wrong in a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    Nothing,
    /// What would take space is refused.
    Full,
    /// What was written cannot be made durable.
    Sync,
    /// The time of day is so many seconds off.
    Clock(i64),
}

/// The library, if it can be built here.
pub fn build(dir: &Path) -> Result<PathBuf> {
    let (source, library) = (dir.join("shim.rs"), dir.join("shim.so"));
    fs::write(&source, SOURCE)?;
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let built = Command::new(&rustc)
        .args(["--edition", "2024", "--cap-lints", "allow", "--crate-type", "cdylib", "-C", "panic=abort", "-o"])
        .args([&library, &source])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{rustc} cannot be run"))?;
    ensure!(built.status.success(), "{rustc}: {}", String::from_utf8_lossy(&built.stderr));
    Ok(library)
}

/// What goes wrong in one node, and the page that says so. Numbers: what, how much, and how often it did.
pub struct Shim {
    library: PathBuf,
    page: PathBuf,
    file: File,
    root: PathBuf,
}

impl Shim {
    pub fn new(library: &Path, page: PathBuf, root: PathBuf) -> Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&page)?;
        file.write_all_at(&[0; 24], 0)?;
        Ok(Self { library: library.to_owned(), page, file, root })
    }

    /// Has a process begin with it.
    pub fn put_before(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env(PAGE, &self.page).env(ROOT, &self.root);
    }

    pub fn set(&self, wrong: Wrong) -> Result<()> {
        let (what, how) = match wrong {
            Wrong::Nothing => (0_i64, 0),
            Wrong::Full => (1, 0),
            Wrong::Sync => (2, 0),
            Wrong::Clock(seconds) => (3, seconds),
        };
        self.file.write_all_at(&how.to_ne_bytes(), 8)?;
        Ok(self.file.write_all_at(&what.to_ne_bytes(), 0)?)
    }

    /// How often anything went wrong so far.
    pub fn times(&self) -> Result<u64> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, 16)?;
        Ok(u64::from_ne_bytes(bytes))
    }
}
