//! Streams between hosts, as the transport of a real node keeps them: dial, say so, carry, notice the end, dial again.

use roster::{
    model::{ClientId, NodeId, ServiceKey},
    node::{Input, Reply},
    wire::peer::Message,
};

use crate::{
    event::{AtHost, Event, MILLI, SECOND},
    network::{Fate, Stream},
    weakness::Weakness,
    world::World,
};

impl World {
    /// A node says something to another.
    pub fn send(&mut self, from: usize, to: NodeId, message: Message) {
        // A stream that is not there carries nothing, and its node knows.
        let Some((to, life)) = self.network.leads_to(from, to) else { return };
        let message = match self.weakness {
            Some(weakness) => weakness.carry(message, &mut self.told),
            None => Some(message),
        };
        let Some(message) = message else { return };
        self.take_for_taken(from, to, &message);
        let sender = self.hosts[from].process.as_ref().expect("it speaks").node.cluster().this;
        let stream = self.network.link(from, to).number;
        let arrives = |message| AtHost::Arrive { from, stream, life, sender, message };
        match self.network.send(self.now, from, to) {
            Fate::Arrives(at) => self.at(at, Event::Host { host: to, what: arrives(message) }),
            Fate::Twice(first, second) => {
                self.at(first, Event::Host { host: to, what: arrives(message.clone()) });
                self.at(second, Event::Host { host: to, what: arrives(message) });
            }
            Fate::Held => self.network.link_mut(from, to).held.push((sender, message)),
            Fate::Lost => self.note(|| format!("lost {from} to {to}")),
            Fate::Breaks => self.break_stream(from, to),
        }
    }

    /// Has the sender believe that its states arrived, where that is planted.
    fn take_for_taken(&mut self, from: usize, to: usize, message: &Message) {
        let (Some(Weakness::LostMark), Message::Sync { number, .. }) = (self.weakness, message) else { return };
        let Stream::Open { peer, .. } = self.network.link(from, to).stream else { return };
        let (address, message) = (self.hosts[to].address.clone(), Message::SyncTaken { number: *number });
        self.feed(from, Input::Peer { address, from: peer, message });
    }

    /// Has a node take what another knows of its own clients, where that is planted.
    fn overwrite_native(&mut self, from: usize, to: usize) {
        if self.weakness != Some(Weakness::SnapshotOverNative) {
            return;
        }
        let Some(process) = self.hosts[to].process.as_ref() else { return };
        let natives: Vec<ClientId> = process.sessions.values().map(|session| session.id.clone()).collect();
        for id in natives {
            let snapshot = self.services_of(from, &id);
            let Some(snapshot) = snapshot else { continue };
            for service in self.services_of(to, &id).unwrap_or_default() {
                if !snapshot.contains(&service) {
                    self.feed(to, Input::Deregister { client: id.clone(), service });
                }
            }
        }
    }

    /// For which services a client publishes, as a host knows.
    fn services_of(&mut self, host: usize, id: &ClientId) -> Option<Vec<ServiceKey>> {
        match self.feed(host, Input::ClientState(id.clone())) {
            Some(Ok(Reply::State(Some(state)))) => {
                Some(state.publications.iter().map(|publication| publication.service.clone()).collect())
            }
            _ => None,
        }
    }

    pub fn arrive(&mut self, host: usize, what: AtHost) {
        let AtHost::Arrive { from, stream, life, sender, message } = what else { return };
        let link = self.network.link_mut(from, host);
        let current = link.number == stream;
        if current {
            link.in_flight = link.in_flight.saturating_sub(1);
        }
        // What an earlier stream carried is gone with it, but a wild network brings it all the same.
        if self.hosts[host].life != life || !(current || self.plan.wild) {
            return;
        }
        let address = self.hosts[from].address.clone();
        self.feed(host, Input::Peer { address, from: sender, message });
    }

