//! Operations on the nodes of the cluster (http.md 10.3, 11, 12.3, 12.4).

use compact_str::CompactString;
use serde_json::{Value, json};

use crate::{
    http::nacos::{
        Answer, Call, Fault, Generation,
        Generation::{V1, V2, V3},
        Route, Step, json_body,
        operation::{
            Kind,
            Method::{Delete, Get, Post, Put},
            Operation, Param,
        },
    },
    member::Cluster,
    model::Millis,
    node::{Input, MemberDetail, Reply},
    wire::peer::{Phase, Regard},
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
#[derive(Debug, PartialEq, Eq)]
struct Member {
    address: CompactString,
    state: &'static str,
    /// When it was last heard of; 0 for never.
    refreshed: Millis,
}

impl Call<'_> {
    fn now(&self) -> Millis {
        self.api.connections.runtime().clock().now().wall
    }

    fn this_member(&self) -> Member {
        Member::this(&self.api.cluster(), self.now())
    }

    fn members(&self) -> Result<Vec<Member>, Fault> {
        let Reply::Members(others) = self.handle(Input::Members)? else {
            unreachable!("members are answered with members")
        };
        Ok(members(&self.api.cluster(), &others, self.now()))
    }
}

/// All of them, by address.
fn members(cluster: &Cluster, others: &[MemberDetail], now: Millis) -> Vec<Member> {
    let mut all: Vec<Member> = others.iter().map(|other| Member::other(other, now)).collect();
    all.push(Member::this(cluster, now));
    all.sort_unstable_by(|one, other| one.address.cmp(&other.address));
    all
}

fn state(regard: Regard, phase: Phase) -> &'static str {
    match (regard, phase) {
        (Regard::Down, _) => "DOWN",
        (Regard::Suspect, _) => "SUSPICIOUS",
        (Regard::Up, Phase::Loading) => "STARTING",
        (Regard::Up, Phase::Serving | Phase::Leaving) => "UP",
    }
}

/// Host and port of a main address; a host of colons is without its brackets.
pub(super) fn host_and_port(address: &str) -> (&str, &str) {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    (host.trim_start_matches('[').trim_end_matches(']'), port)
}

impl Member {
    fn this(cluster: &Cluster, now: Millis) -> Self {
        Self { address: cluster.address.clone(), state: state(Regard::Up, cluster.phase), refreshed: now }
    }

    fn other(detail: &MemberDetail, now: Millis) -> Self {
        let refreshed = detail.heard.map_or(0, |heard| now.saturating_sub(heard));
        Self { address: detail.peer.address.clone(), state: state(detail.peer.state, detail.peer.phase), refreshed }
    }

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
    let all: Value = call.members()?.iter().map(|member| member.address.as_str()).collect();
    Ok(answer(call, &all))
}

fn search(call: &Call<'_>) -> Result<Step, Fault> {
    let keyword = call.params.text("keyword").trim();
    chosen(call, |member| member.address.contains(keyword))
}

fn list(call: &Call<'_>) -> Result<Step, Fault> {
    let beginning = call.params.text("address").trim();
    let given = call.params.text("state").trim();
    let state = STATES.into_iter().find(|state| state.eq_ignore_ascii_case(given));
    if state.is_none() && !given.is_empty() {
        return Err(Fault::illegal_state(given));
    }
    chosen(call, |member| member.address.starts_with(beginning) && state.is_none_or(|state| state == member.state))
}

fn chosen(call: &Call<'_>, is_chosen: impl Fn(&Member) -> bool) -> Result<Step, Fault> {
    let members = call.members()?;
    let shown = members.iter().filter(|member| is_chosen(member)).map(|member| member.shown(call.generation));
    Ok(answer(call, &shown.collect()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        member::Peer,
        model::{Incarnation, NodeId},
    };

    #[test]
    fn members_are_in_order_of_their_addresses_and_in_the_states_of_the_reference() {
        let this = Incarnation { node: NodeId(1), since: 0 };
        let cluster = Cluster { this, address: "n2:1".into(), phase: Phase::Loading, peers: Vec::new() };
        let other = |address: &str, state, phase, heard| MemberDetail {
            peer: Peer { state, phase, ..Peer::unheard(address.into()) },
            heard,
            distro: crate::distro::PeerDetail { linked: false, owns: 0, behind: 0, agreed: None, has_all: None },
        };
        let others = [
            other("n3:1", Regard::Up, Phase::Serving, Some(30)),
            other("n1:1", Regard::Suspect, Phase::Loading, Some(200)),
            other("n4:1", Regard::Down, Phase::Serving, None),
            other("n0:1", Regard::Up, Phase::Loading, Some(0)),
        ];
        let all = members(&cluster, &others, 100);
        let shown: Vec<_> = all.iter().map(|one| (one.address.as_str(), one.state, one.refreshed)).collect();
        assert_eq!(
            shown,
            [
                ("n0:1", "STARTING", 100),
                ("n1:1", "SUSPICIOUS", 0),
                ("n2:1", "STARTING", 100),
                ("n3:1", "UP", 70),
                ("n4:1", "DOWN", 0)
            ]
        );
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        assert_eq!(host_and_port("n1:8848"), ("n1", "8848"));
        assert_eq!(host_and_port("[::1]:7"), ("::1", "7"));
        let member = Member { address: "n1:8848".into(), state: "UP", refreshed: 1 };
        let shown = member.shown(V3);
        assert_eq!((&shown["ip"], &shown["port"]), (&json!("n1"), &json!(8848)));
    }
}
