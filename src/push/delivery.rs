//! How far one subscription is.

use crate::{
    model::{Millis, Tick},
    push::{PushNo, Settings, pace::Burst, retry::Retry},
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
#[derive(Debug)]
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
    pub(super) retry: Retry,
}

impl Delivery {
    pub(super) fn new(retry: Retry) -> Self {
        Self { in_flight: None, pending: None, stamp: 0, last: None, seen: None, retry }
    }

    pub(super) fn has_seen(&self, fingerprint: u64) -> bool {
        self.seen == Some(fingerprint)
    }

    pub(super) fn acknowledge(&mut self, fingerprint: u64) {
        self.seen = Some(fingerprint);
        self.retry.succeed();
    }

    pub(super) fn forget_content(&mut self) {
        self.retry.begin_anew();
        self.seen = None;
        self.pending = None;
    }

    pub(super) fn keep_pending(&mut self, burst: Burst) {
        match &mut self.pending {
            Some(pending) => pending.merge(burst),
            None => self.pending = Some(burst),
        }
    }

    /// Takes note that a push failed. Returns the pause before the next try, none to give up.
    pub(super) fn fail(&mut self, settings: &Settings, landed: &InFlight) -> Option<Millis> {
        // What the client has is unknown now: the push may have been applied and its ack lost.
        self.seen = None;
        self.retry.fail(settings, landed.number, landed.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_forgets_what_was_seen() {
        let mut delivery = Delivery::new(Retry::stream());
        delivery.acknowledge(1);
        assert!(delivery.has_seen(1));
        let landed = InFlight { number: PushNo(1), fingerprint: 2, since: Tick(0) };
        assert!(delivery.fail(&Settings::DEFAULT, &landed).is_some());
        assert!(!delivery.has_seen(1), "the refused push may have arrived all the same");
    }
}
