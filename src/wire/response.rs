//! The bodies of unary responses. Every body has `resultCode`, `errorCode` and `success`, and never a null: the Rust and
//! Go SDKs need the keys, the Python SDK refuses nulls.

use bytes::Bytes;
use serde::Serialize;

use crate::{model::ClientId, wire::ServiceInfo};

/// The JSON of a message, ready to be sent and shared.
pub type Body = Bytes;

/// Encodes one of our own types, which always succeeds.
pub(super) fn json<T: Serialize>(value: &T) -> Body {
    serde_json::to_vec(value).expect("own types have text keys and finite numbers").into()
}

/// Success without more: the answer to a health check.
pub fn done() -> Body {
    Bytes::from_static(br#"{"resultCode":200,"errorCode":0,"success":true}"#)
}

/// The answer to a registration of an instance of either kind.
pub fn registered() -> Body {
    Bytes::from_static(br#"{"resultCode":200,"errorCode":0,"success":true,"type":"registerInstance"}"#)
}

/// The answer to a deregistration.
pub fn deregistered() -> Body {
    Bytes::from_static(br#"{"resultCode":200,"errorCode":0,"success":true,"type":"deregisterInstance"}"#)
}

/// The answer to a batch.
pub fn batch_registered() -> Body {
    Bytes::from_static(br#"{"resultCode":200,"errorCode":0,"success":true,"type":"batchRegisterInstance"}"#)
}

/// The answer to a server check: the id of the transport it came on.
pub fn server_check(connection: &ClientId) -> Body {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct ServerCheck<'a> {
        result_code: u16,
        error_code: u16,
        success: bool,
        connection_id: &'a str,
        support_ability_negotiation: bool,
    }
    json(&ServerCheck {
        result_code: 200,
        error_code: 0,
        success: true,
        connection_id: connection.as_str(),
        support_ability_negotiation: true,
    })
}

/// A page of service names with the count of all.
pub fn service_list(count: usize, names: &[impl AsRef<str>]) -> Body {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct ServiceList<'a> {
        result_code: u16,
        error_code: u16,
        success: bool,
        count: usize,
        service_names: Vec<&'a str>,
    }
    let service_names = names.iter().map(AsRef::as_ref).collect();
    json(&ServiceList { result_code: 200, error_code: 0, success: true, count, service_names })
}

/// The answer to a query (`message` absent) or to a subscription (`message` is `success`).
pub fn service_view(info: &ServiceInfo<'_>, message: Option<&str>) -> Body {
    let mut out = Vec::with_capacity(96 + info.size_hint());
    out.extend_from_slice(br#"{"resultCode":200,"errorCode":0,"success":true,"#);
    if let Some(message) = message {
        out.extend_from_slice(br#""message":""#);
        out.extend_from_slice(message.as_bytes());
        out.extend_from_slice(br#"","#);
    }
    info.write_member(&mut out);
    out.push(b'}');
    out.into()
}
