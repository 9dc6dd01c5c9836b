//! Why an operation is refused, and how each generation says it (http.md 4.2, 4.4, 4.5).

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use compact_str::CompactString;
use serde_json::json;

use crate::{
    http::{STARTING, nacos::Generation},
    model::{DEFAULT_NAMESPACE, IllegalInstance, IllegalParam, NamespaceRefused, UnknownConsistency, UnknownGenerator},
    node::Rejection,
    raft::Failure,
    registry::Refused,
};

/// A refused operation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A required parameter is not there.
    Missing {
        /// Its name.
        name: &'static str,
        /// Its type, as the newer generations call it.
        kind: &'static str,
    },
    /// The same where parameters are read one by one, which has words of its own.
    MissingSingle {
        /// Its name.
        name: &'static str,
        /// Its type.
        kind: &'static str,
    },
    /// There, but without a number in it, where parameters are read one by one.
    EmptySingle {
        /// Its name.
        name: &'static str,
        /// Its type.
        kind: &'static str,
    },
    /// A parameter that no operation accepts.
    Illegal(IllegalParam),
    /// Refused for what it says: a status, a code with its name, and what is wrong.
    Refused(StatusCode, u32, &'static str, String),
    /// An id or a name that no namespace can have. The first generation says no more than that it made none.
    IllegalNamespace(String),
    /// A namespace of that id is there.
    NamespaceExists(CompactString),
    /// The newest generation answers a beat of nobody with status 200.
    BeatOfNobody,
}

impl Fault {
    /// A value that does not read, or is not allowed.
    pub(super) fn validation(text: impl Into<String>) -> Self {
        Self::Refused(StatusCode::BAD_REQUEST, 20_002, "parameter validate error", text.into())
    }

    /// A number, or the fault that a text is none.
    pub(super) fn parsed<T: std::str::FromStr>(given: &str) -> Result<T, Self> {
        given.parse().map_err(|_| Self::validation(format!("For input string: \"{given}\"")))
    }

    /// A weight that is out of range.
    pub(super) fn weight() -> Self {
        let text = "instance format invalid: The weights range from 0.0 to 10000.0";
        Self::Refused(StatusCode::BAD_REQUEST, 21_001, "weight error", text.into())
    }

    /// A fault that has no code of its own.
    pub(super) fn bad_request(text: impl Into<String>) -> Self {
        Self::Refused(StatusCode::BAD_REQUEST, 30_000, "server error", text.into())
    }

    /// A fault that the reference calls its own.
    pub(super) fn server_error(text: String) -> Self {
        Self::Refused(StatusCode::INTERNAL_SERVER_ERROR, 30_000, "server error", text)
    }

    /// The node does not know yet what others do.
    pub(super) fn starting() -> Self {
        Self::Refused(StatusCode::SERVICE_UNAVAILABLE, 30_000, "server error", STARTING.into())
    }

    /// What is said of an instance cannot be.
    pub(super) fn instance(text: String) -> Self {
        Self::Refused(StatusCode::BAD_REQUEST, 21_004, "instance error", text)
    }

    /// What is said of a selector cannot be.
    pub(super) fn selector(text: String) -> Self {
        Self::Refused(StatusCode::BAD_REQUEST, 21_006, "selector error", text)
    }

    /// A service that is to be changed or shown is not there.
    pub(super) fn no_service(text: String) -> Self {
        Self::Refused(StatusCode::BAD_REQUEST, 21_008, "service not exist", text)
    }

    /// The same, where consoles look.
    pub(super) fn no_service_to_see(text: String) -> Self {
        Self::Refused(StatusCode::NOT_FOUND, 21_008, "service not exist", text)
    }

    /// Metadata that are neither a flat JSON object nor pairs. The reference answers 500, as if that were its own fault.
    pub(super) fn metadata(given: &str) -> Self {
        let text = format!("metadata format incorrect:{given}");
        Self::Refused(StatusCode::BAD_REQUEST, 21_002, "instance metadata error", text)
    }

    /// What is asked for is not there.
    pub(super) fn not_found(text: impl Into<String>) -> Self {
        Self::Refused(StatusCode::NOT_FOUND, 20_004, "resource not found", text.into())
    }

    /// What an operator asks for is not there.
    pub(super) fn absent(text: impl Into<String>) -> Self {
        Self::Refused(StatusCode::NOT_FOUND, 30_000, "server error", text.into())
    }

    /// There is no namespace of that id.
    pub(super) fn no_namespace(id: &str) -> Self {
        let text = format!("namespaceId [ {id} ] not exist");
        Self::Refused(StatusCode::NOT_FOUND, 22_001, "namespace not exist", text)
    }

    /// A state that no node can be in.
    pub(super) fn illegal_state(given: &str) -> Self {
        Self::Refused(StatusCode::BAD_REQUEST, 23_000, "illegal state", format!("Illegal state: {given}"))
    }

    /// Something that must be given is not.
    pub(super) fn parameter_missing(text: impl Into<String>) -> Self {
        Self::Refused(StatusCode::BAD_REQUEST, 10_000, "parameter missing", text.into())
    }

