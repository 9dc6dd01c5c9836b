//! `roster bench hold`: connections that only stay, with or without instances. Measures what the server keeps in
//! memory for them and what their health checks cost. Promises to read memory before, after connecting, after
//! registering and once more after it had time to settle. Never changes anything while it holds.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use tokio::{task::JoinSet, time};

use super::{
    arguments,
    client::Client,
    message::Instance,
    process::{Meter, Reading, Usage},
    report::{Latencies, Run, latencies, per, record},
    session::Session,
    spread::Spread,
    stream::ignore_pushes,
    tally::Fault,
};

const REGISTERING_CLIENTS: usize = 32;
const FIRST_PORT: u16 = 8080;
/// Of one client in one service: they differ only in their ports.
const LARGEST_BATCH: usize = 50_000;

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Connections to hold
    #[arg(long, default_value_t = 1000)]
    connections: usize,
    /// How long to hold them idle
    #[arg(long, default_value = "10s", value_parser = arguments::duration)]
    duration: Duration,
    /// Instances each connection publishes before the hold
    #[arg(long, default_value_t = 0)]
    instances_per_connection: usize,
    /// Services those instances are spread over
    #[arg(long, default_value_t = 1000)]
    services: usize,
    /// Wait before memory is read the last time and the hold begins
    #[arg(long, default_value = "3s", value_parser = arguments::duration)]
    settle: Duration,
    /// Read every service once before the hold, so that lists the server keeps for readers are counted too
    #[arg(long)]
    read: bool,
}

pub async fn run(session: &Session, args: &Args) -> Result<Run> {
    ensure!(args.connections > 0 && args.services > 0, "--connections and --services must be at least 1");
    let batch = args.instances_per_connection.div_ceil(args.services);
    ensure!(batch <= LARGEST_BATCH, "--services would leave {batch} instances of one connection to one service");
    let resident = || Reading::of(&session.target.pids).map(|read| read.map(|read| read.resident_bytes));
    let empty = resident()?;
    let clients = session.connect_all(args.connections, |_| ignore_pushes()).await?;
    let connected = resident()?;
    let loading = session.meter()?;
    let (clients, registering) = publish(session, args, clients).await?;
    let load = loading.read();
    if args.instances_per_connection > 0 {
        spot_check(session, args, &clients).await?;
    }
    session.phase("settling", 0);
    time::sleep(args.settle).await;
    let settled = resident()?;
    let read = if args.read { read_all(session, args, &clients).await.and_then(|()| resident())? } else { None };
    let idle = hold(session, args).await?;
    let usage = idle.read();
    let mut run = Run::new(&session.target.name, 0, &usage, &session.tally).with_latencies(&registering);
    memory(
        &mut run,
        args,
        &Residents { empty, connected, loaded: load.resident_after, settled, read, held: usage.resident_after },
    );
    loading_cost(&mut run, args, &load);
    if let Some(cpu) = usage.cpu {
        let per_second = per(cpu.as_secs_f64() * 1e6, usage.elapsed.as_secs_f64());
        run.figure("idle_cpu_us_per_second", per_second);
        run.figure("idle_cpu_us_per_connection_second", per_second / args.connections as f64);
    }
    // Only now: their connections were what was measured.
    drop(clients);
    Ok(session.finish(run))
}

/// Resident bytes after each phase.
struct Residents {
    empty: Option<u64>,
    connected: Option<u64>,
    loaded: Option<u64>,
    settled: Option<u64>,
    read: Option<u64>,
    held: Option<u64>,
}

fn memory(run: &mut Run, args: &Args, bytes: &Residents) {
    let mut each = |name: &str, from: Option<u64>, to: Option<u64>, count: usize| {
        if let (Some(from), Some(to), true) = (from, to, count > 0) {
            run.figure(name, (to as f64 - from as f64) / count as f64);
        }
    };
    let instances = args.connections * args.instances_per_connection;
    each("rss_bytes_per_connection", bytes.empty, bytes.connected, args.connections);
    if instances == 0 {
        each("rss_bytes_per_connection_settled", bytes.empty, bytes.settled, args.connections);
        each("rss_bytes_per_connection_held", bytes.empty, bytes.held, args.connections);
    }
    each("rss_bytes_per_instance_loaded", bytes.connected, bytes.loaded, instances);
    each("rss_bytes_per_instance_settled", bytes.connected, bytes.settled, instances);
    each("rss_bytes_per_instance_read", bytes.connected, bytes.read, instances);
    run.maybe("rss_bytes_empty", bytes.empty);
    run.maybe("rss_bytes_connected", bytes.connected);
    run.maybe("rss_bytes_loaded", bytes.loaded);
    run.maybe("rss_bytes_settled", bytes.settled);
}

