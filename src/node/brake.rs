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
    /// When more than may be was first asked for, and when last. The window goes on until nobody has asked for as long as it
    /// lasts; so what must wait for two services is not held back by one of them whenever the other lets it go.
    held: Option<(Tick, Tick)>,
}

impl Brake {
    pub(super) fn new(share: Option<u8>) -> Self {
        Self { share, ..Self::default() }
    }

    /// Whether `count` of the `total` instances that a service has may expire now. Whatever was held back for as long as that
    /// may be is let go.
    pub(super) fn admits(&mut self, now: Tick, service: ServiceNo, total: usize, count: usize) -> bool {
        let admitted = self.may_go(now, service, total, count);
        if admitted {
            self.goes(service, count);
        }
        admitted
    }

    /// Whether all that a client publishes may expire now.
    pub(super) fn admits_client(&mut self, now: Tick, client: ClientNo, registry: &Registry) -> bool {
        if self.share.is_none() {
            return true;
        }
        let counts = registry.publishes_for(client).map(|service| {
            let count = registry.published(service, client).map_or(0, |content| content.instances().len());
            (service, count)
        });
        let counts: Vec<(ServiceNo, usize)> = counts.collect();
        // Each is asked, so that all of them hold back since the same moment and none begins when another ends.
        let may_go =
            |(service, count): &(ServiceNo, usize)| self.may_go(now, *service, registry.instances(*service), *count);
        let refused = counts.iter().map(may_go).filter(|admitted| !admitted).count();
        if refused == 0 {
            counts.into_iter().for_each(|(service, count)| self.goes(service, count));
        }
        refused == 0
    }

    fn may_go(&mut self, now: Tick, service: ServiceNo, total: usize, count: usize) -> bool {
        let Some(share) = self.share else { return true };
        if self.services.len() >= limits::BRAKE_SERVICES {
            self.services.retain(|_, expiring| !expiring.is_over(now));
        }
        let expiring = self.services.entry(service).or_insert_with(|| Expiring::new(now, total));
        if expiring.is_over(now) {
            *expiring = Expiring::new(now, total);
        }
        if (expiring.gone + count) * 100 <= expiring.before * usize::from(share) {
            return true;
        }
        let (since, _) = expiring.held.unwrap_or((now, now));
        expiring.held = Some((since, now));
        let held = now.since(since) < limits::BRAKE_MILLIS;
        self.held += u64::from(held);
        !held
    }

    fn goes(&mut self, service: ServiceNo, count: usize) {
        if let Some(expiring) = self.services.get_mut(&service) {
            expiring.gone += count;
        }
    }

    /// A service is forgotten: its number may be given away.
    pub(super) fn forget(&mut self, service: ServiceNo) {
        self.services.remove(&service);
    }
}

impl Expiring {
    fn new(now: Tick, total: usize) -> Self {
        Self { since: now, before: total, gone: 0, held: None }
    }

    fn is_over(&self, now: Tick) -> bool {
        now.since(self.held.map_or(self.since, |(_, last)| last)) >= limits::BRAKE_WINDOW_MILLIS
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
        let tries = limits::BRAKE_MILLIS / limits::BRAKE_RETRY_MILLIS;
        for held in 0..tries {
            assert!(!brake.admits(Tick(held * limits::BRAKE_RETRY_MILLIS), service, 5, 1), "try {held}");
        }
        assert!(brake.admits(Tick(limits::BRAKE_MILLIS), service, 5, 1));
        assert_eq!(brake.held, tries);
    }

    /// It was off for good once it had held something back: what came an hour later went at once.
    #[test]
    fn it_holds_again_after_it_held_once() {
        let (mut brake, service) = (Brake::new(Some(50)), service());
        let hour = |hours: u64| Tick(hours * 3_600_000);
        for hours in 0..3 {
            let admitted = (0..10).filter(|gone| brake.admits(hour(hours), service, 10 - gone, 1)).count();
            assert_eq!(admitted, 5, "after {hours} hours");
        }
    }

    /// What one service holds back counted as gone from the client's others at each try.
    #[test]
    fn what_is_held_back_counts_nowhere_as_gone() {
        let mut registry = Registry::new(Limits { empty_service_expiry: 1, encodings: 1 });
        let mut publish = |client: u16, name: &str| {
            let key = ServiceKey::new("", "", name).expect("legal");
            let id = crate::model::ClientId::address("10.0.0.1", client);
            let command = Command::register(&id, key.clone(), Published::One(Box::default()));
            registry.apply(Tick(0), command, &mut Vec::new()).expect("registers");
            (registry.find(&key).expect("registered"), registry.client_no(&id).expect("registered"))
        };
        let (large, both) = publish(1, "large");
        publish(1, "small");
        for client in 2..10 {
            publish(client, "large");
        }
        let mut brake = Brake::new(Some(50));
        for _ in 0..20 {
            assert!(!brake.admits_client(Tick(0), both, &registry), "all of the small one");
        }
        assert!(brake.admits(Tick(0), large, 9, 4));
    }

    #[test]
    fn a_trickle_is_never_held_back() {
        let (mut brake, service) = (Brake::new(Some(10)), service());
        for step in 0..9 {
            assert!(brake.admits(Tick(step * limits::BRAKE_WINDOW_MILLIS), service, 100 - step as usize, 1));
        }
    }
}
