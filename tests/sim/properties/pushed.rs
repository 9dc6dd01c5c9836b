//! Property 7. Every subscriber holds what its node shows, soon after the last change, whatever was lost or slow on the
//! way.

use std::collections::BTreeMap;

use bytes::Bytes;
use roster::{
    model::Millis,
    node::{Input, Reply},
    registry::Selection,
};

use crate::{
    client::Link,
    event::{Micros, SECOND},
    service,
    world::World,
};

/// The longest pause of a node between two tries, and the time that a try takes.
const SOON: Micros = 45 * SECOND;

/// How long somebody must be late to count.
const LASTING: Micros = 3 * SECOND;

#[derive(Debug, Default)]
pub struct Pushed {
    /// What each node shows of each service, and since when.
    shown: BTreeMap<(usize, u8), (u32, Bytes, Micros)>,
    /// Who is late with which list, and since when.
    late: BTreeMap<(usize, u8, Millis), Micros>,
}

impl Pushed {
    pub fn look(&mut self, world: &mut World) {
        let now = world.now;
        for host in 0..world.hosts.len() {
            for of in 0..world.plan.services {
                let Some(hosts) = shown(world, host, of) else {
                    self.shown.remove(&(host, of));
                    continue;
                };
                let life = world.hosts[host].life;
                let (known, last, since) = self.shown.entry((host, of)).or_insert_with(|| (life, hosts.clone(), now));
                if *last != hosts || *known != life {
                    (*known, *last, *since) = (life, hosts, now);
                }
            }
        }
        let late = self.late(world);
        let before = std::mem::take(&mut self.late);
        self.late = late.keys().map(|key| (*key, before.get(key).copied().unwrap_or(now))).collect();
        // What turns away and back between two looks seems to have stood all along.
        let lasting = self.late.iter().find(|(_, since)| now - **since >= LASTING);
        if let Some(what) = lasting.and_then(|(key, _)| late.get(key)) {
            world.fail("pushed", what.clone());
        }
    }

    /// Who holds something else of which service, under which stamp, than what stood for long.
    fn late(&self, world: &World) -> BTreeMap<(usize, u8, Millis), String> {
        let mut all = BTreeMap::new();
        for client in &world.clients {
            let Link::Open { host, .. } = client.link else { continue };
            let knows = |connection| {
                world.hosts[host].process.as_ref().is_some_and(|process| process.sessions.contains_key(&connection))
            };
            let Some(answering) = client.answering_since().filter(|_| client.connection().is_some_and(knows)) else {
                continue;
            };
            for (service, subscribing) in &client.subscribes {
                let Some((_, hosts, since)) = self.shown.get(&(host, *service)) else { continue };
                let (Some(confirmed), Some(held)) = (subscribing.confirmed, &subscribing.held) else { continue };
                if world.now - confirmed.max(*since).max(answering) <= SOON || held.hosts == *hosts {
                    continue;
                }
                let (number, shown) = (client.number, String::from_utf8_lossy(hosts));
                let text = String::from_utf8_lossy(&held.hosts);
                let what =
                    format!("client {number} at host {host} holds of service {service}\n{text} and not\n{shown}");
                all.insert((number, *service, held.stamp), what);
            }
        }
        all
    }
}

fn shown(world: &mut World, host: usize, of: u8) -> Option<Bytes> {
    if world.hosts[host].paused > 0 {
        return None;
    }
    let query = Input::Query { service: service(of), selection: Selection::default() };
    match world.hosts[host].take(world.now, query)? {
        Ok(Reply::View(view)) => Some(view.hosts),
        _ => None,
    }
}
