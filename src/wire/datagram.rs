//! Pushes to subscribers that are reached by datagrams, and the acks that come back (http.md 9.2; Nacos `AckEntry`).
//!
//! A datagram is an object around a list that is written as a *text*, compressed as a whole when it is long.

use std::io::Write;

use bytes::Bytes;
use compact_str::CompactString;
use flate2::{Compression, write::GzEncoder};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    model::limits,
    wire::{ServiceInfo, json},
};

/// From this length on datagrams are compressed; receivers tell by the first two bytes.
const COMPRESSED_FROM: usize = 1_024;

/// A list that no datagram holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a datagram of {bytes} bytes cannot be sent")]
pub struct TooLarge {
    /// How long it is, compressed if it was worth the try.
    pub bytes: usize,
}

/// The datagram that pushes a list; its ack will name `number`.
///
/// `number` must stay below 2^53: some clients read it as a floating-point number.
pub fn push_datagram(number: u64, info: &ServiceInfo<'_>) -> Result<Bytes, TooLarge> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Packet<'a> {
        r#type: &'a str,
        data: &'a str,
        last_ref_time: u64,
    }
    if info.hosts.len() > limits::DATAGRAM_LIST_BYTES {
        return Err(TooLarge { bytes: info.hosts.len() });
    }
    let data = info.to_datagram_json();
    let data = std::str::from_utf8(&data).expect("JSON is UTF-8");
    let mut plain = Vec::with_capacity(64 + data.len() + data.len() / 8);
    let packet = Packet { r#type: "dom", data, last_ref_time: number };
    serde_json::to_writer(&mut plain, &packet).expect("own types have text keys and finite numbers");
    let datagram = if plain.len() < COMPRESSED_FROM { plain } else { compressed(&plain) };
    if datagram.len() > limits::DATAGRAM_BYTES {
        return Err(TooLarge { bytes: datagram.len() });
    }
    Ok(datagram.into())
}

fn compressed(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::default());
    let written = encoder.write_all(plain).and_then(|()| encoder.finish());
    written.expect("writing to memory does not fail")
}

