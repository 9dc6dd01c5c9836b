//! How a refused request is answered.

use std::borrow::Cow;

use serde::Serialize;

use crate::wire::Body;

/// Which response class carries the refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `ErrorResponse`: SDKs retry, and reconnect when the code is 301.
    Error,
    /// The response class of the request itself: SDKs hand it to the caller.
    Typed,
}

/// A refused request: which class answers, the two codes, and the text a person reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The class that carries it.
    pub shape: Shape,
    /// `resultCode`.
    pub result: i32,
    /// `errorCode`.
    pub code: i32,
    /// `message`; left out when absent, never null.
    pub message: Option<Cow<'static, str>>,
}

#[derive(Serialize)]
struct RefusalBody<'a> {
    #[serde(rename = "resultCode")]
    result: i32,
    #[serde(rename = "errorCode")]
    code: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    success: bool,
}

impl Refusal {
    /// A state of the transport or the server: `resultCode` 500 and `code` (grpc.md 3.3, first shape).
    pub fn state(code: i32, message: impl Into<Cow<'static, str>>) -> Self {
        Self { shape: Shape::Error, result: 500, code, message: Some(message.into()) }
    }

    /// What the real server throws: both codes are `code` (grpc.md 3.3, second shape).
    pub fn thrown(code: i32, message: impl Into<Cow<'static, str>>) -> Self {
        Self { shape: Shape::Error, result: code, code, message: Some(message.into()) }
    }

    /// A refusal in the request's own response class (grpc.md 3.2).
    pub fn typed(code: i32, message: impl Into<Cow<'static, str>>) -> Self {
        Self { shape: Shape::Typed, result: 500, code, message: Some(message.into()) }
    }

    /// A parameter that breaks the rules of [`crate::model::check_param`].
    pub fn param(fault: impl std::fmt::Display) -> Self {
        Self::typed(400, format!("Param check invalid:{fault}"))
    }

    /// A body that does not read.
    pub fn malformed() -> Self {
        Self::state(502, "errCode: 101, errMsg: Nacos deserialize failed.  ")
    }

    /// The JSON body.
    pub fn body(&self) -> Body {
        super::response::json(&RefusalBody {
            result: self.result,
            code: self.code,
            message: self.message.as_deref(),
            success: false,
        })
    }

    /// The JSON body in the class of a service list: the Python and Rust SDKs cannot read one without its two keys.
    pub fn list_body(&self) -> Body {
        #[derive(Serialize)]
        struct ListBody<'a> {
            #[serde(flatten)]
            refusal: RefusalBody<'a>,
            count: u32,
            #[serde(rename = "serviceNames")]
            names: [&'a str; 0],
        }
        let refusal =
            RefusalBody { result: self.result, code: self.code, message: self.message.as_deref(), success: false };
        super::response::json(&ListBody { refusal, count: 0, names: [] })
    }
}
