//! What a process does for its node beside it: connections, requests, pushes, the disk, and its own end.

use std::{collections::BTreeMap, net::SocketAddr};

use roster::{
    model::{Attributes, ClientId, Instance, Published},
    node::{Input, Rejection, Reply},
    push::PushNo,
};

use crate::{
    SHARED_IP, client_ip,
    event::{Answer, AtClient, AtHost, List, MILLI, Request, SECOND},
    host::{DUTY_PERIOD, Session},
    properties, service,
    world::World,
};

/// Into how many parts clients are divided when a process stops.
const SLICES: u32 = 10;

impl World {
    pub fn at_host(&mut self, host: usize, what: AtHost) {
        if self.hosts[host].paused > 0 {
            self.hosts[host].inbox.push(what);
            return;
        }
        let current = self.hosts[host].life;
        let runs = self.hosts[host].process.is_some();
        match what {
            AtHost::Alarm { life } if runs && life == current => self.alarm(host),
            AtHost::Duty { life } if runs && life == current => {
                self.hosts[host].raise_ceiling(self.now, 0);
                self.hosts[host].keep_entries(self.now);
                self.later_at_host(DUTY_PERIOD, host, AtHost::Duty { life });
            }
            AtHost::Drain { life, slice } if runs && life == current => self.drain(host, slice),
            AtHost::Members { life } if runs && life == current => self.told_members(host),
            AtHost::Alarm { .. } | AtHost::Duty { .. } | AtHost::Drain { .. } | AtHost::Members { .. } => {}
            AtHost::Dial { life, to } => self.dial(host, life, to),
            what @ AtHost::Dialled { .. } => self.dialled(host, &what),
            AtHost::Unlinked { life, to } => self.unlinked(host, (life, to), false),
            what @ AtHost::Arrive { .. } => self.arrive(host, what),
            AtHost::Open { client, connection } => self.open(host, client, connection),
            AtHost::Close { connection } => self.close(host, connection),
            AtHost::Ask { connection, request } => self.asked(host, connection, &request),
            AtHost::Ack { connection, push, success } => {
                if let Some(client) = self.session(host, connection).map(|session| session.id.clone()) {
                    self.feed(host, Input::Acked { client, push: Some(push), success });
                }
            }
            what => self.at_http(host, what),
        }
    }

    fn alarm(&mut self, host: usize) {
        let process = self.hosts[host].process.as_mut().expect("it runs");
        // An alarm that an earlier one replaced.
        if process.alarm.is_some_and(|alarm| alarm <= self.now) {
            process.alarm = None;
            self.dispatch(host);
        }
    }

    fn session(&mut self, host: usize, connection: u64) -> Option<&mut Session> {
        self.hosts[host].process.as_mut()?.sessions.get_mut(&connection)
    }

    fn open(&mut self, host: usize, client: usize, connection: u64) {
        let after = self.clients[client].delay();
        if !self.hosts[host].serves() {
            self.later_at_client(after, client, AtClient::Refused { connection });
            return;
        }
        let port = self.clients[client].next_port();
        let address: SocketAddr = format!("{}:{port}", client_ip(client)).parse().expect("an address");
        let id = ClientId::connection(self.hosts[host].now(self.now).wall, address);
        let attributes: Attributes = self.clients[client].kind.attributes();
        self.feed(host, Input::Connect(id.clone(), attributes));
        let incarnation = self.hosts[host].process.as_ref().expect("it serves").node.cluster().this;
        self.oracle.opened(id.clone(), client, (host, incarnation));
        let session = Session { client, id, last_arrival: self.now + after, sent: BTreeMap::new() };
        self.hosts[host].process.as_mut().expect("it serves").sessions.insert(connection, session);
        self.later_at_client(after, client, AtClient::Opened { connection });
    }

    /// The client's end of a connection is gone.
    fn close(&mut self, host: usize, connection: u64) {
        let Some(process) = &mut self.hosts[host].process else { return };
        let Some(session) = process.sessions.remove(&connection) else { return };
        self.oracle.ended(&session.id, self.now);
        self.feed(host, Input::Disconnect(session.id));
    }

    fn asked(&mut self, host: usize, connection: u64, request: &Request) {
        let Some((client, id)) = self.session(host, connection).map(|session| (session.client, session.id.clone()))
        else {
            return;
        };
        let input = session_input(id.clone(), client, request);
        let answer = match self.feed(host, input) {
            Some(Ok(reply)) => answer(request, reply),
            Some(Err(rejection)) => self.rejected(host, request, &rejection),
            None => return,
        };
        match &answer {
            Answer::Subscribed { list } => self.leaves(host, connection, list),
            Answer::Published { .. } => properties::written(self, host, &id, request),
            _ => {}
        }
        self.tell(host, connection, |connection| AtClient::Answered { connection, answer });
    }

