//! How long changes of one service wait for each other.
//!
//! A change of a quiet service never waits. Under a storm (a thousand clients redo at once into few services with many
//! subscribers) every window would send all of a growing list to everybody; so while a service keeps changing and what it
//! costs in a window exceeds a budget, its window doubles as often as needed, up to a limit, and the push leaves as
//! soon as one plain window passes without a change.

use crate::{
    model::{Millis, Tick},
    push::Settings,
    task::Task,
};

/// Changes of one service that will leave as one push.
#[derive(Clone, Copy, Debug)]
pub(super) struct Burst {
    first: Tick,
    last: Tick,
    changes: u64,
}

impl Task for Burst {
    fn merge(&mut self, later: Self) {
        self.first = self.first.min(later.first);
        self.last = self.last.max(later.last);
        self.changes = self.changes.saturating_add(later.changes);
    }
}

impl Burst {
    pub(super) fn at(now: Tick) -> Self {
        Self { first: now, last: now, changes: 1 }
    }

    /// When the first of the changes happened.
    pub(super) fn since(&self) -> Tick {
        self.first
    }

    /// Until when a push that would cost `cost` bytes should wait for more changes; none to let it leave now.
    pub(super) fn postpone(&self, now: Tick, cost: u64, settings: &Settings) -> Option<Tick> {
        let waited = now.since(self.first);
        let quiet = now.since(self.last) >= settings.window;
        if self.changes <= 1 || quiet {
            return None;
        }
        let window = self.wanted_window(waited, cost, settings);
        (waited < window).then(|| now + settings.window.min(window - waited).max(1))
    }

    fn wanted_window(&self, waited: Millis, cost: u64, settings: &Settings) -> Millis {
        let windows = (waited / settings.window.max(1)).max(1);
        let mut pressure = cost.saturating_mul(self.changes) / windows;
        let mut window = settings.window;
        while pressure > settings.storm_bytes && window < settings.window_max {
            window = window.saturating_mul(2).max(1);
            pressure /= 2;
        }
        window.min(settings.window_max.max(settings.window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        window: 100,
        window_max: 1_000,
        storm_bytes: 256 * 1024,
        ack_timeout: 5_000,
        retry: 1_000,
        retry_max: 30_000,
    };

    fn burst(first: u64, last: u64, changes: u64) -> Burst {
        Burst { first: Tick(first), last: Tick(last), changes }
    }

    #[test]
    fn a_single_change_never_waits_whatever_it_costs() {
        assert_eq!(Burst::at(Tick(5)).postpone(Tick(5), u64::MAX, &SETTINGS), None);
    }

    #[test]
    fn a_cheap_burst_leaves_after_one_window() {
        assert_eq!(burst(0, 90, 50).postpone(Tick(100), 1_000, &SETTINGS), None);
    }

    #[test]
    fn a_costly_burst_waits_at_most_the_limit() {
        let mut now = 100;
        while let Some(later) = burst(0, now, now).postpone(Tick(now), 10_000_000, &SETTINGS) {
            assert!(later > Tick(now) && later <= Tick(1_000));
            now = later.0;
        }
        assert_eq!(now, 1_000);
    }

    #[test]
    fn one_quiet_window_ends_the_wait() {
        assert!(burst(0, 290, 100).postpone(Tick(300), 10_000_000, &SETTINGS).is_some());
        assert_eq!(burst(0, 290, 100).postpone(Tick(390), 10_000_000, &SETTINGS), None);
    }

    #[test]
    fn a_window_of_zero_pushes_every_change() {
        let settings = Settings { window: 0, window_max: 0, ..SETTINGS };
        assert_eq!(burst(0, 5, 10).postpone(Tick(5), u64::MAX, &settings), None);
    }
}
