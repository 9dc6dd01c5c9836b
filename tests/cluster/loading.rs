//! A node that starts and does not yet know what the others know sends everybody elsewhere.

use tonic::Code;

use crate::support::{Cluster, DEADLINE, Ports, Raw, all_show, call, fleet, register, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_loads_refuses_sdks_and_shows_no_list() {
    let mut cluster = Cluster::start().await;
    let clients = fleet(&cluster, 1).await;
    register(&clients[0][0], "orders", 1).await;
    register(&clients[1][0], "orders", 2).await;
    let both = Ports::from([1, 2]);
    all_show(&cluster.all(), "orders", &both, DEADLINE).await;
    cluster.nodes[2].stop().await;
    // The others accept connections but say nothing: this one must wait for them.
    cluster.nodes[..2].iter().for_each(|node| node.signal("-STOP"));
    cluster.nodes[2].start_again();
    let late = &cluster.nodes[2];
    until("it listens", DEADLINE, async || late.cluster().await).await;
    assert_eq!(late.cluster().await.expect("an answer")["node"]["phase"], "loading");
    assert!(!late.is_ready().await);
    for target in [
        "/roster/v1/instances?service=orders",
        "/nacos/v1/ns/instance/list?serviceName=orders",
        "/nacos/v2/ns/instance/list?serviceName=orders",
        "/nacos/v3/client/ns/instance/list?serviceName=orders",
    ] {
        let (status, body) = call(&late.address, "GET", target, "").await.expect("answered");
        assert_eq!(status, 503, "{target}: {body}");
    }
    let refused = Raw::connect(late.launch.port, "Nacos-Rust-Client:0.8.3").await.err().expect("refused");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    cluster.nodes[..2].iter().for_each(|node| node.signal("-CONT"));
    let first = until("it shows a list", DEADLINE, async || late.ports("orders").await).await;
    assert_eq!(first, both, "its first list has all");
    late.ready().await;
    cluster.whole().await;
}
