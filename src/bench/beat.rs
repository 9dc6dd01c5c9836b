//! `roster bench beat`: heart beats of instances registered over HTTP, as fast as the server answers or, with `--hold`, at
//! the pace of real clients. Promises to register the instances first, that every beat must reach its instance, that
//! after a hold each instance must still be shown healthy, and to take all of them back.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use tokio::{task::JoinSet, time};

use super::{
    arguments,
    closed_loop::{self, Worker},
    http::{
        Caller, Load, each,
        message::{Ask, Publication, check_beat},
        write_all,
    },
    http_query::read,
    message::Instance,
    report::{Latencies, Run, latencies, per, record},
    session::Session,
    tally::{Fault, Tally},
};

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    load: Load,
    /// Instances that beat
    #[arg(long, default_value_t = 10_000)]
    instances: usize,
    /// Services they are spread over
    #[arg(long, default_value_t = 1000)]
    services: usize,
    /// Describe the instance in each beat, as clients of the first protocol do until they are told not to
    #[arg(long)]
    full: bool,
    /// Each instance beats once an interval, for the duration
    #[arg(long)]
    hold: bool,
    /// Pause between two beats of one instance of a hold
    #[arg(long, default_value = "5s", value_parser = arguments::duration)]
    interval: Duration,
    /// Wait after registering, before memory is read and a hold begins
    #[arg(long, default_value = "3s", value_parser = arguments::duration)]
    settle: Duration,
}

impl Args {
    fn check(&self) -> Result<()> {
        self.load.check()?;
        ensure!(self.services > 0, "--services must be at least 1");
        ensure!(self.instances >= self.load.connections, "--instances must be at least --connections");
        ensure!(!self.hold || self.load.length.count.is_none(), "--hold lasts for a --duration, not a --count");
        ensure!(!self.interval.is_zero(), "--interval must be above 0");
        Ok(())
    }

    fn ask(&self) -> fn(&Publication) -> Ask {
        if self.full { Publication::full_beat } else { Publication::light_beat }
    }
}

pub async fn run(session: &Session, args: &Args) -> Result<Run> {
    args.check()?;
    let published = |number: usize| Publication {
        service: session.service(number % args.services),
        instance: Instance::new(number, 8080, 1),
    };
    let all: Arc<Vec<Publication>> = Arc::new((0..args.instances).map(published).collect());
    write_all(session, "registering", args.load.callers(session), &all, Publication::register).await?;
    let run = if args.hold { hold(session, args, &all).await? } else { closed(session, args, &all).await? };
    write_all(session, "taking back", args.load.callers(session), &all, Publication::deregister).await?;
    Ok(session.finish(run))
}

async fn closed(session: &Session, args: &Args, all: &Arc<Vec<Publication>>) -> Result<Run> {
    let callers = args.load.callers(session).into_iter().enumerate();
    let beating = callers.map(|(first, caller)| Beating { caller, all: Arc::clone(all), next: first, ask: args.ask() });
    let workers = beating.map(|beating| Closed { beating, step: args.load.connections }).collect();
    closed_loop::measure(session, &args.load.length, workers).await
}

async fn hold(session: &Session, args: &Args, all: &Arc<Vec<Publication>>) -> Result<Run> {
    session.phase("settling", 0);
    time::sleep(args.settle).await;
    session.phase("beating", 0);
    let meter = session.meter()?;
    let begin = time::Instant::now();
    let pace = Pace { begin, end: begin + args.load.length.duration, interval: args.interval };
    let mut running = JoinSet::new();
    for (first, caller) in args.load.callers(session).into_iter().enumerate() {
        let beating = Beating { caller, all: Arc::clone(all), next: first, ask: args.ask() };
        let tally = Arc::clone(&session.tally);
        running.spawn(pace.keep(beating, args.load.connections, tally));
    }
    let mut beats = latencies();
    while let Some(part) = running.join_next().await {
        beats.add(part.context("a beating task died")?).context("latencies of one range cannot fail to add up")?;
    }
    let usage = meter.read();
    look_for_lost(session, args).await?;
    let mut run = Run::new(&session.target.name, beats.len(), &usage, &session.tally).with_latencies(&beats);
    run.count("instances", args.instances as u64);
    run.figure("beats_per_second", per(beats.len() as f64, usage.elapsed.as_secs_f64()));
    if let Some(cpu) = usage.cpu {
        run.figure("server_share_of_a_core", per(cpu.as_secs_f64(), usage.elapsed.as_secs_f64()));
    }
    Ok(run)
}

/// An instance that beat all the time and is not shown healthy is one that the server lost.
async fn look_for_lost(session: &Session, args: &Args) -> Result<()> {
    let (instances, services, tally) = (args.instances, args.services, Arc::clone(&session.tally));
    let names: Arc<Vec<String>> = Arc::new((0..services).map(|number| session.service(number)).collect());
    let look = move |number: usize, mut caller: Caller| {
        let (names, tally) = (Arc::clone(&names), Arc::clone(&tally));
        async move {
            let expected = instances / services + usize::from(number < instances % services);
            let found = read(&mut caller, &names[number], true).await?;
            (found..expected).for_each(|_| tally.lost("an instance that beats is not shown healthy"));
            Ok(caller)
        }
    };
    each(session, "looking", args.load.callers(session), services, look).await
}

/// One caller and the instances it beats for.
struct Beating {
    caller: Caller,
    all: Arc<Vec<Publication>>,
    next: usize,
    ask: fn(&Publication) -> Ask,
}

impl Beating {
    async fn beat(&mut self) -> Result<(), Fault> {
        let ask = (self.ask)(&self.all[self.next % self.all.len()]);
        check_beat(&self.caller.call(ask).await?)
    }
}

struct Closed {
    beating: Beating,
    step: usize,
}

impl Worker for Closed {
    async fn step(&mut self) -> Result<(), Fault> {
        let done = self.beating.beat().await;
        self.beating.next += self.step;
        done
    }
}

/// When beats are due: those of all instances are spread evenly over the interval.
#[derive(Clone, Copy)]
struct Pace {
    begin: time::Instant,
    end: time::Instant,
    interval: Duration,
}

impl Pace {
    /// When beat `number` is due, counted over all of so many instances.
    fn due(&self, number: usize, instances: usize) -> time::Instant {
        self.begin + self.interval.mul_f64(number as f64 / instances as f64)
    }

    /// Latencies are counted from when a beat was due, so a server that stalls cannot slow the asking unseen.
    async fn keep(self, mut beating: Beating, step: usize, tally: Arc<Tally>) -> Latencies {
        let mut own = latencies();
        loop {
            let due = self.due(beating.next, beating.all.len());
            if due >= self.end {
                return own;
            }
            time::sleep_until(due).await;
            match beating.beat().await {
                Ok(()) => record(&mut own, due.elapsed()),
                Err(fault) => tally.fault(&fault),
            }
            beating.next += step;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instance_beats_once_an_interval() {
        let begin = time::Instant::now();
        let pace = Pace { begin, end: begin, interval: Duration::from_secs(5) };
        assert_eq!(pace.due(0, 100), begin);
        assert_eq!(pace.due(50, 100), begin + Duration::from_millis(2_500));
        assert_eq!(pace.due(150, 100), pace.due(50, 100) + Duration::from_secs(5));
    }
}
