//! Whether all cases were answered as they must be, and how far each area is.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    compare::Degree,
    deviations::DEVIATIONS,
    lists::{Deviation, deviation, waits},
    run::Ran,
    unchecked::UNCHECKED,
};

/// Differences shown of one case among many.
const SHOWN: usize = 4;

/// Cases answered otherwise that are on no list.
pub fn unlisted(ran: &[Ran]) -> Vec<String> {
    unlisted_by(ran, DEVIATIONS, UNCHECKED)
}

/// Entries of the lists that are true no more.
pub fn outdated(ran: &[Ran]) -> Vec<String> {
    outdated_by(ran, DEVIATIONS, UNCHECKED)
}

fn unlisted_by(ran: &[Ran], deviations: &[Deviation], waiting: &[&str]) -> Vec<String> {
    let is_listed = |id: &str| deviations.iter().any(|listed| listed.id == id) || waiting.contains(&id);
    ran.iter().filter(|it| !it.passes() && !is_listed(&it.case.id)).map(|it| report(it, SHOWN)).collect()
}

fn outdated_by(ran: &[Ran], deviations: &[Deviation], waiting: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    for listed in deviations {
        let cases = ran.iter().filter(|it| it.case.id == listed.id);
        faults.extend(stale(listed.id, &format!("deviates ({})", listed.why), cases));
        if deviations.iter().filter(|other| other.id == listed.id).count() > 1 {
            faults.push(format!("  {} is listed more than once", listed.id));
        }
    }
    for id in waiting {
        let cases = ran.iter().filter(|it| it.case.id == *id);
        faults.extend(stale(id, "waits for health checks", cases));
    }
    faults
}

/// A list's entry that no case needs.
fn stale<'a>(entry: &str, state: &str, mut cases: impl Iterator<Item = &'a Ran>) -> Option<String> {
    let is_needed = cases.any(|it| !it.passes());
    (!is_needed).then(|| format!("  '{entry}' {state}, but no case of it is answered otherwise: take it from the list"))
}

fn report(it: &Ran, limit: usize) -> String {
    let (case, wanted) = (&it.case, Degree::wanted(&it.case));
    let below = it.differences.below(wanted);
    let quirk = if case.quirk { format!(" [quirk: {}]", case.quirk_reason) } else { String::new() };
    let mut out =
        format!("  {} ({}){quirk} reaches {:?}, not {wanted:?}", case.id, case.title, it.differences.degree());
    for line in below.iter().take(limit) {
        let _ = write!(out, "\n      {line}");
    }
    if below.len() > limit {
        let _ = write!(out, "\n      and {} more", below.len() - limit);
    }
    out
}

/// Prints all that was answered and all that differs.
pub fn show(ran: &[Ran]) {
    for it in ran {
        let id = it.case.id.as_str();
        let listed = match (deviation(id), waits(id)) {
            (Some(listed), _) => format!("  [deviates: {}]", listed.why),
            (None, true) => "  [waits for health checks]".to_owned(),
            (None, false) => String::new(),
        };
        let (verdict, degree) = (if it.passes() { "pass" } else { "FAIL" }, it.differences.degree());
        println!("{verdict} {id} {degree:?}{listed}: {}\n{}", it.case.title, it.answers.trim_end());
        if !it.passes() {
            println!("{}", report(it, usize::MAX));
        }
        let added = it.differences.below(Degree::Exact);
        let rest = added.iter().filter(|line| !it.differences.below(Degree::wanted(&it.case)).contains(line));
        rest.chain(&it.differences.media_type.iter().collect::<Vec<_>>())
            .for_each(|line| println!("      (allowed) {line}"));
    }
    println!("{} of {} pass", ran.iter().filter(|it| it.passes()).count(), ran.len());
}

/// The numbers of each area, by the best degree its cases reach; those listed are counted apart, with how many of the
/// waiting ones pass already.
pub fn table(ran: &[Ran]) -> String {
    const COLUMNS: [&str; 9] =
        ["cases", "exact", "lenient", "essential", "status", "deviating", "waiting", "(passing)", "media type"];
    let mut areas = BTreeMap::<&str, [usize; COLUMNS.len()]>::new();
    for it in ran {
        let id = it.case.id.as_str();
        let column = match it.differences.degree() {
            _ if deviation(id).is_some() => Some(5),
            _ if waits(id) => Some(6),
            Degree::Exact => Some(1),
            Degree::Lenient => Some(2),
            Degree::Essential => Some(3),
            Degree::Status => Some(4),
            Degree::None => None,
        };
        let passes_early = column == Some(6) && it.passes();
        let other_type = it.passes() && !it.differences.media_type.is_empty();
        let columns = [Some(0), column, passes_early.then_some(7), other_type.then_some(8)];
        for row in [it.case.area.as_str(), "~ all"] {
            let row = areas.entry(row).or_default();
            columns.into_iter().flatten().for_each(|column| row[column] += 1);
        }
    }
    let mut out = format!("{:24}", "area");
    out.extend(COLUMNS.map(|column| format!("{column:>11}")));
    for (area, row) in areas {
        let _ = write!(out, "\n{area:24}");
        out.extend(row.map(|number| format!("{number:>11}")));
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http_golden::compare::Differences;

    const DEVIATING: &[Deviation] = &[Deviation { id: "a/2", why: "a reason" }];
    const WAITING: &[&str] = &["a/1", "a/2"];

    /// Cases by id, each as it passed.
    fn ran(cases: [(&str, bool); 3]) -> Vec<Ran> {
        let ran = cases.map(|(id, passes)| {
            let case = json!({"id": id, "area": "a", "title": "", "setup": [], "followup": [],
                "request": {"method": "GET", "path": "/"},
                "response": {"status": 200, "headers": {}, "body_kind": "empty", "body": null}});
            let mut differences = Differences::default();
            differences.status.extend((!passes).then(|| "other".to_owned()));
            let case = std::sync::Arc::new(serde_json::from_value(case).expect("a case"));
            Ran { number: 0, case, differences, answers: String::new() }
        });
        ran.into()
    }

    #[test]
    fn what_is_answered_otherwise_must_be_listed() {
        let ran = ran([("a/1", false), ("a/2", false), ("b/1", false)]);
        assert_eq!(unlisted_by(&ran, &[], &[]).len(), 3);
        assert_eq!(unlisted_by(&ran, DEVIATING, &[]).len(), 2);
        let left = unlisted_by(&ran, DEVIATING, WAITING);
        assert!(left.len() == 1 && left[0].contains("b/1"), "{left:?}");
    }

    #[test]
    fn what_is_listed_must_be_answered_otherwise() {
        let outdated = |ones: [bool; 2], deviations, waiting| {
            outdated_by(&ran([("a/1", ones[0]), ("a/2", ones[1]), ("b/1", true)]), deviations, waiting).len()
        };
        assert_eq!(outdated([false, false], DEVIATING, &["a/1"]), 0);
        assert_eq!(outdated([false, true], &[], WAITING), 1);
        assert_eq!(outdated([true, true], &[], WAITING), 2);
        assert_eq!(outdated([false, true], DEVIATING, &["a/1"]), 1);
        assert_eq!(outdated([false, false], &[], &["c/1"]), 1);
    }
}
