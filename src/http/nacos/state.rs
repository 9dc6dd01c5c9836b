//! What the server says of itself: how it is set up, whether it lives, whether it is ready (http.md 10.2, 11, 12.3, 12.4).

use serde_json::{Value, json};

use crate::http::nacos::{
    Answer, Call, Fault, Generation,
    Generation::{V1, V2, V3},
    Route, Step,
    members::host_and_port,
    operation::{Kind, Method::Get, Operation, Param},
};

pub(super) const ROUTES: &[Route] = &[
    Route::new(Get, "/v1/console/server/state", V1, &STATE),
    Route::new(Get, "/v1/console/server/announcement", V1, &ANNOUNCEMENT),
    Route::new(Get, "/v1/console/server/guide", V1, &GUIDE),
    Route::new(Get, "/v1/console/health/liveness", V1, &LIVENESS),
    Route::new(Get, "/v1/console/health/readiness", V1, &READINESS),
    Route::new(Get, "/v2/console/health/liveness", V2, &LIVENESS),
    Route::new(Get, "/v2/console/health/readiness", V2, &READINESS),
    Route::new(Get, "/v3/admin/core/state", V3, &STATE),
    Route::new(Get, "/v3/admin/core/state/liveness", V3, &LIVENESS),
    Route::new(Get, "/v3/admin/core/state/readiness", V3, &READINESS),
    // Where the maintainer SDK asks.
    Route::new(Get, "/v3/admin/core/ops/readiness", V3, &READINESS),
    Route::new(Get, "/v3/console/server/state", V3, &CONSOLE_STATE),
    Route::new(Get, "/v3/console/server/announcement", V3, &ANNOUNCEMENT),
    Route::new(Get, "/v3/console/server/guide", V3, &GUIDE),
    Route::new(Get, "/v3/console/health/liveness", V3, &LIVENESS),
    Route::new(Get, "/v3/console/health/readiness", V3, &READINESS),
];

const STATE: Operation = Operation {
    name: "getServerState",
    summary: "Shows how the server is set up.",
    params: &[],
    faults: &[],
    run: |call| Ok(Answer::json(&state(call))),
};

const CONSOLE_STATE: Operation = Operation { run: |call| Ok(Answer::bare(&state(call)).into()), ..STATE };

const ANNOUNCEMENT: Operation = Operation {
    name: "getAnnouncement",
    summary: "Says what consoles show above all else.",
    params: &[Param::new(Kind::Text, "language", "en-US", "`en-US` or `zh-CN`.")],
    faults: &[],
    run: announcement,
};

const GUIDE: Operation = Operation {
    name: "getGuide",
    summary: "Says what consoles show to who cannot use them; nothing.",
    params: &[],
    faults: &[],
    run: |call| Ok(if call.generation == V1 { Answer::rest(&Value::Null) } else { Answer::json(&Value::Null) }),
};

const LIVENESS: Operation = Operation {
    name: "isLive",
    summary: "Answers while the server lives.",
    params: &[],
    faults: &[],
    run: |call| Ok(fine(call)),
};

const READINESS: Operation = Operation {
    name: "isReady",
    summary: "Says whether the server takes new work: not while it starts or stops.",
    params: &[],
    faults: &[500],
    run: readiness,
};

const LANGUAGES: [&str; 2] = ["zh-CN", "en-US"];
const TEXT: &str = "Roster serves the naming API of Nacos. There is no configuration management.";

impl Generation {
    /// The release of the reference whose answers this generation has; clients and consoles decide by it what they ask.
    pub(super) fn release(self) -> &'static str {
        match self {
            V1 | V2 => "2.5.1",
            V3 => "3.0.3",
        }
    }
}

/// All values are texts. Those on configurations are what the reference says by default; consoles look for some of them.
fn state(call: &Call<'_>) -> Value {
    let cluster = call.api.cluster();
    let mode = if cluster.peers.is_empty() { "standalone" } else { "cluster" };
    json!({
        "version": call.generation.release(),
        "standalone_mode": mode,
        "startup_mode": mode,
        "function_mode": "naming",
        "server_port": host_and_port(&cluster.address).1,
        "auth_enabled": "false",
        "auth_system_type": "nacos",
        "auth_admin_request": "false",
        "login_page_enabled": "false",
        "console_ui_enabled": "true",
        "datasource_platform": "",
        "plugin_datasource_log_enabled": "false",
        "config_retention_days": "30",
        "defaultClusterQuota": "100000",
        "defaultGroupQuota": "200",
        "defaultMaxAggrCount": "10000",
        "defaultMaxAggrSize": "1024",
        "defaultMaxSize": "102400",
        "isCapacityLimitCheck": "false",
        "isHealthCheck": "true",
        "isManageCapacity": "true",
        "maxContent": "10485760",
        "maxHealthCheckFailCount": "12",
        "notifyConnectTimeout": "100",
        "notifySocketTimeout": "200",
    })
}

fn announcement(call: &Call<'_>) -> Result<Step, Fault> {
    let language = call.params.get("language").unwrap_or(LANGUAGES[0]);
    let text = if LANGUAGES.contains(&language) { json!(TEXT) } else { Value::Null };
    Ok(match call.generation {
        V1 => Answer::rest(&text),
        V2 | V3 if text.is_null() => {
            let message = format!("Unsupported language: {language}");
            Answer::bare(&json!({"code": 30_000, "message": message, "data": null})).into()
        }
        V2 | V3 => Answer::json(&text),
    })
}

fn fine(call: &Call<'_>) -> Step {
    match call.generation {
        V1 => Answer::Text("OK".into()).into(),
        V2 | V3 => Answer::Done.into(),
    }
}

fn readiness(call: &Call<'_>) -> Result<Step, Fault> {
    if call.api.is_ready() {
        return Ok(fine(call));
    }
    Err(Fault::server_error("naming not in readiness".to_owned()))
}
