//! One client of `churn`: its dice, its book of what it published, and the views it was shown. Promises that the book
//! says what the server confirmed, no more. Never touches another actor's instances.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::time;

use crate::bench::{
    chance::Chance,
    client::{Address, Client},
    message::{Host, Instance, View},
    report::{Latencies, latencies, record},
    stream::OnPush,
    tally::{Fault, Tally},
};

const LARGEST_BATCH: usize = 5;
const PAUSE_AFTER_FAULT: Duration = Duration::from_millis(10);

/// The subscribed services of one client as it was last shown them, by a reply or a push, whichever is newer.
#[derive(Default)]
pub struct Views {
    open: Mutex<HashMap<String, Watched>>,
    not_newer: AtomicU64,
}

#[derive(Default)]
struct Watched {
    view: View,
    last_push: i64,
}

impl Views {
    /// Nothing is open, but what was counted stays counted.
    fn after(previous: &Self) -> Self {
        Self { open: Mutex::default(), not_newer: previous.not_newer().into() }
    }

    pub fn door(self: &Arc<Self>, tally: &Arc<Tally>) -> OnPush {
        let (views, tally) = (Arc::clone(self), Arc::clone(tally));
        Arc::new(move |push| match push.view() {
            Ok(view) => views.pushed(view),
            Err(error) => tally.wrong(&format!("a push cannot be read: {error}")),
        })
    }

    /// Before the request: its first push may overtake the reply.
    fn open(&self, service: &str) {
        self.open.lock().entry(service.to_owned()).or_default();
    }

    fn close(&self, service: &str) {
        self.open.lock().remove(service);
    }

    /// A push that was on its way while the client unsubscribed belongs to nobody.
    fn pushed(&self, offered: View) {
        let mut open = self.open.lock();
        let Some(watched) = open.get_mut(offered.name.as_str()) else { return };
        if offered.last_ref_time <= watched.last_push {
            self.not_newer.fetch_add(1, Relaxed);
        }
        watched.last_push = offered.last_ref_time;
        watched.view.accept(offered);
    }

    fn replied(&self, offered: View) {
        if let Some(watched) = self.open.lock().get_mut(offered.name.as_str()) {
            watched.view.accept(offered);
        }
    }

    /// Pushes that were not newer than the push before them on the same stream: some SDKs drop those.
    pub fn not_newer(&self) -> u64 {
        self.not_newer.load(Relaxed)
    }

    pub fn hosts(&self, service: &str) -> Option<Vec<Host>> {
        self.open.lock().get(service).map(|watched| watched.view.sorted_hosts())
    }
}

/// What all actors of a run share.
pub struct Ground {
    pub address: Address,
    pub tally: Arc<Tally>,
    pub names: Arc<Vec<String>>,
    pub reconnects: usize,
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
    pub reconnections: u64,
    ground: Ground,
    chance: Chance,
    version: u64,
}

impl Actor {
    pub fn new(number: usize, client: Client, views: Arc<Views>, ground: Ground, seed: u64) -> Self {
        Self {
            number,
            client,
            views,
            published: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            unknown: BTreeSet::new(),
            latencies: latencies(),
            reconnections: 0,
            ground,
            chance: Chance::new(seed, number as u64),
            version: 0,
        }
    }

    pub async fn act(mut self, until: Instant, pause: Duration) -> Self {
        while Instant::now() < until {
            if self.chance.below(1000) < self.ground.reconnects {
                self.reconnect().await;
            }
            let service = self.chance.below(self.ground.names.len());
            let started = Instant::now();
            match self.step(service).await {
                Ok(()) => record(&mut self.latencies, started.elapsed()),
                Err(fault) => {
                    self.ground.tally.fault(&fault);
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
        let name = self.ground.names[service].clone();
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
                self.views.replied(view);
            }
            _ => {
                self.client.unsubscribe(&name).await?;
                self.subscribed.remove(&service);
                self.views.close(&name);
            }
        }
        Ok(())
    }

    /// The old transport ends with its client, and with it everything it published and watched.
    async fn reconnect(&mut self) {
        // What the old stream may still bring is for the old views.
        let views = Arc::new(Views::after(&self.views));
        let on_push = views.door(&self.ground.tally);
        match Client::connect(&self.ground.address, Arc::clone(&self.ground.tally), on_push).await {
            Ok(client) => {
                self.client = client;
                self.views = views;
                self.published.clear();
                self.subscribed.clear();
                self.reconnections += 1;
            }
            Err(fault) => self.ground.tally.fault(&fault),
        }
    }

    fn instance(&self, place: usize) -> Instance {
        let port = 8000 + u16::try_from(place).unwrap_or(u16::MAX - 8000);
        Instance::new(self.number, port, self.version)
    }
}