fn loading_cost(run: &mut Run, args: &Args, load: &Usage) {
    run.count("connections", args.connections as u64);
    let instances = args.connections * args.instances_per_connection;
    if instances == 0 {
        return;
    }
    run.count("instances", instances as u64);
    run.figure("load_seconds", load.elapsed.as_secs_f64());
    run.figure("load_instances_per_second", per(instances as f64, load.elapsed.as_secs_f64()));
    if let Some(cpu) = load.cpu {
        run.figure("load_cpu_us_per_instance", cpu.as_secs_f64() * 1e6 / instances as f64);
    }
}

async fn hold(session: &Session, args: &Args) -> Result<Meter> {
    session.phase("holding", args.duration.as_secs());
    let meter = session.meter()?;
    let until = time::Instant::now() + args.duration;
    while time::Instant::now() < until {
        time::sleep_until(until.min(time::Instant::now() + Duration::from_secs(1))).await;
        session.progress.inc(1);
    }
    Ok(meter)
}

/// Several clients at a time, each registering its share one call after the other.
async fn publish(session: &Session, args: &Args, clients: Vec<Client>) -> Result<(Vec<Client>, Latencies)> {
    if args.instances_per_connection == 0 {
        return Ok((clients, latencies()));
    }
    let spread = Arc::new(Spread::new(args.connections, args.instances_per_connection, args.services));
    let names: Arc<Vec<String>> = Arc::new((0..args.services).map(|number| session.service(number)).collect());
    session.phase("registering", clients.len() as u64);
    let mut done = Vec::with_capacity(clients.len());
    let mut all = latencies();
    let mut running: JoinSet<Result<(Client, Latencies), Fault>> = JoinSet::new();
    let mut waiting = clients.into_iter().enumerate();
    loop {
        while running.len() < REGISTERING_CLIENTS
            && let Some((number, client)) = waiting.next()
        {
            let (spread, names) = (Arc::clone(&spread), Arc::clone(&names));
            running.spawn(async move {
                let own = publish_share(&client, number, &spread, &names).await?;
                Ok((client, own))
            });
        }
        let Some(finished) = running.join_next().await else { break };
        let (client, own) = finished.context("a registering task died")??;
        all.add(own).context("latencies of one range cannot fail to add up")?;
        done.push(client);
        session.progress.inc(1);
    }
    Ok((done, all))
}

async fn publish_share(client: &Client, number: usize, spread: &Spread, names: &[String]) -> Result<Latencies, Fault> {
    let mut own = latencies();
    for (service, count) in spread.of(number) {
        let instances: Vec<Instance> =
            (FIRST_PORT..=u16::MAX).take(*count).map(|port| Instance::new(number, port, 1)).collect();
        let asked = std::time::Instant::now();
        match instances.as_slice() {
            [one] => client.register(&names[*service], one).await?,
            several => client.batch(&names[*service], several).await?,
        }
        record(&mut own, asked.elapsed());
    }
    Ok(own)
}

/// One service is asked, so that a server that forgets what it confirms is not praised for its memory.
async fn spot_check(session: &Session, args: &Args, clients: &[Client]) -> Result<()> {
    let instances = args.connections * args.instances_per_connection;
    let expected = instances / args.services + usize::from(!instances.is_multiple_of(args.services));
    let client = clients.first().context("no client is left to ask")?;
    session.visible(client, &session.service(0), expected).await
}

async fn read_all(session: &Session, args: &Args, clients: &[Client]) -> Result<()> {
    let client = clients.first().context("no client is left to read")?;
    session.phase("reading", args.services as u64);
    for service in 0..args.services {
        client.query(&session.service(service)).await?;
        session.progress.inc(1);
    }
    Ok(())
}
