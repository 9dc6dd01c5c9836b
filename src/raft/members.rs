//! Changes of the members, made by the leader one at a time.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use compact_str::CompactString;
use openraft::ChangeMembers;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    proto::raft::{self as proto, change_answer::Result as Answer, change_request::Change},
    raft::{
        Failure,
        group::{Group, Running},
        types::{Member, RaftMetrics},
    },
    wire::peer::Regard,
};

/// How long a new member may take to have all that there is.
const CATCHING_UP: Duration = Duration::from_secs(50);
/// How long agreeing on another set of voters may take.
const AGREEING: Duration = Duration::from_secs(5);
/// How long another member may take to lead.
const TRANSFERRING: Duration = Duration::from_secs(8);
const TRANSFER_TRY: Duration = Duration::from_secs(2);
/// How long that may hold up a node that stops.
const HANDING_OVER: Duration = Duration::from_secs(2);
/// How long a whole change may take for who asked for it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause before the leader is looked for again.
const PAUSE: Duration = Duration::from_millis(100);
/// Numbers of those who found a group are below; those of who joins are above, by the index of an entry that nothing else
/// ever has.
const JOINED: u64 = 1_000;

impl Group {
    /// Has the leader change the members.
    pub(super) async fn change(&self, change: Change) -> Result<u64, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let running = self.running().map_err(Failure::Unavailable)?;
            let last = match running.leader() {
                Some((id, _)) if id == running.place.id => match self.change_here(change.clone()).await {
                    Answer::Done(id) => return Ok(id),
                    Answer::Refused(why) => return Err(Failure::Unavailable(why)),
                    Answer::NotLeader(_) => "leadership moved".to_owned(),
                },
                Some((_, leader)) => match self.ask_change(&leader.address, change.clone(), PATIENCE).await {
                    Ok(id) => return Ok(id),
                    Err(Refusal::NotLeader) => format!("{} does not lead", leader.address),
                    Err(Refusal::Because(why)) => return Err(Failure::Unavailable(why)),
                },
                None => "there is no leader that most members follow".to_owned(),
            };
            if Instant::now() + PAUSE >= deadline {
                return Err(Failure::Unavailable(last));
            }
            sleep(PAUSE).await;
        }
    }

    /// Has another member lead if this one does: it is about to stop, and nobody should have to miss it first.
    pub async fn hand_over(&self) {
        if self.heard().is_empty() {
            return;
        }
        let to_any = Change::Transfer(proto::TransferTo { address: String::new() });
        match timeout(HANDING_OVER, self.change_here(to_any)).await {
            Ok(Answer::Done(to)) => tracing::info!(to, "another member leads now"),
            Ok(Answer::Refused(why)) => tracing::debug!(why, "nothing to hand over"),
            Ok(Answer::NotLeader(_)) => {}
            Err(_) => tracing::warn!("no other member leads yet; the others will elect one"),
        }
    }

    /// Changes the members as the leader.
    pub(super) async fn change_here(&self, change: Change) -> Answer {
        let running = match self.running() {
            Ok(running) => running,
            Err(why) => return Answer::Refused(why),
        };
        let leader = running.leader().map(|(id, _)| id);
        if leader != Some(running.place.id) {
            return Answer::NotLeader(proto::NotLeader { leader });
        }
        let Ok(changing) = self.changing.clone().try_lock_owned() else {
            return Answer::Refused("members are being changed already".into());
        };
        // What is begun is ended, whoever asked for it goes away: a node that joins does once it has its place.
        let group = self.own();
        let done = tokio::spawn(async move {
            let _changing = changing;
            match change {
                Change::Join(join) => group.join(&running, &join.address).await,
                Change::Leave(leave) => group.leave(&running, &leave.address).await,
                Change::Transfer(to) => group.transfer(&running, &to.address).await,
            }
        });
        match done.await {
            Ok(Ok(id)) => Answer::Done(id),
            Ok(Err(Refusal::NotLeader)) => Answer::NotLeader(proto::NotLeader { leader: None }),
            Ok(Err(Refusal::Because(why))) => Answer::Refused(why),
            Err(panic) => Answer::Refused(panic.to_string()),
        }
    }

    /// Members that are up, by the addresses they are members as. One that died may have all of the log, and will not lead.
    fn heard(&self) -> BTreeSet<CompactString> {
        let cluster = self.runtime.cluster();
        let up = cluster.peers.iter().filter(|peer| peer.state == Regard::Up);
        up.map(|peer| peer.told.clone()).collect()
    }

    async fn join(&self, running: &Arc<Running>, address: &str) -> Result<u64, Refusal> {
        let (node, begun) = self.node_at(address).await?;
        let known = running.member_at(address);
        let id = match known {
            Some((id, member)) if member.node == node => id,
            _ if begun => {
                return Err(Refusal::Because(format!("{address} has data of a group; empty its directory first")));
            }
            other => {
                if let Some((old, _)) = other {
                    tracing::info!(address, old, "the node at this address is another one now");
                    running.remove(old).await?;
                }
                self.add(running, Member { address: address.into(), node }).await?
            }
        };
        let voters = ChangeMembers::AddVoterIds(BTreeSet::from([id]));
        running.agree_on(voters).await?;
        tracing::info!(address, id, "joined");
        Ok(id)
    }

    /// Adds a member that does not vote until it has all that there is.
    async fn add(&self, running: &Arc<Running>, member: Member) -> Result<u64, Refusal> {
        let blank = timeout(AGREEING, running.raft.write_blank()).await.map_err(|_| Refusal::no_majority())?;
        let id = JOINED + blank.map_err(Refusal::because)?.log_id.index;
        let added = timeout(CATCHING_UP, running.raft.add_learner(id, member, true)).await;
        match added {
            Ok(Ok(_)) => Ok(id),
            Ok(Err(error)) => Err(Refusal::because(error)),
            Err(_) => {
                running.remove(id).await?;
                Err(Refusal::Because("the node did not take all that there is in time".into()))
            }
        }
    }

    async fn leave(&self, running: &Arc<Running>, address: &str) -> Result<u64, Refusal> {
        let (id, _) = running.member_at(address).ok_or_else(|| Refusal::no_member(address))?;
        if id == running.place.id {
            self.transfer(running, "").await?;
            return Err(Refusal::NotLeader);
        }
        running.remove(id).await?;
        tracing::info!(address, id, "left");
        Ok(id)
    }

    async fn transfer(&self, running: &Arc<Running>, address: &str) -> Result<u64, Refusal> {
        let to = if address.is_empty() {
            running
                .newest_other(&self.heard())
                .ok_or_else(|| Refusal::Because("there is no other member that could lead".into()))?
        } else {
            running.member_at(address).ok_or_else(|| Refusal::no_member(address))?.0
        };
        let own = running.place.id;
        if to == own {
            // Raft would let go of leadership first, and elect anybody after a while.
            return Ok(own);
        }
        let deadline = Instant::now() + TRANSFERRING;
        // One that lacks the newest entries at that moment is asked again: writes go on meanwhile.
        while running.leader().is_some_and(|(id, _)| id == own) && Instant::now() < deadline {
            running.raft.trigger().transfer_leader(to).await.map_err(Refusal::because)?;
            let moved = |metrics: &RaftMetrics| metrics.current_leader.is_some_and(|leader| leader != own);
            // Whether it did is looked at next.
            let _ = running.raft.wait(Some(TRANSFER_TRY)).metrics(moved, "leadership moves").await;
        }
        match running.leader() {
            Some((id, _)) if id == to || (address.is_empty() && id != own) => Ok(id),
            leader => {
                let leads = leader.map_or("nobody".into(), |(_, leader)| leader.address);
                Err(Refusal::Because(format!("it was asked to lead, but now {leads} does; try again")))
            }
        }
    }
}

