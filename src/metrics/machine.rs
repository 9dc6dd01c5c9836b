//! How busy the machine is.

use parking_lot::Mutex;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// Load of the machine; zero where the system does not tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Share of the processors in use since somebody asked before, 0 to 1.
    pub cpu: f64,
    /// Tasks that ran or waited to, on average of a minute.
    pub load: f64,
    /// Share of the memory in use, 0 to 1.
    pub memory: f64,
}

/// Looks at the machine when asked.
pub(super) struct Machine(Option<Mutex<System>>);

impl Machine {
    pub(super) fn new() -> Self {
        let kinds = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing().with_usage())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        Self(System::new_with_specifics(kinds).ok().map(Mutex::new))
    }

    /// How busy it is now. A few small files are read, no more.
    pub(super) fn usage(&self) -> Usage {
        let Some(system) = &self.0 else { return Usage::default() };
        let mut system = system.lock();
        system.refresh_cpu_usage();
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let share = |part: f64, whole: f64| if whole > 0.0 { (part / whole).clamp(0.0, 1.0) } else { 0.0 };
        Usage {
            cpu: share(f64::from(system.global_cpu_usage()), 100.0),
            load: System::load_average().map_or(0.0, |average| average.one),
            memory: share(system.used_memory() as f64, system.total_memory() as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_shares() {
        let machine = Machine::new();
        for usage in [machine.usage(), machine.usage()] {
            assert!((0.0..=1.0).contains(&usage.cpu) && (0.0..=1.0).contains(&usage.memory), "{usage:?}");
            assert!(usage.memory > 0.0 && usage.load >= 0.0, "{usage:?}");
        }
    }
}
