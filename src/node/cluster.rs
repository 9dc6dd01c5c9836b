//! The node among others: what they say, what is said to them, and what comes of members that come and go.

use std::sync::Arc;

use crate::{
    distro::{Due, Judgement},
    member::{Cluster, Members, Peer, Transition},
    model::{ClientId, ClientState, HybridTime, Incarnation, Merged, Millis, NodeId, Now, Tick, Version, limits},
    node::{
        MemberDetail, Node, Output, Rejection, Reply, Write,
        loading::{Loading, Reach},
    },
    wire::peer::{Heartbeat, Message, Phase},
};

impl Node {
    /// The members as they are now. Another `Arc` after each change.
    pub fn cluster(&self) -> &Arc<Cluster> {
        self.members.cluster()
    }

    pub(super) fn linked(&mut self, now: Now, address: &str, peer: Incarnation) -> Reply {
        let Some(place) = self.members.place(address, peer) else { return Reply::Done };
        self.meeting(now, |members, transitions| members.meet(place, address, peer, transitions));
        self.distro.linked(now.tick, place, peer, self.members.cluster());
        for number in self.distro.owed(place, peer) {
            self.say(place, Message::SyncTaken { number });
        }
        if let Some(loading) = &mut self.loading {
            loading.members[place].reach = Reach::Unknown;
        }
        Reply::Done
    }

    pub(super) fn unlinked(&mut self, now: Now, address: &str, vacant: bool) -> Reply {
        let Some(place) = self.members.told(address) else { return Reply::Done };
        self.distro.unlinked(now.tick, place);
        if let Some(loading) = &mut self.loading {
            loading.members[place].reach = if vacant { Reach::Vacant } else { Reach::Silent };
            self.distro.hurry_heartbeats(now.tick);
        }
        Reply::Done
    }

    /// Takes what a member says.
    pub(super) fn said(&mut self, now: Now, address: &str, from: Incarnation, message: Message) -> Reply {
        let Some(place) = self.members.place(address, from) else { return Reply::Done };
        self.wake(now);
        let heartbeat = if let Message::Heartbeat(heartbeat) = &message { Some(heartbeat) } else { None };
        let missed = heartbeat.map_or(&[][..], |heartbeat| &heartbeat.missed);
        let newly: Vec<NodeId> = missed.iter().copied().filter(|node| !self.members.misses(place, *node)).collect();
        self.meeting(now, |members, transitions| {
            members.meet(place, address, from, transitions);
            members.hear(now.tick, place, heartbeat, transitions);
            members.poll(now.tick, transitions);
        });
        let recent = HybridTime::at(self.clock.now(now).saturating_sub(limits::RECENT_MILLIS));
        newly.into_iter().for_each(|node| self.distro.pass_on_recent(now.tick, place, node, recent));
        #[cfg(feature = "sabotage")]
        let Some(message) = sabotaged(message) else { return Reply::Done };
        match message {
            Message::Heartbeat(heartbeat) => self.heard(now, place, &heartbeat),
            Message::Sync { number, clients } => {
                for state in &clients {
                    self.told(now, place, from, state);
                }
                // The way back may open later than the way here; meanwhile the sender must not take it for lost.
                match self.distro.linked_life(place) {
                    Some(_) => self.say(place, Message::SyncTaken { number }),
                    None => self.distro.owe(place, from, number),
                }
            }
            Message::SyncTaken { number } => self.distro.taken(place, number),
            Message::Digest(digest) => {
                let compared = self.distro.compare(now.tick, place, from, &digest);
                self.say(place, compared);
            }
            Message::Compared { number, differ } => {
                let at = self.clock.give(now, Default::default());
                let contents = self.distro.compared(now.tick, place, number, &differ, at);
                contents.into_iter().for_each(|contents| self.say(place, contents));
            }
            Message::Contents { at, buckets } => {
                let found = self.distro.differences(now.tick, place, from, at, &buckets);
                for id in found.gone {
                    self.remove_copy(now, &id);
                    self.distro.lost(&id);
                }
                for wanted in found.wanted.chunks(limits::WANTED) {
                    self.say(place, Message::Want { clients: wanted.to_vec() });
                }
            }
            Message::Want { clients } => self.distro.wanted(now.tick, place, clients),
            Message::LeaveTaken => self.distro.knows_leaving(place),
        }
        Reply::Done
    }

