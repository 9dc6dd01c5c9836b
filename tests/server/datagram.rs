//! Pushes by datagram over real sockets: who is subscribed, what arrives, which acks count. What takes seconds (resends, the
//! end of a subscription) is tested in simulated time: `src/push/datagram_test.rs`, `src/node/polling_test.rs`.

mod recorded;

use serde_json::json;

use crate::support::{Datagram, JAVA, Node, Session, Subscriber};

const LIST: &str = "/nacos/v1/ns/instance/list?serviceName=s&clientIP=127.0.0.1&udpPort=UDP_PORT";

async fn register(node: &Node, service: &str, port: u16) {
    let target = format!("/nacos/v1/ns/instance?serviceName={service}&ip=10.0.0.1&port={port}");
    assert_eq!(node.http("POST", &target).await, (200, "ok".to_owned()));
}

/// Polls as a Java client, takes the first push and acknowledges it.
async fn subscribed(node: &Node) -> (Subscriber, Datagram) {
    let subscriber = Subscriber::new().await;
    assert_eq!(subscriber.poll(node, LIST, JAVA).await.0, 200);
    let first = subscriber.receive().await;
    subscriber.acknowledge(&first, true).await;
    (subscriber, first)
}

fn acked(node: &Node) -> u64 {
    node.server().connections().runtime().stats().pushes.acked
}

fn subscribers(node: &Node) -> usize {
    node.server().connections().runtime().stats().size.subscribers
}

#[tokio::test]
async fn a_poll_is_answered_and_pushed_and_changes_are_pushed_from_the_same_socket() {
    let node = Node::start_with(|_| {}).await;
    let (subscriber, first) = subscribed(&node).await;
    assert_eq!((first.ports(), first.compressed), (vec![], false));
    node.until(|node| acked(node) == 1).await;
    register(&node, "s", 1).await;
    let second = subscriber.receive().await;
    assert_eq!((second.ports(), second.from), (vec![1], first.from));
    subscriber.acknowledge(&second, false).await;
    node.until(|node| acked(node) == 2).await;
    node.stop().await;
}

#[tokio::test]
async fn a_long_datagram_is_compressed() {
    let node = Node::start_with(|_| {}).await;
    for port in 1..=6 {
        register(&node, "s", port).await;
    }
    let (_, push) = subscribed(&node).await;
    assert_eq!((push.ports(), push.compressed), ((1..=6).collect(), true));
    assert!(push.text.len() > 1_024);
    node.stop().await;
}

#[tokio::test]
async fn only_clients_that_take_datagrams_at_an_address_are_subscribed() {
    let node = Node::start_with(|_| {}).await;
    let subscriber = Subscriber::new().await;
    for agent in ["curl/8.0", "Nacos-Python-Client:v9.0.0", "Nacos-Java-Client:v0.0.9", "nacos-sdk-rust:v1.0.0", ""] {
        assert_eq!(subscriber.poll(&node, LIST, ("User-Agent", agent)).await.0, 200, "{agent}");
    }
    let nowhere = ["host.example", "0.0.0.0", "224.0.0.1", "a%20b"].map(|ip| LIST.replace("127.0.0.1", ip));
    let never = ["0", "-1", "65536", ""].map(|port| LIST.replace("UDP_PORT", port));
    let newest = "/nacos/v3/client/ns/instance/list?serviceName=s&ip=127.0.0.1&port=UDP_PORT&clientIP=127.0.0.1";
    for target in nowhere.into_iter().chain(never).chain([newest.to_owned()]) {
        assert_eq!(subscriber.poll(&node, &target, JAVA).await.0, 200, "{target}");
    }
    for target in [LIST.to_owned(), LIST.replace("/v1/", "/v2/").replace("udpPort", "port")] {
        let target = target.replace("UDP_PORT", "abc");
        assert_eq!(subscriber.poll(&node, &target, JAVA).await.0, 400, "{target}");
    }
    assert_eq!(subscribers(&node), 0);
    node.stop().await;
}

