//! `roster server`.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

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
    #[command(flatten)]
    settings: RawSettings,
}

pub(super) async fn run(args: ServerArgs) -> anyhow::Result<ExitCode> {
    let settings = args.settings.load(args.config.as_deref())?;
    let log = Arc::new(Log::install(&settings.log, settings.log_format == LogFormat::Json)?);
    // Before anybody learns that the node is there, so that no signal finds nobody listening.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let server = Server::start_with_log(&settings, Some(log)).await?;
    announce(&server, &settings);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping: closing {} connections", server.connections().len());
    server.stop().await;
    Ok(ExitCode::SUCCESS)
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
