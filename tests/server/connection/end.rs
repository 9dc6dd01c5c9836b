//! Every way a connection ends, and that its instances go with it at once.

use serde_json::json;
use tonic::Code;

use super::{count, instance, register, sees, subscribe};
use crate::support::{DEADLINE, Node, RawClient, Session};

async fn publisher(node: &Node, observer: &Session, service: &str) -> Session {
    let publisher = Session::connect(node).await;
    register(&publisher.client, service, instance(1)).await;
    subscribe(&observer.client, service).await;
    sees(observer, service, 1).await;
    publisher
}

#[tokio::test]
async fn a_client_that_dies_takes_its_instances_along() {
    let node = Node::start_with(|_| {}).await;
    let observer = Session::connect(&node).await;
    drop(publisher(&node, &observer, "dies").await);
    sees(&observer, "dies", 0).await;
    node.stop().await;
}

#[tokio::test]
async fn a_client_that_ends_its_stream_is_gone_though_its_transport_lives() {
    let node = Node::start_with(|_| {}).await;
    let observer = Session::connect(&node).await;
    let mut leaving = publisher(&node, &observer, "leaves").await;
    leaving.stream.half_close();
    sees(&observer, "leaves", 0).await;
    node.stop().await;
}

#[tokio::test]
async fn a_silent_client_is_expelled_and_a_quiet_one_that_answers_is_not() {
    let node = Node::start_with(|settings| {
        settings.connection_scan = Some("20ms".parse().expect("a span"));
        settings.connection_idle = Some("50ms".parse().expect("a span"));
        settings.connection_probe_timeout = Some("400ms".parse().expect("a span"));
    })
    .await;
    let observer = Session::connect(&node).await;
    let client = RawClient::open(node.grpc_port()).await;
    let stream = client.stream_acking(|_| None).await;
    stream.send(
        "ConnectionSetupRequest",
        r#"{"clientVersion":"Mute","labels":{"source":"sdk","module":"naming"},"abilityTable":{}}"#,
    );
    register(&client, "mute", instance(1)).await;
    subscribe(&observer.client, "mute").await;
    sees(&observer, "mute", 1).await;
    sees(&observer, "mute", 0).await;
    assert_eq!(stream.wait_end().await, Some(Code::Unavailable));
    let probes = observer.stream.wait(|all| {
        let probes = all.iter().filter(|message| message.kind == "ClientDetectionRequest").count();
        (probes > 3).then_some(())
    });
    assert!(probes.await.is_some(), "the observer is probed again and again");
    assert_eq!(count(&observer.client, "mute").await, 0, "and still there");
    node.stop().await;
}

#[tokio::test]
async fn an_operator_tells_a_client_to_connect_elsewhere() {
    let node = Node::start_with(|_| {}).await;
    let session = Session::connect(&node).await;
    let answer = session.client.call("ServerCheckRequest", "{}").await.expect("answered");
    let id = answer.body["connectionId"].as_str().expect("an id").to_owned();

    let path = format!("/nacos/v2/core/loader/reloadClient?connectionId={id}&redirectAddress=10.1.1.1:8848");
    assert_eq!(node.http("GET", &path).await, (200, "success".to_owned()));
    let path = format!("/nacos/v3/admin/core/loader/reloadClient?connectionId={id}");
    let (status, body) = node.http("POST", &path).await;
    assert_eq!((status, body.contains(r#""code":0"#)), (200, true), "{body}");

    let resets = session.stream.wait(|all| {
        let resets: Vec<_> = all.iter().filter(|message| message.kind == "ConnectResetRequest").cloned().collect();
        (resets.len() == 2).then_some(resets)
    });
    let resets = resets.await.expect("both are sent");
    let target = |n: usize| (resets[n].body["serverIp"].clone(), resets[n].body["serverPort"].clone());
    assert_eq!(target(0), (json!("10.1.1.1"), json!("8848")));
    assert_ne!(target(1).0, json!("10.1.1.1"), "anywhere");
    assert_eq!(node.http("GET", "/nacos/v2/core/loader/reloadClient?connectionId=none").await.0, 200);
    node.stop().await;
}

#[tokio::test]
async fn a_stopping_node_ends_streams_so_that_each_sdk_reconnects() {
    let node = Node::start_with(|_| {}).await;
    let java = Session::connect(&node).await;
    let setup = r#"{"clientVersion":"Nacos-CSharp-Client:v1","labels":{"source":"sdk","module":"naming"},
        "abilityTable":{}}"#;
    let csharp = Session::connect_as(&node, setup).await;
    let stopped = tokio::time::timeout(DEADLINE, node.stop());
    let (java, csharp, stopped) = tokio::join!(java.stream.wait_end(), csharp.stream.wait_end(), stopped);
    assert_eq!((java, csharp), (Some(Code::Unavailable), Some(Code::Ok)));
    stopped.expect("in time");
}
