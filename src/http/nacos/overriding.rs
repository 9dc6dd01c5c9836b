//! What operators set on instances, beside what their clients publish (http.md 6.6).

use compact_str::CompactString;
use serde_json::{Value, json};

use crate::{
    http::nacos::{
        Answer, Call, Fault,
        Generation::{V1, V2, V3},
        Route, Step,
        instance::Publisher,
        operation::{
            Kind,
            Method::{Delete, Patch, Put},
            Operation, Param,
            param::{CLUSTER, ENABLED, EPHEMERAL, GROUP, IP, METADATA, NAMESPACE, PORT, SERVICE, WEIGHT},
        },
        service::propose,
    },
    model::{
        Address, Amended, AmendedMetadata, Amendment, DEFAULT_CLUSTER, Instance, Metadata, MetadataOperation, Proposal,
        ServiceKey,
    },
    registry::address,
};

pub(super) const ROUTES: &[Route] = &[
    Route::new(Put, "/v1/ns/instance", V1, &REPLACE),
    Route::new(Put, "/v2/ns/instance", V2, &REPLACE),
    Route::new(Put, "/v3/admin/ns/instance", V3, &REPLACE),
    Route::new(Put, "/v3/console/ns/instance", V3, &CONSOLE_REPLACE),
    Route::new(Patch, "/v1/ns/instance", V1, &AMEND),
    Route::new(Patch, "/v2/ns/instance", V2, &AMEND),
    Route::new(Put, "/v3/admin/ns/instance/partial", V3, &AMEND),
    Route::new(Put, "/v1/ns/instance/metadata/batch", V1, &MERGE),
    Route::new(Put, "/v2/ns/instance/metadata/batch", V2, &MERGE),
    Route::new(Put, "/v3/admin/ns/instance/metadata/batch", V3, &MERGE),
    Route::new(Delete, "/v1/ns/instance/metadata/batch", V1, &REMOVE),
    Route::new(Delete, "/v2/ns/instance/metadata/batch", V2, &REMOVE),
    Route::new(Delete, "/v3/admin/ns/instance/metadata/batch", V3, &REMOVE),
];

const REPLACE: Operation = Operation {
    name: "updateInstance",
    summary: "Sets weight, `enabled` and labels of an instance, in place of what was set before. What is left out is \
              reset. The client's own publication stays as it is beneath.",
    params: &[SERVICE, IP, PORT, NAMESPACE, GROUP, CLUSTER, WEIGHT, ENABLED, EPHEMERAL, METADATA],
    faults: &[503, 504],
    run: replace,
};

const CONSOLE_REPLACE: Operation = Operation { run: console_replace, ..REPLACE };

const AMEND: Operation = Operation {
    name: "amendInstance",
    summary: "Sets some of weight, `enabled` and labels of an instance that is there.",
    params: &[
        SERVICE.only(&[V1, V3]),
        Param { example: "DEFAULT_GROUP@@orders", ..SERVICE }.only(&[V2]),
        IP,
        PORT,
        NAMESPACE,
        GROUP.only(&[V1, V3]),
        CLUSTER.only(&[V1, V3]),
        Param { name: "cluster", ..CLUSTER }.only(&[V2]),
        WEIGHT.only(&[V1, V3]),
        WEIGHT.required().only(&[V2]),
        ENABLED.only(&[V1, V3]),
        ENABLED.required().only(&[V2]),
        METADATA.only(&[V1, V3]),
        METADATA.required().only(&[V2]),
    ],
    faults: &[404, 503, 504],
    run: amend,
};

/// What the second generation cannot do without beside the service, with its types.
const REQUIRED_2: [(&str, &str); 5] =
    [("ip", "String"), ("port", "Integer"), ("metadata", "String"), ("weight", "Double"), ("enabled", "Boolean")];

const CONSISTENCY: Param =
    Param::new(Kind::Text, "consistencyType", "ephemeral", "Ignored: a service has instances of one kind.");
const INSTANCES: Param = Param::new(
    Kind::Json,
    "instances",
    "[{\"ip\":\"10.0.0.1\",\"port\":8080,\"clusterName\":\"DEFAULT\"}]",
    "Which instances; absent or empty for all of the service.",
);
const BATCH: &[Param] = &[SERVICE, METADATA.required(), NAMESPACE, GROUP, CONSISTENCY, INSTANCES];

const MERGE: Operation = Operation {
    name: "addInstancesMetadata",
    summary: "Adds labels to what is set on instances.",
    params: BATCH,
    faults: &[503, 504],
    run: merge,
};

const REMOVE: Operation = Operation {
    name: "removeInstancesMetadata",
    summary: "Removes labels, by key, from what is set on instances. Labels their clients publish stay.",
    params: BATCH,
    faults: &[503, 504],
    run: remove,
};

fn replace(call: &Call<'_>) -> Result<Step, Fault> {
    replace_one(call, call.flag("ephemeral", true)?)
}

