//! The official Rust client against a real node: what a service in that language lives through.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::Node;
use nacos_sdk::api::{
    naming::{NamingChangeEvent, NamingEventListener, NamingService, NamingServiceBuilder, ServiceInstance},
    props::ClientProps,
};
use tokio::sync::Notify;

/// How long anything may take that an SDK's own pace decides: its redo after a lost connection takes up to 15 s.
const DEADLINE: Duration = Duration::from_secs(60);

async fn client(node: &Node) -> NamingService {
    let main = node.server().addresses()[0];
    let props = ClientProps::new()
        .server_addr(main.to_string())
        .namespace("")
        .app_name("roster-tests")
        .naming_push_empty_protection(false);
    NamingServiceBuilder::new(props).build().await.expect("connects")
}

fn instance(port: i32, zone: &str) -> ServiceInstance {
    let metadata = [("zone".to_owned(), zone.to_owned())].into();
    ServiceInstance { ip: "10.0.0.1".to_owned(), port, metadata, ..Default::default() }
}

/// Port and zone of every instance, in order.
type List = Vec<(i32, String)>;

fn list(instances: &[ServiceInstance]) -> List {
    let zone = |instance: &ServiceInstance| instance.metadata.get("zone").cloned().unwrap_or_default();
    let mut list: List = instances.iter().map(|instance| (instance.port, zone(instance))).collect();
    list.sort();
    list
}

/// What the listener of one subscription was told last.
#[derive(Default)]
struct Listener {
    lists: Mutex<Vec<List>>,
    changed: Notify,
}

impl NamingEventListener for Listener {
    fn event(&self, event: Arc<NamingChangeEvent>) {
        let told = list(event.instances.as_deref().unwrap_or_default());
        self.lists.lock().expect("no panic under it").push(told);
        self.changed.notify_waiters();
    }
}

impl Listener {
    /// Waits until the listener was told this list last.
    async fn told(&self, expected: &[(i32, &str)]) {
        let expected: List = expected.iter().map(|(port, zone)| (*port, (*zone).to_owned())).collect();
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                if self.lists.lock().expect("no panic under it").last() == Some(&expected) {
                    return;
                }
                changed.await;
            }
        };
        let told = tokio::time::timeout(DEADLINE, waiting).await;
        let lists = self.lists.lock().expect("no panic under it").clone();
        assert!(told.is_ok(), "never told {expected:?}, but {lists:?}");
    }
}

async fn subscribe(client: &NamingService, service: &str) -> Arc<Listener> {
    let listener = Arc::new(Listener::default());
    client.subscribe(service.to_owned(), None, Vec::new(), listener.clone()).await.expect("subscribes");
    listener
}

async fn all(client: &NamingService, service: &str, clusters: &[&str]) -> List {
    let clusters = clusters.iter().map(|name| (*name).to_owned()).collect();
    list(&client.get_all_instances(service.to_owned(), None, clusters, false).await.expect("queries"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_hears_each_change_of_another_client() {
    let node = Node::start_with(|_| {}).await;
    let (publisher, watcher) = (client(&node).await, client(&node).await);
    let orders = "orders".to_owned();
    let listener = subscribe(&watcher, "orders").await;

    publisher.register_instance(orders.clone(), None, instance(1, "a")).await.expect("registers");
    listener.told(&[(1, "a")]).await;
    assert_eq!(all(&publisher, "orders", &[]).await, [(1, "a".to_owned())], "a query shows what was acknowledged");

    publisher.register_instance(orders.clone(), None, instance(1, "b")).await.expect("registers again");
    listener.told(&[(1, "b")]).await;
    let batch = vec![instance(2, "a"), instance(3, "a")];
    publisher.batch_register_instance(orders.clone(), None, batch).await.expect("registers a batch");
    listener.told(&[(2, "a"), (3, "a")]).await;

    let (names, count) = watcher.get_service_list(1, 10, None).await.expect("lists");
    assert_eq!((names, count), (vec![orders.clone()], 1));
    assert_eq!(all(&watcher, "orders", &["elsewhere"]).await, [], "another cluster has none");

    publisher.deregister_instance(orders, None, instance(2, "a")).await.expect("deregisters");
    listener.told(&[]).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unsubscribed_client_hears_nothing_more() {
    let node = Node::start_with(|_| {}).await;
    let (publisher, watcher) = (client(&node).await, client(&node).await);
    let (gone, stays) = (subscribe(&watcher, "orders").await, subscribe(&watcher, "bills").await);
    publisher.register_instance("orders".to_owned(), None, instance(1, "a")).await.expect("registers");
    gone.told(&[(1, "a")]).await;
    watcher.unsubscribe("orders".to_owned(), None, Vec::new(), gone.clone()).await.expect("unsubscribes");
    publisher.register_instance("orders".to_owned(), None, instance(2, "a")).await.expect("registers");
    // What follows on the same connection tells that the push above would have come by now.
    publisher.register_instance("bills".to_owned(), None, instance(9, "a")).await.expect("registers");
    stays.told(&[(9, "a")]).await;
    gone.told(&[(1, "a")]).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_lost_its_connection_comes_back_with_all_it_had() {
    let node = Node::start_with(|_| {}).await;
    let (publisher, watcher) = (client(&node).await, client(&node).await);
    let listener = subscribe(&watcher, "orders").await;
    publisher.register_instance("orders".to_owned(), None, instance(1, "a")).await.expect("registers");
    listener.told(&[(1, "a")]).await;

    // All connections end as they do when a node stops; this one goes on, and both clients find it again.
    node.server().connections().drain(1, Duration::ZERO).await;
    assert_eq!(node.server().connections().runtime().stats().size.instances, 0, "gone at once");
    publisher.register_instance("bills".to_owned(), None, instance(9, "a")).await.ok();
    let back = async {
        while node.server().connections().runtime().stats().size.instances == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, back).await.expect("redone");
    // The watcher is subscribed again when a change reaches it.
    let renewed = async {
        loop {
            let subscribers = node.server().connections().runtime().stats().size.subscribers;
            if subscribers > 0 && all(&publisher, "orders", &[]).await == [(1, "a".to_owned())] {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, renewed).await.expect("subscribed again");
    publisher.register_instance("orders".to_owned(), None, instance(1, "b")).await.expect("registers");
    listener.told(&[(1, "b")]).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persistent_instance_outlives_the_client_that_registered_it() {
    let node = Node::start_with(|_| {}).await;
    let (publisher, watcher) = (client(&node).await, client(&node).await);
    let listener = subscribe(&watcher, "store").await;
    let kept = ServiceInstance { ephemeral: false, ..instance(1, "a") };
    publisher.register_instance("store".to_owned(), None, kept.clone()).await.expect("registers");
    listener.told(&[(1, "a")]).await;
    let passing = publisher.register_instance("store".to_owned(), None, instance(2, "a")).await;
    assert!(passing.is_err(), "of the other kind");

    drop(publisher);
    assert_eq!(all(&watcher, "store", &[]).await, [(1, "a".to_owned())]);
    let other = client(&node).await;
    other.deregister_instance("store".to_owned(), None, kept).await.expect("anybody takes it back");
    listener.told(&[]).await;
    node.stop().await;
}
