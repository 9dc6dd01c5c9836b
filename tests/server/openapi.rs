//! The description of the HTTP API: each example in it is asked of a node and answered as the description says.
//!
//! `WRITE_EXAMPLES=1 cargo test --test server openapi` writes the answers anew; read the difference before it is
//! committed.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::support::Node;

const ANSWERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/nacos/examples.json");
/// In this order one example prepares the next; what removes comes last and the whole after its parts.
const METHODS: [&str; 5] = ["post", "put", "patch", "get", "delete"];
/// What differs from run to run, by the name of its member.
const VOLATILE: [&str; 8] =
    ["lastRefTime", "lastUpdatedTime", "lastRefreshTime", "timestamp", "cpu", "load", "mem", "namespaceCreated"];

/// One operation of the description.
struct Described {
    key: String,
    tag: String,
    method: &'static str,
    target: String,
    documented: Option<Value>,
}

#[tokio::test]
async fn every_example_is_answered_as_described() {
    let node = Node::start_with(|_| {}).await;
    let (status, description) = node.http("GET", "/roster/v1/openapi.json").await;
    assert_eq!(status, 200);
    let description: Value = serde_json::from_str(&description).expect("JSON");
    node.stop().await;

    let mut answers = BTreeMap::new();
    for described in by_tag(&description).into_values() {
        let node = Node::start_with(|_| {}).await;
        prepare(&node).await;
        for one in described {
            let answer = ask(&node, &one).await;
            answers.insert(one.key.clone(), (answer, one.documented));
        }
        node.stop().await;
    }
    if std::env::var_os("WRITE_EXAMPLES").is_some() {
        let all: Map<String, Value> = answers.into_iter().map(|(key, (answer, _))| (key, answer)).collect();
        std::fs::write(ANSWERS, format!("{:#}\n", Value::Object(all))).expect("written");
        return;
    }
    let mut faults = Vec::new();
    for (key, (answer, documented)) in &answers {
        let documented = documented.as_ref().unwrap_or(&Value::Null);
        if documented != answer {
            faults.push(format!("{key}\n  described {documented}\n  answered  {answer}"));
        }
    }
    assert!(faults.is_empty(), "{} of {} examples\n{}", faults.len(), answers.len(), faults.join("\n"));
}

/// An instance that examples read and change, in a cluster whose health somebody else decides.
async fn prepare(node: &Node) {
    let instance = "/nacos/v3/client/ns/instance?serviceName=orders&ip=10.0.0.1&port=8080&metadata=zone%3Da";
    assert_eq!(node.http("POST", instance).await.0, 200);
    let cluster = "/nacos/v3/admin/ns/cluster?serviceName=orders&clusterName=DEFAULT&checkPort=80\
                   &useInstancePort4Check=true&healthChecker=%7B%22type%22%3A%22NONE%22%7D";
    assert_eq!(node.http("PUT", cluster).await.0, 200);
}

fn by_tag(description: &Value) -> BTreeMap<String, Vec<Described>> {
    let paths = description["paths"].as_object().expect("paths");
    let mut all: BTreeMap<String, Vec<Described>> = BTreeMap::new();
    for method in METHODS {
        let mut of_method: Vec<Described> =
            paths.iter().filter_map(|(path, methods)| Some(described(path, method, methods.get(method)?))).collect();
        if method == "delete" {
            of_method.reverse();
        }
        for one in of_method {
            all.entry(one.tag.clone()).or_default().push(one);
        }
    }
    all
}

fn described(path: &str, method: &'static str, operation: &Value) -> Described {
    let mut target = path.to_owned();
    let mut query = form_urlencoded::Serializer::new(String::new());
    for param in operation["parameters"].as_array().expect("parameters") {
        let name = param["name"].as_str().expect("a name");
        let example = match &param["example"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if param["in"] == "path" {
            let encoded: String = form_urlencoded::byte_serialize(example.as_bytes()).collect();
            target = target.replace(&format!("{{{name}}}"), &encoded);
        } else {
            query.append_pair(name, &example);
        }
    }
    let content = operation["responses"]["200"]["content"].as_object();
    let documented = content
        .and_then(|content| content.iter().next())
        .map(|(content_type, content)| json!({"content_type": content_type, "body": content["example"]}));
    Described {
        key: format!("{} {path}", method.to_uppercase()),
        tag: operation["tags"][0].as_str().expect("a tag").to_owned(),
        method,
        target: format!("{target}?{}", query.finish()),
        documented,
    }
}

async fn ask(node: &Node, described: &Described) -> Value {
    let request = crate::support::HttpRequest {
        method: described.method.to_uppercase(),
        target: described.target.clone(),
        headers: Vec::new(),
        body: None,
    };
    let answer = request.send(node.http_port()).await.expect("an answer");
    let text = String::from_utf8(answer.body).expect("text");
    assert_eq!(answer.status, 200, "{} {}: {text}", described.method, described.target);
    let header = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let content_type = header.map_or("", |(_, value)| value.split(';').next().unwrap_or_default());
    let text = text.replace(&node.http_port().to_string(), "8848");
    let body = match content_type {
        "application/json" => steady(serde_json::from_str(&text).expect("JSON")),
        _ => Value::String(text),
    };
    json!({"content_type": content_type, "body": body})
}

/// The same with fixed values for what differs from run to run.
fn steady(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| {
                let value = match (VOLATILE.contains(&name.as_str()), &value) {
                    (true, Value::Number(number)) if number.is_f64() => json!(0.5),
                    (true, Value::Number(_)) => json!(1_700_000_000_000_u64),
                    _ => steady(value),
                };
                (name, value)
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(steady).collect(),
        other => other,
    }
}
