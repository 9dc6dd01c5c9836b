//! Libraries that a test puts before the C library of the processes it starts.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Builds a library from one file of this directory or a test's, below `tests`, and puts it into a directory.
pub fn built(source: &str, dir: &Path) -> PathBuf {
    let (source, library) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(source), dir.join("shim.so"));
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let built = Command::new(rustc)
        .args(["--edition", "2024", "--cap-lints", "allow", "--crate-type", "cdylib", "-C", "panic=abort", "-o"])
        .args([&library, &source])
        .status();
    assert!(built.expect("rustc is there").success());
    library
}
