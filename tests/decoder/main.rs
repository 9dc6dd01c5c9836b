//! Whatever bytes a client sends: no panic, every refusal with its codes, and only legal requests get through. Starts from
//! what real clients send and breaks it; `fuzz/` drives the same checks further.

mod check;
mod http;
mod peer;
mod samples;

use std::cell::RefCell;

use check::Outcome;
use proptest::{prelude::*, sample::Index};
use prost::Message;
use roster::proto::{Metadata, Payload, google::protobuf::Any};
use samples::SAMPLES;
use serde_json::{Value, json};

/// How bytes are broken.
#[derive(Clone, Debug)]
enum Damage {
    Flip(Index, u8),
    Truncate(Index),
    /// A part of another sample is put in.
    Splice(Index, Index, Index),
    /// A part comes twice.
    Repeat(Index, Index),
    /// Brackets that never close.
    Nest(Index, usize),
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let index = any::<Index>;
    let one = prop_oneof![
        4 => (index(), any::<u8>()).prop_map(|(at, byte)| Damage::Flip(at, byte)),
        1 => index().prop_map(Damage::Truncate),
        2 => (index(), index(), index()).prop_map(|(at, sample, from)| Damage::Splice(at, sample, from)),
        1 => (index(), index()).prop_map(|(from, to)| Damage::Repeat(from, to)),
        1 => (index(), 1usize..2_000).prop_map(|(at, depth)| Damage::Nest(at, depth)),
    ];
    prop::collection::vec(one, 1..6)
}

fn broken(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        let place = |index: &Index| index.index(bytes.len() + 1);
        match damage {
            Damage::Flip(at, byte) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Damage::Flip(..) => bytes.clear(),
            Damage::Truncate(at) => bytes.truncate(place(at)),
            Damage::Splice(at, sample, from) => {
                let (at, (_, body)) = (place(at), SAMPLES[sample.index(SAMPLES.len())]);
                bytes.splice(at..at, body.bytes().skip(from.index(body.len())));
            }
            Damage::Repeat(from, to) => {
                let (from, to) = (place(from).min(place(to)), place(from).max(place(to)));
                bytes.extend_from_within(from..to);
            }
            Damage::Nest(at, depth) => {
                let at = place(at);
                bytes.splice(at..at, br#"{"a":["#.repeat(*depth));
            }
        }
    }
    bytes
}

/// Values of every JSON type, and such as sit on or beyond a bound.
fn odd_values() -> Vec<Value> {
    let numbers =
        [json!(0), json!(-1), json!(65_535), json!(65_536), json!(i64::MIN), json!(u64::MAX), json!(1e308), json!(0.5)];
    let texts = ["", " ", "NaN", "-Infinity", "1e999", "true", "12", "a b", "a,b", "x@@y", "é\u{1F600}", "\0"];
    let long = [64, 65, 128, 129, 512, 513, 1_025].map(|length| json!("x".repeat(length)));
    let nested = [
        json!([]),
        json!({}),
        json!([[[1]]]),
        json!({"k": "v"}),
        json!({"k": {"k": null}}),
        json!([{"ip": "1.1.1.1"}, null]),
    ];
    let plain = [Value::Null, json!(true), json!(false)];
    plain.into_iter().chain(numbers).chain(texts.map(Value::from)).chain(long).chain(nested).collect()
}

/// All values inside `value`, itself first.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        _ => 0,
    }
}

/// Puts `other` in place of the value that is number `at` in the order of [`count`].
fn replace(value: &mut Value, at: &mut usize, other: &Value) {
    if *at == 0 {
        *value = other.clone();
    }
    *at = at.wrapping_sub(1);
    match value {
        _ if *at > usize::MAX / 2 => {}
        Value::Array(list) => list.iter_mut().for_each(|inner| replace(inner, at, other)),
        Value::Object(map) => map.values_mut().for_each(|inner| replace(inner, at, other)),
        _ => {}
    }
}

