//! What the server sends on the stream, and the acks that come back.

use bytes::Bytes;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::wire::{Body, ServiceInfo, ability, json, response};

/// A list for a subscriber: `NotifySubscriberRequest` with that `requestId`.
pub fn notify_subscriber(request_id: u64, info: &ServiceInfo<'_>) -> Body {
    let mut out = Vec::with_capacity(96 + info.size_hint());
    // `headers` must be there: the Rust SDK's push types require it.
    out.extend_from_slice(br#"{"headers":{},"requestId":""#);
    out.extend_from_slice(request_id.to_string().as_bytes());
    out.extend_from_slice(br#"","module":"naming","#);
    info.write_member(&mut out);
    out.push(b'}');
    out.into()
}

/// A probe of a silent client: `ClientDetectionRequest`.
pub fn client_detection(request_id: u64) -> Body {
    Bytes::from(format!(r#"{{"headers":{{}},"requestId":"{request_id}","module":"internal"}}"#))
}

/// Tells a client to connect elsewhere: `ConnectResetRequest`, to `target` (host and main port) or to wherever it likes.
/// `connection` is the receiving connection's own id and goes along with a target only, as in Nacos.
pub fn connect_reset(request_id: u64, target: Option<(&str, &str)>, connection: &str) -> Body {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Reset<'a> {
        headers: Headers,
        request_id: String,
        module: &'a str,
        #[serde(flatten)]
        target: Option<Target<'a>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Target<'a> {
        server_ip: &'a str,
        server_port: &'a str,
        connection_id: &'a str,
    }
    let target = target.map(|(server_ip, server_port)| Target { server_ip, server_port, connection_id: connection });
    response::json(&Reset { headers: Headers {}, request_id: request_id.to_string(), module: "internal", target })
}

/// The empty object every request of the server must have as `headers`.
#[derive(Serialize)]
struct Headers {}

/// The answer to a set-up that negotiates: `SetupAckRequest` with our abilities.
pub fn setup_ack() -> Body {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct SetupAck<'a> {
        headers: Headers,
        module: &'a str,
        ability_table: ability::AbilityTable,
    }
    response::json(&SetupAck { headers: Headers {}, module: "internal", ability_table: ability::ABILITIES })
}

/// What a response on the stream says: the `requestId` it answers, if it names one that reads, and whether it succeeded.
///
/// Success is `resultCode` 200 or none (grpc.md 5.2); `success` is not believed, Go sends `false` with code 200.
/// None when the body does not read: such a message is ignored.
pub fn ack(body: &[u8]) -> Option<(Option<u64>, bool)> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Ack {
        #[serde(deserialize_with = "json::text")]
        request_id: CompactString,
        result_code: Option<i64>,
    }
    let ack: Ack = json::read(body).ok()??;
    Some((ack.request_id.parse().ok(), ack.result_code.is_none_or(|code| code == 200)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acks_of_all_clients_read() {
        assert_eq!(ack(br#"{"resultCode":200,"errorCode":0,"requestId":"12","success":true}"#), Some((Some(12), true)));
        assert_eq!(ack(br#"{"resultCode":200,"success":false,"requestId":"12"}"#), Some((Some(12), true)), "Go");
        assert_eq!(ack(br#"{"__type":"NotifySubscriberResponse","resultCode":200}"#), Some((None, true)), "Node");
        assert_eq!(ack(br#"{"requestId":"12"}"#), Some((Some(12), true)));
        assert_eq!(ack(br#"{"requestId":"12","resultCode":500,"errorCode":-500}"#), Some((Some(12), false)));
        assert_eq!(ack(b"{"), None);
        assert_eq!(ack(b"null"), None);
    }

    #[test]
    fn a_reset_names_its_target_or_leaves_the_keys_out() {
        assert_eq!(connect_reset(7, None, "c"), r#"{"headers":{},"requestId":"7","module":"internal"}"#);
        assert_eq!(
            connect_reset(7, Some(("10.0.0.1", "8848")), "c"),
            r#"{"headers":{},"requestId":"7","module":"internal","serverIp":"10.0.0.1","serverPort":"8848","connectionId":"c"}"#
        );
    }

    #[test]
    fn the_set_up_ack_announces_what_works() {
        let text = setup_ack();
        assert!(text.starts_with(
            br#"{"headers":{},"module":"internal","abilityTable":{"supportPersistentInstanceByGrpc":true"#
        ));
    }
}
