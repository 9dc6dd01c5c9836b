//! Numbers for operators, in Prometheus's format.
//!
//! Owns the recorder and the handles of what is counted often. The core keeps plain numbers; they are read when somebody
//! asks. No metric has a label whose values clients choose.

mod cluster;
mod http;
mod machine;
pub mod names;

use std::sync::Arc;

use metrics::{Counter, Histogram, counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

pub use http::{Counting, HttpCounter};
pub use machine::Usage;

use crate::{member::Cluster, metrics::machine::Machine, node::Stats, registry::Change, wire::RequestType};

/// Upper bounds of the push delay's buckets, in seconds: from a quiet service (milliseconds) to a retried push.
const PUSH_DELAY_BUCKETS: [f64; 14] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];

/// The same of changes that are agreed on, from a fast disk to more than SDKs wait for.
const PROPOSAL_BUCKETS: [f64; 11] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5];

/// How a unary request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Ok,
    /// Refused in its own response class.
    Refused,
    /// Answered with an `ErrorResponse`.
    Error,
}

/// The recorder's front, and handles that are used for every request.
pub struct Metrics {
    prometheus: PrometheusHandle,
    push_delay: Histogram,
    requests: Vec<[Counter; 3]>,
    machine: Machine,
}

/// Types with a series of their own; all others share one, because clients choose them.
const TYPES: [RequestType; 8] = [
    RequestType::ServerCheck,
    RequestType::HealthCheck,
    RequestType::Instance,
    RequestType::BatchInstance,
    RequestType::PersistentInstance,
    RequestType::ServiceQuery,
    RequestType::ServiceList,
    RequestType::SubscribeService,
];

impl Metrics {
    /// Installs the recorder for this process, once; later calls (tests start several nodes) share it.
    pub fn install() -> Result<Arc<Self>, BuildError> {
        static INSTALLED: std::sync::Mutex<Option<PrometheusHandle>> = std::sync::Mutex::new(None);
        let mut installed = INSTALLED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let prometheus = match &*installed {
            Some(handle) => handle.clone(),
            None => {
                let handle = PrometheusBuilder::new()
                    .set_buckets_for_metric(Matcher::Full(names::PUSH_DELAY.into()), &PUSH_DELAY_BUCKETS)?
                    .set_buckets_for_metric(Matcher::Full(names::PROPOSAL_DELAY.into()), &PROPOSAL_BUCKETS)?
                    .install_recorder()?;
                describe();
                installed.insert(handle).clone()
            }
        };
        let series = |kind: &'static str| {
            ["ok", "refused", "error"].map(|result| counter!(names::REQUESTS, "type" => kind, "result" => result))
        };
        let requests = TYPES.iter().map(|kind| series(kind.name())).chain([series("other")]).collect();
        Ok(Arc::new(Self { prometheus, push_delay: histogram!(names::PUSH_DELAY), requests, machine: Machine::new() }))
    }

    /// Counts a unary request.
    pub fn request(&self, kind: Option<RequestType>, outcome: Outcome) {
        let row = TYPES.iter().position(|known| Some(*known) == kind).unwrap_or(TYPES.len());
        self.requests[row][outcome as usize].increment(1);
    }

    /// Counts HTTP requests of this operation in this generation of the API.
    pub fn http(&self, operation: &'static str, generation: &'static str) -> HttpCounter {
        HttpCounter::new(operation, generation)
    }

    /// Records how long a change took to be acknowledged.
    pub fn push_delay(&self, millis: u64) {
        self.push_delay.record(millis as f64 / 1_000.0);
    }

    /// How busy the machine is.
    pub fn usage(&self) -> Usage {
        self.machine.usage()
    }

    /// The text Prometheus reads.
    pub fn render(&self, stats: &Stats, cluster: &Cluster, connections: usize) -> String {
        publish(stats, connections);
        cluster::publish(stats, cluster);
        self.prometheus.render()
    }

    /// Empties what the recorder gathered; to be called every few seconds or its histograms grow.
    pub fn upkeep(&self) {
        self.prometheus.run_upkeep();
    }
}

fn describe() {
    for (name, kind, help) in names::ALL {
        match kind {
            names::Kind::Counter => metrics::describe_counter!(name, help),
            names::Kind::Gauge => metrics::describe_gauge!(name, help),
            names::Kind::Histogram => metrics::describe_histogram!(name, help),
        }
    }
}

fn publish(stats: &Stats, connections: usize) {
    let size = stats.size;
    let gauges = [
        (names::CONNECTIONS, connections),
        (names::CLIENTS, size.clients),
        (names::SERVICES, size.services),
        (names::INSTANCES, size.instances),
        (names::SUBSCRIBERS, size.subscribers),
        (names::ENCODED_BYTES, size.encoded_bytes),
        (names::PUSH_PENDING, stats.pending_pushes),
        (names::BEATING, stats.health.beating),
    ];
    for (name, value) in gauges {
        gauge!(name).set(value as f64);
    }
    let pushes = stats.pushes;
    let results = [
        ("sent", pushes.sent),
        ("acked", pushes.acked),
        ("refused", pushes.refused),
        ("timed_out", pushes.timed_out),
        ("unchanged", pushes.unchanged),
        ("oversized", pushes.oversized),
    ];
    for (result, value) in results {
        counter!(names::PUSHES, "result" => result).absolute(value);
    }
    for (to, value) in [("unhealthy", stats.health.unhealthy), ("removed", stats.health.removed)] {
        counter!(names::EXPIRED, "to" => to).absolute(value);
    }
    for (kind, value) in Change::KINDS.into_iter().zip(stats.changes) {
        counter!(names::CHANGES, "change" => kind).absolute(value);
    }
}
