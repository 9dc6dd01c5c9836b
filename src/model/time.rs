//! Time as the core sees it: a monotonic tick for every deadline, and hybrid time for what clients compare.
//!
//! The two are kept apart on purpose. Deadlines must neither freeze when the wall clock is set back nor all fire when it
//! is set forward; stamps must follow the wall clock, because clients compare them across nodes and restarts.

use std::{fmt, ops::Add};

/// A length of time or a point in wall-clock time, in milliseconds.
pub type Millis = u64;

/// A point on the node's monotonic clock, in milliseconds since an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

impl Tick {
    /// Milliseconds from `earlier` to here; zero when `earlier` is later.
    pub fn since(self, earlier: Tick) -> Millis {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Millis> for Tick {
    type Output = Tick;

    fn add(self, millis: Millis) -> Tick {
        Tick(self.0.saturating_add(millis))
    }
}

/// The moment of an input: both clocks, read once by whoever owns them.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Monotonic time, for deadlines.
    pub tick: Tick,
    /// Milliseconds since the Unix epoch, for stamps; may jump either way.
    pub wall: Millis,
}

/// A point in time that a node gives away once: hybrid milliseconds and a count within them.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HybridTime(pub u64);

impl HybridTime {
    /// Bits of the count: a million a millisecond, then the next millisecond is used up early.
    const COUNT: u32 = 20;

    /// The first of a millisecond.
    pub fn at(millis: Millis) -> Self {
        Self(millis << Self::COUNT)
    }

    /// The millisecond it lies in.
    pub fn millis(self) -> Millis {
        self.0 >> Self::COUNT
    }

    /// The next one.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Debug for HybridTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.millis(), self.0 & ((1 << Self::COUNT) - 1))
    }
}

/// Physical milliseconds that never go back, also across a restart.
///
/// `lastRefTime` is made from it: Go and Python clients silently drop a list whose stamp is not larger than the one they
/// hold (`ServiceInfoHolder` of those SDKs). A *ceiling* is stored before stamps near it are used, and the next start
/// begins above the stored one, so a restart with a clock that was set back repeats no stamp.
#[derive(Clone, Debug)]
pub struct HybridClock {
    last: Millis,
    ceiling: Millis,
}

impl HybridClock {
    /// A clock that starts above `stored`, the ceiling an earlier run left on disk.
    pub fn above(stored: Millis) -> Self {
        Self { last: stored.saturating_add(1), ceiling: stored.saturating_add(1) }
    }

    /// The hybrid time at `wall`.
    pub fn now(&mut self, wall: Millis) -> Millis {
        self.last = self.last.max(wall);
        self.last
    }

    /// A stamp at `wall`, not below `floor` unless that would pass the ceiling.
    ///
    /// Only a service that changes and is read thousands of times a second for seconds on end runs that far ahead of the
    /// clock; it then repeats a stamp rather than use one that a restart could repeat.
    pub fn stamp(&mut self, wall: Millis, floor: Millis) -> Millis {
        let ceiling = self.ceiling;
        self.now(wall).max(floor.min(ceiling))
    }

    /// Allows stamps up to `ceiling`, which is on disk by now.
    pub fn raise_ceiling(&mut self, ceiling: Millis) {
        self.ceiling = self.ceiling.max(ceiling);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_goes_back_when_the_wall_clock_does() {
        let mut clock = HybridClock::above(0);
        assert_eq!(clock.now(5_000), 5_000);
        assert_eq!(clock.now(1_000), 5_000);
        assert_eq!(clock.now(6_000), 6_000);
    }

    #[test]
    fn a_restart_begins_above_everything_stamped_before() {
        let mut before = HybridClock::above(0);
        before.raise_ceiling(20_000);
        let stamped = before.stamp(10_000, 19_999);
        let mut after = HybridClock::above(20_000);
        assert!(after.stamp(3_000, 0) > stamped);
    }

    #[test]
    fn a_stamp_runs_ahead_of_the_wall_clock_only_to_the_ceiling() {
        let mut clock = HybridClock::above(0);
        clock.raise_ceiling(1_010);
        assert_eq!(clock.stamp(1_000, 1_005), 1_005);
        assert_eq!(clock.stamp(1_000, 9_999), 1_010);
        assert_eq!(clock.now(1_000), 1_000, "running ahead is not remembered as physical time");
    }

    #[test]
    fn ticks_do_not_wrap() {
        assert_eq!(Tick(u64::MAX) + 1, Tick(u64::MAX));
        assert_eq!(Tick(3).since(Tick(7)), 0);
    }
}
