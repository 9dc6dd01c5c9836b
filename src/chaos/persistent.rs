//! Callers that write and read persistent instances at any node, over HTTP, and write down what they asked and were told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use hyper::Method;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{ask::Http, journal::Journal};
use crate::{
    bench::{chance::Chance, message::View},
    history::{Histories, Operation},
    peer::is_refused,
};

/// Instances of one service: so many that few calls with unknown outcome meet at one, for each doubles the checker's work.
const INSTANCES: usize = 12;
/// How long a service is in use, for the same reason.
const ERA: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);
/// How often a list is asked for in the end, and after which pause.
const TRIES: usize = 40;
const AGAIN: Duration = Duration::from_millis(250);
const IP: &str = "10.0.0.9";

/// Which instance: the number of its service, and its port.
type Key = (usize, u16);

/// What a caller was told.
enum Told {
    Done,
    /// It was not done, and will not be.
    NotDone,
    Unknown,
}

/// What all callers share.
pub struct Callers {
    pub nodes: Vec<String>,
    pub http: Http,
    pub journal: Arc<Journal>,
    pub histories: Histories<Key>,
    pub versions: AtomicU64,
    pub answered: AtomicU64,
    pub failed: AtomicU64,
}

impl Callers {
    /// Asks one thing at a time until `quiet`.
    pub async fn act(self: Arc<Self>, mut chance: Chance, quiet: CancellationToken) {
        let mut caller = self.histories.caller();
        while !quiet.is_cancelled() {
            let era = (self.journal.elapsed().as_secs() / ERA.as_secs()) as usize;
            let key = (era, 1 + chance.below(INSTANCES) as u16);
            let node = &self.nodes[chance.below(self.nodes.len())];
            let told = match chance.below(10) {
                0..5 => self.write(node, key, caller, Operation::Put(self.versions.fetch_add(1, Relaxed))).await,
                5..7 => self.write(node, key, caller, Operation::Delete).await,
                _ => self.read(node, key, caller).await,
            };
            let counted = if matches!(told, Told::Done) { &self.answered } else { &self.failed };
            counted.fetch_add(1, Relaxed);
            if matches!(told, Told::Unknown) {
                caller = self.histories.caller();
            }
            sleep(chance.around(PAUSE)).await;
        }
    }

    async fn write(&self, node: &str, key: Key, caller: usize, operation: Operation) -> Told {
        let method = if matches!(operation, Operation::Put(_)) { Method::POST } else { Method::DELETE };
        let target = format!("/nacos/v2/ns/instance?{}", query(key, operation));
        self.histories.called(key, caller, operation);
        let told = match self.http.call(method, node, &target, Bytes::new()).await {
            Ok((200, _)) => Told::Done,
            Ok((503, _)) => Told::NotDone,
            Ok(_) => Told::Unknown,
            Err(error) if is_refused(error.as_ref()) => Told::NotDone,
            Err(_) => Told::Unknown,
        };
        match told {
            Told::Done => self.histories.answered(key, caller, operation),
            // Whoever is told that nothing changed relies on it.
            Told::NotDone => self.histories.take_back(key, caller),
            Told::Unknown => {}
        }
        told
    }

    async fn read(&self, node: &str, key: Key, caller: usize) -> Told {
        self.histories.called(key, caller, Operation::Read(None));
        match self.list(node, key.0).await {
            Ok(view) => {
                self.histories.answered(key, caller, Operation::Read(version(&view, key.1)));
                Told::Done
            }
            // A call that stays open is left out, and so is its caller from now on.
            Err(_) => Told::Unknown,
        }
    }

    async fn listed(&self, node: &str, number: usize) -> Result<View> {
        for _ in 1..TRIES {
            if let Ok(view) = self.list(node, number).await {
                return Ok(view);
            }
            sleep(AGAIN).await;
        }
        self.list(node, number).await.with_context(|| format!("{node} does not list what was agreed on"))
    }

    /// All instances of a service that was acknowledged anywhere before the call.
    async fn list(&self, node: &str, number: usize) -> Result<View> {
        let target = format!("/nacos/v1/ns/instance/list?serviceName={}&consistency=strong", service(number));
        let (status, body) = self.http.call(Method::GET, node, &target, Bytes::new()).await?;
        ensure!(status == 200, "{status}");
        serde_json::from_slice(&body).context("not a list")
    }

    /// Reads all there is at a node, as part of the history. A node that just started refuses for a while.
    pub async fn read_all(&self, node: &str) -> Result<()> {
        let caller = self.histories.caller();
        let mut last: Option<(usize, View)> = None;
        for key in self.histories.keys() {
            self.histories.called(key, caller, Operation::Read(None));
            let view = match last.take() {
                Some((number, view)) if number == key.0 => view,
                _ => self.listed(node, key.0).await?,
            };
            self.histories.answered(key, caller, Operation::Read(version(&view, key.1)));
            last = Some((key.0, view));
        }
        Ok(())
    }
}

fn service(number: usize) -> String {
    format!("chaos-history-{number}")
}

fn version(view: &View, port: u16) -> Option<u64> {
    view.hosts.iter().find(|host| host.port == port)?.metadata.version.parse().ok()
}

fn query(key: Key, operation: Operation) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("serviceName", &service(key.0)).append_pair("ip", IP);
    query.append_pair("port", &key.1.to_string()).append_pair("ephemeral", "false");
    if let Operation::Put(version) = operation {
        query.append_pair("metadata", &format!(r#"{{"version":"{version}"}}"#));
    }
    query.finish()
}