/// The number that an ack names. None for whatever else arrives, which is to be ignored.
pub fn decode_datagram_ack(datagram: &[u8]) -> Option<u64> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Ack {
        #[serde(deserialize_with = "json::text")]
        r#type: CompactString,
        /// A text from Java, Go and C++, a number from Node and C#.
        #[serde(deserialize_with = "json::text")]
        last_ref_time: CompactString,
    }
    let ack: Ack = json::read(datagram).ok()??;
    if ack.r#type != "push-ack" {
        return None;
    }
    ack.last_ref_time.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        model::{Instance, ServiceKey},
        wire::encode_host,
    };

    fn hosts(ports: std::ops::Range<u16>, label: impl Fn(u16) -> String) -> Bytes {
        let service = ServiceKey::new("", "", "order").expect("legal");
        let mut hosts = b"[".to_vec();
        for port in ports {
            if hosts.len() > 1 {
                hosts.push(b',');
            }
            let metadata = [("k".into(), label(port).as_str().into())].into_iter().collect();
            let instance = Instance { ip: "10.0.0.1".into(), port, metadata, ..Instance::default() };
            encode_host(&mut hosts, &service, &instance, true, true);
        }
        hosts.push(b']');
        hosts.into()
    }

    fn datagram(number: u64, hosts: &Bytes) -> Result<Bytes, TooLarge> {
        let service = ServiceKey::new("", "g", "order").expect("legal");
        let info =
            ServiceInfo { service: &service, clusters: "c1,\"c2\"", hosts, stamp: 7, protected: true, cache: 10_000 };
        push_datagram(number, &info)
    }

    fn inflated(datagram: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        GzDecoder::new(datagram).read_to_end(&mut plain).expect("gzip");
        plain
    }

    #[test]
    fn a_short_datagram_is_plain_and_to_the_letter() {
        let sent = datagram(9_007_199_254_740_991, &Bytes::from_static(b"[]")).expect("fits");
        let data = r#"{\"name\":\"g@@order\",\"clusters\":\"c1,\\\"c2\\\"\",\"cacheMillis\":10000,\"hosts\":[],\"lastRefTime\":7,\"checksum\":\"\",\"allIPs\":false,\"allIps\":false,\"reachProtectionThreshold\":true,\"valid\":true}"#;
        assert_eq!(sent, format!(r#"{{"type":"dom","data":"{data}","lastRefTime":9007199254740991}}"#));
    }

    #[test]
    fn a_long_one_is_compressed_and_says_the_same() {
        let list = hosts(1..40, |_| "\u{1F600} \"quoted\" \\ \u{1}".into());
        let sent = datagram(1, &list).expect("fits");
        assert_eq!(sent[..2], [0x1f, 0x8b]);
        assert!(sent.len() < 2_000, "{} bytes", sent.len());
        let packet: Value = serde_json::from_slice(&inflated(&sent)).expect("JSON");
        let data: Value = serde_json::from_str(packet["data"].as_str().expect("a text")).expect("JSON");
        assert_eq!(data["hosts"], serde_json::from_slice::<Value>(&list).expect("JSON"));
    }

    #[test]
    fn compression_begins_at_its_length() {
        let plain = |pad: usize| datagram(1, &format!("[{}]", " ".repeat(pad)).into()).expect("fits");
        let pad = COMPRESSED_FROM - 1 - plain(0).len();
        assert_eq!(plain(pad).len(), COMPRESSED_FROM - 1);
        assert_eq!(plain(pad + 1)[..2], [0x1f, 0x8b]);
        assert_eq!(inflated(&plain(pad + 1)).len(), COMPRESSED_FROM);
    }

    #[test]
    fn what_no_datagram_holds_is_refused() {
        // Texts that do not compress to much less than half.
        let label =
            |port: u16| (0..900).map(|n| format!("{:x}", (n * n * 7 + n * usize::from(port)) % 4_093)).collect();
        let refused = datagram(1, &hosts(1..200, label)).expect_err("too large");
        assert!(refused.bytes > limits::DATAGRAM_BYTES, "{refused}");
        let endless = Bytes::from(vec![b' '; limits::DATAGRAM_LIST_BYTES + 1]);
        assert_eq!(datagram(1, &endless), Err(TooLarge { bytes: endless.len() }), "not even compressed");
    }

    #[test]
    fn acks_of_all_clients_read() {
        let acks = [
            r#"{"type": "push-ack", "lastRefTime":"12", "data":""}"#,
            r#"{"type":"push-ack","lastRefTime":12,"data":""}"#,
            r#"{"lastRefTime": 12 , "type" : "push-ack", "more": {"a":[1]}}"#,
            "{\"type\":\"push-ack\",\"lastRefTime\":\"12\",\"data\":\"\"}\n\0\0",
        ];
        for ack in acks {
            assert_eq!(decode_datagram_ack(ack.as_bytes()), Some(12), "{ack}");
        }
    }

    #[test]
    fn what_is_no_ack_is_ignored() {
        let others = [
            "",
            "{",
            "null",
            "[]",
            "12",
            "{}",
            r#"{"type":"push-ack"}"#,
            r#"{"lastRefTime":12}"#,
            r#"{"type":"dump-ack","lastRefTime":12}"#,
            r#"{"type":"push-ack","lastRefTime":-12}"#,
            r#"{"type":"push-ack","lastRefTime":12.5}"#,
            r#"{"type":"push-ack","lastRefTime":"x"}"#,
            r#"{"type":"push-ack","lastRefTime":[12]}"#,
            r#"{"type":"push-ack","lastRefTime":99999999999999999999}"#,
        ];
        for other in others {
            assert_eq!(decode_datagram_ack(other.as_bytes()), None, "{other}");
        }
        assert_eq!(decode_datagram_ack(b"{\"type\":\"push-ack\",\"lastRefTime\":\"\xff\"}"), None);
    }

    proptest! {
        #[test]
        fn every_number_comes_back(number in any::<u64>(), text in any::<bool>()) {
            let number_of = |number: u64| if text { json!(number.to_string()) } else { json!(number) };
            let ack = json!({"type": "push-ack", "lastRefTime": number_of(number), "data": ""}).to_string();
            prop_assert_eq!(decode_datagram_ack(ack.as_bytes()), Some(number));
        }
    }
}
