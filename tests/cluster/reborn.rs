//! All nodes die at once and start again: nobody is shown an empty list of a service whose clients come back.

use std::{fs, time::Duration};

use tokio::time::{Instant, sleep};

use crate::support::{
    ALONE, Cluster, DEADLINE, Poller, Ports, Raw, all_show, fleet, register, same_hosts, subscribe, until,
};

/// Longer than the lease of what was kept, from the start on.
const AFTERWARDS: Duration = Duration::from_secs(35);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a minute; run by .ci/run"]
async fn all_nodes_are_killed_and_no_list_is_empty_when_they_are_back() {
    let _shared = ALONE.read().await;
    let mut cluster = Cluster::start().await;
    let clients = fleet(&cluster, 2).await;
    let (mut all, mut watchers) = (Ports::new(), Vec::new());
    for (place, clients) in clients.iter().enumerate() {
        for (number, client) in clients.iter().enumerate() {
            let port = (100 * place + number) as u16 + 1;
            register(client, "orders", port).await;
            all.insert(port);
        }
        watchers.push(subscribe(&clients[0], "orders").await);
        // The last that is registered on this node: who kept it has kept all.
        register(&clients[0], &format!("marker-{place}"), 1).await;
    }
    all_show(&cluster.all(), "orders", &all, DEADLINE).await;
    for watcher in &watchers {
        watcher.told(&all, DEADLINE).await;
    }
    for (place, node) in cluster.nodes.iter().enumerate() {
        let marker = format!("marker-{place}").into_bytes();
        let kept = || fs::read(node.launch.data.join("entries")).unwrap_or_default();
        let is_kept = || kept().windows(marker.len()).any(|window| window == marker);
        until("entries are kept", DEADLINE, async || is_kept().then_some(())).await;
    }

    cluster.nodes.iter_mut().for_each(|node| node.kill());
    let poller = Poller::start(&cluster, "orders", &all);
    let started = Instant::now();
    cluster.nodes.iter_mut().for_each(|node| node.start_again());
    let mut raw = Vec::new();
    for node in &cluster.nodes {
        let connected = async || Raw::connect(node.launch.port, "Nacos-Rust-Client:0.8.3").await.ok();
        let subscriber = until("a subscriber is back", DEADLINE, connected).await;
        let first = subscriber.subscribe("orders").await;
        assert_eq!(first, all, "the first list of {}", node.address);
        raw.push(subscriber);
    }
    eprintln!("all three served {:.2?} after their start", started.elapsed());
    sleep(AFTERWARDS).await;
    let gaps = poller.gaps();
    gaps.iter().for_each(|gap| eprintln!("{gap}"));
    assert!(gaps.is_empty(), "see above");
    let pushed = raw.iter().map(Raw::lists);
    let told = watchers.iter().map(|watcher| watcher.lists().into_iter().skip_while(Ports::is_empty).collect());
    for lists in pushed.chain(told).filter(|lists: &Vec<Ports>| !lists.is_empty()) {
        assert!(lists.iter().all(|list| !list.is_empty()), "{lists:?}");
        assert_eq!(lists.last(), Some(&all));
    }
    all_show(&cluster.all(), "orders", &all, DEADLINE).await;
    same_hosts(&cluster.all(), "orders", DEADLINE).await;
}
