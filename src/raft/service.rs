//! The cluster port's side of the group: what other members and nodes that want to be members ask of this one.
//!
//! Promises that nothing reaches raft that is not meant for this node under its number in this group: a node whose disk was
//! emptied is another one, and votes under the old number are not its own.

use std::sync::Arc;

use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest, VoteRequest,
};
use tokio::time::Instant;
use tonic::{Request, Response, Status, Streaming, service::Interceptor, service::interceptor::InterceptedService};

use crate::{
    model::NodeId,
    peer::{Calls, MESSAGE_BYTES},
    proto::raft::{
        self as proto, append_answer,
        raft_server::{Raft, RaftServer},
        read_index_answer,
        snapshot_piece::Piece,
        transfer_answer,
    },
    raft::{
        carry::encode_answers,
        codec::{decode_entry, decode_log_id, decode_meta, decode_vote, encode_log_id, encode_vote},
        group::{Group, Running, STARTING},
        off_thread::off_thread,
        place::Place,
        propose::Attempt,
        types::{Snapshot, TypeConfig},
    },
    wire::peer::{IllegalMessage, decode_node, encode_node},
};

/// The service of this node, behind its gate.
pub(super) fn server(group: Arc<Group>) -> InterceptedService<RaftServer<Service>, Gate> {
    let gate = Gate(group.calls.clone());
    let service = RaftServer::new(Service(group))
        .max_decoding_message_size(MESSAGE_BYTES)
        .max_encoding_message_size(MESSAGE_BYTES);
    InterceptedService::new(service, gate)
}

/// Lets in who knows name and secret of the cluster, before anything but the head of a call is read.
#[derive(Clone)]
pub(super) struct Gate(Arc<dyn Calls>);

impl Interceptor for Gate {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        self.0.check(request.metadata(), request.remote_addr())?;
        Ok(request)
    }
}

/// The calls.
pub(super) struct Service(Arc<Group>);

impl Service {
    /// This node's part, if the call is for it.
    fn meant(&self, target: Option<proto::Target>) -> Result<Arc<Running>, Status> {
        let target = target.ok_or_else(|| illegal(&IllegalMessage::Missing("a target")))?;
        let group = target.group.map(decode_node).ok_or_else(|| illegal(&IllegalMessage::Missing("a group")))?;
        let running = self.0.running().map_err(Status::failed_precondition)?;
        if running.place != (Place { group: group.0, id: target.id }) {
            return Err(Status::failed_precondition("this node has another place, or is of another group"));
        }
        Ok(running)
    }
}

fn illegal(illegal: &IllegalMessage) -> Status {
    Status::invalid_argument(illegal.to_string())
}

fn readable<T>(read: Result<T, IllegalMessage>) -> Result<T, Status> {
    read.map_err(|error| illegal(&error))
}

fn failed(error: impl std::fmt::Display) -> Status {
    Status::internal(error.to_string())
}

#[tonic::async_trait]
impl Raft for Service {
    async fn status(&self, _: Request<proto::StatusRequest>) -> Result<Response<proto::StatusAnswer>, Status> {
        let group = &self.0;
        let (place, begun, leader) = group.stance().ok_or_else(|| Status::unavailable(STARTING))?;
        let (members_at, members) = group.running().map_or_else(|_| Default::default(), |running| running.numbers());
        Ok(Response::new(proto::StatusAnswer {
            place: place.map(Place::encode),
            begun,
            seeds: group.seeds().iter().map(ToString::to_string).collect(),
            leader: leader.map_or_else(String::new, |leader| leader.address.into()),
            node: Some(encode_node(group.disk)),
            members,
            members_at,
        }))
    }

    async fn assign(&self, request: Request<proto::AssignRequest>) -> Result<Response<proto::AssignAnswer>, Status> {
        let request = request.into_inner();
        let place = readable(Place::decode(request.place))?;
        let node: NodeId = decode_node(request.node.ok_or_else(|| illegal(&IllegalMessage::Missing("a node")))?);
        let refused = self.0.assigned(node, place).await.err().unwrap_or_default();
        Ok(Response::new(proto::AssignAnswer { refused }))
    }

    async fn append(&self, request: Request<proto::AppendRequest>) -> Result<Response<proto::AppendAnswer>, Status> {
        use append_answer::Result as Answer;
        let request = request.into_inner();
        let running = self.meant(request.target)?;
        let rpc = AppendEntriesRequest::<TypeConfig> {
            vote: readable(decode_vote(request.vote))?,
            prev_log_id: request.previous.map(decode_log_id),
            entries: readable(request.entries.into_iter().map(decode_entry).collect())?,
            leader_commit: request.committed.map(decode_log_id),
        };
        let result = running.raft.append_entries(rpc).await.map_err(failed)?;
        if !matches!(result, AppendEntriesResponse::HigherVote(_)) {
            *running.followed.lock() = Some(Instant::now());
        }
        let result = match result {
            AppendEntriesResponse::Success => Answer::Taken(proto::Taken {}),
            AppendEntriesResponse::PartialSuccess(up_to) => {
                Answer::Partly(proto::LogIdOrNone { id: up_to.as_ref().map(encode_log_id) })
            }
            AppendEntriesResponse::Conflict => Answer::Conflict(proto::Conflict {}),
            AppendEntriesResponse::HigherVote(vote) => Answer::Higher(encode_vote(&vote)),
        };
        Ok(Response::new(proto::AppendAnswer { result: Some(result) }))
    }

