//! Cases on the connection that most of them share, in the recorded order.

use serde_json::{Value, json};

use super::{
    compare::{Differences, hosts},
    errors::{Case, Stage, found, query, register},
    fixture::text,
    setup::{our_end, without_markers},
};
use crate::support::{Message, Outcome, Session};

/// Sends the case's request, or does what its name says, and compares whatever was recorded.
pub async fn drive(stage: &mut Stage, case: &Case) -> Differences {
    if case.group == "ServiceQueryRequest" && case.name == "all" {
        prepare_query(stage).await;
    }
    if case.group == "ServiceListRequest" && case.name == "five services" {
        prepare_list(stage).await;
    }
    if case.body().is_none() || case.recorded("queryAtOnce").is_some() {
        return by_name(stage, case).await;
    }
    let mut differences = Differences::default();
    let before = stage.main.stream.count();
    let ours = send(stage, case).await;
    differences.answer("answer", &case.line["response"], &ours);
    if let Some(recorded) = case.recorded("pushesWithin900ms") {
        stage.settle_main().await;
        let ours = without_markers(&stage.main.stream.received()[before..]);
        differences.pushes("pushes", recorded, &ours);
    }
    if let Some(recorded) = case.recorded("thenQuery") {
        let request = &case.line["request"]["body"];
        // Of a body that does not read the answer tells what the recorder asked for.
        let mut asked = json!({"cluster": "", "serviceName": recorded["serviceInfo"]["name"]});
        for key in ["namespace", "serviceName", "groupName"] {
            if let Some(value) = request.get(key) {
                asked[key] = value.clone();
            }
        }
        let answer = stage.main.client.call("ServiceQueryRequest", asked.to_string()).await;
        let recorded = json!({"type": "QueryServiceResponse", "body": recorded});
        differences.answer("query", &recorded, &answer);
    }
    differences
}

async fn send(stage: &mut Stage, case: &Case) -> Outcome {
    let mut payload = crate::support::payload(case.kind(), case.body().expect("a body"));
    if let Some(headers) = case.line.pointer("/request/headers").and_then(Value::as_object) {
        let metadata = payload.metadata.as_mut().expect("metadata");
        metadata.headers =
            headers.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
    }
    if case.name.starts_with("another connection ") {
        return stage.other().await.client.unary(payload).await;
    }
    stage.main.client.unary(payload).await
}

async fn prepare_query(stage: &mut Stage) {
    let member = |port: u16, cluster: &str| json!({"ip": "10.9.9.9", "port": port, "clusterName": cluster});
    let mut members = [member(1, "c1"), member(2, "c2"), member(3, "c2"), member(4, "c1"), member(5, "DEFAULT")];
    members[2]["healthy"] = false.into();
    members[3]["enabled"] = false.into();
    members[4]["weight"] = 0.0.into();
    publish(stage, "q", &members).await;
    let mut sick = [member(1, "DEFAULT"), member(2, "DEFAULT")];
    sick.iter_mut().for_each(|member| member["healthy"] = false.into());
    publish(stage, "uh", &sick).await;
}

async fn prepare_list(stage: &mut Stage) {
    let namespace = format!("lst{}", stage.run);
    let other = stage.other().await;
    for number in 1..=5 {
        let body = register(&namespace, &format!("s{number}"), number);
        other.client.call("InstanceRequest", body).await.expect("registers");
    }
    let body = register(&namespace, "h1", 1).replace("DEFAULT_GROUP", "G2");
    other.client.call("InstanceRequest", body).await.expect("registers");
}

/// Publishes a batch by another connection, in place of whatever it published before.
async fn publish(stage: &mut Stage, service: &str, members: &[Value]) {
    let body = batch(&format!("{service}{}", stage.run), members);
    let answer = stage.other().await.client.call("BatchInstanceRequest", body).await;
    assert_eq!(answer.expect("a batch is answered").kind, "BatchInstanceResponse");
}

fn batch(service: &str, members: &[Value]) -> String {
    json!({"namespace": "public", "serviceName": service, "groupName": "DEFAULT_GROUP",
        "type": "batchRegisterInstance", "instances": members})
    .to_string()
}

