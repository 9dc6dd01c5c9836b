//! Who asks: what a request says of its sender beside its parameters (http.md 3.4).

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};
use compact_str::CompactString;

/// The other end of the transport a request came on. Put into the request by whoever accepted it.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub SocketAddr);

/// Client software with its version: `User-Agent`, else `Client-Version`, the only one of the C++ SDK.
pub(super) fn agent(headers: &HeaderMap) -> &str {
    first_of(headers, ["User-Agent", "Client-Version"])
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim()
}

fn first_of<'a>(headers: &'a HeaderMap, names: [&str; 2]) -> &'a str {
    names.map(|name| text(headers, name)).into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}

/// The sender of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Caller {
    /// See [`agent`].
    pub(super) agent: CompactString,
    /// Application name; empty when the caller gives none.
    pub(super) app: CompactString,
    /// Where the request comes from, through proxies that say so. None where there is no transport.
    pub(super) ip: Option<IpAddr>,
}

impl Caller {
    fn read(headers: &HeaderMap, peer: Option<IpAddr>) -> Self {
        let text = |name| text(headers, name);
        let forwarded = text("X-Forwarded-For").split(',').next().unwrap_or_default().trim();
        let named = [forwarded, text("X-Real-IP")].into_iter().find_map(|ip| ip.parse().ok());
        Self {
            agent: agent(headers).into(),
            app: first_of(headers, ["app", "Client-AppName"]).into(),
            ip: named.or(peer),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<PeerAddress>().map(|peer| peer.0.ip().to_canonical());
        Ok(Self::read(&parts.headers, peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(headers: &[(&'static str, &'static str)]) -> Caller {
        let headers = headers.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("text")));
        Caller::read(&headers.collect(), Some(IpAddr::from([10, 0, 0, 9])))
    }

    #[test]
    fn the_agent_is_the_first_header_that_says_something() {
        assert_eq!(caller(&[("user-agent", "Nacos-Java-Client:v1.4.8")]).agent, "Nacos-Java-Client:v1.4.8");
        let cpp = [("user-agent", ""), ("client-version", "Nacos-C-Client:v1.0.21")];
        assert_eq!(caller(&cpp).agent, "Nacos-C-Client:v1.0.21");
        assert_eq!(caller(&[]).agent, "");
    }

    #[test]
    fn the_address_is_what_the_first_proxy_saw_or_the_other_end() {
        let ip = |headers: &[(&'static str, &'static str)]| caller(headers).ip.expect("known").to_string();
        assert_eq!(ip(&[("x-forwarded-for", "10.1.1.1, 10.2.2.2"), ("x-real-ip", "10.3.3.3")]), "10.1.1.1");
        assert_eq!(ip(&[("x-forwarded-for", "unknown"), ("x-real-ip", "10.3.3.3")]), "10.3.3.3");
        assert_eq!(ip(&[]), "10.0.0.9");
    }
}
