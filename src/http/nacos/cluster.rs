//! Operations on the clusters of services, and on health that somebody else decides (http.md 6.9, 8.3, 12.2).

use serde_json::{Map, Value, json};

use crate::{
    http::nacos::{
        Answer, Call, Fault,
        Generation::{V1, V2, V3},
        Route, Step,
        call::port,
        operation::{
            Kind,
            Method::{Any, Get, Put},
            Operation, Param,
            param::{CLUSTER, GROUP, HEALTHY, IP, METADATA, NAMESPACE, PORT, SERVICE},
        },
        service::propose,
    },
    model::{ClusterMetadata, HealthChecker, MetadataOperation, PersistentOperation, Proposal},
    wire::{self, CheckerJson},
};

pub(super) const ROUTES: &[Route] = &[
    Route::new(Put, "/v1/ns/cluster", V1, &UPDATE),
    Route::new(Put, "/v3/admin/ns/cluster", V3, &UPDATE),
    Route::new(Put, "/v3/console/ns/service/cluster", V3, &UPDATE),
    Route::new(Put, "/v1/ns/health", V1, &FIND),
    Route::new(Put, "/v1/ns/health/instance", V1, &FIND),
    Route::new(Put, "/v2/ns/health", V2, &FIND),
    Route::new(Put, "/v2/ns/health/instance", V2, &FIND),
    Route::new(Put, "/v3/admin/ns/health/instance", V3, &FIND),
    Route::new(Get, "/v1/ns/health/checkers", V1, &CHECKERS),
    Route::new(Get, "/v3/admin/ns/health/checkers", V3, &CHECKERS),
    Route::new(Any, "/v1/ns/health/server", V1, &GREETING),
];

const CHECK_PORT: Param =
    Param::new(Kind::Integer, "checkPort", "80", "The port to check when it is not the instance's own.").required();
const USE_INSTANCE_PORT: Param =
    Param::new(Kind::Boolean, "useInstancePort4Check", "true", "Whether the instance's own port is checked.")
        .required();
const CHECKER: Param = Param::new(
    Kind::Json,
    "healthChecker",
    "{\"type\":\"NONE\"}",
    "How persistent instances are found healthy: `TCP`, `HTTP`, `MYSQL`, or `NONE` when somebody else decides.",
)
.required();

const UPDATE: Operation = Operation {
    name: "updateCluster",
    summary: "Replaces what is set on a cluster of a service.",
    params: &[SERVICE, CLUSTER.required(), CHECK_PORT, USE_INSTANCE_PORT, CHECKER, NAMESPACE, GROUP, METADATA],
    faults: &[503, 504],
    run: update,
};

const FIND: Operation = Operation {
    name: "setHealth",
    summary: "Says whether a persistent instance is healthy, in a cluster whose checker is NONE.",
    params: &[HEALTHY.required(), SERVICE, IP, PORT, NAMESPACE, GROUP, CLUSTER],
    faults: &[503, 504],
    run: find,
};

const CHECKERS: Operation = Operation {
    name: "listHealthCheckers",
    summary: "Shows the types of health checkers, each with its settings.",
    params: &[],
    faults: &[],
    run: checkers,
};

const GREETING: Operation =
    Operation { name: "greet", summary: "Says that the server is there.", params: &[], faults: &[], run: greet };

fn update(call: &Call<'_>) -> Result<Step, Fault> {
    let service = call.service()?;
    let cluster = call.required("clusterName", "String")?;
    let check_port = port(call.required("checkPort", "Integer")?)?;
    call.required("useInstancePort4Check", "Boolean")?;
    let use_instance_port = call.flag("useInstancePort4Check", true)?;
    let checker = wire::decode_checker(call.required("healthChecker", "String")?)
        .map_err(|illegal| Fault::validation(illegal.to_string()))?;
    if call.detail(&service)?.is_none() {
        return Err(match call.generation {
            V1 => Fault::validation(format!("service not found:{}", service.grouped())),
            _ => Fault::bad_request(format!(
                "service not found groupName: {},serviceName: {}",
                service.group, service.name
            )),
        });
    }
    let metadata = ClusterMetadata { checker, check_port, use_instance_port, metadata: call.metadata.clone() };
    Ok(propose(MetadataOperation::UpdateCluster { service, cluster: cluster.into(), metadata }))
}

fn find(call: &Call<'_>) -> Result<Step, Fault> {
    let v1 = call.generation == V1;
    let healthy = ["healthy", "valid"].into_iter().find(|name| v1 && call.given(name).is_some());
    if !v1 {
        call.required("healthy", "Boolean")?;
    }
    let service = call.service()?;
    let (ip, port) = call.address()?;
    let healthy = if v1 { healthy.ok_or(Fault::Missing { name: "healthy", kind: "Boolean" })? } else { "healthy" };
    let healthy = call.flag(healthy, true)?;
    let cluster = call.cluster();
    let detail = call.detail(&service)?;
    let set = detail.as_ref().and_then(|detail| Some((detail.ephemeral, &detail.cluster(cluster)?.checker)));
    match set {
        // Whether an ephemeral instance is healthy is what its client's beats say.
        Some((true, HealthChecker::None)) => Ok(Answer::Done.into()),
        // By IP and port, as it is registered: whoever decides need not have read the list of the same node before.
        Some((false, HealthChecker::None)) => {
            Ok(Step::propose(Proposal::Instance(PersistentOperation::Health { service, ip: ip.into(), port, healthy })))
        }
        _ => {
            let text = format!("health check is still working, service: {}, cluster: {cluster}", service.grouped());
            Err(Fault::bad_request(text))
        }
    }
}

fn checkers(call: &Call<'_>) -> Result<Step, Fault> {
    let http = HealthChecker::Http { path: "".into(), headers: "".into(), expected_response_code: 200 };
    let mysql = HealthChecker::Mysql { user: None, password: None, command: None };
    let all = [HealthChecker::Tcp, http, mysql, HealthChecker::None];
    let by_type: Map<String, Value> = all
        .iter()
        .filter_map(|checker| match json!(CheckerJson(checker)) {
            Value::Object(mut settings) => {
                let name = settings.remove("type")?.as_str()?.to_owned();
                Some((name, Value::Object(settings)))
            }
            _ => None,
        })
        .collect();
    let by_type = Value::Object(by_type);
    Ok(if call.generation == V1 { Answer::bare(&by_type).into() } else { Answer::json(&by_type) })
}

fn greet(call: &Call<'_>) -> Result<Step, Fault> {
    let services = call.api.connections.runtime().stats().size.services;
    let greeting = format!("Hello! I am Roster and healthy! total services: {services}");
    Ok(Answer::bare(&json!({"msg": greeting})).into())
}
