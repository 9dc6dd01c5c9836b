//! The service list as clients read it (Nacos `ServiceInfo` and `Instance`).
//!
//! `hosts` is encoded once per view and selection and shared; names, the echoed clusters and the stamp are written around
//! it for each reader. Datagrams hold the same members in another order.

use bytes::Bytes;
use compact_str::CompactString;
use serde::{Serialize, Serializer};

use crate::{
    model::{Instance, Millis, ServiceKey},
    wire::MetadataJson,
};

/// One service list for one reader.
#[derive(Debug)]
pub struct ServiceInfo<'a> {
    /// The service.
    pub service: &'a ServiceKey,
    /// The cluster filter exactly as the reader asked: older Java and C# clients build their cache key from it.
    pub clusters: &'a str,
    /// The encoded array of hosts.
    pub hosts: &'a Bytes,
    /// `lastRefTime`.
    pub stamp: Millis,
    /// Whether protection made all hosts look healthy.
    pub protected: bool,
    /// How long it may be used without asking again.
    pub cache: Millis,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a, N> {
    name: N,
    group_name: &'a CompactString,
    clusters: &'a str,
    cache_millis: Millis,
    last_ref_time: Millis,
    checksum: &'a str,
    all_ips: bool,
    #[serde(rename = "allIPs")]
    all_ips_2: bool,
    reach_protection_threshold: bool,
    valid: bool,
}

/// What stands before the hosts of a list in a datagram.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Front<'a, N> {
    name: N,
    clusters: &'a str,
    cache_millis: Millis,
}

/// What stands behind them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Back<'a> {
    last_ref_time: Millis,
    checksum: &'a str,
    #[serde(rename = "allIPs")]
    all_ips: bool,
    #[serde(rename = "allIps")]
    all_ips_2: bool,
    reach_protection_threshold: bool,
    valid: bool,
}

/// Writes an object and leaves it open for more members.
fn write_open(out: &mut Vec<u8>, head: &impl Serialize) {
    serde_json::to_writer(&mut *out, head).expect("own types have text keys and finite numbers");
    let closing = out.pop();
    debug_assert_eq!(closing, Some(b'}'));
}

impl ServiceInfo<'_> {
    /// About how many bytes [`Self::write_member`] writes.
    pub(super) fn size_hint(&self) -> usize {
        256 + self.service.name.len() + self.service.group.len() + self.clusters.len() + self.hosts.len()
    }

    /// Writes `"serviceInfo":{...}`.
    pub(super) fn write_member(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#""serviceInfo":"#);
        self.write(&self.service.name, out);
    }

    /// Writes the object.
    fn write(&self, name: impl Serialize, out: &mut Vec<u8>) {
        let head = Head {
            name,
            group_name: &self.service.group,
            clusters: self.clusters,
            cache_millis: self.cache,
            last_ref_time: self.stamp,
            checksum: "",
            all_ips: false,
            all_ips_2: false,
            reach_protection_threshold: self.protected,
            valid: true,
        };
        write_open(out, &head);
        out.extend_from_slice(br#","hosts":"#);
        out.extend_from_slice(self.hosts);
        out.push(b'}');
    }

    /// The object alone as datagrams hold it: the grouped name and no group, and members in the order of Nacos, which
    /// clients that search in texts may count on.
    pub(super) fn to_datagram_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size_hint());
        let front = Front {
            name: format_args!("{}", self.service.grouped()),
            clusters: self.clusters,
            cache_millis: self.cache,
        };
        write_open(&mut out, &front);
        out.extend_from_slice(br#","hosts":"#);
        out.extend_from_slice(self.hosts);
        let back = Back {
            last_ref_time: self.stamp,
            checksum: "",
            all_ips: false,
            all_ips_2: false,
            reach_protection_threshold: self.protected,
            valid: true,
        };
        let opening = out.len();
        serde_json::to_writer(&mut out, &back).expect("own types have text keys and finite numbers");
        // The members of the second object go on with the first.
        out[opening] = b',';
        out
    }

    /// The object alone.
    pub fn to_json(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.size_hint());
        self.write(&self.service.name, &mut out);
        out.into()
    }

    /// The object alone with the grouped name, as clients of the HTTP API key it.
    pub fn to_grouped_json(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.size_hint());
        self.write(format_args!("{}", self.service.grouped()), &mut out);
        out.into()
    }
}

/// One instance as lists show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Host<'a> {
    #[serde(serialize_with = "display")]
    instance_id: DisplayId<'a>,
    ip: &'a str,
    port: u16,
    weight: f64,
    healthy: bool,
    enabled: bool,
    ephemeral: bool,
    cluster_name: &'a str,
    #[serde(serialize_with = "grouped")]
    service_name: &'a ServiceKey,
    metadata: MetadataJson<'a>,
    instance_heart_beat_interval: Millis,
    instance_heart_beat_time_out: Millis,
    ip_delete_timeout: Millis,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_id_generator: Option<&'a str>,
}

struct DisplayId<'a>(&'a Instance, &'a ServiceKey);

fn display<S: Serializer>(id: &DisplayId<'_>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&id.0.display_id(id.1))
}

fn grouped<S: Serializer>(service: &&ServiceKey, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&service.grouped())
}

impl<'a> Host<'a> {
    /// An instance of `service`. `healthy` is what readers are told.
    pub fn new(service: &'a ServiceKey, instance: &'a Instance, healthy: bool, ephemeral: bool) -> Self {
        let beat = instance.heart_beat();
        Self {
            instance_id: DisplayId(instance, service),
            ip: &instance.ip,
            port: instance.port,
            weight: instance.weight,
            healthy,
            enabled: instance.enabled,
            ephemeral,
            cluster_name: &instance.cluster,
            service_name: service,
            metadata: MetadataJson(&instance.metadata),
            instance_heart_beat_interval: beat.interval,
            instance_heart_beat_time_out: beat.timeout,
            ip_delete_timeout: beat.delete_timeout,
            instance_id_generator: instance.id_generator(),
        }
    }
}

/// Appends one instance of `service` to an array under construction. `healthy` is what readers are told.
pub fn encode_host(out: &mut Vec<u8>, service: &ServiceKey, instance: &Instance, healthy: bool, ephemeral: bool) {
    serde_json::to_writer(out, &Host::new(service, instance, healthy, ephemeral))
        .expect("own types have text keys and finite numbers");
}
