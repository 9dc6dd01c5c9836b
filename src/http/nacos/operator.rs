//! What operators ask of a running server and tell it: numbers, and how much it logs (http.md 8.4, 11, 12.2).

use serde_json::{Value, json};

use crate::{
    http::nacos::{
        Answer, Call, Fault,
        Generation::{V1, V2, V3},
        Route, Step, guard,
        operation::{
            Kind,
            Method::{Get, Put},
            Operation, Param,
        },
    },
    metrics::Usage,
};

pub(super) const ROUTES: &[Route] = &[
    Route::new(Get, "/v1/ns/operator/metrics", V1, &METRICS),
    Route::new(Get, "/v1/ns/ops/metrics", V1, &METRICS),
    Route::new(Get, "/v2/ns/operator/metrics", V2, &METRICS),
    Route::new(Get, "/v2/ns/ops/metrics", V2, &METRICS),
    Route::new(Get, "/v3/admin/ns/ops/metrics", V3, &METRICS),
    Route::new(Get, "/v1/ns/operator/push/state", V1, &PUSHES),
    Route::new(Get, "/v1/ns/ops/push/state", V1, &PUSHES),
    Route::new(Put, "/v1/ns/operator/log", V1, &LOG),
    Route::new(Put, "/v1/ns/ops/log", V1, &LOG),
    Route::new(Put, "/v2/ns/operator/log", V2, &LOG),
    Route::new(Put, "/v2/ns/ops/log", V2, &LOG),
    Route::new(Put, "/v3/admin/ns/ops/log", V3, &LOG),
];

const METRICS: Operation = Operation {
    name: "getMetrics",
    summary: "Says whether the server serves, and how much there is. Clients test with it whether a server is healthy.",
    params: &[Param::new(Kind::Boolean, "onlyStatus", "true", "Whether numbers are left out.")],
    faults: &[],
    run: metrics,
};

const PUSHES: Operation = Operation {
    name: "getPushState",
    summary: "Says how many pushes were acknowledged of all that were sent since the start.",
    params: &[
        Param::new(Kind::Boolean, "detail", "true", "Whether to say how long acknowledgements took."),
        Param::new(Kind::Boolean, "reset", "false", "Without effect: the numbers only grow."),
    ],
    faults: &[],
    run: pushes,
};

const LOG: Operation = Operation {
    name: "setLogLevel",
    summary: "Sets how much is logged. A logger or a level that is not known is no fault, and nothing is set.",
    params: &[
        Param::new(Kind::Text, "logName", "naming-main", "Which logger: `naming-main` or `roster` for all.").required(),
        Param::new(Kind::Text, "logLevel", "INFO", "`ERROR`, `WARN`, `INFO`, `DEBUG`, `TRACE` or `OFF`.").required(),
    ],
    faults: &[],
    run: log,
};

fn metrics(call: &Call<'_>) -> Result<Step, Fault> {
    let only_status = call.given("onlyStatus").is_none() || call.read_flag("onlyStatus")?;
    let status = guard::status(&call.api.switches(), call.api.cluster().phase).name();
    if only_status {
        return Ok(Answer::json(&json!({"status": status})));
    }
    let size = call.api.connections.runtime().stats().size;
    let connections = call.api.connections.len();
    let mut all = json!({
        "status": status,
        "serviceCount": size.services,
        "instanceCount": size.instances,
        "subscribeCount": size.subscribers,
        "clientCount": size.clients,
        "connectionBasedClientCount": connections,
        "ephemeralIpPortClientCount": size.clients.saturating_sub(connections + size.persistent_clients),
        "persistentIpPortClientCount": size.persistent_clients,
        "responsibleClientCount": size.clients,
    });
    if call.generation == V1 {
        all["responsibleInstanceCount"] = size.instances.into();
    }
    if call.generation != V3 {
        let Usage { cpu, load, memory } = call.api.metrics.usage();
        for (name, value) in [("cpu", cpu), ("load", load), ("mem", memory)] {
            all[name] = value.into();
        }
    }
    Ok(Answer::json(&all))
}

fn pushes(call: &Call<'_>) -> Result<Step, Fault> {
    let pushes = call.api.connections.runtime().stats().pushes;
    let share = |part: u64| if pushes.sent == 0 { 0.0 } else { part as f64 / pushes.sent as f64 };
    let mut all = json!({
        "succeed": pushes.acked,
        "total": pushes.sent,
        "ratio": share(pushes.acked),
        "reset": false,
    });
    if call.read_flag("detail")? {
        let average = pushes.acked_millis.checked_div(pushes.acked).map_or(Value::Null, Value::from);
        all["detail"] = json!({"avgPushCost": average, "maxPushCost": pushes.slowest_ack});
    }
    Ok(Answer::json(&all))
}

fn log(call: &Call<'_>) -> Result<Step, Fault> {
    let (logger, level) = (call.single("logName", "String")?, call.single("logLevel", "String")?);
    call.api.set_log_level(logger, level);
    Ok(Answer::Done.into())
}
