//! What every workload is given: the server under test, the counters, the progress bar, names of its own. Promises
//! that two runs never share a service, so that leftovers of one cannot be seen by the next. Never does the load.

use std::{
    io::IsTerminal,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::{task::JoinSet, time};

use super::{
    client::{Address, Client},
    process::Meter,
    report::Run,
    stream::OnPush,
    tally::{Fault, Tally},
};

const DEFAULT_PORT: u16 = 8848;
/// The SDKs find the gRPC port this far above the main port.
const GRPC_OFFSET: u16 = 1000;
/// Connections opened side by side. More would measure the accept queue of the kernel.
const CONNECTING_AT_ONCE: usize = 32;

/// What is put under load: one server, or the nodes of one cluster.
#[derive(Clone, Debug)]
pub struct Target {
    pub name: String,
    nodes: Vec<Node>,
    pub timeout: Duration,
    /// Their processes on this machine, as far as they are known.
    pub pids: Vec<u32>,
}

/// A server with its main address.
#[derive(Clone, Debug)]
pub struct Node {
    pub name: String,
    pub address: Address,
}

impl Target {
    pub fn parse(servers: &[String], pids: Vec<u32>, timeout: Duration) -> Result<Self> {
        let nodes: Vec<Node> = servers.iter().map(|server| Node::parse(server, timeout)).collect::<Result<_>>()?;
        ensure!(!nodes.is_empty(), "no server is given");
        let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
        Ok(Self { name: names.join(","), nodes, timeout, pids })
    }

    /// How many nodes.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// The nodes in turn, for ever.
    pub fn node(&self, number: usize) -> &Node {
        &self.nodes[number % self.nodes.len()]
    }
}

impl Node {
    /// `server` is `host[:port]` with the main port, as SDKs are configured.
    fn parse(server: &str, timeout: Duration) -> Result<Self> {
        let (host, port) = match server.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') => {
                (host, port.parse().with_context(|| format!("--server {server}: {port} is no port"))?)
            }
            _ => (server, DEFAULT_PORT),
        };
        let Some(grpc_port) = port.checked_add(GRPC_OFFSET) else {
            bail!("--server {server}: the gRPC port is {GRPC_OFFSET} above the main port, which leaves none");
        };
        ensure!(!host.is_empty(), "--server {server}: no host");
        let address = Address { uri: format!("http://{host}:{grpc_port}"), timeout };
        Ok(Self { name: format!("{host}:{port}"), address })
    }
}

/// One run against one target.
pub struct Session {
    pub target: Target,
    pub tally: Arc<Tally>,
    pub progress: ProgressBar,
    id: String,
}

