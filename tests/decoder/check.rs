//! What must hold for any bytes a client sends, shared by the property test and the fuzz targets.
//!
//! Promises to find: a panic; a refusal without a code; an accepted request outside the documented bounds; an instance
//! that was accepted and cannot be shown to readers as valid JSON.

use prost::Message;
use roster::{
    model::{Instance, ServiceKey, limits},
    proto::Payload,
    wire::{self, InstanceOperation, PersistentInstanceOperation, Refusal, Request, RequestType, ServiceInfo},
};
use serde_json::Value;

/// What became of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not an envelope, or of a type nobody handles.
    Unknown,
    /// Answered with a refusal.
    Refused,
    /// A legal request.
    Accepted,
}

/// Reads `bytes` as an envelope and its body as whatever its type says.
pub fn payload(bytes: &[u8]) -> Outcome {
    let Ok(payload) = Payload::decode(bytes) else {
        return Outcome::Unknown;
    };
    let kind = payload.metadata.as_ref().map_or("", |metadata| metadata.r#type.as_str());
    body(kind, payload.body.as_ref().map_or(&[][..], |body| &body.value))
}

/// Acks by datagram, as clients write them.
pub const DATAGRAM_ACKS: [&str; 2] =
    [r#"{"type": "push-ack", "lastRefTime":"12", "data":""}"#, r#"{"type":"push-ack","lastRefTime":12,"data":""}"#];

/// Reads `bytes` as a datagram: the number of the push it acknowledges, if it is an ack.
pub fn datagram(bytes: &[u8]) -> Option<u64> {
    wire::decode_datagram_ack(bytes)
}

/// Reads `body` as a request of the type called `kind`, and as each kind of message that travels on the stream.
pub fn body(kind: &str, body: &[u8]) -> Outcome {
    let _ = wire::ack(body);
    let _ = wire::decode_setup(body);
    let Some(kind) = RequestType::of(kind) else {
        return Outcome::Unknown;
    };
    assert!(!kind.name().is_empty() && !kind.response().is_empty());
    match wire::decode(kind, body) {
        Ok(request) => {
            accepted(&request);
            Outcome::Accepted
        }
        Err(refusal) => {
            refused(&refusal);
            Outcome::Refused
        }
    }
}

fn refused(refusal: &Refusal) {
    assert!(refusal.result != 0 && refusal.result != 200, "a refusal is no success: {refusal:?}");
    assert!(refusal.code != 0 && refusal.code != 200, "a refusal has a code: {refusal:?}");
    for body in [refusal.body(), refusal.list_body()] {
        let told: Value = serde_json::from_slice(&body).expect("a refusal is JSON");
        assert_eq!(told["errorCode"], refusal.code);
        assert_eq!(told["resultCode"], refusal.result);
        assert_eq!(told["success"], false);
        assert!(told.get("message").is_none_or(Value::is_string), "never null");
    }
}

fn accepted(request: &Request) {
    match request {
        Request::HealthCheck | Request::NotImplemented(_) => {}
        Request::Instance(service, operation) => {
            named(service);
            if let InstanceOperation::Register(instance) = operation {
                legal(instance);
                shown(service, std::slice::from_ref(instance));
            }
        }
        Request::PersistentInstance(service, operation) => {
            named(service);
            match operation {
                PersistentInstanceOperation::Register(instance) => {
                    legal(instance);
                    shown(service, std::slice::from_ref(instance));
                }
                PersistentInstanceOperation::Deregister { ip, .. } => assert!(length(ip) <= limits::IP, "{ip}"),
            }
        }
        Request::Batch(service, content) => {
            named(service);
            content.instances().iter().for_each(legal);
            shown(service, content.instances());
        }
        Request::Subscribe { service, clusters, .. } => {
            named(service);
            filtered(clusters);
        }
        Request::Query { service, clusters, .. } => {
            bounded(service);
            filtered(clusters);
        }
        Request::List { group, page, size } => {
            bounded(group);
            assert!(*page >= 1 && i32::try_from(*size).is_ok(), "page {page} of {size}");
        }
    }
}

fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

fn bounded(service: &ServiceKey) {
    assert!(length(&service.namespace) <= limits::NAMESPACE && !service.namespace.trim().is_empty(), "{service:?}");
    assert!(length(&service.group) <= limits::GROUP && !service.group.trim().is_empty(), "{service:?}");
    assert!(length(&service.name) <= limits::SERVICE_NAME, "{service:?}");
}

fn named(service: &ServiceKey) {
    bounded(service);
    assert!(!service.name.trim().is_empty(), "nothing is kept under a blank name");
}

fn filtered(clusters: &str) {
    assert!(clusters.split(',').all(|cluster| length(cluster) <= limits::CLUSTER), "{clusters:?}");
}

fn legal(instance: &Instance) {
    assert!(length(&instance.ip) <= limits::IP, "{instance:?}");
    assert!(length(&instance.cluster) <= limits::CLUSTER && !instance.cluster.trim().is_empty(), "{instance:?}");
    assert!(instance.weight.is_finite(), "{instance:?}");
    let metadata: usize = instance.metadata.iter().map(|(key, value)| length(key) + length(value)).sum();
    assert!(metadata <= limits::METADATA, "{instance:?}");
}

/// Encodes the instances as readers get them and reads them back.
fn shown(service: &ServiceKey, instances: &[Instance]) {
    let mut hosts = b"[".to_vec();
    for instance in instances {
        if hosts.len() > 1 {
            hosts.push(b',');
        }
        wire::encode_host(&mut hosts, service, instance, instance.healthy, true);
    }
    hosts.push(b']');
    let hosts = hosts.into();
    let info = ServiceInfo { service, clusters: "", hosts: &hosts, stamp: 1, protected: false, cache: 10_000 };
    let view = wire::service_view(&info, Some("success"));
    let view: Value = serde_json::from_slice(&view).expect("a view is JSON");
    let hosts = view["serviceInfo"]["hosts"].as_array().expect("hosts are an array");
    assert_eq!(hosts.len(), instances.len());
    for (host, instance) in hosts.iter().zip(instances) {
        assert_eq!(host["ip"], instance.ip.as_str());
        assert_eq!(host["port"], instance.port);
        assert_eq!(host["clusterName"], instance.cluster.as_str());
        assert_eq!(host["weight"], instance.weight);
        assert_eq!(host["metadata"].as_object().map(|labels| labels.len()), Some(instance.metadata.iter().len()));
    }
}