fn envelope(kind: &str, body: &[u8]) -> Vec<u8> {
    let metadata = Metadata { r#type: kind.to_owned(), ..Metadata::default() };
    let any = Any { type_url: String::new(), value: body.to_vec().into() };
    Payload { metadata: Some(metadata), body: Some(any) }.encode_to_vec()
}

#[test]
fn what_real_clients_send_is_accepted() {
    for (kind, body) in SAMPLES {
        let on_the_stream = matches!(*kind, "ConnectionSetupRequest" | "NotifySubscriberResponse");
        let expected = if on_the_stream { Outcome::Unknown } else { Outcome::Accepted };
        assert_eq!(check::payload(&envelope(kind, body.as_bytes())), expected, "{kind} {body}");
    }
    for ack in check::DATAGRAM_ACKS {
        assert_eq!(check::datagram(ack.as_bytes()), Some(12), "{ack}");
    }
}

#[test]
fn every_odd_value_in_every_place_of_every_sample() {
    let (mut outcomes, odd_values) = ([0; 2], odd_values());
    for (kind, body) in SAMPLES {
        let sample: Value = serde_json::from_str(body).expect("samples are JSON");
        for place in 0..count(&sample) {
            for odd in &odd_values {
                let mut changed = sample.clone();
                replace(&mut changed, &mut place.clone(), odd);
                match check::body(kind, changed.to_string().as_bytes()) {
                    Outcome::Accepted => outcomes[0] += 1,
                    Outcome::Refused => outcomes[1] += 1,
                    Outcome::Unknown => {}
                }
            }
        }
    }
    assert!(outcomes.iter().all(|count| *count > 1_000), "both happen often: {outcomes:?}");
}

#[test]
fn nesting_without_end_is_refused_and_overflows_no_stack() {
    for open in ["[", "{\"a\":", "{\"instance\":", "{\"headers\":", "{\"instances\":["] {
        for (kind, _) in SAMPLES {
            let outcome = check::body(kind, open.repeat(100_000).as_bytes());
            assert_ne!(outcome, Outcome::Accepted, "{kind}");
        }
    }
}

#[test]
fn every_example_of_the_http_api_is_taken_as_query_and_as_form() {
    let server = http::Server::start();
    assert!(server.operations.len() > 20, "only {} operations", server.operations.len());
    for (number, operation) in server.operations.iter().enumerate() {
        let query = operation.example.as_bytes();
        let asked = server.ask(number, query, 0, Vec::new());
        let again = server.ask(number, b"", 1, query.to_vec());
        assert_ne!((asked, again), (413, 413));
    }
}

/// One node for all cases of a thread: the first is expensive.
fn ask_http(bytes: &[u8]) {
    thread_local! {
        static SERVER: RefCell<http::Renewed> = RefCell::default();
    }
    SERVER.with_borrow_mut(|server| server.ask(bytes));
}

#[test]
fn what_members_say_is_read() {
    let mut node = peer::Renewed::default();
    for said in 0..8 {
        for frame in peer::samples() {
            assert!(node.hear(&[&[said], &frame[..]].concat()));
        }
    }
}

/// One node for all cases of a thread, which so hears one thing after another.
fn hear(bytes: &[u8]) {
    thread_local! {
        static NODE: RefCell<peer::Renewed> = RefCell::default();
    }
    NODE.with_borrow_mut(|node| node.hear(bytes));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_frame(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        hear(&bytes);
    }

    #[test]
    fn broken_frames(sample in any::<Index>(), said in any::<u8>(), damages in damage()) {
        let samples = peer::samples();
        hear(&[&[said], &broken(samples[sample.index(samples.len())].clone(), &damages)[..]].concat());
    }

    #[test]
    fn any_http_request(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        ask_http(&bytes);
    }

    #[test]
    fn broken_http_parameters(operation in any::<u8>(), kind in 0u8..4, in_query in any::<bool>(), damages in damage()) {
        thread_local! {
            static EXAMPLES: Vec<String> =
                http::Server::start().operations.into_iter().map(|operation| operation.example).collect();
        }
        let example = EXAMPLES.with(|all| all[usize::from(operation) % all.len()].clone());
        let broken = broken(example.into_bytes(), &damages);
        let (query, body) = if in_query { (&broken[..], &b""[..]) } else { (&b""[..], &broken[..]) };
        ask_http(&[&[operation, kind], query, b"\n", body].concat());
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in any::<Index>()) {
        check::payload(&bytes);
        check::datagram(&bytes);
        check::body(SAMPLES[kind.index(SAMPLES.len())].0, &bytes);
    }

    #[test]
    fn broken_bodies(sample in any::<Index>(), kind in any::<Index>(), own in any::<bool>(), damages in damage()) {
        let (own_kind, body) = SAMPLES[sample.index(SAMPLES.len())];
        let kind = if own { own_kind } else { SAMPLES[kind.index(SAMPLES.len())].0 };
        check::body(kind, &broken(body.as_bytes().to_vec(), &damages));
    }

    #[test]
    fn broken_acks(sample in any::<Index>(), damages in damage()) {
        let ack = check::DATAGRAM_ACKS[sample.index(check::DATAGRAM_ACKS.len())];
        check::datagram(&broken(ack.as_bytes().to_vec(), &damages));
    }

    #[test]
    fn broken_envelopes(sample in any::<Index>(), damages in damage()) {
        let (kind, body) = SAMPLES[sample.index(SAMPLES.len())];
        check::payload(&broken(envelope(kind, body.as_bytes()), &damages));
    }

    #[test]
    fn several_odd_values_at_once(sample in any::<Index>(), changes in prop::collection::vec((any::<Index>(), any::<Index>()), 2..6)) {
        let (kind, body) = SAMPLES[sample.index(SAMPLES.len())];
        let (mut value, odd) = (serde_json::from_str(body).expect("samples are JSON"), odd_values());
        for (place, other) in changes {
            let mut place = place.index(count(&value));
            replace(&mut value, &mut place, &odd[other.index(odd.len())]);
        }
        check::body(kind, value.to_string().as_bytes());
    }
}
