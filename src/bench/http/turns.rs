//! Instances that one of several callers publishes in turn, over and over. Promises that no two callers have the same
//! instance, and that each turn has other metadata than the one before, unless it is to be the same.

use std::sync::Arc;

use crate::bench::{http::message::Publication, message::Instance};

const PORT: u16 = 8080;

/// Instance `number` with the metadata of a round. Versions have one length: no run has nine million rounds.
pub fn publication(names: &[String], number: usize, round: u64) -> Publication {
    let instance = Instance::new(number, PORT, 1_000_000 + round);
    Publication { service: names[number % names.len()].clone(), instance }
}

pub struct Turns {
    names: Arc<Vec<String>>,
    first: usize,
    step: usize,
    count: usize,
    next: usize,
    round: u64,
}

impl Turns {
    /// Those of caller number `caller` of `callers`, of `count` instances of the services of these names.
    pub fn new(names: &Arc<Vec<String>>, caller: usize, callers: usize, count: usize) -> Self {
        Self { names: Arc::clone(names), first: caller, step: callers, count, next: caller, round: 0 }
    }

    /// The next one; after the last comes the first, with other metadata if it `changes`.
    pub fn next(&mut self, changes: bool) -> Publication {
        let publication = publication(&self.names, self.next, self.round);
        self.next += self.step;
        if self.next >= self.count {
            self.next = self.first;
            self.round += u64::from(changes);
        }
        publication
    }
}
