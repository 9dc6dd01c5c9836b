//! What happens in one run, drawn from its seed before it begins, so that it can be shortened and run again.

use std::fmt;

use crate::{
    chance::Chance,
    client::Kind,
    event::{Micros, SECOND},
    number, script,
};

#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub theme: Theme,
    /// How far the wall clock of each host is from the true time, in milliseconds.
    pub skews: Vec<i64>,
    pub clients: Vec<Kind>,
    pub services: u8,
    /// Whether the network also loses, repeats and reorders single messages.
    pub wild: bool,
    pub actions: Vec<Action>,
    /// When all faults end.
    pub heal_at: Micros,
    pub ends_at: Micros,
}

#[derive(Clone, Debug)]
pub struct Action {
    pub at: Micros,
    pub deed: Deed,
}

#[derive(Clone, Debug)]
pub enum Deed {
    Fault { lasts: Micros, fault: Fault },
    Act { client: usize, act: Act },
}

/// What can go wrong, and what operators do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Killed, and started again at the end.
    Crash {
        host: usize,
    },
    /// Killed, and its disk emptied.
    Wipe {
        host: usize,
    },
    /// The process stands still, time does not.
    Pause {
        host: usize,
    },
    /// Stopped as operators do, and started again at the end.
    Stop {
        host: usize,
    },
    Cut {
        from: usize,
        to: usize,
    },
    /// Hosts of the set do not reach those outside, nor the other way round.
    Split {
        set: u8,
    },
    Slow {
        a: usize,
        b: usize,
        by: Micros,
    },
    /// One stream ends; its path is whole.
    Break {
        from: usize,
        to: usize,
    },
    /// No member until the end. Its process goes on; whether it is told is up to whoever keeps the list.
    Away {
        host: usize,
        told: bool,
    },
    /// The wall clock is set, in milliseconds.
    Jump {
        host: usize,
        by: i64,
    },
}

/// What programs and their users do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Replaces what is published for the service. Shared: an address that other clients also publish.
    Publish {
        service: u8,
        ports: Vec<u16>,
        shared: bool,
    },
    Withdraw {
        service: u8,
    },
    Subscribe {
        service: u8,
    },
    Unsubscribe {
        service: u8,
    },
    /// Ends, and says so by closing its connection.
    Quit,
    /// Ends without a word.
    Die,
    /// Comes back after an end, with nothing.
    Begin,
    /// Loses its connection without a word, and lives.
    Blip,
    /// Answers no pushes from now on, or again.
    Mute(bool),
    /// A caller over HTTP asks any node each time from now on, or stays with one.
    Roam(bool),
}

/// What a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// No fault at all.
    Calm,
    /// Orderly restarts, one host after another.
    Rolling,
    /// All hosts end at once and start again.
    Blackout,
    /// Everything.
    Storm,
    /// Cuts only.
    Cuts,
    /// Clocks far apart and set about, with crashes.
    Clocks,
    /// Hosts that stand still for very long.
    Sleep,
}

/// How long after the end of all faults the cluster may need until all is as it should be: confirmation of the dead, the
/// longest lease, the slowest redo, the silence of what must beat, and some more.
pub const SETTLES: Micros = (5 + 35 + 30 + 30 + 20) * SECOND;

impl Plan {
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed, 1);
        let theme = match chance.below(100) {
            0..5 => Theme::Calm,
            5..25 => Theme::Rolling,
            25..35 => Theme::Blackout,
            35..70 => Theme::Storm,
            70..85 => Theme::Cuts,
            85..95 => Theme::Clocks,
            _ => Theme::Sleep,
        };
        let hosts = match (theme, chance.below(100)) {
            (Theme::Rolling | Theme::Cuts, _) => 3,
            (_, 0..5) => 1,
            (_, 5..10) => 2,
            (_, 10..85) => 3,
            (_, 85..90) => 4,
            _ => 5,
        };
        // As many as one asks for, to look at one size alone.
        let hosts = number("HOSTS", hosts) as usize;
        let furthest = if theme == Theme::Clocks { 40_000 } else { [50, 2_000, 20_000][chance.index(3)] };
        let skews = (0..hosts).map(|_| chance.below(furthest) as i64 - furthest as i64 / 2).collect();
        let clients = (0..chance.within(4, 9)).map(|_| Kind::ALL[chance.index(Kind::ALL.len())]).collect();
        let fault_time = chance.within(40, 150) * SECOND;
        let mut plan = Self {
            seed,
            theme,
            skews,
            clients,
            services: chance.within(1, 4) as u8,
            wild: matches!(theme, Theme::Storm | Theme::Cuts) && chance.percent(30),
            actions: Vec::new(),
            heal_at: script::FAULTS_FROM + fault_time,
            ends_at: 0,
        };
        script::write(&mut plan, &mut chance);
        plan.ends_at = plan.heal_at + SETTLES + 10 * SECOND;
        plan
    }

    /// The same with other actions.
    pub fn with(&self, actions: Vec<Action>) -> Self {
        Self { actions, ..self.clone() }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, theme, skews, clients, services, wild, .. } = self;
        writeln!(out, "seed {seed}: {theme:?}, {} hosts with clocks off by {skews:?} ms, wild: {wild}", skews.len())?;
        writeln!(out, "{services} services, clients {clients:?}")?;
        for Action { at, deed } in &self.actions {
            write!(out, "  {:>9.3} s  ", *at as f64 / SECOND as f64)?;
            match deed {
                Deed::Act { client, act } => writeln!(out, "client {client}: {act:?}")?,
                Deed::Fault { lasts, fault } => writeln!(out, "{fault:?} for {:.1} s", *lasts as f64 / SECOND as f64)?,
            }
        }
        write!(out, "  {:>9.3} s  faults end", self.heal_at as f64 / SECOND as f64)
    }
}
