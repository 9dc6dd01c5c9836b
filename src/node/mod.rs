//! One node as a value: registry and engines with one way in, [`Node::handle`], and one way out, [`Node::poll`].
//!
//! Owns the order of things: a command changes the registry, the changes mark the engines, and only then is the caller
//! answered; whatever leaves the node leaves by `poll`. Everything in it can be simulated: time is an argument, nothing is
//! random, the order of iteration is fixed. Never touches a socket, a file or a clock.

mod agreed;
mod beat;
#[cfg(test)]
mod beat_test;
mod brake;
mod cluster;
#[cfg(test)]
mod cluster_test;
mod copies;
#[cfg(test)]
mod history_test;
#[cfg(test)]
mod hour_test;
mod input;
mod loading;
#[cfg(test)]
mod loading_test;
mod membership;
#[cfg(test)]
mod membership_test;
mod namespaces;
#[cfg(test)]
mod node_test;
#[cfg(test)]
mod nodes_test;
mod output;
mod polling;
#[cfg(test)]
mod polling_test;
mod reject;
mod write;

use std::sync::Arc;

use compact_str::CompactString;

pub use input::Input;
pub use output::{Beat, MemberDetail, Output, Reply, View};
pub use polling::Poll;
pub use reject::Rejection;
pub use write::Write;

use crate::{
    distro::{self, Distro},
    health::{self, Health},
    member::{self, Members},
    model::{
        ClientId, ClusterFilter, HybridClock, Incarnation, Millis, NodeId, Now, ServiceKey, Span, Switches, Tick,
        Version,
    },
    node::{brake::Brake, loading::Loading, namespaces::Namespaces},
    polling::Polling,
    push::{self, PushEngine},
    registry::{self, Change, ClientDetail, ClientNo, Command, Encoded, Registry, Selection, ServiceNo, Subscriber},
    wire::peer::Phase,
};

/// What a node is told at its making.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// For the registry.
    pub registry: registry::Limits,
    /// For the push engine.
    pub push: push::Settings,
    /// For watching members.
    pub member: member::Settings,
    /// For clients of other nodes.
    pub distro: distro::Settings,
    /// How long a node waits at its start for what others know.
    pub loading_limit: Millis,
    /// Most of a service, in percent, that may expire within a short time before the rest waits; none for no limit.
    pub removal_brake: Option<u8>,
}

impl Settings {
    /// As recommended.
    pub const DEFAULT: Self = Self {
        registry: registry::Limits { empty_service_expiry: 60_000, encodings: 64 << 20 },
        push: push::Settings::DEFAULT,
        member: member::Settings::DEFAULT,
        distro: distro::Settings::DEFAULT,
        loading_limit: 30_000,
        removal_brake: None,
    };
}

/// Who a node is and who else there is.
#[derive(Clone, Debug)]
pub struct Membership {
    /// This node.
    pub this: NodeId,
    /// Where this node is reached: its own entry in the list of members.
    pub address: CompactString,
    /// Main addresses of the others, until [`Input::Membership`] says otherwise.
    pub peers: Vec<CompactString>,
    /// Whether others are to let this node in first: it serves once it has what they know.
    pub joins: bool,
}

/// Numbers about a node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// What the registry holds.
    pub size: registry::Size,
    /// What became of pushes.
    pub pushes: push::Counts,
    /// Push marks waiting to be drained.
    pub pending_pushes: usize,
    /// Heart beats and their absence.
    pub health: health::Counts,
    /// What is kept the same on all nodes.
    pub distro: distro::Counts,
    /// Removals that the brake held back, each counted once a try.
    pub held_back: u64,
    /// Changes so far, by [`Change::kind`].
    pub changes: [u64; Change::KINDS.len()],
}

/// The node.
#[derive(Debug)]
pub struct Node {
    registry: Registry,
    push: PushEngine,
    health: Health,
    namespaces: Namespaces,
    /// Shared with readers, who look at them at each request.
    switches: Arc<Switches>,
    polling: Polling,
    clock: HybridClock,
    members: Members,
    distro: Distro,
    brake: Brake,
    /// None once this node serves.
    loading: Option<Loading>,
    loading_limit: Millis,
    /// Whether what nodes agreed on may be older here than it was already shown.
    recovering: bool,
    /// Whether it is still to be said that this node has left.
    leaving: bool,
    /// To leave with the next poll.
    outputs: Vec<Output>,
    changes: [u64; Change::KINDS.len()],
    /// Kept to be filled again.
    scratch: Vec<Change>,
}

impl Membership {
    /// The cluster of one node.
    pub fn alone(this: NodeId, address: impl Into<CompactString>) -> Self {
        Self { this, address: address.into(), peers: Vec::new(), joins: false }
    }
}

