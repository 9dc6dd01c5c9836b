//! The body of a full beat of the HTTP API (Nacos `RsInfo`).

use compact_str::CompactString;
use serde::Deserialize;

use crate::{
    model::{DEFAULT_CLUSTER, IllegalParam, Instance, InstanceId, Metadata, Param, check_param, check_port, limits},
    wire::json,
};

/// Unknown fields, the service's name among them, are ignored: the request around it says which service is meant.
#[derive(Deserialize)]
#[serde(default)]
struct Form {
    #[serde(deserialize_with = "json::text")]
    ip: CompactString,
    #[serde(deserialize_with = "json::integer")]
    port: i32,
    #[serde(deserialize_with = "json::text")]
    cluster: CompactString,
    #[serde(deserialize_with = "json::number")]
    weight: f64,
    #[serde(deserialize_with = "json::boolean")]
    ephemeral: bool,
    #[serde(deserialize_with = "json::text_map")]
    metadata: Metadata,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            ip: CompactString::default(),
            port: 0,
            cluster: CompactString::default(),
            // Nacos takes 0, with which nobody would be sent to an instance that beats.
            weight: 1.0,
            ephemeral: true,
            metadata: Metadata::default(),
        }
    }
}

/// Reads the instance a full beat describes, or says what is wrong with it.
pub fn decode_beat(body: &[u8]) -> Result<Instance, String> {
    let form: Form = serde_json::from_slice(body).map_err(|fault| format!("the beat does not read: {fault}"))?;
    let illegal = |fault: IllegalParam| fault.to_string();
    check_param(Param::Ip, &form.ip).map_err(illegal)?;
    check_param(Param::Cluster, &form.cluster).map_err(illegal)?;
    form.metadata.check_length().map_err(illegal)?;
    if form.ip.trim().is_empty() {
        return Err("the beat names no ip".to_owned());
    }
    if !form.ephemeral {
        return Err("only ephemeral instances beat".to_owned());
    }
    if !limits::WEIGHTS.contains(&form.weight) {
        return Err("The weights range from 0.0 to 10000.0".to_owned());
    }
    let cluster = if form.cluster.trim().is_empty() { DEFAULT_CLUSTER.into() } else { form.cluster };
    let id = InstanceId::generated(&form.metadata).map_err(|unknown| unknown.to_string())?;
    let port = check_port(form.port.into()).map_err(illegal)?;
    Ok(Instance { ip: form.ip, port, cluster, weight: form.weight, metadata: form.metadata, id, ..Instance::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_of_all_sdks_read() {
        let full = br#"{"serviceName":"g@@s","ip":"10.1.2.3","port":8080,"cluster":"c1","weight":2.5,"ephemeral":true,
            "metadata":{"a":"1"},"scheduled":false,"period":5000,"stopped":false}"#;
        let instance = decode_beat(full).expect("reads");
        assert_eq!((instance.address(), instance.weight), (("10.1.2.3", 8080, "c1"), 2.5));
        let least = decode_beat(br#"{"ip":"10.1.2.3","port":"8080"}"#).expect("reads");
        assert_eq!((least.address(), least.weight), (("10.1.2.3", 8080, "DEFAULT"), 1.0));
    }

    #[test]
    fn what_no_instance_is_is_refused() {
        let bodies = [
            "{\"ip\":",
            "{\"port\":1}",
            r#"{"ip":"a","port":70000}"#,
            r#"{"ip":"a","port":1,"weight":10001}"#,
            r#"{"ip":"a","port":1,"ephemeral":false}"#,
            r#"{"ip":"a","port":1,"cluster":"a b"}"#,
        ];
        for body in bodies {
            assert!(decode_beat(body.as_bytes()).is_err(), "{body}");
        }
    }
}
