//! What official clients said, said again in their order: every answer is the recorded one, and between two steps of a
//! scenario every subscriber has the recorded list.
//!
//! Time is not replayed: what the reference did by the clock (probing, expelling, pushing the same again) is not expected
//! here, what it did at an operator's word (resetting connections) is done at that word.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    compare::{Differences, our_head, recorded_head},
    fixture::{lines, recordings, text},
    peer::{Peer, send_of},
    setup::alive,
};
use crate::support::{HttpRequest, Node, Outcome};

/// After how many milliseconds a change has reached the subscribers of the reference, which waits 500 before it pushes.
const SETTLED: u64 = 900;

const FEATURE: &str = "a request of a feature that is not there is refused as what it is";
const NAMESPACE: &str = "no namespace is the default one";
const OVERTAKEN: &str = "a request that overtook its set-up waits for it";
const EXPELLED: &str = "a connection that is over is closed, and not only unknown";

/// Why answers are not the recorded ones, and how many of all recordings.
const DEVIATIONS: [(&str, usize); 4] = [(FEATURE, 7), (NAMESPACE, 2), (OVERTAKEN, 9), (EXPELLED, 1)];

/// One recording being said again.
struct Replay {
    node: Node,
    lines: Vec<Value>,
    peers: BTreeMap<u64, Peer>,
    /// What differs, each with its place.
    failures: Vec<String>,
    /// Why answers are not the recorded ones.
    reasons: Vec<&'static str>,
    /// When something last changed, in recorded milliseconds.
    changed: u64,
    /// Answers compared.
    answers: usize,
    /// Lists compared.
    lists: usize,
}

impl Replay {
    async fn new(name: &str) -> Self {
        let node = Node::start_with(|settings| {
            let span = |text: &str| Some(text.parse().expect("a span"));
            settings.push_window = span("10ms");
            settings.push_window_max = span("10ms");
            // Set-ups are waited for; what never sends one need not be.
            settings.setup_hold = span("10ms");
        })
        .await;
        let lines = lines(name);
        let (peers, failures, reasons) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { node, lines, peers, failures, reasons, changed: 0, answers: 0, lists: 0 }
    }

    async fn run(&mut self) {
        for at in 0..self.lines.len() {
            let line = self.lines[at].clone();
            if line["ev"] == "http" {
                self.ask(&line).await;
                continue;
            }
            let Some(connection) = line["conn"].as_u64() else {
                // A step: what was pushed before it is what it found.
                self.compare_lists(&line).await;
                continue;
            };
            if is_change(&line) {
                self.changed = line["t_ms"].as_u64().expect("a time");
            }
            match (text(&line, "/ev"), text(&line, "/dir")) {
                ("", "c2s") if line["rpc"] == "Request/request" => self.request(connection, &line).await,
                ("", "c2s") => self.say(connection, &line).await,
                ("", _) => self.hear(connection, &line).await,
                ("rpc_status", _) if line["rpc"] != "Request/request" => self.end_stream(connection).await,
                ("transport_close", _) => self.close(connection, &line).await,
                _ => {}
            }
        }
    }

    async fn peer(&mut self, connection: u64) -> &mut Peer {
        if !self.peers.contains_key(&connection) {
            let peer = Peer::open(&self.node, &self.lines, connection).await;
            self.peers.insert(connection, peer);
        }
        self.peers.get_mut(&connection).expect("just made")
    }

