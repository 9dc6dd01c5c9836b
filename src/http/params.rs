//! Parameters, wherever a Nacos client puts them: in the path, in the query, in a form or multipart body, or some here and
//! some there.

use axum::{
    body::{Bytes, HttpBody},
    extract::{
        DefaultBodyLimit, FromRequest, FromRequestParts, Multipart, RawPathParams, Request,
        multipart::{MultipartError, MultipartRejection},
        rejection::BytesRejection,
    },
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use compact_str::CompactString;
use serde_json::Value;
use thiserror::Error;

use crate::http::{BODY_BYTES, Refused, bad_request};

/// Most parameters of one request; no operation knows more than twenty.
const MOST: usize = 1_000;
/// What most requests have at most.
const EXPECTED: usize = 16;

/// The parameters of a request. Of a name given twice the first counts, the path before the query before the body.
#[derive(Default)]
pub(super) struct Params {
    pairs: Vec<(CompactString, CompactString)>,
    /// A JSON body; parameters are not read from it.
    json: Option<Bytes>,
}

/// Why parameters are not taken.
#[derive(Debug, Error)]
enum Fault {
    /// The body is too long, or breaks off.
    #[error(transparent)]
    Body(#[from] BytesRejection),
    /// A body in parts has no boundary.
    #[error(transparent)]
    Parts(#[from] MultipartRejection),
    /// A part is too long, or none.
    #[error(transparent)]
    Part(#[from] MultipartError),
    /// A body that says it is too long, of a kind that nobody would read.
    #[error("a body has {BODY_BYTES} bytes at most")]
    TooLong,
    #[error("a request has {MOST} parameters at most")]
    TooMany,
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        match self {
            Fault::Body(fault) => fault.into_response(),
            Fault::Parts(fault) => fault.into_response(),
            Fault::Part(fault) => fault.into_response(),
            Fault::TooLong => Refused(StatusCode::PAYLOAD_TOO_LARGE, self.to_string()).into_response(),
            Fault::TooMany => bad_request(self).into_response(),
        }
    }
}

impl Params {
    /// The value of `name`.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of `name`, empty when it is absent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// What the JSON body says; none when there is another body or none.
    pub(super) fn json(&self) -> Option<serde_json::Result<Value>> {
        self.json.as_ref().map(|json| serde_json::from_slice(json))
    }

    /// The value of `name`, or a refusal that names it.
    pub(super) fn required(&self, name: &str) -> Result<&str, Refused> {
        self.get(name)
            .ok_or_else(|| Refused(StatusCode::BAD_REQUEST, format!("Required parameter '{name}' is not present.")))
    }

    async fn read(request: Request) -> Result<Self, Fault> {
        let (mut head, body) = request.into_parts();
        if body.size_hint().lower() > BODY_BYTES as u64 {
            return Err(Fault::TooLong);
        }
        let mut params = Self { pairs: Vec::with_capacity(EXPECTED), json: None };
        // What does not decode is missing.
        if let Ok(path) = RawPathParams::from_request_parts(&mut head, &()).await {
            path.iter().try_for_each(|(name, value)| params.push(name.into(), value.into()))?;
        }
        params.read_pairs(head.uri.query().unwrap_or_default().as_bytes())?;
        let kind = head.headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        let is = |expected: &str| kind.starts_with(expected.as_bytes());
        let (form, json, parts) =
            (is("application/x-www-form-urlencoded"), is("application/json"), is("multipart/form-data"));
        if form || json || parts {
            let mut request = Request::from_parts(head, body);
            DefaultBodyLimit::max(BODY_BYTES).apply(&mut request);
            // Boxed: most requests have no body, and should not carry around the room for reading one.
            Box::pin(params.read_body(request, form, json)).await?;
        }
        Ok(params)
    }

    async fn read_body(&mut self, request: Request, form: bool, json: bool) -> Result<(), Fault> {
        if form {
            self.read_pairs(&Bytes::from_request(request, &()).await?)
        } else if json {
            self.json = Some(Bytes::from_request(request, &()).await?).filter(|body| !body.is_empty());
            Ok(())
        } else {
            self.read_parts(Multipart::from_request(request, &()).await?).await
        }
    }

    fn read_pairs(&mut self, encoded: &[u8]) -> Result<(), Fault> {
        form_urlencoded::parse(encoded).try_for_each(|(name, value)| self.push(name.into(), value.into()))
    }

    async fn read_parts(&mut self, mut parts: Multipart) -> Result<(), Fault> {
        while let Some(part) = parts.next_field().await? {
            if let Some(name) = part.name().map(CompactString::from) {
                let value = part.text().await?;
                self.push(name, value.into())?;
            }
        }
        Ok(())
    }

    fn push(&mut self, name: CompactString, value: CompactString) -> Result<(), Fault> {
        if self.pairs.len() == MOST {
            return Err(Fault::TooMany);
        }
        self.pairs.push((name, value));
        Ok(())
    }
}

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        Self::read(request).await.map_err(IntoResponse::into_response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(all: &[&str]) -> Result<Params, Fault> {
        let mut params = Params::default();
        all.iter().try_for_each(|encoded| params.read_pairs(encoded.as_bytes()))?;
        Ok(params)
    }

    #[test]
    fn query_and_form_are_one_and_the_first_value_counts() {
        let params = read(&["a=1&b=%40%40", "a=2&c=x+y"]).expect("few");
        assert_eq!((params.get("a"), params.get("b"), params.get("c")), (Some("1"), Some("@@"), Some("x y")));
        assert_eq!((params.get("d"), params.text("d")), (None, ""));
        assert!(params.required("d").is_err());
    }

    #[test]
    fn parameters_are_counted_over_query_and_form() {
        let query = "a=1&".repeat(MOST - 1);
        assert!(read(&[&query, "b=2"]).is_ok());
        assert!(matches!(read(&[&query, "b=2&c=3"]), Err(Fault::TooMany)));
    }
}