/// Cases whose request was not recorded.
async fn by_name(stage: &mut Stage, case: &Case) -> Differences {
    let name = case.name.as_str();
    match case.id.as_str() {
        id if id.starts_with("registered connection / state of the stream") => {
            let mut differences = Differences::default();
            assert!(case.line["streamEnd"].is_null(), "recorded open");
            differences.check("stream", "open", our_end(stage.main.stream.end()));
            differences
        }
        _ if name.starts_with("two connections publish") => publish_twice(stage, case).await,
        _ if name.starts_with("... one of them closed") => close_one(stage, case).await,
        _ if name.starts_with("read your write") => read_your_write(stage, case).await,
        _ if name.starts_with("deregister with a foreign address") => foreign_address(stage, case).await,
        "ServiceQueryRequest / all instances unhealthy, healthyOnly" => {
            let body = query("public", recorded_service(case)).replace('}', r#","healthyOnly":true}"#);
            let ours = stage.main.client.call("ServiceQueryRequest", body).await;
            answered(case, &ours)
        }
        "BatchInstanceRequest / into a persistent service" => {
            let body = batch(&format!("per{}", stage.run), &[json!({"ip": "10.9.9.9", "port": 1})]);
            answered(case, &stage.main.client.call("BatchInstanceRequest", body).await)
        }
        _ if case.recorded("pushes").is_some() => change(stage, case).await,
        _ => {
            let ours = found(&stage.main.client, recorded_service(case)).await;
            answered(case, &ours)
        }
    }
}

/// The service a recorded list is of.
fn recorded_service(case: &Case) -> &str {
    let name = text(&case.line, "/response/body/serviceInfo/name");
    assert!(!name.is_empty(), "no way to drive `{}`", case.id);
    name
}

fn answered(case: &Case, ours: &Outcome) -> Differences {
    let mut differences = Differences::default();
    differences.answer("answer", &case.line["response"], ours);
    differences
}

/// The other connection publishes what the main one does, in one case with another weight.
async fn publish_twice(stage: &mut Stage, case: &Case) -> Differences {
    let service = recorded_service(case);
    let identical = case.name.contains("identical");
    let (port, weight) = if identical { (1, "1.0") } else { (8080, "3.0") };
    let body = register("public", service, port);
    stage.main.client.call("InstanceRequest", body.clone()).await.expect("registers");
    let body = body.replace(r#""port""#, &format!(r#""weight":{weight},"port""#));
    stage.other().await.client.call("InstanceRequest", body).await.expect("registers");
    answered(case, &found(&stage.main.client, service).await)
}

/// The other connection is gone; how soon that shows is not compared, only that it does.
async fn close_one(stage: &mut Stage, case: &Case) -> Differences {
    let gone = stage.other.take().expect("the case before");
    let id = gone.client.id().await;
    drop(gone);
    stage.node.wait_for(&id, false).await;
    answered(case, &found(&stage.main.client, recorded_service(case)).await)
}

/// What a query finds right after a write, before and after an unbounded while.
async fn read_your_write(stage: &mut Stage, case: &Case) -> Differences {
    let service = format!("ryw{}", stage.run);
    let mut differences = Differences::default();
    let client = &stage.main.client;
    client.call("InstanceRequest", register("public", &service, 8080)).await.expect("registers");
    let after = found(client, &service).await.expect("a query is answered");
    let count = hosts(&after.body["serviceInfo"]).len();
    client.call("InstanceRequest", register("public", &service, 8081)).await.expect("registers");
    let after = found(client, &service).await.expect("a query is answered");
    let port = json!([after.body["serviceInfo"]["hosts"][0]["port"]]);
    let recorded = (&case.line["afterRegister"][0][1], &case.line["afterReRegister"][0][1]);
    differences.check("at once", said(recorded.0, recorded.1), said(&count.into(), &port));
    differences
}

fn said(hosts: &Value, ports: &Value) -> String {
    format!("{hosts} host, ports {ports}")
}

async fn foreign_address(stage: &mut Stage, case: &Case) -> Differences {
    let ours = send(stage, case).await;
    let mut differences = answered(case, &ours);
    let service = text(&case.line, "/request/body/serviceName");
    let after = found(&stage.main.client, service).await.expect("a query is answered");
    let ours = hosts(&after.body["serviceInfo"]);
    for (what, key) in [("query at once", "queryAtOnce"), ("query later", "queryLater")] {
        let recorded = hosts(&json!({"hosts": case.line[key]}));
        differences.check(what, format!("{recorded:?}"), format!("{ours:?}"));
    }
    differences
}

/// A change by another connection, and the pushes it causes.
async fn change(stage: &mut Stage, case: &Case) -> Differences {
    let before = stage.main.stream.count();
    let future = format!("fut{}", stage.run);
    match case.name.as_str() {
        name if name.starts_with("change of the service") => {
            let member = |port: u16, cluster: &str, weight: f64| {
                json!({"ip": "10.9.9.9", "port": port,
                "clusterName": cluster, "weight": weight})
            };
            publish(stage, "q", &[member(1, "c1", 2.0), member(2, "c2", 1.0)]).await;
        }
        "the unknown service appears: pushes" | "identical re-register: pushes" => {
            write(stage.other().await, register("public", &future, 8080)).await;
        }
        "last instance gone: pushes" => {
            let body = register("public", &future, 8080).replace("registerInstance", "deregisterInstance");
            write(stage.other().await, body).await;
        }
        _ => panic!("no way to drive `{}`", case.id),
    }
    stage.settle_main().await;
    let ours: Vec<Message> = without_markers(&stage.main.stream.received()[before..]);
    let mut differences = Differences::default();
    differences.pushes("pushes", &case.line["pushes"], &ours);
    differences
}

async fn write(session: &Session, body: String) {
    let answer = session.client.call("InstanceRequest", body).await.expect("a write is answered");
    assert_eq!(answer.kind, "InstanceResponse");
}
