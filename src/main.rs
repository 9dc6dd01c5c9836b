//! Trial entry point of `roster bench`.

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
enum Command {
    Bench(roster::bench::BenchArgs),
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let Command::Bench(args) = Command::parse();
    roster::bench::run(args).await
}
