//! Recorded conformance cases of the HTTP naming API, asked again of a node.
//!
//! `GOLDEN_CASE=v1-instance/ cargo test --test server http_golden -- --nocapture` shows all answers of the cases whose id
//! begins so, and all differences, listed or not.

mod case;
mod clients;
mod compare;
mod deviations;
mod divided;
mod lists;
mod run;
mod send;
mod simulated;
mod unchecked;
mod verdict;

use case::Answer;
use compare::{Degree, Differences};
use lists::FIXTURES;
use run::{Ran, recorded, run};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_cases_are_answered_as_recorded() {
    let wanted = std::env::var("GOLDEN_CASE").ok();
    let mut ran = Vec::<Ran>::new();
    for fixtures in FIXTURES {
        let mut recorded = recorded(fixtures.version);
        let slow_here = recorded.cases.iter().filter(|case| case.slow).count();
        let found = (recorded.files, recorded.cases.len(), slow_here);
        assert_eq!(
            found,
            (fixtures.files, fixtures.cases, fixtures.slow),
            "files, cases, slow ones of {}",
            fixtures.version
        );
        recorded.cases.retain(|case| wanted.as_ref().is_none_or(|prefix| case.id.starts_with(prefix)));
        ran.extend(run(&recorded.cases).await);
        let simulated = tokio::task::spawn_blocking(move || simulated::run(&recorded.cases));
        ran.extend(simulated.await.expect("slow cases run"));
    }
    println!("{}", verdict::table(&ran));
    let mut faults = verdict::unlisted(&ran);
    match wanted {
        Some(prefix) if ran.is_empty() => faults.push(format!("no case begins with '{prefix}'")),
        Some(_) => verdict::show(&ran),
        None => faults.extend(verdict::outdated(&ran)),
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

/// Were each answered as recorded, each case would pass: no recording contradicts itself.
#[test]
fn every_recorded_answer_is_like_itself() {
    for case in FIXTURES.iter().flat_map(|fixtures| recorded(fixtures.version).cases) {
        let mut same = Differences::default();
        let mut other = Differences::default();
        let mut answers = vec![("/response".to_owned(), &case.response)];
        answers.extend(
            case.followup.iter().enumerate().map(|(at, it)| (format!("/followup/{at}/response"), &it.response)),
        );
        for (place, answer) in answers {
            same.answer(&case, &place, answer, answer);
            let status = if answer.status == 418 { 200 } else { 418 };
            let refused = Answer { status, headers: Default::default(), body_kind: "empty".into(), body: Value::Null };
            other.answer(&case, &place, answer, &refused);
        }
        assert_eq!(same.degree(), Degree::Exact, "{}", case.id);
        assert_eq!(other.degree(), Degree::None, "{}", case.id);
    }
}
