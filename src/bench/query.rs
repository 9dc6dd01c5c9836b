//! `roster bench query`: clients that keep reading one service. Promises that every reply is parsed and its instances
//! counted. Never subscribes: what is measured is the reply alone.

use std::sync::Arc;

use anyhow::Result;

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
    /// Instances of the service that is read
    #[arg(long, default_value_t = 10)]
    instances: usize,
}

pub async fn run(session: &Session, args: &Args) -> Result<Run> {
    args.load.check()?;
    let service = session.service(0);
    let publisher = session.connect(ignore_pushes()).await?;
    let instances: Vec<Instance> = (0..args.instances).map(|number| Instance::new(number, 8080, 1)).collect();
    publisher.batch(&service, &instances).await?;
    let clients = session.connect_all(args.load.connections, |_| ignore_pushes()).await?;
    // On each node, as readers are on them in turn.
    for client in clients.iter().take(session.target.size()).chain([&publisher]) {
        session.visible(client, &service, args.instances).await?;
    }
    let mut workers = Vec::with_capacity(args.load.connections * args.load.in_flight);
    for client in clients {
        let client = Arc::new(client);
        for _ in 0..args.load.in_flight {
            workers.push(Reading { client: Arc::clone(&client), service: service.clone(), hosts: args.instances });
        }
    }
    closed_loop::measure(session, &args.load.length, workers).await
}

struct Reading {
    client: Arc<Client>,
    service: String,
    hosts: usize,
}

impl Worker for Reading {
    async fn step(&mut self) -> Result<(), Fault> {
        let found = self.client.query(&self.service).await?.hosts.len();
        if found == self.hosts {
            return Ok(());
        }
        Err(Fault::Wrong(format!("{} shows {found} of {} instances", self.service, self.hosts)))
    }
}
