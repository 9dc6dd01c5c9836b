//! What the HTTP side of a process does for clients that are known by their address: it has the responsible node do it,
//! and does it itself when that node does not answer in time.

use std::sync::Arc;

use roster::{
    model::{ClientId, ClientState, Millis, Published},
    node::{Beat, Input, Reply, Write},
};

use crate::{
    client_ip,
    event::{Answer, AtClient, AtHost, Event, Micros, Request, SECOND},
    properties, service,
    serving::content,
    world::World,
};

/// How long an entry node waits for the responsible one.
const FORWARD_DEADLINE: Micros = 1_500_000;
const _: () = assert!(FORWARD_DEADLINE < 2 * SECOND);

impl World {
    pub fn at_http(&mut self, host: usize, what: AtHost) {
        let current = self.hosts[host].process.as_ref().map(|_| self.hosts[host].life);
        match what {
            AtHost::Http { client, ticket, request } => self.called(host, client, ticket, request),
            AtHost::Forwarded { from, life, ticket, client, request, sent } => {
                let serves = self.hosts[host].serves() && self.hosts[host].knows(from);
                let answered = if serves { self.perform(host, client, &request, Some(sent)) } else { None };
                let (answer, state) = answered.map_or((None, None), |(answer, state)| (Some(answer), state));
                if let Some(at) = self.network.once(self.now, host, from) {
                    let what = AtHost::ForwardAnswered { life, ticket, answer, state };
                    self.at(at, Event::Host { host: from, what });
                }
            }
            AtHost::ForwardAnswered { life, ticket, answer, state } if current == Some(life) => {
                self.forward_answered(host, ticket, answer, state);
            }
            AtHost::ForwardDeadline { life, ticket } if current == Some(life) => {
                self.forward_answered(host, ticket, None, None);
            }
            _ => {}
        }
    }

    fn called(&mut self, host: usize, client: usize, ticket: u64, request: Request) {
        // A request that lay unread while its host stood still: whoever sent it has hung up.
        if !self.clients[client].awaits(ticket) {
            return;
        }
        if !self.hosts[host].serves() {
            self.give_back(client, ticket, None);
            return;
        }
        let cluster = self.hosts[host].process.as_ref().expect("it serves").node.cluster().clone();
        let target = cluster.forward_to(&address_id(client)).and_then(|id| cluster.peer(id));
        let target = target.and_then(|peer| self.hosts.iter().position(|other| other.address == peer.address));
        let Some(target) = target else {
            let answer = self.perform(host, client, &request, None).map(|(answer, _)| answer);
            self.finish(host, (client, ticket), &request, answer);
            return;
        };
        let (life, here) = (self.hosts[host].life, self.hosts[host].now(self.now));
        let process = self.hosts[host].process.as_mut().expect("it serves");
        process.forwarded.insert(ticket, (client, request.clone()));
        let sent = process.node.time(here);
        if let Some(at) = self.network.once(self.now, host, target) {
            let what = AtHost::Forwarded { from: host, life, ticket, client, request, sent };
            self.at(at, Event::Host { host: target, what });
        }
        self.later_at_host(FORWARD_DEADLINE, host, AtHost::ForwardDeadline { life, ticket });
    }

    fn forward_answered(&mut self, host: usize, ticket: u64, answer: Option<Answer>, state: Option<Arc<ClientState>>) {
        let process = self.hosts[host].process.as_mut().expect("it runs");
        let Some((client, request)) = process.forwarded.remove(&ticket) else { return };
        if let Some(state) = state {
            self.feed(host, Input::Learn(state));
        }
        let answer = match answer {
            Some(answer) => Some(answer),
            None => self.perform(host, client, &request, None).map(|(answer, _)| answer),
        };
        self.finish(host, (client, ticket), &request, answer);
    }

    /// Answers a caller at the node that it asked.
    fn finish(&mut self, host: usize, (client, ticket): (usize, u64), request: &Request, answer: Option<Answer>) {
        if let Some(Answer::Published { .. }) = answer {
            properties::written(self, host, &address_id(client), request);
        }
        self.give_back(client, ticket, answer);
    }

    /// Does what a caller asks, and tells what came of it. `sent`: when another node sent it here.
    fn perform(
        &mut self,
        host: usize,
        client: usize,
        request: &Request,
        sent: Option<Millis>,
    ) -> Option<(Answer, Option<Arc<ClientState>>)> {
        let id = address_id(client);
        let input = match request {
            Request::Publish { service: to, revision, ports, shared, .. } => {
                let Published::One(instance) = content(client, *revision, ports, *shared, false) else {
                    unreachable!("not a batch")
                };
                Input::RegisterBeating { client: id.clone(), service: service(*to), instance }
            }
            Request::Withdraw { service: of, .. } => Input::Deregister { client: id.clone(), service: service(*of) },
            Request::Beat { service: of } => Input::Beat { client: id.clone(), service: service(*of), instance: None },
            Request::Subscribe { .. } | Request::Unsubscribe { .. } => return None,
        };
        let input = match sent {
            Some(sent) => {
                Input::Forwarded { sent, write: Box::new(Write::try_from(input).expect("it can be forwarded")) }
            }
            None => input,
        };
        let answer = match (request, self.feed(host, input)?) {
            (_, Ok(Reply::Late)) => return None,
            (Request::Publish { service, revision, .. }, Ok(_)) => {
                self.oracle.beaten(client, self.now);
                Answer::Published { service: *service, revision: *revision }
            }
            (Request::Withdraw { service, revision }, Ok(_)) => {
                Answer::Withdrawn { service: *service, revision: *revision }
            }
            (Request::Beat { service }, Ok(Reply::Beat(met))) => {
                self.oracle.beaten(client, self.now);
                Answer::Beat { service: *service, known: met != Beat::Unknown }
            }
            (_, Err(rejection)) => self.rejected(host, request, &rejection),
            (_, Ok(_)) => Answer::Failed,
        };
        let state = match self.feed(host, Input::ClientState(id)) {
            Some(Ok(Reply::State(state))) => state,
            _ => None,
        };
        Some((answer, state))
    }

    fn give_back(&mut self, client: usize, ticket: u64, answer: Option<Answer>) {
        let after = self.clients[client].delay();
        self.later_at_client(after, client, AtClient::Returned { ticket, answer });
    }
}

/// The client that a caller speaks for: each program publishes one address.
pub fn address_id(client: usize) -> ClientId {
    ClientId::address(&client_ip(client), 80)
}