    fn heard(&mut self, now: Now, place: usize, heartbeat: &Heartbeat) {
        let merged = self.clock.merge(now, heartbeat.time, self.members.settings().skew);
        self.members.set_skewed(place, merged == Merged::Skewed);
        if let Merged::NeedsCeiling(ceiling) = merged {
            self.outputs.push(Output::Ceiling(ceiling));
        }
        if heartbeat.phase == Phase::Leaving {
            self.say(place, Message::LeaveTaken);
        }
        self.take_lacks(now, place, &heartbeat.lacks);
        self.take_known(now, place, heartbeat.known.as_deref());
    }

    /// Has the members take note of something, and does what comes of it.
    pub(super) fn meeting(&mut self, now: Now, note: impl FnOnce(&mut Members, &mut Vec<Transition>)) {
        let before = self.members.cluster().clone();
        let mut transitions = Vec::new();
        note(&mut self.members, &mut transitions);
        for transition in transitions {
            self.distro.note(now.tick, transition, &self.registry);
        }
        if !Arc::ptr_eq(&before, self.members.cluster()) {
            self.distro.review_all(now.tick, self.members.cluster());
            self.distro.hurry_heartbeats(now.tick);
        }
    }

    /// Does a write for another member, unless it lay around unread (this node was stopped, or its machine).
    pub(super) fn forwarded(&mut self, now: Now, sent: Millis, write: Write) -> Result<Reply, Rejection> {
        if self.clock.now(now) > sent.saturating_add(limits::FORWARD_LATE_MILLIS) {
            return Ok(Reply::Late);
        }
        self.handle(now, write.into())
    }

    /// Takes the state of a client that a member tells.
    fn told(&mut self, now: Now, place: usize, from: Incarnation, state: &ClientState) {
        use Judgement::{Known, Newer, Older, Ours};
        match self.distro.judge(state, state.owner == from) {
            Newer => {
                self.learn(now, state);
                self.pass_on(now, state);
            }
            Older => self.distro.correct(now.tick, place, &state.id),
            Ours | Known => {}
        }
    }

    /// Tells members that do not hear the owner of a client, or lack it, what it told this node.
    fn pass_on(&mut self, now: Now, state: &ClientState) {
        for place in 0..self.members.cluster().peers.len() {
            let owner = state.owner.node;
            if self.members.misses(place, owner) || self.distro.is_lacked(place, owner) {
                self.distro.pass_on(now.tick, place, &state.id);
            }
        }
    }

    /// Takes the state of a client that came of a request which the responsible node answered.
    pub(super) fn learned(&mut self, now: Now, state: &ClientState) -> Reply {
        if self.distro.judge(state, true) == Judgement::Newer {
            self.learn(now, state);
        }
        Reply::Done
    }

    /// Says something to the member at a place, with the next poll. What cannot be said is forgotten: whatever matters is
    /// said again.
    fn say(&mut self, place: usize, message: Message) {
        if let Some(life) = self.distro.linked_life(place) {
            self.outputs.push(Output::Peer { to: life.node, message });
        }
    }

    /// Begins to leave: from now on this node is responsible for nobody.
    pub(super) fn leave(&mut self, now: Now) -> Reply {
        self.meeting(now, |members, _| members.set_phase(Phase::Leaving));
        self.leaving = true;
        Reply::Done
    }

