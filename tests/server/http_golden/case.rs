//! Recorded cases, and the placeholders in them that have new values in each run.

use std::{borrow::Cow, collections::BTreeMap, fs, path::PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// One recorded case: what prepares the state, a request and its answer, reads that show the effect, what cleans up.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "`note` is for people; naming it here notices members that nobody knows")]
pub struct Case {
    pub id: String,
    pub area: String,
    pub title: String,
    #[serde(default)]
    note: String,
    pub setup: Vec<Request>,
    pub request: Request,
    pub response: Answer,
    pub followup: Vec<Followup>,
    #[serde(default)]
    pub teardown: Vec<Request>,
    /// Pointers into the case: what is not compared, `*` is any one step.
    #[serde(default)]
    pub volatile: Vec<String>,
    /// Pointers to arrays without an order; their elements are addressed with `*`.
    #[serde(default)]
    pub unordered: Vec<String>,
    /// An accident of the real server.
    #[serde(default)]
    pub quirk: bool,
    #[serde(default)]
    pub quirk_reason: String,
    /// Changes the whole server, so it runs alone.
    #[serde(default)]
    pub serial: bool,
    /// Waits for seconds and minutes.
    #[serde(default)]
    pub slow: bool,
}

/// A request, with placeholders.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "both ports serve the paths of each other")]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: Option<Pairs>,
    pub rawquery: Option<String>,
    pub form: Option<Pairs>,
    pub json: Option<Value>,
    pub raw: Option<String>,
    /// Nothing removes a default header.
    #[serde(default)]
    pub headers: BTreeMap<String, Option<String>>,
    /// How long the real server was given before.
    #[serde(default)]
    pub after_ms: u64,
    /// Placeholders to take from the answer, and where.
    #[serde(default)]
    pub capture: BTreeMap<String, String>,
    pub expect_status: Option<u16>,
    target: Option<String>,
}

/// Parameters; in pairs where order or repetition matter.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Pairs {
    Members(BTreeMap<String, Option<String>>),
    List(Vec<(String, Option<String>)>),
}

/// A read after the request under test.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Followup {
    pub request: Request,
    pub response: Answer,
    pub after_ms: u64,
}

/// An answer, recorded or ours, with placeholders.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// 0 when the connection failed.
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body_kind: String,
    pub body: Value,
}

impl Answer {
    /// The media type, without parameters.
    pub fn media_type(&self) -> String {
        let whole = self.headers.get("content-type").map_or("", String::as_str);
        whole.split(';').next().unwrap_or_default().trim().to_lowercase()
    }
}

impl Case {
    /// Whether only the status of its answers tells anything.
    pub fn is_status_only(&self) -> bool {
        self.quirk && self.quirk_reason.contains("only the status matters")
    }
}

/// The cases recorded from a version of the reference, and how many files they come from.
pub fn read(version: &str) -> (usize, Vec<Case>) {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/server/recordings-http").join(version);
    let entries = fs::read_dir(&directory).unwrap_or_else(|fault| panic!("{}: {fault}", directory.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a directory entry").path()).collect();
    files.sort();
    let mut cases = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).unwrap_or_else(|fault| panic!("{}: {fault}", file.display()));
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        cases.extend(lines.map(|line| {
            serde_json::from_str::<Case>(line).unwrap_or_else(|fault| panic!("{}: {fault}\n{line}", file.display()))
        }));
    }
    (files.len(), cases)
}

/// The values of the placeholders of one case.
pub struct Placeholders(BTreeMap<String, String>);

impl Placeholders {
    /// Values that no case of another number has.
    pub fn new(number: usize) -> Self {
        let (high, low) = (number / 250, 1 + number % 250);
        let named = |kind: &str| format!("{kind}-again-{number:04}");
        let values = [
            ("NS", named("ns")),
            ("SVC", named("svc")),
            ("USER", named("usr")),
            ("ROLE", named("role")),
            ("IP", format!("10.77.{high}.{low}")),
            ("IP2", format!("10.77.{}.{low}", high + 100)),
        ];
        Self(values.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// Takes a value from an answer.
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// The text with values for placeholders.
    pub fn fill(&self, text: &str) -> String {
        // No value has a placeholder in it, so one pass over each name does.
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
    }

    /// The JSON with values for placeholders, in names of members too.
    pub fn fill_json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill(text)),
            Value::Array(members) => members.iter().map(|member| self.fill_json(member)).collect(),
            Value::Object(members) => {
                members.iter().map(|(name, member)| (self.fill(name), self.fill_json(member))).collect()
            }
            other => other.clone(),
        }
    }

    /// The text with placeholders for values, the longest first: one may be a part of another.
    pub fn unfill(&self, text: &str) -> String {
        let mut values: Vec<(&String, &String)> = self.0.iter().filter(|(_, value)| !value.is_empty()).collect();
        values.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        let mut text = Cow::Borrowed(text);
        for (name, value) in values {
            if text.contains(value.as_str()) {
                text = Cow::Owned(replaced(&text, value, &format!("${{{name}}}"), name.starts_with("IP")));
            }
        }
        text.into_owned()
    }
}

/// Replaces `value`; where it is an address, only a whole one.
fn replaced(text: &str, value: &str, by: &str, is_address: bool) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut out, mut at) = (String::new(), 0);
    while let Some(found) = text[at..].find(value) {
        let (start, end) = (at + found, at + found + value.len());
        let before = text[..start].chars().next_back().is_some_and(|c| is_word(c) || c == '.');
        let after = text[end..].chars().next().is_some_and(is_word);
        out.push_str(&text[at..start]);
        out.push_str(if is_address && (before || after) { value } else { by });
        at = end;
    }
    out + &text[at..]
}

#[test]
fn placeholders_are_filled_and_turned_back() {
    let mut values = Placeholders::new(251);
    assert_eq!(values.fill("${IP}:${IP2} ${NS} ${TOKEN}"), "10.77.1.2:10.77.101.2 ns-again-0251 ${TOKEN}");
    values.set("TOKEN", "ns-again-0251-token");
    let text = "10.77.1.2 10.77.1.23 1.10.77.1.2 10.77.1.2:80 10.77.1.2#80 ns-again-0251 ns-again-0251-token";
    assert_eq!(values.unfill(text), "${IP} 10.77.1.23 1.10.77.1.2 ${IP}:80 ${IP}#80 ${NS} ${TOKEN}");
}
