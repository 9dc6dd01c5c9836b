//! How a node comes to have a place in a group: together with the others it was started with, or by joining them.
//!
//! Promises that there is one group: the first of the seeds, by address, founds it, and only after each other seed has said
//! that it has nothing and names the same seeds. Whoever finds a seed that has begun asks to join. Numbers belong to the id
//! of a disk, so a node whose disk was emptied votes for nobody under its old number.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use compact_str::CompactString;
use openraft::errors::{InitializeError, RaftError};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    model::NodeId,
    proto::raft::{self as proto, change_answer},
    raft::{
        group::{Group, Part, Running, STARTING},
        members::Refusal,
        network,
        off_thread::off_thread,
        place::Place,
        types::Member,
    },
    runtime::draw_bits,
    wire::peer::decode_node,
};

/// How long a seed may take to say how it stands.
const ASKING: Duration = Duration::from_secs(1);
/// How long a leader may take to make this node a member: it waits until this node has all there is.
const JOINING: Duration = Duration::from_secs(60);
/// Pauses between looks at the others: the first, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Pause before a member looks whether it still is one.
const LOOK: Duration = Duration::from_secs(2);

/// What a seed says of itself.
struct Said {
    address: CompactString,
    place: Option<Place>,
    begun: bool,
    seeds: Vec<String>,
    leader: String,
    node: NodeId,
    members: Vec<u64>,
    members_at: u64,
}

/// What is to be done as things stand.
enum Next {
    /// Somebody is to be waited for, for this reason.
    Wait(String),
    /// There is a group: its leader is to be asked, or this member for it.
    Join(CompactString),
    /// All seeds are empty, and this node is the first of them.
    Found(BTreeMap<u64, Member>),
}

