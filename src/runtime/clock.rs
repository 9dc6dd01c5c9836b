//! The only clock of the process that the core gets to see.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::model::{Now, Tick};

/// Reads monotonic and wall time, and sleeps until a tick. Tests that pause tokio's time pause this clock's ticks.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    wall: fn() -> SystemTime,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// The clock of this machine.
    pub fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the clock the rule points to")]
        Self::with_wall(SystemTime::now)
    }

    /// A clock that hangs on another wall.
    pub fn with_wall(wall: fn() -> SystemTime) -> Self {
        Self { start: Instant::now(), wall }
    }

    /// The moment.
    pub fn now(&self) -> Now {
        let wall = (self.wall)().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { tick: self.tick(), wall: wall.as_millis() as u64 }
    }

    /// Monotonic time alone.
    pub fn tick(&self) -> Tick {
        Tick(self.start.elapsed().as_millis() as u64)
    }

    /// Completes at `tick`; never when there is none.
    pub async fn sleep_until(&self, tick: Option<Tick>) {
        match tick {
            Some(tick) => tokio::time::sleep_until(self.start + Duration::from_millis(tick.0)).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An instance's metadata can put its deadline there.
    #[tokio::test]
    async fn the_end_of_time_can_be_waited_for() {
        let clock = Clock::new();
        let slept = tokio::time::timeout(Duration::from_millis(20), clock.sleep_until(Some(Tick(u64::MAX)))).await;
        assert!(slept.is_err(), "and does not come soon");
    }
}
