//! Property 4, second half. No instance vanishes while its client is connected to a node that lives and is heard, nor
//! while a client that lost its node may still publish again; and what is published arrives.

use std::collections::BTreeMap;

use roster::{model::ClientId, node::Input};

use crate::{
    client::{Client, Content, Held, Link, entries},
    event::{List, Micros, SECOND},
    host::Entry,
    properties::{Views, settles},
    world::World,
};

/// What was shown where: from then on it must stay.
#[derive(Debug, Default)]
pub struct Presence(BTreeMap<(usize, u8, usize), Shown>);

#[derive(Debug)]
struct Shown {
    connection: u64,
    owner: usize,
    revision: u32,
    /// In which life of the host that showed it.
    life: u32,
}

impl Presence {
    pub fn look(&mut self, world: &mut World, views: &Views) {
        let Self(claims) = self;
        claims.retain(|(client, service, host), shown| stands(world, *client, *service, *host, shown));
        let mut failure: Option<(usize, usize, String)> = None;
        for (host, views) in views.serving() {
            for (service, view) in views.iter().enumerate() {
                for client in 0..world.clients.len() {
                    let place = (client, service as u8, host);
                    if let Some(what) = judge(world, claims, place, view) {
                        let what = format!("host {host}, service {service}, client {client}: {what}");
                        failure.get_or_insert((client, host, what));
                    }
                }
            }
        }
        if let Some((client, host, what)) = failure {
            let known = known(world, client, host);
            world.fail("presence", format!("{what}; the node knows {known}"));
        }
    }
}

/// What a node knows of the connections of a client, for whoever reads of a failure.
fn known(world: &mut World, client: usize, host: usize) -> String {
    let connections = world.oracle.connections.iter().filter(|(_, connection)| connection.client == client);
    let ids: Vec<ClientId> = connections.map(|(id, _)| id.clone()).collect();
    let states = ids.into_iter().map(|id| format!("{:?}", world.hosts[host].take(world.now, Input::ClientState(id))));
    states.collect::<Vec<_>>().join("; ")
}

/// Whether what was shown must still be shown.
fn stands(world: &World, client: usize, service: u8, host: usize, shown: &Shown) -> bool {
    let publisher = &world.clients[client];
    let wanted = publisher.publishes.get(&service).and_then(|publishing| publishing.wanted.as_ref());
    let unchanged = publisher.alive && wanted.is_some_and(|wanted| wanted.revision == shown.revision);
    let lease = publisher.kind.lease();
    let cut_off = world.oracle.trouble(shown.owner, host, world.now).is_some_and(|trouble| trouble >= lease);
    // One may hear from another that was told earlier.
    let removed = world.oracle.removed_at(shown.owner, world.now).is_some_and(|at| world.now >= at + lease);
    if !unchanged || cut_off || removed || world.hosts[host].life != shown.life {
        return false;
    }
    let held =
        world.hosts[shown.owner].process.as_ref().is_some_and(|one| one.sessions.contains_key(&shown.connection));
    let until = |at| at + lease - SLACK;
    held || publisher.orphaned.is_some_and(|(connection, at)| connection == shown.connection && world.now < until(at))
}

fn shows(view: &[Entry], client: usize, content: &Content) -> bool {
    content
        .addresses(client)
        .all(|(ip, port)| view.iter().any(|entry| entry.address.0 == ip && entry.address.1 == port))
}

fn at_own_address(entry: &Entry, client: usize, content: &Content) -> bool {
    content.addresses(client).any(|(ip, port)| entry.address.0 == ip && entry.address.1 == port)
}

