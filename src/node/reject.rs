//! The one table from what a node refuses to the codes of Nacos.

use thiserror::Error;

use crate::{
    model::{MetadataOperation, NamespaceOperation, NamespaceRefused, Outcome, Proposal, ServiceKey, limits},
    node::Reply,
    registry::Refused,
};

/// Why an input was refused; it changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// The registry refuses it.
    #[error("errCode: {}, errMsg: {} ", code(.0), .0)]
    Registry(#[from] Refused),
    /// The namespaces refuse it.
    #[error(transparent)]
    Namespace(#[from] NamespaceRefused),
    /// What is asked for may be older here than it was already shown.
    #[error("server is STARTING now, please try again later! ({} is not recovered yet)", .0.grouped())]
    Recovering(ServiceKey),
}

impl Reply {
    /// What came of a proposal that nodes agreed on, as this node's own answers say it. Late and overloaded ones are not
    /// for a node to answer.
    pub fn of(outcome: Outcome, proposal: &Proposal) -> Result<Self, Rejection> {
        match (outcome, proposal) {
            (Outcome::Deregistered(any), _) => Ok(Reply::Deregistered(any)),
            (Outcome::ServiceExists, Proposal::Metadata(MetadataOperation::Create { service, .. })) => {
                Err(Refused::ServiceExists(service.clone()).into())
            }
            (Outcome::NotEmpty, Proposal::Metadata(MetadataOperation::Remove { service })) => {
                Err(Refused::NotEmpty(service.clone()).into())
            }
            (Outcome::NamespaceExists, Proposal::Namespace(NamespaceOperation::Create(one))) => {
                Err(NamespaceRefused::Exists(one.id.clone()).into())
            }
            (Outcome::NamespacesFull, _) => Err(NamespaceRefused::Full(limits::NAMESPACES).into()),
            _ => Ok(Reply::Done),
        }
    }
}

impl Rejection {
    /// The code a Nacos client knows (`NacosException`).
    pub fn code(&self) -> i32 {
        match self {
            Rejection::Registry(refused) => code(refused),
            Rejection::Namespace(_) => 400,
            Rejection::Recovering(_) => 503,
        }
    }
}

fn code(refused: &Refused) -> i32 {
    match refused {
        Refused::ClientGone(_) => -401,
        _ => 400,
    }
}
