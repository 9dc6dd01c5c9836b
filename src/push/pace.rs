//! How long changes of one service wait for each other.
//!
//! A change of a quiet service never waits. Changes after a push merge for a window, and the window is the longer the
//! more that push cost: a service takes no more than its budget in a plain window, until the limit is reached. Changes
//! that would exceed the budget if each were pushed alone (a thousand clients redo at once into few services with many
//! subscribers) wait until one plain window passes without a change, or for the limit, instead of being sent to all while
//! the list grows.

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
}

/// When a service was last pushed to all, and for how long the changes after that merge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pushed: Tick,
    window: Millis,
}

impl Pace {
    /// The pace after a push to all that cost `cost` bytes.
    pub(super) fn after(now: Tick, cost: u64, settings: &Settings) -> Self {
        let window = settings.window.saturating_mul(cost) / settings.storm_bytes.max(1);
        Self { pushed: now, window: window.min(settings.window_max).max(settings.window) }
    }

    /// When a change at `now` is due.
    pub(super) fn due(&self, now: Tick) -> Tick {
        now.max(self.pushed + self.window)
    }

    /// Until when a push that would cost `cost` bytes should wait for more changes; none to let it leave now.
    pub(super) fn postpone(&self, now: Tick, burst: Burst, cost: u64, settings: &Settings) -> Option<Tick> {
        let was_quiet = burst.first >= self.pushed + self.window;
        if was_quiet || cost.saturating_mul(burst.changes) <= settings.storm_bytes {
            return None;
        }
        let later = (burst.last + settings.window).min(self.pushed + settings.window_max);
        (later > now).then_some(later)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings::DEFAULT;
    const CHEAP: u64 = SETTINGS.storm_bytes;
    const COSTLY: u64 = 100 * SETTINGS.storm_bytes;

    fn burst(first: u64, last: u64) -> Burst {
        Burst { first: Tick(first), last: Tick(last), changes: 1 }
    }

    #[test]
    fn a_service_takes_no_more_than_its_budget_up_to_the_limit() {
        for (cost, window) in [(0, 100), (CHEAP, 100), (2 * CHEAP, 200), (9 * CHEAP, 900), (COSTLY, 1_000)] {
            let pace = Pace::after(Tick(50), cost, &SETTINGS);
            assert_eq!(pace.due(Tick(60)), Tick(50 + window), "after {cost} bytes");
            assert_eq!(pace.due(Tick(5_000)), Tick(5_000), "quiet");
        }
    }

    #[test]
    fn a_change_of_a_quiet_service_never_waits_whatever_it_costs() {
        let pace = Pace::after(Tick(0), 0, &SETTINGS);
        assert_eq!(pace.postpone(Tick(100), burst(100, 100), u64::MAX, &SETTINGS), None);
    }

    #[test]
    fn a_cheap_burst_leaves_after_one_window() {
        let pace = Pace::after(Tick(0), CHEAP, &SETTINGS);
        assert_eq!(pace.postpone(Tick(100), burst(0, 99), CHEAP, &SETTINGS), None);
    }

    #[test]
    fn many_cheap_changes_are_a_storm() {
        let pace = Pace::after(Tick(0), 0, &SETTINGS);
        let many = Burst { changes: 5, ..burst(0, 99) };
        assert_eq!(pace.postpone(Tick(100), many, CHEAP / 5, &SETTINGS), None);
        assert_eq!(pace.postpone(Tick(100), many, CHEAP / 4, &SETTINGS), Some(Tick(199)));
    }

    #[test]
    fn a_costly_burst_waits_at_most_the_limit() {
        let pace = Pace::after(Tick(0), 0, &SETTINGS);
        let mut now = 100;
        while let Some(later) = pace.postpone(Tick(now), burst(1, now), COSTLY, &SETTINGS) {
            assert!(later > Tick(now) && later <= Tick(1_000));
            now = later.0;
        }
        assert_eq!(now, 1_000);
    }

    #[test]
    fn one_quiet_window_ends_the_wait() {
        let pace = Pace::after(Tick(0), 0, &SETTINGS);
        assert_eq!(pace.postpone(Tick(300), burst(1, 290), COSTLY, &SETTINGS), Some(Tick(390)));
        assert_eq!(pace.postpone(Tick(390), burst(1, 290), COSTLY, &SETTINGS), None);
    }

    #[test]
    fn settings_without_room_neither_panic_nor_wait() {
        let settings = Settings { window: 0, window_max: 0, storm_bytes: 0, ..SETTINGS };
        let pace = Pace::after(Tick(5), u64::MAX, &settings);
        assert_eq!(pace.due(Tick(5)), Tick(5));
        assert_eq!(pace.postpone(Tick(5), burst(5, 5), u64::MAX, &settings), None);
    }
}
