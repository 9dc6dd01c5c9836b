//! Operations on the nodes of the cluster (http.md 10.3, 11, 12.3, 12.4). There is one, this.

use compact_str::CompactString;
use serde_json::{Value, json};

use crate::http::nacos::{
    Answer, Call, Fault, Generation,
    Generation::{V1, V2, V3},
    Route, Step, json_body,
    operation::{
        Kind,
        Method::{Delete, Get, Post, Put},
        Operation, Param,
    },
};

pub(super) const ROUTES: &[Route] = &[
    Route::new(Get, "/v1/core/cluster/self", V1, &SELF),
    Route::new(Get, "/v1/core/cluster/nodes", V1, &SEARCH),
    Route::new(Get, "/v1/core/cluster/simple/nodes", V1, &ADDRESSES),
    Route::new(Get, "/v1/core/cluster/health", V1, &HEALTH),
    Route::new(Post, "/v1/core/cluster/switch/lookup", V1, &LOOKUP),
    Route::new(Post, "/v1/core/cluster/server/leave", V1, &LEAVE),
    Route::new(Get, "/v2/core/cluster/node/self", V2, &SELF),
    Route::new(Get, "/v2/core/cluster/node/self/health", V2, &HEALTH),
    Route::new(Get, "/v2/core/cluster/node/list", V2, &LIST),
    Route::new(Put, "/v2/core/cluster/node/list", V2, &UPDATE),
    Route::new(Put, "/v2/core/cluster/lookup", V2, &LOOKUP),
    Route::new(Delete, "/v2/core/cluster/nodes", V2, &LEAVE),
    Route::new(Get, "/v3/admin/core/cluster/node/self", V3, &SELF),
    Route::new(Get, "/v3/admin/core/cluster/node/self/health", V3, &HEALTH),
    Route::new(Get, "/v3/admin/core/cluster/node/list", V3, &LIST),
    Route::new(Put, "/v3/admin/core/cluster/node/list", V3, &UPDATE),
    Route::new(Put, "/v3/admin/core/cluster/lookup", V3, &LOOKUP),
    Route::new(Get, "/v3/console/core/cluster/nodes", V3, &SEARCH),
];

const SELF: Operation =
    Operation { name: "getNode", summary: "Shows the node that is asked.", params: &[], faults: &[], run: this };

const HEALTH: Operation = Operation {
    name: "getNodeState",
    summary: "Names the state of the node that is asked.",
    params: &[],
    faults: &[],
    run: health,
};

const SEARCH: Operation = Operation {
    name: "searchNodes",
    summary: "Shows the nodes of the cluster.",
    params: &[Param::new(Kind::Text, "keyword", "127.0.0.1", "A part of the address.")],
    faults: &[],
    run: search,
};

const LIST: Operation = Operation {
    name: "listNodes",
    summary: "Shows the nodes of the cluster.",
    params: &[
        Param::new(Kind::Text, "address", "127.0.0.1", "How the address begins."),
        Param::new(Kind::Text, "state", "UP", "The state."),
    ],
    faults: &[],
    run: list,
};

const ADDRESSES: Operation = Operation {
    name: "listNodeAddresses",
    summary: "Names the addresses of the nodes of the cluster.",
    params: &[],
    faults: &[],
    run: addresses,
};

const NODES: Param =
    Param::new(Kind::Json, "nodes", "[{\"ip\":\"127.0.0.1\",\"port\":8848}]", "Array of nodes.").required();

const UPDATE: Operation = Operation {
    name: "updateNodes",
    summary: "Takes descriptions of nodes, in a JSON body or a form. Nothing is kept: nodes tell of themselves.",
    params: &[NODES],
    faults: &[],
    run: update,
};

const LOOKUP: Operation = Operation {
    name: "setLookup",
    summary: "Says where nodes learn of each other. By their settings, whatever is said.",
    params: &[Param::new(Kind::Text, "type", "file", "`file` or `address-server`.").required()],
    faults: &[],
    run: lookup,
};

const LEAVE: Operation =
    Operation { name: "leaveCluster", summary: "Refused, as by the reference.", params: &[], faults: &[], run: leave };

/// The states a node can be in.
const STATES: [&str; 5] = ["STARTING", "UP", "SUSPICIOUS", "DOWN", "ISOLATION"];

/// A node of the cluster as operators see it.
struct Member {
    address: CompactString,
    state: &'static str,
    /// When it was last heard of.
    refreshed: u64,
}

