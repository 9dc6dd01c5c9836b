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
///
/// It runs on by ticks where the wall clock stands behind it: so it follows the fastest clock of a cluster, whose time comes
/// with the messages of its node, also when that node is gone. It then runs a thousandth slower, until it meets the wall
/// clock again.
#[derive(Clone, Debug)]
pub struct HybridClock {
    last: Millis,
    /// From where it runs on by ticks.
    base: (Millis, Tick),
    ceiling: Millis,
    given: HybridTime,
}

/// What became of a time that another node told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merged {
    /// This clock is not behind it.
    Followed,
    /// Followed as far as the ceiling allows: one of at least this is needed.
    NeedsCeiling(Millis),
    /// It is too far ahead to be followed.
    Skewed,
}

impl HybridClock {
    /// Milliseconds below the ceiling that are for stamps: changes of one service that readers see within a moment.
    const ROOM: Millis = 2_000;

    /// A clock that starts at `tick` above `stored`, the ceiling an earlier run left on disk.
    pub fn above(stored: Millis, tick: Tick) -> Self {
        let first = stored.saturating_add(1);
        Self { last: first, base: (first, tick), ceiling: first, given: HybridTime::default() }
    }

    /// The hybrid time at a moment.
    pub fn now(&mut self, now: Now) -> Millis {
        let run_on = self.run_on(now).min(self.reach());
        self.last = self.last.max(run_on);
        if now.wall >= self.last {
            self.last = now.wall;
            self.base = (now.wall, now.tick);
        }
        self.last
    }

    /// Where ticks have brought the clock, if the ceiling allowed it.
    pub fn run_on(&self, now: Now) -> Millis {
        let (from, since) = self.base;
        let elapsed = now.tick.since(since);
        from + elapsed - elapsed / 1_000
    }

    /// How far the clock goes without the wall clock: stamps must find room above it.
    fn reach(&self) -> Millis {
        self.ceiling.saturating_sub(Self::ROOM)
    }

    /// Follows the time that another node told at a moment, unless that is more than `skew` ahead of this clock.
    pub fn merge(&mut self, now: Now, told: Millis, skew: Millis) -> Merged {
        let here = self.now(now);
        if told <= here {
            return Merged::Followed;
        }
        if told > here.saturating_add(skew) {
            return Merged::Skewed;
        }
        self.last = here.max(told.min(self.reach()));
        self.base = (self.last, now.tick);
        if told > self.reach() { Merged::NeedsCeiling(told) } else { Merged::Followed }
    }

    /// A stamp at a moment, not below `floor` unless that would pass the ceiling.
    ///
    /// Only a service that changes and is read thousands of times a second for seconds on end runs that far ahead of the
    /// clock; it then repeats a stamp rather than use one that a restart could repeat.
    pub fn stamp(&mut self, now: Now, floor: Millis) -> Millis {
        let here = self.now(now);
        // After a pause the wall clock may be past the ceiling, which is about to follow it.
        let most = if here > self.ceiling { here + Self::ROOM } else { self.ceiling };
        here.max(floor.min(most))
    }

    /// A time that was not given before and is later than `above`.
    pub fn give(&mut self, now: Now, above: HybridTime) -> HybridTime {
        self.given = HybridTime::at(self.now(now)).max(self.given.next()).max(above.next());
        self.given
    }

    /// Allows stamps up to `ceiling`, which is on disk by now.
    pub fn raise_ceiling(&mut self, ceiling: Millis) {
        self.ceiling = self.ceiling.max(ceiling);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(tick: u64, wall: Millis) -> Now {
        Now { tick: Tick(tick), wall }
    }

    #[test]
    fn never_goes_back_when_the_wall_clock_does_and_runs_on_by_ticks() {
        let mut clock = HybridClock::above(0, Tick(0));
        clock.raise_ceiling(100_000);
        assert_eq!(clock.now(at(0, 5_000)), 5_000);
        assert_eq!(clock.now(at(0, 1_000)), 5_000);
        assert_eq!(clock.now(at(2_000, 3_000)), 6_998, "a thousandth slower");
        assert_eq!(clock.now(at(2_001, 7_500)), 7_500);
    }

    #[test]
    fn follows_a_faster_clock_also_when_it_is_gone() {
        let mut clock = HybridClock::above(0, Tick(0));
        clock.raise_ceiling(40_000);
        clock.now(at(0, 5_000));
        assert_eq!(clock.merge(at(10, 5_010), 35_000, 60_000), Merged::Followed);
        assert!(clock.now(at(1_010, 6_010)) >= 35_999);
        assert_eq!(clock.merge(at(1_010, 6_010), 99_000, 60_000), Merged::Skewed);
        assert_eq!(clock.merge(at(1_010, 6_010), 50_000, 60_000), Merged::NeedsCeiling(50_000));
        assert_eq!(clock.now(at(1_010, 6_010)), 38_000);
    }

    #[test]
    fn a_restart_begins_above_everything_stamped_before() {
        let mut before = HybridClock::above(0, Tick(0));
        before.raise_ceiling(20_000);
        let stamped = before.stamp(at(0, 10_000), 19_999);
        let mut after = HybridClock::above(20_000, Tick(0));
        assert!(after.stamp(at(0, 3_000), 0) > stamped);
    }

    #[test]
    fn a_stamp_runs_ahead_of_the_wall_clock_only_to_the_ceiling() {
        let mut clock = HybridClock::above(0, Tick(0));
        clock.raise_ceiling(1_010);
        assert_eq!(clock.stamp(at(0, 1_000), 1_005), 1_005);
        assert_eq!(clock.stamp(at(0, 1_000), 9_999), 1_010);
        assert_eq!(clock.now(at(0, 1_000)), 1_000, "running ahead is not remembered as physical time");
    }

    #[test]
    fn times_are_given_once() {
        let mut clock = HybridClock::above(0, Tick(0));
        let first = clock.give(at(0, 1_000), HybridTime::default());
        let second = clock.give(at(0, 1_000), HybridTime::default());
        assert!(first < second && second.millis() == 1_000);
        assert!(clock.give(at(0, 1_000), HybridTime::at(3_000)) > HybridTime::at(3_000));
    }

    #[test]
    fn ticks_do_not_wrap() {
        assert_eq!(Tick(u64::MAX) + 1, Tick(u64::MAX));
        assert_eq!(Tick(3).since(Tick(7)), 0);
    }
}
