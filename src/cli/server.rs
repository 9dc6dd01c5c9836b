//! `roster server`.

use std::{os::fd::AsFd, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::Args;
use tokio::{
    net::unix::pipe,
    signal::unix::{SignalKind, signal},
};

use crate::{
    config::{LogFormat, RawSettings, Settings},
    runtime::Log,
    server::Server,
};

/// Runs a node. Each setting can also be given as ROSTER_NAME in the environment or as name = value in the file.
#[derive(Args)]
pub(super) struct ServerArgs {
    /// TOML file with settings.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Stop when standard input ends, and so with whoever started this node.
    #[arg(long, hide = true)]
    exit_with_parent: bool,
    #[command(flatten)]
    settings: RawSettings,
}

pub(super) async fn run(args: ServerArgs) -> anyhow::Result<ExitCode> {
    let settings = args.settings.load(args.config.as_deref())?;
    let log = Arc::new(Log::install(&settings.log, settings.log_format == LogFormat::Json)?);
    // Before anybody learns that the node is there, so that no signal finds nobody listening.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let input = args.exit_with_parent.then(standard_input).transpose()?;
    let server = Server::start_with_log(&settings, Some(log)).await?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = end_of(input) => {}
        () = server.removed() => tracing::warn!("this node was removed from the cluster"),
        () = serve(&server, &settings) => {}
    }
    tracing::info!("stopping: closing {} connections", server.connections().len());
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Standard input, which must be a pipe.
fn standard_input() -> anyhow::Result<pipe::Receiver> {
    let input = std::io::stdin().as_fd().try_clone_to_owned()?;
    pipe::Receiver::from_owned_fd(input).context("--exit-with-parent needs a pipe as standard input")
}

/// Completes when nobody holds the other end any more; never without an input.
async fn end_of(input: Option<pipe::Receiver>) {
    let Some(mut input) = input else { return std::future::pending().await };
    // One that cannot be read has ended too.
    let _ = tokio::io::copy(&mut input, &mut tokio::io::sink()).await;
}

/// Says when the node is ready. Never completes.
async fn serve(server: &Server, settings: &Settings) {
    server.ready().await;
    announce(server, settings);
    std::future::pending::<()>().await;
}

fn announce(server: &Server, settings: &Settings) {
    let [main, grpc] = server.addresses();
    eprintln!(
        "roster {} is ready: {main} for HTTP, {grpc} for gRPC clients (they are configured with {main}), data in {}",
        env!("CARGO_PKG_VERSION"),
        settings.data.display()
    );
    if settings.host.is_loopback() {
        eprintln!("only this machine can connect; --host 0.0.0.0 opens it to all, and there is no authentication");
    }
}
