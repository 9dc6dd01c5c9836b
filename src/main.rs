//! The program `roster`.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = roster::cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    runtime.block_on(roster::cli::run(cli)).unwrap_or_else(|error| fail(&error))
}

/// One line that says what is wrong, with its causes.
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("roster: {error:#}");
    ExitCode::FAILURE
}
