//! What operators tell a server over HTTP, where no recording says what must follow.

use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::support::{HttpRequest, Node, Session};

fn parsed(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|fault| panic!("{fault}: {body}"))
}

async fn done(node: &Node, method: &str, path: &str) -> Value {
    let (status, body) = node.http(method, path).await;
    assert_eq!(status, 200, "{method} {path}: {body}");
    serde_json::from_str(&body).unwrap_or(Value::String(body))
}

/// A connection that is kept.
async fn keep(port: u16) -> http1::SendRequest<Empty<Bytes>> {
    let socket = TcpStream::connect(("127.0.0.1", port)).await.expect("the node accepts");
    let (send, connection) = http1::handshake(TokioIo::new(socket)).await.expect("the node speaks HTTP/1.1");
    tokio::spawn(connection);
    send
}

async fn ask(send: &mut http1::SendRequest<Empty<Bytes>>, path: &str) -> (u16, String) {
    let request = Request::get(path).header("host", "127.0.0.1").body(Empty::new()).expect("a request");
    let answer = send.send_request(request).await.expect("answered");
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8(body.to_vec()).expect("a text"))
}

#[tokio::test]
async fn a_node_that_stops_lives_but_is_not_ready() {
    let node = Node::start_with(|_| {}).await;
    let mut kept = keep(node.http_port()).await;
    let probes = ["/nacos/v1/console/health/", "/nacos/v2/console/health/", "/nacos/v3/admin/core/state/"];
    for probe in probes {
        assert_eq!(ask(&mut kept, &format!("{probe}readiness")).await.0, 200);
    }
    node.stop().await;
    for probe in probes {
        let (status, body) = ask(&mut kept, &format!("{probe}readiness")).await;
        assert!(status == 500 && body.contains("naming not in readiness"), "{probe}: {status} {body}");
        assert_eq!(ask(&mut kept, &format!("{probe}liveness")).await.0, 200);
    }
}

#[tokio::test]
async fn clients_are_told_what_operators_switched() {
    let node = Node::start_with(|_| {}).await;
    let switches = "/nacos/v3/admin/ns/ops/switches";
    done(&node, "PUT", &format!("{switches}?entry=clientBeatInterval&value=6000")).await;
    done(&node, "PUT", &format!("{switches}?entry=pushCacheMillis&value=20000&debug=true")).await;
    let beat = "/nacos/v1/ns/instance/beat?serviceName=s&ip=10.0.0.1&port=1";
    assert_eq!(done(&node, "PUT", beat).await["clientBeatInterval"], 6_000, "also of nobody");
    done(&node, "POST", "/nacos/v1/ns/instance?serviceName=s&ip=10.0.0.1&port=1").await;
    assert_eq!(done(&node, "PUT", beat).await["clientBeatInterval"], 6_000);
    let own = "serviceName=s&ip=10.0.0.2&port=1";
    let metadata = "metadata=preserved.heart.beat.interval%3D7000";
    done(&node, "POST", &format!("/nacos/v1/ns/instance?{own}&{metadata}")).await;
    let beat = done(&node, "PUT", &format!("/nacos/v1/ns/instance/beat?{own}")).await;
    assert_eq!(beat["clientBeatInterval"], 7_000, "an instance that says how often it beats is believed");
    assert_eq!(done(&node, "GET", "/nacos/v1/ns/instance/list?serviceName=s").await["cacheMillis"], 20_000);
    let session = Session::connect(&node).await;
    let query = json!({"serviceName": "s", "groupName": "DEFAULT_GROUP", "namespace": "public"});
    let answer = session.client.call("ServiceQueryRequest", query.to_string()).await.expect("answered").body;
    assert_eq!(answer["serviceInfo"]["cacheMillis"], 20_000, "{answer}");
    node.stop().await;
}

#[tokio::test]
async fn a_namespace_without_an_id_gets_one_of_its_own() {
    let node = Node::start_with(|_| {}).await;
    for create in [
        "/nacos/v1/console/namespaces?customNamespaceId=&namespaceName=a",
        "/nacos/v2/console/namespace?namespaceId=&namespaceName=a",
        "/nacos/v3/admin/core/namespace?namespaceId=%20&namespaceName=a",
        "/nacos/v3/console/core/namespace?namespaceName=a",
    ] {
        done(&node, "POST", create).await;
    }
    let all = done(&node, "GET", "/nacos/v3/admin/core/namespace/list").await;
    let ids: Vec<&str> =
        all["data"].as_array().expect("a list").iter().filter_map(|it| it["namespace"].as_str()).collect();
    assert_eq!((ids.len(), ids[0]), (5, "public"));
    assert!(ids[1..].iter().all(|id| id.len() == 36), "{ids:?}");
    assert!((1..5).all(|at| !ids[at + 1..].contains(&ids[at])), "{ids:?}");
    node.stop().await;
}

