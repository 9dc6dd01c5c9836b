//! `roster bench churn`: clients that register, deregister, batch, subscribe and unsubscribe at random, and now and
//! then disconnect and come back with nothing. Each keeps
//! book of what it published; when all stop, the books together are the truth. Promises that every subscription still
//! open is compared with it, instance by instance, and then every service by a query. Never compares a service of
//! which a call failed: what the server made of that call is not known, and the failure is already counted.

mod actor;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tokio::{task::JoinSet, time};

use self::actor::{Actor, Ground, Views};
use super::{
    arguments,
    message::Host,
    report::{Run, latencies},
    session::Session,
};

const COMPARE_EVERY: Duration = Duration::from_millis(50);

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Connections, each acting on its own
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Services they act on
    #[arg(long, default_value_t = 200)]
    services: usize,
    /// How long to act
    #[arg(long, default_value = "10s", value_parser = arguments::duration)]
    duration: Duration,
    /// Pause of each connection after each action
    #[arg(long, default_value = "0", value_parser = arguments::duration)]
    pause: Duration,
    /// Reconnections in 1000 actions
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=1000))]
    reconnects: u16,
    /// Longest wait for subscribers and queries to show the final state
    #[arg(long, default_value = "10s", value_parser = arguments::duration)]
    wait: Duration,
    /// The same seed gives each connection the same actions
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What each service must show, sorted as `View::sorted_hosts` sorts. Absent: nothing may be published.
type Truth = BTreeMap<usize, Vec<Host>>;

pub async fn run(session: &Session, args: &Args) -> Result<Run> {
    ensure!(args.connections > 0 && args.services > 0, "--connections and --services must be at least 1");
    let names: Arc<Vec<String>> = Arc::new((0..args.services).map(|number| session.service(number)).collect());
    let views: Vec<Arc<Views>> = (0..args.connections).map(|_| Arc::default()).collect();
    let clients = session.connect_all(args.connections, |index| views[index].door(&session.tally)).await?;
    session.phase("acting", 0);
    let before = session.tally.counts();
    let meter = session.meter()?;
    let until = Instant::now() + args.duration;
    let mut acting = JoinSet::new();
    for (number, (client, views)) in clients.into_iter().zip(views).enumerate() {
        let ground = Ground {
            address: session.target.node(number).address.clone(),
            tally: Arc::clone(&session.tally),
            names: Arc::clone(&names),
            reconnects: args.reconnects.into(),
        };
        acting.spawn(Actor::new(number, client, views, ground, args.seed).act(until, args.pause));
    }
    let mut actors = Vec::with_capacity(args.connections);
    let mut all = latencies();
    while let Some(actor) = acting.join_next().await {
        let actor = actor.context("an acting task died")?;
        all.add(&actor.latencies).context("latencies of one range cannot fail to add up")?;
        actors.push(actor);
    }
    let usage = meter.read();
    let stopped = Instant::now();
    let unknown: BTreeSet<usize> = actors.iter().flat_map(|actor| actor.unknown.iter().copied()).collect();
    let truth = truth(&actors);
    let (compared, late) = converge(session, args, &actors, &names, &truth, &unknown).await;
    let converged = stopped.elapsed();
    verify(session, &actors, &names, &truth, &unknown, stopped + args.wait).await?;
    let counts = session.tally.counts().since(before);
    let mut run = Run::new(&session.target.name, all.len(), &usage, &session.tally).with_rate().with_latencies(&all);
    run.count("pushes", counts.pushes);
    run.count("pushed_bytes", counts.push_bytes);
    run.count("reconnections", actors.iter().map(|actor| actor.reconnections).sum());
    run.count("pushes_not_newer", actors.iter().map(|actor| actor.views.not_newer()).sum());
    run.count("subscriptions_compared", compared);
    run.count("mismatched_views", late);
    run.count("services_unknown_after_faults", unknown.len() as u64);
    if late == 0 {
        run.figure("converged_us", converged.as_secs_f64() * 1e6);
    }
    Ok(session.finish(run))
}

fn truth(actors: &[Actor]) -> Truth {
    let mut truth = Truth::new();
    for (service, hosts) in actors.iter().flat_map(|actor| &actor.published) {
        truth.entry(*service).or_default().extend(hosts.iter().cloned());
    }
    for hosts in truth.values_mut() {
        hosts.sort_unstable();
    }
    truth
}

/// Waits until every subscription shows the truth; those that never do have lost a push each. Returns how many were
/// compared and how many of them never did.
async fn converge(
    session: &Session,
    args: &Args,
    actors: &[Actor],
    names: &[String],
    truth: &Truth,
    unknown: &BTreeSet<usize>,
) -> (u64, u64) {
    let mut open: Vec<(&Actor, usize)> = actors
        .iter()
        .flat_map(|actor| actor.subscribed.iter().map(move |service| (actor, *service)))
        .filter(|(_, service)| !unknown.contains(service))
        .collect();
    let compared = open.len() as u64;
    session.phase("comparing", compared);
    let until = Instant::now() + args.wait;
    loop {
        open.retain(|(actor, service)| {
            let expected = truth.get(service).map_or(&[][..], Vec::as_slice);
            actor.views.hosts(&names[*service]).as_deref() != Some(expected)
        });
        if open.is_empty() || Instant::now() >= until {
            break;
        }
        time::sleep(COMPARE_EVERY).await;
    }
    for (actor, service) in &open {
        let expected = truth.get(service).map_or(0, Vec::len);
        let shown = actor.views.hosts(&names[*service]).map_or(0, |hosts| hosts.len());
        session.tally.lost(&format!(
            "{}: client {} ended on another view ({shown} instances shown, {expected} published)",
            names[*service], actor.number
        ));
    }
    (compared, open.len() as u64)
}

/// What the server says when asked. Services nobody subscribes to had no push to wait for, and the Java server's query
/// index follows its pushes: so ask until the answer is right or time is up.
async fn verify(
    session: &Session,
    actors: &[Actor],
    names: &[String],
    truth: &Truth,
    unknown: &BTreeSet<usize>,
    until: Instant,
) -> Result<()> {
    let client = &actors.first().context("no client is left to ask")?.client;
    let mut pending: Vec<usize> = (0..names.len()).filter(|service| !unknown.contains(service)).collect();
    session.phase("asking", pending.len() as u64);
    loop {
        let last = Instant::now() >= until;
        let mut again = Vec::new();
        for service in pending {
            let expected = truth.get(&service).map_or(&[][..], Vec::as_slice);
            match client.query(&names[service]).await {
                Ok(view) if view.sorted_hosts() == expected => session.progress.inc(1),
                Ok(_) if !last => again.push(service),
                Ok(view) => {
                    let (name, shown) = (&names[service], view.hosts.len());
                    session.tally.wrong(&format!("{name}: {shown} instances shown, {} published", expected.len()));
                }
                Err(fault) => session.tally.fault(&fault),
            }
        }
        if again.is_empty() {
            return Ok(());
        }
        pending = again;
        time::sleep(COMPARE_EVERY).await;
    }
}