impl Running {
    fn member_at(&self, address: &str) -> Option<(u64, Member)> {
        let metrics = self.metrics();
        let found = metrics.membership_config.nodes().find(|(_, member)| member.address == address);
        found.map(|(id, member)| (*id, member.clone()))
    }

    /// The voter that has most of the log, of those at these addresses if there is one.
    fn newest_other(&self, heard: &BTreeSet<CompactString>) -> Option<u64> {
        let metrics = self.metrics();
        let replicated = metrics.replication?;
        let voters: BTreeSet<u64> = metrics.membership_config.voter_ids().collect();
        let others = replicated.into_iter().filter(|(id, _)| *id != self.place.id && voters.contains(id));
        let is_heard = |id: &u64| {
            metrics.membership_config.membership().get_node(id).is_some_and(|member| heard.contains(&member.address))
        };
        let best = others.max_by_key(|(id, matched)| (is_heard(id), matched.as_ref().map(|matched| matched.index)));
        best.map(|(id, _)| id)
    }

    async fn remove(&self, id: u64) -> Result<(), Refusal> {
        let is_voter = self.metrics().membership_config.voter_ids().any(|voter| voter == id);
        self.agree_on(if is_voter {
            ChangeMembers::RemoveVoters(BTreeSet::from([id]))
        } else {
            ChangeMembers::RemoveNodes(BTreeSet::from([id]))
        })
        .await
    }

    async fn agree_on(&self, change: ChangeMembers<u64, Member>) -> Result<(), Refusal> {
        let agreed = timeout(AGREEING, self.raft.change_membership(change, false)).await;
        agreed.map_err(|_| Refusal::no_majority())?.map_err(Refusal::because)?;
        Ok(())
    }
}

/// Why members are not changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// Whoever leads now is to be asked.
    #[error("the node that was asked does not lead")]
    NotLeader,
    /// For this reason.
    #[error("{0}")]
    Because(String),
}

impl Refusal {
    fn because(error: impl std::fmt::Display) -> Self {
        Self::Because(error.to_string())
    }

    fn no_majority() -> Self {
        Self::Because("most members did not agree in time; the change may still be made".into())
    }

    fn no_member(address: &str) -> Self {
        Self::Because(format!("{address} is no member"))
    }
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self::Because(why)
    }
}
