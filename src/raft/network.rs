//! The group's own calls to other members, each with a deadline.
//!
//! A member that has no place in the group yet is given its place by whoever calls it first: it was found empty, under the
//! id of its disk, before it was made a member.

use std::{future::Future, io, sync::Arc, time::Duration};

use openraft::{
    AnyError, RaftNetworkFactory, RaftNetworkV2,
    errors::{RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::RPCOption,
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderError, TransferLeaderRequest,
        TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, service::interceptor::InterceptedService, transport::Channel};

use crate::{
    peer::{Calls, MESSAGE_BYTES, Stamp},
    proto::raft::{self as proto, append_answer, raft_client::RaftClient, snapshot_piece::Piece, transfer_answer},
    raft::{
        codec::{decode_log_id, decode_vote, encode_entry, encode_log_id, encode_meta, encode_vote},
        off_thread::off_thread,
        place::Place,
        store::SnapshotData,
        types::{LogId, Member, Snapshot, TypeConfig, Vote},
    },
    wire::peer::{IllegalMessage, encode_node},
};

/// Calls to one member.
pub(super) type Client = RaftClient<InterceptedService<Channel, Stamp>>;

/// A piece of a snapshot on its way.
const PIECE_BYTES: usize = 256 * 1024;
/// Pieces read ahead of the network.
const PIECES: usize = 4;
/// How long giving a member its place may take.
const ASSIGNING: Duration = Duration::from_secs(2);

/// Calls to the member at an address.
pub(super) fn client(calls: &dyn Calls, member: &Member) -> Result<Client, Status> {
    let channel = calls.channel(&member.address);
    let channel = channel.map_err(|illegal| Status::invalid_argument(illegal.to_string()))?;
    Ok(over(channel, calls.stamp()))
}

pub(super) fn over(channel: Channel, stamp: Stamp) -> Client {
    RaftClient::with_interceptor(channel, stamp)
        .max_decoding_message_size(MESSAGE_BYTES)
        .max_encoding_message_size(MESSAGE_BYTES)
}

/// Makes the lines to members.
pub(super) struct Network {
    pub(super) calls: Arc<dyn Calls>,
    pub(super) place: Place,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Line;

    async fn new_client(&mut self, target: u64, member: &Member) -> Line {
        Line {
            calls: self.calls.clone(),
            place: self.place,
            target,
            member: member.clone(),
            client: None,
            refused: String::new(),
        }
    }
}

/// A line to one member. Heartbeats and snapshots have lines of their own, so that none waits for another.
pub(super) struct Line {
    calls: Arc<dyn Calls>,
    place: Place,
    target: u64,
    member: Member,
    client: Option<Client>,
    /// Why the member did not take its place when it was given it last.
    refused: String,
}

impl Line {
    fn client(&mut self) -> Result<Client, Status> {
        if self.client.is_none() {
            self.client = Some(client(&*self.calls, &self.member)?);
        }
        Ok(self.client.clone().expect("made above"))
    }

    fn target(&self) -> proto::Target {
        self.place.target(self.target)
    }

    /// Makes a call. What fails, fails as unreachable: openraft then waits before it tries again.
    async fn call<T, F>(
        &mut self,
        patience: Duration,
        call: impl FnOnce(Client) -> F,
    ) -> Result<T, RPCError<TypeConfig>>
    where
        F: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        let client = self.client().map_err(unreachable)?;
        let answered = timeout(patience, call(client)).await;
        match answered {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => {
                if status.code() == Code::FailedPrecondition {
                    self.assign().await;
                }
                // Whoever is dialled anew may be found elsewhere.
                if status.code() == Code::Unavailable {
                    self.client = None;
                }
                Err(unreachable(status))
            }
            Err(_) => Err(unreachable(Status::deadline_exceeded("no answer in time"))),
        }
    }

    /// Gives the member its place, if it has none.
    async fn assign(&mut self) {
        let Ok(mut client) = self.client() else { return };
        let place = Place { id: self.target, ..self.place };
        let request = proto::AssignRequest { place: Some(place.encode()), node: Some(encode_node(self.member.node)) };
        match timeout(ASSIGNING, client.assign(request)).await {
            Ok(Ok(answer)) => {
                let refused = answer.into_inner().refused;
                if !refused.is_empty() && refused != self.refused {
                    tracing::warn!(member = %self.member.address, refused, "a member does not take its place");
                }
                self.refused = refused;
            }
            Ok(Err(status)) => tracing::debug!(member = %self.member.address, %status, "no place given"),
            Err(_) => {}
        }
    }
}

fn unreachable(status: impl std::error::Error + 'static) -> RPCError<TypeConfig> {
    RPCError::Unreachable(Unreachable::new(&AnyError::new(&status)))
}

fn illegible(illegal: &IllegalMessage) -> RPCError<TypeConfig> {
    unreachable(io::Error::other(illegal.to_string()))
}

fn request<T>(message: T, patience: Duration) -> Request<T> {
    let mut request = Request::new(message);
    // So that the other member does not begin what nobody waits for any more.
    request.set_timeout(patience);
    request
}

