//! What an operation answers, and how each generation writes it (http.md 4.1).

use std::borrow::Cow;

use axum::{
    body::Bytes,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::http::nacos::{Generation, Step};

/// The answer of an operation that worked.
pub(super) enum Answer {
    /// A write: `ok`.
    Done,
    /// A read, in the envelope where there is one.
    Data(Bytes),
    /// JSON that no generation wraps.
    Bare(Bytes),
    /// A text that no generation wraps.
    Text(Cow<'static, str>),
}

impl Answer {
    /// A read, in the envelope where there is one.
    pub(super) fn of(data: &impl Serialize) -> Self {
        Self::Data(encoded(data))
    }

    /// JSON that no generation wraps.
    pub(super) fn bare(data: &impl Serialize) -> Self {
        Self::Bare(encoded(data))
    }

    /// A read that is all there is to do.
    pub(super) fn json(data: &impl Serialize) -> Step {
        Self::of(data).into()
    }

    /// What the first generation wraps after all, in an envelope of its own (Nacos `RestResult`).
    pub(super) fn rest(data: &Value) -> Step {
        Self::bare(&json!({"code": 200, "message": null, "data": data})).into()
    }

    /// The response as this generation writes it.
    pub(super) fn render(self, generation: Generation) -> Response {
        match (self, generation) {
            (Answer::Done, Generation::V1) => text("ok".into()),
            (Answer::Done, _) => as_json(enveloped(br#""ok""#)),
            (Answer::Data(body), Generation::V1) | (Answer::Bare(body), _) => as_json(body),
            (Answer::Data(body), _) => as_json(enveloped(&body)),
            (Answer::Text(body), _) => text(body),
        }
    }
}

fn encoded(data: &impl Serialize) -> Bytes {
    serde_json::to_vec(data).expect("own types have text keys and finite numbers").into()
}

/// The envelope of success around JSON that is already encoded.
fn enveloped(data: &[u8]) -> Bytes {
    [br#"{"code":0,"message":"success","data":"#, data, b"}"].concat().into()
}

fn text(body: Cow<'static, str>) -> Response {
    ([(CONTENT_TYPE, "text/plain;charset=UTF-8")], body).into_response()
}

fn as_json(body: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
