//! `roster bench push`: one publisher changes an instance, many subscribers wait for it. The time counted is from the
//! publisher's reply to the arrival at each subscriber, for every subscriber and every round. Promises no coordinated
//! omission: the next change waits for the round to end, each subscriber gives one sample a round, and one that never
//! hears enters the percentiles with the whole bound and is counted as lost. Never reads a push before its arrival
//! time is taken, nor while others are still expected.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;
use tokio::{sync::Notify, task::JoinSet, time};

use super::{
    arguments,
    client::Client,
    message::{Host, Instance},
    report::{Latencies, Run, latencies, per, record},
    session::Session,
    stream::{OnPush, Push, ignore_pushes},
};

/// A first subscription earns a push of its own; nothing may be on its way when the first round starts.
const QUIET_BEFORE_START: Duration = Duration::from_secs(1);
const WAIT_FOR_QUIET: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Connections that subscribe to the service
    #[arg(long, default_value_t = 100)]
    pub subscribers: usize,
    /// Instances of the service; one of them changes
    #[arg(long, default_value_t = 10)]
    pub instances: usize,
    /// Changes, one after the other
    #[arg(long, default_value_t = 50)]
    pub rounds: u64,
    /// Quiet time before each change; longer than the server's merge window
    #[arg(long, default_value = "300ms", value_parser = arguments::duration)]
    pub pause: Duration,
    /// A push that takes longer is lost
    #[arg(long, default_value = "5s", value_parser = arguments::duration)]
    pub wait: Duration,
}

/// Where subscribers are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Placing {
    /// On all nodes.
    Everywhere,
    /// On other nodes than the publisher.
    Apart,
}

impl Placing {
    /// The node of a subscriber; the publisher is on the first.
    fn node(self, subscriber: usize, nodes: usize) -> usize {
        match self {
            Self::Everywhere => subscriber % nodes,
            Self::Apart => 1 + subscriber % (nodes - 1),
        }
    }
}

pub async fn run(session: &Session, args: &Args) -> Result<Run> {
    measure(session, args, Placing::Everywhere).await
}

pub async fn measure(session: &Session, args: &Args, placing: Placing) -> Result<Run> {
    ensure!(args.subscribers > 0 && args.instances > 0, "--subscribers and --instances must be at least 1");
    let stage = Stage::set(session, args, placing).await?;
    session.phase("rounds", args.rounds);
    let before = session.tally.counts();
    let meter = session.meter()?;
    let mut times = Times { from_reply: latencies(), from_request: latencies(), last: latencies() };
    for round in 1..=args.rounds {
        time::sleep(args.pause).await;
        stage.round(session, args, round, &mut times).await;
        session.progress.inc(1);
    }
    let usage = meter.read();
    let counts = session.tally.counts().since(before);
    let expected = args.rounds * args.subscribers as u64;
    let mut run =
        Run::new(&session.target.name, counts.pushes, &usage, &session.tally).with_latencies(&times.from_reply);
    run.count("pushes_expected", expected);
    run.figure("push_bytes", per(counts.push_bytes as f64, counts.pushes as f64));
    run.percentiles("from_request", &times.from_request);
    run.percentiles("last_subscriber", &times.last);
    Ok(session.finish(run))
}

struct Times {
    from_reply: Latencies,
    from_request: Latencies,
    /// Per round, the slowest subscriber.
    last: Latencies,
}

/// The publishers and subscribers, connected and quiet.
struct Stage {
    service: String,
    publisher: Client,
    inbox: Arc<Inbox>,
    // Held for their connections.
    _others: Vec<Client>,
}

/// Pushes as they arrive, unread, with the subscriber they came to.
#[derive(Default)]
struct Inbox {
    arrived: Mutex<Vec<(usize, Push)>>,
    /// How many must have arrived before it is worth waking the reader.
    wanted: AtomicUsize,
    enough: Notify,
}

impl Inbox {
    fn door(self: &Arc<Self>, subscriber: usize) -> OnPush {
        let inbox = Arc::clone(self);
        Arc::new(move |push| {
            let mut arrived = inbox.arrived.lock();
            arrived.push((subscriber, push));
            if arrived.len() >= inbox.wanted.load(SeqCst) {
                inbox.enough.notify_one();
            }
        })
    }

    /// Everything that came, once there are `wanted` or it is `until`.
    async fn take(&self, wanted: usize, until: time::Instant) -> Vec<(usize, Push)> {
        self.wanted.store(wanted, SeqCst);
        while self.arrived.lock().len() < wanted {
            if time::timeout_at(until, self.enough.notified()).await.is_err() {
                break;
            }
        }
        std::mem::take(&mut *self.arrived.lock())
    }
}

