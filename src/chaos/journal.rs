//! All that is told of a run, with the time since its start. What is written down is never taken back.

use std::time::Duration;

use clap::ValueEnum;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

use super::fault::Kind;

/// The first few of a kind show what is going on; a broken promise is often broken a thousand times.
const KEPT: usize = 20;

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Promise {
    /// Callers' histories of persistent instances are linearizable, each acknowledged write being there at the end.
    Linearizable,
    /// After healing, all nodes list what live clients hold, and the agreed state is one.
    OneView,
    /// No list lacks an instance whose client held on to it.
    NothingVanishes,
    /// Over one connection, an instance never goes back to an older version.
    NeverBack,
    /// Each subscriber ends on the final lists.
    FinalPush,
    /// Memory and descriptors of nodes stay bounded.
    Bounded,
    /// No node ends by itself, panics, or logs an error that no fault explains.
    Healthy,
    /// Each fault that was asked for happened.
    Covered,
}

/// A fault that was injected. Times are seconds since the start.
#[derive(Clone, Debug, Serialize)]
pub struct Injected {
    pub kind: Kind,
    pub from: f64,
    /// When the cluster was whole again as far as this fault goes.
    pub until: f64,
    /// Whom it met.
    pub target: String,
    /// By what it is known that it happened; none when it did not.
    pub evidence: Option<String>,
}

/// How things stood at one moment.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Sample {
    pub at: f64,
    /// Nodes that said they take clients.
    pub ready: usize,
    /// Persistent writes and reads that were answered since the sample before, and those that failed.
    pub agreed: u64,
    pub failed: u64,
    /// Age of the oldest acknowledged change that not all connected subscribers were told of, in milliseconds.
    pub lag: u64,
    /// Longest way of a change to a subscriber since the sample before, in milliseconds.
    pub push: u64,
    /// Resident memory and open descriptors of the largest node.
    pub resident: u64,
    pub descriptors: usize,
}

/// A promise that was not kept.
#[derive(Clone, Debug)]
pub struct Broken {
    pub promise: Promise,
    /// Seconds since the start.
    pub at: f64,
    pub what: String,
}

/// All that was written down.
#[derive(Clone, Default)]
pub struct Pages {
    /// By their start.
    pub injected: Vec<Injected>,
    pub broken: Vec<Broken>,
    pub samples: Vec<Sample>,
}

pub struct Journal {
    began: Instant,
    pages: Mutex<Pages>,
}

impl Journal {
    pub fn begin() -> Self {
        Self { began: Instant::now(), pages: Mutex::default() }
    }

    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    pub fn seconds(&self) -> f64 {
        (self.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0
    }

    pub fn millis(&self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub fn injected(&self, injected: Injected) {
        self.pages.lock().injected.push(injected);
    }

    /// Somebody broke a promise.
    pub fn broke(&self, promise: Promise, what: String) {
        let at = self.seconds();
        let mut pages = self.pages.lock();
        if pages.broken.iter().filter(|known| known.promise == promise).count() < KEPT {
            pages.broken.push(Broken { promise, at, what });
        }
    }

    pub fn sample(&self, sample: Sample) {
        self.pages.lock().samples.push(sample);
    }

    /// As it is now.
    pub fn read(&self) -> Pages {
        let mut pages = self.pages.lock().clone();
        pages.injected.sort_by(|a, b| a.from.total_cmp(&b.from));
        pages
    }
}
