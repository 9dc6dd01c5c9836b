//! Who uses the cluster while it is broken: clients that hold on to their instances, clients that come and go, instances that
//! beat over HTTP, subscribers, and callers that write persistent instances.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use compact_str::format_compact;
use parking_lot::Mutex;
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    beats::Beating,
    journal::Journal,
    nodes::Nodes,
    persistent::Callers,
    sdk::Sdk,
    watch::{Ground, Place, Watch},
};
use crate::bench::{
    chance::Chance,
    client::Address,
    message::{Host, Instance, Seen},
};

/// Clients that never let go, and the services each has an instance of.
const STEADY: usize = 12;
const SERVICES: usize = 6;
/// Instances that beat.
const BEATING: usize = 6;
/// Clients that come and go.
const CHURNING: usize = 6;
const SUBSCRIBERS_A_NODE: usize = 2;
const CALLERS: usize = 5;
/// How long a call of an SDK may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Mean pause between what a client does.
const PAUSE: Duration = Duration::from_millis(800);
/// How long clients have to be there at the beginning.
const BEGINNING: Duration = Duration::from_secs(30);

/// What each service must show in the end, sorted.
pub type Truth = BTreeMap<String, Vec<Host>>;

pub struct Load {
    pub ground: Arc<Ground>,
    pub watches: Vec<Arc<Watch>>,
    pub callers: Arc<Callers>,
    pub servers: Arc<Vec<Address>>,
    clients: JoinSet<Sdk>,
    subscribers: JoinSet<Sdk>,
    beating: JoinSet<()>,
    calling: JoinSet<()>,
    beats: Vec<Place>,
    quiet: CancellationToken,
    end: CancellationToken,
}

