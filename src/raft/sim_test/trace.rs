//! What happens, line by line, with the simulated time of each.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;

/// Copies are the same trace.
#[derive(Clone, Default)]
pub(super) struct Trace(Arc<Mutex<Duration>>);

impl Trace {
    /// This is the time from now on.
    pub(super) fn set_time(&self, now: Duration) {
        *self.0.lock() = now;
    }

    pub(super) fn now(&self) -> Duration {
        *self.0.lock()
    }

    pub(super) fn note(&self, line: &str) {
        println!("{:>6} {line}", self.now().as_millis());
    }
}
