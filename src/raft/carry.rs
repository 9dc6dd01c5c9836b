//! Proposals of this node on their way to whoever leads: those that wait while messages are under way go with the next one.
//!
//! Promises that what was withdrawn or came back before it went was proposed by nobody, that each waits no longer than it
//! asked to, and that a leader that is one no more is left at once. Bounded: so many messages, and so many that wait.

use std::{collections::VecDeque, iter, sync::Arc, time::Duration};

use bytes::Bytes;
use openraft::errors::ClientWriteError;
use parking_lot::Mutex;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout, timeout_at},
};
use tokio_stream::StreamExt;
use tonic::{Code, Request};

use crate::{
    peer::is_refused,
    proto::raft::{self as proto, propose_answer::Result as Answer},
    raft::{
        group::{Group, Running},
        propose::Attempt,
        types::{Command, Member},
    },
    wire::raft::{decode_command, decode_outcome, encode_outcome},
};

/// Messages under way at a time, proposals and bytes in one, and proposals that wait.
const MESSAGES: usize = 4;
const TOGETHER: usize = 256;
const BYTES_TOGETHER: usize = 512 << 10;
const WAITING: usize = 8_192;
/// How far ahead of the leader's clock a proposal may have been minted. One of a clock that runs away would make the group
/// forget too early what was done.
const AHEAD_MILLIS: u64 = 5_000;

/// What waits, and how much is under way.
#[derive(Default)]
pub(super) struct Outbox(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Parcel>,
    number: u64,
    under_way: usize,
}

/// A command that somebody waits for.
struct Parcel {
    number: u64,
    command: Bytes,
    until: Instant,
    told: oneshot::Sender<Attempt>,
}

impl Inner {
    /// What goes with the next message, if there may be one.
    fn take(&mut self) -> Option<Vec<Parcel>> {
        let (mut some, mut bytes) = (Vec::new(), 0);
        while self.under_way < MESSAGES && some.len() < TOGETHER && bytes < BYTES_TOGETHER {
            let Some(parcel) = self.waiting.pop_front() else { break };
            if !parcel.told.is_closed() {
                bytes += parcel.command.len();
                some.push(parcel);
            }
        }
        self.under_way += usize::from(!some.is_empty());
        Some(some).filter(|some| !some.is_empty())
    }
}

/// One message under way, for as long as this is there.
struct UnderWay(Arc<Group>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.outbox.0.lock().under_way -= 1;
    }
}

impl Group {
    /// Gives a command to whoever leads, until then.
    pub(super) async fn attempt(&self, command: &Bytes, until: Instant) -> Attempt {
        let (told, hears) = oneshot::channel();
        let number = {
            let mut outbox = self.outbox.0.lock();
            if outbox.waiting.len() >= WAITING {
                return Attempt::Busy;
            }
            outbox.number += 1;
            let number = outbox.number;
            outbox.waiting.push_back(Parcel { number, command: command.clone(), until, told });
            number
        };
        self.carry_some();
        match timeout_at(until, hears).await {
            Ok(Ok(attempt)) => attempt,
            Ok(Err(_)) => Attempt::Unknown("it was on its way when raft stopped here".into()),
            Err(_) if self.withdraw(number) => Attempt::Refused("those before it took too long".into()),
            Err(_) => Attempt::Unknown("the leader did not answer in time".into()),
        }
    }

    /// Whether it had not gone yet, and never will.
    fn withdraw(&self, number: u64) -> bool {
        let waiting = &mut self.outbox.0.lock().waiting;
        let place = waiting.binary_search_by_key(&number, |parcel| parcel.number);
        place.ok().and_then(|place| waiting.remove(place)).is_some()
    }

    /// Sends what waits, if there may be another message.
    fn carry_some(&self) {
        let some = self.outbox.0.lock().take();
        if let Some(some) = some {
            let under_way = UnderWay(self.own());
            tokio::spawn(self.own().carry(some, under_way));
        }
    }

    async fn carry(self: Arc<Self>, parcels: Vec<Parcel>, under_way: UnderWay) {
        let until = parcels.iter().map(|parcel| parcel.until).max().expect("one at least");
        let commands = parcels.iter().map(|parcel| parcel.command.clone()).collect();
        let result = self.give(commands, until).await;
        drop(under_way);
        self.carry_some();
        let attempts = match result {
            Ok(attempts) => {
                // Once for all: each of them alone would be woken by every change.
                self.shown_here(&attempts, until).await;
                attempts
            }
            Err(all) => vec![all; parcels.len()],
        };
        // A leader of an older version looks at the first one only.
        let attempts = attempts.into_iter().chain(iter::repeat(Attempt::Busy));
        for (parcel, attempt) in parcels.into_iter().zip(attempts) {
            // Who waited may be gone.
            let _ = parcel.told.send(attempt);
        }
    }

