//! Calls over HTTP that share nothing with each other, so that none is disturbed by the death of a node before it.

use std::{io, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::Ports;

/// A node that was stopped never answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// One call: status and body. An error when nobody answers in time.
pub async fn call(address: &str, method: &str, target: &str, body: &str) -> io::Result<(u16, String)> {
    let kind = if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
    let length = body.len();
    let head = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    let request = format!("{head}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}");
    let talk = async {
        let mut socket = TcpStream::connect(address).await?;
        socket.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await?;
        read(&answer).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
    };
    timeout(PATIENCE, talk).await?
}

fn read(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// The sum of a metric over its labels that contain `label`.
pub fn metric(page: &str, name: &str, label: &str) -> f64 {
    let lines = page.lines().filter_map(|line| line.strip_prefix(name));
    let of_it = lines.filter(|rest| rest.starts_with(['{', ' ']) && rest.contains(label));
    of_it.filter_map(|rest| rest.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

/// Ports of all instances in an answer, however deep they are in it.
pub fn shown(answer: &Value) -> Ports {
    match answer {
        Value::Array(all) => all.iter().flat_map(shown).collect(),
        Value::Object(fields) => {
            let own = fields.get("port").and_then(Value::as_u64).and_then(|port| port.try_into().ok());
            fields.values().flat_map(shown).chain(own).collect()
        }
        _ => Ports::new(),
    }
}
