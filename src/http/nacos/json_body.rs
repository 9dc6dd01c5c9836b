//! Bodies of the few operations that take JSON. They take forms too: one SDK sends those (http.md 14).

use serde_json::Value;

use crate::http::nacos::{Call, Fault};

/// The JSON body; none when there is another or none.
pub(super) fn read(call: &Call<'_>) -> Result<Option<Value>, Fault> {
    call.params.json().transpose().map_err(|fault| Fault::validation(fault.to_string()))
}

/// The JSON body or, where there is none, the JSON text of a parameter.
pub(super) fn value(call: &Call<'_>, name: &str) -> Result<Option<Value>, Fault> {
    let given = || call.params.get(name).map(serde_json::from_str).transpose();
    read(call)?.map_or_else(|| given().map_err(|fault| Fault::validation(fault.to_string())), |body| Ok(Some(body)))
}

/// A text of the JSON body or, where there is none, of the parameters.
pub(super) fn text<'a>(call: &'a Call<'_>, body: Option<&'a Value>, name: &str) -> Option<&'a str> {
    match body {
        Some(body) => body.get(name)?.as_str(),
        None => call.params.get(name),
    }
}

/// There is no body where there must be one.
pub(super) fn missing() -> Fault {
    Fault::parameter_missing("Required request body is missing")
}