    pub fn rejected(&mut self, host: usize, request: &Request, rejection: &Rejection) -> Answer {
        self.note(|| format!("host {host} rejects {request:?}: {rejection}"));
        Answer::Failed
    }

    /// Says something to a client on its connection, behind what was said before.
    fn tell(&mut self, host: usize, connection: u64, what: impl FnOnce(u64) -> AtClient) {
        let Some(client) = self.session(host, connection).map(|session| session.client) else { return };
        let at = self.now + self.clients[client].delay();
        let Some(session) = self.session(host, connection) else { return };
        session.last_arrival = session.last_arrival.max(at);
        let after = session.last_arrival - self.now;
        self.later_at_client(after, client, what(connection));
    }

    pub fn push(&mut self, host: usize, client: &ClientId, push: PushNo, list: List) {
        let sessions = self.hosts[host].process.iter().flat_map(|process| &process.sessions);
        // A client that just went is still pushed to; its transport is gone.
        let Some(connection) = sessions.into_iter().find(|(_, one)| one.id == *client).map(|(number, _)| *number)
        else {
            return;
        };
        self.leaves(host, connection, &list);
        self.tell(host, connection, |connection| AtClient::Pushed { connection, push, list });
    }

    /// A list leaves for a subscriber: on one connection, stamps of a service only grow, and another list has another stamp.
    fn leaves(&mut self, host: usize, connection: u64, list: &List) {
        let Some(session) = self.session(host, connection) else { return };
        let (before, client) = (session.sent.insert(list.service, (list.stamp, list.hosts.clone())), session.client);
        let again = |(stamp, hosts): &(_, _)| *stamp == list.stamp && *hosts == list.hosts;
        let back = before.filter(|before| before.0 >= list.stamp && !again(before));
        if let Some((before, _)) = back {
            let what = format!("host {host} sends client {client} a list stamped {} after {before}", list.stamp);
            self.fail("stamps", what);
        }
    }

    /// Ends all connections, a part at a time, and then the process.
    fn drain(&mut self, host: usize, slice: u32) {
        let process = self.hosts[host].process.as_mut().expect("it runs");
        if slice == 0 && std::mem::replace(&mut process.draining, true) {
            return;
        }
        let share = process.sessions.len().div_ceil((SLICES - slice.min(SLICES - 1)) as usize);
        let leaving: Vec<u64> = process.sessions.keys().take(share).copied().collect();
        for connection in leaving {
            let process = self.hosts[host].process.as_mut().expect("it runs");
            let session = process.sessions.remove(&connection).expect("just listed");
            self.orphan(host, connection, &session);
            self.feed(host, Input::Disconnect(session.id));
            self.later_at_client(MILLI, session.client, AtClient::Lost { connection });
        }
        let life = self.hosts[host].life;
        if slice < SLICES {
            self.later_at_host(SECOND / u64::from(SLICES), host, AtHost::Drain { life, slice: slice + 1 });
            return;
        }
        self.hosts[host].keep_entries(self.now);
        self.kill(host);
        self.observe();
    }
}

/// What `client` publishes: the revision is its weight, so that readers see which one they see.
pub fn content(client: usize, revision: u32, ports: &[u16], shared: bool, batch: bool) -> Published {
    let ip = if shared { SHARED_IP.into() } else { client_ip(client).into() };
    let one = |port: &u16| Instance { ip, port: *port, weight: revision.into(), ..Instance::default() };
    if batch {
        let instances = ports.iter().map(|port| one.clone()(port));
        return Published::Batch(instances.collect());
    }
    Published::One(Box::new(one(&ports[0])))
}

fn session_input(id: ClientId, client: usize, request: &Request) -> Input {
    match request {
        Request::Publish { service: to, revision, ports, shared, batch } => {
            let content = content(client, *revision, ports, *shared, *batch);
            Input::Register { client: id, service: service(*to), content }
        }
        Request::Withdraw { service: of, .. } => Input::Deregister { client: id, service: service(*of) },
        Request::Subscribe { service: to } => {
            Input::Subscribe { client: id, service: service(*to), clusters: "".into() }
        }
        Request::Unsubscribe { service: from } => {
            Input::Unsubscribe { client: id, service: service(*from), clusters: "".into() }
        }
        Request::Beat { service: of } => Input::Beat { client: id, service: service(*of), instance: None },
    }
}

/// What a session is answered.
fn answer(request: &Request, reply: Reply) -> Answer {
    match (request, reply) {
        (Request::Publish { service, revision, .. }, _) => Answer::Published { service: *service, revision: *revision },
        (Request::Withdraw { service, revision }, _) => Answer::Withdrawn { service: *service, revision: *revision },
        (Request::Subscribe { service }, Reply::View(view)) => {
            Answer::Subscribed { list: List { service: *service, stamp: view.stamp, hosts: view.hosts } }
        }
        (Request::Unsubscribe { service }, _) => Answer::Unsubscribed { service: *service },
        _ => Answer::Failed,
    }
}
