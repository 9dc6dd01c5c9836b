//! What callers are told when nodes do not agree, which no recording shows.

use std::sync::{Arc, OnceLock};

use roster::{
    model::Proposal,
    node::{Input, Reply},
    raft::{Agreement, Failure},
    runtime::Runtime,
};

use super::{send::Target, simulated::on_node_of};
use crate::support::HttpRequest;

/// A group that never agrees.
struct Divided(Failure);

#[tonic::async_trait]
impl Agreement for Divided {
    async fn propose(&self, _: Proposal) -> Result<Reply, Failure> {
        Err(self.0.clone())
    }

    async fn catch_up(&self) -> Result<(), Failure> {
        Err(self.0.clone())
    }
}

/// Status and text of an answer of a node in such a group.
async fn ask(target: &Target, method: &str, path: &str) -> (u16, String) {
    let (method, path) = (method.to_owned(), path.to_owned());
    let request = HttpRequest { method, target: path, headers: Vec::new(), body: None };
    let answer = target.send(&request).await.expect("an answer");
    (answer.status, String::from_utf8(answer.body).expect("text"))
}

#[test]
fn what_is_not_agreed_on_is_refused_with_the_reason() {
    for (failure, status) in [
        (Failure::Unavailable("no leader".to_owned()), 503),
        (Failure::Busy, 503),
        (Failure::Unknown("time is up".to_owned()), 504),
    ] {
        let why = failure.to_string();
        on_node_of(
            |_| Arc::new(Divided(failure)),
            |target| async move {
                let at = "serviceName=store&ip=10.7.7.7&port=1";
                for (method, path) in [
                    ("POST", format!("/nacos/v1/ns/instance?{at}&ephemeral=false")),
                    ("DELETE", format!("/nacos/v3/client/ns/instance?{at}&ephemeral=false")),
                    ("DELETE", "/roster/v1/instances?service=store&ip=10.7.7.7&port=1&ephemeral=false".to_owned()),
                    ("GET", "/nacos/v1/ns/instance/list?serviceName=store&consistency=strong".to_owned()),
                    ("GET", format!("/nacos/v2/ns/instance?{at}&consistency=strong")),
                    ("GET", "/nacos/v3/admin/ns/instance/list?serviceName=store&consistency=strong".to_owned()),
                    ("GET", "/roster/v1/instances?service=store&consistency=strong".to_owned()),
                ] {
                    let (answered, text) = ask(&target, method, &path).await;
                    assert_eq!(answered, status, "{method} {path}: {text}");
                    assert!(text.contains(&why), "{method} {path}: {text}");
                }
                // Ephemeral instances and reads that do not ask for more need nobody's agreement.
                let (answered, text) = ask(&target, "POST", &format!("/nacos/v1/ns/instance?{at}")).await;
                assert_eq!((answered, text.as_str()), (200, "ok"));
                assert_eq!(ask(&target, "GET", "/nacos/v1/ns/instance/list?serviceName=store").await.0, 200);
            },
        );
    }
}

#[test]
fn a_list_that_may_be_older_than_one_shown_before_is_refused() {
    let made: OnceLock<Arc<Runtime>> = OnceLock::new();
    let group = |runtime: &Arc<Runtime>| -> Arc<dyn Agreement> {
        assert!(made.set(runtime.clone()).is_ok(), "one node");
        super::simulated::alone(runtime)
    };
    let register = "/nacos/v1/ns/instance?serviceName=store&ip=10.7.7.7&port=1&ephemeral=false";
    let reads = [
        "/nacos/v1/ns/instance/list?serviceName=store",
        "/nacos/v1/ns/instance?serviceName=store&ip=10.7.7.7&port=1",
        "/nacos/v2/ns/instance/list?serviceName=store",
        "/nacos/v3/admin/ns/instance/list?serviceName=store",
        "/roster/v1/instances?service=store",
    ];
    on_node_of(group, |target| async {
        let (target, node) = (target, made.get().expect("made"));
        assert_eq!(ask(&target, "POST", register).await.0, 200);
        for (recovering, status) in [(true, 503), (false, 200)] {
            node.handle(Input::Recovering(recovering)).expect("never refused");
            for path in reads {
                let (answered, text) = ask(&target, "GET", path).await;
                assert_eq!(answered, status, "{path}: {text}");
            }
        }
    });
}
