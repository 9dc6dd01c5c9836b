//! `roster cluster`.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::{Args, Subcommand};
use compact_str::ToCompactString;
use hyper::Method;
use serde_json::{Value, json};

use crate::{
    cli::{
        Target,
        client::{call, call_for, download},
        table,
    },
    model::HostPort,
    raft,
};

/// How long a change of the members may take: a new one first gets all there is.
const PATIENCE: Duration = Duration::from_secs(70);

#[derive(Subcommand)]
pub(super) enum ClusterCommand {
    /// Show the members as one node sees them.
    Status {
        #[command(flatten)]
        target: Target,
    },
    /// Make a new node a member. It was started with `--join`, and its data directory is empty.
    Join {
        /// Main address of the new node.
        address: HostPort,
        #[command(flatten)]
        target: Target,
    },
    /// Have the asked node leave: it hands over what it leads and is no member any more. Stop it then.
    Leave {
        #[command(flatten)]
        target: Target,
    },
    /// Remove a member that is gone for good.
    Remove {
        /// Main address of the member.
        address: HostPort,
        #[command(flatten)]
        target: Target,
    },
    /// Have another member lead.
    TransferLeader {
        /// Main address of that member; any other one when left out.
        address: Option<HostPort>,
        #[command(flatten)]
        target: Target,
    },
    /// Have the asked node make a snapshot, so that it needs less of its log.
    Snapshot {
        #[command(flatten)]
        target: Target,
    },
    /// Copy all that the members agreed on into a file, while they run.
    Backup {
        /// The new file.
        file: PathBuf,
        #[command(flatten)]
        target: Target,
    },
    /// Found a new cluster of one node on a copy: fills an empty data directory. Then start a node on it, and join others.
    Restore {
        /// What `backup` wrote.
        file: PathBuf,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// After most members are lost for good: make the stopped node of a data directory a cluster of its own. What only the lost
    /// ones had is gone.
    Recover {
        #[command(flatten)]
        place: PlaceArgs,
        /// Say what would be done and do nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

/// A node that is not running.
#[derive(Args)]
pub(super) struct PlaceArgs {
    /// Its data directory.
    #[arg(long)]
    data: PathBuf,
    /// Its main address, as others reach it.
    #[arg(long)]
    advertise: HostPort,
}

pub(super) async fn run(command: ClusterCommand) -> anyhow::Result<ExitCode> {
    match command {
        ClusterCommand::Status { target } => status(&target).await?,
        ClusterCommand::Join { address, target } => {
            let body = json!({"address": address.to_string()});
            let id = change(&target, Method::POST, "/cluster/members", &[], Some(&body)).await?;
            println!("{address} is member {id}");
        }
        ClusterCommand::Leave { target } => {
            let cluster = call(&target.server, Method::GET, "/cluster", &[], None).await?;
            let own = text(&cluster["node"], "address");
            change(&target, Method::DELETE, "/cluster/members", &[("address", &own)], None).await?;
            println!("{own} has left and stops; empty its data directory before it joins again");
        }
        ClusterCommand::Remove { address, target } => {
            let address = address.to_string();
            change(&target, Method::DELETE, "/cluster/members", &[("address", &address)], None).await?;
            println!("{address} is no member any more");
        }
        ClusterCommand::TransferLeader { address, target } => {
            let body = json!({"address": address.map(|address| address.to_string())});
            let id = change(&target, Method::POST, "/cluster/leader", &[], Some(&body)).await?;
            println!("member {id} leads");
        }
        ClusterCommand::Snapshot { target } => {
            call(&target.server, Method::POST, "/cluster/snapshot", &[], None).await?;
            println!("a snapshot is being made");
        }
        ClusterCommand::Backup { file, target } => {
            let bytes = download(&target.server, "/cluster/backup", &file).await?;
            println!("{bytes} bytes in {}", file.display());
        }
        ClusterCommand::Restore { file, place } => {
            let restored = raft::restore(&file, &place.data, &place.advertise.to_compact_string()).await?;
            println!("{restored} things restored to {}; start a node on it", place.data.display());
        }
        ClusterCommand::Recover { place, dry_run } => {
            println!("{}", raft::recover(&place.data, &place.advertise.to_compact_string(), dry_run).await?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn status(target: &Target) -> anyhow::Result<()> {
    let cluster = call(&target.server, Method::GET, "/cluster", &[], None).await?;
    if target.json {
        println!("{cluster}");
    } else {
        println!("{}\n\n{}", shown(&cluster), group(&cluster["raft"]));
    }
    Ok(())
}

/// Has the members changed; the number of the one that is meant.
async fn change(
    target: &Target,
    method: Method,
    path: &str,
    query: &[(&str, &str)],
    body: Option<&Value>,
) -> anyhow::Result<u64> {
    let answer = call_for(PATIENCE, &target.server, method, path, query, body).await?;
    answer["id"].as_u64().context("the node did not say which member")
}

/// The group of persistent instances in a few lines.
fn group(raft: &Value) -> String {
    if raft["part"] != "member" {
        return format!("persistent instances: {} ({})", text(raft, "part"), text(raft, "why"));
    }
    let index = |key: &str| raft[key].as_u64().map_or("none".to_owned(), |index| index.to_string());
    let mut out = format!(
        "persistent instances: {} {} in term {}, leader {}; applied {} of {} (snapshot {}), state {}",
        text(raft, "role"),
        raft["id"],
        raft["term"],
        raft["leader"].as_str().unwrap_or("unknown"),
        index("applied"),
        index("last"),
        index("snapshot"),
        text(raft, "hash"),
    );
    let mut voters = table(&["MEMBER", "ADDRESS", "ID", "VOTES", "HAS"]);
    for voter in raft["voters"].as_array().into_iter().flatten() {
        voters.add_row([
            voter["id"].to_string(),
            text(voter, "address"),
            text(voter, "node").chars().take(8).collect(),
            if voter["votes"] == true { "yes" } else { "no" }.to_owned(),
            voter["matched"].as_u64().map_or("unknown".to_owned(), |index| index.to_string()),
        ]);
    }
    out.push('\n');
    out.push_str(&voters.to_string());
    out
}

fn shown(cluster: &Value) -> String {
    let node = &cluster["node"];
    let mut table =
        table(&["ADDRESS", "STATE", "PHASE", "ID", "LINK", "HEARD", "OWNS", "BEHIND", "HAS OURS", "WE HAVE", "CLOCK"]);
    table.add_row([text(node, "address"), "this node".to_owned(), text(node, "phase"), short_id(node)]);
    for member in cluster["members"].as_array().into_iter().flatten() {
        let flag = |key: &str, yes: &str, no: &str| if member[key] == true { yes } else { no }.to_owned();
        table.add_row([
            text(member, "address"),
            text(member, "state"),
            text(member, "phase"),
            short_id(member),
            flag("linked", "yes", "no"),
            ago(&member["heard"]),
            member["owns"].to_string(),
            member["behind"].to_string(),
            ago(&member["agreed"]),
            ago(&member["hasAll"]),
            flag("skewed", "ahead", "ok"),
        ]);
    }
    table.to_string()
}

fn text(of: &Value, key: &str) -> String {
    of[key].as_str().unwrap_or("unknown").to_owned()
}

/// Enough of an id to tell nodes apart.
fn short_id(of: &Value) -> String {
    text(of, "id").chars().take(8).collect()
}

/// So many milliseconds, as people say it.
fn ago(millis: &Value) -> String {
    match millis.as_u64() {
        None => "never".to_owned(),
        Some(millis @ ..60_000) => format!("{:.1} s ago", millis as f64 / 1_000.0),
        Some(millis) => format!("{} ago", humantime::format_duration(Duration::from_secs(millis / 1_000))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_names_each_member_and_what_it_lacks() {
        let cluster = json!({
            "node": {"id": "a", "since": 7, "address": "n1:1", "phase": "serving"},
            "members": [{"address": "n2:1", "id": null, "state": "down", "phase": "loading", "skewed": true, "linked": false,
                "heard": 2_140, "owns": 3, "behind": 2, "agreed": 120_500, "hasAll": null}],
        });
        let shown = shown(&cluster);
        let rows: Vec<String> =
            shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(rows[1], "n1:1 this node serving a");
        assert_eq!(rows[2], "n2:1 down loading unknown no 2.1 s ago 3 2 2m ago never ahead");
    }
}
