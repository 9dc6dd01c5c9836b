//! Operations that spread connected clients over nodes (http.md 11, 12.3).

use serde_json::{Map, Value, json};

use crate::{
    http::nacos::{
        Answer, Call, Fault,
        Generation::{V2, V3},
        Route, Step,
        operation::{
            Kind,
            Method::{Get, Post},
            Operation, Param,
        },
    },
    metrics::Usage,
    model::ClientId,
};

pub(super) const ROUTES: &[Route] = &[
    Route::new(Get, "/v2/core/loader/current", V2, &CURRENT),
    Route::new(Get, "/v2/core/loader/cluster", V2, &CLUSTER),
    Route::new(Get, "/v2/core/loader/reloadCurrent", V2, &RELOAD),
    Route::new(Get, "/v2/core/loader/reloadClient", V2, &RELOAD_ONE),
    Route::new(Get, "/v2/core/loader/smartReloadCluster", V2, &BALANCE),
    Route::new(Get, "/v3/admin/core/loader/current", V3, &CURRENT),
    Route::new(Get, "/v3/admin/core/loader/cluster", V3, &CLUSTER),
    Route::new(Post, "/v3/admin/core/loader/reloadCurrent", V3, &RELOAD),
    Route::new(Post, "/v3/admin/core/loader/reloadClient", V3, &RELOAD_ONE),
    Route::new(Post, "/v3/admin/core/loader/smartReloadCluster", V3, &BALANCE),
];

const TARGET: Param = Param::new(
    Kind::Text,
    "redirectAddress",
    "127.0.0.1:8848",
    "Where they are to connect to; absent for wherever they like.",
);

const CURRENT: Operation = Operation {
    name: "listConnections",
    summary: "Shows the connections of this node.",
    params: &[],
    faults: &[],
    run: current,
};

const CLUSTER: Operation = Operation {
    name: "getConnectionCounts",
    summary: "Says how many connections nodes of the cluster have, as far as this node knows: its own.",
    params: &[],
    faults: &[],
    run: cluster,
};

const RELOAD: Operation = Operation {
    name: "limitConnections",
    summary: "Tells connected clients to connect elsewhere until a number of them is left.",
    params: &[Param::new(Kind::Integer, "count", "1000", "How many may stay.").required(), TARGET],
    faults: &[],
    run: reload,
};

const RELOAD_ONE: Operation = Operation {
    name: "moveConnection",
    summary: "Tells one connected client to connect elsewhere. One that is not connected is no fault.",
    params: &[
        Param::new(Kind::Text, "connectionId", "1756713600000_127.0.0.1_52100", "Id of the connection.").required(),
        TARGET,
    ],
    faults: &[],
    run: reload_one,
};

const BALANCE: Operation = Operation {
    name: "balanceConnections",
    summary: "Spreads connections evenly over the nodes; with one node there is nothing to spread.",
    params: &[Param::new(Kind::Number, "loaderFactor", "0.1", "By how much a node may have more than others.")],
    faults: &[],
    run: balance,
};

fn current(call: &Call<'_>) -> Result<Step, Fault> {
    let shown = |(id, version): (ClientId, String)| {
        let id = id.to_string();
        (id.clone(), json!({"connectionId": id, "version": version}))
    };
    let all = Value::Object(call.api.connections.list().into_iter().map(shown).collect::<Map<_, _>>());
    Ok(bare_in_v2(call, &all))
}

/// The second generation wraps none of these.
fn bare_in_v2(call: &Call<'_>, data: &Value) -> Step {
    if call.generation == V2 { Answer::bare(data).into() } else { Answer::json(data) }
}

fn done(call: &Call<'_>) -> Step {
    if call.generation == V2 { Answer::Text("success".into()).into() } else { Answer::json(&Value::Null) }
}

fn cluster(call: &Call<'_>) -> Result<Step, Fault> {
    let count = call.api.connections.len();
    let Usage { cpu, load, .. } = call.api.metrics.usage();
    let cluster = call.api.cluster();
    let members = 1 + cluster.peers.len();
    let here = json!({
        "address": cluster.address,
        "sdkConCount": count,
        "conCount": count,
        "load": load,
        "cpu": cpu,
    });
    let all = json!({
        "detail": [here],
        "memberCount": members,
        "metricsCount": 1,
        "completed": members == 1,
        "max": count,
        "min": count,
        "avg": count,
        "threshold": (count as f64 * 1.1).to_string(),
        "total": count,
    });
    Ok(bare_in_v2(call, &all))
}

fn reload(call: &Call<'_>) -> Result<Step, Fault> {
    let given = call.single("count", "Integer")?;
    let count = Fault::parsed(given.trim())?;
    call.api.connections.reset_surplus(count, target(call)?);
    Ok(done(call))
}

fn reload_one(call: &Call<'_>) -> Result<Step, Fault> {
    let id = call.single("connectionId", "String")?;
    call.api.connections.reset(&ClientId::from(id), target(call)?);
    Ok(done(call))
}

fn balance(call: &Call<'_>) -> Result<Step, Fault> {
    call.given("loaderFactor").map(Fault::parsed::<f64>).transpose()?;
    Ok(done(call))
}

/// Host and port of where clients are to go, if somewhere.
fn target<'a>(call: &'a Call<'_>) -> Result<Option<(&'a str, &'a str)>, Fault> {
    let given = call.params.text("redirectAddress").trim();
    if given.is_empty() {
        return Ok(None);
    }
    let parts = given.rsplit_once(':').filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    let illegal = || Fault::validation(format!("redirectAddress '{given}' is not host:port"));
    parts.map(Some).ok_or_else(illegal)
}
