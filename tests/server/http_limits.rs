//! Callers over HTTP that send too much, too slowly or nothing, or do not read: each is refused or cut off in bounded time,
//! and nothing changed.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, interval, timeout},
};

use crate::support::{DEADLINE, HttpRequest, Node};

const BODY_BYTES: usize = 1024 * 1024;
const HEAD_BYTES: usize = 64 * 1024;
const FORM: &str = "application/x-www-form-urlencoded";
const REGISTER: &str = "/nacos/v1/ns/instance?serviceName=bounded&ip=10.0.0.1&port=80";
/// The bound that slow callers are tested with; a busy machine may need thrice as long to act.
const BOUND: Duration = Duration::from_secs(1);

async fn impatient() -> Node {
    let bound = || Some("1s".parse().expect("a span"));
    Node::start_with(|settings| {
        settings.http_timeout = bound();
        settings.http_idle = bound();
        settings.setup_deadline = bound();
    })
    .await
}

async fn instances(node: &Node) -> usize {
    let (status, list) = node.http("GET", "/nacos/v1/ns/instance/list?serviceName=bounded").await;
    assert_eq!(status, 200);
    list.matches(r#""instanceId""#).count()
}

/// The status of a registration with this body.
async fn post(node: &Node, kind: &str, body: Vec<u8>) -> u16 {
    let headers = vec![("Content-Type".to_owned(), kind.to_owned())];
    let request = HttpRequest { method: "POST".into(), target: REGISTER.into(), headers, body: Some(body) };
    request.send(node.http_port()).await.expect("an answer").status
}

async fn open(node: &Node) -> TcpStream {
    TcpStream::connect(("127.0.0.1", node.http_port())).await.expect("the node accepts")
}

/// Writes `pieces`, one now and then, until the node ends the connection. What it said, and how long it took.
async fn cut_off(mut socket: TcpStream, piece: &'static [u8]) -> (String, Duration) {
    let begin = Instant::now();
    let (mut read, mut write) = socket.split();
    let trickle = async {
        let mut pauses = interval(BOUND / 20);
        // An error is the end, which the other half sees too.
        while write.write_all(piece).await.is_ok() {
            pauses.tick().await;
        }
        std::future::pending::<()>().await;
    };
    let mut said = Vec::new();
    tokio::select! {
        () = trickle => {}
        // The end may be a reset, if something was still on its way to the node.
        _ = timeout(DEADLINE, read.read_to_end(&mut said)) => {}
    }
    (String::from_utf8(said).expect("a text"), begin.elapsed())
}

fn in_bounds(took: Duration) {
    assert!(took < BOUND * 3, "cut off after {took:?}");
}

#[tokio::test]
async fn a_mebibyte_is_read_and_more_is_refused_whatever_it_is() {
    let node = Node::start_with(|_| {}).await;
    let form = |bytes: usize| [b"pad=", &b"x".repeat(bytes - 4)[..]].concat();
    assert_eq!(post(&node, FORM, form(BODY_BYTES + 1)).await, 413);
    assert_eq!(post(&node, "text/plain", form(BODY_BYTES + 1)).await, 413);
    let part = b"--b\r\nContent-Disposition: form-data; name=\"pad\"\r\n\r\n";
    let parts = [part, &b"x".repeat(BODY_BYTES)[..], b"\r\n--b--\r\n"].concat();
    assert_eq!(post(&node, "multipart/form-data; boundary=b", parts).await, 413);
    assert_eq!(instances(&node).await, 0, "nothing was registered");
    assert_eq!(post(&node, FORM, form(BODY_BYTES)).await, 200);
    assert_eq!(instances(&node).await, 1);
    node.stop().await;
}

#[tokio::test]
async fn a_body_of_unknown_length_is_bounded_too() {
    let node = Node::start_with(|_| {}).await;
    let mut socket = open(&node).await;
    let head = format!(
        "POST {REGISTER} HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
        2 * BODY_BYTES
    );
    let (mut read, mut write) = socket.split();
    let send = async {
        // The node may have refused it before the end.
        let _ = write.write_all(&[head.as_bytes(), &b"x".repeat(2 * BODY_BYTES)[..], b"\r\n0\r\n\r\n"].concat()).await;
        std::future::pending::<()>().await;
    };
    let mut status = [0; 12];
    tokio::select! {
        () = send => {}
        answered = timeout(DEADLINE, read.read_exact(&mut status)) => {
            answered.expect("in time").expect("an answer");
        }
    }
    assert_eq!(&status, b"HTTP/1.1 413");
    assert_eq!(instances(&node).await, 0, "nothing was registered");
    node.stop().await;
}

#[tokio::test]
async fn heads_that_are_too_long_are_refused() {
    let node = Node::start_with(|_| {}).await;
    let pad = |bytes: usize| vec![("X-Pad".to_owned(), "x".repeat(bytes))];
    let many = (0..200).map(|number| (format!("X-{number}"), "x".to_owned())).collect();
    for headers in [pad(HEAD_BYTES), many] {
        let request = HttpRequest { method: "POST".into(), target: REGISTER.into(), headers, body: None };
        assert_eq!(request.send(node.http_port()).await.expect("an answer").status, 431);
    }
    assert_eq!(instances(&node).await, 0, "nothing was registered");
    let request =
        HttpRequest { method: "POST".into(), target: REGISTER.into(), headers: pad(HEAD_BYTES / 2), body: None };
    assert_eq!(request.send(node.http_port()).await.expect("an answer").status, 200);
    node.stop().await;
}

#[tokio::test]
async fn a_thousand_parameters_are_read_and_no_more() {
    let node = Node::start_with(|_| {}).await;
    let form = |count: usize| "a=1&".repeat(count).into_bytes();
    // Three stand in the query.
    assert_eq!(post(&node, FORM, form(998)).await, 400);
    assert_eq!(instances(&node).await, 0, "nothing was registered");
    assert_eq!(post(&node, FORM, form(997)).await, 200);
    node.stop().await;
}

#[tokio::test]
async fn a_head_that_trickles_is_cut_off() {
    let node = impatient().await;
    let mut socket = open(&node).await;
    socket.write_all(b"POST /nacos HTTP/1.1\r\nX-Pad: ").await.expect("written");
    let (_, took) = cut_off(socket, b"x").await;
    in_bounds(took);
    node.stop().await;
}

#[tokio::test]
async fn a_head_that_trickles_after_another_request_is_cut_off() {
    let node = impatient().await;
    let mut socket = open(&node).await;
    socket
        .write_all(b"GET /nacos/v1/nothing HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\nX-Pad: ")
        .await
        .expect("written");
    let (said, took) = cut_off(socket, b"x").await;
    assert!(said.starts_with("HTTP/1.1 404"), "{said}");
    in_bounds(took);
    node.stop().await;
}

#[tokio::test]
async fn a_body_that_trickles_is_a_request_timeout() {
    let node = impatient().await;
    let mut socket = open(&node).await;
    let head = format!("POST {REGISTER} HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM}\r\nContent-Length: 100000\r\n\r\n");
    socket.write_all(head.as_bytes()).await.expect("written");
    let (said, took) = cut_off(socket, b"x").await;
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
    in_bounds(took);
    assert_eq!(instances(&node).await, 0, "nothing was registered");
    node.stop().await;
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_whether_it_had_one_or_not() {
    let node = impatient().await;
    let (_, took) = cut_off(open(&node).await, b"").await;
    in_bounds(took);
    let mut socket = open(&node).await;
    socket.write_all(b"GET /nacos/v1/nothing HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("written");
    let (said, took) = cut_off(socket, b"").await;
    assert!(said.starts_with("HTTP/1.1 404"), "{said}");
    assert!(took >= BOUND, "kept for the next request, not closed after {took:?}");
    in_bounds(took);
    node.stop().await;
}

#[tokio::test]
async fn a_caller_that_does_not_read_is_given_up() {
    let node = impatient().await;
    let mut socket = open(&node).await;
    let requests = "GET /roster/v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100);
    let ask_on = async { while socket.write_all(requests.as_bytes()).await.is_ok() {} };
    timeout(DEADLINE, ask_on).await.expect("ended by the node");
    node.stop().await;
}
