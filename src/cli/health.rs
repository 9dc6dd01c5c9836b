//! `roster health`: what a probe or a script asks.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::bail;
use clap::Args;

use crate::cli::client;

/// Pause before a node is asked again.
const PAUSE: Duration = Duration::from_millis(200);

/// Ask a node whether it is well. The exit code is 0 if it is.
#[derive(Args)]
pub(super) struct HealthArgs {
    /// Ask whether it takes clients, and not only whether it answers.
    #[arg(long)]
    ready: bool,
    /// Go on asking for so long until it is.
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration, value_name = "DURATION")]
    wait: Duration,
    /// Main address of the node.
    #[arg(long, default_value = "127.0.0.1:8848", value_name = "HOST:PORT")]
    server: String,
}

#[expect(clippy::disallowed_methods, reason = "a person waits in real time")]
pub(super) async fn run(args: HealthArgs) -> anyhow::Result<ExitCode> {
    let (path, well) = if args.ready { ("readiness", "ready") } else { ("liveness", "alive") };
    let until = Instant::now() + args.wait;
    loop {
        match client::probe(&args.server, path).await {
            Ok(true) => {
                println!("{} is {well}", args.server);
                return Ok(ExitCode::SUCCESS);
            }
            answer if Instant::now() >= until => match answer {
                Err(error) => return Err(error),
                Ok(_) => bail!("{} is not {well}", args.server),
            },
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
}
