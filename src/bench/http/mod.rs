//! One caller over HTTP: a connection of HTTP/1.1 that is kept, with one request at a time. Promises that a call ends by
//! its deadline and that only status 200 passes. Never retries, since a retry hides an error; a connection that broke is
//! replaced at the next call, so that one error stays one.

pub mod message;
pub mod turns;

use std::{future::Future, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    client::conn::http1::{SendRequest, handshake},
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet, time};

use super::{
    client::chain,
    closed_loop::Length,
    session::Session,
    tally::{Fault, Tally},
};
use message::{Ask, Publication};

/// How many ask, and until when.
#[derive(Clone, Debug, clap::Args)]
pub struct Load {
    /// Connections, each with one call in flight
    #[arg(long, default_value_t = 32)]
    pub connections: usize,
    #[command(flatten)]
    pub length: Length,
}

impl Load {
    pub fn check(&self) -> Result<()> {
        ensure!(self.connections > 0, "--connections must be at least 1");
        Ok(())
    }

    pub fn callers(&self, session: &Session) -> Vec<Caller> {
        (0..self.connections).map(|number| Caller::new(session, number)).collect()
    }
}

pub struct Caller {
    /// host:port of the main port.
    address: String,
    timeout: Duration,
    tally: Arc<Tally>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Caller {
    /// Calls the nodes in turn, by its number.
    pub fn new(session: &Session, number: usize) -> Self {
        Self {
            address: session.target.node(number).name.clone(),
            timeout: session.target.timeout,
            tally: Arc::clone(&session.tally),
            sender: None,
        }
    }

    /// The body of the answer.
    pub async fn call(&mut self, ask: Ask) -> Result<Bytes, Fault> {
        let (method, timeout) = (ask.method.clone(), self.timeout);
        let answered = time::timeout(timeout, self.exchange(ask)).await;
        answered.unwrap_or_else(|_| Err(Fault::Failed(format!("{method}: no reply in {timeout:?}"))))
    }

    async fn exchange(&mut self, ask: Ask) -> Result<Bytes, Fault> {
        // Given back only when it can be used again: an exchange that is dropped or fails ends its connection.
        let mut sender = match self.sender.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let (method, request) = (ask.method.clone(), self.request(ask)?);
        let failed = |error: hyper::Error| Fault::Failed(format!("{method}: {}", chain(&error)));
        sender.ready().await.map_err(failed)?;
        let answer = sender.send_request(request).await.map_err(failed)?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(failed)?.to_bytes();
        self.sender = Some(sender);
        self.tally.reply(body.len());
        if status == StatusCode::OK {
            return Ok(body);
        }
        Err(Fault::Refused { status: status.as_u16(), text: String::from_utf8_lossy(&body).into_owned() })
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Fault> {
        let failed =
            |error: &dyn std::error::Error| Fault::Failed(format!("connect to {}: {}", self.address, chain(error)));
        let socket = TcpStream::connect(&self.address).await.map_err(|error| failed(&error))?;
        socket.set_nodelay(true).map_err(|error| failed(&error))?;
        let (sender, connection) = handshake(TokioIo::new(socket)).await.map_err(|error| failed(&error))?;
        // It ends with its sender; what goes wrong on it shows there.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn request(&self, ask: Ask) -> Result<Request<Full<Bytes>>, Fault> {
        let mut request = Request::builder().method(ask.method).uri(ask.target).header(HOST, &self.address);
        if !ask.form.is_empty() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let request = request.body(Full::new(ask.form));
        request.map_err(|error| Fault::Failed(format!("a request cannot be written: {error}")))
    }

    /// A call that is answered by `ok`.
    pub async fn write(&mut self, ask: Ask) -> Result<(), Fault> {
        match self.call(ask).await? {
            body if body == "ok" => Ok(()),
            body => Err(Fault::Wrong(format!("answered {} instead of ok", String::from_utf8_lossy(&body)))),
        }
    }
}

/// Has each caller do its share of `count` things, one after the other. The first fault ends it.
pub async fn each<F>(
    session: &Session,
    phase: &'static str,
    callers: Vec<Caller>,
    count: usize,
    act: impl Fn(usize, Caller) -> F + Clone + Send + 'static,
) -> Result<()>
where
    F: Future<Output = Result<Caller, Fault>> + Send,
{
    session.phase(phase, count as u64);
    let mut running = JoinSet::new();
    let step = callers.len();
    for (first, mut caller) in callers.into_iter().enumerate() {
        let (act, progress) = (act.clone(), session.progress.clone());
        running.spawn(async move {
            for number in (first..count).step_by(step) {
                caller = act(number, caller).await?;
                progress.inc(1);
            }
            Ok::<_, Fault>(())
        });
    }
    while let Some(done) = running.join_next().await {
        done.context("a caller died")??;
    }
    Ok(())
}

/// Has all of them written the same way: registered, or taken back.
pub async fn write_all(
    session: &Session,
    phase: &'static str,
    callers: Vec<Caller>,
    all: &Arc<Vec<Publication>>,
    ask: fn(&Publication) -> Ask,
) -> Result<()> {
    let shared = Arc::clone(all);
    let act = move |number: usize, mut caller: Caller| {
        let ask = ask(&shared[number]);
        async move { caller.write(ask).await.map(|()| caller) }
    };
    each(session, phase, callers, all.len(), act).await
}