    /// A request over HTTP, the way of the Go SDK to persistent instances.
    async fn ask(&mut self, line: &Value) {
        self.compare_lists(line).await;
        self.changed = line["t_ms"].as_u64().expect("a time");
        let headers = line["reqHeaders"].as_object().into_iter().flatten();
        let body = text(line, "/reqBody");
        let request = HttpRequest {
            method: text(line, "/method").to_owned(),
            target: text(line, "/target").to_owned(),
            headers: headers.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().into())).collect(),
            body: (!body.is_empty()).then(|| body.as_bytes().to_vec()),
        };
        let answer = request.send(self.node.http_port()).await.expect("an answer");
        self.answers += 1;
        if line["status"] != answer.status {
            self.failures.push(format!("  {} {}: {}", request.method, request.target, answer.status));
        }
    }

    /// A unary request and its answer.
    async fn request(&mut self, connection: u64, line: &Value) {
        // Anywhere: the two directions were recorded apart, and no stream is used twice.
        let answers = |it: &&Value| it["dir"] == "s2c" && it["conn"] == line["conn"] && it["stream"] == line["stream"];
        let recorded = self.lines.iter().filter(answers).find(|it| it.get("body").is_some()).cloned();
        let peer = self.peer(connection).await;
        let ours = peer.client.unary(send_of(line)).await;
        // Cut off before its answer came.
        let Some(mut recorded) = recorded else { return };
        peer.note_answer(line, &recorded, &ours);
        let over = peer.is_over();
        self.answers += 1;
        only_our_names(&mut recorded, &ours);
        match deviation(line, &recorded, &ours, over) {
            Some(reason) => self.reasons.push(reason),
            None => {
                let mut differences = Differences::default();
                differences.answer("answer", &recorded, &ours);
                self.judge(line, &differences);
            }
        }
    }

    /// A message of a client on its stream. Acks are not among them: each push is answered when it comes.
    async fn say(&mut self, connection: u64, line: &Value) {
        if line["type"] == "ConnectionSetupRequest" && !self.peer(connection).await.has_stream() {
            let peer = self.peer(connection).await;
            peer.set_up(line).await;
            let id = peer.id.clone();
            self.node.wait_for(&id, true).await;
        }
    }

    /// A message of the server.
    async fn hear(&mut self, connection: u64, line: &Value) {
        if line["type"] == "SetupAckRequest" {
            // The two directions were recorded apart: an ack may stand before what it answers.
            let sent = |it: &&Value| it["type"] == "ConnectionSetupRequest" && it["conn"] == connection;
            let set_up = self.lines.iter().find(sent).cloned().expect("a set-up that was acknowledged");
            self.say(connection, &set_up).await;
        }
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        match text(line, "/type") {
            "NotifySubscriberRequest" => peer.note_push(line),
            "SetupAckRequest" => {
                let ours = peer.heard("SetupAckRequest").await;
                let mut differences = Differences::default();
                // What is in the table says what this server has.
                let (mut recorded, mut ours) = (line["body"].clone(), ours);
                [&mut recorded, &mut ours].into_iter().for_each(|body| body["abilityTable"] = Value::Null);
                differences.keys("set-up ack", &recorded, &ours, true);
                self.judge(line, &differences);
            }
            "ConnectResetRequest" => {
                let target = line.pointer("/body/serverIp").and_then(Value::as_str);
                let target = target.map(|ip| (ip, text(line, "/body/serverPort")));
                let told = self.node.server().connections().reset(&peer.id, target);
                assert!(told, "the connection is there");
                let ours = peer.heard("ConnectResetRequest").await;
                let mut differences = Differences::default();
                differences.keys("reset", &line["body"], &ours, true);
                self.judge(line, &differences);
            }
            // Probes go by the clock, fuzzy pushes come with fuzzy watch, and answers are compared where they are asked.
            _ => {}
        }
    }

    async fn end_stream(&mut self, connection: u64) {
        if let Some(peer) = self.peers.get_mut(&connection) {
            peer.end_stream();
            let id = peer.id.clone();
            self.node.wait_for(&id, false).await;
        }
    }

    async fn close(&mut self, connection: u64, line: &Value) {
        if self.peers.contains_key(&connection) {
            self.compare_lists(line).await;
            self.changed = line["t_ms"].as_u64().expect("a time");
            let id = self.peers.remove(&connection).expect("is there").id.clone();
            self.node.wait_for(&id, false).await;
        }
    }

    async fn compare_lists(&mut self, line: &Value) {
        // What changed just before was not yet pushed by the reference. And a list that does not come is waited for long,
        // while those after it say no more.
        let settled = line["t_ms"].as_u64().is_some_and(|now| now >= self.changed + SETTLED);
        if !settled || !self.failures.is_empty() {
            return;
        }
        for (connection, peer) in &self.peers {
            for (service, list) in &peer.lists {
                self.lists += 1;
                if let Some(differences) = peer.compare(service, list).await {
                    let report = differences.report();
                    self.failures.push(format!("  list of {service} on connection {connection} at {line}:{report}"));
                }
            }
        }
    }

    fn judge(&mut self, line: &Value, differences: &Differences) {
        if !differences.is_empty() {
            let (at, connection, kind) = (&line["t_ms"], &line["conn"], text(line, "/type"));
            let report = differences.report();
            self.failures
                .push(format!("  {kind} on connection {connection} at {at} ms:{report}\n      {}", line["body"]));
        }
    }
}

