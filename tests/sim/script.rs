//! Draws the actions of a plan.

use crate::{
    chance::Chance,
    event::{MILLI, Micros, SECOND},
    plan::{Act, Action, Deed, Fault, Plan, Theme},
};

/// Faults begin when the cluster is up and clients are there.
pub const FAULTS_FROM: Micros = 20 * SECOND;
const CLIENTS_FROM: Micros = 5 * SECOND;
/// Longer than any run.
const FOR_EVER: Micros = 100_000 * SECOND;

/// Fills in what happens when.
pub fn write(plan: &mut Plan, chance: &mut Chance) {
    for client in 0..plan.clients.len() {
        write_client(plan, client, chance);
    }
    match plan.theme {
        Theme::Calm => {}
        Theme::Rolling => write_rolling(plan, chance),
        Theme::Blackout => write_blackout(plan, chance),
        Theme::Sleep => write_sleep(plan, chance),
        Theme::Storm | Theme::Cuts | Theme::Clocks => write_faults(plan, chance),
    }
    write_membership(plan, &mut Chance::new(plan.seed, 4));
    write_reborn(plan, &mut Chance::new(plan.seed, 5));
    plan.actions.sort_by_key(|action| action.at);
}

fn write_client(plan: &mut Plan, client: usize, chance: &mut Chance) {
    let begins = chance.within(CLIENTS_FROM, FAULTS_FROM - 2 * SECOND);
    act(plan, begins, client, Act::Begin);
    for service in 0..plan.services {
        if chance.percent(60) {
            let publish = publish(service, chance);
            act(plan, begins + chance.below(SECOND), client, publish);
        }
        if chance.percent(50) {
            act(plan, begins + chance.below(SECOND), client, Act::Subscribe { service });
        }
    }
    for _ in 0..chance.below(8) {
        let at = chance.within(begins, plan.heal_at);
        let service = chance.below(plan.services.into()) as u8;
        let what = match chance.below(100) {
            0..35 => publish(service, chance),
            35..50 => Act::Withdraw { service },
            50..60 => Act::Subscribe { service },
            60..65 => Act::Unsubscribe { service },
            65..72 => Act::Quit,
            72..78 => Act::Die,
            78..86 => Act::Blip,
            86..92 => Act::Mute(chance.percent(50)),
            _ => Act::Roam(chance.percent(70)),
        };
        let ends = matches!(what, Act::Quit | Act::Die);
        act(plan, at, client, what);
        if ends && chance.percent(50) {
            let again = at + chance.within(SECOND, 30 * SECOND);
            act(plan, again, client, Act::Begin);
            let publish = publish(service, chance);
            act(plan, again + chance.below(SECOND), client, publish);
        }
    }
    act(plan, plan.heal_at, client, Act::Mute(false));
}

fn publish(service: u8, chance: &mut Chance) -> Act {
    let ports = match chance.below(10) {
        0 => vec![81, 82, 83],
        1 => vec![80, 82],
        _ => vec![80],
    };
    Act::Publish { service, ports, shared: chance.percent(10) }
}

fn act(plan: &mut Plan, at: Micros, client: usize, act: Act) {
    plan.actions.push(Action { at, deed: Deed::Act { client, act } });
}

fn fault(plan: &mut Plan, at: Micros, lasts: Micros, fault: Fault) {
    plan.actions.push(Action { at, deed: Deed::Fault { lasts, fault } });
}

/// One host after another, each when the one before is back for a while; perhaps round and round.
fn write_rolling(plan: &mut Plan, chance: &mut Chance) {
    let mut at = FAULTS_FROM;
    for turn in 0..plan.skews.len() * chance.within(1, 2) as usize {
        let lasts = chance.within(4 * SECOND, 12 * SECOND);
        fault(plan, at, lasts, Fault::Stop { host: turn % plan.skews.len() });
        at += lasts + chance.within(8 * SECOND, 20 * SECOND);
    }
    plan.heal_at = plan.heal_at.max(at);
}

fn write_blackout(plan: &mut Plan, chance: &mut Chance) {
    let orderly = chance.percent(40);
    let at = chance.within(FAULTS_FROM + 7 * SECOND, plan.heal_at - 10 * SECOND);
    for host in 0..plan.skews.len() {
        let (at, lasts) = (at + chance.below(500 * MILLI), chance.within(4 * SECOND, 10 * SECOND));
        fault(plan, at, lasts, if orderly { Fault::Stop { host } } else { Fault::Crash { host } });
    }
}

fn write_sleep(plan: &mut Plan, chance: &mut Chance) {
    let host = chance.index(plan.skews.len());
    let lasts = [60, 200, 700, 3_600][chance.index(4)] * SECOND;
    fault(plan, FAULTS_FROM, lasts, Fault::Pause { host });
    plan.heal_at = plan.heal_at.max(FAULTS_FROM + lasts + 5 * SECOND);
}

fn write_faults(plan: &mut Plan, chance: &mut Chance) {
    for _ in 0..chance.within(1, 7) {
        let at = chance.within(FAULTS_FROM, plan.heal_at - SECOND);
        let lasts = match chance.below(10) {
            0..4 => chance.within(100 * MILLI, 4 * SECOND),
            4..8 => chance.within(4 * SECOND, 25 * SECOND),
            _ => chance.within(25 * SECOND, 100 * SECOND),
        };
        let lasts = lasts.min(plan.heal_at - at);
        let what = draw(plan, chance);
        fault(plan, at, lasts, what);
    }
    if plan.theme == Theme::Clocks && chance.percent(50) {
        // Whoever is ahead of all others dies and does not come back before the end.
        let fastest = (0..plan.skews.len()).max_by_key(|host| plan.skews[*host]).expect("there are hosts");
        fault(plan, FAULTS_FROM, plan.heal_at - FAULTS_FROM, Fault::Crash { host: fastest });
    }
}

