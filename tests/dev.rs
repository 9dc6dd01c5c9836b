//! `roster dev` as a person uses it: real processes, one of which is killed, and none of which is left behind.

#![expect(clippy::disallowed_methods, reason = "real processes live in real time")]

use std::{
    io::{BufRead, BufReader, Read},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// A cluster of three, killed when dropped.
struct Dev {
    child: Child,
    lines: Receiver<String>,
    port: u16,
    /// One at a time, or two would find the same ports free.
    _alone: MutexGuard<'static, ()>,
}

static ALONE: Mutex<()> = Mutex::new(());

fn roster() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roster"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ROSTER_")) {
        command.env_remove(name);
    }
    command
}

fn kill(signal: &str, pid: u32) {
    let sent = Command::new("kill").args([signal, &pid.to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

/// The first of main ports for three nodes whose ports are all free, by the look of it.
fn free_ports() -> u16 {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let all_free = |first: &u16| {
        [0, 10, 20].iter().all(|node| [0, 1_000, 1_001].iter().all(|above| is_free(first + node + above)))
    };
    let some = || TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map(|at| at.port());
    let tried = (0..100).filter_map(|_| some().ok()).find(|port| *port < 64_000 && all_free(port));
    tried.expect("free ports")
}

fn collect(from: impl Read + Send + 'static, into: SyncSender<String>) {
    let lines = BufReader::new(from).lines();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| into.send(line)));
}

impl Dev {
    fn start(data: &Path) -> Self {
        let alone = ALONE.lock();
        let port = free_ports();
        let mut command = roster();
        command.args(["dev", "--nodes", "3", "--port", &port.to_string(), "--data"]).arg(data);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let (send, lines) = sync_channel(10_000);
        collect(child.stdout.take().expect("piped"), send.clone());
        collect(child.stderr.take().expect("piped"), send);
        Self { child, lines, port, _alone: alone }
    }

    fn line(&self, containing: &str) -> String {
        let mut seen = String::new();
        loop {
            let Ok(line) = self.lines.recv_timeout(DEADLINE) else { panic!("no line with `{containing}` in:\n{seen}") };
            if line.contains(containing) {
                return line;
            }
            seen.push_str(&line);
            seen.push('\n');
        }
    }

    /// Waits for the table: process ids by node.
    fn pids(&self) -> Vec<u32> {
        let rows = (0..3).map(|node| self.line(&format!("127.0.0.1:{}  ready", self.port + 10 * node)));
        rows.map(|row| row.split_whitespace().nth(3).and_then(|pid| pid.parse().ok()).expect("a process id")).collect()
    }

    fn is_served(&self, node: u16) -> bool {
        TcpStream::connect(("127.0.0.1", self.port + 10 * node)).is_ok()
    }

    /// Waits until nobody listens any more.
    fn is_gone(&self) {
        let until = Instant::now() + DEADLINE;
        while (0..3).any(|node| self.is_served(node)) {
            assert!(Instant::now() < until, "a node is left behind");
            std::thread::yield_now();
        }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn three_nodes_start_one_is_killed_and_a_signal_stops_the_others() {
    let data = tempfile::tempdir().expect("a directory");
    let mut dev = Dev::start(data.path());
    let pids = dev.pids();
    let told = dev.line("clients connect to");
    let addresses: Vec<String> = (0..3).map(|node| format!("127.0.0.1:{}", dev.port + 10 * node)).collect();
    assert!(told.contains(&addresses.join(",")), "{told}");
    assert!(data.path().join("node3").is_dir());
    kill("-KILL", pids[1]);
    let ended = dev.line("node 2 ended");
    assert!(ended.contains("signal: 9"), "{ended}");
    assert!(dev.is_served(0) && !dev.is_served(1) && dev.is_served(2));
    kill("-TERM", dev.child.id());
    let stopping = dev.line("[3] ");
    assert!(stopping.contains("stopping"), "its words carry its number: {stopping}");
    assert_eq!(dev.child.wait().expect("ends").code(), Some(0));
    dev.is_gone();
}

#[test]
fn no_node_outlives_what_started_it() {
    let data = tempfile::tempdir().expect("a directory");
    let dev = Dev::start(data.path());
    dev.pids();
    kill("-KILL", dev.child.id());
    dev.is_gone();
}

#[test]
fn a_taken_port_is_said_before_anything_starts() {
    let data = tempfile::tempdir().expect("a directory");
    let _alone = ALONE.lock();
    let port = free_ports();
    let _taken = TcpListener::bind(("127.0.0.1", port + 1_010)).expect("free");
    let mut command = roster();
    let output = command.args(["dev", "--port", &port.to_string(), "--data"]).arg(data.path().join("none")).output();
    let output = output.expect("runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains(&format!("port {} cannot", port + 1_010)), "{text}");
    assert!(!data.path().join("none").exists());
}

#[test]
fn nodes_that_all_end_end_it() {
    let data = tempfile::tempdir().expect("a directory");
    let file = data.path().join("file");
    std::fs::write(&file, "").expect("written");
    let mut child = Dev::start(&file);
    child.line("node 1 ended: exit status: 1");
    child.line("no node is left");
    assert_eq!(child.child.wait().expect("ends").code(), Some(1));
}
