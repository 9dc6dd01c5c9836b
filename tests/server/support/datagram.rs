//! A client of the first protocol: it polls over HTTP, takes pushes on a UDP socket, and acknowledges what it is told to.

use std::{fmt, io::Read, net::SocketAddr};

use flate2::read::GzDecoder;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use tokio::net::UdpSocket;

use super::{DEADLINE, HttpRequest, Node};

/// Agent of a client that is pushed datagrams.
pub const JAVA: (&str, &str) = ("User-Agent", "Nacos-Java-Client:v1.4.2");

/// A socket that pushes come to.
pub struct Subscriber {
    socket: UdpSocket,
}

/// A push as it came.
pub struct Datagram {
    /// Where it came from, and acks go.
    pub from: SocketAddr,
    /// Whether it was compressed.
    pub compressed: bool,
    /// What it says.
    pub text: String,
    /// The list in it.
    pub data: String,
    /// What its ack must name.
    pub token: Value,
}

impl Datagram {
    fn read(bytes: &[u8], from: SocketAddr) -> Self {
        let compressed = bytes.starts_with(&[0x1f, 0x8b]);
        let mut text = String::new();
        if compressed {
            GzDecoder::new(bytes).read_to_string(&mut text).expect("a compressed text");
        } else {
            text = String::from_utf8(bytes.to_vec()).expect("a text");
        }
        let packet: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(packet["type"], "dom");
        let (data, token) = (packet["data"].as_str().expect("a text").to_owned(), packet["lastRefTime"].clone());
        Self { from, compressed, text, data, token }
    }

    /// The list, parsed.
    pub fn list(&self) -> Value {
        serde_json::from_str(&self.data).expect("JSON")
    }

    /// The ports of the hosts, sorted.
    pub fn ports(&self) -> Vec<u64> {
        let list = self.list();
        let hosts = list["hosts"].as_array().expect("hosts").iter();
        let mut ports: Vec<u64> = hosts.map(|host| host["port"].as_u64().expect("a port")).collect();
        ports.sort_unstable();
        ports
    }
}

impl Subscriber {
    /// A subscriber on any port of an address.
    pub async fn at(ip: &str) -> Self {
        Self { socket: UdpSocket::bind((ip, 0)).await.expect("a free port") }
    }

    /// A subscriber on this machine.
    pub async fn new() -> Self {
        Self::at("127.0.0.1").await
    }

    /// Where pushes come to.
    pub fn port(&self) -> u16 {
        self.socket.local_addr().expect("bound").port()
    }

    /// Polls with the parameters that say where pushes are to go, and returns the answered status and text.
    pub async fn poll(&self, node: &Node, path_and_query: &str, agent: (&str, &str)) -> (u16, String) {
        let target = path_and_query.replace("UDP_PORT", &self.port().to_string());
        let headers = vec![(agent.0.to_owned(), agent.1.to_owned())];
        let request = HttpRequest { method: "GET".to_owned(), target, headers, body: None };
        let answer = request.send(node.http_port()).await.expect("answered");
        (answer.status, String::from_utf8(answer.body).expect("a text"))
    }

    /// The next push.
    pub async fn receive(&self) -> Datagram {
        let mut buffer = vec![0; 65_535];
        let received = tokio::time::timeout(DEADLINE, self.socket.recv_from(&mut buffer)).await;
        let (length, from) = received.expect("pushed in time").expect("readable");
        Datagram::read(&buffer[..length], from)
    }

    /// Sends any bytes to where a push came from.
    pub async fn send(&self, to: &Datagram, bytes: &[u8]) {
        self.socket.send_to(bytes, to.from).await.expect("sent");
    }

    /// Acknowledges a push, with its token as a text or as a number.
    pub async fn acknowledge(&self, push: &Datagram, as_text: bool) {
        let quote = if as_text { "\"" } else { "" };
        let ack = format!(r#"{{"type": "push-ack", "lastRefTime": {quote}{}{quote}, "data":""}}"#, push.token);
        self.send(push, ack.as_bytes()).await;
    }
}

/// The names of an object's members, in their order.
pub fn member_order(object: &str) -> Vec<String> {
    struct Members(Vec<String>);
    struct InOrder;

    impl<'de> Visitor<'de> for InOrder {
        type Value = Members;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
            let mut names = Vec::new();
            while let Some((name, IgnoredAny)) = map.next_entry()? {
                names.push(name);
            }
            Ok(Members(names))
        }
    }

    impl<'de> Deserialize<'de> for Members {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            from.deserialize_map(InOrder)
        }
    }

    serde_json::from_str::<Members>(object).expect("an object").0
}