fn judge(
    world: &World,
    claims: &mut BTreeMap<(usize, u8, usize), Shown>,
    (client, service, host): (usize, u8, usize),
    view: &[Entry],
) -> Option<String> {
    let publisher = &world.clients[client];
    let publishing = publisher.publishes.get(&service)?;
    let wanted = publishing.wanted.as_ref().filter(|_| publisher.alive)?;
    let shown = shows(view, client, wanted);
    if !shown && claims.contains_key(&(client, service, host)) {
        return Some(format!("{:?} vanished", claims[&(client, service, host)]));
    }
    let (revision, at) = publishing.confirmed.filter(|(revision, _)| *revision == wanted.revision)?;
    if publisher.kind.beats() {
        let quiet_since = world.oracle.disturbed_at.max(at).max(publisher.unsteady_until);
        let calm = world.oracle.is_whole()
            && world.oracle.members[host]
            && world.now.saturating_sub(quiet_since) > 40 * SECOND;
        return (calm && !shown).then(|| format!("revision {revision} beats and is not shown"));
    }
    let Link::Open { connection, host: owner, .. } = publisher.link else { return None };
    let session = world.hosts[owner].process.as_ref()?.sessions.get(&connection)?;
    let own = |entry: &Entry| entry.client == session.id && entry.revision == revision;
    if shown && view.iter().any(own) {
        let life = world.hosts[host].life;
        claims.insert((client, service, host), Shown { connection, owner, revision, life });
        return None;
    }
    if !shown && !world.plan.wild && is_known_by_another(world, owner, host, at) {
        return Some(format!(
            "revision {revision} is at host {owner}, and another could tell this node since it began"
        ));
    }
    let age = world.now - at;
    let well = world.oracle.well(owner, host, world.now)?;
    let arrived = owner == host || age.min(well) > settles(world);
    // The same from an earlier connection, whose node had a clock ahead, hides it until its lease ends.
    let same = |entry: &Entry| entry.revision == revision && at_own_address(entry, client, wanted);
    let current = wanted.shared || view.iter().any(same);
    if arrived && !(shown && current) {
        return Some(format!("revision {revision}, confirmed {} ms ago at host {owner}, is not shown", age / 1_000));
    }
    // A node that just came to serve has learned all that was there before it began.
    let began = world.oracle.began[host];
    let before = at + settles(world) < began && world.oracle.reachable_since(owner, host) + settles(world) < began;
    (before && !shown && !world.plan.wild)
        .then(|| format!("revision {revision} was there before this node began, at host {owner}"))
}

/// For how long a node keeps what others told it of one that it does not hear itself.
const ALONE: Micros = 170 * SECOND;

/// Whether a third node had what was published `at` this time at its owner, before this one began, and has reached both
/// since: then this one does not serve without it, whatever it reaches itself.
fn is_known_by_another(world: &World, owner: usize, host: usize, at: Micros) -> bool {
    let (oracle, settles) = (&world.oracle, settles(world));
    let began = oracle.began[host];
    let reached = |by: usize, from: usize| oracle.reachable_since(by, from) + settles < began;
    let others = (0..world.hosts.len()).filter(|other| ![owner, host].contains(other));
    let mut between = others.filter(|other| {
        reached(owner, *other)
            && reached(*other, owner)
            && reached(*other, host)
            && oracle.began[*other] + settles < began
    });
    at + settles < began && world.now < began + ALONE && between.next().is_some()
}

/// Clients are orphans from the moment their node leaves, and lose it a little later.
const SLACK: Micros = 2 * SECOND;

/// In a rolling restart, no list of a subscriber loses what its client publishes again in time.
pub fn kept_by_subscriber(world: &mut World, (subscriber, host): (usize, usize), list: &List, before: Option<&Held>) {
    let Some(before) = before else { return };
    let now_there = entries(&list.hosts);
    let there = |entries: &[(String, u16, u32)], address: &(String, u16)| {
        entries.iter().any(|(ip, port, _)| (ip, port) == (&address.0, &address.1))
    };
    let lost = world.clients.iter().filter(|client| steady(world, client)).find_map(|client| {
        let content = client.publishes.get(&list.service)?.wanted.as_ref()?;
        let lost = |address: &(String, u16)| there(&before.entries, address) && !there(&now_there, address);
        content.addresses(client.number).find(lost).map(|address| (client.number, address))
    });
    if let Some((client, address)) = lost {
        let what =
            format!("client {subscriber} at host {host}: the list of service {} loses {address:?}", list.service);
        world.fail("presence", format!("{what} of client {client}"));
    }
}

/// Whether a client has done nothing for a while but to follow its nodes.
fn steady(world: &World, client: &Client) -> bool {
    let since: Micros = client.unsteady_until;
    let waits = client.bereft_at.is_none_or(|at| world.now < at + client.kind.lease() - SLACK);
    client.alive && since < world.now && (waits || client.all_confirmed())
}