    pub fn dial(&mut self, host: usize, life: u32, to: usize) {
        let is_free = matches!(self.network.link(host, to).stream, Stream::Closed);
        if self.hosts[host].life != life
            || self.hosts[host].process.is_none()
            || !self.hosts[host].knows(to)
            || !is_free
        {
            return;
        }
        let trip = self.network.round_trip(host, to);
        self.network.link_mut(host, to).stream = Stream::Dialling;
        let stream = self.network.link(host, to).number;
        let mut vacant = false;
        let (after, outcome) = match &self.hosts[to] {
            target if self.network.is_cut(host, to) || target.paused > 0 => (3 * SECOND, None),
            target if !target.knows(host) => (trip, None),
            target => {
                vacant = target.process.is_none();
                (trip, target.process.as_ref().map(|process| (target.life, process.node.cluster().this)))
            }
        };
        self.later_at_host(after, host, AtHost::Dialled { life, to, stream, outcome, vacant });
    }

    pub fn dialled(&mut self, host: usize, what: &AtHost) {
        let &AtHost::Dialled { life, to, stream, outcome, vacant } = what else { return };
        if self.hosts[host].life != life || self.network.link(host, to).number != stream {
            return;
        }
        let target = &self.hosts[to];
        let there = outcome.filter(|(life, _)| target.life == *life && target.process.is_some() && target.knows(host));
        let Some((peer_life, peer)) = there else {
            self.unlinked(host, (life, to), vacant);
            return;
        };
        let link = self.network.link_mut(host, to);
        link.stream = Stream::Open { peer, life: peer_life };
        link.failures = 0;
        let address = self.hosts[to].address.clone();
        self.feed(host, Input::Linked { address, peer });
        self.overwrite_native(host, to);
        if self.network.is_cut(host, to) {
            self.watch(host, to);
        }
    }

    /// The dialler learns that a stream is not there, and dials again after a pause.
    pub fn unlinked(&mut self, host: usize, (life, to): (u32, usize), vacant: bool) {
        if self.hosts[host].life != life || self.hosts[host].process.is_none() {
            return;
        }
        let link = self.network.link_mut(host, to);
        link.close();
        if !self.hosts[host].knows(to) {
            return;
        }
        let pause = link.backoff();
        let address = self.hosts[to].address.clone();
        self.feed(host, Input::Unlinked { address, vacant });
        self.later_at_host(pause, host, AtHost::Dial { life, to });
    }

    pub fn break_stream(&mut self, from: usize, to: usize) {
        if matches!(self.network.link(from, to).stream, Stream::Open { .. }) {
            self.network.link_mut(from, to).close();
            let life = self.hosts[from].life;
            self.later_at_host(MILLI, from, AtHost::Unlinked { life, to });
        }
    }

    /// Somebody will notice that nothing comes through, if that lasts.
    pub fn watch(&mut self, from: usize, to: usize) {
        let link = self.network.link_mut(from, to);
        let (after, stream) = (link.detection(), link.number);
        self.at(self.now + after, Event::Detect { from, to, stream });
    }

    pub fn detect(&mut self, from: usize, to: usize, stream: u32) {
        let target = &self.hosts[to];
        // Another process at the same place knows nothing of it.
        let other = match self.network.link(from, to).stream {
            Stream::Open { life, .. } => target.process.is_none() || target.life != life,
            Stream::Closed | Stream::Dialling => false,
        };
        let dead = other || self.network.is_cut(from, to) || target.paused > 0;
        if dead && self.network.link(from, to).number == stream {
            self.break_stream(from, to);
        }
    }

    /// What was held back by a cut goes on its way.
    pub fn release(&mut self, from: usize, to: usize) {
        let link = self.network.link_mut(from, to);
        let (stream, Stream::Open { life, .. }) = (link.number, &link.stream) else { return };
        let life = *life;
        for (sender, message) in std::mem::take(&mut link.held) {
            let at = self.network.link_mut(from, to).released(self.now);
            let what = AtHost::Arrive { from, stream, life, sender, message };
            self.at(at, Event::Host { host: to, what });
        }
    }
}
