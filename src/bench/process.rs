//! What the measured server costs, read from `/proc`: CPU time and resident memory of one process. Promises CPU time
//! finer than a clock tick wherever the kernel keeps it per thread. Never guesses: without a pid there is no figure.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context, Result};

/// `USER_HZ`, which Linux fixes at 100 for every user space.
const TICK: Duration = Duration::from_millis(10);
/// Two readings of the ticks may differ by a tick per figure from the truth, and by the scheduler's accounting lag.
const TICK_ERROR: Duration = Duration::from_millis(50);

/// One look at a process.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    ticks: Duration,
    /// Nanoseconds on a processor, by thread.
    threads: BTreeMap<u32, u64>,
    pub resident_bytes: u64,
}

impl Reading {
    pub fn take(pid: u32) -> Result<Self> {
        let read = |name: &str| {
            let path = format!("/proc/{pid}/{name}");
            fs::read_to_string(&path).with_context(|| format!("reading {path}"))
        };
        let ticks = cpu_ticks(&read("stat")?).with_context(|| format!("/proc/{pid}/stat has no CPU times"))?;
        let resident_bytes =
            resident_bytes(&read("status")?).with_context(|| format!("/proc/{pid}/status has no VmRSS"))?;
        Ok(Self { ticks: TICK * u32::try_from(ticks).unwrap_or(u32::MAX), threads: threads(pid), resident_bytes })
    }

    /// All these processes as one; none when there are none.
    pub fn of(pids: &[u32]) -> Result<Option<Self>> {
        let each = pids.iter().map(|pid| Self::take(*pid)).collect::<Result<Vec<_>>>()?;
        Ok(each.into_iter().reduce(|mut sum, one| {
            sum.ticks += one.ticks;
            // Numbers of threads are the machine's, so two processes share none.
            sum.threads.extend(one.threads);
            sum.resident_bytes += one.resident_bytes;
            sum
        }))
    }

    /// CPU time used between `earlier` and this reading. The sum over threads is exact but loses threads that ended
    /// meanwhile; the ticks lose nothing but are coarse: they take over once they are clearly ahead.
    pub fn cpu_since(&self, earlier: &Self) -> Duration {
        let fine = self
            .threads
            .iter()
            .map(|(thread, nanos)| nanos.saturating_sub(earlier.threads.get(thread).copied().unwrap_or(0)));
        let fine = Duration::from_nanos(fine.sum());
        let coarse = self.ticks.saturating_sub(earlier.ticks);
        if coarse > fine + TICK_ERROR { coarse } else { fine }
    }
}

/// Threads may end while they are listed, and a kernel may lack schedstat; both leave the ticks to speak.
fn threads(pid: u32) -> BTreeMap<u32, u64> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return BTreeMap::new() };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let thread = entry.file_name().to_str()?.parse().ok()?;
            let text = fs::read_to_string(entry.path().join("schedstat")).ok()?;
            Some((thread, running_nanos(&text)?))
        })
        .collect()
}

/// utime + stime of a `/proc/PID/stat` line. The command name may hold blanks and brackets, so count from its end.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn running_nanos(schedstat: &str) -> Option<u64> {
    schedstat.split_ascii_whitespace().next()?.parse().ok()
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Measures one phase of a workload.
#[derive(Debug)]
pub struct Meter {
    pids: Vec<u32>,
    start: Option<Reading>,
    own_start: Option<Reading>,
    began: std::time::Instant,
}

/// What a phase took.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub elapsed: Duration,
    pub cpu: Option<Duration>,
    /// Of the load generator itself: on one machine it competes with the server it measures.
    pub own_cpu: Option<Duration>,
    pub resident_before: Option<u64>,
    pub resident_after: Option<u64>,
}

impl Meter {
    pub fn start(pids: &[u32]) -> Result<Self> {
        let start = Reading::of(pids)?;
        let own_start = Reading::take(std::process::id()).ok();
        Ok(Self { pids: pids.to_vec(), start, own_start, began: std::time::Instant::now() })
    }

    /// A process that is gone by now leaves no figures; that it died shows in the errors of the calls.
    pub fn read(&self) -> Usage {
        let elapsed = self.began.elapsed();
        let own = Reading::take(std::process::id()).ok();
        let now = Reading::of(&self.pids).ok().flatten();
        Usage {
            elapsed,
            cpu: now.as_ref().zip(self.start.as_ref()).map(|(now, start)| now.cpu_since(start)),
            own_cpu: own.zip(self.own_start.as_ref()).map(|(now, start)| now.cpu_since(start)),
            resident_before: self.start.as_ref().map(|reading| reading.resident_bytes),
            resident_after: now.map(|reading| reading.resident_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_times_are_found_behind_an_odd_command_name() {
        let line = "42 (a) b (c)) S 1 42 42 0 -1 4194560 1 2 3 4 150 27 5 6 20 0 8 0 100 200 300";
        assert_eq!(cpu_ticks(line), Some(177));
        assert_eq!(cpu_ticks("42 (short) S 1"), None);
    }

    #[test]
    fn memory_and_thread_time_are_parsed() {
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t   2048 kB\nRssAnon:\t1 kB\n"), Some(2048 * 1024));
        assert_eq!(resident_bytes("Name:\tkthreadd\n"), None);
        assert_eq!(running_nanos("1677045 6500 2\n"), Some(1_677_045));
    }

    #[test]
    fn ticks_take_over_when_a_thread_ended() {
        let reading = |ticks, threads: &[(u32, u64)]| Reading {
            ticks: Duration::from_millis(ticks),
            threads: threads.iter().copied().collect(),
            resident_bytes: 0,
        };
        let before = reading(100, &[(1, 60_000_000), (2, 40_000_000)]);
        let all_there = reading(130, &[(1, 75_000_000), (2, 55_500_000), (3, 1_000_000)]);
        assert_eq!(all_there.cpu_since(&before), Duration::from_micros(31_500));
        let one_gone = reading(1100, &[(1, 75_000_000)]);
        assert_eq!(one_gone.cpu_since(&before), Duration::from_secs(1));
    }

    #[test]
    fn this_process_can_be_read() {
        let reading = Reading::take(std::process::id()).unwrap();
        assert!(reading.resident_bytes > 0);
        assert!(Reading::of(&[]).unwrap().is_none());
        let twice = Reading::of(&[std::process::id(); 2]).unwrap().unwrap();
        assert!(twice.resident_bytes > reading.resident_bytes, "sums");
    }
}
