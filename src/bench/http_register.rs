//! `roster bench http-register`: callers that register instances over HTTP, one after the other. Promises that each
//! registration changes something (an instance that is not there, or other metadata), unless it was asked for the
//! opposite, and to take back what it registered: instances without beats would cost the server's time later.

use std::sync::Arc;

use anyhow::{Result, ensure};

use super::{
    closed_loop::{self, Worker},
    http::{
        Caller, Load,
        message::Publication,
        turns::{Turns, publication},
        write_all,
    },
    report::Run,
    session::Session,
    tally::Fault,
};

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    load: Load,
    /// Distinct instances, registered in turn
    #[arg(long, default_value_t = 10_000)]
    instances: usize,
    /// Services they are spread over
    #[arg(long, default_value_t = 1000)]
    services: usize,
    /// Register what is registered already, unchanged
    #[arg(long)]
    same: bool,
}

pub async fn run(session: &Session, args: &Args) -> Result<Run> {
    args.load.check()?;
    let step = args.load.connections;
    ensure!(args.services > 0, "--services must be at least 1");
    ensure!(args.instances >= step, "--instances must be at least --connections");
    let names: Arc<Vec<String>> = Arc::new((0..args.services).map(|number| session.service(number)).collect());
    let published = |number: usize| publication(&names, number, 0);
    let all: Arc<Vec<Publication>> = Arc::new((0..args.instances).map(published).collect());
    if args.same {
        write_all(session, "registering", args.load.callers(session), &all, Publication::register).await?;
    }
    let registering = |(first, caller)| Registering {
        caller,
        turns: Turns::new(&names, first, step, args.instances),
        same: args.same,
    };
    let workers = args.load.callers(session).into_iter().enumerate().map(registering).collect();
    let run = closed_loop::measure(session, &args.load.length, workers).await?;
    write_all(session, "taking back", args.load.callers(session), &all, Publication::deregister).await?;
    Ok(session.finish(run))
}

struct Registering {
    caller: Caller,
    turns: Turns,
    same: bool,
}

impl Worker for Registering {
    async fn step(&mut self) -> Result<(), Fault> {
        let ask = self.turns.next(!self.same).register();
        self.caller.write(ask).await
    }
}
