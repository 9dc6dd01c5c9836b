//! Bugs planted on purpose, to see that `roster chaos` and the tests notice them. Only with the feature `sabotage`, which no
//! release build can have; `SABOTAGE` names the one that a process has.

use std::{
    collections::BTreeMap,
    mem::replace,
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;

use crate::model::ServiceKey;

#[cfg(not(debug_assertions))]
compile_error!("planted bugs are for debug builds only");

/// One that is rarely seen is harder to notice.
const RARELY: u64 = 20;

static PLANTED: LazyLock<String> = LazyLock::new(|| std::env::var("SABOTAGE").unwrap_or_default());
static TIMES: AtomicU64 = AtomicU64::new(0);

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A leader acknowledges a write before anybody else has it.
    AcknowledgeBeforeCommit,
    /// The store acknowledges what is not on the disk.
    SkipSync,
    /// What other nodes tell of their clients is now and then lost, and not noticed by comparing either.
    DropSync,
    /// What a dead node's clients published goes at once.
    ForgetLease,
    /// A subscriber is now and then pushed what the list was before.
    PushOldView,
}

impl Bug {
    fn name(self) -> &'static str {
        match self {
            Self::AcknowledgeBeforeCommit => "acknowledge-before-commit",
            Self::SkipSync => "skip-sync",
            Self::DropSync => "drop-sync",
            Self::ForgetLease => "forget-lease",
            Self::PushOldView => "push-old-view",
        }
    }

    /// Whether this process has it.
    pub fn is_planted(self) -> bool {
        *PLANTED == self.name()
    }

    /// Whether it shows now, as it rarely does.
    pub fn shows(self) -> bool {
        self.is_planted() && TIMES.fetch_add(1, Relaxed) % RARELY == RARELY - 1
    }
}

/// What is pushed of a service: the list, or what it was two changes before. Subscribers have the one between.
pub fn hosts(service: &ServiceKey, new: Bytes) -> Bytes {
    static BEFORE: Mutex<BTreeMap<String, [Bytes; 2]>> = Mutex::new(BTreeMap::new());
    if !Bug::PushOldView.is_planted() {
        return new;
    }
    let mut all = BEFORE.lock().expect("nothing here panics");
    let [older, old] = all.entry(service.name.to_string()).or_insert_with(|| [new.clone(), new.clone()]);
    if *old == new {
        return new;
    }
    let oldest = replace(older, replace(old, new.clone()));
    if Bug::PushOldView.shows() { oldest } else { new }
}
