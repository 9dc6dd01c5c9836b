//! The brake on mass removal: when much of a service would expire at once, the fault is rather here than with all of it.
//!
//! Owns how much of each service expired lately, and what is held back. Promises: off unless it is set; what clients say
//! themselves (deregistrations, ended connections) is never held back; what is held back goes `limits::BRAKE_MILLIS` later at
//! the latest.

use std::collections::BTreeMap;

use crate::{
    model::{Tick, limits},
    registry::{ClientNo, Registry, ServiceNo},
};

/// The brake.
#[derive(Debug, Default)]
pub(super) struct Brake {
    /// Most of a service, in percent, that may expire within a window; none for no limit.
    share: Option<u8>,
    services: BTreeMap<ServiceNo, Expiring>,
    /// Removals held back so far, each counted once a try.
    pub(super) held: u64,
}

/// What expires of one service.
#[derive(Debug)]
struct Expiring {
    /// When the window began.
    since: Tick,
    /// Instances then.
    before: usize,
    /// Instances that expired within it.
    gone: usize,
    /// Since when removals are held back.
    held_since: Option<Tick>,
}

impl Brake {
    pub(super) fn new(share: Option<u8>) -> Self {
        Self { share, ..Self::default() }
    }

    /// Whether `count` of the `total` instances that a service has may expire now. Says yes for the last time when they
    /// have been held back for as long as that may be.
    pub(super) fn admits(&mut self, now: Tick, service: ServiceNo, total: usize, count: usize) -> bool {
        let Some(share) = self.share else { return true };
        if self.services.len() >= limits::BRAKE_SERVICES {
            self.tidy(now);
        }
        let expiring = self.services.entry(service).or_insert_with(|| Expiring::new(now, total));
        if now.since(expiring.since) >= limits::BRAKE_WINDOW_MILLIS && expiring.held_since.is_none() {
            *expiring = Expiring::new(now, total);
        }
        let too_many = (expiring.gone + count) * 100 > expiring.before * usize::from(share);
        let held_since = too_many.then(|| *expiring.held_since.get_or_insert(now));
        if held_since.is_some_and(|since| now.since(since) < limits::BRAKE_MILLIS) {
            self.held += 1;
            return false;
        }
        expiring.gone += count;
        true
    }

    /// Whether all that a client publishes may expire now.
    pub(super) fn admits_client(&mut self, now: Tick, client: ClientNo, registry: &Registry) -> bool {
        if self.share.is_none() {
            return true;
        }
        let mut services = registry.publishes_for(client);
        services.all(|service| {
            let count = registry.published(service, client).map_or(0, |content| content.instances().len());
            self.admits(now, service, registry.instances(service), count)
        })
    }

    /// A service is forgotten: its number may be given away.
    pub(super) fn forget(&mut self, service: ServiceNo) {
        self.services.remove(&service);
    }

    /// Forgets windows that are over.
    fn tidy(&mut self, now: Tick) {
        let longest = limits::BRAKE_MILLIS + limits::BRAKE_WINDOW_MILLIS;
        self.services.retain(|_, expiring| now.since(expiring.held_since.unwrap_or(expiring.since)) < longest);
    }
}

impl Expiring {
    fn new(now: Tick, total: usize) -> Self {
        Self { since: now, before: total, gone: 0, held_since: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Published, ServiceKey},
        registry::{Command, Limits},
    };

    fn service() -> ServiceNo {
        let mut registry = Registry::new(Limits { empty_service_expiry: 1, encodings: 1 });
        let key = ServiceKey::new("", "", "s").expect("legal");
        let content = Published::One(Box::default());
        let command = Command::register(&crate::model::ClientId::address("10.0.0.1", 1), key.clone(), content);
        registry.apply(Tick(0), command, &mut Vec::new()).expect("registers");
        registry.find(&key).expect("registered")
    }

    #[test]
    fn off_it_admits_everything() {
        let mut brake = Brake::new(None);
        assert!(brake.admits(Tick(0), service(), 10, 10));
    }

    #[test]
    fn more_than_the_share_waits_and_then_goes() {
        let (mut brake, service) = (Brake::new(Some(50)), service());
        for gone in 0..5 {
            assert!(brake.admits(Tick(0), service, 10 - gone, 1), "instance {gone}");
        }
        assert!(!brake.admits(Tick(1), service, 5, 1));
        assert!(!brake.admits(Tick(limits::BRAKE_MILLIS), service, 5, 1));
        assert!(brake.admits(Tick(limits::BRAKE_MILLIS + 1), service, 5, 1));
        assert_eq!(brake.held, 2);
    }

    #[test]
    fn a_trickle_is_never_held_back() {
        let (mut brake, service) = (Brake::new(Some(10)), service());
        for step in 0..9 {
            assert!(brake.admits(Tick(step * limits::BRAKE_WINDOW_MILLIS), service, 100 - step as usize, 1));
        }
    }
}
