//! Pushes that wait to be sent.

use std::collections::BTreeMap;

use crate::push::{Push, PushNo};

/// Waiting pushes in the order of their numbers: one of each subscription, the newest, and no more than a budget.
#[derive(Debug, Default)]
pub struct Backlog {
    pushes: BTreeMap<PushNo, Push>,
    bytes: usize,
}

/// There is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Backlog {
    /// Adds a push, in place of the one it supersedes if that waits still. All lists together take `budget` bytes at most,
    /// but a single one always passes.
    pub fn add(&mut self, push: Push, budget: usize) -> Result<(), Full> {
        if let Some(stale) = push.supersedes.and_then(|number| self.pushes.remove(&number)) {
            self.bytes -= stale.hosts.len();
        }
        if self.bytes + push.hosts.len() > budget && !self.pushes.is_empty() {
            return Err(Full);
        }
        self.bytes += push.hosts.len();
        self.pushes.insert(push.number, push);
        Ok(())
    }

    /// Takes the oldest one.
    pub fn take(&mut self) -> Option<Push> {
        let (_, push) = self.pushes.pop_first()?;
        self.bytes -= push.hosts.len();
        Some(push)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.pushes.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.pushes.is_empty()
    }

    /// Drops all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
