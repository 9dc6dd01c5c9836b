//! What a run came to, for people and for programs. Says the same to both.

use std::{collections::BTreeMap, fs, path::Path, process::ExitCode};

use anyhow::{Context, Result};
use comfy_table::{Table, presets};
use serde::Serialize;

use super::{
    fault::name,
    journal::{Injected, Sample},
    picture,
    verdict::Check,
};

#[derive(Debug, Serialize)]
pub struct Report {
    /// `passed` or `failed`.
    pub verdict: &'static str,
    pub seed: u64,
    pub nodes: usize,
    pub seconds: f64,
    /// How many of each kind happened.
    pub faults: BTreeMap<String, usize>,
    pub operations: Operations,
    pub checks: Vec<Check>,
    pub injected: Vec<Injected>,
    #[serde(skip)]
    pub samples: Vec<Sample>,
}

#[derive(Debug, Serialize)]
pub struct Operations {
    /// Persistent ones in checked histories.
    pub checked: usize,
    /// Those that were answered while nodes were broken, and those that failed.
    pub answered: u64,
    pub failed: u64,
    /// Times that clients had to connect.
    pub connects: u64,
    /// How long all views took to agree in the end, in seconds; none when they never did.
    pub converged: Option<f64>,
    /// Longest way of a push, and largest lag of a subscriber, in milliseconds.
    pub slowest_push: u64,
    pub largest_lag: u64,
    /// Resident memory and descriptors of the largest node.
    pub resident: u64,
    pub descriptors: usize,
}

impl Report {
    /// Writes `report.json` and `timeline.svg`.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let failed = || format!("writing to {}", dir.display());
        let whole = serde_json::json!({ "report": self, "samples": self.samples });
        fs::write(dir.join("report.json"), serde_json::to_vec_pretty(&whole)?).with_context(failed)?;
        fs::write(dir.join("timeline.svg"), picture::draw(self)).with_context(failed)
    }

    pub fn print(&self, json: bool) -> Result<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        let table = |heads: &[&str]| {
            let mut table = Table::new();
            table.load_style(presets::NOTHING).set_header(heads);
            table
        };
        let mut faults = table(&["FAULT", "FROM", "UNTIL", "TARGET", "EVIDENCE"]);
        for one in &self.injected {
            let evidence = one.evidence.clone().unwrap_or_else(|| "none".into());
            let seconds = |at: f64| format!("{at:.1} s");
            faults.add_row([name(&one.kind), seconds(one.from), seconds(one.until), one.target.clone(), evidence]);
        }
        let mut checks = table(&["PROMISE", "KEPT", ""]);
        for check in &self.checks {
            let kept = if check.kept { "yes" } else { "NO" };
            checks.add_row([name(&check.promise), kept.into(), check.says.join("\n")]);
        }
        let did = &self.operations;
        println!("{faults}\n\n{checks}\n");
        println!(
            "{} persistent operations checked ({} answered, {} failed while nodes were broken), {} connections of clients",
            did.checked, did.answered, did.failed, did.connects
        );
        println!(
            "slowest push {} ms, largest lag {} ms, all views agreed after {}; largest node {} MiB, {} descriptors",
            did.slowest_push,
            did.largest_lag,
            did.converged.map_or_else(|| "never".into(), |took| format!("{took:.1} s")),
            did.resident >> 20,
            did.descriptors
        );
        println!("{}: seed {}, {:.0} s", self.verdict, self.seed, self.seconds);
        Ok(())
    }

    pub fn exit_code(&self) -> ExitCode {
        if self.verdict == PASSED { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

pub const PASSED: &str = "passed";
pub const FAILED: &str = "failed";
