//! What integration tests share: a node in this process and a client that can say anything.

mod datagram;
mod http;
mod node;
mod raw;
mod stream;
mod transport;

pub use datagram::{Datagram, JAVA, Subscriber, member_order};
pub use http::{HttpAnswer, HttpRequest};
pub use node::Node;
pub use raw::{Outcome, RawClient, payload};
pub use stream::{BiStream, Message, acknowledge};

/// How long anything that must happen may take. Nothing waits that long unless it fails.
pub const DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);

/// A client that is set up: its transport and its stream.
pub struct Session {
    /// The transport.
    pub client: RawClient,
    /// The stream pushes come on.
    pub stream: BiStream,
}

impl Session {
    /// Connects as a naming client of no particular SDK and waits for the ack of the set-up.
    pub async fn connect(node: &Node) -> Self {
        let setup =
            r#"{"clientVersion":"Raw-Client:v1","labels":{"source":"sdk","module":"naming"},"abilityTable":{}}"#;
        Self::connect_as(node, setup).await
    }

    /// Connects with this set-up, which must negotiate, and waits for its ack.
    pub async fn connect_as(node: &Node, setup: &str) -> Self {
        let client = RawClient::open(node.grpc_port()).await;
        let stream = client.stream().await;
        stream.send("ConnectionSetupRequest", setup);
        let acked =
            stream.wait(|messages| messages.iter().any(|message| message.kind == "SetupAckRequest").then_some(()));
        acked.await.expect("the set-up is acknowledged");
        Self { client, stream }
    }
}
