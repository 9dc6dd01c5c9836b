//! What becomes of a push that failed.
//!
//! A stream tells whether it delivers, so its client is tried until it answers or is gone. Nobody tells whether a datagram
//! arrived, many clients cannot be reached at all, and all of them ask again by themselves: they get one more try.

use crate::{
    model::{Millis, limits},
    push::{PushNo, Settings},
};

/// How a subscriber is reached, and what failed since it last answered.
#[derive(Debug)]
pub(super) enum Retry {
    /// By its stream.
    Stream {
        /// Failures in a row.
        failures: u8,
    },
    /// By datagrams.
    Datagram {
        /// The content that failed once.
        failed: Option<u64>,
    },
}

impl Retry {
    pub(super) fn stream() -> Self {
        Self::Stream { failures: 0 }
    }

    pub(super) fn datagram() -> Self {
        Self::Datagram { failed: None }
    }

    pub(super) fn is_datagram(&self) -> bool {
        matches!(self, Self::Datagram { .. })
    }

    /// How long an ack may take.
    pub(super) fn ack_timeout(&self, settings: &Settings) -> Millis {
        match self {
            Self::Stream { .. } => settings.ack_timeout,
            Self::Datagram { .. } => limits::DATAGRAM_ACK_MILLIS,
        }
    }

    /// The subscriber answered.
    pub(super) fn succeed(&mut self) {
        match self {
            Self::Stream { failures } => *failures = 0,
            Self::Datagram { failed } => *failed = None,
        }
    }

    /// What is sent from now on is news, whatever failed before. A stream that failed stays suspect.
    pub(super) fn begin_anew(&mut self) {
        if let Self::Datagram { failed } = self {
            *failed = None;
        }
    }

    /// A push failed. Returns the pause before the next try, none to give up.
    ///
    /// On a stream it doubles, with up to a quarter of jitter taken from the push's number, so that subscribers that failed
    /// together do not come back together. A datagram has been silent for long enough.
    pub(super) fn fail(&mut self, settings: &Settings, number: PushNo, fingerprint: u64) -> Option<Millis> {
        match self {
            Self::Stream { failures } => {
                let pause = settings.retry.saturating_mul(1 << (*failures).min(16)).min(settings.retry_max);
                *failures = failures.saturating_add(1);
                let spread = number.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
                Some(pause + spread % (pause / 4 + 1))
            }
            Self::Datagram { failed } => {
                let again = failed.take() == Some(fingerprint);
                if again {
                    return None;
                }
                *failed = Some(fingerprint);
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings::DEFAULT;

    #[test]
    fn pauses_of_a_stream_double_to_their_limit_and_start_over_after_an_ack() {
        let mut retry = Retry::stream();
        for expected in [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            let pause = retry.fail(&SETTINGS, PushNo(7), 1).expect("never given up");
            assert!((expected..=expected + expected / 4).contains(&pause), "{pause} for {expected}");
        }
        for _ in 0..1_000 {
            assert!(retry.fail(&SETTINGS, PushNo(7), 1).is_some_and(|pause| pause <= 37_500));
        }
        retry.succeed();
        assert!(retry.fail(&SETTINGS, PushNo(7), 1).is_some_and(|pause| pause <= 1_250));
    }

    #[test]
    fn content_goes_by_datagram_twice_at_most() {
        let mut retry = Retry::datagram();
        let mut fail = |fingerprint| retry.fail(&SETTINGS, PushNo(7), fingerprint);
        assert_eq!((fail(1), fail(1)), (Some(0), None));
        assert_eq!((fail(1), fail(2), fail(2)), (Some(0), Some(0), None), "other content has a try of its own");
        assert_eq!(fail(3), Some(0));
        retry.begin_anew();
        assert_eq!(retry.fail(&SETTINGS, PushNo(7), 3), Some(0));
        retry.succeed();
        assert_eq!(retry.fail(&SETTINGS, PushNo(7), 3), Some(0));
    }
}
