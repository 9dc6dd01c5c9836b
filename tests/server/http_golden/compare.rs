//! Recorded answers beside ours, at each degree of likeness.

use serde_json::Value;

use super::case::{Answer, Case};

/// Members that common clients do not read, of lists and instances.
const UNREAD: [&str; 12] = [
    "groupName",
    "instanceId",
    "instanceHeartBeatInterval",
    "instanceHeartBeatTimeOut",
    "ipDeleteTimeout",
    "instanceIdGenerator",
    "checksum",
    "allIPs",
    "allIps",
    "reachProtectionThreshold",
    "valid",
    "lastRefTime",
];

/// How alike two bodies are to be.
#[derive(Clone, Copy, PartialEq)]
enum Likeness {
    /// Equal.
    Exact,
    /// Ours may have more members.
    Lenient,
    /// Ours may have more members, and lack those nobody reads.
    Essential,
}

/// Where the answers of a case are not the recorded ones, by degree.
#[derive(Default)]
pub struct Differences {
    /// Set-up requests with another status.
    pub setup: Vec<String>,
    pub status: Vec<String>,
    pub exact: Vec<String>,
    pub lenient: Vec<String>,
    /// Of refusals only the status is essential.
    pub essential: Vec<String>,
    pub media_type: Vec<String>,
}

/// How well a case is answered, apart from media types: the best degree it reaches.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Degree {
    None,
    Status,
    Essential,
    Lenient,
    Exact,
}

impl Degree {
    /// What a case must reach: of accidents only what clients read, or the status alone.
    pub fn wanted(case: &Case) -> Self {
        match case.quirk {
            true if case.is_status_only() => Self::Status,
            true => Self::Essential,
            false => Self::Lenient,
        }
    }
}

impl Differences {
    /// The best degree reached. A state that was not prepared as recorded makes every answer meaningless.
    pub fn degree(&self) -> Degree {
        let degrees = [Degree::Exact, Degree::Lenient, Degree::Essential, Degree::Status];
        degrees.into_iter().find(|degree| self.below(*degree).is_empty()).unwrap_or(Degree::None)
    }

    /// What keeps the case from a degree; nothing when it reaches it.
    pub fn below(&self, wanted: Degree) -> Vec<&String> {
        let bodies: &[String] = match wanted {
            Degree::None | Degree::Status => &[],
            Degree::Essential => &self.essential,
            Degree::Lenient => &self.lenient,
            Degree::Exact => &self.exact,
        };
        self.setup.iter().chain(&self.status).chain(bodies).collect()
    }

    /// Compares the status of a set-up request.
    pub fn setup(&mut self, number: usize, recorded: Option<u16>, ours: &Answer) {
        if let Some(recorded) = recorded.filter(|recorded| *recorded != ours.status) {
            self.setup.push(format!(
                "/setup/{number}: recorded {recorded}, ours {} {}",
                ours.status,
                short(&ours.body)
            ));
        }
    }

    /// Compares one answer, which is at `place` in the case.
    pub fn answer(&mut self, case: &Case, place: &str, recorded: &Answer, ours: &Answer) {
        let body = format!("{place}/body");
        if !is_any(&case.volatile, &format!("{place}/status")) && recorded.status != ours.status {
            self.status.push(format!("{place}/status: recorded {}, ours {}", recorded.status, ours.status));
        }
        let (theirs, own) = (recorded.media_type(), ours.media_type());
        if theirs != own && !is_any(&case.volatile, &format!("{place}/headers/content-type")) {
            self.media_type.push(format!("{place}: media type recorded '{theirs}', ours '{own}'"));
        }
        let found = |likeness| {
            if recorded.body_kind == ours.body_kind || is_any(&case.volatile, &body) {
                return Comparison { case, likeness }.differences(&recorded.body, &ours.body, &body);
            }
            let (theirs, own) = (short(&recorded.body), short(&ours.body));
            vec![format!("{body}: recorded {} {theirs}, ours {} {own}", recorded.body_kind, ours.body_kind)]
        };
        self.exact.extend(found(Likeness::Exact));
        self.lenient.extend(found(Likeness::Lenient));
        if recorded.status < 400 {
            self.essential.extend(found(Likeness::Essential));
        }
    }
}

struct Comparison<'a> {
    case: &'a Case,
    likeness: Likeness,
}

