//! Asks nodes over and over what they show of a service, and notes what was missing from their answers.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{Cluster, Ports, call, shown};

const PAUSE: Duration = Duration::from_millis(50);

/// What was missing at one node: the ports, since when after the first look, and for how long by the last.
#[derive(Clone)]
pub struct Gap {
    pub node: String,
    pub missing: Ports,
    since: Duration,
    pub lasted: Duration,
}

impl fmt::Display for Gap {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Gap { node, missing, since, lasted } = self;
        write!(out, "{node} did not show {missing:?} from {since:.1?} on for {lasted:.1?}")
    }
}

/// Looks at all nodes of a cluster until dropped. A node that does not answer is not counted.
pub struct Poller {
    gaps: Arc<Mutex<Vec<Gap>>>,
    looks: Arc<Mutex<usize>>,
    _tasks: JoinSet<()>,
}

impl Poller {
    /// Expects these instances of the service in every answer.
    pub fn start(cluster: &Cluster, service: &str, expected: &Ports) -> Self {
        let (gaps, looks) = (Arc::default(), Arc::default());
        let mut tasks = JoinSet::new();
        for node in &cluster.nodes {
            let target = format!("/roster/v1/instances?service={service}");
            let look = Look { node: node.address.clone(), target, expected: expected.clone() };
            tasks.spawn(look.run(Arc::clone(&gaps), Arc::clone(&looks)));
        }
        Self { gaps, looks, _tasks: tasks }
    }

    pub fn gaps(&self) -> Vec<Gap> {
        self.gaps.lock().expect("no panic under it").clone()
    }

    /// Panics when anything was ever missing.
    pub fn never_lost(&self) {
        let gaps = self.gaps();
        assert!(gaps.is_empty(), "missing: {:?}", gaps.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert!(*self.looks.lock().expect("no panic under it") > 20, "it was looked at all");
    }
}

struct Look {
    node: String,
    target: String,
    expected: Ports,
}

impl Look {
    async fn run(self, gaps: Arc<Mutex<Vec<Gap>>>, looks: Arc<Mutex<usize>>) {
        let began = Instant::now();
        let mut open: Option<(Instant, Ports)> = None;
        loop {
            if let Ok((200, body)) = call(&self.node, "GET", &self.target, "").await {
                *looks.lock().expect("no panic under it") += 1;
                let list = shown(&serde_json::from_str(&body).expect("JSON"));
                let missing: Ports = self.expected.difference(&list).copied().collect();
                open = self.note(began, open, missing, &gaps);
            }
            sleep(PAUSE).await;
        }
    }

    /// A gap begins, goes on or ends.
    fn note(
        &self,
        began: Instant,
        open: Option<(Instant, Ports)>,
        missing: Ports,
        gaps: &Mutex<Vec<Gap>>,
    ) -> Option<(Instant, Ports)> {
        let mut gaps = gaps.lock().expect("no panic under it");
        let of_this = gaps.iter_mut().rfind(|gap| gap.node == self.node);
        if let (Some((since, _)), Some(gap)) = (&open, of_this) {
            gap.lasted = since.elapsed();
        }
        match open {
            Some((since, same)) if same == missing => Some((since, same)),
            _ if missing.is_empty() => None,
            _ => {
                let since = began.elapsed();
                gaps.push(Gap { node: self.node.clone(), missing: missing.clone(), since, lasted: Duration::ZERO });
                Some((Instant::now(), missing))
            }
        }
    }
}
