//! Recorded answers beside ours.

use std::{collections::BTreeSet, fmt::Write as _};

use serde_json::Value;

use super::fixture::text;
use crate::support::{Message, Outcome};

/// Where an answer of ours is not the recorded one.
#[derive(Default)]
pub struct Differences(Vec<Difference>);

struct Difference {
    what: String,
    recorded: String,
    ours: String,
}

impl Differences {
    /// Notes a difference if there is one.
    pub fn check(&mut self, what: &str, recorded: impl Into<String>, ours: impl Into<String>) {
        let (recorded, ours) = (recorded.into(), ours.into());
        if recorded != ours {
            self.0.push(Difference { what: what.to_owned(), recorded, ours });
        }
    }

    /// Whether all is as recorded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Our side of all differences, without what varies from run to run.
    pub fn ours(&self) -> String {
        let parts: Vec<String> = self.0.iter().map(|it| format!("{}: {}", it.what, it.ours)).collect();
        without_numbers(&parts.join("; "))
    }

    /// Both sides of all differences.
    pub fn report(&self) -> String {
        self.0.iter().fold(String::new(), |mut out, it| {
            let _ = write!(out, "\n      {}\n        recorded {}\n        ours     {}", it.what, it.recorded, it.ours);
            out
        })
    }

    /// Compares an answer: class, codes, message, and what a reader finds in it.
    pub fn answer(&mut self, what: &str, recorded: &Value, ours: &Outcome) {
        let with_message = !is_accident(recorded);
        let our_body = ours.as_ref().map_or(&Value::Null, |answer| &answer.body);
        self.check(what, recorded_head(recorded, with_message), our_head(ours, with_message));
        let body = &recorded["body"];
        if recorded.get("grpcStatus").is_none() && ours.is_ok() && body["resultCode"] == our_body["resultCode"] {
            self.keys(what, body, our_body, with_message);
        }
        if body.get("serviceInfo").is_some() && our_body.get("serviceInfo").is_some() {
            self.check(&format!("{what} list"), list(body), list(our_body));
        }
        if body.get("serviceNames").is_some() && our_body.get("serviceNames").is_some() {
            self.check(&format!("{what} names"), names(body), names(our_body));
        }
    }

    /// Compares what keys two bodies have: no recorded one is missing, and what is there besides is known.
    pub fn keys(&mut self, what: &str, recorded: &Value, ours: &Value, with_message: bool) {
        let (mut theirs, mut found) = (BTreeSet::new(), BTreeSet::new());
        keys(recorded, "", &mut theirs);
        keys(ours, "", &mut found);
        if !with_message {
            theirs.remove(".message");
            found.remove(".message");
        }
        // Whether there are hosts at all is the list's business.
        if [&theirs, &found].into_iter().any(|keys| !keys.contains(".serviceInfo.hosts[].port")) {
            [&mut theirs, &mut found]
                .into_iter()
                .for_each(|keys| keys.retain(|key| !key.starts_with(".serviceInfo.hosts[]")));
        }
        let missing: Vec<&String> = theirs.difference(&found).collect();
        let added: Vec<&String> = found.difference(&theirs).filter(|key| !ADDED.contains(&key.as_str())).collect();
        self.check(
            &format!("{what} keys"),
            "",
            format!("{}{}", named("without", &missing), named("with", &added)).trim(),
        );
    }

    /// Compares pushes, each by type, filter and hosts.
    pub fn pushes(&mut self, what: &str, recorded: &Value, ours: &[Message]) {
        let recorded: Vec<String> = recorded.as_array().expect("a list of pushes").iter().map(recorded_push).collect();
        let ours: Vec<String> = ours.iter().map(|push| pushed(&push.kind, &push.body)).collect();
        self.check(what, recorded.join(", "), ours.join(", "));
    }
}

/// Numbers of five and more digits become `N`: they are of one run.
pub fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let digits = rest[start..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - start);
        out.push_str(&rest[..start]);
        out.push_str(if digits >= 5 { "N" } else { &rest[start..start + digits] });
        rest = &rest[start + digits..];
    }
    out + rest
}

/// Whether the recorded text is an accident of the Java runtime.
fn is_accident(recorded: &Value) -> bool {
    let message = text(recorded, "/body/message");
    let nameless = recorded["type"] == "ErrorResponse" && message.is_empty();
    nameless || message.contains("Cannot invoke ") || message.starts_with("fromIndex(")
}

/// Keys that are added on purpose: a list has both spellings of `allIPs`, of which each version has its own, and the
/// Python and Rust SDKs cannot read a list of services, not even a refused one, without its names. The other texts are
/// left out by Java when a request had none of them, and are empty here.
const ADDED: [&str; 7] = [
    ".serviceInfo.allIPs",
    ".serviceInfo.allIps",
    ".serviceInfo.name",
    ".serviceInfo.groupName",
    ".serviceInfo.clusters",
    ".serviceInfo.hosts[].ip",
    ".serviceNames",
];

/// The paths of all keys, but for those that are content.
fn keys(value: &Value, path: &str, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let path = format!("{path}.{key}");
                if key != "metadata" {
                    keys(member, &path, out);
                }
                out.insert(path);
            }
        }
        Value::Array(members) => members.iter().for_each(|member| keys(member, &format!("{path}[]"), out)),
        _ => {}
    }
}