impl Comparison<'_> {
    fn differences(&self, recorded: &Value, ours: &Value, here: &str) -> Vec<String> {
        if is_any(&self.case.volatile, here) {
            return Vec::new();
        }
        match (recorded, ours) {
            (Value::Object(theirs), Value::Object(own)) => {
                let is_host = theirs.contains_key("hosts") || theirs.contains_key("ip");
                let is_unread = |name: &str| self.likeness == Likeness::Essential && is_host && UNREAD.contains(&name);
                let mut found = Vec::new();
                for (name, value) in theirs.iter().filter(|(name, _)| !is_unread(name)) {
                    let place = format!("{here}/{}", name.replace('~', "~0").replace('/', "~1"));
                    match own.get(name) {
                        Some(own) => found.extend(self.differences(value, own, &place)),
                        None => found.push(format!("{place}: recorded {}, ours none", short(value))),
                    }
                }
                if self.likeness == Likeness::Exact {
                    let added = own.iter().filter(|(name, _)| !theirs.contains_key(*name));
                    found.extend(
                        added.map(|(name, value)| format!("{here}/{name}: recorded none, ours {}", short(value))),
                    );
                }
                found
            }
            (Value::Array(theirs), Value::Array(own)) if theirs.len() != own.len() => {
                let (more, less) = (theirs.len(), own.len());
                vec![format!("{here}: recorded {more} {}, ours {less} {}", short(recorded), short(ours))]
            }
            (Value::Array(theirs), Value::Array(own)) if is_any(&self.case.unordered, here) => {
                self.unordered(theirs, own, &format!("{here}/*"))
            }
            (Value::Array(theirs), Value::Array(own)) => {
                let pairs = theirs.iter().zip(own).enumerate();
                pairs.flat_map(|(at, (theirs, own))| self.differences(theirs, own, &format!("{here}/{at}"))).collect()
            }
            _ if is_same(recorded, ours) => Vec::new(),
            _ => vec![format!("{here}: recorded {}, ours {}", short(recorded), short(ours))],
        }
    }

    /// Each recorded element takes one of ours that is alike. What is left over is compared pair by pair.
    fn unordered(&self, recorded: &[Value], ours: &[Value], here: &str) -> Vec<String> {
        let mut left: Vec<&Value> = ours.iter().collect();
        let mut missed = Vec::new();
        for value in recorded {
            match left.iter().position(|own| self.differences(value, own, here).is_empty()) {
                Some(at) => drop(left.remove(at)),
                None => missed.push(value),
            }
        }
        missed.iter().zip(left).flat_map(|(theirs, own)| self.differences(theirs, own, here)).collect()
    }
}

/// Numbers by value, texts without the blanks around them.
fn is_same(recorded: &Value, ours: &Value) -> bool {
    match (recorded, ours) {
        (Value::Number(theirs), Value::Number(own)) => theirs == own || theirs.as_f64() == own.as_f64(),
        (Value::String(theirs), Value::String(own)) => theirs.trim() == own.trim(),
        _ => recorded == ours,
    }
}

/// Whether a pointer is one of those meant by `patterns`.
fn is_any(patterns: &[String], pointer: &str) -> bool {
    let matches = |pattern: &str| {
        let (theirs, own) = (pattern.split('/'), pointer.split('/'));
        theirs.clone().count() == own.clone().count() && theirs.zip(own).all(|(step, own)| step == "*" || step == own)
    };
    patterns.iter().any(|pattern| matches(pattern))
}

