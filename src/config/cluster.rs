//! Settings of the cluster: who the members are, and how their values are written.

use std::{fmt, marker::PhantomData, str::FromStr};

use figment::value::Value;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::{
    config::PEER_OFFSET,
    model::{HostPort, NodeId},
};

/// What a node knows beforehand of the others.
#[derive(Clone, Debug)]
pub struct ClusterSettings {
    /// Main addresses of all members, this node among them; empty for a node alone.
    pub peers: Vec<HostPort>,
    /// Main addresses of members of the cluster that this node joins; empty for one that founds its own.
    pub join: Vec<HostPort>,
    /// What this node is called in that list, or by others when it is alone.
    pub advertise: Option<HostPort>,
    /// Name of the cluster. Nodes of others are refused.
    pub name: String,
    /// What members prove that they know before they are heard.
    pub secret: Option<Secret>,
    /// Where else than at its own address a member's cluster port is.
    pub routes: Vec<Route>,
}

/// The shared secret of a cluster. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for proofs only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// A secret that protects nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must not be empty")]
pub struct EmptySecret;

impl FromStr for Secret {
    type Err = EmptySecret;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() { Err(EmptySecret) } else { Ok(Self(text.to_owned())) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}

/// For the merge of settings, where it is read again.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

/// Whose cluster port is elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routed {
    /// The member with this id.
    Node(NodeId),
    /// The member with this main address.
    Address(HostPort),
}

/// `ID=host:port` or `host:port=host:port`: a member, and where its cluster port is reached. For tests, which put
/// something between nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which member.
    pub member: Routed,
    /// Where it is reached.
    pub at: HostPort,
}

/// A text that is no route.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no route: ID=host:port or host:port=host:port")]
pub struct IllegalRoute(String);

impl FromStr for Route {
    type Err = IllegalRoute;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once('=').and_then(|(member, at)| {
            let member = member.trim();
            let member = match member.parse() {
                Ok(id) => Routed::Node(id),
                Err(_) => Routed::Address(member.parse().ok()?),
            };
            Some(Self { member, at: at.parse().ok()? })
        });
        parsed.ok_or_else(|| IllegalRoute(text.to_owned()))
    }
}

impl fmt::Display for Route {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.member {
            Routed::Node(id) => write!(out, "{id}={}", self.at),
            Routed::Address(address) => write!(out, "{address}={}", self.at),
        }
    }
}

/// A value written as a text, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maybe<T>(pub Option<T>);

/// Values between commas, or a list of texts in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T>(pub Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: FromStr> FromStr for List<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl<T: FromStr> FromStr for Maybe<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(|value| Self(Some(value)))
    }
}

impl<T: fmt::Display> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter().map(ToString::to_string))
    }
}

impl<T: Serialize> Serialize for Maybe<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // The environment makes numbers of digits: of a secret `007` must become neither `7` nor a part of an error.
        match <Option<Value> as Deserialize>::deserialize(from)? {
            None | Some(Value::Empty(..)) => Ok(Self(None)),
            Some(Value::String(_, text)) => text.parse().map_err(de::Error::custom),
            Some(_) => Err(de::Error::custom("reads as a number or the like; put it in double quotes")),
        }
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ListReader(PhantomData))
    }
}

struct ListReader<T>(PhantomData<T>);

impl<'de, T: FromStr<Err: fmt::Display>> de::Visitor<'de> for ListReader<T> {
    type Value = List<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("values between commas or a list of texts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut texts: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(text) = texts.next_element::<String>()? {
            all.push(text.parse().map_err(de::Error::custom)?);
        }
        Ok(List(all))
    }
}

/// What is wrong with main addresses of nodes, if something is.
pub(super) fn check_addresses(addresses: &[HostPort]) -> Result<(), String> {
    for (position, address) in addresses.iter().enumerate() {
        if address.port > u16::MAX - PEER_OFFSET {
            return Err(format!("{address}: the port 1001 above must exist too, so at most 64534"));
        }
        if addresses[..position].contains(address) {
            return Err(format!("{address} is there twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_names_a_member_by_id_or_address() {
        let id = "000000000000000000000000000000ff";
        for text in [&format!("{id}=127.0.0.1:9000"), "a:1=b:2"] {
            assert_eq!(text.parse::<Route>().map(|route| route.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "a:1", "a:1=", "a=b:1", "=b:1"] {
            assert!(text.parse::<Route>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let secret: Secret = "mellon".parse().expect("legal");
        assert!(!format!("{secret:?}").contains("mellon"));
        assert_eq!(secret.reveal(), "mellon");
        assert_eq!("".parse::<Secret>(), Err(EmptySecret));
    }
}
