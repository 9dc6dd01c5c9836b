//! Operations on namespaces (http.md 10.1, 11, 12.3, 12.4).
//!
//! The default namespace is always there: it cannot be made, renamed or removed, and the older generations show its id
//! empty.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    http::nacos::{
        Answer, Call, Fault,
        Generation::{V1, V2, V3},
        Route, Step,
        operation::{
            Kind,
            Method::{Delete, Get, Post, Put},
            Operation, Param,
        },
    },
    model::{self, DEFAULT_NAMESPACE, Namespace, NamespaceOperation, Proposal, check_param, limits},
    node::{Input, Reply},
};

pub(super) const ROUTES: &[Route] = &[
    Route::new(Get, "/v1/console/namespaces", V1, &LIST_OR_ONE),
    Route::new(Post, "/v1/console/namespaces", V1, &CREATE_V1),
    Route::new(Put, "/v1/console/namespaces", V1, &UPDATE_V1),
    Route::new(Delete, "/v1/console/namespaces", V1, &DELETE),
    Route::new(Get, "/v2/console/namespace/list", V2, &LIST),
    Route::new(Get, "/v2/console/namespace", V2, &DETAIL),
    Route::new(Post, "/v2/console/namespace", V2, &CREATE),
    Route::new(Put, "/v2/console/namespace", V2, &UPDATE),
    Route::new(Delete, "/v2/console/namespace", V2, &DELETE),
    Route::new(Get, "/v3/admin/core/namespace/list", V3, &LIST),
    Route::new(Get, "/v3/admin/core/namespace/check", V3, &COUNT),
    Route::new(Get, "/v3/admin/core/namespace", V3, &DETAIL),
    Route::new(Post, "/v3/admin/core/namespace", V3, &CREATE),
    Route::new(Put, "/v3/admin/core/namespace", V3, &UPDATE),
    Route::new(Delete, "/v3/admin/core/namespace", V3, &DELETE),
    Route::new(Get, "/v3/console/core/namespace/list", V3, &LIST),
    Route::new(Get, "/v3/console/core/namespace/exist", V3, &EXISTS),
    Route::new(Get, "/v3/console/core/namespace", V3, &DETAIL),
    Route::new(Post, "/v3/console/core/namespace", V3, &CONSOLE_CREATE),
    Route::new(Put, "/v3/console/core/namespace", V3, &UPDATE),
    Route::new(Delete, "/v3/console/core/namespace", V3, &DELETE),
];

const ID: Param = Param::new(Kind::Text, "namespaceId", "dev", "Id of the namespace.").required();
const NEW_ID: Param = Param { about: "Id of the namespace; blank for a random one.", ..ID };
const CUSTOM_ID: Param = Param { name: "customNamespaceId", ..NEW_ID };
const NAME: Param =
    Param::new(Kind::Text, "namespaceName", "Development", "What people call it; none of `@#$%^&*`.").required();
const DESCRIPTION: Param = Param::new(Kind::Text, "namespaceDesc", "For developers", "What it is for.");
/// What the first generation calls them when it changes one.
const ID_V1: Param = Param { name: "namespace", ..ID };
const NAME_V1: Param = Param { name: "namespaceShowName", ..NAME };

const LIST: Operation = Operation {
    name: "listNamespaces",
    summary: "Shows all namespaces, the default one first.",
    params: &[],
    faults: &[],
    run: list,
};

const LIST_OR_ONE: Operation = Operation {
    name: "listNamespacesOrOne",
    summary: "Shows all namespaces, or one, or whether there is one of an id.",
    params: &[
        Param::new(Kind::Text, "show", "all", "`all` shows the one of `namespaceId`.").reshaping(),
        Param { required: false, ..ID },
        Param::new(
            Kind::Boolean,
            "checkNamespaceIdExist",
            "false",
            "Whether `customNamespaceId` is all that is asked.",
        ),
        Param { required: false, ..CUSTOM_ID },
    ],
    faults: &[404],
    run: list_or_one,
};

const DETAIL: Operation = Operation {
    name: "getNamespace",
    summary: "Shows one namespace.",
    params: &[ID],
    faults: &[404],
    run: |call| detail(call),
};

const COUNT: Operation = Operation {
    name: "countNamespace",
    summary: "Says how many namespaces have an id: 1 or 0.",
    params: &[ID],
    faults: &[],
    run: |call| Ok(Answer::json(&json!(u8::from(call.exists(ID.name)?)))),
};

const EXISTS: Operation = Operation {
    name: "existsNamespace",
    summary: "Says whether there is a namespace of an id.",
    params: &[CUSTOM_ID],
    faults: &[],
    run: |call| Ok(Answer::json(&json!(call.exists(CUSTOM_ID.name)?))),
};

const CREATE: Operation = Operation {
    name: "createNamespace",
    summary: "Makes a namespace.",
    params: &[NEW_ID, NAME, DESCRIPTION],
    faults: &[],
    run: |call| create(call, call.present(ID.name)?),
};

const CREATE_V1: Operation = Operation {
    params: &[CUSTOM_ID, NAME, DESCRIPTION],
    run: |call| create(call, call.present(CUSTOM_ID.name)?),
    ..CREATE
};

const CONSOLE_CREATE: Operation = Operation {
    params: &[Param { required: false, ..CUSTOM_ID }, NAME, DESCRIPTION],
    run: |call| create(call, call.params.text(CUSTOM_ID.name)),
    ..CREATE
};

const UPDATE: Operation = Operation {
    name: "updateNamespace",
    summary: "Names and describes a namespace anew. One that is not there is no fault.",
    params: &[ID, NAME, DESCRIPTION],
    faults: &[],
    run: |call| update(call, &ID, &NAME),
};