/// A body as a person wants to see it.
fn short(value: &Value) -> String {
    const LIMIT: usize = 400;
    let text = value.to_string();
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn case(quirk_reason: &str, response: Answer) -> Case {
        let case = json!({
            "id": "made/up", "area": "made", "title": "", "setup": [], "followup": [],
            "request": {"method": "GET", "path": "/"},
            "response": {"status": 0, "headers": {}, "body_kind": "", "body": null},
            "volatile": ["/response/body/time", "/response/body/list/*/at"],
            "unordered": ["/response/body/list"],
            "quirk": !quirk_reason.is_empty(), "quirk_reason": quirk_reason,
        });
        let mut case: Case = serde_json::from_value(case).expect("a case");
        case.response = response;
        case
    }

    fn answer(status: u16, kind: &str, body: Value) -> Answer {
        let headers = [("content-type".to_owned(), "a/b;c=d".to_owned())];
        Answer { status, headers: headers.into(), body_kind: kind.to_owned(), body }
    }

    fn degree((status, kind, body): (u16, &str, Value), ours: (u16, &str, Value)) -> Degree {
        let case = case("", answer(status, kind, body));
        let mut differences = Differences::default();
        differences.answer(&case, "/response", &case.response, &answer(ours.0, ours.1, ours.2));
        assert!(differences.media_type.is_empty());
        let degree = differences.degree();
        let all = [Degree::Status, Degree::Essential, Degree::Lenient, Degree::Exact];
        assert!(all.iter().all(|wanted| differences.below(*wanted).is_empty() == (*wanted <= degree)), "{degree:?}");
        degree
    }

    fn json_degree(recorded: Value, ours: Value) -> Degree {
        degree((200, "json", recorded), (200, "json", ours))
    }

    #[test]
    fn equal_is_exact_whatever_varies() {
        assert_eq!(json_degree(json!({"a": 1, "b": " x"}), json!({"b": "x", "a": 1.0})), Degree::Exact);
        assert_eq!(json_degree(json!({"time": 1}), json!({"time": "later"})), Degree::Exact);
        assert_eq!(degree((200, "text", json!("ok")), (200, "text", json!("ok\n"))), Degree::Exact);
        let ours = json!({"list": [{"at": 3, "n": 2}, {"at": 4, "n": 1}]});
        assert_eq!(json_degree(json!({"list": [{"at": 1, "n": 1}, {"at": 2, "n": 2}]}), ours), Degree::Exact);
    }

    #[test]
    fn members_may_be_added_but_not_be_missing() {
        assert_eq!(json_degree(json!({"a": 1}), json!({"a": 1, "b": 2})), Degree::Lenient);
        // What is added must not change which element stands for which.
        let ours = json!({"list": [{"a": 0, "n": 2}, {"a": 1, "n": 1}]});
        assert_eq!(json_degree(json!({"list": [{"n": 1}, {"n": 2}]}), ours), Degree::Lenient);
        assert_eq!(json_degree(json!({"a": 1, "b": 2}), json!({"a": 1})), Degree::Status);
        assert_eq!(json_degree(json!({"time": 1}), json!({})), Degree::Status);
        assert_eq!(json_degree(json!({"ip": "1", "valid": true}), json!({"ip": "1"})), Degree::Essential);
        assert_eq!(json_degree(json!({"ip": "1", "weight": 1}), json!({"ip": "1"})), Degree::Status);
    }

    #[test]
    fn other_values_are_noticed() {
        assert_eq!(json_degree(json!({"a": 1}), json!({"a": true})), Degree::Status);
        assert_eq!(json_degree(json!({"a": 1}), json!({"a": "1"})), Degree::Status);
        assert_eq!(json_degree(json!({"a": null}), json!({})), Degree::Status);
        assert_eq!(json_degree(json!([1, 2]), json!([2, 1])), Degree::Status);
        assert_eq!(json_degree(json!([1]), json!([1, 1])), Degree::Status);
        assert_eq!(json_degree(json!({"list": [1, 1, 2]}), json!({"list": [1, 2, 2]})), Degree::Status);
        assert_eq!(degree((200, "text", json!("ok")), (200, "text", json!("OK"))), Degree::Status);
        assert_eq!(degree((200, "text", json!("ok")), (200, "empty", json!(null))), Degree::Status);
        assert_eq!(degree((200, "text", json!("ok")), (404, "text", json!("ok"))), Degree::None);
    }

    #[test]
    fn of_refusals_only_the_status_is_essential() {
        assert_eq!(degree((400, "text", json!("no")), (400, "json", json!({}))), Degree::Essential);
        assert_eq!(degree((400, "text", json!("no")), (500, "text", json!("no"))), Degree::None);
    }

    #[test]
    fn accidents_need_less() {
        let wanted = |reason| Degree::wanted(&case(reason, answer(200, "empty", json!(null))));
        assert_eq!(wanted(""), Degree::Lenient);
        assert_eq!(wanted("an accident"), Degree::Essential);
        assert_eq!(wanted("an accident; only the status matters"), Degree::Status);
    }

    #[test]
    fn an_unprepared_state_is_never_right() {
        let case = case("", answer(404, "empty", json!(null)));
        let mut differences = Differences::default();
        differences.setup(0, Some(404), &case.response);
        assert_eq!(differences.degree(), Degree::Exact);
        differences.setup(1, Some(200), &case.response);
        assert_eq!(differences.degree(), Degree::None);
    }
}
