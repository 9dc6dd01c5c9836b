//! Persistent instances where recordings say nothing: what subscribers hear, across the ways in; the kinds of a service;
//! reads that must be new.

use serde_json::{Value, json};

use crate::support::{Node, Outcome, RawClient, Session, payload};

fn request(operation: &str, service: &str, port: u16) -> String {
    json!({"serviceName": service, "groupName": "DEFAULT_GROUP", "namespace": "public", "type": operation,
        "instance": {"ip": "10.7.7.7", "port": port}})
    .to_string()
}

fn subscription(service: &str) -> String {
    json!({"serviceName": service, "groupName": "DEFAULT_GROUP", "namespace": "public", "subscribe": true,
        "clusters": ""})
    .to_string()
}

fn code(answer: &Outcome) -> (&str, i64, &str) {
    let answer = answer.as_ref().expect("an answer");
    let message = answer.body["message"].as_str().unwrap_or_default();
    (&answer.kind, answer.body["errorCode"].as_i64().expect("a code"), message)
}

async fn register(client: &RawClient, service: &str, port: u16) {
    let answer = client.call("PersistentInstanceRequest", request("registerInstance", service, port)).await;
    assert_eq!(code(&answer), ("InstanceResponse", 0, ""));
}

/// Waits until a subscriber was shown exactly these: port, health, kind.
async fn shown(session: &Session, expected: &[(u64, bool, bool)]) {
    let host = |host: &Value| (host["port"].as_u64(), host["healthy"].as_bool(), host["ephemeral"].as_bool());
    let expected: Vec<_> =
        expected.iter().map(|(port, healthy, kind)| (Some(*port), Some(*healthy), Some(*kind))).collect();
    let pushed = session.stream.wait(|messages| {
        let last = messages.iter().rev().find(|message| message.kind == "NotifySubscriberRequest")?;
        let hosts = last.body["serviceInfo"]["hosts"].as_array()?;
        (hosts.iter().map(host).collect::<Vec<_>>() == expected).then_some(())
    });
    assert!(pushed.await.is_some(), "never pushed {expected:?}, but {:?}", session.stream.received());
}

async fn done(node: &Node, method: &str, path: &str) {
    assert_eq!(node.http(method, path).await, (200, "ok".to_owned()), "{method} {path}");
}

#[tokio::test]
async fn a_subscriber_sees_an_instance_come_change_and_go_whichever_way() {
    let node = Node::start_with(|_| {}).await;
    let (publisher, watcher) = (Session::connect(&node).await, Session::connect(&node).await);
    watcher.client.call("SubscribeServiceRequest", subscription("store")).await.expect("subscribes");
    register(&publisher.client, "store", 1).await;
    shown(&watcher, &[(1, true, false)]).await;
    let at = "serviceName=store&ip=10.7.7.7";
    done(&node, "POST", &format!("/nacos/v1/ns/instance?{at}&port=2&ephemeral=false")).await;
    shown(&watcher, &[(1, true, false), (2, true, false)]).await;

    let checker = "checkPort=80&useInstancePort4Check=true&healthChecker=%7B%22type%22%3A%22NONE%22%7D";
    done(&node, "PUT", &format!("/nacos/v1/ns/cluster?serviceName=store&clusterName=DEFAULT&{checker}")).await;
    done(&node, "PUT", &format!("/nacos/v1/ns/health?{at}&port=1&healthy=false")).await;
    shown(&watcher, &[(1, false, false), (2, true, false)]).await;
    done(&node, "PUT", &format!("/nacos/v1/ns/instance?{at}&port=2&enabled=false")).await;
    shown(&watcher, &[(1, false, false)]).await;

    // It is nobody's: not the connection's that registered it, and anybody takes it back.
    drop(publisher);
    done(&node, "PUT", &format!("/nacos/v1/ns/health?{at}&port=1&healthy=true")).await;
    shown(&watcher, &[(1, true, false)]).await;
    done(&node, "DELETE", &format!("/nacos/v1/ns/instance?{at}&port=2&ephemeral=false")).await;
    let answer = watcher.client.call("PersistentInstanceRequest", request("deregisterInstance", "store", 1)).await;
    assert_eq!(code(&answer), ("InstanceResponse", 0, ""));
    shown(&watcher, &[]).await;
    node.stop().await;
}

#[tokio::test]
async fn a_service_has_instances_of_one_kind() {
    let node = Node::start_with(|_| {}).await;
    let session = Session::connect(&node).await;
    register(&session.client, "kept", 1).await;
    let refused = "errCode: 400, errMsg: Current service DEFAULT_GROUP@@kept is persistent service, can't register \
                   ephemeral instance. ";
    let answer = session.client.call("InstanceRequest", request("registerInstance", "kept", 2)).await;
    assert_eq!(code(&answer), ("ErrorResponse", 400, refused));
    let (status, body) = node.http("POST", "/nacos/v1/ns/instance?serviceName=kept&ip=10.7.7.7&port=2").await;
    assert_eq!((status, body.as_str()), (400, refused));

    session.client.call("InstanceRequest", request("registerInstance", "passing", 1)).await.expect("registers");
    let refused = "errCode: 400, errMsg: Current service DEFAULT_GROUP@@passing is ephemeral service, can't register \
                   persistent instance. ";
    let answer = session.client.call("PersistentInstanceRequest", request("registerInstance", "passing", 2)).await;
    assert_eq!(code(&answer), ("ErrorResponse", 400, refused));
    let path = "/nacos/v1/ns/instance?serviceName=passing&ip=10.7.7.7&port=2&ephemeral=false";
    let (status, body) = node.http("POST", path).await;
    assert_eq!((status, body.as_str()), (400, refused));
    node.stop().await;
}

