//! Recorded conformance cases of the HTTP naming API, asked again of a node.
//!
//! `GOLDEN_CASE=v1-instance/ cargo test --test server http_golden -- --nocapture` shows all answers of the cases whose id
//! begins so, and all differences, listed or not.

mod case;
mod compare;
mod lists;
mod run;
mod send;
mod verdict;

use lists::FIXTURES;
use run::{Ran, recorded, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_cases_are_answered_as_recorded() {
    let wanted = std::env::var("GOLDEN_CASE").ok();
    let (mut ran, mut slow) = (Vec::<Ran>::new(), 0);
    for fixtures in FIXTURES {
        let mut recorded = recorded(fixtures.version);
        slow += recorded.cases.iter().filter(|case| case.slow).count();
        let found = (recorded.files, recorded.cases.len(), recorded.cases.iter().filter(|case| case.slow).count());
        assert_eq!(
            found,
            (fixtures.files, fixtures.cases, fixtures.slow),
            "files, cases, slow ones of {}",
            fixtures.version
        );
        recorded.cases.retain(|case| wanted.as_ref().is_none_or(|prefix| case.id.starts_with(prefix)));
        ran.extend(run(&recorded.cases).await);
    }
    println!("{}\n{slow} slow cases are left out", verdict::table(&ran));
    if wanted.is_some() {
        verdict::show(&ran);
        return;
    }
    let faults = verdict::faults(&ran);
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}