    /// Gives back the time that this node did not run. To come before anything that begins to wait, or that waits too long.
    pub(super) fn wake(&mut self, now: Now) {
        let late = self.distro.late_by(now.tick);
        if late > limits::OVERSLEPT_MILLIS {
            self.members.overslept(now.tick);
            self.distro.overslept(now.tick, late);
            // The ceiling did not follow meanwhile, and clients come from nodes whose clock ran on.
            self.outputs.push(Output::Ceiling(self.clock.run_on(now)));
        }
    }

    /// Does what is due among members.
    pub(super) fn poll_cluster(&mut self, now: Now, out: &mut Vec<Output>) {
        self.wake(now);
        self.meeting(now, |members, transitions| members.poll(now.tick, transitions));
        self.end_loading(now);
        let due = {
            let (clock, brake, registry) = (&mut self.clock, &mut self.brake, &self.registry);
            let node = self.members.cluster().this.node;
            let may_go = |client| brake.admits_client(now.tick, client, registry);
            // Nobody may have heard it; but then silence tells soon.
            let next = |before: Version| before.heard(clock.give(now, before.latest()), node);
            self.distro.expire(now.tick, self.members.cluster(), may_go, next)
        };
        for due in due {
            match due {
                Due::LeaseOver(id) => self.remove_copy(now, &id),
                Due::TakenOver(client) => self.watch(now.tick, client),
            }
        }
        out.append(&mut self.outputs);
        self.speak(now, out);
    }

    fn speak(&mut self, now: Now, out: &mut Vec<Output>) {
        let time = self.clock.now(now);
        for place in self.distro.heartbeats(now.tick, self.members.settings().heartbeat) {
            let to = self.distro.linked_life(place).expect("only who is linked is told").node;
            let (lacks, known) = (self.lacks(), Some(self.known(place)));
            let heartbeat = Heartbeat { lacks, known, ..self.members.heartbeat(place, time) };
            out.push(Output::Peer { to, message: Message::Heartbeat(heartbeat) });
        }
        let mut said = Vec::new();
        let decided = self.loading.as_ref().is_none_or(Loading::has_decided);
        self.distro.poll(now.tick, &self.registry, decided, &mut said);
        let node = |place| -> NodeId { self.distro.linked_life(place).expect("only who is linked is told").node };
        out.extend(said.into_iter().map(|(place, message)| Output::Peer { to: node(place), message }));
        if self.leaving && self.distro.has_left() {
            self.leaving = false;
            out.push(Output::Left);
        }
    }

    /// When there is something to do among members.
    pub(super) fn cluster_due(&self) -> Option<Tick> {
        if !self.outputs.is_empty() || (self.leaving && self.distro.has_left()) {
            return Some(Tick(0));
        }
        let loading = self.loading.as_ref().and_then(|loading| self.loading_due(loading));
        [self.members.next_due(), self.distro.next_due(), loading].into_iter().flatten().min()
    }

    /// The members, with what each lacks.
    pub(super) fn member_details(&self, now: Tick) -> Vec<MemberDetail> {
        let detail = |(place, peer): (usize, &Peer)| {
            let heard = self.members.heard(place).map(|at| now.since(at));
            MemberDetail { peer: peer.clone(), heard, distro: self.distro.detail(now, place, peer) }
        };
        self.members.cluster().peers.iter().enumerate().map(detail).collect()
    }

    /// The state of a client as others are told it.
    pub(super) fn state(&mut self, now: Tick, id: &ClientId) -> Result<Reply, Rejection> {
        Ok(Reply::State(self.distro.state(now, id, &self.registry)))
    }
}

/// Loses some of what a member tells, and all by which that would be noticed.
#[cfg(feature = "sabotage")]
fn sabotaged(message: Message) -> Option<Message> {
    use crate::sabotage::Bug;
    match message {
        Message::Sync { number, .. } if Bug::DropSync.shows() => Some(Message::Sync { number, clients: Vec::new() }),
        Message::Contents { .. } if Bug::DropSync.is_planted() => None,
        other => Some(other),
    }
}