#[tokio::test]
async fn operators_see_whose_an_instance_is_and_of_which_kind() {
    let node = Node::start_with(|_| {}).await;
    let session = Session::connect(&node).await;
    register(&session.client, "store", 1).await;
    let get = async |path: &str| -> Value {
        let (status, body) = node.http("GET", path).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    };
    let clients = get("/nacos/v2/ns/client/list").await;
    assert!(clients["data"].as_array().is_some_and(|all| all.contains(&json!("10.7.7.7:1#false"))), "{clients}");
    let client = get("/nacos/v2/ns/client?clientId=10.7.7.7:1%23false").await;
    assert_eq!((&client["data"]["ephemeral"], &client["data"]["clientIp"]), (&json!(false), &json!("10.7.7.7")));
    for (ephemeral, count) in [("true", 0), ("false", 1)] {
        let path = format!("/nacos/v2/ns/client/service/publisher/list?serviceName=store&ephemeral={ephemeral}");
        assert_eq!(get(&path).await["data"].as_array().map(Vec::len), Some(count), "{ephemeral}");
    }
    let numbers = get("/nacos/v3/admin/ns/ops/metrics?onlyStatus=false").await;
    let numbers = ["persistentIpPortClientCount", "ephemeralIpPortClientCount"].map(|name| &numbers["data"][name]);
    assert_eq!(numbers, [1, 0]);
    let (_, text) = node.http("GET", "/roster/v1/services").await;
    assert!(text.contains(r#""name":"store","instances":1"#), "{text}");
    node.stop().await;
}

#[tokio::test]
async fn a_generated_id_is_kept_as_it_was_made() {
    let node = Node::start_with(|_| {}).await;
    let session = Session::connect(&node).await;
    let mut body: Value = serde_json::from_str(&request("registerInstance", "store", 1)).expect("JSON");
    body["instance"]["metadata"] = json!({"preserved.instance.id.generator": "snowflake"});
    session.client.call("PersistentInstanceRequest", body.to_string()).await.expect("registers");
    let path = "/nacos/v1/ns/instance?serviceName=store&ip=10.7.7.7&port=1";
    let id = |text: &str| serde_json::from_str::<Value>(text).expect("JSON")["instanceId"].clone();
    let first = id(&node.http("GET", path).await.1);
    let made = first.as_str().and_then(|id| id.split_once('#')).expect("an id in parts");
    assert!(made.0.parse::<u128>().is_ok() && made.1 == "DEFAULT#DEFAULT_GROUP@@store", "{first}");
    assert_eq!(id(&node.http("GET", path).await.1), first);
    node.stop().await;
}

#[tokio::test]
async fn the_native_api_takes_both_kinds() {
    let node = Node::start_with(|_| {}).await;
    let post = async |ephemeral: Value| {
        let body = json!({"serviceName": "store", "type": "registerInstance",
            "instance": {"ip": "10.7.7.7", "port": 1, "ephemeral": ephemeral}});
        let request = crate::support::HttpRequest {
            method: "POST".to_owned(),
            target: "/roster/v1/instances".to_owned(),
            headers: Vec::new(),
            body: Some(body.to_string().into_bytes()),
        };
        request.send(node.http_port()).await.expect("an answer").status
    };
    assert_eq!(post(json!("no")).await, 400);
    assert_eq!(post(json!(false)).await, 200);
    assert_eq!(post(json!(true)).await, 409, "of the other kind");
    let (_, list) = node.http("GET", "/roster/v1/instances?service=store&consistency=strong").await;
    assert!(list.contains(r#""ephemeral":false"#), "{list}");
    let at = "/roster/v1/instances?service=store&ip=10.7.7.7&port=1";
    for (kind, gone) in [("", false), ("&ephemeral=false", true), ("&ephemeral=false", false)] {
        let answer = node.http("DELETE", &format!("{at}{kind}")).await;
        assert_eq!(answer, (200, format!(r#"{{"deregistered":{gone}}}"#)), "{kind}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_reader_says_how_new_its_answer_must_be() {
    let node = Node::start_with(|_| {}).await;
    let session = Session::connect(&node).await;
    register(&session.client, "store", 1).await;
    for path in [
        "/nacos/v1/ns/instance/list?serviceName=store",
        "/nacos/v2/ns/instance?serviceName=store&ip=10.7.7.7&port=1",
        "/nacos/v3/client/ns/instance/list?serviceName=store",
        "/nacos/v3/admin/ns/instance/list?serviceName=store",
        "/roster/v1/instances?service=store",
    ] {
        for (consistency, status) in [("", 200), ("&consistency=strong", 200), ("&consistency=srtong", 400)] {
            let answer = node.http("GET", &format!("{path}{consistency}")).await;
            assert_eq!(answer.0, status, "{path}{consistency}: {}", answer.1);
        }
    }
    for (kind, asked) in [("ServiceQueryRequest", ""), ("SubscribeServiceRequest", "strong")] {
        let mut read = payload(kind, subscription("store"));
        let metadata = read.metadata.as_mut().expect("metadata");
        metadata.headers.insert("consistency".to_owned(), asked.to_owned());
        let answer = session.client.unary(read.clone()).await.expect("an answer");
        assert_eq!(answer.body["serviceInfo"]["hosts"][0]["port"], 1, "{answer:?}");
        read.metadata.as_mut().expect("metadata").headers.insert("consistency".to_owned(), "srtong".to_owned());
        assert_eq!(code(&session.client.unary(read).await).1, 400);
    }
    node.stop().await;
}