    async fn shown_here(&self, attempts: &[Attempt], until: Instant) {
        let index = |attempt: &Attempt| if let Attempt::Agreed(_, index) = attempt { Some(*index) } else { None };
        let Some(last) = attempts.iter().filter_map(index).max() else { return };
        if let Ok(running) = self.running() {
            // Whoever was told looks himself whether it is shown.
            let _ = timeout_at(until, running.applied(last)).await;
        }
    }

    /// What came of each, or of all.
    async fn give(&self, commands: Vec<Bytes>, until: Instant) -> Result<Vec<Attempt>, Attempt> {
        let running = self.running().map_err(Attempt::Refused)?;
        let Some((id, leader)) = running.leader() else { return Err(Attempt::NotLeader(None)) };
        let patience = until.saturating_duration_since(Instant::now());
        let asked = async {
            if id == running.place.id {
                self.lead(&running, commands, patience).await
            } else {
                self.ask(&running, id, &leader, commands, patience).await
            }
        };
        tokio::select! {
            biased;
            attempts = asked => attempts,
            // Whoever led may be dead. What it did with the proposals shows when the next one is asked.
            () = running.another_leads(id) => Err(Attempt::Unknown("another member leads now".into())),
        }
    }

    async fn ask(
        &self,
        running: &Running,
        id: u64,
        leader: &Member,
        commands: Vec<Bytes>,
        patience: Duration,
    ) -> Result<Vec<Attempt>, Attempt> {
        let mut client = self.line(leader).map_err(|status| Attempt::Refused(status.message().to_owned()))?;
        let mut commands = commands.into_iter();
        let mut request = Request::new(proto::ProposeRequest {
            target: Some(running.place.target(id)),
            command: commands.next().unwrap_or_default(),
            patience: patience.as_millis() as u64,
            more: commands.collect(),
        });
        request.set_timeout(patience);
        let status = match timeout(patience, client.propose(request)).await {
            Err(_) => return Err(Attempt::Unknown("the leader did not answer in time".into())),
            Ok(Err(status)) => status,
            Ok(Ok(answer)) => return Ok(decode_answers(answer.into_inner())),
        };
        match status.code() {
            // Nobody was there to take it.
            _ if is_refused(&status) => {
                self.forget_line(leader);
                Err(Attempt::NotLeader(None))
            }
            // Refused before it was looked at.
            Code::FailedPrecondition | Code::PermissionDenied | Code::Unauthenticated => Err(Attempt::NotLeader(None)),
            _ => {
                self.forget_line(leader);
                Err(Attempt::Unknown(format!("the leader could not be asked: {}", status.message())))
            }
        }
    }

    /// Proposes for another node: those commands that can be read, of a clock that can be followed.
    pub(super) async fn lead_for_another(
        &self,
        running: &Running,
        commands: impl Iterator<Item = Bytes>,
        patience: Duration,
    ) -> Vec<Attempt> {
        let latest = self.runtime.time() + AHEAD_MILLIS;
        let mut accepted = Vec::new();
        let refused: Vec<Option<Attempt>> = commands
            .map(|command| match decode_command(&command) {
                Ok((id, _)) if id.minted > latest => {
                    let why = "the clock of the node that was asked runs ahead of the leader's";
                    Some(Attempt::Refused(why.into()))
                }
                Ok(_) => {
                    accepted.push(command);
                    None
                }
                Err(illegal) => Some(Attempt::Refused(illegal.to_string())),
            })
            .collect();
        let count = accepted.len();
        let attempts = self.lead(running, accepted, patience).await.unwrap_or_else(|all| vec![all; count]);
        let mut attempts = attempts.into_iter();
        let of_accepted = |refused: Option<Attempt>| refused.or_else(|| attempts.next()).expect("one for each");
        refused.into_iter().map(of_accepted).collect()
    }

    /// Proposes as the leader. That includes finding out that this node does not lead.
    async fn lead(&self, running: &Running, commands: Vec<Bytes>, patience: Duration) -> Result<Vec<Attempt>, Attempt> {
        let count = commands.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let Ok(_counted) = self.led.try_acquire_many(count as u32) else { return Err(Attempt::Busy) };
        #[cfg(feature = "sabotage")]
        if crate::sabotage::Bug::AcknowledgeBeforeCommit.is_planted() {
            let raft = running.raft.clone();
            let commands = commands.into_iter().map(Command).collect::<Vec<_>>();
            tokio::spawn(async move { raft.client_write_many(commands).await });
            return Ok(vec![Attempt::Agreed(crate::model::Outcome::Done, 0); count]);
        }
        let mut attempts = Vec::with_capacity(count);
        let writing = async {
            let mut written = running.raft.client_write_many(commands.into_iter().map(Command)).await?;
            while let Some(one) = written.try_next().await? {
                attempts.push(match one {
                    Ok(written) => match written.response {
                        Some(outcome) => Attempt::Agreed(outcome, written.log_id.index),
                        None => Attempt::Unknown("the state machine did not answer".into()),
                    },
                    Err(ClientWriteError::ForwardToLeader(to)) => Attempt::NotLeader(to.leader_id),
                    Err(error) => Attempt::Unknown(error.to_string()),
                });
            }
            Ok::<_, openraft::errors::Fatal<_>>(())
        };
        let rest = match timeout(patience, writing).await {
            Ok(Ok(())) => "raft did not answer".into(),
            Ok(Err(fatal)) => fatal.to_string(),
            Err(_) => "most members did not agree in time".into(),
        };
        attempts.resize(count, Attempt::Unknown(rest));
        Ok(attempts)
    }
}

