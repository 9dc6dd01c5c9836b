//! What is asked of a group, however it is asked: over HTTP here, and directly by `benches/raft.rs`.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::ValueEnum;

/// Who writes what, and whom they ask.
#[derive(Clone, Debug, clap::Args)]
pub struct Load {
    /// How many write at a time; each number is a run of its own
    #[arg(long, value_delimiter = ',', default_value = "1,16,256")]
    pub writers: Vec<usize>,
    /// Which nodes are asked
    #[arg(long, value_enum, default_value_t = At::All)]
    pub at: At,
    /// Distinct instances of each run, written in turn
    #[arg(long, default_value_t = 10_000)]
    pub instances: usize,
    /// Services they are spread over
    #[arg(long, default_value_t = 100)]
    pub services: usize,
    /// Existing directory for nodes of its own, and for bare fdatasync [default: that of temporary files]
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Which nodes are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum At {
    /// All in turn.
    All,
    /// The one that leads.
    Leader,
    /// All but the leader.
    Follower,
}

impl Load {
    /// Where nodes of its own keep what they keep.
    pub fn dir(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(std::env::temp_dir)
    }

    /// Refuses what cannot be measured.
    pub fn check(&self) -> Result<()> {
        ensure!(self.services > 0, "--services must be at least 1");
        ensure!(self.writers.iter().all(|writers| *writers > 0), "--writers must be at least 1");
        ensure!(
            self.writers.iter().all(|writers| self.instances >= *writers),
            "--instances must be at least --writers"
        );
        Ok(())
    }
}

impl At {
    /// Whether a node is asked that leads, or does not.
    pub fn asks(self, leads: bool) -> bool {
        self == Self::All || leads == (self == Self::Leader)
    }
}
