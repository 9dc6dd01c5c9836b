//! `roster bench storm`: many clients start at the same moment, each registering itself while it subscribes to others,
//! as after the restart of a whole site. Neither call waits for the other, or the last replies would show the final
//! view and nothing would be left to push. Measures what it costs the server until every subscriber has the final view,
//! pushes that follow included, and what was pushed in bytes. Promises that every subscription is checked, instance
//! by instance. Never repairs a view by asking.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;
use tokio::{sync::Barrier, task::JoinSet, time};

use super::{
    arguments,
    client::Client,
    message::{Host, Instance, View},
    report::{Latencies, Run, latencies, per, record},
    session::Session,
    stream::OnPush,
    tally::{Fault, Tally},
};

const LOOK_EVERY: Duration = Duration::from_millis(10);

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Clients that start at once, each with one instance
    #[arg(long, default_value_t = 1000)]
    clients: usize,
    /// Services they register into
    #[arg(long, default_value_t = 20)]
    services: usize,
    /// Subscriptions in total, spread over the clients
    #[arg(long, default_value_t = 1000)]
    subscribers: usize,
    /// Longest wait for every subscriber to have the final view
    #[arg(long, default_value = "60s", value_parser = arguments::duration)]
    wait: Duration,
    /// How long to go on measuring after that, for pushes that change nothing
    #[arg(long, default_value = "2s", value_parser = arguments::duration)]
    settle: Duration,
}

pub async fn run(session: &Session, args: &Args) -> Result<Run> {
    ensure!(args.clients > 0 && args.services > 0, "--clients and --services must be at least 1");
    let per_client = args.subscribers.div_ceil(args.clients);
    ensure!(per_client <= args.services, "a client cannot subscribe to more services than there are");
    let watching: Vec<Arc<Watching>> =
        (0..args.clients).map(|client| Arc::new(Watching::new(session, args, client))).collect();
    let clients = session.connect_all(args.clients, |client| watching[client].door(&session.tally)).await?;
    session.phase("storm", 0);
    let before = session.tally.counts();
    let meter = session.meter()?;
    let (started, clients, calls) = start(session, args, clients, &watching).await?;
    let complete = settle_views(args, &watching, started).await;
    let views = complete.len() as u64;
    time::sleep(args.settle).await;
    let usage = meter.read();
    let counts = session.tally.counts().since(before);
    judge(session, args, &watching);
    drop(clients);
    let mut run = Run::new(&session.target.name, (args.clients + args.subscribers) as u64, &usage, &session.tally)
        .with_latencies(&calls);
    run.count("pushes", counts.pushes);
    run.count("pushed_bytes", counts.push_bytes);
    run.figure("push_bytes", per(counts.push_bytes as f64, counts.pushes as f64));
    run.count("complete_views", views);
    let mut times = latencies();
    for time in &complete {
        record(&mut times, *time);
    }
    run.percentiles("final_view", &times);
    if let Some(cpu) = usage.cpu {
        run.figure("server_cpu_us_per_push", per(cpu.as_secs_f64() * 1e6, counts.pushes as f64));
    }
    Ok(session.finish(run))
}

/// The subscriptions of one client: by service name, what it was shown and since when that is complete.
struct Watching {
    views: Mutex<HashMap<String, Watched>>,
}

struct Watched {
    service: usize,
    expected: usize,
    view: View,
    complete_since: Option<Instant>,
}

impl Watching {
    /// Subscription s belongs to client s modulo clients; each of a client's is to another service.
    fn new(session: &Session, args: &Args, client: usize) -> Self {
        let own = (client..args.subscribers).step_by(args.clients).enumerate();
        let views = own.map(|(turn, _)| {
            let service = (client + 1 + turn) % args.services;
            let expected = publishers(args, service).count();
            (session.service(service), Watched { service, expected, view: View::default(), complete_since: None })
        });
        Self { views: Mutex::new(views.collect()) }
    }

    fn door(self: &Arc<Self>, tally: &Arc<Tally>) -> OnPush {
        let (watching, tally) = (Arc::clone(self), Arc::clone(tally));
        Arc::new(move |push| match push.view() {
            Ok(view) => watching.offer(view, push.arrived),
            Err(error) => tally.wrong(&format!("a push cannot be read: {error}")),
        })
    }