impl Node {
    /// A node whose stamps begin above `stored`, the ceiling an earlier run left.
    pub fn new(settings: Settings, membership: Membership, now: Now, stored: Millis) -> Self {
        let mut clock = HybridClock::above(stored, now.tick);
        let Membership { this, address, peers, joins } = membership;
        let this = Incarnation { node: this, since: clock.now(now) };
        let until = (!joins).then(|| now.tick + settings.loading_limit);
        let loading = (joins || !peers.is_empty()).then(|| Loading::new(until, peers.len(), now.tick));
        Self {
            loading_limit: settings.loading_limit,
            members: Members::new(settings.member, this, address, &peers, joins),
            distro: Distro::new(settings.distro, this, peers.len()),
            brake: Brake::new(settings.removal_brake),
            loading,
            recovering: false,
            leaving: false,
            outputs: Vec::new(),
            registry: Registry::new(settings.registry),
            push: PushEngine::new(settings.push),
            health: Health::default(),
            namespaces: Namespaces::default(),
            switches: Arc::default(),
            polling: Polling::default(),
            clock,
            changes: [0; Change::KINDS.len()],
            scratch: Vec::new(),
        }
    }

    /// Takes one input at `now`. A refused input changes nothing.
    pub fn handle(&mut self, now: Now, input: Input) -> Result<Reply, Rejection> {
        match input {
            Input::Connect(client, attributes) => self.apply(now, Command::Connect(client, attributes)).map(done),
            Input::Disconnect(client) => self.disconnect(now, client),
            Input::Register { client, service, content } => self.register_lasting(now, client, &service, content),
            Input::RegisterBeating { client, service, instance } => {
                self.register_beating(now, &client, &service, instance)
            }
            Input::Beat { client, service, instance } => self.beat(now, &client, &service, instance),
            Input::Deregister { client, service } => self.deregister(now, client, service),
            Input::Subscribe { client, service, clusters } => self.subscribe(now, &client, &service, clusters),
            Input::Poll(poll) => self.polled(now, poll),
            Input::Unsubscribe { client, service, clusters } => self.unsubscribe(now, client, &service, &clusters),
            Input::Query { service, selection } => self.query(now, &service, &selection),
            Input::Instance { service, address } => {
                self.check_recovered(&service)?;
                Ok(Reply::Instance(self.registry.instance(&service, &address)))
            }
            Input::Instances { service } => self.instances(&service),
            Input::List { group, page, size } => {
                let (count, names) = self.registry.list(&group, page, size);
                Ok(Reply::Names(count, names))
            }
            Input::Overview { namespace } => Ok(Reply::Services(self.registry.overview(&namespace.namespace))),
            Input::Service { service } => Ok(Reply::Service(self.registry.detail(&service).map(Box::new))),
            Input::Namespace { id } => Ok(Reply::Namespace(self.namespaces.get(&id).cloned().map(Box::new))),
            Input::Namespaces => Ok(Reply::Namespaces(self.namespaces.list())),
            Input::Switch(switch) => {
                self.switch(switch);
                Ok(Reply::Done)
            }
            Input::Services { namespace, among, after } => {
                Ok(Reply::Stretch(self.registry.stretch(namespace.as_deref(), among, after.as_ref())))
            }
            Input::Summary { service } => Ok(Reply::Summary(self.registry.summary(&service))),
            Input::Subscribers { service } => Ok(Reply::Subscribers(self.registry.subscriber_details(&service))),
            Input::Clients { after } => Ok(Reply::Clients(self.registry.clients(after.as_ref()))),
            Input::Client(client) => Ok(Reply::Client(self.client(now, &client))),
            Input::Mint { service, instance } => Ok(self.minted(now, &service, instance)),
            Input::Judge(proposal) => Ok(Reply::Judged(self.registry.judge(&proposal)?)),
            Input::Agreed(changes) => Ok(self.agreed(now, changes)),
            Input::Forgettable { after } => Ok(self.forgettable(now.tick, after)),
            Input::Recovering(recovering) => {
                self.recovering = recovering;
                Ok(Reply::Done)
            }
            Input::Acked { client, push, success } => {
                let client = self.registry.client_no(&client);
                Ok(Reply::Acked(client.and_then(|client| self.push.acked(now.tick, client, push, success))))
            }
            Input::AckedByDatagram { from, push } => Ok(self.acked_by_datagram(now.tick, from, push)),
            Input::CeilingStored(ceiling) => {
                self.clock.raise_ceiling(ceiling);
                Ok(Reply::Done)
            }
            Input::Linked { address, peer } => Ok(self.linked(now, &address, peer)),
            Input::Unlinked { address, vacant } => Ok(self.unlinked(now, &address, vacant)),
            Input::Peer { address, from, message } => Ok(self.said(now, &address, from, message)),
            Input::Forwarded { sent, write } => self.forwarded(now, sent, *write),
            Input::ClientState(client) => self.state(now.tick, &client),
            Input::Learn(state) => Ok(self.learned(now, &state)),
            Input::Restore { at, states } => Ok(self.restore(now, at, states)),
            Input::Keep { after } => Ok(self.what_to_keep(now, after.as_ref())),
            Input::Membership { members } => Ok(self.membership(now, members)),
            Input::Members => Ok(Reply::Members(self.member_details(now.tick))),
            Input::Leave => Ok(self.leave(now)),
        }
    }

