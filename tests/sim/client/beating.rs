//! Clients over HTTP: they publish one address and beat for it, at one node or, when they roam, at any.

use crate::{
    client::Client,
    event::{Answer, AtClient, AtHost, Micros, Request, SECOND, Timer},
    world::World,
};

const BEAT_PERIOD: Micros = 5 * SECOND;
/// How long a caller waits for an answer.
const PATIENCE: Micros = 4 * SECOND;

impl Client {
    /// Whether this request still waits for its answer.
    pub fn awaits(&self, ticket: u64) -> bool {
        self.ticket == Some(ticket)
    }

    /// One thing to ask: what is not as wanted first, else a beat, of each service in turn.
    fn next_request(&self, beats: bool) -> Option<Request> {
        let withdrawn = self.publishes.iter().find_map(|(service, one)| {
            let revision = one.leftover.filter(|_| one.wanted.is_none())?;
            Some(Request::Withdraw { service: *service, revision })
        });
        let published = self.publishes.iter().find_map(|(service, one)| {
            let wanted = one.wanted.as_ref()?;
            let unconfirmed = one.confirmed.is_none_or(|(revision, _)| revision != wanted.revision);
            unconfirmed.then(|| wanted.publish(*service))
        });
        let oldest = self.publishes.iter().filter(|(_, one)| one.wanted.is_some() && beats);
        let beat = oldest.min_by_key(|(_, one)| one.beaten).map(|(service, _)| Request::Beat { service: *service });
        withdrawn.or(published).or(beat)
    }
}

impl World {
    /// The timer of a beating client: it asks, unless what it asked before may still be answered.
    pub fn beat(&mut self, client: usize) {
        self.beating_asks_one(client, true);
        let beating = &self.clients[client];
        let wanted = beating.publishes.values().filter(|one| one.wanted.is_some()).count().max(1);
        let again = beating.timer(Timer::Beat);
        self.later_at_client(BEAT_PERIOD / wanted as u64, client, again);
    }

    pub fn beating_asks(&mut self, client: usize) {
        self.beating_asks_one(client, false);
    }

    fn beating_asks_one(&mut self, client: usize, beats: bool) {
        let hosts = self.hosts.len();
        let ticket = self.number();
        let asker = &mut self.clients[client];
        let Some(request) = asker.next_request(beats).filter(|_| asker.alive && asker.ticket.is_none()) else { return };
        asker.ticket = Some(ticket);
        if asker.roams {
            asker.server = asker.chance.index(hosts);
        }
        let server = asker.server;
        let host = if self.oracle.members[server] { server } else { self.server_behind(server) };
        let asker = &mut self.clients[client];
        asker.server = host;
        let after = asker.delay();
        self.later_at_host(after, host, AtHost::Http { client, ticket, request });
        self.later_at_client(PATIENCE, client, AtClient::Returned { ticket, answer: None });
    }

    pub fn returned(&mut self, client: usize, ticket: u64, answer: Option<&Answer>) {
        let (now, next) = (self.now, self.server_behind(self.clients[client].server));
        let told = &mut self.clients[client];
        if told.ticket != Some(ticket) {
            return;
        }
        told.ticket = None;
        match answer {
            None => {
                told.server = next;
                return;
            }
            Some(Answer::Published { service, revision }) => {
                if let Some(publishing) = told.publishes.get_mut(service) {
                    publishing.confirmed = Some((*revision, now));
                    publishing.beaten = Some(now);
                }
            }
            Some(Answer::Withdrawn { service, revision }) => {
                if let Some(publishing) = told.publishes.get_mut(service) {
                    publishing.confirmed = None;
                    publishing.withdrawn = Some(now);
                    publishing.leftover = publishing.leftover.filter(|leftover| leftover > revision);
                }
            }
            Some(Answer::Beat { service, known }) => {
                if let Some(publishing) = told.publishes.get_mut(service) {
                    publishing.beaten = Some(now);
                    publishing.confirmed = publishing.confirmed.filter(|_| *known);
                }
            }
            Some(Answer::Subscribed { .. } | Answer::Unsubscribed { .. } | Answer::Failed) => return,
        }
        self.beating_asks(client);
    }
}