impl Group {
    /// Seeks a place for as long as this node is no voter. Returns when it is one.
    pub(super) async fn seek(self: &Arc<Self>) {
        let mut pause = FIRST_PAUSE;
        let mut told = String::new();
        loop {
            let running = self.running().ok();
            let begun = running.as_ref().filter(|running| running.begun());
            if begun.is_some_and(|running| running.votes()) {
                return;
            }
            // The leader that let this node in may have died before it made it a voter.
            if let Some((_, leader)) = begun.and_then(|running| running.leader()) {
                sleep(LONGEST_PAUSE.mul_f64(self.jitter())).await;
                if begun.is_some_and(|running| !running.votes()) {
                    self.ask_to_join(&leader.address).await;
                }
                continue;
            }
            match self.next(running.as_deref()).await {
                Next::Wait(why) => {
                    if why != told {
                        tracing::info!(why, "no part of a group yet");
                        told.clone_from(&why);
                    }
                    if running.is_none() {
                        self.set_part(Part::Waiting(why));
                    }
                }
                Next::Join(at) => self.ask_to_join(&at).await,
                Next::Found(members) => self.found(running.as_deref(), members).await,
            }
            sleep(pause.mul_f64(self.jitter())).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    async fn next(&self, running: Option<&Running>) -> Next {
        let own = self.address();
        let others: Vec<CompactString> = self.origin.seeds.iter().filter(|seed| **seed != own).cloned().collect();
        let clients = others.into_iter().map(|other| (other.clone(), self.unnamed(&other)));
        let (said, silent) = ask_all(clients).await;
        let placed = running.map(|running| running.place);
        if let Some(begun) = said.iter().find(|said| said.begun) {
            // Who has a place there already is called by the leader.
            if placed.is_some_and(|placed| begun.place.is_some_and(|place| place.group == placed.group)) {
                return Next::Wait("the group has not called yet".into());
            }
            let leader = if begun.leader.is_empty() { begun.address.clone() } else { begun.leader.as_str().into() };
            return Next::Join(leader);
        }
        if !self.origin.founds {
            return Next::Wait(format!("none of {} is a member of a group", self.origin.seeds.join(", ")));
        }
        if let Some((seed, why)) = silent.first() {
            return Next::Wait(format!(
                "all seeds must be empty before a group is founded, and {seed} says nothing: {why}"
            ));
        }
        let seeds: Vec<String> = self.seeds().iter().map(ToString::to_string).collect();
        if let Some(other) = said.iter().find(|said| said.seeds != seeds) {
            return Next::Wait(format!(
                "all seeds must name the same members, and {} was started with {}",
                other.address,
                other.seeds.join(", ")
            ));
        }
        if seeds.first().is_some_and(|first| *first != own) {
            return Next::Wait(format!("{} is to found the group", seeds[0]));
        }
        let this = Member { address: own, node: self.disk };
        let all = said.into_iter().map(|said| Member { address: said.address, node: said.node }).chain([this]);
        let mut all: Vec<Member> = all.collect();
        all.sort_by(|a, b| a.address.cmp(&b.address));
        Next::Found((1..).zip(all).collect())
    }

    /// Calls to whoever is at an address.
    pub(super) fn unnamed(&self, address: &str) -> Result<network::Client, String> {
        let channel = self.calls.channel(address).map_err(|illegal| illegal.to_string())?;
        Ok(network::over(channel, self.calls.stamp()))
    }

    /// Which node is at an address, and whether it has begun in a group.
    pub(super) async fn node_at(&self, address: &str) -> Result<(NodeId, bool), String> {
        let said = status(self.unnamed(address)?, address.into()).await?;
        Ok((said.node, said.begun))
    }

    /// Returns when the others went on without this node. Nobody tells who is removed: the members that are left do not call it.
    pub(super) async fn left_behind(&self, running: &Running) {
        loop {
            sleep(LOOK.mul_f64(self.jitter())).await;
            let own = running.place;
            let metrics = running.metrics();
            if metrics.current_leader == Some(own.id) {
                continue;
            }
            let others = metrics.membership_config.nodes().filter(|(id, _)| **id != own.id);
            let others = others.map(|(_, member)| {
                (member.address.clone(), self.line(member).map_err(|status| status.message().to_owned()))
            });
            let (known_at, known) = running.numbers();
            let (said, _) = ask_all(others).await;
            let without = |said: &Said| {
                let same = said.place.is_some_and(|place| place.group == own.group);
                same && said.members_at > known_at && !said.members.contains(&own.id)
            };
            if known.contains(&own.id) && said.iter().any(without) {
                return;
            }
        }
    }

    async fn ask_to_join(&self, at: &str) {
        let join = proto::Join { address: self.address().to_string() };
        let change = proto::change_request::Change::Join(join);
        if let Err(why) = self.ask_change(at, change, JOINING).await {
            tracing::info!(at, %why, "not a member yet");
        }
    }

    /// Has another node change the members.
    pub(super) async fn ask_change(
        &self,
        at: &str,
        change: proto::change_request::Change,
        patience: Duration,
    ) -> Result<u64, Refusal> {
        let mut client = self.unnamed(at)?;
        let request = proto::ChangeRequest { change: Some(change) };
        let answered = timeout(patience, client.change(request)).await;
        let answer = answered.map_err(|_| format!("{at} did not answer in time"))?;
        match answer.map_err(|status| status.message().to_owned())?.into_inner().result {
            Some(change_answer::Result::Done(id)) => Ok(id),
            Some(change_answer::Result::NotLeader(_)) => Err(Refusal::NotLeader),
            Some(change_answer::Result::Refused(why)) => Err(why.into()),
            None => Err(format!("the answer of {at} cannot be read").into()),
        }
    }

    async fn found(&self, running: Option<&Running>, members: BTreeMap<u64, Member>) {
        let own = members.iter().find(|(_, member)| member.node == self.disk);
        let (id, _) = own.expect("this node is one of the seeds");
        let Some(running) = running.filter(|running| running.place.id == *id) else {
            match draw_bits() {
                Ok(group) => self.take_place(Place { group, id: *id }).await,
                Err(error) => tracing::error!(%error, "no group is founded"),
            }
            return;
        };
        match running.raft.initialize(members).await {
            Ok(()) => tracing::info!("founded the group of persistent instances"),
            // Somebody was faster, which says that the others are no longer empty.
            Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {}
            Err(error) => tracing::error!(%error, "the group cannot be founded"),
        }
    }

    /// A member gives this node its place.
    pub(super) async fn assigned(&self, node: NodeId, place: Place) -> Result<(), String> {
        if node != self.disk {
            return Err("another node is at this address now".into());
        }
        match self.part() {
            Part::Running(running) if running.place == place => return Ok(()),
            Part::Running(running) if running.begun() => return Err("this node has another place".into()),
            Part::Running(_) | Part::Waiting(_) => {}
            Part::Starting => return Err(STARTING.into()),
            Part::Broken(why) => return Err(why),
            Part::Removed => return Err("this node was removed; empty its directory before it joins again".into()),
        }
        self.take_place(place).await;
        Ok(())
    }

    /// Writes the place down and has raft started in it.
    async fn take_place(&self, place: Place) {
        let _placing = self.placing.lock().await;
        let file = self.place_file();
        let store = move || match file.load()? {
            // Whoever gives it asks until raft runs.
            Some(known) if known == place => Ok(false),
            _ => file.store(place).map(|()| true),
        };
        match off_thread(store).await {
            Ok(Ok(true)) => self.moved.notify_one(),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::error!(%error, "this node's place is not stored"),
            Err(panic) => tracing::error!(%panic, "storing this node's place failed"),
        }
    }
}

/// What nodes say, by address, and who says nothing.
async fn ask_all(
    nodes: impl Iterator<Item = (CompactString, Result<network::Client, String>)>,
) -> (Vec<Said>, Vec<(CompactString, String)>) {
    let mut asked = JoinSet::new();
    for (address, client) in nodes {
        asked.spawn(async move {
            let said = match client {
                Ok(client) => status(client, address.clone()).await,
                Err(why) => Err(why),
            };
            said.map_err(|why| (address, why))
        });
    }
    let (mut said, mut silent) = (Vec::new(), Vec::new());
    for answer in asked.join_all().await {
        match answer {
            Ok(one) => said.push(one),
            Err(one) => silent.push(one),
        }
    }
    said.sort_by(|a: &Said, b: &Said| a.address.cmp(&b.address));
    silent.sort();
    (said, silent)
}

async fn status(mut client: network::Client, address: CompactString) -> Result<Said, String> {
    let answered = timeout(ASKING, client.status(proto::StatusRequest {})).await;
    let answer = answered.map_err(|_| "it does not answer".to_owned())?;
    let answer = answer.map_err(|status| status.message().to_owned())?.into_inner();
    let node = answer.node.map(decode_node).ok_or_else(|| "it does not say who it is".to_owned())?;
    Ok(Said {
        address,
        place: answer
            .place
            .map(|place| Place::decode(Some(place)))
            .transpose()
            .map_err(|illegal| illegal.to_string())?,
        begun: answer.begun,
        seeds: answer.seeds,
        leader: answer.leader,
        node,
        members: answer.members,
        members_at: answer.members_at,
    })
}
