//! One node of `roster dev`: a process, its words with its number before them, and how it fares.

use std::{
    fmt,
    io::{self, Write},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::Context;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{ChildStdin, Command},
    time::Instant,
};

use crate::cli::client;

/// How long a node may take to become ready: longer than it waits for what others know.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause between looks whether it is.
const READY_POLL: Duration = Duration::from_millis(100);
/// How long its last words may take after its end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How a node fares.
pub(super) enum State {
    Starting,
    Ready,
    /// Not ready for so long that nobody waits for it any more.
    Late,
    /// Ended, and how.
    Ended(String),
}

impl fmt::Display for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Starting => out.write_str("starting"),
            State::Ready => out.write_str("ready"),
            State::Late => write!(out, "not ready in {READY_TIMEOUT:?}"),
            State::Ended(how) => write!(out, "ended: {how}"),
        }
    }
}

/// A node in a process of its own, which ends when the other end of its standard input does.
pub(super) struct Node {
    /// From 1.
    pub(super) number: usize,
    pub(super) address: String,
    pub(super) data: PathBuf,
    pub(super) pid: Option<u32>,
    pub(super) state: State,
    input: Option<ChildStdin>,
}

impl Node {
    /// Starts a node; the future is its end.
    pub(super) fn start(
        number: usize,
        address: &str,
        port: u16,
        peers: &str,
        data: PathBuf,
    ) -> anyhow::Result<(Self, impl Future<Output = io::Result<ExitStatus>> + use<>)> {
        let program = std::env::current_exe().context("this program cannot find itself")?;
        let mut command = Command::new(program);
        command.args(["server", "--exit-with-parent", "--host", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--peers", peers, "--advertise", address, "--data"]).arg(&data);
        // In a group of its own: a Ctrl-C is for this process, which then stops all nodes.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("node {number} cannot be started"))?;
        let (input, pid) = (child.stdin.take(), child.id());
        let words = [
            child.stdout.take().map(|from| tokio::spawn(repeat(number, from))),
            child.stderr.take().map(|from| tokio::spawn(repeat(number, from))),
        ];
        let end = async move {
            let status = child.wait().await;
            for word in words.into_iter().flatten() {
                // Words that do not end in time are lost.
                let _ = tokio::time::timeout(LAST_WORDS, word).await;
            }
            status
        };
        let node = Self { number, address: address.to_owned(), data, pid, state: State::Starting, input };
        Ok((node, end))
    }

    /// As a signal to terminate does.
    pub(super) fn ask_to_stop(&mut self) {
        self.input = None;
    }
}

/// Whether the node at `address` becomes ready in time.
pub(super) async fn becomes_ready(address: &str) -> bool {
    let until = Instant::now() + READY_TIMEOUT;
    while Instant::now() < until {
        if client::is_ready(address).await {
            return true;
        }
        tokio::time::sleep(READY_POLL).await;
    }
    false
}

async fn repeat(number: usize, from: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        say(&format!("[{number}] {line}"));
    }
}

/// Writes a line for people. Nobody may be reading any more, and the nodes still have to be stopped then.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
