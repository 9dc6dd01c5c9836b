//! Begins and ends what a plan says: faults of hosts and paths, and acts of clients.

use roster::node::Input;

use crate::{
    event::{AtClient, AtHost, Event, MILLI, SECOND, Timer},
    host::Session,
    plan::{Deed, Fault},
    world::World,
};

impl World {
    pub fn begin(&mut self, action: usize) {
        match self.plan.actions[action].deed.clone() {
            Deed::Act { client, act } => {
                self.note(|| format!("client {client}: {act:?}"));
                self.act(client, act);
            }
            Deed::Fault { fault, .. } => {
                self.note(|| format!("{fault:?} begins"));
                self.begin_fault(&fault);
                self.oracle.disturbed(self.now);
                self.observe();
            }
        }
    }

    fn begin_fault(&mut self, fault: &Fault) {
        match *fault {
            Fault::Crash { host } => {
                self.hosts[host].down += 1;
                self.kill(host);
            }
            Fault::Wipe { host } => {
                self.hosts[host].down += 1;
                self.kill(host);
                self.hosts[host].wipe(host);
            }
            Fault::Pause { host } => self.pause(host),
            Fault::Stop { host } => self.stop(host),
            Fault::Cut { from, to } => self.cut(from, to),
            Fault::Split { set } => self.over_split(set, Self::cut),
            Fault::Slow { a, b, by } => {
                self.network.link_mut(a, b).slowed += by;
                self.network.link_mut(b, a).slowed += by;
            }
            Fault::Break { from, to } => self.break_stream(from, to),
            Fault::Away { host, told } => self.remove_member(host, told),
            Fault::Jump { host, by } => {
                self.hosts[host].skew += by;
                self.oracle.clocks_set_at = self.now;
            }
        }
    }

    pub fn end(&mut self, action: usize) {
        let Deed::Fault { fault, .. } = self.plan.actions[action].deed.clone() else { return };
        self.note(|| format!("{fault:?} ends"));
        match fault {
            Fault::Crash { host } | Fault::Wipe { host } => self.revive(host),
            Fault::Stop { host } => {
                // Whoever stops a process does not wait for ever.
                if self.hosts[host].process.as_ref().is_some_and(|process| process.stopping) {
                    self.kill(host);
                }
                self.revive(host);
            }
            Fault::Pause { host } => self.resume(host),
            Fault::Cut { from, to } => self.mend(from, to),
            Fault::Split { set } => self.over_split(set, Self::mend),
            Fault::Slow { a, b, by } => {
                self.network.link_mut(a, b).slowed -= by;
                self.network.link_mut(b, a).slowed -= by;
            }
            Fault::Away { host, .. } => self.add_member(host),
            Fault::Break { .. } | Fault::Jump { .. } => {}
        }
        self.oracle.disturbed(self.now);
        self.observe();
    }

    fn over_split(&mut self, set: u8, each: fn(&mut Self, usize, usize)) {
        let within = |host: usize| set >> host & 1 == 1;
        for from in 0..self.hosts.len() {
            for to in (0..self.hosts.len()).filter(|to| within(*to) != within(from)) {
                each(self, from, to);
            }
        }
    }

    fn cut(&mut self, from: usize, to: usize) {
        self.network.link_mut(from, to).cuts += 1;
        self.watch(from, to);
        self.watch(to, from);
    }

    fn mend(&mut self, from: usize, to: usize) {
        let link = self.network.link_mut(from, to);
        link.cuts -= 1;
        if link.cuts == 0 {
            self.release(from, to);
        }
    }

    /// The process is gone; nobody had time to say anything.
    pub fn kill(&mut self, host: usize) {
        let Some(process) = self.hosts[host].process.take() else { return };
        self.hosts[host].inbox.clear();
        self.note(|| format!("host {host} is gone"));
        for (connection, session) in process.sessions {
            self.orphan(host, connection, &session);
            // Its machine may be gone as well, and then no reset comes.
            let reset = self.clients[session.client].delay() % 10 < 7;
            let what = if reset { AtClient::Lost { connection } } else { self.given_up(session.client, connection) };
            let after = if reset { MILLI } else { self.clients[session.client].patience() };
            self.later_at_client(after, session.client, what);
        }
        for from in (0..self.hosts.len()).filter(|from| *from != host) {
            if self.network.is_cut(from, host) {
                self.watch(from, host);
            } else {
                self.break_stream(from, host);
            }
        }
    }

    /// A node leaves a connection alone, without having heard of its end.
    pub fn orphan(&mut self, host: usize, connection: u64, session: &Session) {
        // Members took it for an orphan when its node was removed.
        let removed = self.oracle.removed_at(host, self.now).filter(|_| self.hosts[host].away > 0);
        let at = removed.unwrap_or(self.now);
        self.oracle.orphaned(&session.id, at);
        let left = &mut self.clients[session.client];
        left.orphaned = Some((connection, at));
        if left.all_confirmed() {
            left.bereft_at = Some(at);
        }
    }

    fn revive(&mut self, host: usize) {
        self.hosts[host].down -= 1;
        self.at(self.now, Event::Start(host));
    }

    fn pause(&mut self, host: usize) {
        self.hosts[host].paused += 1;
        for from in (0..self.hosts.len()).filter(|from| *from != host) {
            self.watch(from, host);
        }
        let sessions = self.hosts[host].process.iter().flat_map(|process| &process.sessions);
        let sessions: Vec<_> = sessions.map(|(connection, session)| (*connection, session.client)).collect();
        for (connection, client) in sessions {
            let (what, after) = (self.given_up(client, connection), self.clients[client].patience());
            self.later_at_client(after, client, what);
        }
    }

    fn resume(&mut self, host: usize) {
        let resumed = &mut self.hosts[host];
        resumed.paused -= 1;
        if resumed.paused > 0 {
            return;
        }
        // Who runs first is chance: requests of all kinds, the dispatcher or the disk.
        let mut waiting = std::mem::take(&mut resumed.inbox);
        let own = |what: &AtHost| matches!(what, AtHost::Alarm { .. } | AtHost::Duty { .. });
        let owned_first = self.network.chance().percent(50);
        waiting.sort_by_key(|what| own(what) != owned_first);
        for what in waiting {
            self.at(self.now, Event::Host { host, what });
        }
        self.at(self.now, Event::Start(host));
    }

    fn stop(&mut self, host: usize) {
        self.hosts[host].down += 1;
        let stopped = &mut self.hosts[host];
        let life = stopped.life;
        let Some(process) = stopped.process.as_mut().filter(|process| !process.stopping) else { return };
        process.stopping = true;
        if stopped.paused == 0 {
            self.feed(host, Input::Leave);
        }
        self.later_at_host(SECOND, host, AtHost::Drain { life, slice: 0 });
    }

    /// A client gives up a connection if its host says nothing by then.
    fn given_up(&self, client: usize, connection: u64) -> AtClient {
        self.clients[client].now_timer(Timer::GiveUp { connection })
    }
}
