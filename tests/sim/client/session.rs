//! Clients with a connection: they publish and subscribe on it, and again on the next one.

use roster::push::PushNo;

use crate::{
    client::{Client, Content, Link, held::Offer},
    event::{Answer, AtClient, AtHost, Event, List, MILLI, Micros, Request, SECOND, Timer},
    plan::Act,
    world::World,
};

impl Client {
    pub fn now_timer(&self, what: Timer) -> AtClient {
        self.timer(what)
    }

    /// How long it waits for a host that says nothing: the idle time before a health check, and its tries.
    pub fn patience(&mut self) -> Micros {
        self.chance.within(8 * SECOND, 16 * SECOND)
    }

    /// All that is to be asked so that it is as wanted.
    fn undone(&self) -> Vec<Request> {
        let mut undone = Vec::new();
        for (service, publishing) in &self.publishes {
            match &publishing.wanted {
                Some(content) if publishing.confirmed.is_none_or(|(revision, _)| revision != content.revision) => {
                    undone.push(content.publish(*service));
                }
                Some(_) => {}
                None => {
                    let withdraw = |revision| Request::Withdraw { service: *service, revision };
                    undone.extend(publishing.leftover.map(withdraw));
                }
            }
        }
        for (service, subscribing) in &self.subscribes {
            if subscribing.wanted != subscribing.confirmed.is_some() {
                let service = *service;
                let subscribe = Request::Subscribe { service };
                undone.push(if subscribing.wanted { subscribe } else { Request::Unsubscribe { service } });
            }
        }
        undone
    }

    /// Forgets what was confirmed on a connection that is no more.
    fn unlink(&mut self) {
        self.link = Link::None;
        self.generation += 1;
        for publishing in self.publishes.values_mut() {
            publishing.confirmed = None;
            publishing.leftover = None;
        }
        for subscribing in self.subscribes.values_mut() {
            subscribing.confirmed = None;
        }
    }

    /// Takes note of what a program or its user wants.
    fn want(&mut self, now: Micros, act: &Act) {
        match act {
            Act::Publish { service, ports, shared } => {
                self.revision += 1;
                let (revision, beats) = (self.revision, self.kind.beats());
                let (ports, shared) = if beats { (vec![80], false) } else { (ports.clone(), *shared) };
                let content = Content { revision, ports, shared };
                self.publishes.entry(*service).or_default().wanted = Some(content);
            }
            Act::Withdraw { service } => {
                self.revision += 1;
                if let Some(publishing) = self.publishes.get_mut(service) {
                    publishing.wanted = None;
                    publishing.leftover = Some(self.revision);
                }
            }
            Act::Subscribe { service } => self.subscribes.entry(*service).or_default().wanted = true,
            Act::Unsubscribe { service } => {
                if let Some(subscribing) = self.subscribes.get_mut(service) {
                    subscribing.wanted = false;
                }
            }
            Act::Mute(mute) => self.answers = (!mute).then(|| self.answers.unwrap_or(now)),
            Act::Roam(roams) => self.roams = *roams,
            Act::Quit | Act::Die | Act::Begin | Act::Blip => {}
        }
    }
}

impl Content {
    pub fn publish(&self, service: u8) -> Request {
        let Self { revision, ports, shared } = self.clone();
        let batch = ports.len() > 1;
        Request::Publish { service, revision, ports, shared, batch }
    }
}

impl World {
    pub fn act(&mut self, client: usize, act: Act) {
        let now = self.now;
        let actor = &mut self.clients[client];
        // A blip is found out late, and then all is done again.
        let shows = if act == Act::Blip { 60 * SECOND } else { 5 * SECOND };
        actor.unsteady_until = actor.unsteady_until.max(now + shows);
        if !actor.alive && act != Act::Begin {
            return;
        }
        match act {
            Act::Begin if !actor.alive => {
                actor.alive = true;
                actor.fresh = true;
                actor.server = actor.chance.index(self.hosts.len());
                let first = actor.timer(if actor.kind.beats() { Timer::Beat } else { Timer::Connect });
                self.later_at_client(MILLI, client, first);
            }
            Act::Begin => {}
            Act::Quit | Act::Die => self.stop_client(client, act == Act::Quit),
            Act::Blip => self.blip(client),
            act => {
                actor.want(now, &act);
                if actor.kind.beats() {
                    self.beating_asks(client);
                } else {
                    self.ask_undone(client);
                }
            }
        }
    }