#[tokio::test]
async fn what_no_namespace_can_be_called_is_refused() {
    let node = Node::start_with(|_| {}).await;
    let long = |characters: usize| "n".repeat(characters);
    for (query, words) in [
        (format!("namespaceId={}&namespaceName=a", long(129)), "too long namespaceId, over 128"),
        (format!("namespaceId=a&namespaceName=a&namespaceDesc={}", long(257)), "too long namespaceDesc, over 256"),
        (format!("namespaceId=a&namespaceName={}", long(257)), "contains illegal char"),
    ] {
        let (status, body) = node.http("POST", &format!("/nacos/v3/admin/core/namespace?{query}")).await;
        assert_eq!(status, 400, "{query}");
        let body = parsed(&body);
        assert_eq!(body["code"], 22_000, "{body}");
        assert!(body["data"].as_str().expect("a text").contains(words), "{body}");
    }
    node.stop().await;
}

#[tokio::test]
async fn one_node_is_the_whole_cluster() {
    let node = Node::start_with(|_| {}).await;
    let here = format!("127.0.0.1:{}", node.http_port());
    for path in ["/serverlist", "/nacos/serverlist?namespace=a"] {
        assert_eq!(node.http("GET", path).await, (200, format!("{here}\n")));
    }
    let shown = |path: String| {
        let node = &node;
        async move { done(node, "GET", &path).await["data"].as_array().map(Vec::len) }
    };
    assert_eq!(shown("/nacos/v3/admin/core/cluster/node/list?address=127.0".to_owned()).await, Some(1));
    assert_eq!(shown("/nacos/v3/admin/core/cluster/node/list?address=27.0".to_owned()).await, Some(0));
    assert_eq!(shown(format!("/nacos/v1/core/cluster/nodes?keyword={}", node.http_port())).await, Some(1));
    node.stop().await;
}

#[tokio::test]
async fn connections_over_a_number_are_told_to_go_elsewhere() {
    let node = Node::start_with(|_| {}).await;
    let sessions = [Session::connect(&node).await, Session::connect(&node).await];
    let reload = "/nacos/v3/admin/core/loader/reloadCurrent?count=1&redirectAddress=10.0.0.9:8848";
    done(&node, "POST", reload).await;
    node.until(|_| sessions.iter().any(|session| reset_to(session).is_some())).await;
    let told: Vec<Value> = sessions.iter().filter_map(reset_to).collect();
    assert_eq!(told, [json!("10.0.0.9")], "one of two");
    let refused = node.http("POST", "/nacos/v3/admin/core/loader/reloadCurrent?count=1&redirectAddress=nowhere").await;
    assert_eq!(refused.0, 400, "{}", refused.1);
    node.stop().await;
}

/// Where a client was told to go.
fn reset_to(session: &Session) -> Option<Value> {
    let all = session.stream.received();
    all.iter().find(|message| message.kind == "ConnectResetRequest").map(|message| message.body["serverIp"].clone())
}

#[tokio::test]
async fn configurations_are_answered_as_by_a_server_without_them() {
    let node = Node::start_with(|_| {}).await;
    for path in ["/nacos/v3/console/cs/config/list", "/v3/console/cs/config", "/nacos/v3/admin/cs/history/list"] {
        for method in ["GET", "POST"] {
            let (status, body) = node.http(method, path).await;
            assert_eq!((status, &parsed(&body)["code"]), (501, &json!(40_001)), "{method} {path}");
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn what_takes_json_takes_a_form() {
    let node = Node::start_with(|_| {}).await;
    let log = |content_type: &str, body: &str| HttpRequest {
        method: "PUT".into(),
        target: "/nacos/v3/admin/core/ops/log".into(),
        headers: vec![("Content-Type".into(), content_type.into())],
        body: Some(body.as_bytes().to_vec()),
    };
    for (content_type, body, status) in [
        ("application/json", r#"{"logName":"core","logLevel":"INFO"}"#, 200),
        ("application/x-www-form-urlencoded", "logName=core&logLevel=INFO", 200),
        ("application/json", r#"{"logName":"core"}"#, 400),
        ("application/json", "{", 400),
    ] {
        let answer = log(content_type, body).send(node.http_port()).await.expect("answered");
        assert_eq!(answer.status, status, "{body}");
    }
    node.stop().await;
}

#[tokio::test]
async fn methods_the_oldest_api_does_not_know_are_unknown_apis() {
    let node = Node::start_with(|_| {}).await;
    let list = "ns/instance/list?serviceName=s";
    for (method, v1, v2) in [("HEAD", 501, 200), ("OPTIONS", 501, 200), ("POST", 501, 405)] {
        assert_eq!(node.http(method, &format!("/nacos/v1/{list}")).await.0, v1, "{method}");
        assert_eq!(node.http(method, &format!("/nacos/v2/{list}")).await.0, v2, "{method}");
    }
    let away = HttpRequest { method: "GET".into(), target: "/nacos".into(), headers: Vec::new(), body: None };
    let answer = away.send(node.http_port()).await.expect("answered");
    assert_eq!((answer.status, answer.header("location")), (302, Some("/nacos/")));
    node.stop().await;
}
