//! What these tests share: nodes in processes, callers of all kinds, and those who watch what lists show.

mod http;
mod nodes;
mod persistent;
mod poller;
mod raw;
mod sdk;

use std::{collections::BTreeSet, time::Duration};

pub use http::{call, metric, shown};
pub use nodes::{Cluster, Launch, Node, roster};
pub use persistent::{Told, delete, group, leader, put, read, same_state};
pub use poller::Poller;
pub use raw::Raw;
pub use sdk::{client, fleet, instance, register, subscribe};
use serde_json::Value;
use tokio::{
    sync::RwLock,
    time::{Instant, sleep},
};

/// Whoever measures has the machine to itself, as far as these tests go.
pub static ALONE: RwLock<()> = RwLock::const_new(());
/// How long anything may take that has no bound of its own. Real processes on a busy machine are slow at times.
pub const DEADLINE: Duration = Duration::from_secs(30);
/// Longest that the other nodes may take to be sure that one is gone (architecture.md 5.5).
pub const CONFIRMATION: Duration = Duration::from_secs(5);
/// How much longer than promised things may take in real processes that share a machine.
pub const PATIENCE: u32 = 3;
/// Pause between looks at something that is awaited.
pub const LOOK: Duration = Duration::from_millis(20);

/// Ports of instances: in these tests all are at one address.
pub type Ports = BTreeSet<u16>;

/// Waits until `look` finds something.
pub async fn until<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + within;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "not within {within:?}: {what}");
        sleep(LOOK).await;
    }
}

/// Waits until all these nodes show exactly these instances of a service.
pub async fn all_show(nodes: &[&Node], service: &str, ports: &Ports, within: Duration) {
    for node in nodes {
        let mut last = None;
        let end = Instant::now() + within;
        loop {
            let now = node.ports(service).await;
            if now.as_ref() == Some(ports) {
                break;
            }
            last = now.or(last);
            assert!(Instant::now() < end, "{} shows {last:?} of {service}, not {ports:?}", node.address);
            sleep(LOOK).await;
        }
    }
}

/// Waits until all these nodes show the very same of a service.
pub async fn same_hosts(nodes: &[&Node], service: &str, within: Duration) {
    let end = Instant::now() + within;
    loop {
        let mut all: Vec<Option<Value>> = Vec::new();
        for node in nodes {
            all.push(node.hosts(service).await);
        }
        if all.iter().all(|hosts| hosts.is_some() && *hosts == all[0]) {
            return;
        }
        assert!(Instant::now() < end, "nodes differ in {service}: {all:#?}");
        sleep(LOOK).await;
    }
}
