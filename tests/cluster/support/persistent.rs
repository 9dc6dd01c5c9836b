//! Persistent instances as a caller over HTTP changes and reads them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{DEADLINE, Node, call, until};

/// The address of all persistent instances in these tests.
const IP: &str = "10.0.0.9";

/// What a caller was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is done.
    Done,
    /// It was not done, and will not be.
    NotDone(String),
    /// Nobody knows.
    Unknown(String),
}

/// Has an instance be this version. `node` is a main address.
pub async fn put(node: &str, service: &str, port: u16, version: u64) -> Told {
    let metadata = json!({"version": version.to_string()}).to_string();
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("serviceName", service), ("ip", IP), ("ephemeral", "false"), ("metadata", &metadata)])
        .append_pair("port", &port.to_string())
        .finish();
    told(call(node, "POST", &format!("/nacos/v2/ns/instance?{query}"), "").await)
}

/// Has an instance be gone.
pub async fn delete(node: &str, service: &str, port: u16) -> Told {
    let target = format!("/nacos/v2/ns/instance?serviceName={service}&ip={IP}&port={port}&ephemeral=false");
    told(call(node, "DELETE", &target, "").await)
}

fn told(answer: std::io::Result<(u16, String)>) -> Told {
    match answer {
        Ok((200, _)) => Told::Done,
        Ok((503, body)) => Told::NotDone(body),
        Ok((504, body)) => Told::Unknown(body),
        Ok((status, body)) => panic!("{status}: {body}"),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Told::NotDone(error.to_string()),
        Err(error) => Told::Unknown(error.to_string()),
    }
}

/// The version of an instance as all nodes agreed on it, none when there is none; an error when nobody can say.
pub async fn read(node: &str, service: &str, port: u16) -> Result<Option<u64>, String> {
    let target = format!("/nacos/v2/ns/instance/list?serviceName={service}&consistency=strong");
    let (status, body) = call(node, "GET", &target, "").await.map_err(|error| error.to_string())?;
    if status != 200 {
        return Err(format!("{status}: {body}"));
    }
    let answer: Value = serde_json::from_str(&body).expect("JSON");
    let hosts = answer["data"]["hosts"].as_array().expect("hosts");
    let host = hosts.iter().find(|host| host["port"] == port);
    Ok(host.map(|host| host["metadata"]["version"].as_str().expect("a version").parse().expect("a number")))
}

/// How the group stands, as a node sees it.
pub async fn group(node: &Node) -> Option<Value> {
    Some(node.cluster().await?["raft"].clone())
}

/// The place of the node that leads.
pub async fn leader(nodes: &[Node]) -> usize {
    until("somebody leads", DEADLINE, async || {
        for (place, node) in nodes.iter().enumerate() {
            if group(node).await.is_some_and(|raft| raft["role"] == "leader") {
                return Some(place);
            }
        }
        None
    })
    .await
}

/// Waits until all these nodes applied the same and hold the same.
pub async fn same_state(nodes: &[&Node], within: Duration) {
    until("all hold the same", within, async || {
        let mut seen = Vec::new();
        for node in nodes {
            let raft = group(node).await?;
            seen.push((raft["applied"].as_u64()?, raft["hash"].as_str()?.to_owned()));
        }
        let same_index = seen.iter().all(|(applied, _)| *applied == seen[0].0);
        if same_index {
            assert!(seen.iter().all(|(_, hash)| *hash == seen[0].1), "one index, several states: {seen:?}");
        }
        same_index.then_some(())
    })
    .await;
}
