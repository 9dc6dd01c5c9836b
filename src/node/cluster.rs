//! The node among others: what they say, what is said to them, and what comes of members that come and go.

use std::sync::Arc;

use crate::{
    distro::{Due, Judgement, lease},
    member::{Cluster, Members, Peer, Transition},
    model::{ClientId, ClientState, HybridTime, Incarnation, Merged, Millis, NodeId, Now, Tick, Version, limits},
    node::{MemberDetail, Node, Output, Rejection, Reply, Write},
    wire::peer::{Heartbeat, Message, Phase},
};

/// What a node does before it serves: it learns what others know.
#[derive(Debug)]
pub(super) struct Loading {
    /// When it stops waiting; none until it is let in by the others, whom it is to join.
    pub(super) until: Option<Tick>,
    /// Until when a member that cannot be reached may be about to start as well.
    pub(super) patience: Tick,
    /// Members that could not be reached when it was tried, in their order.
    pub(super) unreachable: Vec<bool>,
    /// What this node kept of its earlier life, and its hybrid time then; none once it was decided what that counts. Until
    /// then nobody is to believe that it has been told all there is.
    pub(super) kept: Option<(Millis, Vec<ClientState>)>,
}

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
            loading.unreachable[place] = false;
        }
        Reply::Done
    }

    pub(super) fn unlinked(&mut self, now: Now, address: &str) -> Reply {
        let Some(place) = self.members.told(address) else { return Reply::Done };
        self.distro.unlinked(now.tick, place);
        if let Some(loading) = &mut self.loading {
            loading.unreachable[place] = true;
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

    /// Tells members that do not hear the owner of a client what it told this node.
    fn pass_on(&mut self, now: Now, state: &ClientState) {
        for place in 0..self.members.cluster().peers.len() {
            if self.members.misses(place, state.owner.node) {
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

    /// What this node kept of its earlier life. In a cluster it counts only if nobody knows better.
    pub(super) fn restore(&mut self, now: Now, at: Millis, states: Vec<ClientState>) -> Reply {
        match &mut self.loading {
            Some(loading) => {
                loading.kept = Some((at, states));
                loading.patience = now.tick + limits::TOGETHER_MILLIS;
            }
            None => self.revive(now, &states),
        }
        Reply::Done
    }

    fn revive(&mut self, now: Now, states: &[ClientState]) {
        for state in states {
            if self.distro.judge(state, false) == Judgement::Newer {
                self.learn(now, state);
                self.distro.hand_on(now.tick, &state.id);
            }
        }
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
            out.push(Output::Peer { to, message: Message::Heartbeat(self.members.heartbeat(place, time)) });
        }
        let mut said = Vec::new();
        let decided = self.loading.as_ref().is_none_or(|loading| loading.kept.is_none());
        self.distro.poll(now.tick, &self.registry, decided, &mut said);
        let node = |place| -> NodeId { self.distro.linked_life(place).expect("only who is linked is told").node };
        out.extend(said.into_iter().map(|(place, message)| Output::Peer { to: node(place), message }));
        if self.leaving && self.distro.has_left() {
            self.leaving = false;
            out.push(Output::Left);
        }
    }

    /// Serves when all that can be reached have told what they know, or it took too long.
    fn end_loading(&mut self, now: Now) {
        self.decide_kept(now);
        let Some(loading) = &self.loading else { return };
        if self.loading_due(loading).is_none_or(|due| now.tick < due) {
            return;
        }
        let kept = self.loading.take().and_then(|loading| loading.kept);
        self.revive_kept(now, kept);
        if self.members.cluster().phase == Phase::Loading {
            self.meeting(now, |members, _| members.set_phase(Phase::Serving));
            self.outputs.push(Output::Loaded);
        }
    }

    /// Takes what this node kept of its earlier life once all who serve have told what they know, and others are met: so that
    /// nodes that all start serve with what all of them kept.
    fn decide_kept(&mut self, now: Now) {
        let Some(loading) = &mut self.loading else { return };
        let (members, distro) = (&self.members, &self.distro);
        let is_met = |(place, peer): (usize, &Peer)| match peer.phase {
            Phase::Serving => distro.has_all(place),
            Phase::Loading | Phase::Leaving => {
                members.heard(place).is_some() || (loading.unreachable[place] && now.tick >= loading.patience)
            }
        };
        if loading.kept.is_some() && members.cluster().peers.iter().enumerate().all(is_met) {
            let kept = loading.kept.take();
            self.revive_kept(now, kept);
        }
    }

    /// While others serve, clients can go there: whoever did not within its lease is gone.
    fn revive_kept(&mut self, now: Now, kept: Option<(Millis, Vec<ClientState>)>) {
        let Some((at, mut kept)) = kept else { return };
        self.distro.hurry_digests(now.tick);
        if self.members.cluster().peers.iter().any(|peer| peer.phase == Phase::Serving) {
            let away = self.clock.now(now).saturating_sub(at);
            kept.retain_mut(|state| {
                let lease = lease(&state.attributes);
                let left = (lease + limits::KEPT_SLACK_MILLIS).saturating_sub(away).min(lease);
                state.lease = Some(left);
                left > 0
            });
        }
        self.revive(now, &kept);
    }

    /// When loading ends as things stand: at once when all have told what they know, a little later when the others cannot
    /// be reached.
    fn loading_due(&self, loading: &Loading) -> Option<Tick> {
        let until = loading.until?;
        let lacking = || (0..loading.unreachable.len()).filter(|place| !self.distro.has_all(*place));
        let is_gone = |place: usize| loading.unreachable[place] && self.members.heard(place).is_none();
        if lacking().next().is_none() {
            Some(Tick(0))
        } else if lacking().all(is_gone) {
            Some(loading.patience)
        } else {
            Some(until)
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