    /// Does what is due at `now` and appends what leaves. Bounded: call again at [`Node::next_deadline`].
    pub fn poll(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.registry.next_due().is_some_and(|due| due <= now.tick) {
            self.apply(now, Command::Expire).expect("expiry is nobody's command and cannot be refused");
        }
        // Before the pushes, so that what is silent is gone from lists the moment it counts.
        if self.health.next_due().is_some_and(|due| due <= now.tick) {
            self.expire_silent(now);
        }
        if self.polling.next_due().is_some_and(|due| due <= now.tick) {
            self.expire_unpolled(now);
        }
        self.poll_cluster(now, out);
        self.push.poll(now, &mut self.registry, &mut self.clock, out);
    }

    /// When [`Node::poll`] has something to do; none while there is nothing to wait for.
    pub fn next_deadline(&self) -> Option<Tick> {
        let own = [self.registry.next_due(), self.health.next_due(), self.polling.next_due(), self.push.next_due()];
        own.into_iter().chain([self.cluster_due()]).flatten().min()
    }

    /// Hybrid time: what stamps are made of. A ceiling ahead of it is to be stored from time to time.
    pub fn time(&mut self, now: Now) -> Millis {
        self.clock.now(now)
    }

    /// All switches. Another `Arc` after each change.
    pub fn switches(&self) -> &Arc<Switches> {
        &self.switches
    }

    /// Numbers for operators.
    pub fn stats(&self) -> Stats {
        Stats {
            size: self.registry.size(),
            pushes: self.push.counts(),
            pending_pushes: self.push.pending(),
            health: self.health.counts(),
            distro: self.distro.counts(),
            held_back: self.brake.held,
            changes: self.changes,
        }
    }

    /// Panics when a part of the node contradicts itself or another.
    pub fn check(&self) {
        self.registry.check();
        self.push.check(&self.registry);
        self.health.check(&self.registry);
        self.polling.check(&self.registry);
        self.distro.check(&self.registry);
        self.check_members();
    }

    fn apply(&mut self, now: Now, command: Command) -> Result<(), Rejection> {
        self.apply_as(now, command, Cause::Client)
    }

    fn apply_as(&mut self, now: Now, command: Command, cause: Cause) -> Result<(), Rejection> {
        let result = self.registry.apply(now.tick, command, &mut self.scratch);
        let (clock, node) = (&mut self.clock, self.members.cluster().this.node);
        let mut next = |before: Version| match cause {
            Cause::Silence => before.silent(node),
            Cause::Heard => before.heard(clock.give(now, before.latest()), node),
            Cause::Client | Cause::Copy | Cause::Agreed => Version::written(clock.give(now, before.latest()), node),
        };
        for change in self.scratch.drain(..) {
            self.changes[change.kind()] += 1;
            self.push.note(now.tick, change, &self.registry);
            self.health.note(change);
            self.polling.note(change);
            match change {
                _ if matches!(cause, Cause::Copy | Cause::Agreed) => {}
                Change::ClientChanged(client) => self.distro.changed(now.tick, client, &self.registry, &mut next),
                Change::ServiceRemoved(service) => self.brake.forget(service),
                Change::ClientDisconnected(client) => self.distro.disconnected(now.tick, client, &mut next),
                _ => {}
            }
        }
        result.map_err(Rejection::from)
    }

    fn disconnect(&mut self, now: Now, client: ClientId) -> Result<Reply, Rejection> {
        // The others have these for orphans already, and this node's own subscribers are not to see them go.
        let leaves = self.members.cluster().phase == Phase::Leaving;
        let command = if leaves { Command::Orphan(client) } else { Command::Disconnect(client) };
        self.apply(now, command).map(done)
    }