    /// A parameter is not there, in the words of operations on namespaces and nodes.
    pub(super) fn lacking(name: &str) -> Self {
        Self::parameter_missing(format!("required parameter '{name}' is missing"))
    }

    /// Something that this server does not do.
    pub(super) fn disabled(text: &str) -> Self {
        Self::Refused(StatusCode::BAD_REQUEST, 40_001, "API function disabled.", text.into())
    }

    /// The response as this generation writes it.
    pub(super) fn render(self, generation: Generation) -> Response {
        let v1 = generation == Generation::V1;
        match self {
            // The parameter check of a Nacos server stands before its handlers and speaks text in every generation.
            Fault::Illegal(illegal) => (StatusCode::BAD_REQUEST, format!("{illegal}\r\n")).into_response(),
            Fault::Missing { name, .. } if v1 => text(StatusCode::BAD_REQUEST, format!("Param '{name}' is required.")),
            Fault::Missing { name, kind } => missing(&format!("parameter '{name}' type {kind} is not present")),
            Fault::MissingSingle { name, .. } if v1 => {
                text(StatusCode::BAD_REQUEST, format!("Parameter '{name}' is missing"))
            }
            Fault::MissingSingle { name, kind } => {
                missing(&format!("request parameter '{name}' for method parameter type {kind} is not present"))
            }
            Fault::EmptySingle { name, kind } => missing(&format!(
                "request parameter '{name}' for method parameter type {kind} is present but converted to null"
            )),
            Fault::Refused(status, _, _, why) if v1 => text(status, why),
            Fault::Refused(status, code, message, why) => enveloped(status, code, message, Some(&why)),
            Fault::IllegalNamespace(_) | Fault::NamespaceExists(_) if v1 => Json(false).into_response(),
            Fault::IllegalNamespace(why) => illegal_namespace(&why),
            Fault::NamespaceExists(id) if generation == Generation::V2 => {
                illegal_namespace(&format!("the namespaceId is existed, namespaceId: {id}"))
            }
            Fault::NamespaceExists(id) => {
                let default = if id == DEFAULT_NAMESPACE { "is default namespace id and " } else { "" };
                let why = format!("namespaceId [{id}] {default}already exist.");
                enveloped(StatusCode::BAD_REQUEST, 22_002, "namespace already exist", Some(&why))
            }
            Fault::BeatOfNobody => enveloped(StatusCode::OK, 21_003, "instance not found", None),
        }
    }
}

impl From<IllegalParam> for Fault {
    fn from(illegal: IllegalParam) -> Self {
        Self::Illegal(illegal)
    }
}

impl From<IllegalInstance> for Fault {
    fn from(illegal: IllegalInstance) -> Self {
        Self::instance(illegal.to_string())
    }
}

impl From<UnknownConsistency> for Fault {
    fn from(unknown: UnknownConsistency) -> Self {
        Self::validation(unknown.to_string())
    }
}

impl From<UnknownGenerator> for Fault {
    fn from(unknown: UnknownGenerator) -> Self {
        let text = format!("caused: {unknown};");
        Self::Refused(StatusCode::INTERNAL_SERVER_ERROR, 30_000, "server error", text)
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        let status = match failure {
            Failure::Rejected(rejection) => return rejection.into(),
            Failure::Unavailable(_) | Failure::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Failure::Unknown(_) => StatusCode::GATEWAY_TIMEOUT,
        };
        Self::Refused(status, 30_000, "server error", failure.to_string())
    }
}

impl From<Rejection> for Fault {
    fn from(rejection: Rejection) -> Self {
        let refused = match &rejection {
            Rejection::Registry(refused) => refused,
            Rejection::Namespace(NamespaceRefused::Exists(id)) => return Self::NamespaceExists(id.clone()),
            Rejection::Recovering(_) => return Self::starting(),
            Rejection::Namespace(NamespaceRefused::Full(_)) => return Self::bad_request(rejection.to_string()),
        };
        let bad = |code, message| Self::Refused(StatusCode::BAD_REQUEST, code, message, refused.to_string());
        match refused {
            Refused::ServiceExists(_) => bad(21_007, "service already exist"),
            Refused::NoService(_) => bad(21_008, "service not exist"),
            Refused::NotEmpty(_) => bad(21_009, "service delete failure"),
            Refused::IsPersistent(_) | Refused::TakesNoBatch(_) | Refused::IsEphemeral(_) => {
                Self::bad_request(rejection.to_string())
            }
            Refused::ClientGone(_) => Self::server_error(rejection.to_string()),
        }
    }
}

fn illegal_namespace(why: &str) -> Response {
    enveloped(StatusCode::BAD_REQUEST, 22_000, "illegal namespace", Some(why))
}

fn missing(what: &str) -> Response {
    let data = format!("Required {what}");
    enveloped(StatusCode::BAD_REQUEST, 10_000, "parameter missing", Some(&data))
}

fn text(status: StatusCode, body: String) -> Response {
    (status, [(axum::http::header::CONTENT_TYPE, "text/plain;charset=UTF-8")], body).into_response()
}

fn enveloped(status: StatusCode, code: u32, message: &str, data: Option<&str>) -> Response {
    (status, Json(json!({"code": code, "message": message, "data": data}))).into_response()
}
