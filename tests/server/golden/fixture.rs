//! The recordings: of real servers with official clients, and of the same servers with hand-made requests.
//!
//! They are as they were recorded, but for one body of each table of hand-made requests: a bare `NaN`, which is no JSON, is
//! a text here like all other bodies that are none.

use std::{fs, path::PathBuf};

use serde_json::Value;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/server/recordings")
}

/// The lines of one file.
pub fn lines(name: &str) -> Vec<Value> {
    let path = directory().join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|fault| panic!("{name}: {fault}"))).collect()
}

/// The names of all recordings of SDKs, `<server>-<client>/<scenario>.jsonl`, in order.
pub fn recordings() -> Vec<String> {
    let entries = |path: PathBuf| {
        let read = fs::read_dir(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        read.map(|entry| entry.expect("a directory entry").path()).collect::<Vec<_>>()
    };
    let files = entries(directory()).into_iter().filter(|path| path.is_dir()).flat_map(entries);
    let mut names: Vec<String> = files
        .map(|path| path.strip_prefix(directory()).expect("below it").to_str().expect("a plain name").to_owned())
        .collect();
    names.sort();
    assert!(names.len() > 60, "the recordings are there");
    names
}

/// The text at `pointer`, empty when there is none.
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The bytes a recorded body was: JSON, or a text where it was none.
pub fn body_text(body: &Value) -> String {
    match body {
        Value::String(malformed) => malformed.clone(),
        json => json.to_string(),
    }
}