    fn stop_client(&mut self, client: usize, orderly: bool) {
        let ended = &mut self.clients[client];
        ended.alive = false;
        let (connection, host) = (ended.connection(), ended.host());
        ended.unlink();
        ended.publishes.clear();
        ended.subscribes.clear();
        ended.ticket = None;
        if let Some((connection, host)) = connection.zip(host) {
            // Without a word, the detector of the host has to find out.
            let silent = ended.chance.within(20 * SECOND, 25 * SECOND);
            let after = if orderly { ended.delay() } else { silent };
            self.later_at_host(after, host, AtHost::Close { connection });
        }
    }

    /// A connection ends and neither side is told.
    fn blip(&mut self, client: usize) {
        let cut = &mut self.clients[client];
        let Some((connection, host)) = cut.connection().zip(cut.host()) else { return };
        let found = cut.chance.within(20 * SECOND, 25 * SECOND);
        self.later_at_host(found, host, AtHost::Close { connection });
        let notices = self.clients[client].patience();
        self.later_at_client(notices, client, AtClient::Lost { connection });
    }

    pub fn at_client(&mut self, client: usize, what: AtClient) {
        let is_current = |connection| self.clients[client].connection() == Some(connection);
        match what {
            AtClient::Opened { connection } if is_current(connection) => self.opened(client, connection),
            AtClient::Opened { .. } => {}
            AtClient::Refused { connection } if is_current(connection) => self.refused(client),
            AtClient::Lost { connection } if is_current(connection) => self.lost(client),
            AtClient::Answered { connection, answer } if is_current(connection) => self.answered(client, answer),
            AtClient::Pushed { connection, push, list } if is_current(connection) => {
                self.pushed(client, push, &list);
            }
            AtClient::Returned { ticket, answer } => self.returned(client, ticket, answer.as_ref()),
            AtClient::Timer { what: Timer::GiveUp { connection }, .. } if is_current(connection) => {
                self.maybe_give_up(client, connection);
            }
            AtClient::Timer { generation, what } if generation == self.clients[client].generation => {
                self.timer_fires(client, what);
            }
            _ => {}
        }
    }

    fn timer_fires(&mut self, client: usize, what: Timer) {
        match what {
            _ if !self.clients[client].alive => {}
            Timer::Connect => self.connect(client),
            Timer::Redo => {
                self.ask_undone(client);
                let (again, period) = (self.clients[client].timer(Timer::Redo), self.clients[client].kind.redo());
                self.later_at_client(period, client, again);
            }
            Timer::Beat => self.beat(client),
            Timer::GiveUp { .. } => {}
        }
    }

    fn connect(&mut self, client: usize) {
        let connection = self.number();
        let host = self.server_behind(self.clients[client].server);
        let connecting = &mut self.clients[client];
        connecting.server = host;
        connecting.link = Link::Opening { connection, host };
        let (after, give_up) = (connecting.delay(), connecting.timer(Timer::GiveUp { connection }));
        self.later_at_host(after, host, AtHost::Open { client, connection });
        self.later_at_client(3 * SECOND, client, give_up);
    }

    fn opened(&mut self, client: usize, connection: u64) {
        let since = self.now;
        let opened = &mut self.clients[client];
        let Link::Opening { host, .. } = opened.link else { return };
        opened.link = Link::Open { connection, host, since };
        opened.refusals = 0;
        let after = if std::mem::take(&mut opened.fresh) { MILLI } else { opened.kind.first_redo(since, opened.phase) };
        let redo = opened.timer(Timer::Redo);
        self.later_at_client(after, client, redo);
        if self.hosts[host].paused > 0 {
            let (after, give_up) = (self.clients[client].patience(), Timer::GiveUp { connection });
            let what = self.clients[client].timer(give_up);
            self.later_at_client(after, client, what);
        }
    }