    fn deregister(&mut self, now: Now, client: ClientId, service: ServiceKey) -> Result<Reply, Rejection> {
        if client.is_address() && !self.registry.has_client(&client) {
            return Ok(Reply::Deregistered(false));
        }
        if client.is_address() {
            self.claim(now, &client);
        }
        let published = self.registry.publishes(&client, &service);
        self.apply(now, Command::Deregister { client: client.clone(), service })?;
        self.forget_idle(now, client)?;
        Ok(Reply::Deregistered(published))
    }

    /// Forgets a client known by its address that neither publishes nor subscribes any more.
    fn forget_idle(&mut self, now: Now, client: ClientId) -> Result<(), Rejection> {
        if client.is_address() && self.registry.is_idle(&client) {
            self.apply(now, Command::Disconnect(client))?;
        }
        Ok(())
    }

    fn subscribe(
        &mut self,
        now: Now,
        client: &ClientId,
        service: &ServiceKey,
        clusters: CompactString,
    ) -> Result<Reply, Rejection> {
        self.check_recovered(service)?;
        let subscriber = subscriber(clusters);
        let selection = Selection { filter: subscriber.filter.clone(), healthy_only: false };
        self.apply(now, Command::Subscribe { client: client.clone(), service: service.clone(), subscriber })?;
        let (service, client) = self.numbers(service, client).expect("just subscribed");
        Ok(Reply::View(self.answer(now, service, client, &selection)))
    }

    fn unsubscribe(
        &mut self,
        now: Now,
        client: ClientId,
        service: &ServiceKey,
        clusters: &str,
    ) -> Result<Reply, Rejection> {
        self.apply(now, Command::Unsubscribe { client, service: service.clone() })?;
        let selection = Selection { filter: ClusterFilter::parse(clusters), healthy_only: false };
        Ok(Reply::View(self.view(now, service, &selection)))
    }

    fn query(&mut self, now: Now, service: &ServiceKey, selection: &Selection) -> Result<Reply, Rejection> {
        self.check_recovered(service)?;
        Ok(Reply::View(self.view(now, service, selection)))
    }

    /// What a subscriber is answered with: later pushes carry later stamps.
    fn answer(&mut self, now: Now, service: ServiceNo, client: ClientNo, selection: &Selection) -> View {
        let above = self.push.last_stamp(service, client);
        let encoded = self.registry.hosts(now.tick, service, selection);
        let stamp = self.registry.stamp(service, above, |floor| self.clock.stamp(now, floor));
        self.push.answered(service, client, stamp);
        self.seen(encoded, stamp)
    }

    /// The numbers of a service and a client that are there.
    fn numbers(&self, service: &ServiceKey, client: &ClientId) -> Option<(ServiceNo, ClientNo)> {
        self.registry.find(service).zip(self.registry.client_no(client))
    }

    fn instances(&self, service: &ServiceKey) -> Result<Reply, Rejection> {
        self.check_recovered(service)?;
        let visible = self.registry.visible(service);
        let copied = visible.map(|all| all.map(|(client, one)| (client.clone(), one.into_owned())).collect());
        Ok(Reply::Instances(copied))
    }

    fn client(&self, now: Now, client: &ClientId) -> Option<(Box<ClientDetail>, Millis)> {
        let detail = Box::new(self.registry.client_detail(client)?);
        let updated = now.wall.saturating_sub(now.tick.since(detail.updated));
        Some((detail, updated))
    }

    fn view(&mut self, now: Now, service: &ServiceKey, selection: &Selection) -> View {
        let (encoded, stamp) = match self.registry.find(service) {
            Some(number) => {
                let encoded = self.registry.hosts(now.tick, number, selection);
                let stamp = self.registry.stamp(number, None, |floor| self.clock.stamp(now, floor));
                (encoded, stamp)
            }
            None => self.registry.absent(|floor| self.clock.stamp(now, floor)),
        };
        self.seen(encoded, stamp)
    }

    fn seen(&self, encoded: Encoded, stamp: Millis) -> View {
        View {
            hosts: encoded.hosts,
            count: encoded.count,
            stamp,
            protected: encoded.protected,
            cache: self.switches.span(Span::PushCache),
        }
    }
}

/// A subscriber that asked for these clusters.
fn subscriber(clusters: CompactString) -> Subscriber {
    Subscriber { filter: ClusterFilter::parse(&clusters), clusters, attributes: None }
}

/// Why the registry changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// A client or an operator of this node wants it.
    Client,
    /// A client of this node was heard, which says nothing new of what it publishes.
    Heard,
    /// A client of this node was not heard of. Says less than anything that was heard elsewhere.
    Silence,
    /// The node that owns the client says so.
    Copy,
    /// All nodes agreed on it.
    Agreed,
}

fn done((): ()) -> Reply {
    Reply::Done
}
