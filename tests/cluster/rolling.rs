//! One node after the other is stopped in order and started again while clients register and deregister all the time.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use nacos_sdk::api::naming::NamingService;
use tokio::{
    task::JoinSet,
    time::{Instant, interval, sleep, timeout},
};

use crate::support::{
    ALONE, Cluster, DEADLINE, Poller, Ports, all_show, client, fleet, instance, register, same_hosts, subscribe,
};

const CHURNERS: usize = 5;
/// Of each churner, so that all together make 50 a second.
const CHURN_PAUSE: Duration = Duration::from_millis(100);
/// Services of each churner: a client publishes one entry for each.
const SERVICES: usize = 10;
/// An unanswered call of this SDK hangs.
const CALL: Duration = Duration::from_secs(5);
/// How long a client of this SDK takes to come back: up to 5 s until it notices, 2 s pause, attempts, redo each 3 s.
const REDO: Duration = Duration::from_secs(15);

/// Which port is published for each service now, if any.
type Published = BTreeMap<String, Option<u16>>;

/// Registers and deregisters until told to stop; every change is tried until it is acknowledged.
async fn churn(client: NamingService, number: usize, stop: Arc<AtomicBool>, done: Arc<AtomicUsize>) -> Published {
    let mut published = Published::new();
    let mut pace = interval(CHURN_PAUSE);
    let mut step = 0;
    while !stop.load(Relaxed) {
        pace.tick().await;
        let service = format!("churn-{number}-{}", step % SERVICES);
        let published_now = published.get(&service).copied().flatten();
        let port = 1_000 + (step % 50_000) as u16;
        loop {
            let change = async {
                match published_now {
                    Some(port) => client.deregister_instance(service.clone(), None, instance(port)).await,
                    None => client.register_instance(service.clone(), None, instance(port)).await,
                }
            };
            if matches!(timeout(CALL, change).await, Ok(Ok(()))) {
                break;
            }
            sleep(CHURN_PAUSE).await;
        }
        published.insert(service, published_now.is_none().then_some(port));
        done.fetch_add(1, Relaxed);
        step += 1;
    }
    // The SDK's own memory of what it published outlives its connection: so must the client.
    std::mem::forget(client);
    published
}

/// One after the other, with a pause after each.
async fn restart_each(cluster: &mut Cluster, pause: Duration) {
    for place in 0..3 {
        let began = Instant::now();
        cluster.nodes[place].stop().await;
        let stopped = began.elapsed();
        cluster.nodes[place].start_again();
        cluster.nodes[place].ready().await;
        let ready = began.elapsed();
        cluster.whole().await;
        let whole = began.elapsed();
        eprintln!("node {place} had stopped after {stopped:.2?}, was ready after {ready:.2?}, all linked {whole:.2?}");
        sleep(pause).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a minute; run by .ci/run"]
async fn a_rolling_restart_loses_nothing() {
    let _shared = ALONE.read().await;
    let mut cluster = Cluster::start().await;
    let clients = fleet(&cluster, 2).await;
    let (mut steady, mut watchers) = (Ports::new(), Vec::new());
    for (place, clients) in clients.iter().enumerate() {
        for (number, client) in clients.iter().enumerate() {
            let port = (100 * place + number) as u16 + 1;
            register(client, "steady", port).await;
            steady.insert(port);
        }
        watchers.push(subscribe(&clients[0], "steady").await);
    }
    all_show(&cluster.all(), "steady", &steady, DEADLINE).await;
    for watcher in &watchers {
        watcher.told(&steady, DEADLINE).await;
    }

    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut churners = JoinSet::new();
    for number in 0..CHURNERS {
        churners.spawn(churn(client(&cluster.addresses()).await, number, stop.clone(), done.clone()));
    }
    let poller = Poller::start(&cluster, "steady", &steady);
    let began = Instant::now();
    // As soon as the next is possible, so that clients are cut off again on their way back; then so that all are back.
    restart_each(&mut cluster, Duration::ZERO).await;
    restart_each(&mut cluster, REDO).await;
    stop.store(true, Relaxed);
    let changes = done.load(Relaxed) as f64 / began.elapsed().as_secs_f64();
    eprintln!("{changes:.0} changes a second were acknowledged all the while");
    let published = churners.join_all().await;

    for node in &cluster.nodes {
        assert!(!node.log().contains("not all members know"), "{} left without a word", node.address);
    }
    let gaps = poller.gaps();
    gaps.iter().for_each(|gap| eprintln!("{gap}"));
    assert!(gaps.iter().all(|gap| gap.lasted <= REDO && gap.missing.len() < steady.len()), "see above");
    for watcher in &watchers {
        assert!(watcher.lists().iter().skip_while(|list| list.is_empty()).all(|list| !list.is_empty()));
    }
    all_show(&cluster.all(), "steady", &steady, DEADLINE).await;
    for (service, port) in published.iter().flatten() {
        let ports: Ports = port.iter().copied().collect();
        all_show(&cluster.all(), service, &ports, DEADLINE).await;
        same_hosts(&cluster.all(), service, DEADLINE).await;
    }
}
