//! What a node does before it serves: it learns what others know, and of those that it does not reach what others know of
//! them.

use compact_str::CompactString;

use crate::{
    distro::{Judgement, lease},
    member::Peer,
    model::{ClientId, ClientState, HybridTime, Incarnation, Millis, Now, Tick, limits},
    node::{Node, Output, Reply},
    wire::peer::{Known, Phase},
};

/// A node that loads.
#[derive(Debug)]
pub(super) struct Loading {
    /// When it stops waiting; none until it is let in by the others, whom it is to join.
    pub(super) until: Option<Tick>,
    /// Until when a member that cannot be reached may be about to start as well.
    patience: Tick,
    /// How it stands with the members, in their order.
    pub(super) members: Vec<Heard>,
    /// What this node kept of its earlier life, and its hybrid time then; none once it was decided what that counts. Until
    /// then nobody is to believe that it has been told all there is.
    kept: Option<(Millis, Vec<ClientState>)>,
}

/// How it stands with a member while this node loads.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// What came of the last try to reach it.
    pub(super) reach: Reach,
    /// Of which others it has told all that it knows; none when it is too old to say.
    told: Option<Vec<CompactString>>,
}

/// What is known of a way to a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reach {
    /// It is there, or was not tried yet.
    #[default]
    Unknown,
    /// Nobody is there.
    Vacant,
    /// Nothing is heard; it may well be alive, and have clients.
    Silent,
}

impl Loading {
    pub(super) fn new(until: Option<Tick>, members: usize, now: Tick) -> Self {
        let members = std::iter::repeat_with(Heard::default).take(members).collect();
        Self { until, patience: now, members, kept: None }
    }

    /// Whether what this node kept is decided on.
    pub(super) fn has_decided(&self) -> bool {
        self.kept.is_none()
    }
}

impl Node {
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

    /// Some of what this node is to keep for a later life.
    pub(super) fn what_to_keep(&mut self, now: Now, after: Option<&ClientId>) -> Reply {
        let recent = self.clock.now(now).saturating_sub(limits::KEPT_BY_ALL_MILLIS);
        let cluster = self.members.cluster();
        Reply::States(self.distro.what_to_keep(now.tick, HybridTime::at(recent), after, cluster, &self.registry))
    }

    fn revive(&mut self, now: Now, states: &[ClientState]) {
        for state in states {
            if self.distro.judge(state, false) == Judgement::Newer {
                self.learn(now, state);
                self.distro.hand_on(now.tick, &state.id);
            }
        }
    }

    /// The members that this node asks others about: it loads, and neither reaches nor hears them.
    pub(super) fn lacks(&self) -> Vec<CompactString> {
        let Some(loading) = &self.loading else { return Vec::new() };
        let lacking = self.lacking(loading).filter(|place| self.is_away(loading, *place));
        lacking.map(|place| self.members.cluster().peers[place].told.clone()).collect()
    }

    /// A member that loads lacks others. Only a node that has all there is can tell it of them; until then it is not asked.
    /// Of one that is no member here nothing is known, which is told as well.
    pub(super) fn take_lacks(&mut self, now: Now, place: usize, lacks: &[CompactString]) {
        let cluster = self.members.cluster();
        let serves = cluster.phase == Phase::Serving;
        let life = |address: &CompactString| cluster.peers[self.members.told(address)?].incarnation;
        let lacked = lacks.iter().filter(|_| serves).map(|address| (address.clone(), life(address)));
        let lacked: Vec<_> = lacked.collect();
        self.distro.lacks(now.tick, place, &lacked);
    }

    /// What the member at a place is told of those that it lacks. Who serves is said at once, so that it does not take their
    /// clients for orphans.
    pub(super) fn known(&self, place: usize) -> Vec<Known> {
        let cluster = self.members.cluster();
        let serves = |life: &Incarnation| {
            cluster.is_alive(*life) && cluster.peer(life.node).is_some_and(|peer| peer.phase == Phase::Serving)
        };
        let lacked = self.distro.lacked(place).iter();
        lacked
            .map(|lack| Known { address: lack.address.clone(), life: lack.life.filter(serves), told: lack.told })
            .collect()
    }

    /// Takes what a member says of those that this node lacks.
    pub(super) fn take_known(&mut self, now: Now, place: usize, known: Option<&[Known]>) {
        let Some(loading) = &mut self.loading else { return };
        let told = |known: &&Known| known.told && self.members.told(&known.address).is_some();
        loading.members[place].told =
            known.map(|known| known.iter().filter(told).map(|known| known.address.clone()).collect());
        let lacks = self.lacks();
        let served = known.unwrap_or_default().iter().filter(|known| lacks.contains(&known.address));
        for (address, life) in served.filter_map(|known| Some((&known.address, known.life?))) {
            self.meeting(now, |members, transitions| members.hear_of(now.tick, address, life, transitions));
        }
    }

    /// Serves when all that can be reached have told what they know, or it took too long.
    pub(super) fn end_loading(&mut self, now: Now) {
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
        let Some(loading) = &self.loading else { return };
        let is_met = |(place, peer): (usize, &Peer)| {
            let is_late = self.is_away(loading, place) && now.tick >= loading.patience;
            match peer.phase {
                Phase::Serving => {
                    self.distro.has_all(place) || self.serves_without(loading, place).is_some_and(|due| now.tick >= due)
                }
                Phase::Loading | Phase::Leaving => self.members.heard(place).is_some() || is_late,
            }
        };
        if loading.kept.is_some() && self.members.cluster().peers.iter().enumerate().all(is_met) {
            let kept = self.loading.as_mut().and_then(|loading| loading.kept.take());
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

    /// When loading ends as things stand: at once when all have told what they know, a little later when nobody knows more
    /// of those that cannot be reached.
    pub(super) fn loading_due(&self, loading: &Loading) -> Option<Tick> {
        let until = loading.until?;
        let without = self.lacking(loading).map(|place| self.serves_without(loading, place).unwrap_or(until));
        Some(without.max().unwrap_or_default().min(until))
    }

    /// The places of members that have not told this node what they own.
    fn lacking(&self, loading: &Loading) -> impl Iterator<Item = usize> {
        (0..loading.members.len()).filter(|place| !self.distro.has_all(*place))
    }

    /// Whether the member at a place is neither reached nor heard.
    fn is_away(&self, loading: &Loading, place: usize) -> bool {
        loading.members[place].reach != Reach::Unknown && !self.members.hears(place)
    }

    /// When this node may serve without having heard from a member itself; none when it is to be waited for. All who serve
    /// and can say it must have told what they know of it; those that are too old to say it are not waited for. When nobody
    /// serves, only one that is not there can be done without: another may be alive, and it may be this node that is cut off.
    fn serves_without(&self, loading: &Loading, place: usize) -> Option<Tick> {
        if !self.is_away(loading, place) {
            return None;
        }
        let peers = &self.members.cluster().peers;
        let helps = |other: &usize| peers[*other].phase == Phase::Serving && self.distro.linked_life(*other).is_some();
        let helpers: Vec<usize> = (0..peers.len()).filter(helps).collect();
        let all_told = || {
            let mut told = helpers.iter().filter_map(|other| loading.members[*other].told.as_ref());
            told.all(|told| told.contains(&peers[place].told))
        };
        let may = match helpers.is_empty() {
            true => loading.members[place].reach == Reach::Vacant && self.members.heard(place).is_none(),
            false => all_told(),
        };
        may.then_some(loading.patience)
    }
}
