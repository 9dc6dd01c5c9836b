//! `GET /roster/v1/cluster`: the members as this node sees them.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{
    distro::PeerDetail,
    http::{Api, Refused, group},
    member::{Cluster, Peer},
    model::{Incarnation, Millis},
    node::{Input, MemberDetail, Reply},
    raft::Status,
    wire::peer::{Phase, Regard},
};

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    /// The node that is asked.
    node: This,
    /// The others, by address.
    members: Vec<Member>,
    /// The group of persistent instances.
    raft: group::Shown,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct This {
    id: String,
    since: Millis,
    address: String,
    phase: &'static str,
}

/// Another member. Times are milliseconds ago, null for never.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Member {
    address: String,
    /// Null until it was heard of.
    id: Option<String>,
    /// Hybrid time of its start.
    since: Option<Millis>,
    state: &'static str,
    phase: &'static str,
    /// Whether its clock is too far ahead to be followed.
    skewed: bool,
    /// Whether a stream to it is there.
    linked: bool,
    heard: Option<Millis>,
    /// Clients that it owns, as far as this node knows.
    owns: usize,
    /// Clients that it has not been told the newest of.
    behind: usize,
    /// When it last found that it has all that this node owns.
    agreed: Option<Millis>,
    /// When this node last found that it has all that the member owns.
    has_all: Option<Millis>,
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Loading => "loading",
        Phase::Serving => "serving",
        Phase::Leaving => "leaving",
    }
}

fn state_name(state: Regard) -> &'static str {
    match state {
        Regard::Up => "up",
        Regard::Suspect => "suspect",
        Regard::Down => "down",
    }
}

impl From<MemberDetail> for Member {
    fn from(detail: MemberDetail) -> Self {
        let MemberDetail { peer, heard, distro } = detail;
        let PeerDetail { linked, owns, behind, agreed, has_all } = distro;
        let Peer { told: _, address, incarnation, state, phase, skewed } = peer;
        Self {
            address: address.into(),
            id: incarnation.map(|life| life.node.to_string()),
            since: incarnation.map(|life| life.since),
            state: state_name(state),
            phase: phase_name(phase),
            skewed,
            linked,
            heard,
            owns,
            behind,
            agreed,
            has_all,
        }
    }
}

fn shown(cluster: &Cluster, members: Vec<MemberDetail>, raft: Status) -> Shown {
    let Incarnation { node, since } = cluster.this;
    let address = cluster.address.to_string();
    Shown {
        node: This { id: node.to_string(), since, address, phase: phase_name(cluster.phase) },
        members: members.into_iter().map(Member::from).collect(),
        raft: raft.into(),
    }
}

pub(super) async fn show(State(api): State<Arc<Api>>) -> Result<Response, Refused> {
    let Reply::Members(members) = api.connections.runtime().handle(Input::Members)? else {
        unreachable!("members are answered with members")
    };
    Ok(Json(shown(&api.cluster(), members, api.group.status())).into_response())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::NodeId;

    #[test]
    fn members_are_shown_with_all_that_is_known_of_them() {
        let this = Incarnation { node: NodeId(1), since: 7 };
        let cluster = Cluster { this, address: "n1:1".into(), phase: Phase::Loading, peers: Vec::new() };
        let heard = Peer {
            told: "n2:1".into(),
            address: "n2:1".into(),
            incarnation: Some(Incarnation { node: NodeId(2), since: 9 }),
            state: Regard::Suspect,
            phase: Phase::Leaving,
            skewed: true,
        };
        let never = Peer { phase: Phase::Serving, ..Peer::unheard("n3:1".into()) };
        let detail = |peer, heard| MemberDetail {
            peer,
            heard,
            distro: PeerDetail { linked: true, owns: 3, behind: 2, agreed: Some(10), has_all: None },
        };
        let shown = shown(&cluster, vec![detail(heard, Some(5)), detail(never, None)], Status::default());
        let shown = serde_json::to_value(shown).expect("JSON");
        let id = |last: char| format!("{}{last}", "0".repeat(31));
        assert_eq!(shown["node"], json!({"id": id('1'), "since": 7, "address": "n1:1", "phase": "loading"}));
        assert_eq!(
            shown["members"][0],
            json!({"address": "n2:1", "id": id('2'), "since": 9, "state": "suspect", "phase": "leaving", "skewed": true,
                "linked": true, "heard": 5, "owns": 3, "behind": 2, "agreed": 10, "hasAll": null})
        );
        assert_eq!(shown["members"][1]["id"], json!(null));
        assert_eq!(shown["members"][1]["state"], "down");
    }
}
