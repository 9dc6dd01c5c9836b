//! A client as the SDKs are: it holds on to what it publishes and watches, and comes back, at the next node, when its
//! connection is gone.
//!
//! Promises to know what it holds: after a call whose outcome nobody knows it connects anew, which settles it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::watch::{Door, Watch};
use crate::bench::{
    chance::Chance,
    client::{Address, Client},
    message::Instance,
    stream::ignore_pushes,
    tally::{Fault, Tally},
};

/// Pauses before the next node is tried: the first, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// What a client publishes and watches.
#[derive(Default)]
pub struct Holdings {
    pub published: BTreeMap<String, Vec<Instance>>,
    pub watched: Vec<String>,
}

pub struct Sdk {
    servers: Arc<Vec<Address>>,
    next: usize,
    chance: Chance,
    tally: Arc<Tally>,
    watch: Option<Arc<Watch>>,
    client: Option<(Client, Option<Door>)>,
    pub holds: Holdings,
    pub connects: u64,
}

impl Sdk {
    pub fn new(servers: Arc<Vec<Address>>, number: usize, seed: u64, watch: Option<Arc<Watch>>) -> Self {
        Self {
            servers,
            next: number,
            chance: Chance::new(seed, number as u64),
            tally: Arc::default(),
            watch,
            client: None,
            holds: Holdings::default(),
            connects: 0,
        }
    }

    pub fn chance(&mut self) -> &mut Chance {
        &mut self.chance
    }

    /// Whether the connection is there, by the look of it.
    pub fn is_connected(&self) -> bool {
        self.client.as_ref().is_some_and(|(client, _)| client.is_connected())
    }

    /// Connects, publishes and watches what it holds, however often that takes. False when it is to stop first.
    pub async fn connected(&mut self, stop: &CancellationToken) -> bool {
        let mut pause = FIRST_PAUSE;
        while !self.is_connected() {
            self.disconnect();
            if stop.is_cancelled() {
                return false;
            }
            if self.connect().await.is_ok() {
                self.connects += 1;
                return true;
            }
            self.disconnect();
            sleep(self.chance.around(pause)).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        true
    }

    async fn connect(&mut self) -> Result<(), Fault> {
        self.next += 1;
        let address = &self.servers[self.next % self.servers.len()];
        let door = self.watch.as_ref().map(Watch::open);
        let on_push = door.as_ref().map_or_else(ignore_pushes, Door::on_push);
        let client = Client::connect(address, self.tally.clone(), on_push).await?;
        for (service, instances) in &self.holds.published {
            publish(&client, service, instances).await?;
        }
        for service in &self.holds.watched {
            let view = client.subscribe(service).await?;
            if let Some(door) = &door {
                door.seen(&view);
            }
        }
        self.client = Some((client, door));
        Ok(())
    }

    /// As a process that dies: what it held is gone with its connection.
    pub fn disconnect(&mut self) {
        self.client = None;
    }

    /// Publishes, and holds on to it whatever is answered; whether it was acknowledged.
    pub async fn publish(&mut self, service: &str, instances: Vec<Instance>) -> bool {
        self.holds.published.insert(service.to_owned(), instances.clone());
        let Some((client, _)) = &self.client else { return false };
        let done = publish(client, service, &instances).await;
        self.settled(done.is_ok())
    }

    /// Takes back what it published; whether that was acknowledged.
    pub async fn take_back(&mut self, service: &str) -> bool {
        let Some(instances) = self.holds.published.remove(service) else { return false };
        let (Some((client, _)), Some(first)) = (&self.client, instances.first()) else { return false };
        let done = client.deregister(service, first).await;
        self.settled(done.is_ok())
    }

    /// Asks for something, as the health checks of SDKs do, and gives a connection up that does not answer.
    pub async fn look(&mut self) -> bool {
        let (Some((client, _)), Some(service)) = (&self.client, self.holds.watched.first()) else { return false };
        let done = client.query(service).await;
        self.settled(done.is_ok())
    }

    /// Whether it was acknowledged; without that the connection is given up, and with it what nobody knows.
    fn settled(&mut self, done: bool) -> bool {
        if !done {
            self.disconnect();
        }
        done
    }
}

async fn publish(client: &Client, service: &str, instances: &[Instance]) -> Result<(), Fault> {
    match instances {
        [one] => client.register(service, one).await,
        several => client.batch(service, several).await,
    }
}
