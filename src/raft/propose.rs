//! A proposal on its way: judged here, made by the leader, shown here before it is answered.
//!
//! Promises that it is done once at most, however often it is repeated through elections and lost answers: its id is minted
//! here, travels within it, and the state machine knows which were done. That it waits for a bounded time. That whoever is
//! told that nothing changed can rely on it, and is told otherwise when nobody knows.

use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use openraft::{
    ReadPolicy,
    errors::{ClientWriteError, LinearizableReadError, RaftError},
};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tonic::{Code, Request};

use crate::{
    model::{AgreedKey, Forgotten, MetadataOperation, Outcome, Proposal, ProposalId},
    node::{Input, Reply},
    peer::is_refused,
    proto::raft::{self as proto, change_request::Change, propose_answer, read_index_answer},
    raft::{
        Agreement, Failure, MemberChange, Status,
        group::{Group, Running},
        network, numbers,
        off_thread::off_thread,
        store::write_snapshot,
        types::{Command, Member},
    },
    wire::raft::{decode_command, decode_outcome, encode_command},
};

/// Pauses before somebody is asked again: the first, doubled up to the longest. An election takes about a second.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// How long one try at a leader may take: whoever leads answers long before, and one that died is not waited for longer.
const TRY: Duration = Duration::from_millis(1_000);
/// How far ahead of the leader's clock a proposal may have been minted. One of a clock that runs away would make the group
/// forget too early what was done.
const AHEAD_MILLIS: u64 = 5_000;

/// What came of asking one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Agreed on and done by the asked node, as the entry of this index.
    Agreed(Outcome, u64),
    /// It does not lead; the number of who does, if it knows. Nothing was proposed.
    NotLeader(Option<u64>),
    /// It may have been proposed.
    Unknown(String),
    /// It was not proposed, for a reason that stays.
    Refused(String),
    /// It was not proposed because too much is under way.
    Busy,
}

impl fmt::Display for Attempt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Attempt::Agreed(..) => out.write_str("agreed"),
            Attempt::NotLeader(_) => out.write_str("there is no leader that most members follow"),
            Attempt::Unknown(why) | Attempt::Refused(why) => out.write_str(why),
            Attempt::Busy => out.write_str("too much is under way"),
        }
    }
}

#[tonic::async_trait]
impl Agreement for Group {
    async fn propose(&self, proposal: Proposal) -> Result<Reply, Failure> {
        let began = Instant::now();
        let result = self.propose_judged(proposal).await;
        numbers::proposed(&result, began.elapsed());
        result
    }

    fn status(&self) -> Status {
        Group::status(self)
    }

    async fn change_members(&self, change: MemberChange) -> Result<u64, Failure> {
        self.change(match change {
            MemberChange::Join(address) => Change::Join(proto::Join { address }),
            MemberChange::Remove(address) => Change::Leave(proto::Leave { address }),
            MemberChange::Transfer(address) => {
                Change::Transfer(proto::TransferTo { address: address.unwrap_or_default() })
            }
        })
        .await
    }

    async fn snapshot(&self) -> Result<(), Failure> {
        let running = self.running().map_err(Failure::Unavailable)?;
        running.raft.trigger().snapshot().await.map_err(|fatal| Failure::Unavailable(fatal.to_string()))
    }

    async fn backup(&self) -> Result<PathBuf, Failure> {
        let running = self.running().map_err(Failure::Unavailable)?;
        let path = self.origin().dir.join(format!("backup-{}", self.numbers().fetch_add(1, Ordering::Relaxed)));
        let (view, file) = (running.shared.view(), path.clone());
        let written = off_thread(move || write_snapshot(&view.state, &view.meta, &file)).await;
        let unavailable = |error: &dyn fmt::Display| Failure::Unavailable(error.to_string());
        written.map_err(|panic| unavailable(&panic))?.map_err(|error| unavailable(&error))?;
        Ok(path)
    }