/// Whether a line may change what subscribers are to see.
fn is_change(line: &Value) -> bool {
    let publishes =
        ["InstanceRequest", "BatchInstanceRequest", "PersistentInstanceRequest"].contains(&text(line, "/type"));
    publishes || line["ev"] == "rpc_status"
}

/// The reference had services of other scenarios besides; which of its names ours are is compared.
fn only_our_names(recorded: &mut Value, ours: &Outcome) {
    let (Some(names), Ok(ours)) = (recorded["body"]["serviceNames"].as_array().cloned(), ours) else { return };
    let has = |name: &Value| ours.body["serviceNames"].as_array().is_some_and(|ours| ours.contains(name));
    let names: Vec<Value> = names.into_iter().filter(has).collect();
    if recorded["body"]["count"].as_u64() >= ours.body["count"].as_u64() {
        recorded["body"]["count"] = ours.body["count"].clone();
    }
    recorded["body"]["serviceNames"] = names.into();
}

/// Why an answer is another than the recorded one, if it is and may be.
fn deviation(request: &Value, recorded: &Value, ours: &Outcome, over: bool) -> Option<&'static str> {
    let (theirs, head) = (recorded_head(recorded, false), our_head(ours, false));
    let unregistered = theirs == "ErrorResponse 500/301";
    // Such a request may still be told so before the transport is closed.
    if unregistered && over && alive(ours) == "gone" {
        return Some(EXPELLED);
    }
    if theirs == head {
        let nameless = request["type"] == "ServiceListRequest" && request["body"]["namespace"] == "";
        return nameless.then_some(NAMESPACE);
    }
    let kind = text(request, "/type");
    if kind == "NamingFuzzyWatchRequest" && head.ends_with("Response 500/501") {
        return Some(FEATURE);
    }
    (unregistered && head == "HealthCheckResponse 200/0").then_some(OVERTAKEN)
}

/// What became of some recordings.
#[derive(Default)]
struct Results {
    failures: Vec<String>,
    reasons: BTreeMap<&'static str, usize>,
    answers: usize,
    lists: usize,
}

async fn replay(server: &str, results: &mut Results) {
    for name in recordings().iter().filter(|name| name.starts_with(server)) {
        let mut replay = Replay::new(name).await;
        replay.run().await;
        replay.peers.clear();
        replay.node.stop().await;
        results.answers += replay.answers;
        results.lists += replay.lists;
        replay.reasons.iter().for_each(|reason| *results.reasons.entry(*reason).or_default() += 1);
        if !replay.failures.is_empty() {
            results.failures.push(format!("{name}\n{}", replay.failures.join("\n")));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_official_clients_said_is_answered_as_it_was() {
    let mut all = Results::default();
    for server in ["2.5.1-", "3.0.3-"] {
        replay(server, &mut all).await;
    }
    assert!(all.failures.is_empty(), "{} recordings\n{}", all.failures.len(), all.failures.join("\n"));
    assert_eq!(all.reasons, DEVIATIONS.into());
    assert_eq!((all.answers, all.lists), (775, 389), "answers and lists compared");
}
