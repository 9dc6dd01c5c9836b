//! What stands before the naming API (http.md 2.3, 3.1): a node that does not know yet what others do and, in the first
//! generation, paths that are limited, a server that says it does not serve, and methods this API does not know.

use axum::{
    extract::Request,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};

use crate::{
    http::{
        Api, caller,
        nacos::{self, Fault, Generation, prometheus},
    },
    model::{ServerStatus, Switches},
    wire::peer::Phase,
};

/// Beginnings of paths below which there are lists, beside the first generation's.
const GUARDED: [(&str, Generation); 5] = [
    ("/v2/ns/", Generation::V2),
    ("/v3/client/ns/", Generation::V3),
    ("/v3/admin/ns/", Generation::V3),
    ("/v3/console/ns/", Generation::V3),
    (prometheus::ROOT, Generation::V1),
];

/// Answers a request in place of its handler when it must not get there. Not a layer of the router, which would cost every
/// request more than all of this.
pub(in crate::http) fn refusal(api: &Api, request: &Request) -> Option<Response> {
    let phase = api.cluster().phase;
    let (generation, refusal) = if nacos::is_v1(request.uri()) {
        (Generation::V1, refused_by(&api.switches(), phase, request)?)
    } else {
        refused_while(phase, request.uri())?
    };
    api.metrics.http("refused", generation.name()).begin().answered(refusal.status().as_u16());
    Some(refusal)
}

/// What the server says of itself.
pub(super) fn status(switches: &Switches, phase: Phase) -> ServerStatus {
    if phase == Phase::Loading { ServerStatus::Starting } else { switches.server_status() }
}

/// Lists of the newer generations, which no switch guards, are not known while the node loads.
fn refused_while(phase: Phase, uri: &Uri) -> Option<(Generation, Response)> {
    if phase != Phase::Loading {
        return None;
    }
    let path = uri.path().strip_prefix("/nacos").unwrap_or(uri.path());
    let (_, generation) = GUARDED.into_iter().find(|(beginning, _)| path.starts_with(beginning))?;
    (!says_status(uri)).then(|| (generation, Fault::starting().render(generation)))
}

/// Whether the path is where the server says its status and how much there is, which it does in any state.
fn says_status(uri: &Uri) -> bool {
    let path = uri.path().trim_end_matches('/');
    ["/operator/metrics", "/ops/metrics"].iter().any(|end| path.ends_with(end))
}

fn refused_by(switches: &Switches, phase: Phase, request: &Request) -> Option<Response> {
    if let Some(status) = limited(switches, request.uri()) {
        return Some(status.into_response());
    }
    let status = status(switches, phase);
    let reads = request.method() == Method::GET;
    // Other servers are served in any state, or none would ever leave it.
    let is_server = || caller::agent(request.headers()).starts_with("Nacos-Server");
    let answers = status.serves(reads) || (phase == Phase::Loading && says_status(request.uri()));
    if !answers && !is_server() {
        let text = format!("server is {}now, please try again later!", status.name());
        return Some((StatusCode::SERVICE_UNAVAILABLE, text).into_response());
    }
    // The router would have GET's handler answer a HEAD.
    (request.method() == Method::HEAD).then(|| nacos::no_such_api(request.method(), request.uri()))
}

/// The status of a path and query that begins as one of those an operator limited.
fn limited(switches: &Switches, uri: &Uri) -> Option<StatusCode> {
    if switches.limited_urls.is_empty() {
        return None;
    }
    let asked = uri.path_and_query().map_or("", |asked| asked.as_str());
    let (_, status) = switches.limited_urls.iter().find(|(beginning, _)| asked.starts_with(beginning.as_str()))?;
    StatusCode::from_u16(*status).ok()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};

    use super::*;

    fn request(path: &str, agent: &str) -> Request {
        Request::get(path).header("user-agent", agent).body(Body::empty()).expect("legal")
    }

    async fn text(response: Response) -> String {
        let bytes = to_bytes(response.into_body(), 1_024).await.expect("short");
        String::from_utf8(bytes.to_vec()).expect("a text")
    }

    #[tokio::test]
    async fn a_node_that_loads_shows_no_lists() {
        let switches = Switches::default();
        let list = request("/nacos/v1/ns/instance/list?serviceName=s", "");
        let refused = refused_by(&switches, Phase::Loading, &list).expect("refused");
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(text(refused).await, "server is STARTINGnow, please try again later!");
        assert!(refused_by(&switches, Phase::Serving, &list).is_none());
        assert!(refused_by(&switches, Phase::Leaving, &list).is_none());
        let from_server = request("/nacos/v1/ns/instance/list", "Nacos-Server:v2");
        assert!(refused_by(&switches, Phase::Loading, &from_server).is_none());
        for path in [
            "/nacos/v2/ns/instance/list",
            "/nacos/v3/client/ns/instance/list",
            "/nacos/v3/admin/ns/service/list",
            "/v3/console/ns/service/list",
        ] {
            let uri = path.parse().expect("legal");
            let (generation, refused) = refused_while(Phase::Loading, &uri).expect(path);
            assert_eq!((refused.status(), generation == Generation::V1), (StatusCode::SERVICE_UNAVAILABLE, false));
            let body: serde_json::Value = serde_json::from_str(&text(refused).await).expect("JSON");
            assert_eq!(body["data"], "server is STARTING now, please try again later!");
            assert!(refused_while(Phase::Serving, &uri).is_none());
        }
        let uri = "/nacos/prometheus".parse().expect("legal");
        assert!(refused_while(Phase::Loading, &uri).is_some(), "Prometheus keeps its targets then");
    }

    #[test]
    fn a_node_that_loads_says_how_it_is() {
        let switches = Switches::default();
        assert_eq!(status(&switches, Phase::Loading).name(), "STARTING");
        assert_eq!(status(&switches, Phase::Serving).name(), "UP");
        for path in ["/nacos/v1/ns/operator/metrics", "/nacos/v1/ns/ops/metrics/"] {
            assert!(refused_by(&switches, Phase::Loading, &request(path, "")).is_none(), "{path}");
        }
        for path in [
            "/nacos/v2/ns/operator/metrics",
            "/nacos/v3/admin/ns/ops/metrics",
            "/nacos/v2/console/health/readiness",
            "/nacos/v3/admin/core/cluster/node/list",
            "/nacos/v2/core/cluster/node/self",
            "/metrics",
        ] {
            assert!(refused_while(Phase::Loading, &path.parse().expect("legal")).is_none(), "{path}");
        }
    }
}