impl RaftNetworkV2<TypeConfig> for Line {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        let message = proto::AppendRequest {
            target: Some(self.target()),
            vote: Some(encode_vote(&rpc.vote)),
            previous: rpc.prev_log_id.as_ref().map(encode_log_id),
            entries: rpc.entries.iter().map(encode_entry).collect(),
            committed: rpc.leader_commit.as_ref().map(encode_log_id),
        };
        let patience = option.hard_ttl();
        let append = |mut client: Client| async move { client.append(request(message, patience)).await };
        let answer = self.call(patience, append).await?;
        decode_append(answer).map_err(|illegal| illegible(&illegal))
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ask(rpc, false, option.hard_ttl()).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ask(rpc, true, option.hard_ttl()).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        tokio::select! {
            closed = cancel => Err(closed.into()),
            sent = self.send(vote, snapshot, option.hard_ttl()) => Ok(sent?),
        }
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        let message = proto::TransferRequest {
            target: Some(self.target()),
            from: Some(encode_vote(rpc.from_leader())),
            last: rpc.last_log_id().map(encode_log_id),
            to: *rpc.to_node_id(),
        };
        let patience = option.hard_ttl();
        let transfer = |mut client: Client| async move { client.transfer(request(message, patience)).await };
        let answer = self.call(patience, transfer).await?;
        decode_transfer(answer, rpc.from_leader(), rpc.last_log_id()).map_err(|illegal| illegible(&illegal))
    }
}

impl Line {
    async fn ask(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        pre: bool,
        patience: Duration,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let message = proto::VoteRequest {
            target: Some(self.target()),
            vote: Some(encode_vote(&rpc.vote)),
            last: rpc.last_log_id.as_ref().map(encode_log_id),
            transfer: rpc.leadership_transfer,
            pre,
        };
        let vote = |mut client: Client| async move { client.vote(request(message, patience)).await };
        let answer = self.call(patience, vote).await?;
        let vote = decode_vote(answer.vote).map_err(|illegal| illegible(&illegal))?;
        Ok(VoteResponse { vote, vote_granted: answer.granted, last_log_id: answer.last.map(decode_log_id) })
    }

    async fn send(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        patience: Duration,
    ) -> Result<SnapshotResponse<TypeConfig>, RPCError<TypeConfig>> {
        let head = proto::SnapshotHead {
            target: Some(self.target()),
            vote: Some(encode_vote(&vote)),
            meta: Some(encode_meta(&snapshot.meta)),
        };
        let pieces = pieces(head, snapshot.snapshot);
        let send = |mut client: Client| async move { client.snapshot(request(pieces, patience)).await };
        let answer = self.call(patience, send).await?;
        Ok(SnapshotResponse::new(decode_vote(answer.vote).map_err(|illegal| illegible(&illegal))?))
    }
}

/// The head, then the file as fast as the other side takes it. One that cannot be read ends early, which the other side
/// notices.
fn pieces(head: proto::SnapshotHead, file: SnapshotData) -> ReceiverStream<proto::SnapshotPiece> {
    let (sender, receiver) = mpsc::channel(PIECES);
    let send = async move {
        let piece = |piece| proto::SnapshotPiece { piece: Some(piece) };
        let mut sent = sender.send(piece(Piece::Head(head))).await;
        let mut offset = 0;
        while sent.is_ok() && offset < file.size() {
            let file = file.clone();
            let bytes = off_thread(move || file.read_at(offset, PIECE_BYTES)).await.flatten()?;
            offset += bytes.len() as u64;
            sent = sender.send(piece(Piece::Bytes(bytes))).await;
        }
        Ok::<_, io::Error>(())
    };
    tokio::spawn(async move {
        if let Err(error) = send.await {
            tracing::warn!(%error, "a snapshot cannot be read");
        }
    });
    ReceiverStream::new(receiver)
}

fn decode_append(answer: proto::AppendAnswer) -> Result<AppendEntriesResponse<TypeConfig>, IllegalMessage> {
    use append_answer::Result as Answer;
    Ok(match answer.result.ok_or(IllegalMessage::Missing("an answer"))? {
        Answer::Taken(_) => AppendEntriesResponse::Success,
        Answer::Partly(up_to) => AppendEntriesResponse::PartialSuccess(up_to.id.map(decode_log_id)),
        Answer::Conflict(_) => AppendEntriesResponse::Conflict,
        Answer::Higher(vote) => AppendEntriesResponse::HigherVote(decode_vote(Some(vote))?),
    })
}

fn decode_transfer(
    answer: proto::TransferAnswer,
    from: &Vote,
    last: Option<&LogId>,
) -> Result<TransferLeaderResponse<TypeConfig>, IllegalMessage> {
    use transfer_answer::Refusal;
    Ok(match answer.refusal {
        None => Ok(()),
        Some(Refusal::Vote(actual)) => {
            Err(TransferLeaderError::VoteChanged { expected: *from, actual: decode_vote(Some(actual))? })
        }
        Some(Refusal::Last(actual)) => {
            Err(TransferLeaderError::LogNotFlushed { expected: last.copied(), actual: actual.id.map(decode_log_id) })
        }
    })
}
