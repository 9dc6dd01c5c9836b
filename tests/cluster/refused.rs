//! Nodes that do not belong together say so and share nothing.

use roster::bench::free_ports;
use serde_json::json;

use crate::support::{Cluster, DEADLINE, Ports, call, roster, until};

async fn registers(address: &str, port: u16) {
    let body = json!({"serviceName": "orders", "groupName": "DEFAULT_GROUP", "type": "registerInstance",
        "instance": {"ip": "10.0.0.1", "port": port}});
    let (status, answer) = call(address, "POST", "/roster/v1/instances", &body.to_string()).await.expect("answered");
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_another_cluster_or_secret_are_refused_in_words() {
    // Whoever is refused everywhere serves alone, once it has waited long enough for the others to tell what they know.
    let soon = ["--loading-limit", "1s"];
    let [other, mellon] = [["--cluster", "other"], ["--peer-secret", "mellon"]].map(|more| [more, soon].concat());
    let cluster = Cluster::launch(&[&soon, &other, &mellon]);
    for node in &cluster.nodes {
        node.ready().await;
    }
    for (node, port) in cluster.nodes.iter().zip(1..) {
        registers(&node.address, port).await;
    }
    for (node, port) in cluster.nodes.iter().zip(1..) {
        assert_eq!(node.ports("orders").await, Some(Ports::from([port])), "it shares nothing");
        let members = node.cluster().await.expect("an answer")["members"].clone();
        assert!(members.as_array().expect("members").iter().all(|member| member["linked"] == false), "{members}");
    }
    let says = async |node: usize, words: &str| {
        let log = || cluster.nodes[node].log();
        until(words, DEADLINE, async || log().contains(words).then_some(())).await;
    };
    says(0, "this node is of cluster \"roster\", not of \"other\"").await;
    says(1, "this node is of cluster \"other\", not of \"roster\"").await;
    says(0, "the cluster's secret is another one here").await;
    says(2, "the cluster's secret is another one here").await;
    assert!(cluster.nodes.iter().all(|node| !node.log().contains("mellon")), "secrets are not shown");
}

#[test]
fn a_node_that_is_not_among_its_peers_does_not_start() {
    let ports = free_ports(3).expect("free ports");
    let data = tempfile::tempdir().expect("a directory");
    let peers = format!("127.0.0.1:{},127.0.0.1:{}", ports[1], ports[2]);
    let mut command = roster();
    command.args(["server", "--port", &ports[0].to_string(), "--peers", &peers, "--data"]).arg(data.path());
    let output = command.output().expect("runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("none of --peers is this node"), "{text}");
    assert!(text.contains("--advertise"), "it says what to do: {text}");
}
