//! `roster bench convergence`: one publisher on the first node changes an instance, subscribers on the other nodes wait for
//! it. The same rounds as `push`, and so the same promises and the same figures: what one node takes is `push` against it,
//! the difference is the way from node to node. Never counts a subscriber of the publisher's own node.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{
    arguments,
    push::{self, Placing},
    report::Run,
    session::Session,
};

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Connections on each other node that subscribe to the service
    #[arg(long, default_value_t = 1)]
    subscribers: usize,
    /// Instances of the service; one of them changes
    #[arg(long, default_value_t = 10)]
    instances: usize,
    /// Changes, one after the other
    #[arg(long, default_value_t = 100)]
    rounds: u64,
    /// Quiet time before each change; longer than the merge windows between nodes and of pushes
    #[arg(long, default_value = "300ms", value_parser = arguments::duration)]
    pause: Duration,
    /// A push that takes longer is lost
    #[arg(long, default_value = "5s", value_parser = arguments::duration)]
    wait: Duration,
}

pub async fn run(session: &Session, args: &Args) -> Result<Run> {
    let others = session.target.size() - 1;
    ensure!(others > 0, "convergence needs several nodes: --servers a,b,c");
    let Args { subscribers, instances, rounds, pause, wait } = *args;
    let args = push::Args { subscribers: subscribers * others, instances, rounds, pause, wait };
    push::measure(session, &args, Placing::Apart).await
}
