//! One Nacos client: one HTTP/2 transport that carries its unary calls and its push stream. Promises that a call
//! ends by its deadline, that a reply has the right type and `resultCode` 200, that every push is acknowledged and
//! handed on, and that an idle client sends the health check the SDKs send. Never reconnects, since a new transport
//! would be a new client, and never retries, since a retry hides an error.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{task::JoinHandle, time};
use tonic::transport::{Channel, Endpoint};

use super::{
    envelope::{MESSAGE_LIMIT, open, payload},
    message::{Action, Instance, Reply, Request, View},
    stream::{self, OnPush},
    tally::{Fault, Tally},
};
use crate::proto::request_client::RequestClient;

const HEALTH_CHECK_PERIOD: Duration = Duration::from_secs(5);
const REGISTRATION_POLL: Duration = Duration::from_millis(10);
const COMMON_BODY: &[u8] = br#"{"headers":{},"module":"internal"}"#;

/// Where to connect and how long any one wait may take.
#[derive(Clone, Debug)]
pub struct Address {
    pub uri: String,
    pub timeout: Duration,
}

/// A registered connection. Dropping it closes the transport, with which its instances and subscriptions end.
#[derive(Debug)]
pub struct Client {
    calls: Arc<Calls>,
    tasks: [JoinHandle<()>; 2],
}

#[derive(Debug)]
struct Calls {
    grpc: RequestClient<Channel>,
    timeout: Duration,
    tally: Arc<Tally>,
    born: Instant,
    /// Milliseconds after `born`.
    last_call: AtomicU64,
}

impl Client {
    pub async fn connect(address: &Address, tally: Arc<Tally>, on_push: OnPush) -> Result<Self, Fault> {
        let endpoint = Endpoint::from_shared(address.uri.clone())
            .map_err(|error| Fault::Failed(format!("{}: {error}", address.uri)))?;
        let channel = endpoint.connect_timeout(address.timeout).connect().await;
        let channel =
            channel.map_err(|error| Fault::Failed(format!("connect to {}: {}", address.uri, chain(&error))))?;
        Self::over(channel, address.timeout, tally, on_push).await
    }

    /// The same over a transport of one's own.
    pub async fn over(channel: Channel, timeout: Duration, tally: Arc<Tally>, on_push: OnPush) -> Result<Self, Fault> {
        let deadline = time::Instant::now() + timeout;
        let calls = Arc::new(Calls {
            grpc: RequestClient::new(channel.clone()).max_decoding_message_size(MESSAGE_LIMIT),
            timeout,
            tally: Arc::clone(&tally),
            born: Instant::now(),
            last_call: AtomicU64::new(0),
        });
        calls.call("ServerCheckRequest", "ServerCheckResponse", COMMON_BODY).await?;
        let listener = tokio::spawn(stream::listen(channel, tally, on_push));
        let keeper = tokio::spawn(Arc::clone(&calls).keep_alive());
        let client = Self { calls, tasks: [listener, keeper] };
        client.registered(deadline).await?;
        Ok(client)
    }

    /// Whether its stream is there. One that is cut off silently looks so until a call fails.
    pub fn is_connected(&self) -> bool {
        !self.tasks[0].is_finished()
    }

    /// The set-up travels on the stream and the calls do not wait for it: until it is processed a server answers 301.
    async fn registered(&self, deadline: time::Instant) -> Result<(), Fault> {
        loop {
            match self.calls.health_check().await {
                Ok(_) => return Ok(()),
                Err(fault) if time::Instant::now() >= deadline => return Err(fault),
                Err(_) => time::sleep(REGISTRATION_POLL).await,
            }
        }
    }

    pub async fn register(&self, service: &str, instance: &Instance) -> Result<(), Fault> {
        self.send(Request { service, action: Action::Register(instance) }).await.map(drop)
    }

    pub async fn deregister(&self, service: &str, instance: &Instance) -> Result<(), Fault> {
        self.send(Request { service, action: Action::Deregister(instance) }).await.map(drop)
    }

    pub async fn batch(&self, service: &str, instances: &[Instance]) -> Result<(), Fault> {
        self.send(Request { service, action: Action::Batch(instances) }).await.map(drop)
    }

