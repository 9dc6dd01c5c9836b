//! `roster service`.

use std::process::ExitCode;

use clap::Subcommand;
use hyper::Method;
use serde_json::json;

use crate::cli::{Place, Target, client::call, table};

#[derive(Subcommand)]
pub(super) enum ServiceCommand {
    /// List the services of a namespace.
    List {
        /// Namespace to list.
        #[arg(long, default_value = crate::model::DEFAULT_NAMESPACE)]
        namespace: String,
        #[command(flatten)]
        target: Target,
    },
    /// Show all instances as healthy when few are: set the protection threshold of a service.
    Protect {
        /// Plain name of the service.
        service: String,
        /// Share of healthy instances, 0 to 1, at which protection begins; leave out to switch it off.
        #[arg(long)]
        threshold: Option<f64>,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        target: Target,
    },
}

pub(super) async fn run(command: ServiceCommand) -> anyhow::Result<ExitCode> {
    match command {
        ServiceCommand::List { namespace, target } => list(&namespace, &target).await,
        ServiceCommand::Protect { service, threshold, place, target } => {
            let body = json!({
                "service": service, "group": place.group, "namespace": place.namespace, "threshold": threshold,
            });
            let answer = call(&target.server, Method::POST, "/services/protection", &[], Some(&body)).await?;
            match (target.json, threshold) {
                (true, _) => println!("{answer}"),
                (false, Some(threshold)) => println!("{service} is protected from {threshold} on"),
                (false, None) => println!("{service} is not protected"),
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn list(namespace: &str, target: &Target) -> anyhow::Result<ExitCode> {
    let services = call(&target.server, Method::GET, "/services", &[("namespace", namespace)], None).await?;
    if target.json {
        println!("{services}");
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = table(&["GROUP", "NAME", "INSTANCES", "SUBSCRIBERS"]);
    for service in services.as_array().into_iter().flatten() {
        let text = |key: &str| service[key].as_str().unwrap_or_default().to_owned();
        table.add_row([
            text("group"),
            text("name"),
            service["instances"].to_string(),
            service["subscribers"].to_string(),
        ]);
    }
    println!("{table}");
    Ok(ExitCode::SUCCESS)
}
