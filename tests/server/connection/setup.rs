//! The first messages of a connection, and who is let in.

use serde_json::json;
use tonic::Code;

use super::{instance, register};
use crate::support::{Node, RawClient, Session};

const SETUP: &str = r#"{"clientVersion":"Raw","labels":{"source":"sdk","module":"naming"},"abilityTable":{}}"#;

#[tokio::test]
async fn a_request_waits_for_the_set_up_that_it_overtook() {
    let node = Node::start_with(|settings| settings.setup_hold = Some("8s".parse().expect("a span"))).await;
    let client = RawClient::open(node.grpc_port()).await;
    let (answer, stream) = tokio::join!(register(&client, "raced", instance(1)), async {
        let stream = client.stream().await;
        stream.send("ConnectionSetupRequest", SETUP);
        stream
    });
    assert_eq!(answer["resultCode"], 200, "{answer}");
    drop(stream);
    node.stop().await;
}

#[tokio::test]
async fn a_request_without_a_set_up_is_refused_after_the_hold() {
    let node = Node::start_with(|settings| settings.setup_hold = Some("30ms".parse().expect("a span"))).await;
    let client = RawClient::open(node.grpc_port()).await;
    let answer = register(&client, "early", instance(1)).await;
    assert_eq!((&answer["resultCode"], &answer["errorCode"]), (&json!(500), &json!(301)));
    assert_eq!(node.server().connections().runtime().stats().size.services, 0, "nothing was changed");
    node.stop().await;
}

#[tokio::test]
async fn a_transport_that_never_sets_up_is_closed() {
    let node = Node::start_with(|settings| settings.setup_deadline = Some("50ms".parse().expect("a span"))).await;
    let client = RawClient::open(node.grpc_port()).await;
    let stream = client.stream().await;
    assert!(stream.wait_end().await.is_some(), "closed");
    client.call("ServerCheckRequest", "{}").await.expect_err("there is no transport any more");
    node.stop().await;
}

#[tokio::test]
async fn a_full_node_refuses_the_next_and_takes_it_when_one_leaves() {
    for per_ip in [false, true] {
        let node = Node::start_with(|settings| {
            let limit = if per_ip { &mut settings.max_connections_per_ip } else { &mut settings.max_connections };
            *limit = Some(2);
        })
        .await;
        let mut held = vec![Session::connect(&node).await, Session::connect(&node).await];
        let refused = RawClient::open(node.grpc_port()).await;
        let stream = refused.stream().await;
        stream.send("ConnectionSetupRequest", SETUP);
        assert_eq!(stream.wait_end().await, Some(Code::Ok), "an orderly end, as real servers do");
        assert_eq!(stream.count(), 0, "no ack");
        held.pop();
        node.until(|node| node.server().connections().len() == 1).await;
        held.push(Session::connect(&node).await);
        node.stop().await;
    }
}