    pub async fn query(&self, service: &str) -> Result<View, Fault> {
        let reply = self.send(Request { service, action: Action::Query }).await?;
        view(reply, service)
    }

    pub async fn subscribe(&self, service: &str) -> Result<View, Fault> {
        let reply = self.send(Request { service, action: Action::Subscribe(true) }).await?;
        view(reply, service)
    }

    pub async fn unsubscribe(&self, service: &str) -> Result<(), Fault> {
        self.send(Request { service, action: Action::Subscribe(false) }).await.map(drop)
    }

    async fn send(&self, request: Request<'_>) -> Result<Reply, Fault> {
        let (kind, reply_kind) = request.types();
        let body = request.body().map_err(|error| Fault::Failed(format!("{kind} cannot be written: {error}")))?;
        self.calls.call(kind, reply_kind, body).await
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Before the transport goes, or the listener would count its end as an error.
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Calls {
    async fn call(&self, kind: &'static str, reply_kind: &str, body: impl Into<Bytes>) -> Result<Reply, Fault> {
        self.last_call.store(elapsed_ms(self.born), Relaxed);
        let mut grpc = self.grpc.clone();
        let payload = time::timeout(self.timeout, grpc.request(payload(kind, body)))
            .await
            .map_err(|_| Fault::Failed(format!("{kind}: no reply in {:?}", self.timeout)))?
            .map_err(|status| Fault::Failed(format!("{kind}: {:?}: {}", status.code(), status.message())))?
            .into_inner();
        let (found, body) = open(payload);
        self.tally.reply(body.len());
        check(kind, reply_kind, &found, &body)
    }

    async fn health_check(&self) -> Result<Reply, Fault> {
        self.call("HealthCheckRequest", "HealthCheckResponse", COMMON_BODY).await
    }

    async fn keep_alive(self: Arc<Self>) {
        let mut ticks = time::interval_at(time::Instant::now() + HEALTH_CHECK_PERIOD, HEALTH_CHECK_PERIOD);
        ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let idle = elapsed_ms(self.born).saturating_sub(self.last_call.load(Relaxed));
            if u128::from(idle) < HEALTH_CHECK_PERIOD.as_millis() - 1 {
                continue;
            }
            if let Err(fault) = self.health_check().await {
                self.tally.fault(&fault);
            }
        }
    }
}

/// A refusal is an error, another type than the one asked for is a wrong answer.
fn check(kind: &str, reply_kind: &str, found: &str, body: &[u8]) -> Result<Reply, Fault> {
    let reply: Reply = serde_json::from_slice(body)
        .map_err(|error| Fault::Wrong(format!("{kind}: the {found} cannot be read: {error}")))?;
    if reply.result_code != 200 {
        let message = reply.message.as_deref().unwrap_or("no message");
        return Err(Fault::Failed(format!("{kind}: {found} {}/{}: {message}", reply.result_code, reply.error_code)));
    }
    if found != reply_kind {
        return Err(Fault::Wrong(format!("{kind}: answered by {found}")));
    }
    Ok(reply)
}

fn view(reply: Reply, service: &str) -> Result<View, Fault> {
    match reply.service_info {
        Some(view) if view.name == service => Ok(view),
        Some(view) => Err(Fault::Wrong(format!("asked for {service}, got {}", view.name))),
        None => Err(Fault::Wrong(format!("{service}: a reply without serviceInfo"))),
    }
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// tonic says only "transport error"; the cause (refused, too many open files) is below it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_errors_and_foreign_types_are_wrong() {
        let check = |found: &str, body: &str| check("InstanceRequest", "InstanceResponse", found, body.as_bytes());
        assert!(check("InstanceResponse", r#"{"resultCode":200}"#).is_ok());
        assert!(matches!(check("ErrorResponse", r#"{"resultCode":500,"errorCode":301}"#), Err(Fault::Failed(_))));
        assert!(matches!(check("HealthCheckResponse", r#"{"resultCode":200}"#), Err(Fault::Wrong(_))));
        assert!(matches!(check("InstanceResponse", "["), Err(Fault::Wrong(_))));
    }
}
