//! Parameters, wherever a Nacos client puts them: in the query, in a form or multipart body, or some here and some there.

use axum::{
    body::{Bytes, HttpBody},
    extract::{
        FromRequest, Multipart, Request,
        multipart::{MultipartError, MultipartRejection},
        rejection::BytesRejection,
    },
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};

use compact_str::CompactString;
use thiserror::Error;

use crate::http::{BODY_BYTES, Refused, bad_request};

/// Most parameters of one request; no operation knows more than twenty.
const MOST: usize = 1_000;

/// What most requests have at most.
const EXPECTED: usize = 16;

/// The parameters of a request. Of a name given twice the first counts, the query before the body.
pub(super) struct Params(Vec<(CompactString, CompactString)>);

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
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of `name`, empty when it is absent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// The value of `name`, or a refusal that names it.
    pub(super) fn required(&self, name: &str) -> Result<&str, Refused> {
        self.get(name)
            .ok_or_else(|| Refused(StatusCode::BAD_REQUEST, format!("Required parameter '{name}' is not present.")))
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

    fn read(query: &str, form: &[u8]) -> Result<Self, Fault> {
        let mut params = Self(Vec::with_capacity(EXPECTED));
        for (name, value) in form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(form)) {
            params.push(name.into(), value.into())?;
        }
        Ok(params)
    }

    fn push(&mut self, name: CompactString, value: CompactString) -> Result<(), Fault> {
        if self.0.len() == MOST {
            return Err(Fault::TooMany);
        }
        self.0.push((name, value));
        Ok(())
    }

    async fn of(request: Request) -> Result<Self, Fault> {
        if request.body().size_hint().lower() > BODY_BYTES as u64 {
            return Err(Fault::TooLong);
        }
        let content_type = request.headers().get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        if content_type.starts_with(b"application/x-www-form-urlencoded") {
            let query = request.uri().query().unwrap_or_default().to_owned();
            let body = Bytes::from_request(request, &()).await?;
            return Self::read(&query, &body);
        }
        let mut params = Self::read(request.uri().query().unwrap_or_default(), &[])?;
        if content_type.starts_with(b"multipart/form-data") {
            params.read_parts(Multipart::from_request(request, &()).await?).await?;
        }
        Ok(params)
    }
}

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        Self::of(request).await.map_err(IntoResponse::into_response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_and_form_are_one_and_the_first_value_counts() {
        let params = Params::read("a=1&b=%40%40", b"a=2&c=x+y").expect("few");
        assert_eq!((params.get("a"), params.get("b"), params.get("c")), (Some("1"), Some("@@"), Some("x y")));
        assert_eq!((params.get("d"), params.text("d")), (None, ""));
        assert!(params.required("d").is_err());
    }

    #[test]
    fn parameters_are_counted_over_query_and_form() {
        let (query, form) = ("a=1&".repeat(MOST - 1), b"b=2&c=3");
        assert!(Params::read(&query, &form[..3]).is_ok());
        assert!(matches!(Params::read(&query, form), Err(Fault::TooMany)));
    }
}
