//! One client of `churn`: its dice, its book of what it published, and the views it was shown. Promises that the book
//! says what the server confirmed, no more. Never touches another actor's instances.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::time;

use crate::bench::{
    chance::Chance,
    client::Client,
    message::{Host, Instance, View},
    report::{Latencies, latencies, record},
    stream::OnPush,
    tally::{Fault, Tally},
};

const LARGEST_BATCH: usize = 5;
const PAUSE_AFTER_FAULT: Duration = Duration::from_millis(10);

/// The subscribed services of one client as it was last shown them, by a reply or a push, whichever is newer.
#[derive(Default)]
pub struct Views(Mutex<HashMap<String, View>>);

impl Views {
    pub fn door(self: &Arc<Self>, tally: &Arc<Tally>) -> OnPush {
        let (views, tally) = (Arc::clone(self), Arc::clone(tally));
        Arc::new(move |push| match push.view() {
            Ok(view) => views.offer(view),
            Err(error) => tally.wrong(&format!("a push cannot be read: {error}")),
        })
    }

    /// Before the request: its first push may overtake the reply.
    fn open(&self, service: &str) {
        self.0.lock().entry(service.to_owned()).or_default();
    }

    fn close(&self, service: &str) {
        self.0.lock().remove(service);
    }

    /// A push that was on its way while the client unsubscribed belongs to nobody.
    fn offer(&self, offered: View) {
        if let Some(view) = self.0.lock().get_mut(offered.name.as_str()) {
            view.accept(offered);
        }
    }

    pub fn hosts(&self, service: &str) -> Option<Vec<Host>> {
        self.0.lock().get(service).map(View::sorted_hosts)
    }
}

pub struct Actor {
    pub number: usize,
    pub client: Client,
    pub views: Arc<Views>,
    pub published: BTreeMap<usize, Vec<Host>>,
    pub subscribed: BTreeSet<usize>,
    /// Services of which a changing call failed.
    pub unknown: BTreeSet<usize>,
    pub latencies: Latencies,
    names: Arc<Vec<String>>,
    chance: Chance,
    version: u64,
}

impl Actor {
    pub fn new(number: usize, client: Client, views: Arc<Views>, names: Arc<Vec<String>>, seed: u64) -> Self {
        Self {
            number,
            client,
            views,
            published: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            unknown: BTreeSet::new(),
            latencies: latencies(),
            names,
            chance: Chance::new(seed, number as u64),
            version: 0,
        }
    }

    pub async fn act(mut self, until: Instant, pause: Duration, tally: Arc<Tally>) -> Self {
        while Instant::now() < until {
            let service = self.chance.below(self.names.len());
            let started = Instant::now();
            match self.step(service).await {
                Ok(()) => record(&mut self.latencies, started.elapsed()),
                Err(fault) => {
                    tally.fault(&fault);
                    self.unknown.insert(service);
                    time::sleep(PAUSE_AFTER_FAULT).await;
                }
            }
            if !pause.is_zero() {
                time::sleep(pause).await;
            }
        }
        self
    }

    async fn step(&mut self, service: usize) -> Result<(), Fault> {
        let name = self.names[service].clone();
        self.version += 1;
        match self.chance.below(100) {
            0..40 => {
                let instance = self.instance(0);
                self.client.register(&name, &instance).await?;
                self.published.insert(service, vec![instance.host()]);
            }
            40..55 => {
                let count = 1 + self.chance.below(LARGEST_BATCH);
                let batch: Vec<Instance> = (0..count).map(|place| self.instance(place)).collect();
                self.client.batch(&name, &batch).await?;
                self.published.insert(service, batch.iter().map(Instance::host).collect());
            }
            55..70 => {
                let instance = self.instance(0);
                self.client.deregister(&name, &instance).await?;
                self.published.remove(&service);
            }
            70..90 => {
                self.views.open(&name);
                let view = self.client.subscribe(&name).await?;
                self.subscribed.insert(service);
                self.views.offer(view);
            }
            _ => {
                self.client.unsubscribe(&name).await?;
                self.subscribed.remove(&service);
                self.views.close(&name);
            }
        }
        Ok(())
    }

    fn instance(&self, place: usize) -> Instance {
        let port = 8000 + u16::try_from(place).unwrap_or(u16::MAX - 8000);
        Instance::new(self.number, port, self.version)
    }
}