const UPDATE_V1: Operation =
    Operation { params: &[ID_V1, NAME_V1, DESCRIPTION], run: |call| update(call, &ID_V1, &NAME_V1), ..UPDATE };

const DELETE: Operation = Operation {
    name: "deleteNamespace",
    summary: "Removes a namespace; its services stay. One that is not there is no fault.",
    params: &[ID],
    faults: &[],
    run: delete,
};

fn list(call: &Call<'_>) -> Result<Step, Fault> {
    let Reply::Namespaces(all) = call.handle(Input::Namespaces)? else {
        unreachable!("namespaces are answered with namespaces")
    };
    let default = shown_default(if call.generation == V3 { DEFAULT_NAMESPACE } else { "" });
    let all: Value = [default].into_iter().chain(all.iter().map(|namespace| shown(call, namespace))).collect();
    Ok(if call.generation == V1 { Answer::rest(&all) } else { Answer::json(&all) })
}

fn list_or_one(call: &Call<'_>) -> Result<Step, Fault> {
    if call.params.text("show") == "all" {
        return detail(call);
    }
    if call.read_flag("checkNamespaceIdExist")? {
        return Ok(Answer::json(&json!(call.exists(CUSTOM_ID.name)?)));
    }
    list(call)
}

fn detail(call: &Call<'_>) -> Result<Step, Fault> {
    let id = call.single(ID.name, "String")?;
    if is_default(id) {
        return Ok(Answer::json(&shown_default(if call.generation == V3 { id } else { "" })));
    }
    let namespace = call.namespace(id)?.ok_or_else(|| Fault::no_namespace(id))?;
    Ok(Answer::json(&shown(call, &namespace)))
}

fn create(call: &Call<'_>, id: &str) -> Result<Step, Fault> {
    let name = legal_name(call.present(NAME.name)?)?;
    let id = match id.trim() {
        "" => Uuid::new_v4().to_string(),
        id => legal_id(id)?.to_owned(),
    };
    let namespace = Namespace { id: id.into(), name: name.into(), description: description(call)? };
    Ok(propose(NamespaceOperation::Create(namespace)))
}

fn update(call: &Call<'_>, id: &Param, name: &Param) -> Result<Step, Fault> {
    let id = call.present(id.name)?;
    let name = legal_name(call.present(name.name)?)?;
    let namespace = Namespace { id: id.into(), name: name.into(), description: description(call)? };
    Ok(propose(NamespaceOperation::Update(namespace)))
}

fn delete(call: &Call<'_>) -> Result<Step, Fault> {
    let id = call.single(ID.name, "String")?;
    Ok(propose(NamespaceOperation::Delete(id.into())))
}

fn propose(operation: NamespaceOperation) -> Step {
    Step::propose_for(Proposal::Namespace(operation), Answer::of(&json!(true)))
}

impl Call<'_> {
    fn namespace(&self, id: &str) -> Result<Option<Box<Namespace>>, Fault> {
        match self.handle(Input::Namespace { id: id.into() })? {
            Reply::Namespace(found) => Ok(found),
            other => unreachable!("a namespace is answered with a namespace, not {other:?}"),
        }
    }

    fn exists(&self, name: &'static str) -> Result<bool, Fault> {
        let id = self.single(name, "String")?;
        Ok(id == DEFAULT_NAMESPACE || self.namespace(id)?.is_some())
    }
}

fn is_default(id: &str) -> bool {
    id.is_empty() || id == DEFAULT_NAMESPACE
}

/// Most generations check ids and names before they come here, in other words.
fn legal_id(id: &str) -> Result<&str, Fault> {
    if id.len() > limits::NAMESPACE_V3 {
        return Err(Fault::IllegalNamespace(format!("too long namespaceId, over {}", limits::NAMESPACE_V3)));
    }
    let legal = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if legal { Ok(id) } else { Err(Fault::IllegalNamespace(format!("namespaceId [{id}] mismatch the pattern"))) }
}

fn legal_name(name: &str) -> Result<&str, Fault> {
    if name.trim().is_empty() || check_param(model::Param::NamespaceName, name).is_err() {
        return Err(Fault::IllegalNamespace(format!("namespaceName [{name}] contains illegal char")));
    }
    Ok(name)
}

fn description(call: &Call<'_>) -> Result<Option<compact_str::CompactString>, Fault> {
    let given = call.params.get(DESCRIPTION.name);
    match given.filter(|given| given.chars().count() > limits::NAMESPACE_DESCRIPTION) {
        None => Ok(given.map(Into::into)),
        Some(_) => {
            let limit = limits::NAMESPACE_DESCRIPTION;
            Err(Fault::IllegalNamespace(format!("too long namespaceDesc, over {limit}")))
        }
    }
}

fn shown_default(id: &str) -> Value {
    entry(id, DEFAULT_NAMESPACE, Some("Default Namespace"), 0)
}

fn shown(call: &Call<'_>, namespace: &Namespace) -> Value {
    // Another name for the same: made by an operator.
    let kind = if call.generation == V3 { 1 } else { 2 };
    entry(&namespace.id, &namespace.name, namespace.description.as_deref(), kind)
}

/// Configurations, which there are none of here, are limited to 200 a namespace.
fn entry(id: &str, name: &str, description: Option<&str>, kind: u8) -> Value {
    json!({
        "namespace": id,
        "namespaceShowName": name,
        "namespaceDesc": description,
        "quota": 200,
        "configCount": 0,
        "type": kind,
    })
}