/// Consoles say nothing of the kind and mean persistent, which only shows when the service is not there.
fn console_replace(call: &Call<'_>) -> Result<Step, Fault> {
    replace_one(call, call.flag("ephemeral", false)?)
}

fn replace_one(call: &Call<'_>, ephemeral: bool) -> Result<Step, Fault> {
    let service = call.service()?;
    let (_, instance) = call.instance()?;
    if call.detail(&service)?.is_none() {
        let ServiceKey { namespace, group, name } = &service;
        return Err(Fault::instance(format!(
            "service not found, namespace: {namespace}, service: Service{{namespace='{namespace}', group='{group}', \
             name='{name}', ephemeral={ephemeral}, revision=0}}"
        )));
    }
    let amendment = Amendment {
        weight: Amended::Set(instance.weight),
        enabled: Amended::Set(instance.enabled),
        metadata: AmendedMetadata::Replace(call.metadata.clone()),
    };
    Ok(propose(MetadataOperation::Override { service, amendments: vec![(address(&instance), amendment)] }))
}

fn amend(call: &Call<'_>) -> Result<Step, Fault> {
    let service = call.grouped_service()?;
    if call.generation == V2 {
        for (name, kind) in REQUIRED_2 {
            call.required_single(name, kind)?;
        }
    }
    let (ip, port) = call.address()?;
    let cluster = match call.generation {
        V2 => call.given("cluster").unwrap_or(DEFAULT_CLUSTER),
        _ => call.cluster(),
    };
    let shown = call.find(&service, (ip, port, cluster))?.instance;
    let weight = call.weight()?;
    let enabled = call.flag("enabled", true)?;
    let given = |name: &str| call.generation == V3 || call.given(name).is_some();
    let amendment = Amendment {
        weight: if given("weight") { Amended::Set(weight) } else { Amended::Keep(shown.weight) },
        enabled: if given("enabled") { Amended::Set(enabled) } else { Amended::Keep(shown.enabled) },
        metadata: if call.given("metadata").is_none() {
            AmendedMetadata::Keep
        } else {
            AmendedMetadata::Replace(call.metadata.clone())
        },
    };
    let operation = MetadataOperation::Override { service, amendments: vec![(address(&shown), amendment)] };
    Ok(match call.generation {
        // It answers its PATCH without the envelope.
        V2 => Step::propose_for(Proposal::Metadata(operation), Answer::Text("ok".into())),
        _ => propose(operation),
    })
}

fn merge(call: &Call<'_>) -> Result<Step, Fault> {
    batch(call, AmendedMetadata::Merge)
}

fn remove(call: &Call<'_>) -> Result<Step, Fault> {
    batch(call, AmendedMetadata::Remove)
}

/// Labels of many instances; those that are not there are left out, and so is a service that is not.
fn batch(call: &Call<'_>, metadata: fn(Metadata) -> AmendedMetadata) -> Result<Step, Fault> {
    let service = call.service()?;
    call.required("metadata", "String")?;
    let wanted = wanted(call.params.text("instances"))?;
    let mut all = call.publishers(&service)?.unwrap_or_default();
    if !wanted.is_empty() {
        all.retain(|it| wanted.contains(&address(&it.instance)));
    }
    let amended = |Publisher { instance, .. }: &Publisher| {
        let (weight, enabled) = (Amended::Keep(instance.weight), Amended::Keep(instance.enabled));
        (address(instance), Amendment { weight, enabled, metadata: metadata(call.metadata.clone()) })
    };
    let amendments: Vec<_> = all.iter().map(amended).collect();
    let shown = |it: &Publisher| {
        let Instance { ip, port, cluster, .. } = &it.instance;
        format!("{ip}:{port}:unknown:{cluster}:{}", if it.is_ephemeral() { "ephemeral" } else { "persist" })
    };
    let updated: Vec<String> = all.iter().map(shown).collect();
    let proposal = Proposal::Metadata(MetadataOperation::Override { service, amendments });
    Ok(Step::propose_for(proposal, Answer::of(&json!({"updated": updated}))))
}

/// The instances a batch names: objects whose port may be a text.
fn wanted(given: &str) -> Result<Vec<Address>, Fault> {
    if given.trim().is_empty() {
        return Ok(Vec::new());
    }
    let illegal = || Fault::validation("instances is not a JSON array of objects with ip and port");
    let all: Vec<Value> = serde_json::from_str(given).map_err(|_| illegal())?;
    let read = |one: &Value| {
        let port = &one["port"];
        let port = port.as_u64().or_else(|| port.as_str()?.trim().parse().ok())?;
        let cluster = one["clusterName"].as_str().filter(|name| !name.trim().is_empty()).unwrap_or(DEFAULT_CLUSTER);
        Some(Address {
            ip: CompactString::from(one["ip"].as_str()?),
            port: u16::try_from(port).ok()?,
            cluster: cluster.into(),
        })
    };
    all.iter().map(|one| read(one).ok_or_else(illegal)).collect()
}
