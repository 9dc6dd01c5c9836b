//! Property 4, first half. No instance outlives the end of its client, when its owner tells, or the confirmed death of
//! its owner and the lease.

use crate::{
    event::{Micros, SECOND},
    host::Entry,
    oracle::Connection,
    properties::{Views, settles},
    world::World,
};

/// From the death of a node until most others know.
const CONFIRMATION: Micros = 5 * SECOND;
/// The lease of whatever a node holds that cannot find out.
const LEASE_ALONE: Micros = 180 * SECOND;
const SLACK: Micros = 15 * SECOND;
/// The silence after which what must beat is removed.
const SILENCE: Micros = 30 * SECOND;

pub fn look(world: &mut World, views: &Views) {
    for (host, views) in views.serving() {
        for (service, view) in views.iter().enumerate() {
            if let Some(what) = view.iter().find_map(|entry| ghost(world, host, service as u8, entry)) {
                world.fail("ghosts", format!("host {host}, service {service}: {what}"));
                return;
            }
        }
    }
}

fn ghost(world: &World, host: usize, service: u8, entry: &Entry) -> Option<String> {
    if entry.client.is_address() {
        return beating_ghost(world, host, service, entry);
    }
    let Some(connection) = world.oracle.connections.get(&entry.client) else {
        return Some(format!("{entry:?} was never connected"));
    };
    match connection.ended.or(connection.orphaned) {
        None => withdrawn(world, host, service, entry, connection),
        Some(end) => ended(world, host, entry, connection, end),
    }
}

fn ended(world: &World, host: usize, entry: &Entry, connection: &Connection, end: Micros) -> Option<String> {
    let (now, oracle) = (world.now, &world.oracle);
    let told = connection.orphaned.is_none();
    if told && host == connection.host && now > end && oracle.began[host] < end {
        return Some(format!("{entry:?} ended {} µs ago, at this node", now - end));
    }
    let well = oracle.well(host, connection.host, now).is_some_and(|well| well > now - end);
    if told && well && now - end > settles(world) {
        return Some(format!("{entry:?} ended {} s ago, and nothing was in the way", (now - end) / SECOND));
    }
    let lease = world.clients[connection.client].kind.lease();
    let longest = if oracle.has_majority(host, end) { lease } else { LEASE_ALONE };
    let quiet = now - end.max(oracle.disturbed_at);
    let bound = CONFIRMATION + longest + SLACK + settles(world);
    (quiet > bound)
        .then(|| format!("{entry:?} ended {} s ago, all was quiet for {}", (now - end) / SECOND, quiet / SECOND))
}

/// A client that is connected and shows what it withdrew.
fn withdrawn(world: &World, host: usize, service: u8, entry: &Entry, connection: &Connection) -> Option<String> {
    let client = &world.clients[connection.client];
    let publishing = client.publishes.get(&service)?;
    let owner = &world.hosts[connection.host].process;
    let current = owner.as_ref()?.sessions.get(&client.connection()?)?;
    let done = publishing.wanted.is_none() && publishing.leftover.is_none() && current.id == entry.client;
    let since = publishing.withdrawn.filter(|_| done)?;
    let well = world.oracle.well(host, connection.host, world.now)?;
    let bound = if host == connection.host { 0 } else { settles(world) };
    let late = world.now - since > bound && (well > bound || host == connection.host);
    late.then(|| format!("{entry:?} was withdrawn {} s ago", (world.now - since) / SECOND))
}

fn beating_ghost(world: &World, host: usize, service: u8, entry: &Entry) -> Option<String> {
    let client = (0..world.clients.len()).find(|client| crate::forwarding::address_id(*client) == entry.client);
    let Some(client) = client else { return Some(format!("{entry:?} is nobody's")) };
    let (now, publishing) = (world.now, world.clients[client].publishes.get(&service));
    if publishing.is_some_and(|publishing| publishing.wanted.is_some()) {
        return None;
    }
    let last = world.oracle.beats.get(&client).copied().unwrap_or(0);
    let withdrawn = publishing.and_then(|publishing| publishing.withdrawn);
    // Others of its services may still beat: of this one, the last was before it was withdrawn.
    let last = withdrawn.map_or(last, |withdrawn| last.min(withdrawn));
    let longest = if world.oracle.has_majority(host, last) { world.clients[client].kind.lease() } else { LEASE_ALONE };
    let quiet = now - last.max(world.oracle.disturbed_at);
    (quiet > SILENCE + CONFIRMATION + longest + SLACK)
        .then(|| format!("{entry:?} beat {} s ago, all was quiet for {}", (now - last) / SECOND, quiet / SECOND))
}
