//! The requests of the first generation of the HTTP API, spelled as the Java client 1.x does: parameters in the query, a
//! full beat in a form. Promises to say what any Nacos server understands. Never does I/O.

use bytes::Bytes;
use form_urlencoded::Serializer;
use hyper::Method;
use serde::{Deserialize, Serialize};

use crate::bench::{
    message::{GROUP, Instance, Labels, NAMESPACE},
    tally::Fault,
};

/// How often an instance says that it beats.
const PERIOD_MILLIS: u32 = 5_000;
const BEAT_OK: u32 = 10_200;

/// One request.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: Method,
    pub target: String,
    /// Empty for none.
    pub form: Bytes,
}

/// An instance of a service.
#[derive(Clone, Debug)]
pub struct Publication {
    pub service: String,
    pub instance: Instance,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BeatInfo<'a> {
    port: u16,
    ip: &'a str,
    weight: f64,
    service_name: &'a str,
    cluster: &'static str,
    metadata: &'a Labels,
    scheduled: bool,
    period: u32,
    stopped: bool,
}

#[derive(Deserialize)]
struct Coded {
    code: u32,
}

impl Publication {
    pub fn register(&self) -> Ask {
        let metadata = serde_json::to_string(&self.instance.metadata).expect("texts only");
        let more = [
            ("clusterName", "DEFAULT"),
            ("weight", "1.0"),
            ("enable", "true"),
            ("healthy", "true"),
            ("ephemeral", "true"),
            ("metadata", &metadata),
        ];
        ask(Method::POST, "/nacos/v1/ns/instance", &self.address(&more))
    }

    /// The same for good, as the second generation of the API has it.
    pub fn persist(&self) -> Ask {
        let metadata = serde_json::to_string(&self.instance.metadata).expect("texts only");
        let mut query = Serializer::new(String::new());
        query.append_pair("namespaceId", NAMESPACE).append_pair("groupName", GROUP);
        query.append_pair("serviceName", &self.service).append_pair("ip", &self.instance.ip);
        query.append_pair("port", &self.instance.port.to_string());
        let query = query.append_pair("ephemeral", "false").append_pair("metadata", &metadata).finish();
        ask(Method::POST, "/nacos/v2/ns/instance", &query)
    }

    pub fn deregister(&self) -> Ask {
        let more = [("clusterName", "DEFAULT"), ("ephemeral", "true")];
        ask(Method::DELETE, "/nacos/v1/ns/instance", &self.address(&more))
    }

    pub fn light_beat(&self) -> Ask {
        ask(Method::PUT, "/nacos/v1/ns/instance/beat", &self.address(&[("clusterName", "DEFAULT")]))
    }

    pub fn full_beat(&self) -> Ask {
        let info = BeatInfo {
            port: self.instance.port,
            ip: &self.instance.ip,
            weight: 1.0,
            service_name: &grouped(&self.service),
            cluster: "DEFAULT",
            metadata: &self.instance.metadata,
            scheduled: false,
            period: PERIOD_MILLIS,
            stopped: false,
        };
        let info = serde_json::to_string(&info).expect("texts and finite numbers");
        let form = Serializer::new(String::new()).append_pair("beat", &info).finish();
        Ask { form: form.into(), ..self.light_beat() }
    }

    fn address(&self, more: &[(&str, &str)]) -> String {
        let mut query = service_query(&self.service);
        query.append_pair("ip", &self.instance.ip).append_pair("port", &self.instance.port.to_string());
        query.extend_pairs(more).finish()
    }
}

/// Asks for the instances that readers see.
pub fn list(service: &str, healthy_only: bool) -> Ask {
    let healthy_only = if healthy_only { "true" } else { "false" };
    let mut query = service_query(service);
    let more = [("clusters", ""), ("udpPort", "0"), ("clientIP", "127.0.0.1"), ("healthyOnly", healthy_only)];
    ask(Method::GET, "/nacos/v1/ns/instance/list", &query.extend_pairs(more).finish())
}

/// Asks a node of Roster how it sees its cluster.
pub fn cluster() -> Ask {
    Ask { method: Method::GET, target: "/roster/v1/cluster".into(), form: Bytes::new() }
}

/// Asks whether a node takes new work.
pub fn ready() -> Ask {
    Ask { method: Method::GET, target: "/nacos/v2/console/health/readiness".into(), form: Bytes::new() }
}

/// What the second generation of the API answers when something is done.
pub fn check_done(body: &[u8]) -> Result<(), Fault> {
    match serde_json::from_slice(body) {
        Ok(Coded { code: 0 }) => Ok(()),
        Ok(Coded { code }) => Err(Fault::Wrong(format!("a write was answered by code {code}"))),
        Err(error) => Err(Fault::Wrong(format!("the answer to a write cannot be read: {error}"))),
    }
}

/// A beat that did not reach its instance is a wrong answer.
pub fn check_beat(body: &[u8]) -> Result<(), Fault> {
    match serde_json::from_slice(body) {
        Ok(Coded { code: BEAT_OK }) => Ok(()),
        Ok(Coded { code }) => Err(Fault::Wrong(format!("a beat was answered by code {code}"))),
        Err(error) => Err(Fault::Wrong(format!("the answer to a beat cannot be read: {error}"))),
    }
}

/// The name as this API shows it.
pub fn grouped(service: &str) -> String {
    format!("{GROUP}@@{service}")
}

fn service_query(service: &str) -> Serializer<'static, String> {
    let mut query = Serializer::new(String::new());
    query.append_pair("namespaceId", NAMESPACE).append_pair("serviceName", &grouped(service));
    query
}

fn ask(method: Method, path: &str, query: &str) -> Ask {
    Ask { method, target: format!("{path}?{query}"), form: Bytes::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> Publication {
        Publication { service: "orders".into(), instance: Instance::new(258, 8080, 7) }
    }

    #[test]
    fn a_registration_has_the_shape_of_the_java_client() {
        let Ask { method, target, form } = one().register();
        assert_eq!((method, form.len()), (Method::POST, 0));
        let query = target.strip_prefix("/nacos/v1/ns/instance?").unwrap();
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.to_string());
        assert_eq!(value("serviceName").unwrap(), "DEFAULT_GROUP@@orders");
        assert_eq!((value("ip").unwrap(), value("port").unwrap()), ("10.0.1.2".to_owned(), "8080".to_owned()));
        assert_eq!(value("metadata").unwrap(), r#"{"zone":"a","version":"7"}"#);
    }

    #[test]
    fn only_a_full_beat_has_a_body() {
        assert!(one().light_beat().form.is_empty());
        let full = one().full_beat();
        assert_eq!(full.target, one().light_beat().target);
        let (name, beat) = form_urlencoded::parse(&full.form).next().unwrap();
        let beat: serde_json::Value = serde_json::from_str(&beat).unwrap();
        assert_eq!((&*name, &beat["ip"], &beat["period"]), ("beat", &"10.0.1.2".into(), &5_000.into()));
    }

    #[test]
    fn a_beat_of_nobody_is_wrong() {
        assert!(check_beat(br#"{"clientBeatInterval":5000,"code":10200,"lightBeatEnabled":true}"#).is_ok());
        assert!(check_beat(br#"{"clientBeatInterval":5000,"code":20404}"#).is_err());
        assert!(check_beat(b"ok").is_err());
    }
}
