//! One HTTP/1.1 request.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::DEADLINE;

/// The status and the body of the answer.
pub(super) async fn ask(port: u16, method: &str, path: &str) -> (u16, String) {
    let asking = async {
        let socket = TcpStream::connect(("127.0.0.1", port)).await.expect("the node accepts");
        let (mut send, connection) = http1::handshake(TokioIo::new(socket)).await.expect("the node speaks HTTP/1.1");
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header("host", "127.0.0.1");
        let answer = send.send_request(request.body(Empty::<Bytes>::new()).expect("a request")).await;
        let answer = answer.expect("answered");
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("a text"))
    };
    tokio::time::timeout(DEADLINE, asking).await.expect("in time")
}
