//! `roster cluster`.

use std::{process::ExitCode, time::Duration};

use clap::Subcommand;
use hyper::Method;
use serde_json::Value;

use crate::cli::{Target, client::call, table};

#[derive(Subcommand)]
pub(super) enum ClusterCommand {
    /// Show the members as one node sees them.
    Status {
        #[command(flatten)]
        target: Target,
    },
}

pub(super) async fn run(command: ClusterCommand) -> anyhow::Result<ExitCode> {
    let ClusterCommand::Status { target } = command;
    let cluster = call(&target.server, Method::GET, "/cluster", &[], None).await?;
    if target.json {
        println!("{cluster}");
    } else {
        println!("{}", shown(&cluster));
    }
    Ok(ExitCode::SUCCESS)
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