#[tokio::test]
async fn every_spelling_of_a_poll_subscribes() {
    let node = Node::start_with(|_| {}).await;
    let spellings = [
        (LIST.to_owned(), ("Client-Version", "Nacos-C-Client:v1.0.21")),
        (LIST.replace("&clientIP=127.0.0.1", ""), JAVA),
        (LIST.replace("/v1/", "/v2/").replace("clientIP", "ip").replace("udpPort", "port"), JAVA),
        (LIST.replace("/v1/", "/v2/").replace("&clientIP=127.0.0.1", "").replace("udpPort", "port"), JAVA),
    ];
    for (target, agent) in spellings {
        let subscriber = Subscriber::new().await;
        assert_eq!(subscriber.poll(&node, &target, agent).await.0, 200, "{target}");
        let push = subscriber.receive().await;
        subscriber.acknowledge(&push, true).await;
    }
    node.until(|node| acked(node) == 4).await;
    node.stop().await;
}

#[tokio::test]
async fn what_is_no_ack_is_ignored() {
    let node = Node::start_with(|_| {}).await;
    let subscriber = Subscriber::new().await;
    subscriber.poll(&node, LIST, JAVA).await;
    let push = subscriber.receive().await;
    let other = json!({"type": "push-ack", "lastRefTime": push.token.as_u64().expect("a number") + 1}).to_string();
    let long = format!("{:4000}", other);
    for bytes in
        [&b""[..], b"\x1f\x8b", b"{\"type\":\"push-ack\"}", b"null", &[0xff; 2_000], other.as_bytes(), long.as_bytes()]
    {
        subscriber.send(&push, bytes).await;
    }
    assert_eq!(acked(&node), 0);
    subscriber.acknowledge(&push, true).await;
    node.until(|node| acked(node) == 1).await;
    node.stop().await;
}

#[tokio::test]
async fn a_list_that_fits_no_datagram_is_not_sent_and_holds_nobody_up() {
    let node = Node::start_with(|_| {}).await;
    let session = Session::connect(&node).await;
    let noise = |seed: u64| -> String {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'!' + u8::try_from((state >> 33) % 90).expect("a byte"))
        };
        (0..900).map(|_| next()).collect()
    };
    let instances: Vec<_> =
        (1..=200).map(|port| json!({"ip": "10.0.0.1", "port": port, "metadata": {"k": noise(port)}})).collect();
    let request = json!({"namespace": "public", "serviceName": "long", "groupName": "DEFAULT_GROUP",
        "type": "batchRegisterInstance", "instances": instances});
    session.client.call("BatchInstanceRequest", request.to_string()).await.expect("registers");
    let subscriber = Subscriber::new().await;
    for service in ["long", "s"] {
        subscriber.poll(&node, &LIST.replace("serviceName=s", &format!("serviceName={service}")), JAVA).await;
    }
    let push = subscriber.receive().await;
    assert_eq!(push.list()["name"], "DEFAULT_GROUP@@s");
    let (_, page) = node.http("GET", "/metrics").await;
    assert!(page.contains(r#"roster_datagrams_total{result="too_large"}"#), "{page}");
    node.stop().await;
}

#[tokio::test]
async fn addresses_of_both_kinds_are_reached_from_one_socket() {
    if tokio::net::UdpSocket::bind("[::1]:0").await.is_err() {
        eprintln!("not tried: this machine has no IPv6");
        return;
    }
    let node = Node::start_with(|settings| settings.host = Some([0, 0, 0, 0].into())).await;
    for ip in ["127.0.0.1", "::1"] {
        let subscriber = Subscriber::at(ip).await;
        let before = acked(&node);
        assert_eq!(subscriber.poll(&node, &LIST.replace("127.0.0.1", ip), JAVA).await.0, 200);
        let push = subscriber.receive().await;
        subscriber.acknowledge(&push, true).await;
        node.until(|node| acked(node) == before + 1).await;
    }
    node.stop().await;
}
