//! HTTP/1.1 requests, each over a connection of its own: plain ones, and such as only odd clients send.

use std::io;

use axum::{
    Router,
    body::Body,
    http::{HeaderName, HeaderValue},
};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use tower::ServiceExt;

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

/// A request as it goes over the wire. hyper's client refuses some of what clients of the reference send.
pub struct HttpRequest {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Headers besides host, length and connection.
    pub headers: Vec<(String, String)>,
    /// The body; none sends no length either, but with the methods that clients give one.
    pub body: Option<Vec<u8>>,
}

/// An answer as it came.
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// Headers with lower-case names, in order.
    pub headers: Vec<(String, String)>,
    /// The body, of its chunks.
    pub body: Vec<u8>,
}

impl HttpRequest {
    /// Sends it over a connection of its own. No answer is the error why.
    pub async fn send(&self, port: u16) -> io::Result<HttpAnswer> {
        let asking = async {
            let mut socket = TcpStream::connect(("127.0.0.1", port)).await?;
            // One write: a server that refuses at the head may have closed before a second one.
            socket.write_all(&self.bytes(port)).await?;
            let mut answer = Vec::new();
            socket.read_to_end(&mut answer).await?;
            HttpAnswer::read(&answer).ok_or_else(|| io::Error::other("no whole HTTP/1.1 answer"))
        };
        tokio::time::timeout(DEADLINE, asking).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Gives it to the handlers of a node, without a socket.
    pub async fn ask(&self, handlers: Router) -> io::Result<HttpAnswer> {
        let mut request = Request::builder().method(&*self.method).uri(&self.target);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(self.body.clone().unwrap_or_default())).map_err(io::Error::other)?;
        let (head, body) = handlers.oneshot(request).await.expect("handlers do not fail").into_parts();
        let header = |(name, value): (&_, &HeaderValue)| {
            Some((HeaderName::as_str(name).to_owned(), value.to_str().ok()?.to_owned()))
        };
        let headers = head.headers.iter().filter_map(header).collect();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes().to_vec();
        Ok(HttpAnswer { status: head.status.as_u16(), headers, body })
    }

    fn bytes(&self, port: u16) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        match &self.body {
            Some(body) => head += &format!("Content-Length: {}\r\n", body.len()),
            None if ["POST", "PUT", "PATCH"].contains(&&*self.method) => head += "Content-Length: 0\r\n",
            None => {}
        }
        head += "Connection: close\r\n\r\n";
        [head.as_bytes(), self.body.as_deref().unwrap_or_default()].concat()
    }
}

impl HttpAnswer {
    fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let header =
            |line: &str| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
        let headers: Vec<(String, String)> = lines.map(header).collect::<Option<_>>()?;
        let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
        let body = &bytes[end + 4..];
        let body = if chunked { joined(body)? } else { body.to_vec() };
        Some(Self { status, headers, body })
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The chunks of a body, without their sizes. None when the last is missing.
fn joined(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    // A HEAD is answered with the headers of a GET.
    while !rest.is_empty() {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend(rest.get(end + 2..end + 2 + size)?);
        rest = rest.get(end + 2 + size + 2..)?;
    }
    body.is_empty().then_some(body)
}
