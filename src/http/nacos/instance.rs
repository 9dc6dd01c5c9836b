//! Operations on instances and the lists readers see (http.md 8.1, 11, 12.1).
//!
//! An instance over HTTP belongs to the client `ip:port`, lives by its beats, and is ephemeral.

use axum::body::Bytes;
use serde_json::{Value, json};

use crate::{
    http::nacos::{Answer, Call, Fault, Generation},
    model::{ClientId, ClusterFilter, DEFAULT_CLUSTER, Instance, ServiceKey},
    node::{Beat, Input, Reply},
    registry::Selection,
    wire::{self, ServiceInfo},
};

/// What a client without a rate of its own is told (switch `clientBeatInterval`).
const BEAT_INTERVAL: u64 = 5_000;
/// Beat results (Nacos `NamingResponseCode`).
const BEAT_OK: u32 = 10_200;
const BEAT_UNKNOWN: u32 = 20_404;

/// Publishes one instance; counts as a beat.
pub(super) fn register(call: &Call<'_>) -> Result<Answer, Fault> {
    let service = call.service()?;
    let (client, instance) = call.instance()?;
    if !call.flag("ephemeral", true)? {
        return Err(Fault::persistent());
    }
    call.handle(Input::RegisterBeating { client, service, instance })?;
    Ok(Answer::Done)
}

/// The third generation beats by a registration with `heartBeat=true`, which then changes nothing else.
pub(super) fn register_or_beat(call: &Call<'_>) -> Result<Answer, Fault> {
    if !call.flag("heartBeat", false)? {
        return register(call);
    }
    let service = call.service()?;
    let (ip, port) = call.address()?;
    match call.beat(ClientId::address(ip, port), service, None)? {
        Beat::Alive { .. } => Ok(Answer::Done),
        Beat::Unknown => Err(Fault::BeatOfNobody),
    }
}

/// Takes an instance back. Nothing to take back is no fault.
pub(super) fn deregister(call: &Call<'_>) -> Result<Answer, Fault> {
    let service = call.service()?;
    let (ip, port) = call.address()?;
    if call.generation != Generation::V3 {
        call.weight()?;
    }
    // Of the other kind there is none.
    if call.flag("ephemeral", true)? {
        call.handle(Input::Deregister { client: ClientId::address(ip, port), service })?;
    }
    Ok(Answer::Done)
}

/// One instance, disabled or not.
pub(super) fn detail(call: &Call<'_>) -> Result<Answer, Fault> {
    let service = call.service()?;
    let (ip, port) = call.address()?;
    let cluster = Some(call.params.text("clusterName").trim()).filter(|cluster| !cluster.is_empty());
    let cluster = cluster.unwrap_or(DEFAULT_CLUSTER);
    let instances = call.instances(&service)?.unwrap_or_default();
    if instances.is_empty() {
        let grouped = service.grouped();
        return Err(Fault::not_found(format!("no ips found for cluster {cluster} in service {grouped}")));
    }
    let found = instances.into_iter().find(|instance| instance.address() == (ip, port, cluster));
    let found = found.ok_or_else(|| Fault::not_found("no matched ip found!"))?;
    Ok(Answer::Data(match call.generation {
        Generation::V3 => host(&service, &found).into(),
        _ => shown(call.generation, &service, &found).to_string().into(),
    }))
}

/// An instance as lists show it.
fn host(service: &ServiceKey, instance: &Instance) -> Vec<u8> {
    let mut host = Vec::new();
    wire::encode_host(&mut host, service, instance, instance.healthy);
    host
}

/// All instances of one cluster as operators see them: disabled ones too, and without protection.
pub(super) fn list_all(call: &Call<'_>) -> Result<Answer, Fault> {
    let service = call.service()?;
    let cluster = call.cluster();
    let healthy_only = call.read_flag("healthyOnly")?;
    let instances = call.instances(&service)?;
    let instances = instances.ok_or_else(|| Fault::absent(format!("service {} is not found!", service.grouped())))?;
    let mut chosen: Vec<&Instance> = instances.iter().filter(|instance| instance.cluster == cluster).collect();
    if chosen.is_empty() {
        return Err(Fault::absent(format!("cluster {cluster} is not found!")));
    }
    chosen.retain(|instance| instance.healthy || !healthy_only);
    let hosts: Vec<Vec<u8>> = chosen.into_iter().map(|instance| host(&service, instance)).collect();
    Ok(Answer::Data([b"[", &hosts.join(&b',')[..], b"]"].concat().into()))
}

