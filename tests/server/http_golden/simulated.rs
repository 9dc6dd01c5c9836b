//! Recorded cases that take minutes, in paused time: the handlers and the core of a node, without its sockets.

use std::sync::Arc;

use roster::{
    config::RawSettings,
    connection::Connections,
    http::{self, Api, Process},
    metrics::Metrics,
    raft::Agreement,
    runtime::{DataDir, Runtime},
};
use tokio::{runtime::Builder, sync::watch, task::JoinSet};

#[path = "../../support/alone.rs"]
mod alone;

use alone::Alone;

use super::{
    case::Case,
    run::{Ran, run_one},
    send::Target,
};

/// Runs slow cases against one node, all at once: minutes of them pass in a moment. Blocks.
pub fn run(cases: &[Arc<Case>]) -> Vec<Ran> {
    let slow: Vec<_> = cases.iter().cloned().enumerate().filter(|(_, case)| case.slow).collect();
    on_node(|target| async move {
        let mut running = JoinSet::new();
        for (number, case) in slow {
            let target = target.clone();
            running.spawn(async move { run_one(&target, number, case).await });
        }
        let mut ran = running.join_all().await;
        ran.sort_by_key(|it| it.number);
        ran
    })
}

/// Does something with a node of its own in paused time. Blocks.
pub fn on_node<T, F: Future<Output = T>>(act: impl FnOnce(Target) -> F) -> T {
    on_node_of(alone, act)
}

/// A group of the node alone.
pub fn alone(runtime: &Arc<Runtime>) -> Arc<dyn Agreement> {
    let alone = Alone::new(runtime.clone());
    tokio::spawn(alone.clone().forget());
    alone
}

/// The same with a node of this group.
pub fn on_node_of<T, F: Future<Output = T>>(
    group: impl FnOnce(&Arc<Runtime>) -> Arc<dyn Agreement>,
    act: impl FnOnce(Target) -> F,
) -> T {
    let paused = Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    paused.block_on(async {
        let directory = tempfile::tempdir().expect("a directory for the node");
        let raw = RawSettings { data: Some(directory.path().join("node")), ..RawSettings::default() };
        let settings = raw.load(None).expect("legal settings");
        let data = DataDir::open(&settings.data).expect("a directory of its own");
        let runtime = Runtime::start(
            settings.node,
            roster::node::Membership::alone(roster::model::NodeId(1), "127.0.0.1:8848"),
            &data,
        )
        .expect("the node starts");
        let connections = Connections::new(runtime.clone(), settings.connection);
        let metrics = Metrics::install().expect("metrics");
        let (_running, stopping) = watch::channel(false);
        let process = Process { stopping, log: None };
        let target = Target::Handlers(http::router(
            Api::new(
                connections,
                metrics,
                roster::peer::Peers::new(runtime.clone(), &roster::peer::Settings::default()).expect("no members"),
                group(&runtime),
                process,
            ),
            &settings.http,
        ));
        tokio::spawn(async move { runtime.dispatch(drop, std::future::pending()).await });
        act(target).await
    })
}
