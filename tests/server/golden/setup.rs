//! Cases on transports of their own: before, at and after the set-up.

use roster::{proto::Payload, wire::decode_setup};
use serde_json::Value;
use tonic::Code;

use super::{
    compare::{Differences, hosts, our_head, recorded_head},
    errors::{Case, Stage, found, register},
};
use crate::support::{Message, Node, Outcome, RawClient, Session, payload};

/// A request on a transport that has just been opened.
pub async fn before(stage: &Stage, case: &Case) -> Differences {
    let client = RawClient::open(stage.node.grpc_port()).await;
    let server_check = || payload("ServerCheckRequest", "{}");
    let ours = match case.name.as_str() {
        "payload without metadata" => client.unary(Payload { metadata: None, ..server_check() }).await,
        "empty payload (0 bytes)" => client.bytes("/Request/request", b"").await,
        "metadata without body" => client.unary(Payload { body: None, ..server_check() }).await,
        "not protobuf" => client.bytes("/Request/request", b"\xff\xff\xff\xff").await,
        "unknown gRPC method" => client.bytes("/RequestStream/requestStream", b"").await,
        "unknown gRPC service" => client.bytes("/Foo/bar", b"").await,
        "gzip-compressed ServerCheckRequest" => client.gzipped(server_check()).await,
        _ => client.call(case.kind(), case.body().expect("a body")).await,
    };
    let mut differences = Differences::default();
    differences.answer("answer", &case.line["response"], &ours);
    if let Some(second) = case.recorded("second") {
        let again = client.call(case.kind(), case.body().expect("a body")).await;
        differences.answer("second answer", second, &again);
        let id = |answer: &Outcome| answer.as_ref().map(|it| it.body["connectionId"].to_string()).unwrap_or_default();
        assert_eq!(id(&ours), id(&again), "a transport has one id");
    }
    differences
}

/// A set-up, or something in its place.
pub async fn during(stage: &mut Stage, case: &Case) -> Differences {
    let name = case.name.as_str();
    match case.body() {
        Some(body) => set_up(stage, case, body).await,
        None if name.starts_with("stream open, no set-up") => no_set_up(stage, case).await,
        None if name.starts_with("on the stream before set-up") => noise_before(stage, case).await,
        None if name.starts_with("on the stream after set-up") => noise_after(stage, case).await,
        None if name.starts_with("set-up twice") => twice(stage, case).await,
        None if name.starts_with("second stream") => second_stream(stage, case).await,
        None if name.starts_with("... then the second stream") => second_stream_ends(stage, case).await,
        None if name.starts_with("client half-closes") => stream_ends(stage, case, true).await,
        None if name.starts_with("client cancels") => stream_ends(stage, case, false).await,
        None if name.starts_with("health check sent right after") => race(case).await,
        None => panic!("no way to drive `{}`", case.id),
    }
}

/// How a stream ended, as recorded.
pub fn recorded_end(end: &Value) -> String {
    end.as_str().map_or("open", |end| end.split(':').next().unwrap_or(end)).to_owned()
}

/// How a stream of ours ended.
pub fn our_end(end: Option<Code>) -> String {
    end.map_or("open".to_owned(), |code| match code {
        Code::Ok => "OK".to_owned(),
        code => format!("{code:?}").to_uppercase(),
    })
}

async fn set_up(stage: &mut Stage, case: &Case, body: String) -> Differences {
    let client = RawClient::open(stage.node.grpc_port()).await;
    let session = Session { stream: client.stream().await, client };
    let reads = decode_setup(body.as_bytes()).is_some();
    session.stream.send("ConnectionSetupRequest", body);
    if reads {
        stage.node.wait_for(&session.client.id().await, true).await;
    }
    let mut differences = Differences::default();
    let health = session.client.call("HealthCheckRequest", "{}").await;
    differences.answer("health check", &case.line["thenHealthCheck"], &health);
    let registered = session.client.call("InstanceRequest", register("public", "golden-setup", 1)).await;
    differences.answer("registration", &case.line["thenRegister"], &registered);
    // On a transport that is not set up nothing can come.
    if health.is_ok_and(|health| health.kind == "HealthCheckResponse") {
        stage.settle(&session).await;
    }
    let ours = without_markers(&session.stream.received());
    differences.pushes("pushes", &case.line["pushes"], &ours);
    differences.check("stream", recorded_end(&case.line["streamEnd"]), our_end(session.stream.end()));
    differences
}

async fn no_set_up(stage: &Stage, case: &Case) -> Differences {
    let client = RawClient::open(stage.node.grpc_port()).await;
    let stream = client.stream().await;
    let mut differences = Differences::default();
    let health = client.call("HealthCheckRequest", "{}").await;
    differences.answer("health check", &case.line["thenHealthCheck"], &health);
    differences.check("stream", recorded_end(&case.line["streamEnd"]), our_end(stream.end()));
    differences
}

