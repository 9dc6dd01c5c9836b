//! What the disk can do at best: one file, to which so many bytes are appended and synced, over and over. Promises that the
//! file is gone afterwards.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::bench::report::{Latencies, Run, latencies, per, record};

/// About as long as an entry of the log.
const BYTES: [u8; 200] = [b'x'; 200];

/// How long it is measured.
const DURATION: Duration = Duration::from_secs(1);

/// What was measured.
pub struct Floor {
    each: Latencies,
    seconds: f64,
}

impl Floor {
    /// Measures the disk of a directory, for a second.
    pub fn measure(dir: &Path) -> Result<Self> {
        let path = dir.join(format!("roster-bench-fdatasync-{}", std::process::id()));
        let measured = Self::measure_at(&path).with_context(|| format!("writing {}", path.display()));
        // What is left behind is a small file, and its error was told.
        let _ = fs::remove_file(&path);
        measured
    }

    fn measure_at(path: &Path) -> Result<Self> {
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        let (mut each, began) = (latencies(), Instant::now());
        while began.elapsed() < DURATION {
            let asked = Instant::now();
            file.write_all(&BYTES)?;
            file.sync_data()?;
            record(&mut each, asked.elapsed());
        }
        Ok(Self { each, seconds: began.elapsed().as_secs_f64() })
    }

    /// In microseconds.
    pub fn p50(&self) -> f64 {
        self.each.value_at_quantile(0.5) as f64
    }

    /// In microseconds.
    pub fn p99(&self) -> u64 {
        self.each.value_at_quantile(0.99)
    }

    pub(in crate::bench) fn report(&self, run: &mut Run) {
        run.figure("fdatasync_per_second", per(self.each.len() as f64, self.seconds));
        run.percentiles("fdatasync", &self.each);
    }
}
