//! What an operation answers, and how each generation writes it (http.md 4.1).

use axum::{
    body::Bytes,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use serde_json::Value;

use crate::http::nacos::Generation;

/// The answer of an operation that worked.
pub(super) enum Answer {
    /// A write: `ok`.
    Done,
    /// A read, in the envelope where there is one.
    Data(Bytes),
    /// JSON that no generation wraps.
    Bare(Value),
}

impl Answer {
    /// The response as this generation writes it.
    pub(super) fn render(self, generation: Generation) -> Response {
        match (self, generation) {
            (Answer::Done, Generation::V1) => ([(CONTENT_TYPE, "text/plain;charset=UTF-8")], "ok").into_response(),
            (Answer::Done, _) => json(enveloped(br#""ok""#)),
            (Answer::Data(body), Generation::V1) => json(body),
            (Answer::Data(body), _) => json(enveloped(&body)),
            (Answer::Bare(body), _) => json(body.to_string().into()),
        }
    }
}

/// The envelope of success around JSON that is already encoded.
fn enveloped(data: &[u8]) -> Bytes {
    [br#"{"code":0,"message":"success","data":"#, data, b"}"].concat().into()
}

fn json(body: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
