//! Parameters, wherever a Nacos client puts them: in the query, in a form body, or some here and some there.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{StatusCode, header::CONTENT_TYPE},
};

use crate::http::Refused;

/// The parameters of a request. Of a name given twice the first counts, the query before the body.
pub(super) struct Params(Vec<(String, String)>);

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

    fn read(query: &str, form: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(form));
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }
}

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = axum::response::Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let content_type = request.headers().get(CONTENT_TYPE).map(|value| value.as_bytes());
        let is_form = content_type.is_some_and(|value| value.starts_with(b"application/x-www-form-urlencoded"));
        if !is_form {
            return Ok(Self::read(&query, &[]));
        }
        let body = Bytes::from_request(request, state).await.map_err(axum::response::IntoResponse::into_response)?;
        Ok(Self::read(&query, &body))
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
