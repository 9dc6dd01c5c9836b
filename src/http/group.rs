//! `/roster/v1/cluster/…`: changes of the members, and copies of what they agreed on.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    http::{Api, Refused, bad_request, params::Params},
    model::HostPort,
    raft::{MemberChange, MemberStatus, OtherStatus, Status},
};

/// How the group of persistent instances stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    part: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    why: String,
    #[serde(flatten)]
    member: Option<Member>,
}

/// A member's own view. Indexes are those of entries of the log, null for none.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Member {
    group: String,
    id: u64,
    role: &'static str,
    term: u64,
    leader: Option<String>,
    /// Milliseconds since most members followed this leader; null for others.
    quorum_ago: Option<u64>,
    /// Milliseconds since this node last heard a leader that it followed; null if it never did.
    leader_ago: Option<u64>,
    last: Option<u64>,
    committed: Option<u64>,
    applied: Option<u64>,
    snapshot: Option<u64>,
    purged: Option<u64>,
    /// The same on all nodes that applied the same entries.
    hash: String,
    pairs: usize,
    voters: Vec<Voter>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Voter {
    id: u64,
    address: String,
    node: String,
    votes: bool,
    /// Up to where it has the log, as the leader knows.
    matched: Option<u64>,
}

impl From<Status> for Shown {
    fn from(status: Status) -> Self {
        Self { part: status.part, why: status.why, member: status.member.map(Member::from) }
    }
}

impl From<MemberStatus> for Member {
    fn from(status: MemberStatus) -> Self {
        Self {
            group: format!("{:032x}", status.group),
            id: status.id,
            role: status.role,
            term: status.term,
            leader: status.leader,
            quorum_ago: status.quorum_ago,
            leader_ago: status.leader_ago,
            last: status.last,
            committed: status.committed,
            applied: status.applied,
            snapshot: status.snapshot,
            purged: status.purged,
            hash: format!("{:016x}", status.hash),
            pairs: status.pairs,
            voters: status.members.into_iter().map(Voter::from).collect(),
        }
    }
}

impl From<OtherStatus> for Voter {
    fn from(one: OtherStatus) -> Self {
        let OtherStatus { id, address, node, votes, matched } = one;
        Self { id, address, node: node.to_string(), votes, matched }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    address: Option<String>,
}

fn address(text: &str) -> Result<String, Refused> {
    let address: HostPort = text.parse().map_err(bad_request)?;
    Ok(address.to_string())
}

/// `POST /roster/v1/cluster/members` with `{"address": "host:port"}`: the empty node there becomes a member.
pub(super) async fn join(State(api): State<Arc<Api>>, body: axum::body::Bytes) -> Result<Json<Value>, Refused> {
    let named: Named = serde_json::from_slice(&body).map_err(bad_request)?;
    let joining = address(&named.address.unwrap_or_default())?;
    change(&api, MemberChange::Join(joining)).await
}

/// `DELETE /roster/v1/cluster/members?address=host:port`: the member there is none any more.
pub(super) async fn remove(State(api): State<Arc<Api>>, params: Params) -> Result<Json<Value>, Refused> {
    change(&api, MemberChange::Remove(address(params.required("address")?)?)).await
}

/// `POST /roster/v1/cluster/leader` with `{"address": "host:port"}`, or `{}` for any: another member leads.
pub(super) async fn transfer(State(api): State<Arc<Api>>, body: axum::body::Bytes) -> Result<Json<Value>, Refused> {
    let named: Named = serde_json::from_slice(&body).map_err(bad_request)?;
    let to = named.address.as_deref().map(address).transpose()?;
    change(&api, MemberChange::Transfer(to)).await
}

async fn change(api: &Api, change: MemberChange) -> Result<Json<Value>, Refused> {
    let id = api.group.change_members(change).await?;
    Ok(Json(json!({"id": id})))
}

/// `POST /roster/v1/cluster/snapshot`: this node makes a snapshot.
pub(super) async fn snapshot(State(api): State<Arc<Api>>) -> Result<Json<Value>, Refused> {
    api.group.snapshot().await?;
    Ok(Json(json!({"begun": true})))
}

/// `GET /roster/v1/cluster/backup`: all that is agreed on, as this node shows it, in the form of a snapshot.
pub(super) async fn backup(State(api): State<Arc<Api>>) -> Result<Response, Refused> {
    let failed = |error: std::io::Error| Refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    let path = api.group.backup().await?;
    let file = tokio::fs::File::open(&path).await;
    // The open file lives on without its name.
    tokio::fs::remove_file(&path).await.map_err(failed)?;
    let file = file.map_err(failed)?;
    let length = file.metadata().await.map_err(failed)?.len();
    let headers =
        [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_LENGTH, length.to_string())];
    let body = Body::from_stream(tokio_util::io::ReaderStream::new(file));
    Ok((headers, body).into_response())
}
