//! The JSON of the naming protocol as the load generator speaks it: request bodies out, replies and views in.
//! Promises to say what any Nacos server understands, and to read only what the workloads check. Never does I/O.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

pub const NAMESPACE: &str = "public";
pub const GROUP: &str = "DEFAULT_GROUP";

/// An instance as an application would publish it: a little metadata, whose `version` is what workloads change.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    pub ip: CompactString,
    pub port: u16,
    weight: f64,
    healthy: bool,
    enabled: bool,
    ephemeral: bool,
    cluster_name: &'static str,
    pub metadata: Labels,
}

#[derive(Clone, Debug, Serialize)]
pub struct Labels {
    zone: &'static str,
    pub version: CompactString,
}

impl Instance {
    /// Publisher `number` of a run: numbers below 16 million give distinct addresses.
    pub fn new(number: usize, port: u16, version: u64) -> Self {
        let [_, b, c, d] = u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
        Self {
            ip: compact_str::format_compact!("10.{b}.{c}.{d}"),
            port,
            weight: 1.0,
            healthy: true,
            enabled: true,
            ephemeral: true,
            cluster_name: "DEFAULT",
            metadata: Labels { zone: "a", version: compact_str::format_compact!("{version}") },
        }
    }

    pub fn host(&self) -> Host {
        Host { ip: self.ip.clone(), port: self.port, metadata: Seen { version: self.metadata.version.clone() } }
    }
}

/// One unary naming request; `service` is the plain name.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub service: &'a str,
    pub action: Action<'a>,
}

#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    Register(&'a Instance),
    Deregister(&'a Instance),
    Batch(&'a [Instance]),
    Query,
    Subscribe(bool),
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    headers: Nothing,
    namespace: &'static str,
    service_name: &'a str,
    group_name: &'static str,
    #[serde(flatten)]
    fields: Fields<'a>,
    module: &'static str,
}

#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Fields<'a> {
    One { r#type: &'static str, instance: &'a Instance },
    Batch { r#type: &'static str, instances: &'a [Instance] },
    Query { cluster: &'static str, healthy_only: bool, udp_port: u16 },
    Subscribe { subscribe: bool, clusters: &'static str },
}

impl Request<'_> {
    /// The request's type on the wire and the one type its reply may have.
    pub fn types(&self) -> (&'static str, &'static str) {
        match self.action {
            Action::Register(_) | Action::Deregister(_) => ("InstanceRequest", "InstanceResponse"),
            Action::Batch(_) => ("BatchInstanceRequest", "BatchInstanceResponse"),
            Action::Query => ("ServiceQueryRequest", "QueryServiceResponse"),
            Action::Subscribe(_) => ("SubscribeServiceRequest", "SubscribeServiceResponse"),
        }
    }

    pub fn body(&self) -> serde_json::Result<Vec<u8>> {
        let fields = match self.action {
            Action::Register(instance) => Fields::One { r#type: "registerInstance", instance },
            Action::Deregister(instance) => Fields::One { r#type: "deregisterInstance", instance },
            Action::Batch(instances) => Fields::Batch { r#type: "batchRegisterInstance", instances },
            Action::Query => Fields::Query { cluster: "", healthy_only: false, udp_port: 0 },
            Action::Subscribe(subscribe) => Fields::Subscribe { subscribe, clusters: "" },
        };
        serde_json::to_vec(&Body {
            headers: Nothing {},
            namespace: NAMESPACE,
            service_name: self.service,
            group_name: GROUP,
            fields,
            module: "naming",
        })
    }
}

/// What every reply has, and the view some of them carry.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reply {
    pub result_code: i64,
    pub error_code: i64,
    pub message: Option<String>,
    pub service_info: Option<View>,
}

/// The head of a server-to-client request: enough to acknowledge it without reading the rest.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PushHead {
    pub request_id: Option<CompactString>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PushBody {
    pub service_info: View,
}

/// A service as a subscriber sees it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    pub name: CompactString,
    #[serde(default)]
    pub last_ref_time: i64,
    pub hosts: Vec<Host>,
}

impl View {
    /// The rule of the Go and Python clients, the strictest: data that is not newer is dropped.
    pub fn accept(&mut self, offered: View) -> bool {
        let newer = offered.last_ref_time > self.last_ref_time;
        if newer {
            *self = offered;
        }
        newer
    }

    pub fn sorted_hosts(&self) -> Vec<Host> {
        let mut hosts = self.hosts.clone();
        hosts.sort_unstable();
        hosts
    }
}

/// An instance as read back: its address and the version that tells one publication from the next.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(default)]
pub struct Host {
    pub ip: CompactString,
    pub port: u16,
    pub metadata: Seen,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(default)]
pub struct Seen {
    pub version: CompactString,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_has_the_shape_of_the_java_client() {
        let instance = Instance::new(258, 8080, 7);
        let body = Request { service: "orders", action: Action::Register(&instance) }.body().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["type"], "registerInstance");
        assert_eq!(json["serviceName"], "orders");
        assert_eq!(json["headers"], serde_json::json!({}));
        assert_eq!(json["instance"]["ip"], "10.0.1.2");
        assert_eq!(json["instance"]["clusterName"], "DEFAULT");
        assert_eq!(json["instance"]["metadata"]["version"], "7");
    }

    #[test]
    fn each_action_fills_its_own_fields() {
        let text = |action| String::from_utf8(Request { service: "s", action }.body().unwrap()).unwrap();
        assert!(text(Action::Query).contains(r#""healthyOnly":false"#));
        assert!(text(Action::Subscribe(true)).contains(r#""subscribe":true,"clusters":"""#));
        assert!(text(Action::Batch(&[])).contains(r#""type":"batchRegisterInstance","instances":[]"#));
    }

    #[test]
    fn a_view_takes_only_newer_data() {
        let parse = |time: i64| -> View {
            let text =
                format!(r#"{{"name":"s","lastRefTime":{time},"hosts":[{{"ip":"1.1.1.1","port":1,"weight":1.0}}]}}"#);
            serde_json::from_str(&text).unwrap()
        };
        let mut view = View::default();
        assert!(view.accept(parse(5)));
        assert!(!view.accept(parse(5)));
        assert!(!view.accept(parse(4)));
        assert_eq!(view.hosts.len(), 1);
    }
}
