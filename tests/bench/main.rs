//! `roster bench` against a small server written for it: what works is reported as working, and each kind of mistake
//! a server can make is counted as that kind. The server shares nothing with Roster's own.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod small_http;
mod small_server;

use std::process::Stdio;

use serde_json::Value;
use small_server::{Mistake, SmallServer};

/// Exit success, and the first run of the report.
async fn bench(mistake: Mistake, arguments: &[&str]) -> (bool, Value) {
    let server = SmallServer::start(mistake).await;
    run(arguments, ["--server", &server.main_address()]).await
}

/// The same against a cluster that agrees at once, as all its nodes are one server.
async fn bench_cluster(mistake: Mistake, nodes: usize, arguments: &[&str]) -> (bool, Value) {
    let server = SmallServer::start(mistake).await;
    let servers = vec![server.main_address(); nodes].join(",");
    run(arguments, ["--servers", &servers]).await
}

async fn run(arguments: &[&str], target: [&str; 2]) -> (bool, Value) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_roster"));
    command.arg("bench").args(arguments).arg("--json").args(target);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{errors}"));
    (output.status.success(), report["runs"][0].clone())
}

fn failures(run: &Value) -> (u64, u64, u64) {
    let count = |name: &str| run[name].as_u64().unwrap();
    (count("errors"), count("wrong"), count("lost"))
}

const PUSH: &[&str] = &["push", "--subscribers", "5", "--instances", "3", "--rounds", "4", "--pause", "20ms"];
const CHURN: &[&str] = &["churn", "--connections", "6", "--services", "8", "--duration", "400ms", "--pause", "1ms"];
const STORM: &[&str] = &["storm", "--clients", "20", "--services", "4", "--subscribers", "40", "--settle", "100ms"];

