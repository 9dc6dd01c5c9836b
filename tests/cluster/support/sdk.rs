//! The official Rust client, as a publisher and as a watcher.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use nacos_sdk::api::{
    naming::{NamingChangeEvent, NamingEventListener, NamingService, NamingServiceBuilder, ServiceInstance},
    props::ClientProps,
};

use super::{Cluster, DEADLINE, Ports, metric, until};

/// A client of these addresses, between commas. It begins with one of them by chance.
pub async fn client(addresses: &str) -> NamingService {
    let props = ClientProps::new()
        .server_addr(addresses)
        .namespace("")
        .app_name("roster-tests")
        .naming_push_empty_protection(false);
    NamingServiceBuilder::new(props).build().await.expect("connects")
}

/// Clients of all nodes, by the node that each is connected to, at least so many to each.
pub async fn fleet(cluster: &Cluster, each: usize) -> Vec<Vec<NamingService>> {
    let connections = async || {
        let mut all = Vec::new();
        for node in &cluster.nodes {
            all.push(metric(&node.metrics().await, "roster_connections", ""));
        }
        all
    };
    let mut fleet: Vec<Vec<NamingService>> = (0..3).map(|_| Vec::new()).collect();
    while fleet.iter().any(|clients| clients.len() < each) {
        let before = connections().await;
        let client = client(&cluster.addresses()).await;
        let place = until("a new connection", DEADLINE, async || {
            let now = connections().await;
            (0..3).find(|place| now[*place] > before[*place])
        });
        fleet[place.await].push(client);
    }
    fleet
}

pub fn instance(port: u16) -> ServiceInstance {
    ServiceInstance { ip: "10.0.0.1".to_owned(), port: port.into(), ..Default::default() }
}

pub async fn register(client: &NamingService, service: &str, port: u16) {
    let registered = client.register_instance(service.to_owned(), None, instance(port));
    tokio::time::timeout(DEADLINE, registered).await.expect("in time").expect("registers");
}

/// All lists that one subscription was told.
#[derive(Default)]
pub struct Listener {
    lists: Mutex<Vec<Ports>>,
}

impl NamingEventListener for Listener {
    fn event(&self, event: Arc<NamingChangeEvent>) {
        let told = event.instances.as_deref().unwrap_or_default();
        let ports = told.iter().filter_map(|instance| instance.port.try_into().ok()).collect();
        self.lists.lock().expect("no panic under it").push(ports);
    }
}

impl Listener {
    pub fn lists(&self) -> Vec<Ports> {
        self.lists.lock().expect("no panic under it").clone()
    }

    /// Waits until a list with all these was told.
    pub async fn told(&self, ports: &Ports, within: Duration) {
        let what = format!("a subscriber is told {ports:?}");
        until(&what, within, async || self.lists().iter().any(|list| list.is_superset(ports)).then_some(())).await;
    }

    /// Panics unless all these were in each list since the first that had them all.
    pub fn never_lost(&self, ports: &Ports) {
        let lists = self.lists();
        let first = lists.iter().position(|list| list.is_superset(ports)).expect("once told all");
        let lost = lists[first..].iter().map(|list| ports.difference(list).collect::<Vec<_>>());
        let lost: Vec<_> = lost.filter(|lost| !lost.is_empty()).collect();
        assert!(lost.is_empty(), "a subscriber lost {lost:?}");
    }
}

pub async fn subscribe(client: &NamingService, service: &str) -> Arc<Listener> {
    let listener = Arc::new(Listener::default());
    client.subscribe(service.to_owned(), None, Vec::new(), listener.clone()).await.expect("subscribes");
    listener
}