fn named(how: &str, keys: &[&String]) -> String {
    if keys.is_empty() { String::new() } else { format!("{how} {keys:?} ") }
}

fn head(kind: &str, body: &Value, with_message: bool) -> String {
    let message = if with_message { text(body, "/message") } else { "" };
    let head = format!("{kind} {}/{} {message}", body["resultCode"], body["errorCode"]);
    // The one message that names a connection.
    let head = if message.contains("Client [") { without_connection(&head) } else { head };
    head.trim_end().to_owned()
}

fn without_connection(text: &str) -> String {
    let id = text.split(['[', ']']).nth(1).unwrap_or_default();
    text.replace(id, "id")
}

/// Class, codes and message of a recorded answer.
pub fn recorded_head(recorded: &Value, with_message: bool) -> String {
    match recorded.get("grpcStatus") {
        Some(_) => format!("{} {}", text(recorded, "/grpcStatus"), text(recorded, "/grpcMessage")),
        None => head(text(recorded, "/type"), &recorded["body"], with_message),
    }
}

/// Class, codes and message of an answer of ours.
pub fn our_head(ours: &Outcome, with_message: bool) -> String {
    match ours {
        Ok(answer) => head(&answer.kind, &answer.body, with_message),
        Err(status) => {
            let code = format!("{:?}", status.code());
            let upper = code.char_indices().fold(String::new(), |out, (at, c)| {
                out + if at > 0 && c.is_uppercase() { "_" } else { "" } + &c.to_uppercase().to_string()
            });
            format!("{upper} {}", status.message())
        }
    }
}

/// What a reader of a list goes by: one line an instance, in order of addresses.
pub fn hosts(info: &Value) -> Vec<String> {
    let empty = Vec::new();
    let mut lines: Vec<String> = info["hosts"].as_array().unwrap_or(&empty).iter().map(host).collect();
    lines.sort();
    lines
}

/// An instance; what is as for most of them is left out.
fn host(host: &Value) -> String {
    let (ip, port, cluster) = (text(host, "/ip"), &host["port"], text(host, "/clusterName"));
    // An object of serde_json is sorted, so equal metadata are equal texts.
    let mut line = format!("{ip}:{port}@{cluster} w{} {}", host["weight"], host["metadata"]);
    for (key, no) in [("healthy", " sick"), ("enabled", " disabled"), ("ephemeral", " persistent")] {
        line += if host[key] == true { "" } else { no };
    }
    let beat = ["instanceHeartBeatInterval", "instanceHeartBeatTimeOut", "ipDeleteTimeout"].map(|key| &host[key]);
    if beat != [5_000, 15_000, 30_000] {
        let _ = write!(line, " beat {beat:?}");
    }
    let id = id(host);
    if id != format!("{ip}#{port}#{cluster}#{}", text(host, "/serviceName")) {
        let _ = write!(line, " id {id}");
    }
    line
}

/// The id of an instance. The reference derives it from what the client wrote, `null` and nothing included, this server
/// from what is published (grpc.md 8.3). A number that was drawn is `N`.
fn id(host: &Value) -> String {
    let id = text(host, "/instanceId").replace("#null#", "#DEFAULT#").replace("##", "#DEFAULT#");
    let id = id.strip_prefix("null#").map_or(id.clone(), |rest| format!("#{rest}"));
    match (host.pointer("/metadata/preserved.instance.id.generator"), id.split_once('#')) {
        (Some(generator), Some((_, rest))) if generator == "snowflake" => format!("N#{rest}"),
        _ => id,
    }
}

/// The list in a body: name, group, filter, hosts, and whether protection changed them.
pub fn list(body: &Value) -> String {
    let info = &body["serviceInfo"];
    let (group, name, clusters) = (text(info, "/groupName"), text(info, "/name"), text(info, "/clusters"));
    let protected = if info["reachProtectionThreshold"] == true { " protected" } else { "" };
    format!("{group}@@{name} [{clusters}] {:?}{protected}", hosts(info))
}

/// Count and names of a page; which names a page that is not the whole has depends on an order nobody promises, and in
/// the namespace all scenarios shared only the number of names counts.
fn names(body: &Value) -> String {
    let count = body["count"].as_u64().expect("a count");
    let mut names: Vec<&str> =
        body["serviceNames"].as_array().expect("names").iter().map(|name| name.as_str().expect("a text")).collect();
    names.sort_unstable();
    if names.len() as u64 == count {
        return format!("{count} {names:?}");
    }
    let count = if count > 20 { "many".to_owned() } else { count.to_string() };
    format!("{} of {count}", names.len())
}

fn pushed(kind: &str, body: &Value) -> String {
    if body.get("serviceInfo").is_some() { format!("{kind} {}", list(body)) } else { kind.to_owned() }
}

fn recorded_push(push: &Value) -> String {
    match push.as_array() {
        // Time or stream, then the type.
        Some(short) => short[1].as_str().expect("a type").to_owned(),
        None => pushed(text(push, "/type"), &push["body"]),
    }
}
