//! A library before the C library of each node, by which disks break and clocks jump while the node runs.
//!
//! Its source is part of this program and is built where it is needed, by `rustc`; without that these faults cannot be done.
//! Tests break disks with it too, and build libraries of their own around `shim/real.rs`.
//! What is to go wrong stands in a page of memory that node and chaos share, so that asking for it costs nothing.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

const SOURCES: [(&str, &str); 2] =
    [("shim.rs", include_str!("shim/source.rs")), ("real.rs", include_str!("shim/real.rs"))];
/// Names of the variables by which the library is told its page, and below which directory the disk breaks.
const PAGE: &str = "CHAOS_PAGE";
const ROOT: &str = "CHAOS_ROOT";

/// What goes wrong in a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Nothing any more.
    Nothing,
    /// What would take space is refused.
    Full,
    /// What was written cannot be made durable.
    Sync,
    /// The time of day is so many seconds off.
    Clock(i64),
}

/// The library, if it can be built here, in a directory.
pub fn build(dir: &Path) -> Result<PathBuf> {
    for (name, text) in SOURCES {
        fs::write(dir.join(name), text)?;
    }
    compile(&dir.join("shim.rs"), dir)
}

/// Builds a library that stands before the C library and puts it into a directory.
pub fn compile(source: &Path, dir: &Path) -> Result<PathBuf> {
    let library = dir.join("shim.so");
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let built = Command::new(&rustc)
        .args(["--edition", "2024", "--cap-lints", "allow", "--crate-type", "cdylib", "-C", "panic=abort", "-o"])
        .arg(&library)
        .arg(source)
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
    /// Nothing goes wrong yet; the disk is to break below `root` only.
    pub fn new(library: &Path, page: PathBuf, root: PathBuf) -> Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&page)?;
        file.write_all_at(&[0; 24], 0)?;
        Ok(Self { library: library.to_owned(), page, file, root })
    }

    /// Has a process begin with it.
    pub fn put_before(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env(PAGE, &self.page).env(ROOT, &self.root);
    }

    /// Has this go wrong from now on, and nothing else.
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
