//! `roster server`.

use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::{
    config::{LogFormat, RawSettings, Settings},
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
    log(&settings)?;
    // Before anybody learns that the node is there, so that no signal finds nobody listening.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let server = Server::start(&settings).await?;
    announce(&server, &settings);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping: closing {} connections", server.connections().len());
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

fn log(settings: &Settings) -> anyhow::Result<()> {
    let filter = EnvFilter::builder()
        .parse(&settings.log)
        .map_err(|fault| anyhow::anyhow!("setting `log`: `{}` is no log filter: {fault}", settings.log))?;
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
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