    fn offer(&self, offered: View, at: Instant) {
        let mut views = self.views.lock();
        let Some(watched) = views.get_mut(offered.name.as_str()) else { return };
        if watched.view.accept(offered) {
            // Instances are only added in a storm, so the full number is the final view.
            let complete = watched.view.hosts.len() == watched.expected;
            watched.complete_since = complete.then(|| watched.complete_since.unwrap_or(at));
        }
    }
}

/// Client c registers into service c modulo services.
fn publishers(args: &Args, service: usize) -> impl Iterator<Item = usize> {
    (service..args.clients).step_by(args.services)
}

fn instance(client: usize) -> Instance {
    Instance::new(client, 8080, 1)
}

async fn start(
    session: &Session,
    args: &Args,
    clients: Vec<Client>,
    watching: &[Arc<Watching>],
) -> Result<(Instant, Vec<Client>, Latencies)> {
    let gate = Arc::new(Barrier::new(args.clients + 1));
    let mut starting = JoinSet::new();
    for (number, (client, watching)) in clients.into_iter().zip(watching).enumerate() {
        let (own, watching, gate) = (session.service(number % args.services), Arc::clone(watching), Arc::clone(&gate));
        let tally = Arc::clone(&session.tally);
        starting.spawn(async move {
            gate.wait().await;
            let (mut registering, mut subscribing) = (latencies(), latencies());
            let own_instance = instance(number);
            let register = timed(&mut registering, &tally, client.register(&own, &own_instance));
            let subscribe = subscribe_all(&client, &watching, &tally, &mut subscribing);
            tokio::join!(register, subscribe);
            (client, [registering, subscribing])
        });
    }
    gate.wait().await;
    let started = Instant::now();
    let (mut clients, mut all) = (Vec::with_capacity(args.clients), latencies());
    while let Some(finished) = starting.join_next().await {
        let (client, calls) = finished.context("a starting task died")?;
        for part in calls {
            all.add(part).context("latencies of one range cannot fail to add up")?;
        }
        clients.push(client);
    }
    Ok((started, clients, all))
}

async fn subscribe_all(client: &Client, watching: &Watching, tally: &Tally, calls: &mut Latencies) {
    let names: Vec<String> = watching.views.lock().keys().cloned().collect();
    for name in names {
        if let Some(view) = timed(calls, tally, client.subscribe(&name)).await {
            watching.offer(view, Instant::now());
        }
    }
}

async fn timed<T>(calls: &mut Latencies, tally: &Tally, call: impl Future<Output = Result<T, Fault>>) -> Option<T> {
    let asked = Instant::now();
    match call.await {
        Ok(reply) => {
            record(calls, asked.elapsed());
            Some(reply)
        }
        Err(fault) => {
            tally.fault(&fault);
            None
        }
    }
}

/// How long after the start each view became complete; waits for all of them, within the bound.
async fn settle_views(args: &Args, watching: &[Arc<Watching>], started: Instant) -> Vec<Duration> {
    let until = started + args.wait;
    loop {
        let complete: Vec<Duration> = watching
            .iter()
            .flat_map(|client| client.views.lock().values().filter_map(|view| view.complete_since).collect::<Vec<_>>())
            .map(|since| since.saturating_duration_since(started))
            .collect();
        if complete.len() == args.subscribers || Instant::now() >= until {
            return complete;
        }
        time::sleep(LOOK_EVERY).await;
    }
}

/// An incomplete view lost a push; a complete one must hold exactly the registered instances.
fn judge(session: &Session, args: &Args, watching: &[Arc<Watching>]) {
    let expected: Vec<Vec<Host>> = (0..args.services)
        .map(|service| {
            let mut hosts: Vec<Host> = publishers(args, service).map(|client| instance(client).host()).collect();
            hosts.sort_unstable();
            hosts
        })
        .collect();
    for client in watching {
        for (name, watched) in client.views.lock().iter() {
            let (shown, wanted) = (watched.view.hosts.len(), watched.expected);
            if watched.complete_since.is_none() {
                session.tally.lost(&format!("{name}: a subscriber ended with {shown} of {wanted} instances"));
            } else if watched.view.sorted_hosts() != expected[watched.service] {
                session.tally.wrong(&format!("{name}: {shown} instances, but not the registered ones"));
            }
        }
    }
}