/// What no set-up and no ack is.
fn noise(session: &Session) {
    session.stream.send("HealthCheckRequest", "{}");
    session.stream.send("FooRequest", "{}");
    session.stream.send("InstanceRequest", "{");
    session.stream.send_payload(Payload { metadata: None, ..payload("", "{}") });
    session.stream.send("HealthCheckResponse", "{");
}

const SETUP: &str = r#"{"clientVersion":"x","labels":{"source":"sdk","module":"naming"},"abilityTable":{}}"#;

async fn noise_before(stage: &mut Stage, case: &Case) -> Differences {
    let client = RawClient::open(stage.node.grpc_port()).await;
    let session = Session { stream: client.stream().await, client };
    noise(&session);
    let mut differences = Differences::default();
    let health = session.client.call("HealthCheckRequest", "{}").await;
    differences.answer("health check", &case.line["thenHealthCheck"], &health);
    session.stream.send("ConnectionSetupRequest", SETUP);
    stage.node.wait_for(&session.client.id().await, true).await;
    let health = session.client.call("HealthCheckRequest", "{}").await;
    differences.answer("health check after set-up", &case.line["afterSetupHealthCheck"], &health);
    stage.settle(&session).await;
    differences.pushes("pushes", &case.line["pushes"], &without_markers(&session.stream.received()));
    differences.check("stream", recorded_end(&case.line["streamEnd"]), our_end(session.stream.end()));
    differences
}

