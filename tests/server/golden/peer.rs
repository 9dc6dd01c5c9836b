//! One recorded connection, driven as its client drove it: its set-up, its acks, and what it knows of the services it
//! subscribed to beside what the recorded client knew.

use std::collections::BTreeMap;

use roster::{
    model::ClientId,
    proto::{Metadata, Payload, google::protobuf::Any},
};
use serde_json::{Value, json};

use super::{
    compare::{Differences, list},
    fixture::{body_text, text},
};
use crate::support::{BiStream, Message, Node, Outcome, RawClient, payload};

/// The message a line recorded.
pub fn send_of(line: &Value) -> Payload {
    let headers = line["headers"].as_object().into_iter().flatten();
    let headers = headers.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
    let (kind, client_ip) = (text(line, "/type").to_owned(), text(line, "/clientIp").to_owned());
    let (type_url, value) = (text(line, "/typeUrl").to_owned(), body_text(&line["body"]).into());
    Payload { metadata: Some(Metadata { r#type: kind, client_ip, headers }), body: Some(Any { type_url, value }) }
}

/// What a client last knew of a service.
pub struct List {
    /// The recorded body that told it.
    recorded: Value,
    /// What our server answered to the subscription.
    answered: Value,
}

/// One connection.
pub struct Peer {
    /// Its transport.
    pub client: RawClient,
    /// Its id at the node.
    pub id: ClientId,
    /// What it subscribed to, by grouped name.
    pub lists: BTreeMap<String, List>,
    stream: Option<BiStream>,
    /// The acks it sent.
    acks: Vec<Value>,
    /// How many messages of a type were looked at.
    heard: BTreeMap<&'static str, usize>,
    over: bool,
}

impl Peer {
    /// Opens a transport for a recorded connection.
    pub async fn open(node: &Node, lines: &[Value], connection: u64) -> Self {
        let client = RawClient::open(node.grpc_port()).await;
        let id = client.id().await;
        let is_ack = |line: &&Value| line["dir"] == "c2s" && text(line, "/type").ends_with("Response");
        let acks = lines.iter().filter(is_ack).filter(|line| line["conn"] == connection).cloned().collect();
        Self { client, id, lists: BTreeMap::new(), stream: None, acks, heard: BTreeMap::new(), over: false }
    }

    /// Whether the recorded stream has ended.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Whether its stream is open, or was.
    pub fn has_stream(&self) -> bool {
        self.stream.is_some()
    }

    /// Sends a recorded set-up.
    pub async fn set_up(&mut self, line: &Value) {
        let acks = std::mem::take(&mut self.acks);
        let stream = self.client.stream_acking(move |message| answer(&acks, message)).await;
        stream.send_payload(send_of(line));
        self.stream = Some(stream);
    }

    /// Ends the stream, whoever ended the recorded one.
    pub fn end_stream(&mut self) {
        self.lists.clear();
        self.over = true;
        if let Some(stream) = &mut self.stream {
            stream.half_close();
        }
    }

    /// The body of the next message of this type, which must come.
    pub async fn heard(&mut self, kind: &'static str) -> Value {
        let nth = self.heard.entry(kind).or_default();
        let stream = self.stream.as_ref().expect("a stream");
        let next = stream.wait(|all| all.iter().filter(|it| it.kind == kind).nth(*nth).map(|it| it.body.clone()));
        let next = next.await.unwrap_or_else(|| panic!("{kind} comes"));
        *nth += 1;
        next
    }

    /// Takes note of what an answer said about a subscription.
    pub fn note_answer(&mut self, request: &Value, recorded: &Value, ours: &Outcome) {
        if request["type"] != "SubscribeServiceRequest" {
            return;
        }
        let service = service(&recorded["body"]);
        let answered = ours.as_ref().map_or(Value::Null, |answer| answer.body.clone());
        match request["body"]["subscribe"] == true {
            true => self.lists.insert(service, List { recorded: recorded["body"].clone(), answered }),
            false => self.lists.remove(&service),
        };
    }

    /// Takes note of a recorded push.
    pub fn note_push(&mut self, line: &Value) {
        if let Some(list) = self.lists.get_mut(&service(&line["body"])) {
            list.recorded = line["body"].clone();
        }
    }

    /// Waits until the client knows of a service what the recorded one did; else says what it knows instead.
    pub async fn compare(&self, name: &str, wanted: &List) -> Option<Differences> {
        let stream = self.stream.as_ref().expect("a subscriber has a stream");
        let recorded = list(&wanted.recorded);
        let equal = stream.wait(|all| {
            let ours = newest(all, name, &wanted.answered);
            (list(ours) == recorded).then(|| ours.clone())
        });
        let mut differences = Differences::default();
        let Some(ours) = equal.await else {
            differences.check("list", recorded, list(newest(&stream.received(), name, &wanted.answered)));
            return Some(differences);
        };
        let only_list = |body: &Value| json!({"serviceInfo": body["serviceInfo"]});
        differences.keys("list", &only_list(&wanted.recorded), &only_list(&ours), true);
        (!differences.is_empty()).then_some(differences)
    }
}

/// The grouped name of the service a body is of.
fn service(body: &Value) -> String {
    format!("{}@@{}", text(body, "/serviceInfo/groupName"), text(body, "/serviceInfo/name"))
}

/// The newest body about a service: the answer to its subscription or a later push.
fn newest<'a>(all: &'a [Message], name: &str, answered: &'a Value) -> &'a Value {
    let stamp = |body: &Value| body["serviceInfo"]["lastRefTime"].as_u64().unwrap_or_default();
    let pushes = all.iter().filter(|push| push.kind == "NotifySubscriberRequest" && service(&push.body) == name);
    let mut after = pushes.map(|push| &push.body).filter(|body| stamp(body) >= stamp(answered));
    after.next_back().unwrap_or(answered)
}

/// The recorded ack of a message of this type, for this message.
fn answer(acks: &[Value], message: &Message) -> Option<Payload> {
    let id = message.body.get("requestId")?;
    let kind = message.kind.replace("Request", "Response");
    let Some(mut ack) = acks.iter().find(|ack| ack["type"] == kind).cloned() else {
        return Some(payload(&kind, json!({"resultCode": 200, "requestId": id}).to_string()));
    };
    ack["body"]["requestId"] = id.clone();
    Some(send_of(&ack))
}
