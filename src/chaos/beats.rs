//! Instances that beat over HTTP, at whichever node answers.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::Method;
use tokio::time::{interval, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    ask::Http,
    load::beat_place,
    watch::{Ground, Place},
};

/// As the Java client 1.x.
const PERIOD: Duration = Duration::from_secs(5);
/// Pause before the next node is asked.
const AGAIN: Duration = Duration::from_millis(200);
/// What a beat of an instance that nobody knows is answered with.
const UNKNOWN: &[u8] = b"20404";

pub struct Beating {
    place: Place,
    /// When it was registered, in milliseconds.
    version: u64,
    nodes: Arc<Vec<String>>,
    next: usize,
    http: Http,
}

impl Beating {
    pub fn new(number: usize, service: &str, nodes: Arc<Vec<String>>, http: Http) -> Self {
        Self { place: beat_place(number, service), version: 1, nodes, next: number, http }
    }

    /// Registers and beats until `end`.
    pub async fn beat(mut self, ground: Arc<Ground>, end: CancellationToken) {
        self.version = ground.journal.millis();
        self.until_answered(&end, Method::POST, "/nacos/v1/ns/instance").await;
        ground.steady.lock().acknowledged.insert(self.place.clone(), self.version);
        let mut beats = interval(PERIOD);
        loop {
            tokio::select! {
                () = end.cancelled() => return,
                _ = beats.tick() => {}
            }
            let answer = self.until_answered(&end, Method::PUT, "/nacos/v1/ns/instance/beat").await;
            if answer.windows(UNKNOWN.len()).any(|part| part == UNKNOWN) {
                self.until_answered(&end, Method::POST, "/nacos/v1/ns/instance").await;
            }
        }
    }

    /// What the first node that takes it says.
    async fn until_answered(&mut self, end: &CancellationToken, method: Method, path: &str) -> Bytes {
        let target = format!("{path}?{}", query(&self.place, self.version));
        while !end.is_cancelled() {
            let node = &self.nodes[self.next % self.nodes.len()];
            match self.http.call(method.clone(), node, &target, Bytes::new()).await {
                Ok((200, body)) => return body,
                _ => self.next += 1,
            }
            sleep(AGAIN).await;
        }
        Bytes::new()
    }
}

fn query((service, ip, port): &Place, version: u64) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs([("serviceName", service.as_str()), ("ip", ip), ("port", &port.to_string())]);
    query.append_pair("metadata", &format!(r#"{{"version":"{version}"}}"#)).finish()
}
