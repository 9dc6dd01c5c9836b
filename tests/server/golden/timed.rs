//! Cases that took their time when they were recorded, on nodes with short times.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use roster::{config::RawSettings, proto::Payload};
use serde_json::{Value, json};

use super::{
    compare::Differences,
    errors::{Case, Stage, register},
    setup::{alive, our_end, recorded_end},
};
use crate::support::{BiStream, Message, Node, RawClient, Session, payload};

const LONG: &str = "60s";

const SETUP: &str = r#"{"clientVersion":"x","labels":{"source":"sdk","module":"naming"}}"#;

/// Drives one of them.
pub async fn drive(stage: &mut Stage, case: &Case) -> Differences {
    match case.name.as_str() {
        name if name.starts_with("subscribe, never ack") => retried(case, |_| None).await,
        name if name.starts_with("subscribe, every push answered by an ErrorResponse") => {
            retried(case, |push| Some(ack(push, "ErrorResponse", json!({"resultCode": 500, "errorCode": -500})))).await
        }
        name if name.starts_with("every push answered by a HealthCheckResponse") => acked(case).await,
        name if name.contains("detection not answered") => silent(case).await,
        name if name.contains("detection answered") => answering(case).await,
        name if name.starts_with("six idle connections") => six(case).await,
        name if name.starts_with("transport and stream without any set-up") => never_set_up(case).await,
        name if name.starts_with("20 registrations") => burst(stage, case).await,
        _ => panic!("no way to drive `{}`", case.id),
    }
}

/// A node of short times. What a case does not wait for is longer than any test.
async fn quick(ack_timeout: &str, probe_timeout: &str) -> Node {
    let span = |text: &str| Some(text.parse().expect("a span"));
    Node::start_with(|settings: &mut RawSettings| {
        settings.push_window = span("10ms");
        settings.push_ack_timeout = span(ack_timeout);
        settings.push_retry = span("10ms");
        settings.push_retry_max = span("40ms");
        settings.setup_hold = span(LONG);
        settings.connection_scan = span("20ms");
        settings.connection_idle = span("200ms");
        settings.connection_probe_timeout = span(probe_timeout);
    })
    .await
}

fn ack(push: &Message, kind: &str, mut body: Value) -> Payload {
    body["requestId"] = push.body["requestId"].clone();
    payload(kind, body.to_string())
}

async fn set_up(client: RawClient, stream: BiStream) -> Session {
    stream.send("ConnectionSetupRequest", SETUP);
    let health = client.call("HealthCheckRequest", "{}").await;
    assert_eq!(alive(&health), "registered");
    Session { client, stream }
}

async fn subscribed(node: &Node, answer: impl Fn(&Message) -> Option<Payload> + Send + 'static) -> Session {
    let client = RawClient::open(node.grpc_port()).await;
    let stream = client.stream_acking(answer).await;
    let session = set_up(client, stream).await;
    let body = json!({"serviceName": "golden", "groupName": "DEFAULT_GROUP", "namespace": "public",
        "subscribe": true, "clusters": ""});
    session.client.call("SubscribeServiceRequest", body.to_string()).await.expect("subscribes");
    session
}

fn is_push(message: &&Message) -> bool {
    message.kind == "NotifySubscriberRequest"
}

/// A push that is not acknowledged comes again, at least as often as recorded.
async fn retried(case: &Case, answer: impl Fn(&Message) -> Option<Payload> + Send + 'static) -> Differences {
    let node = quick("60ms", LONG).await;
    let session = subscribed(&node, answer).await;
    let wanted = case.line["pushes"].as_array().expect("pushes").len();
    let count = |all: &[Message]| all.iter().filter(is_push).count();
    session.stream.wait(|all| (count(all) >= wanted).then_some(())).await;
    let pushes = count(&session.stream.received());
    let mut differences = Differences::default();
    differences.check("pushes", wanted.to_string(), pushes.min(wanted).to_string());
    node.stop().await;
    differences
}

/// A response without a result is an ack: the push does not come again, because the node takes it as acknowledged.
async fn acked(case: &Case) -> Differences {
    let node = quick(LONG, LONG).await;
    let session = subscribed(&node, |push| Some(ack(push, "HealthCheckResponse", json!({})))).await;
    let counts = |node: &Node| node.server().connections().runtime().stats().pushes;
    node.until(|node| counts(node).acked + counts(node).refused + counts(node).timed_out > 0).await;
    let mut differences = Differences::default();
    let recorded = case.line["pushes"].as_array().expect("pushes").len();
    let ours = session.stream.received().iter().filter(is_push).count();
    differences.check("pushes", recorded.to_string(), ours.to_string());
    differences.check("acknowledged", recorded.to_string(), counts(&node).acked.to_string());
    node.stop().await;
    differences
}

fn kinds(stream: &BiStream) -> String {
    let kinds: Vec<String> = stream.received().into_iter().map(|push| push.kind).collect();
    kinds.join(", ")
}

