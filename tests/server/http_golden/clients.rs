//! Recorded traffic of clients that speak HTTP, at the pace they had: each request again, each answer as then.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::{send::Target, simulated::on_node};
use crate::support::HttpRequest;

/// What was recorded, and how many requests are in it.
const RECORDINGS: [(&str, usize); 5] = [
    ("2.5.1-java-1.4.8/main", 22),
    ("2.5.1-java-1.4.8/kill9", 11),
    ("2.5.1-node-2.6.3/main", 16),
    ("2.5.1-python-2.0.11/main", 20),
    ("3.0.3-java-1.4.8/main", 22),
];
/// What is answered otherwise, by recording and time, and why.
const OTHERWISE: [(&str, u64, &str); 1] =
    [("2.5.1-java-1.4.8/kill9", 43_524, "a silent instance is removed when it is due, not up to 5 s later")];
/// Members whose values differ from server to server, or that one of the two versions spells otherwise.
const VOLATILE: [&str; 4] = ["lastRefTime", "allIPs", "allIps", "instanceId"];

/// A request of a client and the answer of a real server.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Exchange {
    #[serde(rename = "t_ms")]
    t_ms: u64,
    method: String,
    target: String,
    req_headers: BTreeMap<String, String>,
    req_body: String,
    status: u16,
    resp_body: Value,
}

#[test]
fn recorded_clients_get_the_answers_they_got() {
    let mut faults = Vec::new();
    for (name, requests) in RECORDINGS {
        let exchanges = read(name);
        assert_eq!(exchanges.len(), requests, "requests in {name}");
        let mut differences = on_node(|target| replay(target, exchanges));
        for (_, at, why) in OTHERWISE.into_iter().filter(|(recording, ..)| *recording == name) {
            if differences.remove(&at).is_none() {
                faults.push(format!("{name} at {at} ms is answered as recorded, though {why}: take it from the list"));
            }
        }
        faults.extend(differences.into_iter().map(|(at, fault)| format!("{name} at {at} ms: {fault}")));
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

fn read(name: &str) -> Vec<Exchange> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/server/recordings-http-clients");
    let text = fs::read_to_string(directory.join(format!("{name}.jsonl"))).expect("a recording");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let exchanges = lines.filter(|line| line["ev"] == "http");
    exchanges.map(|line| serde_json::from_value(line).expect("an exchange")).collect()
}

/// Asks again at the recorded times and says what was answered otherwise.
async fn replay(target: Target, exchanges: Vec<Exchange>) -> BTreeMap<u64, String> {
    let (mut now, mut faults) = (0, BTreeMap::new());
    for exchange in exchanges {
        tokio::time::sleep(Duration::from_millis(exchange.t_ms.saturating_sub(now))).await;
        now = now.max(exchange.t_ms);
        let Exchange { t_ms, method, target: path, req_headers, req_body, status, resp_body } = exchange;
        let body = (!req_body.is_empty()).then(|| req_body.into_bytes());
        let headers = req_headers.into_iter().collect();
        let request = HttpRequest { method: method.clone(), target: path.clone(), headers, body };
        let answer = target.send(&request).await.expect("an answer");
        let text = String::from_utf8(answer.body).expect("text");
        let ours = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if answer.status != status || !holds(&steady(&ours), &steady(&resp_body)) {
            let ours = format!("{} {ours}", answer.status);
            faults.insert(t_ms, format!("{method} {path}\n  recorded {status} {resp_body}\n  ours     {ours}"));
        }
    }
    faults
}

/// The same with instances in a fixed order and without what is volatile.
fn steady(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !VOLATILE.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), steady(value)))
            .collect(),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(steady).collect();
            items.sort_by_key(|item| format!("{} {}", item["ip"], item["port"]));
            Value::Array(items)
        }
        other => other.clone(),
    }
}

/// Whether all that was recorded is in our answer. Members that clients of that age do not know may be added.
fn holds(ours: &Value, recorded: &Value) -> bool {
    match (ours, recorded) {
        (Value::Object(ours), Value::Object(recorded)) => {
            recorded.iter().all(|(name, value)| ours.get(name).is_some_and(|ours| holds(ours, value)))
        }
        (Value::Array(ours), Value::Array(recorded)) => {
            ours.len() == recorded.len() && ours.iter().zip(recorded).all(|(ours, recorded)| holds(ours, recorded))
        }
        (Value::Number(ours), Value::Number(recorded)) => ours.as_f64() == recorded.as_f64(),
        (ours, recorded) => ours == recorded,
    }
}
