//! Which idle connections to probe, which silent ones to expel (Nacos `NacosRuntimeConnectionEjector`).
//!
//! Each connection is judged by its own answer alone: in the reference the last one to answer a scan may be expelled in
//! spite of its answer (semantics.md W12).

use crate::model::{Millis, Tick};

/// The times of detection.
#[derive(Clone, Copy, Debug)]
pub struct Liveness {
    /// Pause between scans.
    pub scan: Millis,
    /// Silence after which a client is probed.
    pub idle: Millis,
    /// How long it may take to show life then.
    pub probe_timeout: Millis,
}

/// What to do about one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It showed life lately.
    Alive,
    /// Ask it.
    Probe,
    /// It was asked; judge again then.
    Wait(Tick),
    /// It was asked and stayed silent.
    Expel,
}

/// Judges a connection that last showed life at `last_active` and was probed at `probed`, if it was.
pub(super) fn judge(now: Tick, last_active: Tick, probed: Option<Tick>, times: &Liveness) -> Verdict {
    match probed.filter(|probed| last_active < *probed) {
        Some(probed) if now >= probed + times.probe_timeout => Verdict::Expel,
        Some(probed) => Verdict::Wait(probed + times.probe_timeout),
        None if now.since(last_active) >= times.idle => Verdict::Probe,
        None => Verdict::Alive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Liveness = Liveness { scan: 3_000, idle: 20_000, probe_timeout: 5_000 };

    #[test]
    fn a_silent_client_is_probed_and_then_expelled() {
        assert_eq!(judge(Tick(19_999), Tick(0), None, &TIMES), Verdict::Alive);
        assert_eq!(judge(Tick(20_000), Tick(0), None, &TIMES), Verdict::Probe);
        assert_eq!(judge(Tick(24_999), Tick(0), Some(Tick(20_000)), &TIMES), Verdict::Wait(Tick(25_000)));
        assert_eq!(judge(Tick(25_000), Tick(0), Some(Tick(20_000)), &TIMES), Verdict::Expel);
    }

    #[test]
    fn any_sign_of_life_after_the_probe_counts() {
        assert_eq!(judge(Tick(60_000), Tick(55_000), Some(Tick(20_000)), &TIMES), Verdict::Alive);
        assert_eq!(
            judge(Tick(25_000), Tick(20_000), Some(Tick(20_000)), &TIMES),
            Verdict::Alive,
            "answered in the same ms"
        );
        assert_eq!(judge(Tick(45_000), Tick(21_000), Some(Tick(20_000)), &TIMES), Verdict::Probe, "silent again");
    }
}
