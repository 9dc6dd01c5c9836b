//! Whether all cases were answered as they must be, and how far each area is.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    compare::Degree,
    lists::{DEVIATIONS, Deviation, WAITING, Waiting, deviation, waiting},
    run::Ran,
};

/// Differences shown of one case among many.
const SHOWN: usize = 4;

/// What is wrong: cases answered otherwise that are on no list, and entries of the lists that are true no more.
pub fn faults(ran: &[Ran]) -> Vec<String> {
    faults_by(ran, DEVIATIONS, WAITING)
}

fn faults_by(ran: &[Ran], deviations: &[Deviation], waiting: &[Waiting]) -> Vec<String> {
    let mut faults = Vec::new();
    for it in ran.iter().filter(|it| !it.passes()) {
        let id = it.case.id.as_str();
        let is_waiting = waiting.iter().any(|listed| id.starts_with(listed.prefix));
        if !is_waiting && deviations.iter().all(|listed| listed.id != id) {
            faults.push(report(it, SHOWN));
        }
    }
    for listed in deviations {
        let cases = ran.iter().filter(|it| it.case.id == listed.id);
        faults.extend(stale(listed.id, &format!("deviates ({})", listed.why), cases));
        if deviations.iter().filter(|other| other.id == listed.id).count() > 1 {
            faults.push(format!("  {} is listed more than once", listed.id));
        }
    }
    for listed in waiting {
        let is_own = |id: &str| id.starts_with(listed.prefix) && deviations.iter().all(|other| other.id != id);
        let cases = ran.iter().filter(|it| is_own(&it.case.id));
        faults.extend(stale(listed.prefix, &format!("waits for {}", listed.feature), cases));
    }
    faults
}

/// A list's entry that no case needs.
fn stale<'a>(entry: &str, state: &str, mut cases: impl Iterator<Item = &'a Ran>) -> Option<String> {
    let is_needed = cases.any(|it| !it.passes());
    (!is_needed)
        .then(|| format!("  '{entry}' {state}, but all its cases are answered as recorded: take it from the list"))
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
        let listed = match (deviation(id), waiting(id)) {
            (Some(listed), _) => format!("  [deviates: {}]", listed.why),
            (None, Some(listed)) => format!("  [waits for {}]", listed.feature),
            (None, None) => String::new(),
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
            _ if waiting(id).is_some() => Some(6),
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
    COLUMNS.iter().for_each(|column| drop(write!(out, "{column:>11}")));
    for (area, row) in areas {
        let _ = write!(out, "\n{area:24}");
        row.iter().for_each(|number| drop(write!(out, "{number:>11}")));
    }
    out
}
