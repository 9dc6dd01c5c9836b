//! Property 3. No copy is newer than its owner, and no older state overwrites a newer one.

use std::{collections::BTreeMap, sync::Arc};

use roster::{
    model::{ClientId, ClientState, Version, limits},
    node::{Input, Reply},
};

use crate::{
    event::{MILLI, Micros, SECOND},
    oracle::Connection,
    world::World,
};

/// The newest version that a life of a host had of a client, and since when.
#[derive(Debug, Default)]
pub struct Versions(BTreeMap<(usize, u32, ClientId), (Version, Micros)>);

/// How long it is remembered that a client is gone.
const REMEMBERED: Micros = limits::TOMBSTONE_MILLIS * MILLI;

impl Versions {
    pub fn look(&mut self, world: &mut World) {
        let recent = |connection: &Connection| {
            let end = connection.ended.or(connection.orphaned);
            end.is_none_or(|end| world.now - end < 60 * SECOND)
        };
        let sessions = world.oracle.connections.iter().filter(|(_, connection)| recent(connection));
        let mut ids: Vec<(ClientId, Option<Connection>)> =
            sessions.map(|(id, connection)| (id.clone(), Some(connection.clone()))).collect();
        let beating = world.clients.iter().filter(|client| client.kind.beats());
        ids.extend(beating.map(|client| (crate::forwarding::address_id(client.number), None)));
        for (id, connection) in ids {
            let states: Vec<_> = (0..world.hosts.len()).map(|host| state(world, host, &id)).collect();
            let owner = connection.and_then(|connection| {
                let process = world.hosts[connection.host].process.as_ref()?;
                let same = process.node.cluster().this == connection.owner;
                states[connection.host].as_ref().filter(|_| same).map(|state| state.version)
            });
            for (host, state) in states.iter().enumerate() {
                let place = (host, world.hosts[host].life, id.clone());
                let Some(state) = state else {
                    let forgotten = self.0.get(&place).is_some_and(|(_, since)| world.now - since >= REMEMBERED);
                    if forgotten {
                        self.0.remove(&place);
                    }
                    continue;
                };
                if owner.is_some_and(|owner| state.version > owner) {
                    world.fail("versions", format!("host {host} has {state:?}, its owner {owner:?}"));
                }
                let (last, since) = self.0.entry(place).or_insert((state.version, world.now));
                if *last > state.version {
                    world.fail("versions", format!("host {host} had {last:?} and has {state:?}"));
                }
                if *last != state.version {
                    (*last, *since) = (state.version, world.now);
                }
            }
        }
    }
}

fn state(world: &mut World, host: usize, id: &ClientId) -> Option<Arc<ClientState>> {
    match world.hosts[host].take(world.now, Input::ClientState(id.clone()))? {
        Ok(Reply::State(state)) => state,
        _ => None,
    }
}