/// A client that does not answer a probe is expelled.
async fn silent(case: &Case) -> Differences {
    let node = quick(LONG, "300ms").await;
    let client = RawClient::open(node.grpc_port()).await;
    let stream = client.stream_acking(|_| None).await;
    let session = set_up(client, stream).await;
    session.stream.wait_end().await;
    let health = session.client.call("HealthCheckRequest", "{}").await;
    let mut differences = Differences::default();
    differences.check("pushes", case.line["pushes"][0][1].as_str().expect("a type"), kinds(&session.stream));
    let recorded = case.line["streamEnd"].as_str().expect("an end");
    differences.check("stream", recorded, our_end(session.stream.end()));
    differences.check("health check", "gone", alive(&health));
    node.stop().await;
    differences
}

fn probes(all: &[Message]) -> usize {
    all.iter().filter(|message| message.kind == "ClientDetectionRequest").count()
}

/// A client that answers its probes stays.
async fn answering(case: &Case) -> Differences {
    let node = quick(LONG, LONG).await;
    let client = RawClient::open(node.grpc_port()).await;
    let stream = client.stream().await;
    let session = set_up(client, stream).await;
    session.stream.wait(|all| (probes(all) >= 3).then_some(())).await;
    let mut differences = Differences::default();
    let recorded = &case.line;
    assert_eq!(recorded["pushes"][0][1], "ClientDetectionRequest", "recorded so");
    differences.check(
        "probes",
        "3 or more",
        if probes(&session.stream.received()) >= 3 { "3 or more" } else { "less" },
    );
    let health = session.client.call("HealthCheckRequest", "{}").await;
    differences.answer("health check", &recorded["thenHealthCheck"], &health);
    differences.check("stream", recorded_end(&recorded["streamEnd"]), our_end(session.stream.end()));
    node.stop().await;
    differences
}

/// Of six clients that answer at once, recorded, one was expelled all the same.
async fn six(case: &Case) -> Differences {
    let node = quick(LONG, LONG).await;
    let mut sessions = Vec::new();
    for _ in 0..6 {
        let client = RawClient::open(node.grpc_port()).await;
        let stream = client.stream().await;
        sessions.push(set_up(client, stream).await);
    }
    for session in &sessions {
        session.stream.wait(|all| (probes(all) >= 3).then_some(())).await;
    }
    let recorded = case.line["connections"].as_array().expect("connections");
    let recorded = recorded.iter().filter(|connection| connection[1].is_null()).count();
    let ours = sessions.iter().filter(|session| session.stream.end().is_none()).count();
    let mut differences = Differences::default();
    differences.check("streams left", recorded.to_string(), ours.to_string());
    node.stop().await;
    differences
}

/// Detection is for connections that are set up: one that is not outlives the probes of another.
async fn never_set_up(case: &Case) -> Differences {
    let node = quick(LONG, "1s").await;
    let bare = RawClient::open(node.grpc_port()).await;
    let bare_stream = bare.stream().await;
    let client = RawClient::open(node.grpc_port()).await;
    let answering = Arc::new(AtomicBool::new(true));
    let answers = answering.clone();
    let until_silenced = move |push: &Message| {
        let alive = answers.load(Ordering::Relaxed);
        alive.then(|| ack(push, "ClientDetectionResponse", json!({"resultCode": 200})))
    };
    let stream = client.stream_acking(until_silenced).await;
    let session = set_up(client, stream).await;
    session.stream.wait(|all| (probes(all) >= 2).then_some(())).await.expect("is probed");
    answering.store(false, Ordering::Relaxed);
    session.stream.wait_end().await.expect("is expelled");
    let mut differences = Differences::default();
    assert!(case.line["streamEnd"].is_null(), "recorded open");
    differences.check("stream", "open", our_end(bare_stream.end()));
    let check = bare.call("ServerCheckRequest", "{}").await;
    differences.answer("server check", &case.line["thenServerCheck"], &check);
    node.stop().await;
    differences
}

/// Of a burst of changes a subscriber sees the last.
async fn burst(stage: &mut Stage, case: &Case) -> Differences {
    let subscriber =
        subscribed(&stage.node, |push| Some(ack(push, "NotifySubscriberResponse", json!({"resultCode": 200}))));
    let subscriber = subscriber.await;
    for port in 1..=20 {
        let registered = stage.main.client.call("InstanceRequest", register("public", "golden", port)).await;
        registered.expect("registers");
    }
    let port = |push: &Message| push.body["serviceInfo"]["hosts"][0]["port"].clone();
    let last = case.line["pushes"].as_array().and_then(|pushes| pushes.last()).expect("pushes");
    subscriber.stream.wait(|all| all.iter().any(|push| json!([port(push)]) == last[1]).then_some(())).await;
    let ports: Vec<Value> = subscriber.stream.received().iter().filter(is_push).map(port).collect();
    let mut differences = Differences::default();
    differences.check("last port", last[1].to_string(), json!([ports.last()]).to_string());
    let merged = if ports.len() < 20 { "some merged" } else { "all apart" };
    differences.check("pushes", "some merged", merged);
    differences
}
