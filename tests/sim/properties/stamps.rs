//! Property 8. What a subscriber sees of one service never goes back: whatever node it moves to, the first list it is
//! answered has a larger stamp than what it holds, because its SDK would drop it silently otherwise.

use crate::{properties::settles, world::World};

/// A subscriber was offered a list by `to` that its SDK drops, while it holds one that `from` gave it.
pub fn dropped(world: &mut World, (from, to): (usize, usize), what: String) {
    let (now, oracle) = (world.now, &world.oracle);
    // Nodes that did not hear each other for a while, or a clock that was just set, may disagree about the time.
    let knew = oracle.was_well(from, to, now) > settles(world) && now - oracle.clocks_set_at > settles(world);
    let far = world.hosts.iter().map(|host| host.skew).max().zip(world.hosts.iter().map(|host| host.skew).min());
    let followed = far.is_some_and(|(most, least)| most - least < 50_000);
    if knew && followed && oracle.trouble(from, to, now).is_none_or(|trouble| trouble < settles(world)) {
        world.fail("stamps", what);
    }
}
