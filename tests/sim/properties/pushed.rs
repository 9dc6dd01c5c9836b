//! Property 7. Every subscriber holds what its node shows, soon after the last change, whatever was lost or slow on the
//! way.

use std::collections::BTreeMap;

use bytes::Bytes;
use roster::{
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

/// What each node shows of each service, and since when.
#[derive(Debug, Default)]
pub struct Pushed(BTreeMap<(usize, u8), (u32, Bytes, Micros)>);

impl Pushed {
    pub fn look(&mut self, world: &mut World) {
        let now = world.now;
        for host in 0..world.hosts.len() {
            for of in 0..world.plan.services {
                let Some(hosts) = shown(world, host, of) else {
                    self.0.remove(&(host, of));
                    continue;
                };
                let life = world.hosts[host].life;
                let (known, last, since) = self.0.entry((host, of)).or_insert_with(|| (life, hosts.clone(), now));
                if *last != hosts || *known != life {
                    (*known, *last, *since) = (life, hosts, now);
                }
            }
        }
        let late = world.clients.iter().find_map(|client| {
            let Link::Open { host, .. } = client.link else { return None };
            let knows = world.hosts[host].process.as_ref()?.sessions.contains_key(&client.connection()?);
            client.subscribes.iter().find_map(|(service, subscribing)| {
                let (_, hosts, since) = self.0.get(&(host, *service))?;
                let since = subscribing.confirmed?.max(*since).max(client.answering_since()?);
                let held = subscribing.held.as_ref()?;
                let late = knows && now - since > SOON && held.hosts != *hosts;
                late.then(|| {
                    let (number, shown) = (client.number, String::from_utf8_lossy(hosts));
                    let held = String::from_utf8_lossy(&held.hosts);
                    format!("client {number} at host {host} holds of service {service}\n{held} and not\n{shown}")
                })
            })
        });
        if let Some(what) = late {
            world.fail("pushed", what);
        }
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
