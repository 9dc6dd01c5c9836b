//! One description of each operation: what it is called, which parameters it takes, what it does. Routes, handlers and the
//! OpenAPI description all come from it, so none can say what another does not.

use axum::routing::MethodFilter;

use crate::{
    http::nacos::{Answer, Call, Fault, Generation},
    model::Proposal,
    node::{Input, Reply},
};

/// What an operation comes to, once its parameters are understood.
pub(super) enum Step {
    /// Nothing is left to do.
    Answer(Answer),
    /// A change of what clients publish, which is for the node that is responsible for the client.
    Write(Box<Input>, Then),
    /// A change that must be durable and the same on all nodes.
    Propose(Box<Proposal>, Then),
}

/// How the node's reply is answered.
pub(super) type Then = Box<dyn FnOnce(Reply) -> Result<Answer, Fault> + Send>;

impl Step {
    /// A change of what clients publish that is answered by `ok`.
    pub(super) fn write(input: Input) -> Self {
        Self::Write(Box::new(input), Box::new(|_| Ok(Answer::Done)))
    }

    /// An agreed change that is answered by `ok`.
    pub(super) fn propose(proposal: Proposal) -> Self {
        Self::propose_for(proposal, Answer::Done)
    }

    /// An agreed change with an answer that is known beforehand.
    pub(super) fn propose_for(proposal: Proposal, answer: Answer) -> Self {
        Self::Propose(Box::new(proposal), Box::new(|_| Ok(answer)))
    }
}

impl From<Answer> for Step {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

/// One operation, the same in all generations that have it but for what its parameters say.
pub(super) struct Operation {
    /// Unique verb and noun.
    pub(super) name: &'static str,
    /// One sentence for people.
    pub(super) summary: &'static str,
    /// What it reads, in the order in which it misses them.
    pub(super) params: &'static [Param],
    /// Statuses of its own faults, beside the 400 of what its parameters say.
    pub(super) faults: &'static [u16],
    /// Translates a request.
    pub(super) run: fn(&Call<'_>) -> Result<Step, Fault>,
}

/// Where an operation is served, below `/nacos`.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) generation: Generation,
    pub(super) operation: &'static Operation,
}

impl Route {
    pub(super) const fn new(
        method: Method,
        path: &'static str,
        generation: Generation,
        operation: &'static Operation,
    ) -> Self {
        Self { method, path, generation, operation }
    }

    /// Whether it is the console's, and so served outside the context too.
    pub(super) fn is_of_console(&self) -> bool {
        ["/v1/console/", "/v2/console/", "/v3/console/"].iter().any(|start| self.path.starts_with(start))
    }
}

impl Route {
    /// Whether names in parameters are checked before the operation sees them, as by the filter of the reference.
    pub(super) fn is_checked(&self) -> bool {
        !self.path.starts_with("/v3/admin/core/")
    }
}

/// The methods of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    /// Whatever a caller takes; described as GET.
    Any,
}

impl Method {
    /// Whether an operation of this method only reads.
    pub(super) fn reads(self) -> bool {
        matches!(self, Method::Get | Method::Any)
    }

    /// What the router matches.
    pub(super) fn filter(self) -> MethodFilter {
        match self {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
            Method::Put => MethodFilter::PUT,
            Method::Patch => MethodFilter::PATCH,
            Method::Delete => MethodFilter::DELETE,
            Method::Any => MethodFilter::GET
                .or(MethodFilter::POST)
                .or(MethodFilter::PUT)
                .or(MethodFilter::PATCH)
                .or(MethodFilter::DELETE),
        }
    }
}

/// The type of a parameter's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    /// A JSON text.
    Json,
}

/// A parameter, in the query or in a form.
#[derive(Clone, Copy)]
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
    /// What it says.
    pub(super) about: &'static str,
    /// A value that works.
    pub(super) example: &'static str,
    /// The generations that know it; all when empty.
    pub(super) only: &'static [Generation],
    /// Whether the answer may have another shape than that of the example.
    pub(super) reshapes: bool,
}

impl Param {
    pub(super) const fn new(kind: Kind, name: &'static str, example: &'static str, about: &'static str) -> Self {
        Self { name, kind, required: false, about, example, only: &[], reshapes: false }
    }

    /// The operation is refused without it.
    pub(super) const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// The answer has another shape with another value.
    pub(super) const fn reshaping(self) -> Self {
        Self { reshapes: true, ..self }
    }

    /// Other generations spell it otherwise or do not know it.
    pub(super) const fn only(self, only: &'static [Generation]) -> Self {
        Self { only, ..self }
    }
}

/// Parameters that many operations share.
pub(super) mod param {
    use super::{Kind, Param};
    use crate::model::CONSISTENCY;

    pub(in crate::http::nacos) const NAMESPACE: Param =
        Param::new(Kind::Text, "namespaceId", "public", "Namespace; absent or blank is `public`.");
    pub(in crate::http::nacos) const GROUP: Param =
        Param::new(Kind::Text, "groupName", "DEFAULT_GROUP", "Group; absent or blank is `DEFAULT_GROUP`.");
    pub(in crate::http::nacos) const SERVICE: Param =
        Param::new(Kind::Text, "serviceName", "orders", "Name of the service; `group@@name` names the group too.")
            .required();
    pub(in crate::http::nacos) const IP: Param =
        Param::new(Kind::Text, "ip", "10.0.0.1", "Address or host name of the instance.").required();
    pub(in crate::http::nacos) const PORT: Param =
        Param::new(Kind::Integer, "port", "8080", "Port of the instance, 0 to 65535.").required();
    pub(in crate::http::nacos) const CLUSTER: Param =
        Param::new(Kind::Text, "clusterName", "DEFAULT", "Cluster of the instance.");
    pub(in crate::http::nacos) const WEIGHT: Param =
        Param::new(Kind::Number, "weight", "1.0", "Share of the load, 0 to 10000.");
    pub(in crate::http::nacos) const HEALTHY: Param =
        Param::new(Kind::Boolean, "healthy", "true", "Whether it is found healthy.");
    pub(in crate::http::nacos) const ENABLED: Param =
        Param::new(Kind::Boolean, "enabled", "true", "Whether readers see it.");
    pub(in crate::http::nacos) const EPHEMERAL: Param =
        Param::new(Kind::Boolean, "ephemeral", "true", "Whether it lives by its client, not until it is deregistered.");
    pub(in crate::http::nacos) const METADATA: Param = Param::new(
        Kind::Text,
        "metadata",
        "{\"zone\":\"a\"}",
        "Labels: a flat JSON object, or pairs `k=v,k2=v2`; at most 1024 characters in all.",
    );
    pub(in crate::http::nacos) const PAGE: Param = Param::new(Kind::Integer, "pageNo", "1", "Page, from 1.");
    pub(in crate::http::nacos) const PAGE_SIZE: Param = Param::new(Kind::Integer, "pageSize", "10", "Entries a page.");
    pub(in crate::http::nacos) const STRONG: Param = Param::new(
        Kind::Text,
        CONSISTENCY,
        "strong",
        "With `strong`, nothing of persistent instances is older than what any node acknowledged before; the read waits \
         for that, and is refused while most nodes cannot be reached.",
    );
    pub(in crate::http::nacos) const HEALTHY_ONLY: Param =
        Param::new(Kind::Boolean, "healthyOnly", "false", "Leaves out unhealthy instances.");
}