fn shown(generation: Generation, service: &ServiceKey, instance: &Instance) -> Value {
    let name = if generation == Generation::V1 { "service" } else { "serviceName" };
    let metadata: serde_json::Map<String, Value> =
        instance.metadata.iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
    json!({
        name: service.grouped().to_string(),
        "ip": instance.ip,
        "port": instance.port,
        "clusterName": instance.cluster,
        "weight": instance.weight,
        "healthy": instance.healthy,
        "instanceId": instance.display_id(service).to_string(),
        "metadata": metadata,
    })
}

/// The instances readers see.
pub(super) fn list(call: &Call<'_>) -> Result<Answer, Fault> {
    let service = call.service()?;
    let clusters = match call.generation {
        Generation::V1 => call.params.text("clusters"),
        Generation::V2 | Generation::V3 => call.params.text("clusterName"),
    };
    let healthy_only = call.read_flag("healthyOnly")?;
    // The newest generation reads the flag and ignores it.
    let healthy_only = healthy_only && call.generation != Generation::V3;
    let selection = Selection { filter: ClusterFilter::parse(clusters), healthy_only };
    let Reply::View(view) = call.handle(Input::Query { service: service.clone(), selection })? else {
        unreachable!("a query is answered with a view")
    };
    if call.generation == Generation::V3 {
        return Ok(Answer::Data(view.hosts));
    }
    let info =
        ServiceInfo { service: &service, clusters, hosts: &view.hosts, stamp: view.stamp, protected: view.protected };
    Ok(Answer::Data(info.to_grouped_json()))
}

/// A sign of life; a full one publishes the instance again if it is not known.
pub(super) fn beat(call: &Call<'_>) -> Result<Answer, Fault> {
    let service = call.grouped_service()?;
    let given = call.params.text("beat");
    let beat = if given.trim().is_empty() {
        match call.address() {
            Ok((ip, port)) => call.beat(ClientId::address(ip, port), service, None)?,
            Err(Fault::Missing { .. }) => Beat::Unknown,
            Err(fault) => return Err(fault),
        }
    } else {
        let instance = wire::decode_beat(given.as_bytes()).map_err(Fault::validation)?;
        instance.check_legal()?;
        call.beat(ClientId::address(&instance.ip, instance.port), service, Some(Box::new(instance)))?
    };
    let (code, interval) = match beat {
        Beat::Alive { interval } => (BEAT_OK, interval),
        Beat::Unknown => (BEAT_UNKNOWN, BEAT_INTERVAL),
    };
    Ok(Answer::Bare(json!({"clientBeatInterval": interval, "code": code, "lightBeatEnabled": true})))
}

impl Call<'_> {
    /// All instances of a service that is there.
    fn instances(&self, service: &ServiceKey) -> Result<Option<Vec<Instance>>, Fault> {
        match self.handle(Input::Instances { service: service.clone() })? {
            Reply::Instances(all) => Ok(all.map(|all| all.into_iter().map(|(_, instance)| instance).collect())),
            other => unreachable!("instances are answered with instances, not {other:?}"),
        }
    }

    fn beat(&self, client: ClientId, service: ServiceKey, instance: Option<Box<Instance>>) -> Result<Beat, Fault> {
        match self.handle(Input::Beat { client, service, instance })? {
            Reply::Beat(beat) => Ok(beat),
            other => unreachable!("a beat is answered with its result, not {other:?}"),
        }
    }

    fn number(&self, name: &'static str, default: Option<usize>) -> Result<usize, Fault> {
        let given = self.params.text(name).trim();
        if given.is_empty() {
            return default.ok_or(Fault::Missing { name, kind: "int" });
        }
        match self.generation {
            // Read as 0, which is taken as the first page and an empty one.
            Generation::V1 => Ok(given.parse().unwrap_or(0)),
            _ => given.parse().map_err(|_| Fault::Unreadable(format!("For input string: \"{given}\""))),
        }
    }
}

/// Names of the services of a group, by page.
pub(super) fn services(call: &Call<'_>) -> Result<Answer, Fault> {
    let (names, page, size) = match call.generation {
        Generation::V1 => ("doms", call.number("pageNo", None)?, call.number("pageSize", None)?),
        _ => ("services", call.number("pageNo", Some(1))?, call.number("pageSize", Some(20))?.min(500)),
    };
    let group = call.group()?;
    let Reply::Names(count, page) = call.handle(Input::List { group, page: page.max(1), size })? else {
        unreachable!("a list is answered with names")
    };
    Ok(Answer::Data(Bytes::from(json!({"count": count, names: page}).to_string())))
}
