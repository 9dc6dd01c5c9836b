//! Which instances must beat, and which of them are silent (Nacos `ClientBeatCheckTaskV2` with `UnhealthyInstanceChecker`
//! and `ExpiredInstanceChecker`).
//!
//! Owns when each beating instance was last heard of. Whether it is healthy and how long it may be silent is read from what
//! the registry publishes, so there is one truth. Promises: an instance is found unhealthy when it did not beat for its
//! timeout and removed when it did not for its delete timeout, neither earlier nor, when polled at [`Health::next_due`],
//! later; Nacos looks every 5 s and is up to that much late, which would only delay what subscribers are waiting for. After a
//! pause of this node itself (stopped, or its machine suspended) silence begins anew. A
//! beat is one write: the due time stays where it is, and when it comes the instance is asked for its last beat. Never
//! changes the registry, never forgets an instance whose publication stays.

#[cfg(test)]
mod health_test;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    model::{Instance, Tick, limits},
    registry::{Change, ClientNo, Registry, ServiceNo},
    task::DelayedTasks,
};

/// What silence makes of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// To be shown as unhealthy, until it beats.
    Unhealthy,
    /// To be deregistered.
    Removed,
}

/// A silent instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silent {
    /// Of which service.
    pub service: ServiceNo,
    /// By whom it is published.
    pub client: ClientNo,
    /// What is to be done.
    pub verdict: Verdict,
}

/// Instances that beat, and what became of those that did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Beating now, or expected to.
    pub beating: usize,
    /// Found unhealthy so far.
    pub unhealthy: u64,
    /// Removed so far.
    pub removed: u64,
}

/// A beating instance: a client publishes one at most for a service.
type Key = (ServiceNo, ClientNo);

/// The heart beats of a node.
#[derive(Debug, Default)]
pub struct Health {
    last: BTreeMap<Key, Tick>,
    /// When to look at an instance: never later than silence would count.
    due: DelayedTasks<Key, ()>,
    /// Those that would be removed if they might.
    held: BTreeSet<Key>,
    /// Those taken over from another node and not registered since: what is known of them may be old.
    inherited: BTreeSet<Key>,
    counts: Counts,
}

impl Health {
    /// Numbers about beats.
    pub fn counts(&self) -> Counts {
        Counts { beating: self.last.len(), ..self.counts }
    }

    /// When [`Health::poll`] has something to do.
    pub fn next_due(&self) -> Option<Tick> {
        self.due.next_due()
    }

    /// Expects beats for what `client` publishes, from now on and by what is published now. To be called too when an
    /// instance that beats is published anew or turned healthy: silence may count earlier than before.
    pub fn watch(&mut self, now: Tick, service: ServiceNo, client: ClientNo, registry: &Registry) {
        self.inherited.remove(&(service, client));
        self.last.insert((service, client), now);
        let instance = published(registry, service, client).expect("what is watched is published");
        if let Some(at) = silence_counts(instance, now) {
            self.due.add((service, client), (), at);
        }
    }

    /// Expects beats for what `client` published at another node, which may not have told the newest.
    pub fn inherit(&mut self, now: Tick, service: ServiceNo, client: ClientNo, registry: &Registry) {
        self.watch(now, service, client, registry);
        self.inherited.insert((service, client));
    }

    /// Whether what is known of an instance that beats came from another node and was not registered since.
    pub fn is_inherited(&self, service: ServiceNo, client: ClientNo) -> bool {
        self.inherited.contains(&(service, client))
    }

    /// Expects no more beats for what `client` publishes.
    pub fn forget(&mut self, service: ServiceNo, client: ClientNo) {
        self.last.remove(&(service, client));
        self.held.remove(&(service, client));
        self.inherited.remove(&(service, client));
        self.due.remove((service, client));
    }

    /// Takes note of a beat. Says whether this instance is one that must beat.
    pub fn beat(&mut self, now: Tick, service: ServiceNo, client: ClientNo) -> bool {
        match self.last.get_mut(&(service, client)) {
            Some(last) => {
                *last = now;
                self.held.remove(&(service, client));
                true
            }
            None => false,
        }
    }

    /// Takes note of a change of the registry.
    pub fn note(&mut self, change: Change) {
        if let Change::ClientDeregistered { service, client } = change {
            self.forget(service, client);
        }
    }

    /// Appends the instances that are silent at `now`, after looking at `limits::SILENT_PER_POLL` of those that are due.
    /// The caller does what the verdicts say before it calls again.
    /// `may_go` says whether so many instances of a service may be removed now; if not, it is asked again later.
    pub fn poll(
        &mut self,
        now: Tick,
        registry: &Registry,
        mut may_go: impl FnMut(ServiceNo, usize) -> bool,
        silent: &mut Vec<Silent>,
    ) {
        if self.overslept(now) {
            self.last.values_mut().for_each(|last| *last = now);
        }
        for _ in 0..limits::SILENT_PER_POLL {
            let Some(((service, client), ())) = self.due.pop_due(now) else {
                return;
            };
            let last = self.last[&(service, client)];
            let instance = published(registry, service, client).expect("what is watched is published");
            let beat = instance.heart_beat();
            let silence = now.since(last);
            if beat.expires && silence >= beat.delete_timeout && !may_go(service, 1) {
                self.held.insert((service, client));
                self.due.add((service, client), (), now + limits::BRAKE_RETRY_MILLIS);
            } else if beat.expires && silence >= beat.delete_timeout {
                self.forget(service, client);
                self.counts.removed += 1;
                silent.push(Silent { service, client, verdict: Verdict::Removed });
            } else if beat.expires && instance.healthy && silence >= beat.timeout {
                self.due.add((service, client), (), last + beat.delete_timeout);
                self.counts.unhealthy += 1;
                silent.push(Silent { service, client, verdict: Verdict::Unhealthy });
            } else if let Some(later) = silence_counts(instance, last) {
                // It did beat since this was planned.
                self.due.add((service, client), (), later);
            }
        }
    }

    /// Whether this node slept past what was due, so that beats may have come that nobody read: then silence begins anew.
    pub(crate) fn overslept(&self, now: Tick) -> bool {
        self.due.next_due().is_some_and(|due| now.since(due) > limits::OVERSLEPT_MILLIS)
    }

    /// How many instances will be looked at.
    #[cfg(test)]
    pub(crate) fn planned(&self) -> usize {
        self.due.len()
    }

    /// Panics when an instance is watched that is not published, or would be found silent too late.
    pub fn check(&self, registry: &Registry) {
        for ((service, client), last) in &self.last {
            let instance = published(registry, *service, *client).expect("what is watched is published");
            if let Some(counts) = silence_counts(instance, *last) {
                let due = self.due.due((*service, *client));
                let held = self.held.contains(&(*service, *client));
                assert!(due.is_some_and(|due| due <= counts || held), "looked at by {counts:?}, not {due:?}");
            }
        }
        self.due.check();
        assert!(self.due.len() <= self.last.len(), "only what beats is due");
    }
}

/// The instance that a client publishes for a service that is there.
fn published(registry: &Registry, service: ServiceNo, client: ClientNo) -> Option<&Instance> {
    registry.published(service, client)?.instances().first()
}

/// When the silence of an instance that last beat at `last` means something; none when it never does.
fn silence_counts(instance: &Instance, last: Tick) -> Option<Tick> {
    let beat = instance.heart_beat();
    let silence = if instance.healthy { beat.timeout.min(beat.delete_timeout) } else { beat.delete_timeout };
    beat.expires.then(|| last + silence)
}
