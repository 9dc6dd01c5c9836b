//! Which callers of a list are subscribed by asking for it, so that they are pushed changes by datagram until they stop
//! asking (http.md 9.1; Nacos `ClientInfo` and `PushService.canEnablePush`).

use std::net::{IpAddr, SocketAddr};

use crate::{
    http::nacos::{Call, Fault, Generation},
    model::{Attributes, Flag, Language, Switches},
};

/// Clients that take pushes by datagram: how their agent begins, and which switch says from which version on they do.
/// Others may name a port and mean nothing by it.
const PUSHABLE: [(&str, Language); 6] = [
    ("Nacos-Java-Client:v", Language::Java),
    ("Nacos-Go-Client:v", Language::Go),
    ("Nacos-CSharp-Client:v", Language::Csharp),
    ("Nacos-C-Client:v", Language::C),
    ("vip-client4cpp:v", Language::C),
    ("Nacos-DNS:v", Language::Python),
];

impl Call<'_> {
    /// Where the caller of a list is to be pushed changes of it; none when it is not.
    pub(super) fn datagram_address(&self) -> Result<Option<SocketAddr>, Fault> {
        let (ip, port) = match self.generation {
            Generation::V1 => ("clientIP", "udpPort"),
            Generation::V2 => ("ip", "port"),
            Generation::V3 => return Ok(None),
        };
        let given = self.params.text(port).trim();
        let port: i32 = match given {
            "" => 0,
            given => Fault::parsed(given)?,
        };
        let port = u16::try_from(port).ok().filter(|port| *port > 0);
        let ip = match self.params.text(ip).trim() {
            // Nacos subscribes nobody at that port then.
            "" => self.caller.ip,
            // A host name is not resolved: that would be done again and again for whatever a caller writes there.
            given => given.parse().ok(),
        };
        let address = ip.map(|ip| ip.to_canonical()).filter(is_one_machine).zip(port).map(SocketAddr::from);
        match address {
            Some(_) if !takes_pushes(&self.caller.agent, &self.api.switches()) => Ok(None),
            address => Ok(address),
        }
    }

    /// What the caller of a list says of itself.
    pub(super) fn attributes(&self) -> Attributes {
        let app = self.params.get("app").filter(|app| !app.is_empty());
        Attributes { agent: self.caller.agent.clone(), app: app.map_or(self.caller.app.clone(), Into::into) }
    }
}

/// Nobody may have datagrams sent to a whole network.
fn is_one_machine(ip: &IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

/// Whether a client of this agent takes pushes by datagram, and there are any.
fn takes_pushes(agent: &str, switches: &Switches) -> bool {
    let is_pushable = |(prefix, language): &(&str, Language)| {
        let given = agent.strip_prefix(prefix);
        given.is_some_and(|given| version(given) >= version(switches.push_version(*language)))
    };
    switches.flag(Flag::Push) && PUSHABLE.iter().any(is_pushable)
}

/// The first three numbers of a version; what is not there or no number is 0.
fn version(text: &str) -> [u32; 3] {
    let mut parts = text.split(['.', '-', '_', '/', ' ']).map(|part| part.parse().unwrap_or(0));
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Switch;

    #[test]
    fn clients_of_the_first_protocol_take_pushes_and_others_do_not() {
        let taking = [
            "Nacos-Java-Client:v1.4.2",
            "Nacos-Java-Client:v0.1.0",
            "Nacos-Java-Client:v2.0.0-SNAPSHOT",
            "Nacos-Go-Client:v1.0.0",
            "Nacos-CSharp-Client:v1.0.0",
            "Nacos-C-Client:v1.0.21",
            "Nacos-C-Client:v1.0.12",
            "vip-client4cpp:v2",
            "Nacos-DNS:v1.0.1",
        ];
        for agent in taking {
            assert!(takes_pushes(agent, &Switches::default()), "{agent}");
        }
        let others = [
            "",
            "curl/8.0",
            "Mozilla/5.0",
            "Nacos-Python-Client:v9.9.9",
            "Nacos-Rust-Client:v1.0.0",
            "nacos-java-client:v1.4.2",
            "Nacos-Java-Client:v0.0.9",
            "Nacos-Java-Client:v",
            "Nacos-Java-Client",
            "Nacos-C-Client:v1.0.11",
            "Nacos-CSharp-Client:v0.8.5",
            "Nacos-DNS:v0.4.2",
        ];
        for agent in others {
            assert!(!takes_pushes(agent, &Switches::default()), "{agent}");
        }
    }

    #[test]
    fn switches_say_who_takes_pushes() {
        let (java, go) = ("Nacos-Java-Client:v1.4.2", "Nacos-Go-Client:v1.0.0");
        let takes = |switch: Switch| {
            let mut switches = Switches::default();
            switches.set(switch);
            [java, go].map(|agent| takes_pushes(agent, &switches))
        };
        assert_eq!(takes(Switch::PushVersion(Language::Java, "1.4.3".into())), [false, true]);
        assert_eq!(takes(Switch::PushVersion(Language::Java, "1.4.2".into())), [true, true]);
        assert_eq!(takes(Switch::Flag(Flag::Push, false)), [false, false]);
    }

    #[test]
    fn networks_are_nobody() {
        for ip in ["0.0.0.0", "255.255.255.255", "224.0.0.1", "::", "ff02::1"] {
            assert!(!is_one_machine(&ip.parse().expect("an address")), "{ip}");
        }
        for ip in ["10.0.0.1", "127.0.0.1", "::1", "fe80::1"] {
            assert!(is_one_machine(&ip.parse().expect("an address")), "{ip}");
        }
    }
}