async fn noise_after(stage: &mut Stage, case: &Case) -> Differences {
    let session = Session::connect(&stage.node).await;
    let before = session.stream.count();
    noise(&session);
    session.stream.send("NotifySubscriberResponse", r#"{"requestId":"424242","resultCode":200}"#);
    session.stream.send_payload(Payload::default());
    let mut differences = Differences::default();
    let health = session.client.call("HealthCheckRequest", "{}").await;
    differences.answer("health check", &case.line["thenHealthCheck"], &health);
    stage.settle(&session).await;
    differences.pushes("pushes", &case.line["pushes"], &without_markers(&session.stream.received()[before..]));
    differences.check("stream", recorded_end(&case.line["streamEnd"]), our_end(session.stream.end()));
    differences
}

fn subscribe(service: &str) -> String {
    serde_json::json!({"namespace": "public", "serviceName": service, "groupName": "DEFAULT_GROUP",
        "subscribe": true, "clusters": ""})
    .to_string()
}

async fn twice(stage: &mut Stage, case: &Case) -> Differences {
    let session = Session::connect(&stage.node).await;
    session.stream.send("ConnectionSetupRequest", SETUP);
    session.stream.wait(|all| (all.len() > 1).then_some(())).await.expect("a second ack");
    let subscribed = session.client.call("SubscribeServiceRequest", subscribe(&format!("twice{}", stage.run))).await;
    stage.settle(&session).await;
    let mut differences = Differences::default();
    differences.answer("subscription", &case.line["thenSubscribe"], &subscribed);
    let kinds: Vec<Message> = without_lists(&session.stream.received());
    differences.pushes("pushes", &case.line["pushes"], &kinds);
    differences.check("stream", recorded_end(&case.line["streamEnd"]), our_end(session.stream.end()));
    differences
}

async fn second_stream(stage: &mut Stage, case: &Case) -> Differences {
    let session = Session::connect(&stage.node).await;
    let second = session.client.stream().await;
    second.send("ConnectionSetupRequest", SETUP);
    second.wait(|all| (!all.is_empty()).then_some(())).await.expect("an ack on the second stream");
    let subscribed = session.client.call("SubscribeServiceRequest", subscribe(&format!("twice{}", stage.run))).await;
    stage.settle(&session).await;
    let mut differences = Differences::default();
    differences.answer("subscription", &case.line["thenSubscribe"], &subscribed);
    for (number, stream) in [&session.stream, &second].into_iter().enumerate() {
        let recorded = case.line["pushes"].as_array().expect("pushes");
        let recorded: Value = recorded.iter().filter(|push| push[0] == number).cloned().collect();
        let kinds = without_lists(&stream.received());
        differences.pushes(&format!("pushes of stream {number}"), &recorded, &kinds);
        let end = recorded_end(&case.line["streamEnds"][number]);
        differences.check(&format!("stream {number}"), end, our_end(stream.end()));
    }
    stage.two_streams = Some((session.client, [session.stream, second]));
    differences
}

async fn second_stream_ends(stage: &mut Stage, case: &Case) -> Differences {
    let (client, mut streams) = stage.two_streams.take().expect("the case before");
    streams[1].half_close();
    streams[1].wait_end().await;
    let mut differences = Differences::default();
    let health = client.call("HealthCheckRequest", "{}").await;
    differences.answer("health check", &case.line["thenHealthCheck"], &health);
    for (number, stream) in streams.iter().enumerate() {
        let end = recorded_end(&case.line["streamEnds"][number]);
        differences.check(&format!("stream {number}"), end, our_end(stream.end()));
    }
    differences
}

/// Whether a transport still answers: `registered`, or `gone` when it is closed or about to be.
pub fn alive(health: &Outcome) -> String {
    match health {
        Ok(answer) if answer.kind == "HealthCheckResponse" => "registered".to_owned(),
        Ok(answer) if answer.body["errorCode"] == 301 => "gone".to_owned(),
        Ok(_) => our_head(health, true),
        Err(_) => "gone".to_owned(),
    }
}

/// Registers, ends the stream, and looks at what is left: recorded, all of it; here the stream is the client.
async fn stream_ends(stage: &mut Stage, case: &Case, half_close: bool) -> Differences {
    let mut differences = Differences::default();
    let service = format!("hc{}", stage.run);
    let (end, health, seen) = end_stream(stage, &service, half_close).await;
    if half_close {
        differences.check("stream", recorded_end(&case.line["streamEnd"]), end);
    }
    let recorded = recorded_head(&case.line["thenHealthCheck"], true);
    let recorded = if recorded.starts_with("HealthCheckResponse 200/0") { "registered" } else { &recorded };
    differences.check("health check", recorded, health);
    differences.check("hosts seen by another", case.line["hostsSeenByOther"].to_string(), seen.to_string());
    differences
}

/// The same, recorded as `[ms, errorCode of health check, hosts seen by another client]`.
pub async fn stream_gone(stage: &mut Stage, case: &Case) -> Differences {
    let mut differences = Differences::default();
    let half_close = case.name.starts_with("half-close");
    let (end, health, seen) = end_stream(stage, "golden-gone", half_close).await;
    if half_close {
        differences.check("stream", recorded_end(&case.line["streamEnd"]), end);
    }
    let recorded = &case.line["seen"][0];
    differences.check("health check", if recorded[1] == 0 { "registered" } else { "gone" }, health);
    differences.check("hosts seen by another", recorded[2].to_string(), seen.to_string());
    differences
}

async fn end_stream(stage: &mut Stage, service: &str, half_close: bool) -> (String, String, usize) {
    let Session { client, mut stream } = Session::connect(&stage.node).await;
    let registered = client.call("InstanceRequest", register("public", service, 1)).await;
    registered.expect("a call is answered");
    let id = client.id().await;
    let mut end = String::new();
    if half_close {
        stream.half_close();
        end = our_end(stream.wait_end().await);
    }
    drop(stream);
    // A cancelled stream is noticed when its reset arrives, which no answer tells.
    stage.node.wait_for(&id, false).await;
    let answer = found(&stage.main.client, service).await.expect("a query is answered");
    let seen = hosts(&answer.body["serviceInfo"]).len();
    let health = client.call("HealthCheckRequest", "{}").await;
    (end, alive(&health), seen)
}

async fn race(case: &Case) -> Differences {
    // Longer than any test may take: what is held is let go by the set-up, not by the time.
    let node = Node::start_with(|settings| settings.setup_hold = Some("10s".parse().expect("a span"))).await;
    let mut codes = Vec::new();
    for _ in 0..10 {
        let client = RawClient::open(node.grpc_port()).await;
        let stream = client.stream().await;
        stream.send("ConnectionSetupRequest", SETUP);
        let health = client.call("HealthCheckRequest", "{}").await.expect("a health check is answered");
        codes.push(health.body["errorCode"].clone());
    }
    let mut differences = Differences::default();
    differences.check("error codes", case.line["errorCodes"].to_string(), Value::from(codes).to_string());
    node.stop().await;
    differences
}

/// Messages without those of marking subscriptions.
pub fn without_markers(all: &[Message]) -> Vec<Message> {
    let marks = |push: &&Message| {
        let name = push.body.pointer("/serviceInfo/name").and_then(Value::as_str).unwrap_or_default();
        !name.starts_with(super::errors::MARKER)
    };
    all.iter().filter(marks).cloned().collect()
}

/// The same with nothing but types, as some cases were recorded.
fn without_lists(all: &[Message]) -> Vec<Message> {
    let mut kinds = without_markers(all);
    kinds.iter_mut().for_each(|push| push.body = Value::Null);
    kinds
}