    async fn catch_up(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + self.settings().write_deadline;
        let mut pause = FIRST_PAUSE;
        loop {
            let failed = match self.read_index().await {
                Ok((running, index)) => match timeout_at(deadline, running.applied(index)).await {
                    Ok(()) => return Ok(()),
                    Err(_) => Attempt::Refused("this node has not caught up yet".into()),
                },
                Err(failed) => failed,
            };
            if Instant::now() + pause >= deadline {
                return Err(Failure::Unavailable(failed.to_string()));
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }
}

impl Group {
    async fn propose_judged(&self, proposal: Proposal) -> Result<Reply, Failure> {
        let judged = self.runtime().handle(Input::Judge(Box::new(proposal.clone())))?;
        if !matches!(judged, Reply::Judged(true)) {
            return Ok(Reply::Done);
        }
        let _counted = self.under_way().try_acquire().map_err(|_| Failure::Busy)?;
        self.make_room(&proposal).await?;
        let outcome = self.agree(encode_command(&self.mint(), &proposal)).await?;
        Ok(Reply::of(outcome, &proposal)?)
    }

    /// What was set on a service that is not listed any more is forgotten before one of its name is made: soon it would be
    /// anyway.
    async fn make_room(&self, proposal: &Proposal) -> Result<(), Failure> {
        let Proposal::Metadata(MetadataOperation::Create { service, .. }) = proposal else { return Ok(()) };
        let Ok(running) = self.running() else { return Ok(()) };
        let key = AgreedKey::Service(service.clone());
        let Some(was) = running.shared.view().state.fingerprint(&key) else { return Ok(()) };
        let forget = Proposal::Forget(vec![Forgotten { key, was }]);
        self.agree(encode_command(&self.mint(), &forget)).await.map(drop)
    }

    fn mint(&self) -> ProposalId {
        let number = self.numbers().fetch_add(1, Ordering::Relaxed);
        ProposalId { minted: self.runtime().time(), node: self.disk(), number }
    }

    /// Has a command agreed on and waits until this node shows it.
    pub(super) async fn agree(&self, command: Bytes) -> Result<Outcome, Failure> {
        let deadline = Instant::now() + self.settings().write_deadline;
        let (mut pause, mut maybe_done) = (FIRST_PAUSE, None);
        loop {
            let attempt = self.attempt(&command, deadline).await;
            let last = match attempt {
                Attempt::Agreed(Outcome::Late, _) => return Err(Failure::Unknown(self.late())),
                Attempt::Agreed(Outcome::Overloaded, _) => return Err(Failure::Busy),
                Attempt::Agreed(outcome, index) => return self.shown(outcome, index, deadline).await,
                Attempt::Unknown(why) => {
                    maybe_done = Some(why.clone());
                    why
                }
                other => other.to_string(),
            };
            if self.is_out() || Instant::now() + pause >= deadline {
                return Err(match maybe_done {
                    Some(why) => Failure::Unknown(why),
                    None => Failure::Unavailable(last),
                });
            }
            // Entry nodes must not all come back at one moment.
            sleep(pause.mul_f64(self.jitter())).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    fn late(&self) -> String {
        "so late that the group does not know any more whether it was done; clocks of nodes may be far apart".into()
    }

    /// Nobody reads something older here after a write was answered.
    async fn shown(&self, outcome: Outcome, index: u64, deadline: Instant) -> Result<Outcome, Failure> {
        let running = self.running().map_err(Failure::Unknown)?;
        match timeout_at(deadline, running.applied(index)).await {
            Ok(()) => Ok(outcome),
            Err(_) => Err(Failure::Unknown("it is agreed on, but this node is behind and does not show it yet".into())),
        }
    }

    async fn attempt(&self, command: &Bytes, deadline: Instant) -> Attempt {
        let running = match self.running() {
            Ok(running) => running,
            Err(why) => return Attempt::Refused(why),
        };
        let patience = TRY.min(deadline.saturating_duration_since(Instant::now()));
        let Some((id, leader)) = running.leader() else { return Attempt::NotLeader(None) };
        let asked = async {
            if id == running.place.id {
                self.lead(&running, command.clone(), patience).await
            } else {
                self.ask(&running, id, &leader, command, patience).await
            }
        };
        tokio::select! {
            biased;
            attempt = asked => attempt,
            // Whoever led may be dead. What it did with the proposal shows when the next one is asked.
            () = running.another_leads(id) => Attempt::Unknown("another member leads now".into()),
        }
    }

    async fn ask(&self, running: &Running, id: u64, leader: &Member, command: &Bytes, patience: Duration) -> Attempt {
        use propose_answer::Result as Answer;
        let mut client = match self.line(leader) {
            Ok(client) => client,
            Err(status) => return Attempt::Refused(status.message().to_owned()),
        };
        let mut request = Request::new(proto::ProposeRequest {
            target: Some(running.place.target(id)),
            command: command.clone(),
            patience: patience.as_millis() as u64,
        });
        request.set_timeout(patience);
        let status = match timeout(patience, client.propose(request)).await {
            Err(_) => return Attempt::Unknown("the leader did not answer in time".into()),
            Ok(Err(status)) => status,
            Ok(Ok(answer)) => {
                return match answer.into_inner().result {
                    Some(Answer::Agreed(agreed)) => match decode_outcome(agreed.outcome) {
                        Ok(outcome) => Attempt::Agreed(outcome, agreed.index),
                        Err(illegal) => Attempt::Unknown(format!("the leader's answer cannot be read: {illegal}")),
                    },
                    Some(Answer::NotLeader(other)) => Attempt::NotLeader(other.leader),
                    Some(Answer::Refused(why)) => Attempt::Refused(why),
                    Some(Answer::Busy(_)) => Attempt::Busy,
                    Some(Answer::Unknown(why)) => Attempt::Unknown(why),
                    None => Attempt::Unknown("the leader's answer cannot be read".into()),
                };
            }
        };
        match status.code() {
            // Nobody was there to take it.
            _ if is_refused(&status) => {
                self.forget_line(leader);
                Attempt::NotLeader(None)
            }
            // Refused before it was looked at.
            Code::FailedPrecondition | Code::PermissionDenied | Code::Unauthenticated => Attempt::NotLeader(None),
            _ => {
                self.forget_line(leader);
                Attempt::Unknown(format!("the leader could not be asked: {}", status.message()))
            }
        }
    }

    /// Proposes for another node, if its command can be read and its clock be followed.
    pub(super) async fn lead_for_another(&self, running: &Running, command: Bytes, patience: Duration) -> Attempt {
        match decode_command(&command) {
            Ok((id, _)) if id.minted > self.runtime().time() + AHEAD_MILLIS => {
                Attempt::Refused("the clock of the node that was asked runs ahead of the leader's".into())
            }
            Ok(_) => self.lead(running, command, patience).await,
            Err(illegal) => Attempt::Refused(illegal.to_string()),
        }
    }

    /// Proposes as the leader. That includes finding out that this node does not lead.
    async fn lead(&self, running: &Running, command: Bytes, patience: Duration) -> Attempt {
        let Ok(_counted) = self.led().try_acquire() else { return Attempt::Busy };
        #[cfg(feature = "sabotage")]
        if crate::sabotage::Bug::AcknowledgeBeforeCommit.is_planted() {
            let raft = running.raft.clone();
            tokio::spawn(async move { raft.client_write(Command(command)).await });
            return Attempt::Agreed(Outcome::Done, 0);
        }
        let written = match timeout(patience, running.raft.client_write(Command(command))).await {
            Ok(written) => written,
            Err(_) => return Attempt::Unknown("most members did not agree in time".into()),
        };
        match written {
            Ok(written) => match written.data {
                Some(outcome) => Attempt::Agreed(outcome, written.log_id.index),
                None => Attempt::Unknown("the state machine did not answer".into()),
            },
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => Attempt::NotLeader(to.leader_id),
            Err(error) => Attempt::Unknown(error.to_string()),
        }
    }

    async fn read_index(&self) -> Result<(Arc<Running>, u64), Attempt> {
        let running = self.running().map_err(Attempt::Refused)?;
        let Some((id, leader)) = running.leader() else { return Err(Attempt::NotLeader(None)) };
        let asked = async {
            if id == running.place.id {
                running.read_index().await
            } else {
                self.ask_read_index(&running, id, &leader).await
            }
        };
        let index = tokio::select! {
            biased;
            index = asked => index?,
            () = running.another_leads(id) => return Err(Attempt::NotLeader(None)),
        };
        Ok((running, index))
    }

    async fn ask_read_index(&self, running: &Running, id: u64, leader: &Member) -> Result<u64, Attempt> {
        use read_index_answer::Result as Answer;
        let refused = |why: &str| Attempt::Refused(why.to_owned());
        let mut client = self.line(leader).map_err(|status| refused(status.message()))?;
        let request = proto::ReadIndexRequest { target: Some(running.place.target(id)) };
        let answered = timeout(TRY, client.read_index(request)).await;
        let answer = answered.map_err(|_| refused("the leader did not answer in time"))?.map_err(|status| {
            self.forget_line(leader);
            refused(status.message())
        })?;
        match answer.into_inner().result {
            Some(Answer::Index(index)) => Ok(index),
            Some(Answer::NotLeader(other)) => Err(Attempt::NotLeader(other.leader)),
            Some(Answer::Failed(why)) => Err(Attempt::Refused(why)),
            None => Err(refused("the leader's answer cannot be read")),
        }
    }
}

impl Running {
    /// Up to where all was acknowledged that anybody was told of, by the leader, who makes sure that it still is.
    pub(super) async fn read_index(&self) -> Result<u64, Attempt> {
        match timeout(TRY, self.raft.get_read_log_id(ReadPolicy::ReadIndex)).await {
            Ok(Ok((read, _))) => Ok(read.index()),
            Ok(Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(to)))) => {
                Err(Attempt::NotLeader(to.leader_id))
            }
            Ok(Err(error)) => Err(Attempt::Refused(error.to_string())),
            Err(_) => Err(Attempt::NotLeader(None)),
        }
    }
}

impl Group {
    /// Calls to a member, over a line that is kept.
    pub(super) fn line(&self, member: &Member) -> Result<network::Client, tonic::Status> {
        let mut lines = self.lines().lock();
        if let Some((_, client)) = lines.iter().find(|(known, _)| known == member) {
            return Ok(client.clone());
        }
        let client = network::client(&**self.calls(), member)?;
        lines.push((member.clone(), client.clone()));
        Ok(client)
    }

    /// Keeps those to members only.
    pub(super) fn keep_lines(&self, members: &BTreeMap<u64, Member>) {
        self.lines().lock().retain(|(known, _)| members.values().any(|member| member == known));
    }

    /// Dials anew next time.
    fn forget_line(&self, member: &Member) {
        self.lines().lock().retain(|(known, _)| known != member);
    }
}