fn draw(plan: &Plan, chance: &mut Chance) -> Fault {
    let hosts = plan.skews.len();
    let host = chance.index(hosts);
    let other = (host + 1 + chance.index(hosts.max(2) - 1)) % hosts;
    let roll = match plan.theme {
        Theme::Cuts => chance.within(50, 89),
        Theme::Clocks => [0, 5, 25, 95][chance.index(4)],
        _ => chance.below(100),
    };
    match roll {
        0..18 => Fault::Crash { host },
        18..24 => Fault::Wipe { host },
        24..38 => Fault::Pause { host },
        38..50 => Fault::Stop { host },
        50..62 if hosts > 1 => Fault::Cut { from: host, to: other },
        62..78 if hosts > 1 => Fault::Split { set: chance.within(1, (1 << hosts) - 2) as u8 },
        78..84 if hosts > 1 => Fault::Slow { a: host, b: other, by: chance.within(20 * MILLI, 600 * MILLI) },
        84..90 if hosts > 1 => Fault::Break { from: host, to: other },
        _ => {
            let furthest = if plan.theme == Theme::Clocks { 25_000 } else { 5_000 };
            Fault::Jump { host, by: chance.below(2 * furthest) as i64 - furthest as i64 }
        }
    }
}

/// A host that is started again while it does not reach another, or none.
fn write_reborn(plan: &mut Plan, chance: &mut Chance) {
    let hosts = plan.skews.len();
    if hosts < 3 || !matches!(plan.theme, Theme::Storm | Theme::Cuts) || !chance.percent(40) {
        return;
    }
    let host = chance.index(hosts);
    let other = (host + 1 + chance.index(hosts - 1)) % hosts;
    let gone = chance.within(FAULTS_FROM, plan.heal_at - 20 * SECOND);
    let lasts = chance.within(2 * SECOND, 8 * SECOND);
    let ends = gone + lasts;
    fault(plan, gone, lasts, if chance.percent(50) { Fault::Crash { host } } else { Fault::Stop { host } });
    // Before it ends, or while it is away.
    let cut = gone + chance.below(lasts) - chance.below(10 * SECOND);
    let until = (ends + chance.within(SECOND, 60 * SECOND)).min(plan.heal_at);
    match chance.below(10) {
        0 | 1 => fault(plan, cut, until - cut, Fault::Split { set: 1 << host }),
        2 => fault(plan, cut, until - cut, Fault::Split { set: 1 << other }),
        3 => fault(plan, cut, until - cut, Fault::Pause { host: other }),
        4 => fault(plan, cut, until - cut, Fault::Cut { from: other, to: host }),
        _ => {
            fault(plan, cut, until - cut, Fault::Cut { from: host, to: other });
            fault(plan, cut, until - cut, Fault::Cut { from: other, to: host });
        }
    }
}

/// Hosts that are no members for a while, from the beginning until they join or from some time on for ever; what becomes of
/// their processes meanwhile is faults of its own.
fn write_membership(plan: &mut Plan, chance: &mut Chance) {
    let hosts = plan.skews.len();
    if hosts < 2 || !chance.percent(25) {
        return;
    }
    let first = chance.index(hosts);
    write_away(plan, first, chance);
    if hosts > 2 && plan.theme != Theme::Rolling && chance.percent(30) {
        write_away(plan, (first + 1 + chance.index(hosts - 1)) % hosts, chance);
    }
}

fn write_away(plan: &mut Plan, host: usize, chance: &mut Chance) {
    let orderly = matches!(plan.theme, Theme::Calm | Theme::Rolling);
    let latest = plan.heal_at - 10 * SECOND;
    let gone = chance.within(FAULTS_FROM, latest - 5 * SECOND);
    // Whoever comes back is let in before it runs.
    let back = chance.within(gone + SECOND, latest);
    let runs = back + chance.within(4 * SECOND, 8 * SECOND);
    let ever = chance.percent(60);
    let until = |at: Micros, from: Micros| if ever { at - from } else { FOR_EVER };
    let after = [0, SECOND, 10 * SECOND][chance.index(3)] + chance.below(2 * SECOND);
    let told = chance.percent(50);
    match chance.below(if orderly { 2 } else { 6 }) {
        0 => {
            fault(plan, 0, back, Fault::Away { host, told });
            fault(plan, 0, runs, Fault::Crash { host });
        }
        1 => {
            fault(plan, gone, until(runs, gone), Fault::Stop { host });
            let removed = gone + 2 * SECOND + after;
            fault(plan, removed, until(back.max(removed), removed), Fault::Away { host, told });
        }
        2 => {
            let what = if chance.percent(50) { Fault::Crash { host } } else { Fault::Wipe { host } };
            fault(plan, gone, until(runs, gone), what);
            fault(plan, gone + after, until(back.max(gone + after), gone + after), Fault::Away { host, told });
        }
        3 => {
            fault(plan, gone, until(back, gone), Fault::Away { host, told });
            let what = if chance.percent(50) { Fault::Crash { host } } else { Fault::Stop { host } };
            fault(plan, gone + after, until(runs.max(gone + after), gone + after), what);
        }
        _ => fault(plan, gone, back - gone, Fault::Away { host, told }),
    }
}