/// What the leader says of the first, and of each of the others.
pub(super) fn encode_answers(attempts: Vec<Attempt>) -> proto::ProposeAnswer {
    let mut answers = attempts.into_iter().map(encode_answer);
    let first = answers.next().unwrap_or_default();
    proto::ProposeAnswer { more: answers.collect(), ..first }
}

fn encode_answer(attempt: Attempt) -> proto::ProposeAnswer {
    let result = match attempt {
        Attempt::Agreed(outcome, index) => {
            Answer::Agreed(proto::propose_answer::Agreed { outcome: encode_outcome(outcome) as i32, index })
        }
        Attempt::NotLeader(leader) => Answer::NotLeader(proto::NotLeader { leader }),
        Attempt::Unknown(why) => Answer::Unknown(why),
        Attempt::Refused(why) => Answer::Refused(why),
        Attempt::Busy => Answer::Busy(proto::Busy {}),
    };
    proto::ProposeAnswer { result: Some(result), more: Vec::new() }
}

fn decode_answers(mut answer: proto::ProposeAnswer) -> Vec<Attempt> {
    let more = std::mem::take(&mut answer.more);
    iter::once(answer).chain(more).map(decode_answer).collect()
}

fn decode_answer(answer: proto::ProposeAnswer) -> Attempt {
    match answer.result {
        Some(Answer::Agreed(agreed)) => match decode_outcome(agreed.outcome) {
            Ok(outcome) => Attempt::Agreed(outcome, agreed.index),
            Err(illegal) => Attempt::Unknown(format!("the leader's answer cannot be read: {illegal}")),
        },
        Some(Answer::NotLeader(other)) => Attempt::NotLeader(other.leader),
        Some(Answer::Refused(why)) => Attempt::Refused(why),
        Some(Answer::Busy(_)) => Attempt::Busy,
        Some(Answer::Unknown(why)) => Attempt::Unknown(why),
        None => Attempt::Unknown("the leader's answer cannot be read".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Outcome;

    fn parcel(number: u64, length: usize) -> (Parcel, oneshot::Receiver<Attempt>) {
        let (told, hears) = oneshot::channel();
        (Parcel { number, command: vec![0; length].into(), until: Instant::now(), told }, hears)
    }

    #[tokio::test]
    async fn what_waits_goes_together_within_bounds() {
        let mut inner = Inner::default();
        let (parcels, mut hearing): (Vec<_>, Vec<_>) = (0..600).map(|number| parcel(number, 10)).unzip();
        inner.waiting.extend(parcels);
        let (long, hears) = parcel(600, BYTES_TOGETHER);
        inner.waiting.push_front(long);
        // Nobody waits for this one any more.
        drop(hearing.remove(3));
        let numbers = |some: Option<Vec<Parcel>>| some.map(|some| (some[0].number, some.len()));
        let taken: Vec<_> = (0..MESSAGES + 1).map(|_| numbers(inner.take())).collect();
        assert_eq!(taken, [Some((600, 1)), Some((0, TOGETHER)), Some((257, TOGETHER)), Some((513, 87)), None]);
        assert_eq!(inner.under_way, MESSAGES);
        inner.waiting.push_back(parcel(601, 1).0);
        assert!(inner.take().is_none(), "enough is under way");
        drop(hears);
    }

    #[test]
    fn answers_are_those_that_were_given_and_older_leaders_give_one() {
        let attempts = vec![
            Attempt::Agreed(Outcome::Done, 7),
            Attempt::NotLeader(Some(2)),
            Attempt::Unknown("why".into()),
            Attempt::Refused("why".into()),
            Attempt::Busy,
        ];
        assert_eq!(decode_answers(encode_answers(attempts.clone())), attempts);
        let first = encode_answers(attempts[..1].to_vec());
        assert!(first.more.is_empty(), "as an older node answers, and reads it");
        assert_eq!(decode_answers(first), attempts[..1]);
    }
}