impl Call<'_> {
    fn this_member(&self) -> Member {
        let refreshed = self.api.connections.runtime().clock().now().wall;
        Member { address: self.api.cluster().address.clone(), state: "UP", refreshed }
    }

    fn members(&self) -> Vec<Member> {
        vec![self.this_member()]
    }
}

/// Host and port of a main address; a host of colons is without its brackets.
pub(super) fn host_and_port(address: &str) -> (&str, &str) {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    (host.trim_start_matches('[').trim_end_matches(']'), port)
}

impl Member {
    fn shown(&self, generation: Generation) -> Value {
        let (host, port) = host_and_port(&self.address);
        json!({
            "ip": host,
            "port": port.parse::<u16>().unwrap_or_default(),
            "address": self.address,
            "state": self.state,
            "extendInfo": {
                "lastRefreshTime": self.refreshed,
                "raftMetaData": {"metaDataMap": {}},
                "version": generation.release(),
                "readyToUpgrade": true,
                "supportGrayModel": true,
            },
            "failAccessCnt": 0,
            "abilities": {
                "remoteAbility": {"supportRemoteConnection": true, "grpcReportEnabled": true},
                "configAbility": {"supportRemoteMetrics": false},
                "namingAbility": {"supportJraft": true},
            },
            "grpcReportEnabled": true,
        })
    }
}

/// Nodes as their generation wraps them: the first one does, by an envelope of its own.
fn answer(call: &Call<'_>, data: &Value) -> Step {
    if call.generation == V1 { Answer::rest(data) } else { Answer::json(data) }
}

/// A refusal in the envelope of the first generation, with status 200.
pub(super) fn rest_fault(code: u16, message: &str) -> Step {
    Answer::bare(&json!({"code": code, "message": message, "data": null})).into()
}

fn this(call: &Call<'_>) -> Result<Step, Fault> {
    Ok(answer(call, &call.this_member().shown(call.generation)))
}

fn health(call: &Call<'_>) -> Result<Step, Fault> {
    Ok(answer(call, &call.this_member().state.into()))
}

fn addresses(call: &Call<'_>) -> Result<Step, Fault> {
    let all: Value = call.members().iter().map(|member| member.address.as_str()).collect();
    Ok(answer(call, &all))
}

fn search(call: &Call<'_>) -> Result<Step, Fault> {
    let keyword = call.params.text("keyword").trim();
    Ok(chosen(call, |member| member.address.contains(keyword)))
}

fn list(call: &Call<'_>) -> Result<Step, Fault> {
    let beginning = call.params.text("address").trim();
    let given = call.params.text("state").trim();
    let state = STATES.into_iter().find(|state| state.eq_ignore_ascii_case(given));
    if state.is_none() && !given.is_empty() {
        return Err(Fault::illegal_state(given));
    }
    Ok(chosen(call, |member| member.address.starts_with(beginning) && state.is_none_or(|state| state == member.state)))
}

fn chosen(call: &Call<'_>, is_chosen: impl Fn(&Member) -> bool) -> Step {
    let members = call.members();
    let shown = members.iter().filter(|member| is_chosen(member)).map(|member| member.shown(call.generation));
    answer(call, &shown.collect())
}

/// Of nodes that are known already everything is known, and no others are made known this way.
fn update(call: &Call<'_>) -> Result<Step, Fault> {
    match json_body::value(call, NODES.name)? {
        Some(Value::Array(nodes)) if !nodes.is_empty() => Ok(Answer::json(&json!(true))),
        _ => Err(Fault::lacking(NODES.name)),
    }
}

fn leave(call: &Call<'_>) -> Result<Step, Fault> {
    let path = if call.generation == V1 { "/v1/core/cluster/server/leave" } else { "/v2/core/cluster/nodes" };
    Ok(rest_fault(405, &format!("{path} API not allow to use temporarily.")))
}

fn lookup(call: &Call<'_>) -> Result<Step, Fault> {
    match (call.present("type")?, call.generation) {
        ("file", V1) => Ok(Answer::rest(&Value::Null)),
        ("file", _) => Ok(Answer::json(&json!(true))),
        ("address-server", _) => Err(Fault::disabled("nodes are not looked up at an address server")),
        (unknown, generation) => {
            let text = format!("The addressing mode exists : {unknown}, just support : [[file, address-server]]");
            if generation == V1 { Ok(rest_fault(500, &text)) } else { Err(Fault::validation(text)) }
        }
    }
}