    fn refused(&mut self, client: usize) {
        let refused = &mut self.clients[client];
        refused.unlink();
        refused.refusals += 1;
        let after = (100 * MILLI * u64::from(refused.refusals)).min(5 * SECOND);
        let again = refused.timer(Timer::Connect);
        self.later_at_client(after, client, again);
    }

    fn lost(&mut self, client: usize) {
        let loser = &mut self.clients[client];
        loser.unlink();
        let after = loser.kind.notices(&mut loser.chance);
        let again = loser.timer(Timer::Connect);
        self.later_at_client(after, client, again);
    }

    /// A host said nothing for as long as a client waits: it closes its end and goes elsewhere.
    fn maybe_give_up(&mut self, client: usize, connection: u64) {
        let (Link::Opening { host, .. } | Link::Open { host, .. }) = self.clients[client].link else { return };
        let opening = matches!(self.clients[client].link, Link::Opening { .. });
        let knows = self.hosts[host].process.as_ref().is_some_and(|one| one.sessions.contains_key(&connection));
        if knows && self.hosts[host].paused == 0 && !opening {
            return;
        }
        self.note(|| format!("client {client} gives up its connection to host {host}"));
        self.later_at_host(MILLI, host, AtHost::Close { connection });
        self.lost(client);
    }

    fn ask_undone(&mut self, client: usize) {
        let asker = &self.clients[client];
        let Link::Open { connection, host, .. } = asker.link else { return };
        for (order, request) in asker.undone().into_iter().enumerate() {
            // In order: calls of one program on one connection.
            let at = self.now + MILLI + order as u64;
            self.at(at, Event::Host { host, what: AtHost::Ask { connection, request } });
        }
    }

    fn answered(&mut self, client: usize, answer: Answer) {
        let now = self.now;
        let told = &mut self.clients[client];
        match answer {
            Answer::Published { service, revision } => {
                if let Some(publishing) = told.publishes.get_mut(&service) {
                    if publishing.confirmed.is_none() {
                        publishing.answered = Some(now);
                    }
                    publishing.confirmed = Some((revision, now));
                    publishing.stood =
                        publishing.stood.filter(|(stood, _)| *stood == revision).or(Some((revision, now)));
                }
            }
            Answer::Withdrawn { service, revision } => {
                if let Some(publishing) = told.publishes.get_mut(&service) {
                    publishing.confirmed = None;
                    publishing.withdrawn = Some(now);
                    publishing.leftover = publishing.leftover.filter(|leftover| *leftover > revision);
                }
            }
            Answer::Subscribed { list } => {
                if let Some(subscribing) = told.subscribes.get_mut(&list.service) {
                    subscribing.confirmed = Some(now);
                }
                self.offer(client, &list);
            }
            Answer::Unsubscribed { service } => {
                if told.subscribes.get(&service).is_some_and(|subscribing| !subscribing.wanted) {
                    told.subscribes.remove(&service);
                }
            }
            Answer::Beat { .. } | Answer::Failed => {}
        }
    }

    fn pushed(&mut self, client: usize, push: PushNo, list: &List) {
        self.offer(client, list);
        let told = &mut self.clients[client];
        let Link::Open { connection, host, .. } = told.link else { return };
        if told.answering_since().is_some() {
            let after = told.delay();
            self.later_at_host(after, host, AtHost::Ack { connection, push, success: true });
        }
    }

    fn offer(&mut self, client: usize, list: &List) {
        let Some(host) = self.clients[client].host() else { return };
        let Some(subscribing) = self.clients[client].subscribes.get_mut(&list.service) else { return };
        let offer = subscribing.offer(host, list);
        match offer {
            Offer::Taken(before) => crate::properties::taken(self, (client, host), list, before.as_ref()),
            Offer::Older(from, held) | Offer::Equal(from, held) => {
                let what = format!("client {client}, host {host}, service {}", list.service);
                let what = format!("{what}: a list stamped {} does not replace {held}", list.stamp);
                crate::properties::dropped(self, (from, host), what);
            }
        }
    }
}
