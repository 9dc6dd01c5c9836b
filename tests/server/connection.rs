//! What a connection lives through that no SDK can be made to do: raw payloads against a real node.

mod bounds;
mod end;
mod setup;
mod slow;

use serde_json::{Value, json};

use crate::support::{Message, RawClient, Session};

/// A service of these tests, on the wire.
fn named(service: &str, mut request: Value) -> String {
    request["namespace"] = "public".into();
    request["serviceName"] = service.into();
    request["groupName"] = "DEFAULT_GROUP".into();
    request.to_string()
}

async fn register(client: &RawClient, service: &str, instance: Value) -> Value {
    let body = named(service, json!({"type": "registerInstance", "instance": instance}));
    client.call("InstanceRequest", body).await.expect("answered").body
}

async fn subscribe(client: &RawClient, service: &str) {
    let body = named(service, json!({"subscribe": true, "clusters": ""}));
    let answer = client.call("SubscribeServiceRequest", body).await.expect("answered");
    assert_eq!(answer.body["resultCode"], 200, "{}", answer.body);
}

/// How many instances a query finds.
async fn count(client: &RawClient, service: &str) -> usize {
    let answer = client.call("ServiceQueryRequest", named(service, json!({"cluster": ""}))).await.expect("answered");
    answer.body["serviceInfo"]["hosts"].as_array().expect("a list").len()
}

fn pushed(message: &Message, service: &str) -> Option<usize> {
    let info = message.body.get("serviceInfo").filter(|info| info["name"] == service)?;
    Some(info["hosts"].as_array().expect("a list").len())
}

/// Waits until the latest push of the service shows so many instances.
async fn sees(session: &Session, service: &str, instances: usize) {
    let shown = session.stream.wait(|all| {
        let latest = all.iter().rev().find_map(|message| pushed(message, service));
        (latest == Some(instances)).then_some(())
    });
    let shown = shown.await;
    assert!(shown.is_some(), "{service} with {instances} instances was not pushed: {:?}", session.stream.received());
}

fn instance(port: u16) -> Value {
    json!({"ip": "10.7.7.7", "port": port})
}
