//! What a cluster costs and how fast it is, measured and printed: with a hundred thousand instances at rest, when one of
//! its nodes starts, and from a change on one node to subscribers on the others.

use std::{
    process::{Child, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::support::{ALONE, Cluster, DEADLINE, Node, PATIENCE, Raw, call, metric, roster, until};

const CONNECTIONS: usize = 100;
const EACH: usize = 1_000;
/// Each client publishes ten instances for each of them.
const SERVICES: usize = 100;
const INSTANCES: usize = CONNECTIONS * EACH;
/// How long a cluster at rest is measured.
const AT_REST: Duration = Duration::from_secs(30);
/// Bytes a second from a node to each other at rest, at most.
const REST_BYTES: f64 = 5_000.0;
/// How soon a node is to be ready that loads all that from the others.
const READY: Duration = Duration::from_secs(2);
/// The target for the slowest of a hundred changes, in microseconds.
const CONVERGENCE: u64 = 15_000;
/// `USER_HZ`, which Linux fixes for every user space.
const TICKS_PER_SECOND: f64 = 100.0;

/// `roster bench`, killed when dropped.
struct Bench(Child);

impl Bench {
    /// Has clients of these nodes hold all the instances.
    fn hold(nodes: &[Node]) -> Self {
        let addresses: Vec<&str> = nodes.iter().map(|node| node.address.as_str()).collect();
        let [connections, each, services] = [CONNECTIONS, EACH, SERVICES].map(|count| count.to_string());
        let mut command = roster();
        command.args(["bench", "hold", "--servers", &addresses.join(","), "--connections", &connections]);
        command.args(["--instances-per-connection", &each, "--services", &services]);
        command.args(["--duration", "1h", "--json"]);
        Self(command.stdout(Stdio::null()).spawn().expect("starts"))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Seconds of CPU a process has used.
fn cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let times = fields.split_ascii_whitespace().skip(11).take(2);
    times.map(|ticks| ticks.parse::<f64>().expect("a number")).sum::<f64>() / TICKS_PER_SECOND
}

async fn holds_all(node: &Node) -> bool {
    call(&node.address, "GET", "/metrics", "")
        .await
        .is_ok_and(|(_, page)| metric(&page, "roster_instances", "") as usize == INSTANCES)
}

/// Whether the node and each other have told each other all, and have compared it since.
async fn agrees(node: &Node) -> bool {
    let Some(cluster) = node.cluster().await else { return false };
    let is_recent = |millis: &Value| millis.as_u64().is_some_and(|millis| millis < 6_000);
    let members = cluster["members"].as_array().expect("members");
    members.iter().all(|member| member["behind"] == 0 && is_recent(&member["agreed"]) && is_recent(&member["hasAll"]))
}

async fn measure_rest(cluster: &Cluster) {
    let sent = async |node: &Node| metric(&node.metrics().await, "roster_peer_bytes_total", "direction=\"sent\"");
    let mut before = Vec::new();
    for node in &cluster.nodes {
        before.push((sent(node).await, cpu(node.pid()), Instant::now()));
    }
    sleep(AT_REST).await;
    for (node, (bytes, busy, began)) in cluster.nodes.iter().zip(before) {
        let seconds = began.elapsed().as_secs_f64();
        let to_each = (sent(node).await - bytes) / seconds / 2.0;
        let busy = (cpu(node.pid()) - busy) / seconds * 1_000.0;
        eprintln!(
            "at rest {} sends {to_each:.0} bytes a second to each other and uses {busy:.1} ms CPU a second",
            node.address
        );
        assert!(to_each < REST_BYTES, "{to_each} bytes a second");
    }
}

/// Restarts a node and watches that it refuses until it is ready; how long that took.
async fn measure_start(node: &mut Node) -> Duration {
    node.stop().await;
    let began = Instant::now();
    node.start_again();
    let mut refused = 0;
    loop {
        if let Ok((status, _)) = call(&node.address, "GET", "/nacos/v3/admin/core/state/readiness", "").await
            && status == 200
        {
            break;
        }
        let list = call(&node.address, "GET", "/nacos/v1/ns/service/list?pageNo=1&pageSize=1", "").await;
        match list {
            Ok((503, _)) => refused += 1,
            Ok((200, _)) => assert!(node.is_ready().await, "a list before it is ready"),
            Ok((status, body)) => panic!("{status}: {body}"),
            Err(_) => {}
        }
        assert!(began.elapsed() < DEADLINE, "ready");
    }
    let took = began.elapsed();
    eprintln!(
        "a node with {INSTANCES} instances on the others was ready after {took:.2?} ({refused} calls were told to wait)"
    );
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a minute, and alone; run by .ci/run"]
async fn a_hundred_thousand_instances_cost_little_at_rest_and_are_there_soon_after_a_start() {
    let _alone = ALONE.write().await;
    let mut cluster = Cluster::start().await;
    let began = Instant::now();
    let _bench = Bench::hold(&cluster.nodes[..2]);
    for node in &cluster.nodes {
        until("all have all", DEADLINE * PATIENCE, async || holds_all(node).await.then_some(())).await;
    }
    eprintln!("{INSTANCES} instances were on all nodes after {:.1?}", began.elapsed());
    for node in &cluster.nodes {
        until("all agree", DEADLINE, async || agrees(node).await.then_some(())).await;
    }
    measure_rest(&cluster).await;
    let took = measure_start(&mut cluster.nodes[2]).await;
    assert!(holds_all(&cluster.nodes[2]).await, "it has all as soon as it is ready");
    Raw::connect(cluster.nodes[2].launch.port, "Nacos-Rust-Client:0.8.3").await.expect("it takes clients");
    assert!(took < READY * PATIENCE, "ready after {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "alone; run by .ci/run"]
async fn a_change_is_soon_at_subscribers_of_the_other_nodes() {
    let _alone = ALONE.write().await;
    let cluster = Cluster::start().await;
    let mut command = roster();
    command.args(["bench", "convergence", "--json", "--servers", &cluster.addresses()]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("runs").expect("runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let run = &report["runs"][0];
    eprintln!("convergence in microseconds: {}, of {} pushes", run["latency_us"], run["ops"]);
    assert!(output.status.success(), "{run}");
    let p99 = run["latency_us"]["p99"].as_u64().expect("a number");
    assert!(p99 < CONVERGENCE * u64::from(PATIENCE), "{p99} µs");
}
