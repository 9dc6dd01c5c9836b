//! Property 1 and 9. The index agrees with the clients, all parts of a node agree with each other, and nothing outgrows
//! its limit.

use crate::world::World;

pub fn look(world: &mut World) {
    let clients = world.oracle.connections.len() + world.clients.len();
    for host in 0..world.hosts.len() {
        let Some(process) = &world.hosts[host].process else { continue };
        // Panics, which ends the run with a failure.
        process.node.check();
        let stats = process.node.stats();
        let marks = stats.size.subscribers + world.plan.services as usize;
        if stats.pending_pushes > marks || stats.size.clients > clients {
            world.fail("limits", format!("host {host}: {stats:?}"));
        }
    }
}
