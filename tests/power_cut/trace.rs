//! What the writer did to its files, and what of it a power cut leaves.
//!
//! Names are durable at once. Of each file all synced bytes stay; of what was written since, each page of 4 KiB stays or
//! not, and so does the size.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::chance::Chance;

const PAGE: usize = 4_096;
const CREATE: u64 = 0o100;
const TRUNCATE: u64 = 0o1000;

pub enum Step<'a> {
    Open { handle: u64, flags: u64, path: &'a str },
    Write { handle: u64, at: usize, bytes: &'a [u8] },
    Truncate { handle: u64, length: usize },
    Sync { handle: u64, data_only: bool },
    Rename { from: &'a str, to: &'a str },
    Unlink { path: &'a str },
}

pub fn parse(mut trace: &[u8]) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    while let Some((head, rest)) = trace.split_first_chunk::<21>() {
        let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("8 bytes"));
        let length = u32::from_le_bytes(head[17..].try_into().expect("4 bytes")) as usize;
        let (data, after) = rest.split_at(length);
        let text = || std::str::from_utf8(data).expect("a path");
        let (handle, value) = (number(1), number(9));
        steps.push(match head[0] {
            1 => Step::Open { handle, flags: value, path: text() },
            2 => Step::Write { handle, at: value as usize, bytes: data },
            3 => Step::Truncate { handle, length: value as usize },
            4 => Step::Sync { handle, data_only: false },
            5 => Step::Sync { handle, data_only: true },
            6 => {
                let (from, to) = text().split_at(handle as usize);
                Step::Rename { from, to }
            }
            7 => Step::Unlink { path: text() },
            other => panic!("a step of kind {other}"),
        });
        trace = after;
    }
    steps
}

#[derive(Default)]
struct Content {
    now: Vec<u8>,
    synced: Vec<u8>,
    dirty: BTreeSet<usize>,
}

impl Content {
    fn resize(&mut self, length: usize) {
        let (low, high) = (self.now.len().min(length), self.now.len().max(length));
        self.dirty.extend(low / PAGE..high.div_ceil(PAGE));
        self.now.resize(length, 0);
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        if self.now.len() < at + bytes.len() {
            self.resize(at + bytes.len());
        }
        self.now[at..at + bytes.len()].copy_from_slice(bytes);
        self.dirty.extend(at / PAGE..(at + bytes.len()).div_ceil(PAGE));
    }

    fn sync(&mut self) {
        self.synced.resize(self.now.len(), 0);
        for page in std::mem::take(&mut self.dirty) {
            let (from, to) = (page * PAGE, self.now.len().min((page + 1) * PAGE));
            if from < to {
                self.synced[from..to].copy_from_slice(&self.now[from..to]);
            }
        }
    }

    fn after_cut(&self, chance: &mut Chance) -> Vec<u8> {
        let mut left = self.synced.clone();
        if self.now.len() != self.synced.len() && chance.one_in(2) {
            left.resize(self.now.len(), 0);
        }
        for page in self.dirty.iter().filter(|_| chance.one_in(2)) {
            let (from, to) = (page * PAGE, left.len().min(self.now.len()).min((page + 1) * PAGE));
            if from < to {
                left[from..to].copy_from_slice(&self.now[from..to]);
            }
        }
        left
    }
}

/// The files as they are at a point of the trace.
#[derive(Default)]
pub struct Files {
    contents: Vec<Content>,
    names: BTreeMap<String, usize>,
    handles: BTreeMap<u64, usize>,
}

impl Files {
    /// Does one step. Whether a sync of data alone is one is up to the caller.
    pub fn step(&mut self, step: &Step<'_>, data_syncs: bool) {
        match step {
            Step::Open { handle, flags, path } => {
                // Directories are opened too, to be synced.
                if !self.names.contains_key(*path) && flags & CREATE != 0 {
                    self.names.insert((*path).to_owned(), self.contents.len());
                    self.contents.push(Content::default());
                }
                if let Some(content) = self.names.get(*path) {
                    self.handles.insert(*handle, *content);
                    if flags & TRUNCATE != 0 {
                        self.contents[*content].resize(0);
                    }
                }
            }
            Step::Write { handle, at, bytes } => self.content(*handle).expect("is open").write(*at, bytes),
            Step::Truncate { handle, length } => self.content(*handle).expect("is open").resize(*length),
            Step::Sync { handle, data_only } => {
                if let Some(content) = self.content(*handle).filter(|_| data_syncs || !data_only) {
                    content.sync();
                }
            }
            Step::Rename { from, to } => {
                let below =
                    |path: &str| path == *from || path.strip_prefix(from).is_some_and(|rest| rest.starts_with('/'));
                let moved: Vec<String> = self.names.keys().filter(|path| below(path)).cloned().collect();
                for path in moved {
                    let content = self.names.remove(&path).expect("was there");
                    self.names.insert(format!("{to}{}", &path[from.len()..]), content);
                }
            }
            Step::Unlink { path } => {
                self.names.remove(*path);
            }
        }
    }

    fn content(&mut self, handle: u64) -> Option<&mut Content> {
        self.handles.get(&handle).map(|content| &mut self.contents[*content])
    }

    /// What a file holds now.
    pub fn read(&self, path: &str) -> &[u8] {
        self.names.get(path).map_or(&[], |content| &self.contents[*content].now)
    }

    /// Puts what a power cut at this moment leaves of a directory into another.
    pub fn after_cut(&self, root: &str, image: &Path, chance: &mut Chance) {
        for (path, content) in &self.names {
            let Some(name) = path.strip_prefix(root) else { continue };
            let path = image.join(name.trim_start_matches('/'));
            fs::create_dir_all(path.parent().expect("below the image")).expect("a directory");
            fs::write(path, self.contents[*content].after_cut(chance)).expect("writes");
        }
    }
}
