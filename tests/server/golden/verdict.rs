//! Whether a case was answered as it should be.

use super::{
    compare::Differences,
    deviations::{DEVIATIONS, WAITING, Waiting},
    errors::Case,
};

/// Whether a case can be driven without the feature it waits for.
pub fn is_apart(case: &Case) -> bool {
    WAITING.iter().any(|waiting| waiting.apart.contains(&case.id.as_str()))
}

/// Judges a case; says what is wrong if something is.
pub fn judge(case: &Case, differences: &Differences) -> Option<String> {
    let id = &case.id;
    if let Some(waiting) = WAITING.iter().find(|waiting| waiting.covers(case)) {
        return waiting.judge(case, differences);
    }
    let (ours, report) = (differences.ours(), differences.report());
    match DEVIATIONS.iter().find(|it| it.id == id) {
        None if differences.is_empty() => None,
        None => Some(format!("  {id} is answered otherwise:{report}\n      ours: {ours}")),
        Some(_) if differences.is_empty() => Some(format!("  {id} is listed and answered as recorded")),
        Some(listed) if listed.ours != ours => Some(format!(
            "  {id} deviates otherwise than listed ({}):{report}\n      listed {}\n      ours: {ours}",
            listed.why, listed.ours
        )),
        Some(_) => None,
    }
}

impl Waiting {
    fn covers(&self, case: &Case) -> bool {
        let id = case.id.as_str();
        !self.ready.contains(&id) && (self.group == case.group || self.ids.contains(&id))
    }

    /// What waits is not yet answered as recorded, and its own requests are refused as what they are.
    fn judge(&self, case: &Case, differences: &Differences) -> Option<String> {
        let (id, feature) = (&case.id, self.feature);
        if differences.is_empty() {
            return Some(format!("  {id} waits for {feature} and is answered as recorded"));
        }
        let refused = differences.ours().contains("Response 500/501");
        if case.kind() == self.group && !refused {
            return Some(format!("  {id} waits for {feature} but is not refused so:{}", differences.report()));
        }
        None
    }
}
