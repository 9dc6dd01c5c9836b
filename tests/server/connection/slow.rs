//! Clients that do not take what they asked for: refused and missing acks, streams nobody reads.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{instance, named, register, sees, subscribe};
use crate::support::{Message, Node, RawClient, Session, acknowledge, payload};

const SETUP: &str = r#"{"clientVersion":"Raw","labels":{"source":"sdk","module":"naming"},"abilityTable":{}}"#;

async fn quick_to_retry() -> Node {
    Node::start_with(|settings| {
        settings.push_retry = Some("20ms".parse().expect("a span"));
        settings.push_retry_max = Some("40ms".parse().expect("a span"));
        settings.push_ack_timeout = Some("100ms".parse().expect("a span"));
    })
    .await
}

/// A push that is not taken comes again until it is; `answer` is what the client says to the first two.
async fn taken_at_last(answer: fn(&Message) -> Option<roster::proto::Payload>) {
    let node = quick_to_retry().await;
    let client = RawClient::open(node.grpc_port()).await;
    let refused = AtomicUsize::new(0);
    let stream = client
        .stream_acking(move |message| {
            let push = message.kind == "NotifySubscriberRequest";
            if push && refused.fetch_add(1, Ordering::Relaxed) < 2 { answer(message) } else { acknowledge(message) }
        })
        .await;
    stream.send("ConnectionSetupRequest", SETUP);
    let session = Session { client, stream };
    subscribe(&session.client, "stubborn").await;
    let pushes = |all: &[Message]| all.iter().filter(|it| it.kind == "NotifySubscriberRequest").count();
    session.stream.wait(|all| (pushes(all) == 3).then_some(())).await.expect("two retries");
    node.until(|node| node.server().connections().runtime().stats().pushes.acked == 1).await;
    assert_eq!(pushes(&session.stream.received()), 3, "and no more");
    let ids: Vec<Value> = session.stream.received().iter().map(|push| push.body["requestId"].clone()).collect();
    assert_eq!(ids.len(), ids.iter().map(Value::to_string).collect::<std::collections::BTreeSet<_>>().len());
    node.stop().await;
}

#[tokio::test]
async fn a_refused_push_is_tried_again() {
    taken_at_last(|push| {
        let body = json!({"resultCode": 500, "errorCode": 500, "requestId": push.body["requestId"], "success": false});
        Some(payload("NotifySubscriberResponse", body.to_string()))
    })
    .await;
}

#[tokio::test]
async fn a_push_that_nobody_acknowledges_is_tried_again() {
    taken_at_last(|_| None).await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_expelled_and_costs_the_others_nothing() {
    let node = Node::start_with(|settings| {
        settings.push_connection_bytes = Some(64 * 1024);
        // A client that acknowledges nothing is told of the next change when its time for the last is over.
        settings.push_ack_timeout = Some("50ms".parse().expect("a span"));
    })
    .await;
    let stuck = RawClient::open(node.grpc_port()).await;
    let unread = stuck.unread_stream(payload("ConnectionSetupRequest", SETUP)).await;
    let publisher = Session::connect(&node).await;
    let observer = Session::connect(&node).await;
    // Each list is a few KiB; the transport takes some tens of KiB before the node has to keep anything.
    let services: Vec<String> = (0..64).map(|n| format!("wide{n}")).collect();
    for service in &services {
        subscribe(&stuck, service).await;
    }
    for service in &services {
        let wide = json!({"ip": "10.7.7.7", "port": 1, "metadata": {"text": "x".repeat(1_000)}});
        let all: Vec<Value> = (1..5)
            .map(|port| {
                let mut it = wide.clone();
                it["port"] = port.into();
                it
            })
            .collect();
        let body = named(service, json!({"type": "batchRegisterInstance", "instances": all}));
        publisher.client.call("BatchInstanceRequest", body).await.expect("answered");
    }
    node.until(|node| node.server().connections().len() == 2).await;
    let last = services.last().expect("many");
    subscribe(&observer.client, last).await;
    sees(&observer, last, 4).await;
    register(&publisher.client, last, instance(9)).await;
    sees(&observer, last, 1).await;
    drop(unread);
    node.stop().await;
}