const SMALL_HTTP: &[&str] = &["--connections", "3", "--instances", "20", "--services", "7", "--count", "100"];
/// Forty beats, of instances in so many services as stands behind it.
const HELD: &[&str] = &[
    "beat",
    "--hold",
    "--connections",
    "3",
    "--instances",
    "20",
    "--interval",
    "200ms",
    "--duration",
    "400ms",
    "--settle",
    "1ms",
    "--services",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_server_passes_every_workload() {
    let small = ["--connections", "2", "--in-flight", "2", "--count", "100"];
    let workloads = [
        [&["register"], &small[..]].concat(),
        [&["query", "--instances", "7"], &small[..]].concat(),
        vec!["hold", "--connections", "5", "--duration", "100ms", "--settle", "10ms"],
        vec![
            "hold",
            "--connections",
            "4",
            "--instances-per-connection",
            "6",
            "--services",
            "4",
            "--duration",
            "100ms",
            "--settle",
            "10ms",
        ],
        [&["http-register"], SMALL_HTTP].concat(),
        [&["http-register", "--same"], SMALL_HTTP].concat(),
        vec!["http-query", "--instances", "7", "--connections", "3", "--count", "100"],
        [&["beat"], SMALL_HTTP].concat(),
        [&["beat", "--full"], SMALL_HTTP].concat(),
        [HELD, &["7"]].concat(),
        PUSH.to_vec(),
        CHURN.to_vec(),
        STORM.to_vec(),
    ];
    for mut workload in workloads {
        if [PUSH, CHURN, STORM].iter().any(|pushes| workload.starts_with(pushes)) {
            workload.extend(["--wait", "20s"]);
        }
        let (success, run) = bench(Mistake::None, &workload).await;
        assert_eq!(failures(&run), (0, 0, 0), "{workload:?}: {run}");
        assert!(success, "{workload:?}: {run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_subscriber_gives_one_sample_a_round() {
    let (_, run) = bench(Mistake::None, PUSH).await;
    assert_eq!(run["pushes_expected"], 20);
    assert_eq!(run["ops"], 20);
    assert!(run["latency_us"]["p50"].is_u64());
}

const CONVERGENCE: &[&str] = &["convergence", "--subscribers", "2", "--rounds", "4", "--pause", "20ms"];

#[tokio::test(flavor = "multi_thread")]
async fn convergence_is_timed_at_every_subscriber_of_the_other_nodes() {
    let (success, run) = bench_cluster(Mistake::None, 3, &[CONVERGENCE, &["--wait", "20s"]].concat()).await;
    assert!(success, "{run}");
    assert_eq!((&run["pushes_expected"], &run["ops"]), (&16.into(), &16.into()), "{run}");
    assert!(run["latency_us"]["p99"].is_u64() && run["from_request_p99_us"].is_u64(), "{run}");
    let (success, run) = bench_cluster(Mistake::DropPushes, 3, &[CONVERGENCE, &["--wait", "500ms"]].concat()).await;
    assert!(!success && failures(&run).2 > 0, "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn workloads_are_spread_over_the_nodes_of_a_cluster() {
    for workload in [
        &["register", "--connections", "4", "--count", "50"][..],
        &["query", "--connections", "4", "--count", "50"],
        &["http-query", "--connections", "4", "--count", "50"],
        PUSH,
        CHURN,
    ] {
        let (success, run) = bench_cluster(Mistake::None, 2, workload).await;
        assert!(success, "{workload:?}: {run}");
        assert_eq!(run["server"].as_str().unwrap().split(',').count(), 2, "one run against both: {run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_pushes_are_lost() {
    for workload in [PUSH, CHURN, STORM] {
        // Nothing comes, however long one waits.
        let workload = [workload, &["--wait", "500ms"]].concat();
        let (success, run) = bench(Mistake::DropPushes, &workload).await;
        let (errors, wrong, lost) = failures(&run);
        assert!(!success && lost > 0, "{workload:?}: {run}");
        assert_eq!((errors, wrong), (0, 0), "{workload:?}: {run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_hosts_are_wrong_answers() {
    let (success, run) = bench(Mistake::HideHostSometimes, &["query", "--count", "100"]).await;
    let (errors, wrong, lost) = failures(&run);
    assert!(!success && wrong > 0, "{run}");
    assert_eq!((errors, lost), (0, 0), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_over_http_are_counted_as_what_they_are() {
    for (mistake, workload) in [
        (Mistake::HideHostSometimes, &["http-query", "--connections", "2", "--count", "100"][..]),
        (Mistake::ForgetSometimes, &["beat", "--connections", "2", "--instances", "10", "--count", "100"]),
        (Mistake::ForgetSometimes, &[HELD, &["7"]].concat()),
    ] {
        let (success, run) = bench(mistake, workload).await;
        let (errors, wrong, lost) = failures(&run);
        assert!(!success && wrong > 0, "{workload:?}: {run}");
        assert_eq!((errors, lost), (0, 0), "{workload:?}: {run}");
    }
    let (success, run) = bench(Mistake::RefuseSometimes, &[&["http-register"], SMALL_HTTP].concat()).await;
    let (errors, wrong, lost) = failures(&run);
    assert!(!success && errors > 0, "{run}");
    assert_eq!((wrong, lost), (0, 0), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_beats_for_every_instance_once_an_interval() {
    let (_, run) = bench(Mistake::None, &[HELD, &["7"]].concat()).await;
    assert_eq!(run["ops"], 40, "{run}");
    assert_eq!(run["instances"], 20, "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_are_hidden_after_a_hold_are_lost() {
    // More services than that every twentieth is read without a mistake.
    let workload = [HELD, &["20"]].concat();
    let (success, run) = bench(Mistake::HideHostSometimes, &workload).await;
    let (errors, wrong, lost) = failures(&run);
    assert!(!success && lost > 0, "{run}");
    assert_eq!((errors, wrong), (0, 0), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_errors() {
    let (success, run) = bench(Mistake::RefuseSometimes, &["register", "--count", "200"]).await;
    let (errors, wrong, lost) = failures(&run);
    assert!(!success && errors > 0, "{run}");
    assert_eq!((wrong, lost), (0, 0), "{run}");
    // Each of the 32 workers is also refused or not once before the measured calls.
    assert!((200..=232).contains(&(run["ops"].as_u64().unwrap() + errors)), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn persistent_writes_are_measured_against_nodes_of_its_own() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_roster"));
    command.args(["bench", "persist", "--json", "--writers", "1,8", "--duration", "1s", "--snapshot-entries", "20"]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["runs"].as_array().unwrap().len(), 2, "{report}");
    for (run, writers) in report["runs"].as_array().unwrap().iter().zip([1, 8]) {
        assert_eq!((failures(run), &run["writers"]), ((0, 0, 0), &writers.into()), "{run}");
        for figure in ["ops", "snapshots", "fdatasync_p50_us", "node3_rss_bytes_after"] {
            assert!(run[figure].as_u64().unwrap() > 0, "{figure}: {run}");
        }
        assert!(run["p50_to_fdatasync"].as_f64().unwrap() > 0.0, "{run}");
    }
}
