//! The hand-made cases: the same requests in the same situations, the same answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    compare::{Differences, list, recorded_head, without_numbers},
    deviations::{DEVIATIONS, SUPERSEDED, WAITING},
    fixture::{body_text, lines, text},
    registered, setup, special, timed, verdict,
};
use crate::support::{BiStream, Node, Outcome, RawClient, Session};

/// One recorded case.
pub struct Case {
    /// Its group and name; the second of a name has a number.
    pub id: String,
    /// The group alone.
    pub group: String,
    /// The name alone.
    pub name: String,
    /// The whole line.
    pub line: Value,
}

impl Case {
    /// The request's type.
    pub fn kind(&self) -> &str {
        text(&self.line, "/request/type")
    }

    /// The request's body, if the case names one.
    pub fn body(&self) -> Option<String> {
        self.line.pointer("/request/body").map(body_text)
    }

    /// What was recorded under `key`, if anything.
    pub fn recorded(&self, key: &str) -> Option<&Value> {
        self.line.get(key)
    }
}

fn cases(file: &str) -> Vec<Case> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let cases = lines(file).into_iter().map(|line| {
        let (group, name) = (text(&line, "/group").to_owned(), text(&line, "/case").to_owned());
        // Numbers in a name are of its recording, or the same in both.
        let plain = format!("{group} / {name}").replace("52768", "N").replace("51871", "N");
        let times = seen.entry(plain.clone()).or_default();
        *times += 1;
        let id = if *times > 1 { format!("{plain} ({times})") } else { plain };
        Case { id, group, name, line }
    });
    cases.collect()
}

/// What cases share: a node and the connections of the recording.
pub struct Stage {
    /// The node.
    pub node: Node,
    /// The connection most cases go over.
    pub main: Session,
    /// The one that is told to be another.
    pub other: Option<Session>,
    /// The one whose label names no naming client.
    pub labelless: Option<Session>,
    /// A transport with two streams.
    pub two_streams: Option<(RawClient, [BiStream; 2])>,
    /// The number in this recording's service names.
    pub run: String,
    /// Subscriptions made to see that all pushes before them have come.
    markers: usize,
}

impl Stage {
    async fn new(cases: &[Case]) -> Self {
        // Answers are compared, not times: short ones make the test fast.
        let node = Node::start_with(|settings| {
            settings.push_window = Some("20ms".parse().expect("a span"));
            settings.push_window_max = Some("20ms".parse().expect("a span"));
            settings.setup_hold = Some("50ms".parse().expect("a span"));
        })
        .await;
        let main = Session::connect(&node).await;
        let normal = cases.iter().find(|case| case.id == "InstanceRequest / normal").expect("the first registration");
        let name = text(&normal.line, "/request/body/serviceName");
        let run = name.trim_start_matches("err").trim_end_matches("-1").to_owned();
        Self { node, main, other: None, labelless: None, two_streams: None, run, markers: 0 }
    }

    /// The second connection, which may come and go.
    pub async fn other(&mut self) -> &Session {
        if self.other.is_none() {
            self.other = Some(Session::connect(&self.node).await);
        }
        self.other.as_ref().expect("just made")
    }

    /// Waits until every push to `session` that is due has come: those of subscriptions made now come after them.
    pub async fn settle(&mut self, session: &Session) {
        settle(session, &mut self.markers).await;
    }

    /// The same for the main connection.
    pub async fn settle_main(&mut self) {
        settle(&self.main, &mut self.markers).await;
    }
}

async fn settle(session: &Session, markers: &mut usize) {
    // Twice, because what becomes due in the same millisecond may come in any order.
    for _ in 0..2 {
        *markers += 1;
        let name = format!("{MARKER}{markers}");
        let mut body = json!({"namespace": MARKER, "serviceName": name, "groupName": "DEFAULT_GROUP",
            "subscribe": true, "clusters": ""});
        session.client.call("SubscribeServiceRequest", body.to_string()).await.expect("subscribes");
        let pushed = session.stream.wait(|all| {
            let mut all = all.iter();
            all.any(|push| push.body.pointer("/serviceInfo/name").is_some_and(|it| *it == name)).then_some(())
        });
        pushed.await.expect("the push of a first subscription");
        body["subscribe"] = false.into();
        session.client.call("SubscribeServiceRequest", body.to_string()).await.expect("unsubscribes");
    }
}

