//! How new a read must be.

use std::str::FromStr;

use thiserror::Error;

/// What callers name it by, in parameters and headers.
pub const CONSISTENCY: &str = "consistency";

/// How new a read must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// What the node has that is asked.
    #[default]
    Local,
    /// Of persistent instances and of what operators set, no less than was acknowledged anywhere before the read.
    Strong,
}

/// A consistency that there is not. A reader who misspells it is not to be shown less than it counts on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("Param 'consistency' is illegal, it is 'strong' or absent, not '{0}'")]
pub struct UnknownConsistency(String);

impl FromStr for Consistency {
    type Err = UnknownConsistency;

    fn from_str(given: &str) -> Result<Self, UnknownConsistency> {
        match given {
            "" => Ok(Self::Local),
            "strong" => Ok(Self::Strong),
            other => Err(UnknownConsistency(other.to_owned())),
        }
    }
}
