//! `roster instance`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Map, Value, json};

use crate::cli::{Place, Target, client::call, table};

#[derive(Subcommand)]
pub(super) enum InstanceCommand {
    /// List the instances of a service as its readers see them.
    List {
        /// Plain name of the service.
        service: String,
        /// Only of these clusters, comma separated.
        #[arg(long, default_value = "")]
        clusters: String,
        /// Leave unhealthy ones out.
        #[arg(long)]
        healthy: bool,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        target: Target,
    },
    /// Register an instance that stays until it is deregistered or the node stops, or for good.
    Register(Box<RegisterArgs>),
    /// Take back an instance that `register` registered.
    Deregister {
        /// Plain name of the service.
        service: String,
        #[command(flatten)]
        address: Address,
        /// It is a persistent one.
        #[arg(long)]
        persistent: bool,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Args)]
pub(super) struct Address {
    /// IP or host name of the instance.
    #[arg(long)]
    ip: String,
    /// Port of the instance.
    #[arg(long)]
    port: u16,
}

#[derive(Args)]
pub(super) struct RegisterArgs {
    /// Plain name of the service.
    service: String,
    #[command(flatten)]
    address: Address,
    /// Cluster of the instance.
    #[arg(long, default_value = crate::model::DEFAULT_CLUSTER)]
    cluster: String,
    /// Share of traffic relative to the others.
    #[arg(long, default_value_t = 1.0)]
    weight: f64,
    /// A label, as key=value; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    metadata: Vec<(String, String)>,
    /// All nodes agree on it and keep it until it is deregistered.
    #[arg(long)]
    persistent: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    target: Target,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a label is key=value")?;
    Ok((key.to_owned(), value.to_owned()))
}

pub(super) async fn run(command: InstanceCommand) -> anyhow::Result<ExitCode> {
    match command {
        InstanceCommand::List { service, clusters, healthy, place, target } => {
            list(&service, &clusters, healthy, &place, &target).await
        }
        InstanceCommand::Register(args) => register(*args).await,
        InstanceCommand::Deregister { service, address, persistent, place, target } => {
            deregister(&service, &address, persistent, &place, &target).await
        }
    }
}

async fn list(
    service: &str,
    clusters: &str,
    healthy: bool,
    place: &Place,
    target: &Target,
) -> anyhow::Result<ExitCode> {
    let query = [
        ("service", service),
        ("group", &place.group),
        ("namespace", &place.namespace),
        ("clusters", clusters),
        ("healthyOnly", if healthy { "true" } else { "false" }),
    ];
    let info = call(&target.server, Method::GET, "/instances", &query, None).await?;
    if target.json {
        println!("{info}");
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = table(&["IP", "PORT", "CLUSTER", "WEIGHT", "HEALTHY", "METADATA"]);
    for host in info["hosts"].as_array().into_iter().flatten() {
        let text = |key: &str| host[key].as_str().unwrap_or_default().to_owned();
        let labels = host["metadata"].as_object().into_iter().flatten();
        let labels: Vec<String> =
            labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        table.add_row([
            text("ip"),
            host["port"].to_string(),
            text("clusterName"),
            host["weight"].to_string(),
            host["healthy"].to_string(),
            labels.join(" "),
        ]);
    }
    println!("{table}");
    Ok(ExitCode::SUCCESS)
}

async fn register(args: RegisterArgs) -> anyhow::Result<ExitCode> {
    let metadata: Map<String, Value> = args.metadata.into_iter().map(|(key, value)| (key, value.into())).collect();
    let body = json!({
        "namespace": args.place.namespace,
        "groupName": args.place.group,
        "serviceName": args.service,
        "type": "registerInstance",
        "instance": {
            "ip": args.address.ip,
            "port": args.address.port,
            "clusterName": args.cluster,
            "weight": args.weight,
            "metadata": metadata,
            "ephemeral": !args.persistent,
        },
    });
    let answer = call(&args.target.server, Method::POST, "/instances", &[], Some(&body)).await?;
    if args.target.json {
        println!("{answer}");
    } else {
        println!("registered {}:{} for {}", args.address.ip, args.address.port, args.service);
    }
    Ok(ExitCode::SUCCESS)
}

async fn deregister(
    service: &str,
    address: &Address,
    persistent: bool,
    place: &Place,
    target: &Target,
) -> anyhow::Result<ExitCode> {
    let port = address.port.to_string();
    let query = [
        ("service", service),
        ("group", &place.group),
        ("namespace", &place.namespace),
        ("ip", &address.ip),
        ("port", &port),
        ("ephemeral", if persistent { "false" } else { "true" }),
    ];
    let answer = call(&target.server, Method::DELETE, "/instances", &query, None).await?;
    let deregistered = answer["deregistered"].as_bool().unwrap_or(false);
    match (target.json, deregistered) {
        (true, _) => println!("{answer}"),
        (false, true) => println!("deregistered {}:{port} from {service}", address.ip),
        (false, false) if persistent => {
            println!("nothing to do: {service} has no persistent instance {}:{port}", address.ip);
        }
        (false, false) => println!(
            "nothing to do: {}:{port} was not registered for {service} from here (what a connected client publishes goes \
             with its connection)",
            address.ip
        ),
    }
    Ok(ExitCode::SUCCESS)
}
