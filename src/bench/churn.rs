//! `roster bench churn`: clients that register, deregister, batch, subscribe and unsubscribe at random. Each keeps
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

use self::actor::{Actor, Views};
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
    /// Longest wait for the subscribers to see the final state
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
        let actor = Actor::new(number, client, views, Arc::clone(&names), args.seed);
        acting.spawn(actor.act(until, args.pause, Arc::clone(&session.tally)));
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
    verify(session, &actors, &names, &truth, &unknown).await?;
    let counts = session.tally.counts().since(before);
    let mut run = Run::new(&session.target.name, all.len(), &usage, &session.tally).with_rate().with_latencies(&all);
    run.count("pushes", counts.pushes);
    run.count("pushed_bytes", counts.push_bytes);
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

/// What the server says when asked, after it had the time to push it.
async fn verify(
    session: &Session,
    actors: &[Actor],
    names: &[String],
    truth: &Truth,
    unknown: &BTreeSet<usize>,
) -> Result<()> {
    let client = &actors.first().context("no client is left to ask")?.client;
    for (service, name) in names.iter().enumerate().filter(|(service, _)| !unknown.contains(service)) {
        match client.query(name).await {
            Ok(view) => {
                let expected = truth.get(&service).map_or(&[][..], Vec::as_slice);
                if view.sorted_hosts() != expected {
                    let text = format!("{name}: {} instances, published are {}", view.hosts.len(), expected.len());
                    session.tally.wrong(&text);
                }
            }
            Err(fault) => session.tally.fault(&fault),
        }
    }
    Ok(())
}
