//! How far one subscription is.

use crate::{
    model::{Millis, Tick},
    push::{PushNo, Settings, pace::Burst},
    task::Task,
};

/// A push whose ack is awaited.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) number: PushNo,
    pub(super) fingerprint: u64,
    /// When what it carries first changed.
    pub(super) since: Tick,
}

/// The state of one subscription: at most one push in flight and one pending.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    pub(super) in_flight: Option<InFlight>,
    /// Changes since the push in flight left.
    pub(super) pending: Option<Burst>,
    /// The last stamp the subscriber was sent; the next is greater.
    pub(super) stamp: Millis,
    /// The last push handed out.
    pub(super) last: Option<PushNo>,
    /// The content it acknowledged last.
    seen: Option<u64>,
    failures: u8,
}

impl Delivery {
    pub(super) fn has_seen(&self, fingerprint: u64) -> bool {
        self.seen == Some(fingerprint)
    }

    pub(super) fn acknowledge(&mut self, fingerprint: u64) {
        self.seen = Some(fingerprint);
        self.failures = 0;
    }

    pub(super) fn forget_content(&mut self) {
        self.seen = None;
        self.pending = None;
    }

    pub(super) fn keep_pending(&mut self, burst: Burst) {
        match &mut self.pending {
            Some(pending) => pending.merge(burst),
            None => self.pending = Some(burst),
        }
    }

    /// Counts a failure and returns the pause before the next try: doubling, with up to a quarter of jitter taken from
    /// the push's number, so that subscribers that failed together do not come back together.
    pub(super) fn fail(&mut self, settings: &Settings, number: PushNo) -> Millis {
        // What the client has is unknown now: the push may have been applied and its ack lost.
        self.seen = None;
        let pause = settings.retry.saturating_mul(1 << self.failures.min(16)).min(settings.retry_max);
        self.failures = self.failures.saturating_add(1);
        let spread = number.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        pause + spread % (pause / 4 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        window: 100,
        window_max: 1_000,
        storm_bytes: 1,
        ack_timeout: 5_000,
        retry: 1_000,
        retry_max: 30_000,
    };

    #[test]
    fn pauses_double_to_their_limit_and_start_over_after_an_ack() {
        let mut delivery = Delivery::default();
        for expected in [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            let pause = delivery.fail(&SETTINGS, PushNo(7));
            assert!((expected..=expected + expected / 4).contains(&pause), "{pause} for {expected}");
        }
        for _ in 0..1_000 {
            assert!(delivery.fail(&SETTINGS, PushNo(7)) <= 37_500);
        }
        delivery.acknowledge(1);
        assert!(delivery.fail(&SETTINGS, PushNo(7)) <= 1_250);
    }

    #[test]
    fn a_failure_forgets_what_was_seen() {
        let mut delivery = Delivery::default();
        delivery.acknowledge(1);
        assert!(delivery.has_seen(1));
        delivery.fail(&SETTINGS, PushNo(1));
        assert!(!delivery.has_seen(1), "the refused push may have arrived all the same");
    }
}
