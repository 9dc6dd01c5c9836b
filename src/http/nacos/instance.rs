//! Operations on instances and the lists readers see (http.md 8.1, 11, 12.1).
//!
//! An instance over HTTP belongs to the client of its address. An ephemeral one lives by its beats; a persistent one is
//! agreed on by all nodes and lives until it is deregistered.

use serde_json::{Value, json};

use crate::{
    http::nacos::{
        Answer, Call, Fault, Generation,
        Generation::{V1, V2, V3},
        Route, Step, beat,
        operation::{
            Kind,
            Method::{Delete, Get, Post},
            Operation, Param,
            param::{
                CLUSTER, ENABLED, EPHEMERAL, GROUP, HEALTHY, HEALTHY_ONLY, IP, METADATA, NAMESPACE, PORT, SERVICE,
                STRONG, WEIGHT,
            },
        },
    },
    model::{Address, ClientId, ClusterFilter, DEFAULT_CLUSTER, Instance, PersistentOperation, Proposal, ServiceKey},
    node::{Input, Poll, Reply},
    registry::{Found, Selection},
    wire,
};

pub(super) const ROUTES: &[Route] = &[
    Route::new(Post, "/v1/ns/instance", V1, &REGISTER),
    Route::new(Delete, "/v1/ns/instance", V1, &DEREGISTER),
    Route::new(Get, "/v1/ns/instance", V1, &DETAIL),
    Route::new(Get, "/v1/ns/instance/list", V1, &LIST),
    Route::new(Post, "/v2/ns/instance", V2, &REGISTER),
    Route::new(Delete, "/v2/ns/instance", V2, &DEREGISTER),
    Route::new(Get, "/v2/ns/instance", V2, &DETAIL),
    Route::new(Get, "/v2/ns/instance/list", V2, &LIST),
    Route::new(Post, "/v3/client/ns/instance", V3, &beat::REGISTER_OR_BEAT),
    Route::new(Delete, "/v3/client/ns/instance", V3, &DEREGISTER),
    Route::new(Get, "/v3/client/ns/instance/list", V3, &LIST),
    Route::new(Post, "/v3/admin/ns/instance", V3, &REGISTER),
    Route::new(Delete, "/v3/admin/ns/instance", V3, &DEREGISTER),
    Route::new(Get, "/v3/admin/ns/instance", V3, &DETAIL),
    Route::new(Get, "/v3/admin/ns/instance/list", V3, &LIST_ALL),
];

const REGISTER: Operation = Operation {
    name: "registerInstance",
    summary: "Publishes an instance of a service, in place of what the same address published there before.",
    params: &[SERVICE, IP, PORT, NAMESPACE, GROUP, CLUSTER, WEIGHT, HEALTHY, ENABLED, EPHEMERAL, METADATA],
    faults: &[500, 503, 504],
    run: register,
};

const DEREGISTER: Operation = Operation {
    name: "deregisterInstance",
    summary: "Takes an instance back. Nothing to take back is no fault.",
    params: &[SERVICE, IP, PORT, NAMESPACE, GROUP, CLUSTER, EPHEMERAL],
    faults: &[503, 504],
    run: deregister,
};

const DETAIL: Operation = Operation {
    name: "getInstance",
    summary: "Shows one instance, disabled or not.",
    params: &[SERVICE, IP, PORT, NAMESPACE, GROUP, CLUSTER, STRONG],
    faults: &[404, 503],
    run: detail,
};

const CLUSTERS: Param = Param::new(Kind::Text, "clusters", "DEFAULT", "Only these clusters, separated by commas.");
const CLUSTERS_2: Param = Param { name: "clusterName", ..CLUSTERS };

const CLIENT_IP: Param = Param::new(
    Kind::Text,
    "clientIP",
    "10.0.0.9",
    "Where pushes by datagram go; absent or blank is the caller's address.",
);
const CLIENT_IP_2: Param = Param { name: "ip", ..CLIENT_IP };
const UDP_PORT: Param = Param::new(
    Kind::Integer,
    "udpPort",
    "55000",
    "Port for pushes by datagram; with one above 0, clients of the first protocol are subscribed for 30 s.",
);
const UDP_PORT_2: Param = Param { name: "port", ..UDP_PORT };
const APP: Param = Param::new(Kind::Text, "app", "shop", "Name of the calling application.");

const LIST: Operation = Operation {
    name: "listInstances",
    summary: "Shows the instances that callers of a service are to use.",
    params: &[
        SERVICE,
        NAMESPACE,
        GROUP,
        CLUSTERS.only(&[V1]),
        CLUSTERS_2.only(&[V2, V3]),
        HEALTHY_ONLY,
        CLIENT_IP.only(&[V1]),
        UDP_PORT.only(&[V1]),
        CLIENT_IP_2.only(&[V2]),
        UDP_PORT_2.only(&[V2]),
        APP.only(&[V1, V2]),
        STRONG,
    ],
    faults: &[503],
    run: list,
};

const LIST_ALL: Operation = Operation {
    name: "listAllInstances",
    summary: "Shows all instances of one cluster of a service, disabled ones too.",
    params: &[SERVICE, NAMESPACE, GROUP, CLUSTER, HEALTHY_ONLY, STRONG],
    faults: &[404, 503],
    run: list_all,
};

