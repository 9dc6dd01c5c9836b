//! What SDKs send reads.

use base64::{Engine, prelude::BASE64_STANDARD};
use prost::Message;
use roster::{
    proto::Payload,
    wire::{RequestType, ack, decode, decode_setup},
};
use serde_json::Value;

use super::fixture::{body_text, lines, recordings, text};

/// Reads one message of a client as the server does; says why when that fails.
fn read(kind: &str, body: &str, refused: bool) -> Result<(), String> {
    if kind == "ConnectionSetupRequest" {
        return decode_setup(body.as_bytes()).map(drop).ok_or("the set-up does not read".to_owned());
    }
    if kind.ends_with("Response") {
        let (request_id, success) = ack(body.as_bytes()).ok_or("the ack does not read")?;
        return if request_id.is_some() && success { Ok(()) } else { Err("the ack lost its meaning".to_owned()) };
    }
    let request = RequestType::of(kind).ok_or("an unknown type")?;
    match decode(request, body.as_bytes()) {
        Ok(_) => Ok(()),
        // What a real server refused as well was refused for what it says, not because it does not read.
        Err(refusal) if refused && refusal.code != 502 => Ok(()),
        Err(refusal) => Err(format!("{refusal:?}")),
    }
}

#[test]
fn raw_messages_of_every_client_read_and_write() {
    let messages = lines("payload-bytes.jsonl");
    assert_eq!(messages.len(), 53);
    let mut requests = 0;
    for message in messages {
        let title = format!("{} {}", text(&message, "/client"), text(&message, "/type"));
        let raw = BASE64_STANDARD.decode(text(&message, "/raw")).expect("base64");
        let payload = Payload::decode(&*raw).unwrap_or_else(|fault| panic!("{title}: {fault}"));
        let metadata = payload.metadata.as_ref().expect("metadata");
        let body = payload.body.as_ref().expect("a body");
        assert_eq!(metadata.r#type, text(&message, "/type"), "{title}");
        assert_eq!(metadata.client_ip, text(&message, "/clientIp"), "{title}");
        assert_eq!(serde_json::to_value(&metadata.headers).expect("texts"), message["headers"], "{title}");
        assert_eq!(body.type_url, text(&message, "/typeUrl"), "{title}");
        let json: Value = serde_json::from_slice(&body.value).expect("a JSON body");
        assert_eq!(json, message["body"], "{title}");
        let again = Payload::decode(&*payload.encode_to_vec()).expect("what we write reads");
        assert_eq!(again, payload, "{title}");
        if message["dir"] == "c2s" {
            requests += 1;
            let body = std::str::from_utf8(&body.value).expect("UTF-8");
            read(&metadata.r#type, body, false).unwrap_or_else(|why| panic!("{title}: {why}"));
        }
    }
    assert!(requests > 20, "only {requests} messages of clients");
}

#[test]
fn every_recorded_body_of_a_client_reads() {
    let mut read_in_all = 0;
    for name in recordings() {
        let lines = lines(&name);
        let refused = |request: &Value| {
            let answers = lines.iter().filter(|line| line["dir"] == "s2c" && line["conn"] == request["conn"]);
            let mut answers = answers.filter(|line| line["stream"] == request["stream"] && line.get("body").is_some());
            answers.any(|answer| answer["body"]["resultCode"].as_i64().is_some_and(|code| code != 200))
        };
        for line in lines.iter().filter(|line| line["dir"] == "c2s" && line.get("body").is_some()) {
            let body = body_text(&line["body"]);
            let result = read(text(line, "/type"), &body, refused(line));
            result.unwrap_or_else(|why| panic!("{name} at {} ms, {}: {why}\n{body}", line["t_ms"], line["type"]));
            read_in_all += 1;
        }
    }
    assert!(read_in_all > 1_000, "only {read_in_all} messages of clients");
}
