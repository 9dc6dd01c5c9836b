//! `roster bench http-query`: callers that keep reading one service over HTTP. Promises that every reply is parsed and
//! its instances counted, and to take back what it registered. Never names a port for pushes: nobody is subscribed.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use tokio::time;

use super::{
    closed_loop::{self, Worker},
    http::{
        Caller, Load,
        message::{self, Publication},
        write_all,
    },
    message::{Instance, View},
    report::Run,
    session::Session,
    tally::Fault,
};

/// Pause between looks whether a node shows what was registered.
const POLL: Duration = Duration::from_millis(20);

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    load: Load,
    /// Instances of the service that is read
    #[arg(long, default_value_t = 10)]
    instances: usize,
}

pub async fn run(session: &Session, args: &Args) -> Result<Run> {
    args.load.check()?;
    let service = session.service(0);
    let published = |number| Publication { service: service.clone(), instance: Instance::new(number, 8080, 1) };
    let all: Arc<Vec<Publication>> = Arc::new((0..args.instances).map(published).collect());
    write_all(session, "registering", args.load.callers(session), &all, Publication::register).await?;
    let reading = |caller| Reading { caller, service: service.clone(), hosts: args.instances };
    let mut workers: Vec<Reading> = args.load.callers(session).into_iter().map(reading).collect();
    for worker in workers.iter_mut().take(session.target.size()) {
        worker.visible(session).await?;
    }
    let run = closed_loop::measure(session, &args.load.length, workers).await?;
    write_all(session, "taking back", args.load.callers(session), &all, Publication::deregister).await?;
    Ok(session.finish(run))
}

struct Reading {
    caller: Caller,
    service: String,
    hosts: usize,
}

impl Reading {
    /// Waits until the node of this caller shows what was registered at others.
    async fn visible(&mut self, session: &Session) -> Result<()> {
        let deadline = time::Instant::now() + session.target.timeout;
        loop {
            let found = read(&mut self.caller, &self.service, false).await?;
            if found == self.hosts {
                return Ok(());
            }
            ensure!(time::Instant::now() < deadline, "{} shows {found} of {} instances", self.service, self.hosts);
            time::sleep(POLL).await;
        }
    }
}

impl Worker for Reading {
    async fn step(&mut self) -> Result<(), Fault> {
        let found = read(&mut self.caller, &self.service, false).await?;
        if found == self.hosts {
            return Ok(());
        }
        Err(Fault::Wrong(format!("{} shows {found} of {} instances", self.service, self.hosts)))
    }
}

/// How many instances a service shows.
pub async fn read(caller: &mut Caller, service: &str, healthy_only: bool) -> Result<usize, Fault> {
    let body = caller.call(message::list(service, healthy_only)).await?;
    let view: View =
        serde_json::from_slice(&body).map_err(|error| Fault::Wrong(format!("a list cannot be read: {error}")))?;
    if view.name != message::grouped(service) {
        return Err(Fault::Wrong(format!("asked for {service}, got {}", view.name)));
    }
    Ok(view.hosts.len())
}
