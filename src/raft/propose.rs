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
    errors::{LinearizableReadError, RaftError},
};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::{
    model::{AgreedKey, Forgotten, MetadataOperation, Outcome, Proposal, ProposalId},
    node::{Input, Reply},
    proto::raft::{self as proto, change_request::Change, read_index_answer},
    raft::{
        Agreement, Failure, MemberChange, Status,
        group::{Group, Running},
        network, numbers,
        off_thread::off_thread,
        store::write_snapshot,
        types::Member,
    },
    wire::raft::encode_command,
};

/// Pauses before somebody is asked again: the first, doubled up to the longest. An election takes about a second.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// How long one try at a leader may take: whoever leads answers long before, and one that died is not waited for longer.
const TRY: Duration = Duration::from_millis(1_000);

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
        let path = self.origin.dir.join(format!("backup-{}", self.numbers.fetch_add(1, Ordering::Relaxed)));
        let (view, file) = (running.shared.view(), path.clone());
        let written = off_thread(move || write_snapshot(&view.state, &view.meta, &file)).await;
        let unavailable = |error: &dyn fmt::Display| Failure::Unavailable(error.to_string());
        written.map_err(|panic| unavailable(&panic))?.map_err(|error| unavailable(&error))?;
        Ok(path)
    }

    async fn catch_up(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + self.settings.write_deadline;
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
        let judged = self.runtime.handle(Input::Judge(Box::new(proposal.clone())))?;
        if !matches!(judged, Reply::Judged(true)) {
            return Ok(Reply::Done);
        }
        let _counted = self.under_way.try_acquire().map_err(|_| Failure::Busy)?;
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
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        ProposalId { minted: self.runtime.time(), node: self.disk, number }
    }

    /// Has a command agreed on and waits until this node shows it.
    pub(super) async fn agree(&self, command: Bytes) -> Result<Outcome, Failure> {
        let deadline = Instant::now() + self.settings.write_deadline;
        let (mut pause, mut maybe_done) = (FIRST_PAUSE, None);
        loop {
            let last = match self.attempt(&command, deadline.min(Instant::now() + TRY)).await {
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
        let mut lines = self.lines.lock();
        if let Some((_, client)) = lines.iter().find(|(known, _)| known == member) {
            return Ok(client.clone());
        }
        let client = network::client(&*self.calls, member)?;
        lines.push((member.clone(), client.clone()));
        Ok(client)
    }

    /// Keeps those to members only.
    pub(super) fn keep_lines(&self, members: &BTreeMap<u64, Member>) {
        self.lines.lock().retain(|(known, _)| members.values().any(|member| member == known));
    }

    /// Dials anew next time.
    pub(super) fn forget_line(&self, member: &Member) {
        self.lines.lock().retain(|(known, _)| known != member);
    }
}
