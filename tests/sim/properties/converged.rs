//! Property 2. When all faults have ended for long enough, every member shows the same, which is what live clients
//! publish and no more.

use std::collections::BTreeMap;

use crate::{host::Entry, properties::Views, world::World};

type Address = (String, u16);

pub fn look(world: &mut World, views: &Views) {
    let members = world.oracle.members.clone();
    if world.hosts.iter().zip(&members).any(|(host, is_one)| *is_one && host.down > 0) {
        // Only a plan that was shortened has a member that never comes back.
        return;
    }
    let of_members = || views.serving().filter(|(host, _)| members[*host]);
    if of_members().count() < members.iter().filter(|is_one| **is_one).count() {
        world.fail("converged", "not all nodes serve".to_owned());
        return;
    }
    if !world.network.is_whole(&world.oracle.members) {
        world.fail("converged", "not all streams are there".to_owned());
    }
    for service in 0..world.plan.services {
        let expected = expected(world, service);
        let mut first: Option<Vec<Entry>> = None;
        for (host, views) in of_members() {
            let mut shown = views[usize::from(service)].clone();
            shown.sort_by(|a, b| a.partial_cmp(b).expect("comparable"));
            if let Some(what) = differs(&expected, &shown) {
                world.fail("converged", format!("host {host}, service {service}: {what}"));
                return;
            }
            if first.get_or_insert_with(|| shown.clone()) != &shown {
                world.fail("converged", format!("hosts 0 and {host}, service {service}: {first:?} and {shown:?}"));
                return;
            }
        }
    }
}

/// Who may show at which address, and at which revision.
fn expected(world: &World, service: u8) -> BTreeMap<Address, Vec<(usize, u32)>> {
    let mut expected: BTreeMap<Address, Vec<(usize, u32)>> = BTreeMap::new();
    for client in world.clients.iter().filter(|client| client.alive) {
        let content = client.publishes.get(&service).and_then(|publishing| publishing.wanted.as_ref());
        for address in content.iter().flat_map(|content| content.addresses(client.number)) {
            let revision = content.map_or(0, |content| content.revision);
            expected.entry(address).or_default().push((client.number, revision));
        }
    }
    expected
}

fn differs(expected: &BTreeMap<Address, Vec<(usize, u32)>>, shown: &[Entry]) -> Option<String> {
    let seen = |(ip, port): &Address| shown.iter().find(|entry| entry.address.0 == *ip && entry.address.1 == *port);
    for (address, publishers) in expected {
        let Some(entry) = seen(address) else { return Some(format!("{address:?} is missing, of {publishers:?}")) };
        if !publishers.iter().any(|(_, revision)| *revision == entry.revision) {
            return Some(format!("{entry:?} is none of {publishers:?}"));
        }
        if !entry.healthy {
            return Some(format!("{entry:?} is unhealthy"));
        }
    }
    let more = shown.iter().find(|entry| !expected.contains_key(&(entry.address.0.to_string(), entry.address.1)));
    more.map(|entry| format!("{entry:?} is nobody's"))
}
