//! Lists of operators, where recordings say nothing: clients over gRPC, many services, what is switched off.

use serde_json::{Value, json};

use crate::support::{Node, Session};

async fn get(node: &Node, path: &str) -> Value {
    let (status, body) = node.http("GET", path).await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap_or_else(|fault| panic!("{path}: {fault}: {body}"))
}

/// The `data` of an answer in the envelope.
async fn data(node: &Node, path: &str) -> Value {
    get(node, path).await["data"].take()
}

async fn publish(session: &Session, service: &str, port: u16) {
    let body = json!({"serviceName": service, "groupName": "DEFAULT_GROUP", "namespace": "public",
        "type": "registerInstance", "instance": {"ip": "10.7.7.7", "port": port}});
    session.client.call("InstanceRequest", body.to_string()).await.expect("registers");
}

async fn subscribe(session: &Session, service: &str, clusters: &str) {
    let body = json!({"serviceName": service, "groupName": "DEFAULT_GROUP", "namespace": "public",
        "subscribe": true, "clusters": clusters});
    session.client.call("SubscribeServiceRequest", body.to_string()).await.expect("subscribes");
}

const SETUP: &str = r#"{"clientVersion":"Nacos-Java-Client:v2.5.1","labels":{"AppName":"shop"},"abilityTable":{}}"#;

/// The words a listing has for one member.
fn members(list: &Value, name: &str) -> Vec<String> {
    let all = list.as_array().expect("a list").iter();
    all.map(|it| it[name].as_str().expect("a text").to_owned()).collect()
}

#[tokio::test]
async fn a_connected_client_is_shown_with_what_it_is_and_does() {
    let node = Node::start_with(|_| {}).await;
    let session = Session::connect_as(&node, SETUP).await;
    publish(&session, "made", 1).await;
    subscribe(&session, "wanted", "c1,c2").await;
    let id = session.client.id().await.to_string();
    let (ip, port) = id.split_once('_').expect("an id").1.rsplit_once('_').expect("an id");
    let port: u16 = port.parse().expect("a port");

    assert_eq!(data(&node, "/nacos/v2/ns/client/list").await, json!([id]));
    let v2 = data(&node, &format!("/nacos/v2/ns/client?clientId={id}")).await;
    assert!(v2["lastUpdatedTime"].as_u64().is_some_and(|millis| millis > 1_600_000_000_000), "{v2}");
    assert_eq!(v2["clientPort"], port.to_string());
    let v3 = data(&node, &format!("/nacos/v3/admin/ns/client?clientId={id}")).await;
    for (name, value) in [("clientType", "connection"), ("connectType", "GRPC"), ("appName", "shop"), ("clientIp", ip)]
    {
        assert_eq!((&v2[name], &v3[name]), (&value.into(), &value.into()), "{name}");
    }
    assert_eq!((&v3["version"], &v3["clientPort"]), (&json!("Nacos-Java-Client:v2.5.1"), &json!(port)));

    let published = data(&node, &format!("/nacos/v2/ns/client/publish/list?clientId={id}")).await;
    let instance = json!({"ip": "10.7.7.7", "port": 1, "cluster": "DEFAULT"});
    assert_eq!((&published[0]["serviceName"], &published[0]["registeredInstance"]), (&json!("made"), &instance));
    let address = format!("{ip}:{port}");
    let subscribed = data(&node, &format!("/nacos/v2/ns/client/subscribe/list?clientId={id}")).await;
    let info = json!({"app": "shop", "agent": "Nacos-Java-Client:v2.5.1", "addr": address});
    assert_eq!((&subscribed[0]["serviceName"], &subscribed[0]["subscriberInfo"]), (&json!("wanted"), &info));

    let publishers = "client/service/publisher/list?serviceName=made";
    let publishers = data(&node, &format!("/nacos/v3/admin/ns/{publishers}")).await;
    assert_eq!(publishers, json!([{"clientId": id, "ip": "10.7.7.7", "port": 1, "clusterName": "DEFAULT"}]));
    let by_service = "/nacos/v2/ns/client/service/subscriber/list?serviceName=wanted";
    assert_eq!(data(&node, by_service).await, json!([{"clientId": id, "ip": ip, "port": port}]));
    assert_eq!(data(&node, &format!("{by_service}&ip={ip}&port={port}")).await.as_array().map(Vec::len), Some(1));
    assert_eq!(data(&node, &format!("{by_service}&ip=10.1.1.1")).await, json!([]));
    node.stop().await;
}