impl Session {
    pub fn new(target: Target, quiet: bool) -> Self {
        let progress =
            if quiet || !std::io::stderr().is_terminal() { ProgressBar::hidden() } else { ProgressBar::new(0) };
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_millis());
        // Eleven digits are the milliseconds until the year 2527; a fixed length keeps message sizes comparable.
        Self { target, tally: Arc::default(), progress, id: format!("{millis:011x}") }
    }

    /// The next run against the same: nothing counted yet, and names of its own.
    pub fn again(&self, run: usize) -> Self {
        let (target, progress) = (self.target.clone(), self.progress.clone());
        Self { target, tally: Arc::default(), progress, id: format!("{}-{run}", self.id) }
    }

    pub fn service(&self, number: usize) -> String {
        format!("bench-{}-{number:05}", self.id)
    }

    pub fn meter(&self) -> Result<Meter> {
        Meter::start(&self.target.pids)
    }

    /// A length of 0 is one that nobody knows.
    pub fn phase(&self, name: &'static str, length: u64) {
        let template = if length == 0 { "{msg:12} {pos}" } else { "{msg:12} {wide_bar} {pos}/{len}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.progress.set_style(style);
        }
        self.progress.reset();
        self.progress.set_message(name);
        self.progress.set_length(length);
    }

    /// To the first node.
    pub async fn connect(&self, on_push: OnPush) -> Result<Client> {
        Ok(Client::connect(&self.target.node(0).address, Arc::clone(&self.tally), on_push).await?)
    }

    /// To the nodes in turn. All or nothing: a workload with fewer clients than asked for would be another workload.
    pub async fn connect_all(&self, count: usize, on_push: impl Fn(usize) -> OnPush) -> Result<Vec<Client>> {
        self.connect_to(count, |index| self.target.node(index), on_push).await
    }

    /// The same to nodes of one's choice.
    pub async fn connect_to<'a>(
        &self,
        count: usize,
        node: impl Fn(usize) -> &'a Node,
        on_push: impl Fn(usize) -> OnPush,
    ) -> Result<Vec<Client>> {
        self.phase("connecting", count as u64);
        let mut clients: Vec<Option<Client>> = (0..count).map(|_| None).collect();
        let mut opening = JoinSet::new();
        for index in 0..count {
            if opening.len() >= CONNECTING_AT_ONCE {
                self.keep(opening.join_next().await, &mut clients)?;
            }
            let (address, tally, on_push) = (node(index).address.clone(), Arc::clone(&self.tally), on_push(index));
            opening.spawn(async move { (index, Client::connect(&address, tally, on_push).await) });
        }
        while !opening.is_empty() {
            self.keep(opening.join_next().await, &mut clients)?;
        }
        Ok(clients.into_iter().flatten().collect())
    }

    fn keep(&self, opened: Opened, clients: &mut [Option<Client>]) -> Result<()> {
        let Some(opened) = opened else { return Ok(()) };
        let (index, client) = opened.context("a connecting task died")?;
        clients[index] = Some(client.with_context(|| format!("connection {index}"))?);
        self.progress.inc(1);
        Ok(())
    }

    /// Waits until a query shows `hosts` instances: the Java server answers a registration before its index shows it.
    pub async fn visible(&self, client: &Client, service: &str, hosts: usize) -> Result<()> {
        let deadline = time::Instant::now() + self.target.timeout;
        loop {
            let found = client.query(service).await?.hosts.len();
            if found == hosts {
                return Ok(());
            }
            ensure!(time::Instant::now() < deadline, "{service} shows {found} of {hosts} instances");
            time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn finish(&self, run: Run) -> Run {
        self.progress.finish_and_clear();
        run
    }
}

type Opened = Option<Result<(usize, Result<Client, Fault>), tokio::task::JoinError>>;

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(server: &str) -> Result<String> {
        Node::parse(server, Duration::from_secs(1)).map(|node| node.address.uri)
    }

    #[test]
    fn the_grpc_port_is_above_the_main_port() {
        assert_eq!(uri("127.0.0.1:8848").unwrap(), "http://127.0.0.1:9848");
        assert_eq!(uri("registry").unwrap(), "http://registry:9848");
        assert_eq!(uri("[::1]:7000").unwrap(), "http://[::1]:8000");
    }

    #[test]
    fn impossible_servers_are_refused() {
        assert!(uri("host:port").is_err());
        assert!(uri("host:65000").is_err());
        assert!(uri(":8848").is_err());
    }

    #[test]
    fn nodes_are_taken_in_turn() {
        let target = Target::parse(&["a".into(), "b:7".into()], Vec::new(), Duration::ZERO).unwrap();
        assert_eq!((target.name.as_str(), target.size()), ("a:8848,b:7", 2));
        assert_eq!([0, 1, 2].map(|number| target.node(number).name.as_str()), ["a:8848", "b:7", "a:8848"]);
        assert!(Target::parse(&[], Vec::new(), Duration::ZERO).is_err());
    }

    #[test]
    fn names_of_a_run_are_distinct() {
        let session = Session::new(Target::parse(&["h".into()], Vec::new(), Duration::ZERO).unwrap(), true);
        assert_ne!(session.service(1), session.service(2));
    }
}
