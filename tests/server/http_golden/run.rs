//! Running recorded cases against nodes in this process.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

use super::{
    case::{Answer, Case, Placeholders, Request, read},
    compare::{Degree, Differences},
    lists,
    send::{Target, send},
};
use crate::support::Node;

/// Cases under way at a time.
const AT_ONCE: usize = 16;
/// Pause between looks at what becomes true by itself.
const POLL: Duration = Duration::from_millis(5);
/// How long what becomes true by itself may take, where the recording waited for it.
const SETTLE: Duration = Duration::from_secs(2);
/// Waits below this many milliseconds are for the real server, which does not read its own writes at once.
const REAL_WAIT: u64 = 1_000;

/// A case that ran.
pub struct Ran {
    /// Its place among the cases of its node.
    pub number: usize,
    pub case: Arc<Case>,
    pub differences: Differences,
    /// What was answered, for people.
    pub answers: String,
}

impl Ran {
    /// Whether it was answered as it must be.
    pub fn passes(&self) -> bool {
        self.differences.degree() >= Degree::wanted(&self.case)
    }
}

/// What was recorded from one version of the reference.
pub struct Recorded {
    pub files: usize,
    pub cases: Vec<Arc<Case>>,
}

/// Reads what was recorded from one version.
pub fn recorded(version: &str) -> Recorded {
    let (files, cases) = read(version);
    Recorded { files, cases: cases.into_iter().map(Arc::new).collect() }
}

/// Runs cases against one node, those that change the whole server one by one after the others; slow ones are for
/// simulated time.
pub async fn run(cases: &[Arc<Case>]) -> Vec<Ran> {
    let node = Node::start_with(|_| {}).await;
    let target = Target::Port(node.http_port());
    let numbered = || cases.iter().cloned().enumerate().filter(|(_, case)| !case.slow);
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for (number, case) in numbered().filter(|(_, case)| !case.serial) {
        let (permits, target) = (permits.clone(), target.clone());
        running.spawn(async move {
            let _permit = permits.acquire_owned().await.expect("never closed");
            run_one(&target, number, case).await
        });
    }
    let mut ran = running.join_all().await;
    ran.sort_by_key(|it| it.number);
    for (number, case) in numbered().filter(|(_, case)| case.serial) {
        ran.push(run_one(&target, number, case).await);
    }
    node.stop().await;
    ran
}

pub async fn run_one(to: &Target, number: usize, case: Arc<Case>) -> Ran {
    let mut differences = Differences::default();
    let mut answers = String::new();
    let mut note = |request: &Request, ours: &Answer| {
        answers += &format!("    {} {} → {} {}\n", request.method, request.path, ours.status, ours.body);
    };
    let mut values = Placeholders::new(number);
    for (at, request) in case.setup.iter().enumerate() {
        let ours = send(to, request, &mut values).await;
        note(request, &ours);
        differences.setup(at, request.expect_status, &ours);
    }
    let ours =
        read_settled(to, &case, (&case.request, case.request.after_ms), "/response", &case.response, &mut values);
    let ours = ours.await;
    note(&case.request, &ours);
    differences.answer(&case, "/response", &case.response, &ours);
    for (at, step) in case.followup.iter().enumerate() {
        let place = format!("/followup/{at}/response");
        let request = (&step.request, step.after_ms);
        let ours = read_settled(to, &case, request, &place, &step.response, &mut values).await;
        note(&step.request, &ours);
        differences.answer(&case, &place, &step.response, &ours);
    }
    for request in &case.teardown {
        send(to, request, &mut values).await;
    }
    Ran { number, case, differences, answers }
}

/// Sends a request; a read that the real server was given seconds for is repeated until it is as it must be.
async fn read_settled(
    to: &Target,
    case: &Case,
    (request, after_ms): (&Request, u64),
    place: &str,
    recorded: &Answer,
    values: &mut Placeholders,
) -> Answer {
    if let Target::Handlers(_) = to {
        // Time costs nothing here, and nothing settles but by it.
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        return send(to, request, values).await;
    }
    let deadline = Instant::now() + SETTLE;
    loop {
        let ours = send(to, request, values).await;
        let mut differences = Differences::default();
        differences.answer(case, place, recorded, &ours);
        let is_due = request.method != "GET" || after_ms < REAL_WAIT || lists::is_listed(&case.id);
        if is_due || differences.degree() >= Degree::wanted(case) || Instant::now() > deadline {
            return ours;
        }
        tokio::time::sleep(POLL).await;
    }
}
