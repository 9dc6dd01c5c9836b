//! Who was answered that it published reads what it published, from the node that answered, at once.

use roster::model::ClientId;

use crate::{event::Request, world::World};

pub fn look(world: &mut World, host: usize, id: &ClientId, request: &Request) {
    let Request::Publish { service, revision, shared, .. } = request else { return };
    let view = world.hosts[host].view(world.now, *service);
    // An address that others publish as well may be theirs in the view.
    if !shared && !view.iter().any(|entry| entry.client == *id && entry.revision == *revision) {
        let what = format!("host {host}, service {service}: {id} published revision {revision} and reads {view:?}");
        world.fail("written", what);
    }
}