impl Load {
    /// Has all of them begin, and waits until those that hold on are there.
    pub async fn begin(nodes: &Nodes, journal: &Arc<Journal>, seed: u64) -> Result<Self> {
        let ground = Arc::new(Ground { journal: journal.clone(), steady: Mutex::default(), slowest: Mutex::default() });
        let address = |main: &String| -> Result<Address> {
            let (host, port) = main.rsplit_once(':').context("host:port")?;
            let grpc = port.parse::<u16>()? + crate::config::GRPC_OFFSET;
            Ok(Address { uri: format!("http://{host}:{grpc}"), timeout: PATIENCE })
        };
        let mains: Vec<String> = nodes.all.iter().map(|node| node.main.clone()).collect();
        let servers = Arc::new(mains.iter().map(address).collect::<Result<Vec<_>>>()?);
        let callers = Arc::new(Callers {
            nodes: mains.clone(),
            http: nodes.http.clone(),
            journal: journal.clone(),
            histories: Default::default(),
            versions: 1.into(),
            answered: 0.into(),
            failed: 0.into(),
        });
        let mut load = Self {
            ground,
            watches: Vec::new(),
            callers,
            servers,
            clients: JoinSet::new(),
            subscribers: JoinSet::new(),
            beating: JoinSet::new(),
            calling: JoinSet::new(),
            beats: Vec::new(),
            quiet: CancellationToken::new(),
            end: CancellationToken::new(),
        };
        load.spawn(nodes, mains, seed);
        let all = STEADY * 2 + BEATING;
        let there = async {
            while load.ground.steady.lock().acknowledged.len() < all {
                sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(BEGINNING, there).await.context("clients cannot register on a cluster that is whole")?;
        Ok(load)
    }

    fn spawn(&mut self, nodes: &Nodes, mains: Vec<String>, seed: u64) {
        let mains = Arc::new(mains);
        for number in 0..STEADY {
            let sdk = Sdk::new(self.servers.clone(), number, seed, None);
            self.clients.spawn(steady(sdk, number, self.ground.clone(), self.quiet.clone()));
        }
        for number in 0..CHURNING {
            let sdk = Sdk::new(self.servers.clone(), STEADY + number, seed, None);
            self.clients.spawn(churning(sdk, number, self.ground.journal.clone(), self.quiet.clone()));
        }
        for number in 0..BEATING {
            let beating = Beating::new(number, &beat_service(number), mains.clone(), nodes.http.clone());
            self.beats.push(beat_place(number, &beat_service(number)));
            self.beating.spawn(beating.beat(self.ground.clone(), self.end.clone()));
        }
        for number in 0..SUBSCRIBERS_A_NODE * self.servers.len() {
            let watch = Watch::new(format!("subscriber {number}"), self.ground.clone());
            self.watches.push(watch.clone());
            let mut sdk = Sdk::new(self.servers.clone(), number, seed, Some(watch));
            sdk.holds.watched = services();
            self.subscribers.spawn(subscribing(sdk, self.quiet.clone()));
        }
        for number in 0..CALLERS {
            let chance = Chance::new(seed, 1_000 + number as u64);
            self.calling.spawn(self.callers.clone().act(chance, self.quiet.clone()));
        }
    }

    /// Has nobody change anything any more. What is held is held on to; who holds what is the truth from now on.
    pub async fn quiet(&mut self) -> Result<(Truth, Vec<Sdk>)> {
        self.quiet.cancel();
        while let Some(ended) = self.calling.join_next().await {
            ended.context("a caller died")?;
        }
        let mut truth: Truth = services().into_iter().map(|service| (service, Vec::new())).collect();
        let mut held = Vec::new();
        let never = CancellationToken::new();
        let mut all = std::mem::take(&mut self.clients);
        while let Some(ended) = self.subscribers.join_next().await {
            held.push(ended.context("a subscriber died")?);
        }
        while let Some(ended) = all.join_next().await {
            held.push(ended.context("a client died")?);
        }
        for sdk in &mut held {
            let connected = tokio::time::timeout(BEGINNING, sdk.connected(&never)).await;
            connected.context("a client cannot connect to a cluster that is whole")?;
            for (service, instances) in &sdk.holds.published {
                truth.entry(service.clone()).or_default().extend(instances.iter().map(Instance::host));
            }
        }
        let steady = self.ground.steady.lock();
        for place @ (service, ip, port) in &self.beats {
            let version = format_compact!("{}", steady.acknowledged.get(place).copied().unwrap_or_default());
            let host = Host { ip: ip.clone(), port: *port, metadata: Seen { version } };
            truth.entry(service.to_string()).or_default().push(host);
        }
        drop(steady);
        truth.values_mut().for_each(|hosts| hosts.sort_unstable());
        Ok((truth, held))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end.cancel();
        self.quiet.cancel();
    }
}

/// All services that are subscribed to.
fn services() -> Vec<String> {
    let steady = (0..SERVICES).map(steady_service);
    let churned = (0..SERVICES).map(churned_service);
    steady.chain(churned).chain((0..BEATING).map(beat_service)).collect()
}

fn steady_service(number: usize) -> String {
    format!("chaos-steady-{}", number % SERVICES)
}

fn churned_service(number: usize) -> String {
    format!("chaos-churned-{}", number % SERVICES)
}

fn beat_service(number: usize) -> String {
    format!("chaos-beating-{}", number % 2)
}

/// Publishes in two services, again and again, and never lets go.
async fn steady(mut sdk: Sdk, number: usize, ground: Arc<Ground>, quiet: CancellationToken) -> Sdk {
    let names = [steady_service(number), steady_service(number + 1)];
    for name in &names {
        sdk.holds.published.insert(name.clone(), vec![Instance::new(number + 1, 8_000, ground.journal.millis())]);
    }
    let note = |name: &str, instance: &Instance| {
        let place = (name.into(), instance.ip.clone(), instance.port);
        let version = instance.metadata.version.parse().unwrap_or(0);
        ground.steady.lock().acknowledged.insert(place, version);
    };
    while sdk.connected(&quiet).await {
        // Connecting published what it holds.
        for (name, instances) in &sdk.holds.published {
            note(name, &instances[0]);
        }
        pause(&mut sdk).await;
        if quiet.is_cancelled() {
            break;
        }
        let name = &names[sdk.chance().below(names.len())];
        let instance = Instance::new(number + 1, 8_000, ground.journal.millis());
        if sdk.publish(name, vec![instance.clone()]).await {
            note(name, &instance);
        }
    }
    sdk
}

/// Publishes, takes back, dies and comes back.
async fn churning(mut sdk: Sdk, number: usize, journal: Arc<Journal>, quiet: CancellationToken) -> Sdk {
    while sdk.connected(&quiet).await {
        pause(&mut sdk).await;
        if quiet.is_cancelled() {
            break;
        }
        let service = churned_service(sdk.chance().below(SERVICES));
        let instance = |place: usize| Instance::new(1_000 + number, 9_000 + place as u16, journal.millis());
        match sdk.chance().below(20) {
            0..9 => drop(sdk.publish(&service, vec![instance(0)]).await),
            9..12 => drop(sdk.publish(&service, (0..4).map(instance).collect()).await),
            12..18 => drop(sdk.take_back(&service).await),
            18 => sdk.disconnect(),
            _ => {
                sdk.disconnect();
                sdk.holds.published.clear();
            }
        }
    }
    sdk
}

/// Watches, and notices by asking now and then when its node does not answer any more.
async fn subscribing(mut sdk: Sdk, quiet: CancellationToken) -> Sdk {
    while sdk.connected(&quiet).await {
        pause(&mut sdk).await;
        if quiet.is_cancelled() {
            break;
        }
        sdk.look().await;
    }
    sdk
}

async fn pause(sdk: &mut Sdk) {
    let pause = sdk.chance().around(PAUSE);
    sleep(pause).await;
}

/// Where an instance of `beat` is.
pub fn beat_place(number: usize, service: &str) -> Place {
    (service.into(), format_compact!("10.1.0.{}", number + 1), 7_000)
}
