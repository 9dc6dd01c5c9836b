//! Recorded requests on the wire, and answers as recordings have them.

use std::{fmt::Write as _, io};

use axum::Router;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::case::{Answer, Pairs, Placeholders, Request};
use crate::support::{HttpAnswer, HttpRequest};

/// Headers that recordings have.
const HEADERS: [&str; 6] =
    ["content-type", "authorization", "location", "allow", "www-authenticate", "content-encoding"];

/// Who is asked.
#[derive(Clone)]
pub enum Target {
    /// A node behind a socket, by its main port.
    Port(u16),
    /// The handlers of a node without sockets, in time that tokio pauses.
    Handlers(Router),
}

impl Target {
    /// Sends a request as it is.
    pub async fn send(&self, request: &HttpRequest) -> io::Result<HttpAnswer> {
        match self {
            Target::Port(port) => request.send(*port).await,
            Target::Handlers(router) => request.ask(router.clone()).await,
        }
    }

    /// What stands for the node in its answers.
    fn base(&self) -> String {
        match self {
            Target::Port(port) => format!("127.0.0.1:{port}"),
            Target::Handlers(_) => "127.0.0.1:8848".to_owned(),
        }
    }
}

/// Sends a request to a node and takes from the answer what is to be captured. A failed connection is an answer too.
pub async fn send(to: &Target, request: &Request, values: &mut Placeholders) -> Answer {
    match to.send(&wire(request, values)).await {
        Ok(answer) => {
            let text = String::from_utf8(answer.body.clone())
                .unwrap_or_else(|fault| format!("base64:{}", BASE64_STANDARD.encode(fault.as_bytes())));
            capture(request, &text, values);
            normal(to, &answer, &text, values)
        }
        Err(fault) => {
            Answer { status: 0, headers: Default::default(), body_kind: "error".into(), body: fault.to_string().into() }
        }
    }
}

/// The request with values for its placeholders.
fn wire(request: &Request, values: &Placeholders) -> HttpRequest {
    let mut target = quoted(&values.fill(&request.path));
    match (&request.rawquery, &request.query) {
        (Some(raw), _) => target += &format!("?{}", values.fill(raw)),
        (None, Some(pairs)) if !pairs.is_empty() => target += &format!("?{}", encoded(pairs, values)),
        _ => {}
    }
    let mut headers = vec![("User-Agent".to_owned(), "conformance/1.0".to_owned()), ("Accept".into(), "*/*".into())];
    let mut of_type = |media_type: &str| headers.push(("Content-Type".into(), media_type.into()));
    let body = if let Some(pairs) = &request.form {
        of_type("application/x-www-form-urlencoded");
        Some(encoded(pairs, values))
    } else if let Some(json) = &request.json {
        of_type("application/json");
        Some(values.fill_json(json).to_string())
    } else {
        request.raw.as_ref().map(|raw| values.fill(raw))
    };
    for (name, value) in &request.headers {
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        headers.extend(value.iter().map(|value| (name.clone(), values.fill(value))));
    }
    HttpRequest { method: request.method.clone(), target, headers, body: body.map(String::into_bytes) }
}

impl Pairs {
    fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    fn iter(&self) -> Box<dyn Iterator<Item = (&str, &str)> + '_> {
        match self {
            Self::Members(members) => Box::new(members.iter().map(|(name, value)| (&**name, of(value)))),
            Self::List(pairs) => Box::new(pairs.iter().map(|(name, value)| (&**name, of(value)))),
        }
    }
}

/// The recorder was written in Python, which sent nothing as its name.
fn of(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or("None")
}

fn encoded(pairs: &Pairs, values: &Placeholders) -> String {
    let pairs = pairs.iter().map(|(name, value)| (values.fill(name), values.fill(value)));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The path with escapes for what a request line cannot have; escapes in it stay as they are.
fn quoted(path: &str) -> String {
    path.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"/%:@!$&'()*+,;=~-._".contains(&byte) {
            out.push(byte.into());
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

fn capture(request: &Request, text: &str, values: &mut Placeholders) {
    let Ok(json) = serde_json::from_str::<Value>(text) else { return };
    for (name, pointer) in &request.capture {
        if let Some(value) = json.pointer(pointer).and_then(Value::as_str).filter(|value| !value.is_empty()) {
            values.set(name, value);
        }
    }
}

/// The answer with placeholders for their values, its body read as JSON where it is meant so.
fn normal(to: &Target, answer: &HttpAnswer, text: &str, values: &Placeholders) -> Answer {
    let turned_back = |text: &str| values.unfill(&text.replace(&to.base(), "${BASE}"));
    let header = |name: &&str| Some(((*name).to_owned(), answer.header(name)?));
    let headers = HEADERS.iter().filter_map(header).map(|(name, value)| (name, turned_back(value))).collect();
    let text = turned_back(text);
    let is_json = answer.header("content-type").is_some_and(|media_type| media_type.contains("json"));
    let (kind, body) = match serde_json::from_str::<Value>(&text) {
        _ if text.is_empty() => ("empty", Value::Null),
        Ok(json) if json.is_object() || json.is_array() || json.is_boolean() || is_json => ("json", json),
        _ => ("text", Value::String(text)),
    };
    Answer { status: answer.status, headers, body_kind: kind.to_owned(), body }
}

#[test]
fn requests_are_written_as_the_recorder_wrote_them() {
    let request = r#"{"method": "PUT", "path": "/a b/${NS}%2f", "query": [["k", "x y@${IP}"], ["k", null]],
        "form": {"a": "{\"b\"}"}, "headers": {"accept": null, "X": "${SVC}"}}"#;
    let request = wire(&serde_json::from_str(request).expect("a request"), &Placeholders::new(0));
    assert_eq!(request.target, "/a%20b/ns-again-0000%2f?k=x+y%4010.77.0.1&k=None");
    assert_eq!(request.body.as_deref(), Some(&b"a=%7B%22b%22%7D"[..]));
    let headers: Vec<String> = request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let form = "Content-Type: application/x-www-form-urlencoded";
    assert_eq!(headers, ["User-Agent: conformance/1.0", form, "X: svc-again-0000"]);
}
