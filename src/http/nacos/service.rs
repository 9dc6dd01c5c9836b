//! Operations on services (http.md 8.2, 11, 12.2).

use axum::body::Bytes;
use serde_json::json;

use crate::{
    http::nacos::{
        Answer, Call, Fault,
        Generation::{V1, V2},
        Route, Step,
        operation::{
            Kind,
            Method::Get,
            Operation, Param,
            param::{GROUP, NAMESPACE},
        },
    },
    node::{Input, Reply},
};

pub(super) const ROUTES: &[Route] =
    &[Route::new(Get, "/v1/ns/service/list", V1, &NAMES), Route::new(Get, "/v2/ns/service/list", V2, &NAMES)];

const PAGE: Param = Param::new(Kind::Integer, "pageNo", "1", "Page, from 1.");
const SIZE: Param = Param::new(Kind::Integer, "pageSize", "10", "Entries a page.");

const NAMES: Operation = Operation {
    name: "listServiceNames",
    summary: "Names the services of a group, a page at a time, and counts all.",
    params: &[
        PAGE.required().only(&[V1]),
        SIZE.required().only(&[V1]),
        PAGE.only(&[V2]),
        SIZE.only(&[V2]),
        NAMESPACE,
        GROUP,
    ],
    run: names,
};

impl Call<'_> {
    pub(super) fn number(&self, name: &'static str, default: Option<usize>) -> Result<usize, Fault> {
        let given = self.params.text(name).trim();
        if given.is_empty() {
            return default.ok_or(Fault::Missing { name, kind: "int" });
        }
        match self.generation {
            // Read as 0, which is taken as the first page and an empty one.
            V1 => Ok(given.parse().unwrap_or(0)),
            _ => given.parse().map_err(|_| Fault::Unreadable(format!("For input string: \"{given}\""))),
        }
    }
}

fn names(call: &Call<'_>) -> Result<Step, Fault> {
    let (names, page, size) = match call.generation {
        V1 => ("doms", call.number("pageNo", None)?, call.number("pageSize", None)?),
        _ => ("services", call.number("pageNo", Some(1))?, call.number("pageSize", Some(20))?.min(500)),
    };
    let group = call.group()?;
    let Reply::Names(count, page) = call.handle(Input::List { group, page: page.max(1), size })? else {
        unreachable!("a list is answered with names")
    };
    Ok(Answer::Data(Bytes::from(json!({"count": count, names: page}).to_string())).into())
}