/// What the names of services begin with that only mark a moment.
pub const MARKER: &str = "golden-marker";

/// The body of a query for a service of the default group.
pub fn query(namespace: &str, service: &str) -> String {
    json!({"namespace": namespace, "serviceName": service, "groupName": "DEFAULT_GROUP", "cluster": ""}).to_string()
}

/// The body of a registration of one instance at the address most cases use.
pub fn register(namespace: &str, service: &str, port: u16) -> String {
    json!({"namespace": namespace, "serviceName": service, "groupName": "DEFAULT_GROUP", "type": "registerInstance",
        "instance": {"ip": "10.9.9.9", "port": port, "clusterName": "DEFAULT"}})
    .to_string()
}

/// The list a query finds.
pub async fn found(client: &RawClient, service: &str) -> Outcome {
    client.call("ServiceQueryRequest", query("public", service)).await
}

async fn drive(stage: &mut Stage, case: &Case) -> Differences {
    match case.group.as_str() {
        "before set-up (fresh transport)" => setup::before(stage, case).await,
        "set-up" => setup::during(stage, case).await,
        "size" => special::size(stage, case).await,
        "connection without naming label" => special::labelless(stage, case).await,
        "stream gone, transport alive" => setup::stream_gone(stage, case).await,
        "push without ack" | "idle" | "detection" | "push burst" => timed::drive(stage, case).await,
        _ => registered::drive(stage, case).await,
    }
}

/// What both versions recorded for a case, as far as it is compared; where it differs, the newer one is followed.
fn expectation(case: &Case) -> String {
    let response = case.recorded("response").map(|response| recorded_head(response, true));
    let query = case.recorded("thenQuery").map(list);
    let health = case.recorded("thenHealthCheck").map(|response| recorded_head(response, true));
    without_numbers(&format!("{response:?} {query:?} {health:?}"))
}

/// The version that is followed where the two differ.
const NEWER: &str = "errors-3.0.3.jsonl";

async fn compare(file: &str, count: usize) {
    let cases = cases(file);
    assert_eq!(cases.len(), count);
    let newer: BTreeMap<String, String> =
        self::cases(NEWER).into_iter().map(|case| (case.id.clone(), expectation(&case))).collect();
    check_lists(&cases, &newer);
    let mut stage = Stage::new(&cases).await;
    let mut failures = Vec::new();
    let mut superseded = Vec::new();
    for case in cases.iter().filter(|case| !verdict::is_apart(case)) {
        // Driven all the same: later cases see what it left.
        let differences = drive(&mut stage, case).await;
        if newer.get(&case.id).is_some_and(|newer| *newer != expectation(case)) {
            superseded.push(case.id.as_str());
        } else {
            failures.extend(verdict::judge(case, &differences));
        }
    }
    stage.node.stop().await;
    assert!(failures.is_empty(), "{file}: {} of {} cases\n{}", failures.len(), cases.len(), failures.join("\n"));
    let expected = if file == NEWER { &[] } else { SUPERSEDED };
    assert_eq!(superseded, expected, "what the versions answer differently");
}

/// Everything listed is the name of a case.
fn check_lists(cases: &[Case], newer: &BTreeMap<String, String>) {
    let waiting = WAITING.iter().flat_map(|it| [it.ids, it.ready, it.apart].concat());
    for listed in DEVIATIONS.iter().map(|it| it.id).chain(waiting) {
        assert!(newer.contains_key(listed) || cases.iter().any(|case| case.id == listed), "no case `{listed}`");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hand_made_requests_are_answered_as_by_nacos_2_5_1() {
    compare("errors-2.5.1.jsonl", 383).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hand_made_requests_are_answered_as_by_nacos_3_0_3() {
    compare(NEWER, 415).await;
}
