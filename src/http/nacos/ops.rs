//! Operations on the inner workings of a node (http.md 10.3, 11, 12.3).

use serde_json::{Value, json};

use crate::http::nacos::{
    Answer, Call, Fault,
    Generation::{V1, V2, V3},
    Route, Step, json_body,
    members::rest_fault,
    operation::{
        Kind,
        Method::{Get, Post, Put},
        Operation, Param,
    },
};

pub(super) const ROUTES: &[Route] = &[
    Route::new(Post, "/v1/core/ops/raft", V1, &RAFT),
    Route::new(Get, "/v1/core/ops/idInfo", V1, &IDS),
    Route::new(Put, "/v1/core/ops/log", V1, &LOG),
    Route::new(Post, "/v2/core/ops/raft", V2, &RAFT),
    Route::new(Get, "/v2/core/ops/ids", V2, &IDS),
    Route::new(Put, "/v2/core/ops/log", V2, &LOG),
    Route::new(Post, "/v3/admin/core/ops/raft", V3, &RAFT),
    Route::new(Get, "/v3/admin/core/ops/ids", V3, &IDS),
    Route::new(Put, "/v3/admin/core/ops/log", V3, &LOG),
];

const RAFT: Operation = Operation {
    name: "commandRaft",
    summary: "Commands a group of nodes that agree on changes; a node alone has none. In a JSON body or a form.",
    params: &[
        Param::new(Kind::Text, "groupId", "naming_persistent_service_v2", "Which group."),
        Param::new(Kind::Text, "command", "doSnapshot", "What to do."),
        Param::new(Kind::Text, "value", "127.0.0.1:7848", "With which node."),
    ],
    faults: &[],
    run: raft,
};

const IDS: Operation = Operation {
    name: "listIdGenerators",
    summary: "Shows the generators of ids; there are none.",
    params: &[],
    faults: &[],
    run: ids,
};

const LOG: Operation = Operation {
    name: "setCoreLogLevel",
    summary: "Sets how much is logged. In a JSON body or a form.",
    params: &[
        Param::new(Kind::Text, "logName", "core", "Which logger: `core` or `roster` for all.").required(),
        Param::new(Kind::Text, "logLevel", "INFO", "`ERROR`, `WARN`, `INFO`, `DEBUG`, `TRACE` or `OFF`.").required(),
    ],
    faults: &[],
    run: log,
};

/// The groups of the reference.
const GROUPS: [&str; 4] = [
    "naming_persistent_service",
    "naming_persistent_service_v2",
    "naming_instance_metadata",
    "naming_service_metadata",
];
/// Its commands.
const COMMANDS: [&str; 6] =
    ["transferLeader", "doSnapshot", "resetRaftCluster", "removePeer", "removePeers", "changePeers"];

fn raft(call: &Call<'_>) -> Result<Step, Fault> {
    let body = json_body::read(call)?;
    let text = |name| json_body::text(call, body.as_ref(), name);
    let (group, command) = (text("groupId").unwrap_or_default(), text("command"));
    if body.is_none() && command.is_none() {
        return Err(json_body::missing());
    }
    let command = command.unwrap_or_default();
    Ok(match call.generation {
        V3 if COMMANDS.contains(&command) => {
            let why = "this node agrees with no other on changes";
            Answer::bare(&json!({"code": 40_001, "message": "API function disabled.", "data": why})).into()
        }
        V3 => Answer::json(&Value::Null),
        V1 | V2 if GROUPS.contains(&group) => rest_fault(500, &format!("Not support command : {command}")),
        V1 | V2 => rest_fault(500, &format!("not this raft group : {group}")),
    })
}

fn ids(call: &Call<'_>) -> Result<Step, Fault> {
    Ok(match call.generation {
        V1 => Answer::rest(&json!({})),
        V2 => Answer::rest(&json!([])),
        V3 => Answer::json(&json!([])),
    })
}

fn log(call: &Call<'_>) -> Result<Step, Fault> {
    let body = json_body::read(call)?;
    let text = |name| json_body::text(call, body.as_ref(), name).filter(|text| !text.is_empty());
    let logger = text("logName").ok_or_else(|| Fault::lacking("logName"))?;
    let level = text("logLevel").ok_or_else(|| Fault::lacking("logLevel"))?;
    call.api.set_log_level(logger, level);
    Ok(match call.generation {
        V1 => Answer::Text("200".into()).into(),
        V2 => Answer::rest(&Value::Null),
        V3 => Answer::json(&Value::Null),
    })
}
