//! The description of the API (OpenAPI 3.1), made from the same operations that serve it.
//!
//! Requests in it are the examples of the parameters; answers are what a node gave to them, kept beside the code and asked
//! for again by a test. The shape of an answer is the shape of its example, unless a parameter gives it another.

use std::{collections::BTreeMap, sync::LazyLock};

use axum::{body::Bytes, http::header::CONTENT_TYPE, response::IntoResponse};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::http::nacos::{
    Generation, Route,
    operation::{Kind, Method, Param},
    routes,
};

/// What was answered to the example of an operation.
#[derive(Deserialize)]
struct Example {
    content_type: String,
    body: Value,
}

/// Answers by `METHOD /path`.
static EXAMPLES: LazyLock<BTreeMap<String, Example>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("examples.json")).expect("written by the test that compares it")
});

static DESCRIPTION: LazyLock<Bytes> = LazyLock::new(|| description().to_string().into());

/// `GET /roster/v1/openapi.json`.
pub(in crate::http) async fn serve() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], DESCRIPTION.clone())
}

fn description() -> Value {
    let mut paths = Map::new();
    for route in routes() {
        let path = paths.entry(format!("/nacos{}", route.path)).or_insert_with(|| json!({}));
        path[method(route.method)] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Roster: the Nacos naming API over HTTP",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Parameters are taken from the query and from forms alike. Console paths are served without \
                            `/nacos` too.",
        },
        "paths": paths,
        "components": {"schemas": {"Fault": fault()}},
    })
}

/// What the newer generations answer when they refuse.
fn fault() -> Value {
    json!({
        "type": "object",
        "required": ["code", "message", "data"],
        "properties": {
            "code": {"type": "integer"},
            "message": {"type": "string"},
            "data": {"type": ["string", "null"]},
        },
    })
}

fn method(method: Method) -> &'static str {
    match method {
        Method::Get | Method::Any => "get",
        Method::Post => "post",
        Method::Put => "put",
        Method::Patch => "patch",
        Method::Delete => "delete",
    }
}

fn operation(route: &Route) -> Value {
    let params: Vec<Value> = params(route).map(|param| parameter(route, param)).collect();
    json!({
        "operationId": format!("{}{}", route.operation.name, route.path.replace(['/', '{', '}', '-'], "_")),
        "summary": route.operation.summary,
        "tags": [tag(route)],
        "parameters": params,
        "responses": responses(route),
    })
}

/// The parameters that the route's generation knows.
fn params(route: &Route) -> impl Iterator<Item = &'static Param> {
    let generation = route.generation;
    route.operation.params.iter().filter(move |param| param.only.is_empty() || param.only.contains(&generation))
}

/// Generation and, of the third, the part: `v3/admin`.
fn tag(route: &Route) -> String {
    let parts = if route.generation == Generation::V3 { 2 } else { 1 };
    route.path.trim_start_matches('/').split('/').take(parts).collect::<Vec<_>>().join("/")
}

fn parameter(route: &Route, param: &Param) -> Value {
    let in_path = route.path.contains(&format!("{{{}}}", param.name));
    let (kind, example) = match param.kind {
        Kind::Text | Kind::Json => ("string", json!(param.example)),
        Kind::Integer => ("integer", read(param.example)),
        Kind::Number => ("number", read(param.example)),
        Kind::Boolean => ("boolean", read(param.example)),
    };
    json!({
        "name": param.name,
        "in": if in_path { "path" } else { "query" },
        "required": param.required,
        "description": param.about,
        "schema": {"type": kind},
        "example": example,
    })
}

fn read(example: &str) -> Value {
    serde_json::from_str(example).expect("examples of numbers and booleans read")
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    let key = format!("{} /nacos{}", method(route.method).to_uppercase(), route.path);
    let done = match EXAMPLES.get(&key) {
        Some(example) => {
            let varies = params(route).any(|param| param.reshapes);
            let schema = if varies { json!({}) } else { shape(&example.body) };
            let body = json!({"schema": schema, "example": example.body});
            json!({"description": "Done.", "content": {&example.content_type: body}})
        }
        None => json!({"description": "Done."}),
    };
    responses.insert("200".into(), done);
    let refused = if route.operation.params.is_empty() { &[][..] } else { &[400][..] };
    for status in refused.iter().chain(route.operation.faults) {
        responses.insert(status.to_string(), refusal(route.generation));
    }
    Value::Object(responses)
}

/// The first generation refuses in words, and so does the check of parameters in all.
fn refusal(generation: Generation) -> Value {
    let words = json!({"schema": {"type": "string"}});
    let fault = json!({"schema": {"$ref": "#/components/schemas/Fault"}});
    let content = match generation {
        Generation::V1 => json!({"text/plain": words}),
        _ => json!({"application/json": fault, "text/plain": words}),
    };
    json!({"description": "Refused, with the reason.", "content": content})
}

/// Texts that are null where there is nothing to say.
const MAYBE_NULL: [&str; 2] = ["data", "namespaceDesc"];

fn member_shape(name: &str, example: &Value) -> Value {
    match example {
        Value::String(_) if MAYBE_NULL.contains(&name) => json!({"type": ["string", "null"]}),
        example => shape(example),
    }
}

/// The JSON schema of what an example shows.
fn shape(example: &Value) -> Value {
    match example {
        Value::Null => json!({}),
        Value::Bool(_) => json!({"type": "boolean"}),
        Value::Number(number) if number.is_f64() => json!({"type": "number"}),
        Value::Number(_) => json!({"type": "integer"}),
        Value::String(_) => json!({"type": "string"}),
        Value::Array(items) => json!({"type": "array", "items": items.first().map_or(json!({}), shape)}),
        Value::Object(members) => {
            let members: Map<String, Value> =
                members.iter().map(|(name, value)| (name.clone(), member_shape(name, value))).collect();
            json!({"type": "object", "properties": members})
        }
    }
}
