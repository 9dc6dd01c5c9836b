//! Parameters, wherever a Nacos client puts them: in the path, in the query, in a form or multipart body, or some here and
//! some there.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Multipart, RawPathParams, Request, multipart::MultipartError},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};

use serde_json::Value;

use crate::http::Refused;

/// The parameters of a request. Of a name given twice the first counts, the path before the query before the body.
pub(super) struct Params {
    pairs: Vec<(String, String)>,
    /// A JSON body; parameters are not read from it.
    json: Option<Bytes>,
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

    async fn read_parts(&mut self, mut parts: Multipart) -> Result<(), MultipartError> {
        while let Some(part) = parts.next_field().await? {
            if let Some(name) = part.name().map(str::to_owned) {
                self.pairs.push((name, part.text().await?));
            }
        }
        Ok(())
    }

    fn read(query: &str, form: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(form));
        Self { pairs: pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect(), json: None }
    }
}

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let (mut head, body) = request.into_parts();
        let path = RawPathParams::from_request_parts(&mut head, state).await;
        let mut params = Self::read_rest(Request::from_parts(head, body), state).await?;
        // What does not decode is missing.
        let path = path.iter().flatten().map(|(name, value)| (name.to_owned(), value.to_owned()));
        params.pairs.splice(0..0, path);
        Ok(params)
    }
}

impl Params {
    async fn read_rest(request: Request, state: &(impl Send + Sync)) -> Result<Self, Response> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let content_type = request.headers().get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        if content_type.starts_with(b"application/x-www-form-urlencoded") {
            let body = Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
            return Ok(Self::read(&query, &body));
        }
        let mut params = Self::read(&query, &[]);
        if content_type.starts_with(b"application/json") {
            let body = Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
            params.json = Some(body).filter(|body| !body.is_empty());
            return Ok(params);
        }
        if content_type.starts_with(b"multipart/form-data") {
            let parts = Multipart::from_request(request, state).await.map_err(IntoResponse::into_response)?;
            params.read_parts(parts).await.map_err(IntoResponse::into_response)?;
        }
        Ok(params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_and_form_are_one_and_the_first_value_counts() {
        let params = Params::read("a=1&b=%40%40", b"a=2&c=x+y");
        assert_eq!((params.get("a"), params.get("b"), params.get("c")), (Some("1"), Some("@@"), Some("x y")));
        assert_eq!((params.get("d"), params.text("d")), (None, ""));
        assert!(params.required("d").is_err());
    }
}
