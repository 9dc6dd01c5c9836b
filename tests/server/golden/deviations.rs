//! What this server answers otherwise than the recorded ones, and why.

use super::{compare::Differences, errors::Case};

/// A case that is answered otherwise on purpose.
pub struct Deviation {
    /// Group and name of the case.
    pub id: &'static str,
    /// What is answered instead: every part that differs, numbers of five and more digits as `N`.
    pub ours: &'static str,
    /// Why.
    pub why: &'static str,
}

/// Judges a case; says what is wrong if something is.
pub fn judge(case: &Case, differences: &Differences) -> Option<String> {
    let listed = DEVIATIONS.iter().find(|it| it.id == case.id);
    match listed {
        None if differences.is_empty() => None,
        None => Some(format!("  {} is answered otherwise:{}\n      @@ {}", case.id, differences.report(), differences.ours())),
        Some(_) if differences.is_empty() => Some(format!("  {} is listed and answered as recorded", case.id)),
        Some(listed) if listed.ours != differences.ours() => Some(format!(
            "  {} deviates otherwise than listed ({}):{}\n      listed {}\n      @@ {}",
            case.id, listed.why, differences.report(), listed.ours, differences.ours()
        )),
        Some(_) => None,
    }
}

/// Cases of a feature that is not there yet.
pub struct Waiting {
    /// The group, when all of it waits.
    group: Option<&'static str>,
    /// Cases of other groups.
    ids: &'static [&'static str],
    /// For what.
    pub feature: &'static str,
}

impl Waiting {
    /// Whether the case is one of them.
    pub fn covers(&self, case: &Case) -> bool {
        self.group == Some(&case.group) || self.ids.contains(&case.id.as_str())
    }
}

/// Cases that wait for a feature.
pub const WAITING: &[Waiting] = &[
    Waiting {
        group: Some("PersistentInstanceRequest"),
        ids: &[
            "InstanceRequest / ephemeral register into the persistent service",
            "BatchInstanceRequest / into a persistent service",
            "connection without naming label / PersistentInstanceRequest",
            "connection without naming label / PersistentInstanceRequest deregister",
        ],
        feature: "persistent instances",
    },
    Waiting {
        group: Some("NamingFuzzyWatchRequest"),
        ids: &["connection without naming label / NamingFuzzyWatchRequest"],
        feature: "fuzzy watch",
    },
];

/// Cases of the older version whose answer changed with the newer one, which is followed.
pub const SUPERSEDED: &[&str] = &[];

/// Cases that other tests cover.
pub const ELSEWHERE: &[(&str, &str)] = &[];

/// Cases answered otherwise on purpose.
pub const DEVIATIONS: &[Deviation] = &[];
