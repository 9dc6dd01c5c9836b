//! The one table from what a node refuses to the codes of Nacos.

use thiserror::Error;

use crate::{
    model::{NamespaceRefused, ServiceKey},
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
