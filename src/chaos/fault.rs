//! The faults by name, and which of them may meet.
//!
//! Faults of one lane follow each other; lanes run beside each other, so that a node is killed while the network is cut and
//! clients storm.

use clap::ValueEnum;
use serde::Serialize;

/// What is done to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A node that does not lead is killed and started again.
    KillFollower,
    /// The node that leads is killed and started again.
    KillLeader,
    /// Most nodes are killed at once.
    KillMajority,
    /// All nodes are killed at once.
    KillAll,
    /// A node is asked to stop and started again.
    Terminate,
    /// A node is stopped in its tracks for seconds and goes on.
    Pause,
    /// A killed node stays away for many seconds.
    SlowRestart,
    /// A node comes back with nothing, as another member.
    EmptiedDisk,
    /// The time of day of a node is half a minute off.
    ClockJump,
    /// What a node would write to its log is refused for want of space.
    FullDisk,
    /// What a node wrote to its log cannot be made durable.
    FailingSync,
    /// A node and all others do not hear each other.
    CutOff,
    /// The same of the node that leads.
    CutOffLeader,
    /// The nodes fall into a larger and a smaller half.
    Halves,
    /// What one node sends arrives nowhere; it hears all others.
    OneWay,
    /// All that nodes send arrives late.
    Delay,
    /// Some of what nodes send is sent again a moment later, as after a lost packet.
    Loss,
    /// The lines of one node carry little.
    SlowLink,
    /// Many clients come at once and go again.
    ConnectionStorm,
    /// A subscriber that reads nothing.
    SlowSubscriber,
    /// Clients that say what no client says.
    HostileClient,
}

/// Faults that do not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// What is done to processes and their disks.
    Processes,
    /// What is done between them.
    Network,
    /// What clients do.
    Clients,
}

impl Lane {
    pub const ALL: [Self; 3] = [Self::Processes, Self::Network, Self::Clients];
}

impl Kind {
    pub fn lane(self) -> Lane {
        match self {
            Self::KillFollower
            | Self::KillLeader
            | Self::KillMajority
            | Self::KillAll
            | Self::Terminate
            | Self::Pause
            | Self::SlowRestart
            | Self::EmptiedDisk
            | Self::ClockJump
            | Self::FullDisk
            | Self::FailingSync => Lane::Processes,
            Self::CutOff
            | Self::CutOffLeader
            | Self::Halves
            | Self::OneWay
            | Self::Delay
            | Self::Loss
            | Self::SlowLink => Lane::Network,
            Self::ConnectionStorm | Self::SlowSubscriber | Self::HostileClient => Lane::Clients,
        }
    }

    /// How often it is done while the rarest of its lane is done once: machines fail more often than disks, and one more often
    /// than all.
    pub fn frequency(self) -> usize {
        match self {
            Self::KillFollower | Self::KillLeader | Self::Terminate | Self::Pause => 3,
            Self::CutOff | Self::OneWay | Self::ConnectionStorm | Self::EmptiedDisk | Self::SlowRestart => 2,
            _ => 1,
        }
    }

    /// Whether it needs a library before the node's C library.
    pub fn needs_shim(self) -> bool {
        matches!(self, Self::ClockJump | Self::FullDisk | Self::FailingSync)
    }
}

/// As it is asked for and reported.
pub fn name(of: &impl ValueEnum) -> String {
    of.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}
