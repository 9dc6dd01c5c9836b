//! `roster bench register`: clients that keep replacing their registrations. Promises that each one changes the
//! content, so that no server can answer it by noticing that nothing happened. Never deregisters.

use std::sync::Arc;

use anyhow::{Result, ensure};

use super::{
    client::Client,
    closed_loop::{self, Load, Worker},
    message::Instance,
    report::Run,
    session::Session,
    stream::ignore_pushes,
    tally::Fault,
};

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    load: Load,
    /// Services the registrations are spread over [default: as --in-flight, the fewest possible]
    #[arg(long)]
    services: Option<usize>,
}

pub async fn run(session: &Session, args: &Args) -> Result<Run> {
    let Load { connections, in_flight, .. } = args.load;
    args.load.check()?;
    // A connection has one entry per service: two calls in flight must not mean the same one.
    let services = args.services.unwrap_or(in_flight);
    ensure!(services >= in_flight, "--services must be at least --in-flight");
    let clients = session.connect_all(connections, |_| ignore_pushes()).await?;
    let mut workers = Vec::with_capacity(connections * in_flight);
    for (number, client) in clients.into_iter().enumerate() {
        let client = Arc::new(client);
        for slot in 0..in_flight {
            let service = session.service((number * in_flight + slot) % services);
            workers.push(Replacing { client: Arc::clone(&client), service, number, version: 0 });
        }
    }
    closed_loop::measure(session, &args.load.length, workers).await
}

struct Replacing {
    client: Arc<Client>,
    service: String,
    number: usize,
    version: u64,
}

impl Worker for Replacing {
    async fn step(&mut self) -> Result<(), Fault> {
        self.version += 1;
        // Versions of one length: 1000000 and up never grow a digit within a run.
        let instance = Instance::new(self.number, 8080, 1_000_000 + self.version);
        self.client.register(&self.service, &instance).await
    }
}
