//! Property 4, for registries that restart: a node that comes back soon with its disk shows what it owned, until the lease
//! of its clients is over; nobody sees an empty list because a registry restarted, or all of it.

use crate::{
    client::Client,
    event::{Micros, SECOND},
    properties::Views,
    world::World,
};

/// A node that was away for longer may come back without.
const SOON: Micros = 10 * SECOND;
/// What a node keeps on its disk may be so old.
const KEPT: Micros = 6 * SECOND;

pub fn look(world: &mut World, views: &Views) {
    for (host, views) in views.serving() {
        for (service, view) in views.iter().enumerate() {
            let missing = world.clients.iter().find_map(|client| {
                let content = restored(world, client, host, service as u8)?;
                let there = |(ip, port): &(String, u16)| {
                    view.iter().any(|one| (&*one.address.0, one.address.1) == (&**ip, *port))
                };
                content.into_iter().find(|address| !there(address)).map(|address| (client.number, address))
            });
            if let Some((client, address)) = missing {
                let what = format!("host {host}, service {service}: {address:?} of client {client} did not come back");
                world.fail("restored", what);
                return;
            }
        }
    }
}

/// What a client had published at a host that must still be there because it came back.
fn restored(world: &World, client: &Client, host: usize, service: u8) -> Option<Vec<(String, u16)>> {
    let (now, oracle) = (world.now, &world.oracle);
    let (_, left_at) = client.orphaned.filter(|(_, at)| client.bereft_at == Some(*at))?;
    let connection =
        oracle.connections.values().find(|one| one.client == client.number && one.orphaned == Some(left_at))?;
    let same = connection.host == host && connection.owner.node == world.hosts[host].disk.node;
    let began = oracle.began[host];
    let soon = began > left_at && began - left_at < SOON && now + KEPT < left_at + client.kind.lease();
    let publishing = client.publishes.get(&service)?;
    let wanted = publishing.wanted.as_ref()?;
    let ((revision, at), answered) = (publishing.stood?, publishing.answered?);
    let kept = revision == wanted.revision && at.max(answered) + KEPT < left_at && client.unsteady_until < left_at;
    let clocks = oracle.clocks_set_at == 0 || oracle.clocks_set_at + 60 * SECOND < left_at;
    // For a node that was just removed the others gave its clients their lease then.
    let member = oracle.removed_at(host, left_at).is_none();
    // Others took a host that they did not hear for dead, and its clients were gone before it ended.
    let others = (0..world.hosts.len()).filter(|other| *other != host);
    let heard = |other: &usize| {
        oracle.trouble_past(host, *other, left_at, now).is_none_or(|trouble| trouble < client.kind.lease())
    };
    let heard = others.clone().filter(heard).count() * 2 >= others.count();
    (client.alive && same && soon && kept && clocks && member && heard)
        .then(|| wanted.addresses(client.number).collect())
}
