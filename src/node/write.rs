//! Writes in the name of clients known by their address: what one node may forward to another.

use crate::{
    model::{ClientId, Instance, Published, ServiceKey},
    node::Input,
};

/// A write. Each is the input of the same name.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// See [`Input::Register`].
    Register {
        /// Who.
        client: ClientId,
        /// Where.
        service: ServiceKey,
        /// What.
        content: Published,
    },
    /// See [`Input::RegisterBeating`].
    RegisterBeating {
        /// Who.
        client: ClientId,
        /// Where.
        service: ServiceKey,
        /// What.
        instance: Box<Instance>,
    },
    /// See [`Input::Beat`].
    Beat {
        /// Who.
        client: ClientId,
        /// Where.
        service: ServiceKey,
        /// What is registered when nothing is.
        instance: Option<Box<Instance>>,
    },
    /// See [`Input::Deregister`].
    Deregister {
        /// Who.
        client: ClientId,
        /// Where.
        service: ServiceKey,
    },
}

impl Write {
    /// Whose publications it changes.
    pub fn client(&self) -> &ClientId {
        match self {
            Write::Register { client, .. }
            | Write::RegisterBeating { client, .. }
            | Write::Beat { client, .. }
            | Write::Deregister { client, .. } => client,
        }
    }

    /// Which service it is about.
    pub fn service(&self) -> &ServiceKey {
        match self {
            Write::Register { service, .. }
            | Write::RegisterBeating { service, .. }
            | Write::Beat { service, .. }
            | Write::Deregister { service, .. } => service,
        }
    }
}

impl From<Write> for Input {
    fn from(write: Write) -> Self {
        match write {
            Write::Register { client, service, content } => Input::Register { client, service, content },
            Write::RegisterBeating { client, service, instance } => {
                Input::RegisterBeating { client, service, instance }
            }
            Write::Beat { client, service, instance } => Input::Beat { client, service, instance },
            Write::Deregister { client, service } => Input::Deregister { client, service },
        }
    }
}

/// Gives back an input that is none, or is one of a connection's client, which never has another owner.
impl TryFrom<Input> for Write {
    type Error = Box<Input>;

    fn try_from(input: Input) -> Result<Self, Box<Input>> {
        match input {
            Input::Register { client, service, content } if client.is_address() => {
                Ok(Write::Register { client, service, content })
            }
            Input::RegisterBeating { client, service, instance } if client.is_address() => {
                Ok(Write::RegisterBeating { client, service, instance })
            }
            Input::Beat { client, service, instance } if client.is_address() => {
                Ok(Write::Beat { client, service, instance })
            }
            Input::Deregister { client, service } if client.is_address() => Ok(Write::Deregister { client, service }),
            other => Err(Box::new(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_writes_of_clients_known_by_their_address_are_forwarded() {
        let service = ServiceKey::new("", "", "orders").expect("legal");
        let write = Write::Deregister { client: ClientId::address("10.0.0.1", 80), service: service.clone() };
        assert_eq!(Write::try_from(Input::from(write.clone())).expect("a write"), write);
        let connection = ClientId::connection(7, ([10, 0, 0, 1], 80).into());
        assert!(Write::try_from(Input::Deregister { client: connection, service }).is_err());
        assert!(Write::try_from(Input::Members).is_err());
    }
}
