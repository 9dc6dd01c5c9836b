//! Writes what real clients send into the corpus of each target: `cargo run --bin seeds` in this directory.

use std::{fs, io, path::Path};

use prost::Message;
use roster::proto::{Metadata, Payload, google::protobuf::Any};
use shared::{check, http, peer, samples};

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in ["payload", "body", "ack", "http", "frame"] {
        fs::create_dir_all(corpus.join(target))?;
    }
    for (place, (kind, body)) in samples::SAMPLES.iter().enumerate() {
        let metadata = Metadata { r#type: (*kind).to_owned(), ..Metadata::default() };
        let any = Any { type_url: String::new(), value: body.as_bytes().to_vec().into() };
        let payload = Payload { metadata: Some(metadata), body: Some(any) };
        fs::write(corpus.join("payload").join(format!("sample-{place}")), payload.encode_to_vec())?;
        for kind in 0..8 {
            let bytes = [&[kind], body.as_bytes()].concat();
            fs::write(corpus.join("body").join(format!("sample-{kind}-{place}")), bytes)?;
        }
    }
    for (place, ack) in check::DATAGRAM_ACKS.iter().enumerate() {
        fs::write(corpus.join("ack").join(format!("sample-{place}")), ack)?;
    }
    for (place, frame) in peer::samples().iter().enumerate() {
        fs::write(corpus.join("frame").join(format!("sample-{place}")), [&[0], &frame[..]].concat())?;
    }
    for (place, operation) in http::Server::start().operations.iter().enumerate() {
        let number = u8::try_from(place).expect("few operations");
        let (query, form) = (format!("{}\n", operation.example), format!("\n{}", operation.example));
        fs::write(corpus.join("http").join(format!("query-{place}")), [&[number, 0], query.as_bytes()].concat())?;
        fs::write(corpus.join("http").join(format!("form-{place}")), [&[number, 1], form.as_bytes()].concat())?;
    }
    Ok(())
}