/// Publishes one instance; of an ephemeral one that counts as a beat.
pub(super) fn register(call: &Call<'_>) -> Result<Step, Fault> {
    let service = call.service()?;
    let (client, instance) = call.instance()?;
    if call.ephemeral()? {
        return Ok(Step::write(Input::RegisterBeating { client, service, instance }));
    }
    let Reply::Minted(instance) = call.handle(Input::Mint { service: service.clone(), instance })? else {
        unreachable!("an instance is answered with an instance")
    };
    Ok(Step::propose(Proposal::Instance(PersistentOperation::Register { service, instance })))
}

fn deregister(call: &Call<'_>) -> Result<Step, Fault> {
    let service = call.service()?;
    let (ip, port) = call.address()?;
    if call.generation != V3 {
        call.weight()?;
    }
    if call.ephemeral()? {
        return Ok(Step::write(Input::Deregister { client: ClientId::address(ip, port), service }));
    }
    Ok(Step::propose(Proposal::Instance(PersistentOperation::Deregister { service, ip: ip.into(), port })))
}

fn detail(call: &Call<'_>) -> Result<Step, Fault> {
    let service = call.service()?;
    let (ip, port) = call.address()?;
    let cluster = call.given("clusterName").unwrap_or(DEFAULT_CLUSTER);
    let found = call.find(&service, (ip, port, cluster))?;
    Ok(match call.generation {
        V3 => Answer::json(&found.host(&service)),
        _ => Answer::json(&shown(call.generation, &service, &found.instance)),
    })
}

/// All instances of one cluster as operators see them: disabled ones too, and without protection.
fn list_all(call: &Call<'_>) -> Result<Step, Fault> {
    let (service, instances) = of_cluster(call)?;
    let hosts: Vec<_> = instances.iter().map(|it| it.host(&service)).collect();
    Ok(Answer::json(&hosts))
}

/// The service and the instances of the one cluster that is meant.
pub(super) fn of_cluster(call: &Call<'_>) -> Result<(ServiceKey, Vec<Publisher>), Fault> {
    let service = call.service()?;
    let cluster = call.cluster();
    let healthy_only = call.read_flag("healthyOnly")?;
    let all = call.publishers(&service)?;
    let mut chosen = all.ok_or_else(|| Fault::absent(format!("service {} is not found!", service.grouped())))?;
    chosen.retain(|it| it.instance.cluster == cluster);
    if chosen.is_empty() {
        return Err(Fault::absent(format!("cluster {cluster} is not found!")));
    }
    chosen.retain(|it| it.instance.healthy || !healthy_only);
    Ok((service, chosen))
}

fn shown(generation: Generation, service: &ServiceKey, instance: &Instance) -> Value {
    let name = if generation == V1 { "service" } else { "serviceName" };
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
fn list(call: &Call<'_>) -> Result<Step, Fault> {
    let service = call.service()?;
    let clusters = match call.generation {
        V1 => call.params.text("clusters"),
        Generation::V2 | V3 => call.params.text("clusterName"),
    };
    let healthy_only = call.read_flag("healthyOnly")?;
    // The newest generation reads the flag and ignores it.
    let healthy_only = healthy_only && call.generation != V3;
    let input = match call.datagram_address()? {
        Some(from) => {
            let (attributes, service, clusters) = (call.attributes(), service.clone(), clusters.into());
            Input::Poll(Poll { from, attributes, service, clusters, healthy_only })
        }
        None => {
            let selection = Selection { filter: ClusterFilter::parse(clusters), healthy_only };
            Input::Query { service: service.clone(), selection }
        }
    };
    let Reply::View(view) = call.handle(input)? else { unreachable!("a read is answered with a view") };
    if call.generation == V3 {
        return Ok(Answer::Data(view.hosts).into());
    }
    let info = view.info(&service, clusters);
    Ok(Answer::Data(info.to_grouped_json()).into())
}

/// An instance with the client that publishes it.
pub(super) struct Publisher {
    pub(super) client: ClientId,
    pub(super) instance: Instance,
}

impl Publisher {
    /// Whether the instance lives by its client.
    pub(super) fn is_ephemeral(&self) -> bool {
        !self.client.is_persistent()
    }

    /// The instance as operators are shown it.
    pub(super) fn host<'a>(&'a self, service: &'a ServiceKey) -> wire::Host<'a> {
        wire::Host::new(service, &self.instance, self.instance.healthy, self.is_ephemeral())
    }
}

impl Call<'_> {
    /// One instance of a service, or why there is none.
    pub(super) fn find(&self, service: &ServiceKey, address: (&str, u16, &str)) -> Result<Publisher, Fault> {
        let (ip, port, cluster) = address;
        let address = Address { ip: ip.into(), port, cluster: cluster.into() };
        match self.handle(Input::Instance { service: service.clone(), address })? {
            Reply::Instance(Found::One(client, instance)) => Ok(Publisher { client, instance: *instance }),
            Reply::Instance(Found::Other) => Err(Fault::not_found("no matched ip found!")),
            Reply::Instance(Found::Empty) => {
                let service = service.grouped();
                Err(Fault::not_found(format!("no ips found for cluster {cluster} in service {service}")))
            }
            other => unreachable!("an instance is answered with an instance, not {other:?}"),
        }
    }

    /// All instances of a service that is there.
    pub(super) fn publishers(&self, service: &ServiceKey) -> Result<Option<Vec<Publisher>>, Fault> {
        let publisher = |(client, instance)| Publisher { client, instance };
        match self.handle(Input::Instances { service: service.clone() })? {
            Reply::Instances(all) => Ok(all.map(|all| all.into_iter().map(publisher).collect())),
            other => unreachable!("instances are answered with instances, not {other:?}"),
        }
    }
}
