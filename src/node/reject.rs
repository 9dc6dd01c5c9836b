//! The one table from what a node refuses to the codes of Nacos.

use thiserror::Error;

use crate::registry::ClientGone;

/// Why an input was refused; it changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// The client is not there: its connection ended while the request was under way.
    #[error("errCode: -401, errMsg: {0} ")]
    ClientGone(#[from] ClientGone),
}

impl Rejection {
    /// The code a Nacos client knows (`NacosException`).
    pub fn code(&self) -> i32 {
        match self {
            Rejection::ClientGone(_) => -401,
        }
    }
}
