//! A real node in the test's own process, on free ports and with a directory of its own.

use roster::{config::RawSettings, model::ClientId, server::Server};
use tempfile::TempDir;

use super::{DEADLINE, http};

/// Pause between looks at a node's own numbers.
const POLL: std::time::Duration = std::time::Duration::from_millis(2);

/// A running node.
pub struct Node {
    server: Server,
    /// Removed when the node is.
    _data: TempDir,
}

impl Node {
    /// Starts a node with these changes to the default settings.
    pub async fn start_with(change: impl FnOnce(&mut RawSettings)) -> Self {
        // A setting of the shell would make a test mean something else there.
        let leak = std::env::vars_os().map(|(name, _)| name).find(|name| name.to_string_lossy().starts_with("ROSTER_"));
        assert_eq!(leak, None, "tests need an environment without settings of the server");
        let data = tempfile::tempdir().expect("a directory for the node");
        let mut raw = RawSettings { port: Some(0), data: Some(data.path().join("node")), ..RawSettings::default() };
        change(&mut raw);
        let settings = raw.load(None).expect("legal settings");
        let server = Server::start(&settings).await.expect("the node starts");
        Self { server, _data: data }
    }

    /// The port gRPC clients go to.
    pub fn grpc_port(&self) -> u16 {
        self.server.addresses()[1].port()
    }

    /// The main port, which HTTP clients go to.
    pub fn http_port(&self) -> u16 {
        self.server.addresses()[0].port()
    }

    /// Asks over HTTP/1.1 on the main port: the status and the body.
    pub async fn http(&self, method: &str, path: &str) -> (u16, String) {
        self.http_at(self.http_port(), method, path).await
    }

    /// Asks over HTTP/1.1 on a port.
    pub async fn http_at(&self, port: u16, method: &str, path: &str) -> (u16, String) {
        http::ask(port, method, path).await
    }

    /// Waits until `holds`, which no message tells of, comes true.
    pub async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !holds(self) {
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(DEADLINE, waiting).await.expect("comes true in time");
    }

    /// The server itself.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Waits until a connection is set up, or until it is over.
    pub async fn wait_for(&self, connection: &ClientId, set_up: bool) {
        self.until(|node| node.server.connections().list().iter().any(|(id, _)| id == connection) == set_up).await;
    }

    /// Stops the node.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}