#[tokio::test]
async fn subscribers_are_paged_and_found_by_part_of_a_name_in_the_first_generation() {
    let node = Node::start_with(|_| {}).await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let session = Session::connect_as(&node, SETUP).await;
        subscribe(&session, "orders", "c1").await;
        sessions.push(session);
    }
    subscribe(&sessions[0], "my-orders", "").await;
    let path = "/nacos/v1/ns/service/subscribers?serviceName=order&pageSize=3";
    let (first, second) = (get(&node, path).await, get(&node, &format!("{path}&pageNo=2")).await);
    assert_eq!((&first["count"], &second["count"]), (&json!(4), &json!(4)));
    assert_eq!(first["subscribers"].as_array().map(Vec::len), Some(3));
    let shown = &second["subscribers"][0];
    assert_eq!(shown["serviceName"], "DEFAULT_GROUP@@orders");
    assert_eq!((&shown["agent"], &shown["app"]), (&json!("Nacos-Java-Client:v2.5.1"), &json!("shop")));
    assert_eq!((&shown["cluster"], &shown["namespaceId"]), (&json!("c1"), &json!("public")));
    for path in ["/nacos/v3/admin/ns", "/nacos/v3/console/ns", "/v3/console/ns"] {
        let page = data(&node, &format!("{path}/service/subscribers?serviceName=orders&pageSize=2&pageNo=2")).await;
        assert_eq!((&page["totalCount"], &page["pagesAvailable"]), (&json!(3), &json!(2)), "{path}");
        assert_eq!(page["pageItems"].as_array().map(Vec::len), Some(1), "{path}");
        let page = data(&node, &format!("{path}/service/subscribers?serviceName=order")).await;
        assert_eq!(page["totalCount"], 0, "{path} takes the name as it is");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_page_may_be_as_large_as_all_there_is() {
    const SERVICES: usize = 2_100;
    let node = Node::start_with(|_| {}).await;
    let session = Session::connect(&node).await;
    let mut names: Vec<String> = (0..SERVICES).map(|n| format!("s{n}")).collect();
    for name in &names {
        publish(&session, name, 1).await;
    }
    names.sort();
    let list = "/nacos/v3/admin/ns/service/list";
    let all = data(&node, &format!("{list}?pageSize=5000")).await;
    assert_eq!((&all["totalCount"], &members(&all["pageItems"], "name")), (&json!(SERVICES), &names));
    let whole = data(&node, &format!("{list}?pageSize=5000&withInstances=true")).await;
    assert_eq!(members(&whole["pageItems"], "serviceName"), names);
    assert_eq!(whole["pageItems"][SERVICES - 1]["clusterMap"]["DEFAULT"]["hosts"][0]["ip"], "10.7.7.7");
    let some = data(&node, &format!("{list}?pageSize=7&pageNo=150")).await;
    assert_eq!(members(&some["pageItems"], "name"), names[149 * 7..150 * 7]);
    let found = data(&node, &format!("{list}?serviceNameParam=20*9&pageSize=100")).await;
    let expected: Vec<_> = names.iter().filter(|it| it.contains("20") && it.ends_with('9')).cloned().collect();
    let exact = members(&found["pageItems"], "name");
    assert!(expected.iter().all(|name| exact.contains(name)) && exact.is_sorted(), "{exact:?}");
    let names_v1 = get(&node, "/nacos/v1/ns/service/names").await;
    assert_eq!(names_v1["count"], SERVICES);
    let targets = get(&node, "/nacos/prometheus").await;
    assert_eq!(targets.as_array().map(Vec::len), Some(SERVICES));
    let one = get(&node, "/nacos/prometheus/namespaceId/public/service/s9").await;
    assert_eq!(one, json!([{"targets": ["10.7.7.7:1"], "labels": {"__meta_clusterName": "DEFAULT"}}]));
    node.stop().await;
}

#[tokio::test]
async fn only_consoles_are_served_outside_the_context_and_discovery_can_be_off() {
    let node = Node::start_with(|settings| settings.prometheus_discovery = Some(false)).await;
    for (path, status) in [
        ("/v3/console/ns/service/list", 200),
        ("/nacos/v3/console/ns/service/list", 200),
        ("/v1/console/health/liveness", 200),
        ("/v3/admin/ns/service/list", 404),
        ("/v1/ns/service/names", 404),
        ("/nacos/prometheus", 404),
        ("/nacos/prometheus/namespaceId/public", 404),
    ] {
        assert_eq!(node.http("GET", path).await.0, status, "{path}");
    }
    node.stop().await;
}

#[tokio::test]
async fn every_node_alone_is_responsible_for_all() {
    let node = Node::start_with(|_| {}).await;
    let own = json!({"responsibleServer": format!("127.0.0.1:{}", node.http_port())});
    let of = "client/distro?ip=10.0.0.1&port=80";
    assert_eq!(data(&node, &format!("/nacos/v2/ns/{of}")).await, own);
    assert_eq!(data(&node, &format!("/nacos/v3/admin/ns/{of}")).await, own);
    assert_eq!(get(&node, "/nacos/v1/ns/operator/distro/client?ip=10.0.0.1&port=80").await, own);
    node.stop().await;
}