    async fn vote(&self, request: Request<proto::VoteRequest>) -> Result<Response<proto::VoteAnswer>, Status> {
        let request = request.into_inner();
        let running = self.meant(request.target)?;
        let vote = readable(decode_vote(request.vote))?;
        let mut rpc = VoteRequest::<TypeConfig>::new(vote, request.last.map(decode_log_id));
        rpc.leadership_transfer = request.transfer;
        let answer = match request.pre {
            true => running.raft.pre_vote(rpc).await,
            false => running.raft.vote(rpc).await,
        };
        let answer = answer.map_err(failed)?;
        Ok(Response::new(proto::VoteAnswer {
            vote: Some(encode_vote(&answer.vote)),
            granted: answer.vote_granted,
            last: answer.last_log_id.as_ref().map(encode_log_id),
        }))
    }

    async fn snapshot(
        &self,
        request: Request<Streaming<proto::SnapshotPiece>>,
    ) -> Result<Response<proto::SnapshotAnswer>, Status> {
        let mut pieces = request.into_inner();
        let Some(Piece::Head(head)) = pieces.message().await?.and_then(|piece| piece.piece) else {
            return Err(illegal(&IllegalMessage::Missing("the head of a snapshot")));
        };
        let running = self.meant(head.target)?;
        let vote = readable(decode_vote(head.vote))?;
        let meta = readable(decode_meta(head.meta))?;
        // The disk is not waited for here.
        let snapshots = running.snapshots.clone();
        let mut receiving = off_thread(move || snapshots.receive()).await.map_err(failed)?.map_err(failed)?;
        while let Some(piece) = pieces.message().await? {
            let Some(Piece::Bytes(bytes)) = piece.piece else {
                return Err(illegal(&IllegalMessage::Missing("a piece of a snapshot")));
            };
            let written = off_thread(move || receiving.write(&bytes).map(|()| receiving)).await;
            receiving = written.map_err(failed)?.map_err(failed)?;
        }
        let snapshot = receiving.finish();
        let answer = running.raft.install_full_snapshot(vote, Snapshot { meta, snapshot }).await.map_err(failed)?;
        Ok(Response::new(proto::SnapshotAnswer { vote: Some(encode_vote(&answer.vote)) }))
    }

    async fn transfer(
        &self,
        request: Request<proto::TransferRequest>,
    ) -> Result<Response<proto::TransferAnswer>, Status> {
        use transfer_answer::Refusal;
        let request = request.into_inner();
        let running = self.meant(request.target)?;
        let from = readable(decode_vote(request.from))?;
        let rpc = TransferLeaderRequest::new(from, request.to, request.last.map(decode_log_id));
        let refusal = match running.raft.handle_transfer_leader(rpc).await.map_err(failed)? {
            Ok(()) => None,
            Err(TransferLeaderError::VoteChanged { actual, .. }) => Some(Refusal::Vote(encode_vote(&actual))),
            Err(TransferLeaderError::LogNotFlushed { actual, .. }) => {
                Some(Refusal::Last(proto::LogIdOrNone { id: actual.as_ref().map(encode_log_id) }))
            }
        };
        Ok(Response::new(proto::TransferAnswer { refusal }))
    }

    async fn propose(&self, request: Request<proto::ProposeRequest>) -> Result<Response<proto::ProposeAnswer>, Status> {
        let request = request.into_inner();
        let running = self.meant(request.target)?;
        let patience = std::time::Duration::from_millis(request.patience);
        let commands = std::iter::once(request.command).chain(request.more);
        Ok(Response::new(encode_answers(self.0.lead_for_another(&running, commands, patience).await)))
    }

    async fn read_index(
        &self,
        request: Request<proto::ReadIndexRequest>,
    ) -> Result<Response<proto::ReadIndexAnswer>, Status> {
        use read_index_answer::Result as Answer;
        let running = self.meant(request.into_inner().target)?;
        let result = match running.read_index().await {
            Ok(index) => Answer::Index(index),
            Err(Attempt::NotLeader(leader)) => Answer::NotLeader(proto::NotLeader { leader }),
            Err(other) => Answer::Failed(other.to_string()),
        };
        Ok(Response::new(proto::ReadIndexAnswer { result: Some(result) }))
    }

    async fn change(&self, request: Request<proto::ChangeRequest>) -> Result<Response<proto::ChangeAnswer>, Status> {
        let change = request.into_inner().change.ok_or_else(|| illegal(&IllegalMessage::Missing("a change")))?;
        let result = self.0.change_here(change).await;
        Ok(Response::new(proto::ChangeAnswer { result: Some(result) }))
    }
}
