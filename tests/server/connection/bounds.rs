//! Bytes that are too many or too strange: a clear answer, nothing changed, the connection lives on.

use serde_json::json;
use tonic::Code;

use super::{count, instance, named, register};
use crate::support::{Node, Session, payload};

const LIMIT: usize = 10 * 1024 * 1024;

/// A registration whose whole message has `size` bytes.
fn sized(size: usize) -> roster::proto::Payload {
    use prost::Message;
    let body = |fill: usize| {
        named("sized", json!({"type": "registerInstance", "instance": instance(1), "pad": "x".repeat(fill)}))
    };
    let near = payload("InstanceRequest", body(size)).encoded_len() - size;
    let exact = payload("InstanceRequest", body(size - near));
    assert_eq!(exact.encoded_len(), size);
    exact
}

#[tokio::test]
async fn ten_mebibytes_are_read_and_one_byte_more_is_not() {
    let node = Node::start_with(|_| {}).await;
    let session = Session::connect(&node).await;
    let refused = session.client.unary(sized(LIMIT + 1)).await.expect_err("too large");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(count(&session.client, "sized").await, 0);
    let taken = session.client.unary(sized(LIMIT)).await.expect("answered");
    assert_eq!(taken.body["resultCode"], 200, "{}", taken.body);
    assert_eq!(count(&session.client, "sized").await, 1);
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_changes_nothing() {
    let node = Node::start_with(|_| {}).await;
    let session = Session::connect(&node).await;
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies = [
        String::new(),
        "{".to_owned(),
        deep.clone(),
        format!(r#"{{"instance":{deep}}}"#),
        named("strange", json!({"type": "registerInstance", "instance": {"ip": "10.7.7.7", "port": 65_536}})),
        named("strange", json!({"type": "registerInstance", "instance": {"ip": "10.7.7.7", "port": -1}})),
        named("strange", json!({"type": "registerInstance", "instance": {"ip": "10.7.7.7", "port": [1]}})),
        named(
            "strange",
            json!({"type": "registerInstance", "instance": {"ip": "10.7.7.7", "port": 1, "clusterName": "a b"}}),
        ),
        named(&"x".repeat(513), json!({"type": "registerInstance", "instance": instance(1)})),
        named("sp ace", json!({"type": "registerInstance", "instance": instance(1)})),
    ];
    for body in bodies {
        let start: String = body.chars().take(200).collect();
        let answer = session.client.call("InstanceRequest", body).await.expect("an answer, no gRPC failure").body;
        assert_eq!(answer["resultCode"], 500, "{start}: {answer}");
        assert_ne!(answer["errorCode"], 0, "{start}: {answer}");
    }
    let invalid = payload("InstanceRequest", b"{\"namespace\":\"\xff\xfe\"}".to_vec());
    assert_eq!(session.client.unary(invalid).await.expect("an answer").body["resultCode"], 500);
    assert_eq!(node.server().connections().runtime().stats().size.services, 0);
    assert_eq!(register(&session.client, "strange", instance(1)).await["resultCode"], 200, "it lives on");
    node.stop().await;
}
