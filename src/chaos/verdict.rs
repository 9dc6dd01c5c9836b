//! What is checked once nothing is broken any more, and what it all comes to.

use std::{collections::BTreeSet, fs, sync::Arc, time::Duration};

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{
    fault::{Kind, name},
    journal::{Injected, Journal, Promise},
    load::Truth,
    nodes::Nodes,
    persistent::Callers,
    watch::Watch,
};
use crate::bench::message::{Host, View};

/// How long nodes may take to agree once they are whole: leases of connections that were lost, and half as much again.
const BOUND: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(250);

/// How a promise fared.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    pub promise: Promise,
    pub kept: bool,
    /// What was looked at, or what broke it.
    pub says: Vec<String>,
}

/// Compares all views with the truth until they agree; how long that took.
pub async fn converge(nodes: &Nodes, watches: &[Arc<Watch>], truth: &Truth, journal: &Journal) -> Option<Duration> {
    let began = Instant::now();
    loop {
        let (lists, pushes) = (lists(nodes, truth).await, pushes(watches, truth));
        let state = one_state(nodes).await;
        if lists.is_empty() && pushes.is_empty() && state.is_none() {
            return Some(began.elapsed());
        }
        if began.elapsed() > BOUND {
            lists.into_iter().chain(state).for_each(|what| journal.broke(Promise::OneView, what));
            pushes.into_iter().for_each(|what| journal.broke(Promise::FinalPush, what));
            return None;
        }
        sleep(LOOK).await;
    }
}

/// Where nodes list something else.
async fn lists(nodes: &Nodes, truth: &Truth) -> Vec<String> {
    let mut other = Vec::new();
    for node in &nodes.all {
        for (service, hosts) in truth {
            let target = format!("/nacos/v1/ns/instance/list?serviceName={service}");
            let shown = nodes.http.get(&node.main, &target).await;
            let shown = shown.and_then(|value| serde_json::from_value::<View>(value).ok());
            match shown {
                Some(view) if view.sorted_hosts() == *hosts => {}
                Some(view) => {
                    let who = format!("node {}", node.number + 1);
                    other.push(differ(&who, service, &view.sorted_hosts(), hosts));
                }
                None => other.push(format!("node {} does not list {service}", node.number + 1)),
            }
        }
    }
    other
}

/// Where subscribers ended on something else.
fn pushes(watches: &[Arc<Watch>], truth: &Truth) -> Vec<String> {
    let each = watches.iter().flat_map(|watch| truth.iter().map(move |(service, hosts)| (watch, service, hosts)));
    let other = each.filter_map(|(watch, service, hosts)| {
        let shown = watch.hosts(service).unwrap_or_default();
        (shown != *hosts).then(|| differ(&watch.name, service, &shown, hosts))
    });
    other.collect()
}

fn differ(who: &str, service: &str, shown: &[Host], truth: &[Host]) -> String {
    let only = |these: &[Host], those: &[Host]| {
        let only = these.iter().filter(|host| !those.contains(host));
        only.map(|host| format!("{}:{}@{}", host.ip, host.port, host.metadata.version)).collect::<Vec<_>>().join(" ")
    };
    format!("{who} shows {service} with [{}] too much and without [{}]", only(shown, truth), only(truth, shown))
}

/// None when all nodes hold the same of what is agreed on.
async fn one_state(nodes: &Nodes) -> Option<String> {
    let mut seen = BTreeSet::new();
    for number in 0..nodes.all.len() {
        let cluster = nodes.cluster(number).await;
        let raft = cluster.map(|cluster| cluster["raft"].clone()).unwrap_or(Value::Null);
        if raft["hash"].is_null() {
            return Some(format!("node {} is no member: {}", number + 1, raft["why"]));
        }
        seen.insert((raft["applied"].as_u64(), raft["hash"].to_string()));
    }
    (seen.len() > 1).then(|| format!("nodes hold different states: {seen:?}"))
}

/// Checks histories; how many operations they have.
pub async fn histories(callers: Arc<Callers>, nodes: &Nodes, journal: &Journal) -> Result<usize> {
    for node in &nodes.all {
        callers.read_all(&node.main).await?;
    }
    let (asked, broken) = tokio::task::spawn_blocking(move || callers.histories.check()).await?;
    for ((service, port), _) in broken {
        let what =
            format!("no order of calls explains what was told of port {port} of service chaos-history-{service}");
        journal.broke(Promise::Linearizable, what);
    }
    Ok(asked.values().sum())
}

/// Reads what nodes logged.
pub fn logs(nodes: &Nodes, journal: &Journal) {
    let injected = journal.read().injected;
    for node in &nodes.all {
        let name = format!("node {}", node.number + 1);
        let is_broken = |one: &Injected| matches!(one.kind, Kind::FullDisk | Kind::FailingSync) && one.target == name;
        let disk_broke = injected.iter().any(is_broken);
        let text = fs::read_to_string(&node.log).unwrap_or_default();
        for line in text.lines().filter(|line| is_alarming(line, disk_broke)) {
            journal.broke(Promise::Healthy, format!("{name} logged: {line}"));
        }
    }
}

/// Whether a line of a log is one that nobody expects. A node whose disk broke says so, and raft does.
fn is_alarming(line: &str, disk_broke: bool) -> bool {
    let said: Value = serde_json::from_str(line).unwrap_or_default();
    let from = said["target"].as_str().unwrap_or_default();
    let expected = disk_broke && (from.starts_with("openraft") || from.starts_with("roster::raft"));
    line.contains("panicked at") || (said["level"] == "ERROR" && !expected)
}

/// Notes which faults did not happen.
pub fn coverage(asked: &[Kind], journal: &Journal) {
    let injected = journal.read().injected;
    for kind in asked {
        if !injected.iter().any(|one| one.kind == *kind && one.evidence.is_some()) {
            journal.broke(Promise::Covered, format!("{} did not happen", name(kind)));
        }
    }
}

/// How each promise fared.
pub fn checks(journal: &Journal) -> Vec<Check> {
    let broken = journal.read().broken;
    let check = |promise| {
        let of_it = broken.iter().filter(|broken| broken.promise == promise);
        let says: Vec<String> = of_it.map(|broken| format!("{:.1} s: {}", broken.at, broken.what)).collect();
        Check { promise, kept: says.is_empty(), says }
    };
    Promise::value_variants().iter().copied().map(check).collect()
}
