//! What went wrong and what arrived, counted apart: calls that failed, replies that were wrong, pushes that never
//! came. Promises that nothing counted is ever taken back. Never decides what counts as which; callers do.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use parking_lot::Mutex;

/// The first few texts are enough to see what is going on; a server that is down would give millions.
const NOTES_KEPT: usize = 8;

/// Why a call did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No reply, or a reply that refuses.
    #[error("{0}")]
    Failed(String),
    /// A reply over HTTP with a status that refuses.
    #[error("{status}: {text}")]
    Refused { status: u16, text: String },
    /// A reply that claims success and is not what the state demands.
    #[error("{0}")]
    Wrong(String),
}

#[derive(Debug, Default)]
pub struct Tally {
    errors: AtomicU64,
    wrong: AtomicU64,
    lost: AtomicU64,
    replies: AtomicU64,
    reply_bytes: AtomicU64,
    pushes: AtomicU64,
    push_bytes: AtomicU64,
    /// By status.
    refused: Mutex<BTreeMap<u16, u64>>,
    notes: Mutex<Vec<String>>,
}

/// The counters at one moment; the difference of two is what happened between them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub replies: u64,
    pub reply_bytes: u64,
    pub pushes: u64,
    pub push_bytes: u64,
}

impl Counts {
    pub fn since(self, earlier: Self) -> Self {
        Self {
            replies: self.replies - earlier.replies,
            reply_bytes: self.reply_bytes - earlier.reply_bytes,
            pushes: self.pushes - earlier.pushes,
            push_bytes: self.push_bytes - earlier.push_bytes,
        }
    }
}

impl Tally {
    pub fn fault(&self, fault: &Fault) {
        match fault {
            Fault::Failed(text) => self.error(text),
            Fault::Refused { status, .. } => {
                *self.refused.lock().entry(*status).or_default() += 1;
                self.error(&fault.to_string());
            }
            Fault::Wrong(text) => self.wrong(text),
        }
    }

    pub fn error(&self, text: &str) {
        self.errors.fetch_add(1, Relaxed);
        self.note(text);
    }

    pub fn wrong(&self, text: &str) {
        self.wrong.fetch_add(1, Relaxed);
        self.note(text);
    }

    pub fn lost(&self, text: &str) {
        self.lost.fetch_add(1, Relaxed);
        self.note(text);
    }

    pub fn reply(&self, bytes: usize) {
        self.replies.fetch_add(1, Relaxed);
        self.reply_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub fn push(&self, bytes: usize) {
        self.pushes.fetch_add(1, Relaxed);
        self.push_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub fn counts(&self) -> Counts {
        Counts {
            replies: self.replies.load(Relaxed),
            reply_bytes: self.reply_bytes.load(Relaxed),
            pushes: self.pushes.load(Relaxed),
            push_bytes: self.push_bytes.load(Relaxed),
        }
    }

    /// Errors, wrong answers, lost pushes.
    pub fn failures(&self) -> (u64, u64, u64) {
        (self.errors.load(Relaxed), self.wrong.load(Relaxed), self.lost.load(Relaxed))
    }

    /// Errors that were refusals over HTTP, by status.
    pub fn refusals(&self) -> BTreeMap<u16, u64> {
        self.refused.lock().clone()
    }

    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().clone()
    }

    fn note(&self, text: &str) {
        let mut notes = self.notes.lock();
        if notes.len() < NOTES_KEPT && !notes.iter().any(|known| known == text) {
            notes.push(text.to_owned());
        }
    }
}
