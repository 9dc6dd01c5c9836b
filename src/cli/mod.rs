//! The command line.

mod client;
mod cluster;
mod dev;
mod health;
mod instance;
mod server;
mod service;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::{
    bench::{self, BenchArgs},
    chaos::{self, ChaosArgs},
};

/// A service registry that speaks the Nacos naming protocol.
#[derive(Parser)]
#[command(name = "roster", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a node.
    Server(Box<server::ServerArgs>),
    /// Run a cluster on this machine to try things with.
    Dev(dev::DevArgs),
    Health(health::HealthArgs),
    /// Look at the members of the cluster.
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    /// Look at services and configure them.
    #[command(subcommand)]
    Service(service::ServiceCommand),
    /// Look at instances, register and deregister them.
    #[command(subcommand)]
    Instance(instance::InstanceCommand),
    /// Put load on a Nacos server, this one or any other, and measure it.
    Bench(Box<BenchArgs>),
    /// Break a cluster of this machine while clients use it, and see whether anything is lost.
    Chaos(ChaosArgs),
}

/// Which node a command talks to, and how it prints.
#[derive(Args)]
struct Target {
    /// Main address of the node.
    #[arg(long, default_value = "127.0.0.1:8848", value_name = "HOST:PORT")]
    server: String,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// Which namespace and group a service is in.
#[derive(Args)]
struct Place {
    /// Namespace of the service.
    #[arg(long, default_value = crate::model::DEFAULT_NAMESPACE)]
    namespace: String,
    /// Group of the service.
    #[arg(long, default_value = crate::model::DEFAULT_GROUP)]
    group: String,
}

/// Runs a command.
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Server(args) => server::run(*args).await,
        Command::Dev(args) => dev::run(args).await,
        Command::Health(args) => health::run(args).await,
        Command::Cluster(command) => cluster::run(command).await,
        Command::Service(command) => service::run(command).await,
        Command::Instance(command) => instance::run(command).await,
        Command::Bench(args) => bench::run(*args).await,
        Command::Chaos(args) => chaos::run(args).await,
    }
}

/// A table with these column heads.
fn table(heads: &[&str]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(heads);
    table
}
