//! Recorded conversations of subscribers by datagram, held again with a node: the first ten seconds of each, without the
//! waits between.
//!
//! Two things are otherwise on purpose. A list that was acknowledged is not sent again; and the first change of a quiet
//! service leaves at once, so that a burst of changes is more than one push, of which the last counts.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::acked;
use crate::support::{Datagram, HttpRequest, Node, Subscriber, member_order};

/// What is recorded beyond is about heart beats that stay away, and about time-outs.
const UNTIL: u64 = 10_000;

#[derive(Deserialize)]
struct Case {
    id: String,
    steps: Vec<Step>,
    datagrams: Vec<Recorded>,
}

#[derive(Deserialize)]
struct Step {
    at_ms: u64,
    request: Request,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Recorded {
    at_ms: u64,
    outer_keys: Vec<String>,
    data_keys: Vec<String>,
    data: Value,
    acked_with: Option<String>,
    /// The whole text, of the first one of a case.
    raw: Option<String>,
}

fn cases(version: &str) -> Vec<Case> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/server/recordings-udp").join(version);
    let text = fs::read_to_string(path.join("udp.jsonl")).expect("recorded");
    let cases: Vec<Case> = text.lines().map(|line| serde_json::from_str(line).expect("a case")).collect();
    assert_eq!(cases.len(), 21, "no case is lost");
    cases
}

/// A text without what is new each time, and without the member that is for the other version.
fn timeless(text: &str, version: &str) -> String {
    let foreign = if version == "2.5.1" { r#"\"allIps\":false,"# } else { r#"\"allIPs\":false,"# };
    let mut parts = text.split("lastRefTime");
    let mut timeless = parts.next().unwrap_or_default().replace(foreign, "");
    for part in parts {
        timeless += "lastRefTime";
        timeless.extend(part.replace(foreign, "").chars().filter(|c| !c.is_ascii_digit()));
    }
    timeless
}

/// A list without its stamp and the spellings of `allIPs`, hosts in the order of their ports.
fn comparable(list: &Value) -> Value {
    let mut list = list.clone();
    let members = list.as_object_mut().expect("an object");
    members.retain(|name, _| !["lastRefTime", "allIPs", "allIps"].contains(&name.as_str()));
    let hosts = members["hosts"].as_array_mut().expect("hosts");
    hosts.sort_by_key(|host| host["port"].as_u64());
    list
}

async fn take(step: &Step, node: &Node, udp_port: u16) {
    let fill = |text: &str| text.replace("${NS}", "recorded").replace("${UDP_PORT}", &udp_port.to_string());
    let query = step.request.query.iter().map(|(name, value)| format!("{name}={}", fill(value)));
    let target = format!("{}?{}", step.request.path, query.collect::<Vec<_>>().join("&"));
    let headers = step.request.headers.clone().into_iter().collect();
    let request = HttpRequest { method: step.request.method.clone(), target, headers, body: None };
    assert_eq!(request.send(node.http_port()).await.expect("answered").status, 200, "{}", step.request.path);
}

/// Waits for the push of a recorded list and answers it as recorded. What comes before is overtaken by it.
async fn meet(recorded: &Recorded, subscriber: &Subscriber) -> Datagram {
    let list = comparable(&recorded.data);
    loop {
        let push = subscriber.receive().await;
        if let Some(ack) = &recorded.acked_with {
            let as_text = ack.contains("Time\":\"");
            subscriber.acknowledge(&push, as_text).await;
        }
        if comparable(&push.list()) == list {
            return push;
        }
    }
}

fn compare(push: &Datagram, recorded: &Recorded, version: &str, id: &str) {
    assert_eq!(member_order(&push.text), recorded.outer_keys, "{id}");
    let members = member_order(&push.data);
    let foreign = if version == "2.5.1" { "allIps" } else { "allIPs" };
    let (ours, others): (Vec<String>, Vec<String>) = members.into_iter().partition(|name| name != foreign);
    assert_eq!((ours, others), (recorded.data_keys.clone(), vec![foreign.to_owned()]), "{id}");
    assert_eq!(push.compressed, push.text.len() >= 1_024, "{id}");
    if let Some(raw) = &recorded.raw {
        assert_eq!(timeless(&push.text, version), timeless(raw, version), "{id}");
    }
}

async fn hold(case: &Case, version: &str) -> usize {
    let node = Node::start_with(|_| {}).await;
    let subscriber = Subscriber::new().await;
    let mut datagrams = case.datagrams.iter().filter(|datagram| datagram.at_ms < UNTIL).peekable();
    let (mut last, mut met, mut answered) = (None, 0, 0);
    let steps: Vec<&Step> = case.steps.iter().filter(|step| step.at_ms < UNTIL).collect();
    for (place, step) in steps.iter().enumerate() {
        take(step, &node, subscriber.port()).await;
        let next = steps.get(place + 1).map_or(UNTIL, |step| step.at_ms);
        while let Some(recorded) = datagrams.next_if(|datagram| datagram.at_ms < next) {
            let list = comparable(&recorded.data);
            if last.as_ref() == Some(&list) {
                continue;
            }
            let push = meet(recorded, &subscriber).await;
            compare(&push, recorded, version, &case.id);
            (last, met) = (Some(list), met + 1);
            answered += u64::from(recorded.acked_with.is_some());
        }
    }
    // The ack of a push that was overtaken may count too, if it was quick.
    node.until(|node| acked(node) >= answered).await;
    assert_eq!(super::subscribers(&node), usize::from(!case.datagrams.is_empty()), "{}", case.id);
    node.stop().await;
    met
}

#[tokio::test]
async fn recorded_conversations_are_held_again() {
    for version in ["2.5.1", "3.0.3"] {
        let mut met = 0;
        for case in cases(version) {
            met += hold(&case, version).await;
        }
        assert!(met >= 25, "{met} datagrams of {version}");
    }
}