impl Stage {
    async fn set(session: &Session, args: &Args, placing: Placing) -> Result<Self> {
        let target = &session.target;
        let service = session.service(0);
        let inbox = Arc::new(Inbox::default());
        let publisher = session.connect(ignore_pushes()).await?;
        publisher.register(&service, &changed(0)).await?;
        let node = |subscriber| target.node(placing.node(subscriber, target.size()));
        let subscribers = session.connect_to(args.subscribers, node, |subscriber| inbox.door(subscriber)).await?;
        let mut others = Vec::with_capacity(args.subscribers + 1);
        if args.instances > 1 {
            // On a connection of their own, so that the change is one instance and not a batch.
            let filler = session.connect(ignore_pushes()).await?;
            let rest: Vec<Instance> = (1..args.instances).map(|number| Instance::new(number, 8080, 0)).collect();
            filler.batch(&service, &rest).await?;
            others.push(filler);
        }
        // On each node, as subscribers are on them in turn.
        for client in subscribers.iter().take(target.size()).chain([&publisher]) {
            session.visible(client, &service, args.instances).await?;
        }
        let mut subscribing = JoinSet::new();
        for client in subscribers {
            let service = service.clone();
            subscribing.spawn(async move { client.subscribe(&service).await.map(|_| client) });
        }
        while let Some(client) = subscribing.join_next().await {
            others.push(client.context("a subscribing task died")??);
        }
        quiet(session).await?;
        Ok(Self { service, publisher, inbox, _others: others })
    }

    async fn round(&self, session: &Session, args: &Args, round: u64, times: &mut Times) {
        self.inbox.arrived.lock().clear();
        let instance = changed(round);
        let requested = Instant::now();
        if let Err(fault) = self.publisher.register(&self.service, &instance).await {
            return session.tally.fault(&fault);
        }
        let replied = Instant::now();
        let until = time::Instant::from_std(replied + args.wait);
        let mut heard: Vec<Option<Duration>> = vec![None; args.subscribers];
        let mut missing = args.subscribers;
        while missing > 0 {
            let pushes = self.inbox.take(missing, until).await;
            if pushes.is_empty() {
                break;
            }
            for (subscriber, push) in pushes {
                if heard[subscriber].is_none() && shows(session, &push, &instance.host(), args.instances) {
                    heard[subscriber] = Some(push.arrived.saturating_duration_since(replied));
                    record(&mut times.from_request, push.arrived - requested);
                    missing -= 1;
                }
            }
        }
        for subscriber in heard.iter().enumerate().filter_map(|(index, time)| time.is_none().then_some(index)) {
            session.tally.lost(&format!("round {round}: subscriber {subscriber} heard nothing in {:?}", args.wait));
            record(&mut times.from_request, args.wait);
        }
        let each = heard.into_iter().map(|time| time.unwrap_or(args.wait));
        record(&mut times.last, each.clone().max().unwrap_or_default());
        each.for_each(|time| record(&mut times.from_reply, time));
    }
}

fn changed(version: u64) -> Instance {
    Instance::new(0, 8080, 1_000_000 + version)
}

/// A push that shows the change must show everything else too; one that does not is of an earlier state.
fn shows(session: &Session, push: &Push, change: &Host, instances: usize) -> bool {
    let view = match push.view() {
        Ok(view) => view,
        Err(error) => {
            session.tally.wrong(&format!("a push cannot be read: {error}"));
            return false;
        }
    };
    let shows = view.hosts.contains(change);
    if shows && view.hosts.len() != instances {
        session.tally.wrong(&format!("a push shows {} of {instances} instances", view.hosts.len()));
    }
    shows
}

async fn quiet(session: &Session) -> Result<()> {
    let deadline = Instant::now() + WAIT_FOR_QUIET;
    loop {
        let before = session.tally.counts().pushes;
        time::sleep(QUIET_BEFORE_START).await;
        if session.tally.counts().pushes == before {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "pushes did not stop in {WAIT_FOR_QUIET:?} without a change");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscribers_are_on_all_nodes_or_on_all_but_the_first() {
        let nodes = |placing: Placing| [0, 1, 2, 3].map(|subscriber| placing.node(subscriber, 3));
        assert_eq!(nodes(Placing::Everywhere), [0, 1, 2, 0]);
        assert_eq!(nodes(Placing::Apart), [1, 2, 1, 2]);
    }
}
