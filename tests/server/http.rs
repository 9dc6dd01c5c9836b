//! What gRPC clients and probes ask over HTTP, on both ports.

use serde_json::{Value, json};

use crate::support::{Node, Session};

fn parsed(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|fault| panic!("{fault}: {body}"))
}

#[tokio::test]
async fn probes_and_logins_are_answered_on_both_ports() {
    let node = Node::start_with(|_| {}).await;
    for port in node.server().addresses().map(|address| address.port()) {
        for path in ["/nacos/v1/console/health/liveness", "/nacos/v1/console/health/readiness"] {
            assert_eq!(node.http_at(port, "GET", path).await, (200, "OK".to_owned()));
        }
        for path in ["/nacos/v3/admin/core/state/liveness", "/nacos/v3/admin/core/state/readiness"] {
            let (status, body) = node.http_at(port, "GET", path).await;
            assert_eq!((status, parsed(&body)["data"].clone()), (200, json!("ok")), "{path}");
        }
        let (status, body) = node.http_at(port, "GET", "/nacos/v1/ns/operator/metrics").await;
        assert_eq!((status, parsed(&body)["status"].clone()), (200, json!("UP")));
        for path in ["/nacos/v1/auth/login", "/nacos/v1/auth/users/login", "/nacos/v3/auth/user/login"] {
            let (status, body) = node.http_at(port, "POST", &format!("{path}?username=u&password=p")).await;
            assert_eq!(status, 200, "{path}: {body}");
            assert!(!parsed(&body)["accessToken"].as_str().expect("a token").is_empty());
            assert_eq!(node.http_at(port, "POST", path).await.0, 400, "{path} without a name");
        }
        assert_eq!(node.http_at(port, "GET", "/nacos/v1/nothing").await.0, 404);
    }
    node.stop().await;
}

#[tokio::test]
async fn numbers_on_both_pages_follow_what_is_there() {
    let node = Node::start_with(|_| {}).await;
    let session = Session::connect(&node).await;
    let body = json!({"serviceName": "counted", "groupName": "DEFAULT_GROUP", "namespace": "public",
        "type": "registerInstance", "instance": {"ip": "10.7.7.7", "port": 1}});
    session.client.call("InstanceRequest", body.to_string()).await.expect("registers");
    let (_, body) = node.http("GET", "/nacos/v1/ns/operator/metrics?onlyStatus=false").await;
    let numbers = parsed(&body);
    assert_eq!(numbers["serviceCount"], 1, "{numbers}");
    assert_eq!(numbers["instanceCount"], 1, "{numbers}");
    assert_eq!(numbers["connectionBasedClientCount"], 1, "{numbers}");
    let (status, page) = node.http("GET", "/metrics").await;
    assert_eq!(status, 200);
    let gauge = |name: &str| page.lines().any(|line| line.starts_with(name) && !line.starts_with('#'));
    for name in ["roster_connections", "roster_clients", "roster_services", "roster_instances", "roster_subscribers"] {
        assert!(gauge(name), "no {name} in\n{page}");
    }
    assert!(page.contains(r#"roster_requests_total{"#) && page.contains("InstanceRequest"), "{page}");
    node.stop().await;
}

#[tokio::test]
async fn requests_are_counted_by_operation_generation_and_status() {
    let node = Node::start_with(|_| {}).await;
    let register = "serviceName=counted&ip=10.0.0.1&port=80";
    for (method, path) in [
        ("POST", &*format!("/nacos/v1/ns/instance?{register}")),
        ("POST", "/nacos/v2/ns/instance"),
        ("PUT", "/nacos/v1/ns/instance/beat/"),
        ("GET", "/nacos/v1/console/health/liveness"),
        ("GET", "/nacos/v1/ns/nobody-serves-this"),
        ("GET", "/nobody-serves-this"),
        ("PUT", "/metrics"),
        ("GET", "/roster/v1/services"),
        ("GET", "/nacos/actuator/health"),
        ("HEAD", "/nacos/v1/ns/service/list"),
    ] {
        node.http(method, path).await;
    }
    let (_, page) = node.http("GET", "/metrics").await;
    for series in [
        r#"operation="registerInstance",generation="v1",status="2xx""#,
        r#"operation="registerInstance",generation="v2",status="4xx""#,
        r#"operation="beatInstance",generation="v1",status="4xx""#,
        r#"operation="isLive",generation="v1",status="2xx""#,
        r#"operation="unknown",generation="none",status="4xx""#,
        r#"operation="unknown",generation="none",status="5xx""#,
        r#"operation="native",generation="none",status="2xx""#,
        r#"operation="page",generation="none",status="2xx""#,
        r#"operation="refused",generation="v1",status="5xx""#,
    ] {
        assert!(page.contains(&format!("roster_http_requests_total{{{series}}}")), "no {series} in\n{page}");
    }
    assert!(!page.contains("nobody-serves-this"), "callers choose no label");
    node.stop().await;
}
