//! What must hold, one file each. They judge by what clients did and what faults there were (`oracle`), and look at
//! nodes only to see what they show.

mod converged;
mod ghosts;
mod index;
mod presence;
mod pushed;
mod restored;
mod stamps;
mod versions;
mod written;

pub use stamps::dropped;
pub use written::look as written;

use crate::{
    client::Held,
    event::{List, Micros, SECOND},
    host::Entry,
    plan::Theme,
    world::World,
};

/// What the properties remember.
#[derive(Debug, Default)]
pub struct Properties {
    presence: presence::Presence,
    pushed: pushed::Pushed,
    versions: versions::Versions,
    looks: u64,
}

/// What all serving nodes show, by host and service.
#[derive(Debug)]
pub struct Views(pub Vec<Option<Vec<Vec<Entry>>>>);

/// How many looks pass between two of what costs more.
const SELDOM: u64 = 5;

impl Properties {
    /// Looks at all properties.
    pub fn look(world: &mut World) {
        world.observe();
        let views = Views::read(world);
        let mut properties = std::mem::take(&mut world.properties);
        properties.looks += 1;
        let at_end = world.now + SECOND > world.plan.ends_at;
        properties.presence.look(world, &views);
        ghosts::look(world, &views);
        restored::look(world, &views);
        properties.pushed.look(world);
        if properties.looks.is_multiple_of(SELDOM) || at_end {
            index::look(world);
            properties.versions.look(world);
        }
        if at_end {
            converged::look(world, &views);
        }
        world.properties = properties;
    }
}

impl Views {
    fn read(world: &mut World) -> Self {
        let services = world.plan.services;
        let view = |host: &mut crate::host::Host| {
            let looks = host.paused == 0 && host.serves();
            looks.then(|| (0..services).map(|service| host.view(world.now, service)).collect())
        };
        Self(world.hosts.iter_mut().map(view).collect())
    }

    /// The nodes that show something, with what they show.
    pub fn serving(&self) -> impl Iterator<Item = (usize, &[Vec<Entry>])> {
        self.0.iter().enumerate().filter_map(|(host, views)| Some((host, views.as_deref()?)))
    }
}

/// How long news may take between two hosts that work together: the repair of what was lost, and the time to find each other
/// again.
pub fn settles(world: &World) -> Micros {
    if world.plan.wild { 30 * SECOND } else { 12 * SECOND }
}

/// A subscriber replaced its list.
pub fn taken(world: &mut World, subscriber: (usize, usize), list: &List, before: Option<&Held>) {
    if world.plan.theme == Theme::Rolling {
        presence::kept_by_subscriber(world, subscriber, list, before);
    }
}
