//! The program as a person starts it: a real process, its words, its exit codes, and its command line against it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    time::Duration,
};

use serde_json::Value;

/// How long a process may take for anything; real ones need milliseconds.
const DEADLINE: Duration = Duration::from_secs(30);

fn roster() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roster"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ROSTER_")) {
        command.env_remove(name);
    }
    command
}

/// A node in a process of its own, killed when dropped.
struct Process {
    child: Child,
    lines: Receiver<String>,
    address: String,
}

impl Process {
    fn start(data: &Path) -> Self {
        let mut command = roster();
        command.args(["server", "--port", "0", "--data"]).arg(data);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("starts");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let (send, lines) = sync_channel(1_000);
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let mut process = Self { child, lines, address: String::new() };
        let ready = process.line("is ready: ");
        let address = ready.split("is ready: ").nth(1).and_then(|rest| rest.split(' ').next());
        process.address = address.expect("the line names the address").to_owned();
        process
    }

    fn line(&self, containing: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("no line with `{containing}`"));
            if line.contains(containing) {
                return line;
            }
        }
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    fn cli(&self, args: &[&str]) -> Output {
        roster().args(args).args(["--server", &self.address]).output().expect("runs")
    }

    fn cli_text(&self, args: &[&str]) -> String {
        let output = self.cli(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn cli_json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.cli_text(&[args, &["--json"]].concat())).expect("JSON")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A start that must fail: its only line, without the program's name.
fn refusal(command: &mut Command) -> String {
    let output = command.output().expect("runs");
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(text.lines().count(), 1, "one line says it: {text}");
    text.trim_start_matches("roster: ").trim_end().to_owned()
}

fn data() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

#[test]
fn an_interrupt_stops_it_in_order() {
    let data = data();
    for signal in ["-INT", "-TERM"] {
        let mut process = Process::start(data.path());
        process.line("only this machine can connect; --host 0.0.0.0 opens it");
        process.signal(signal);
        let status = process.child.wait().expect("ends");
        assert_eq!(status.code(), Some(0), "{signal}");
    }
}

#[test]
fn a_taken_port_is_one_clear_line() {
    let data = data();
    let process = Process::start(&data.path().join("a"));
    let port = process.address.rsplit_once(':').expect("a port").1;
    let mut second = roster();
    second.args(["server", "--port", port, "--data"]).arg(data.path().join("b"));
    let line = refusal(&mut second);
    assert!(line.starts_with(&format!("cannot listen on {}: ", process.address)), "{line}");
}

#[test]
fn an_unusable_directory_is_one_clear_line() {
    let data = data();
    let file = data.path().join("file");
    std::fs::write(&file, "").expect("writes");
    let line = refusal(roster().args(["server", "--port", "0", "--data"]).arg(&file));
    assert!(line.starts_with("cannot write the data directory"), "{line}");

    let process = Process::start(&data.path().join("taken"));
    let line = refusal(roster().args(["server", "--port", "0", "--data"]).arg(data.path().join("taken")));
    assert!(line.contains("in use by another process"), "{line}");
    drop(process);

    std::fs::write(data.path().join("taken/clock"), "garbage").expect("writes");
    let line = refusal(roster().args(["server", "--port", "0", "--data"]).arg(data.path().join("taken")));
    assert!(line.contains("is damaged"), "{line}");
}

#[test]
fn a_bad_setting_is_named_with_its_origin() {
    let data = data();
    let file = data.path().join("roster.toml");
    let from_file = |text: &str| {
        std::fs::write(&file, text).expect("writes");
        refusal(roster().args(["server", "--config"]).arg(&file))
    };
    let here = data.path().join("roster.toml").display().to_string();
    let unknown = from_file("push_windw = \"1s\"");
    assert!(
        unknown.starts_with("setting `push_windw` from the file") && unknown.contains("no such setting"),
        "{unknown}"
    );
    let bad = from_file("push_window = 5");
    assert!(bad.starts_with("setting `push_window` from the file") && bad.contains(&here), "{bad}");
    let related = from_file("push_window = \"2s\"\npush_window_max = \"1s\"");
    assert!(related.starts_with("setting `push_window_max` from the file"), "{related}");
    let syntax = from_file("push_window = ");
    assert!(syntax.contains(&here), "{syntax}");

    let unknown = refusal(roster().arg("server").env("ROSTER_PROT", "1"));
    assert!(unknown.starts_with("setting `prot` from the environment variable ROSTER_PROT"), "{unknown}");
    let bad = refusal(roster().arg("server").env("ROSTER_CONNECTION_IDLE", "soon"));
    assert!(bad.starts_with("setting `connection_idle` from the environment variable ROSTER_CONNECTION_IDLE"), "{bad}");
    let port = refusal(roster().args(["server", "--port", "65000"]));
    assert!(port.starts_with("setting `port` from the flag --port"), "{port}");
    let missing = refusal(roster().args(["server", "--config", "/nowhere.toml"]));
    assert!(missing.contains("/nowhere.toml"), "{missing}");
    let log = refusal(roster().args(["server", "--log", "roster=loud=x"]));
    assert!(log.starts_with("setting `log`"), "{log}");
}

#[test]
fn settings_of_a_cluster_are_named_with_their_origin() {
    let peers = refusal(roster().args(["server", "--peers", "a:1,a:1"]));
    assert!(peers.starts_with("setting `peers` from the flag --peers: a:1 is there twice"), "{peers}");
    let peers = refusal(roster().arg("server").env("ROSTER_PEERS", "a:1,b"));
    assert!(
        peers.starts_with("setting `peers` from the environment variable ROSTER_PEERS: `b` is no host:port"),
        "{peers}"
    );
    let secret = refusal(roster().arg("server").env("ROSTER_PEER_SECRET", "007"));
    assert!(secret.starts_with("setting `peer_secret` from the environment variable ROSTER_PEER_SECRET"), "{secret}");
    assert!(!secret.contains('7'), "{secret}");
    let port = refusal(roster().args(["server", "--port", "0", "--peers", "a:1"]));
    assert!(port.starts_with("setting `port` from the flag --port: must be that of the own entry"), "{port}");
}

/// A main port with both ports above it free, by the look of it.
fn free_port() -> u16 {
    let is_free =
        |port: &u16| [0, 1_000, 1_001].iter().all(|above| TcpListener::bind(("127.0.0.1", port + above)).is_ok());
    let some = || TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map(|at| at.port());
    let tried = (0..100).filter_map(|_| some().ok()).find(|port| *port < 64_000 && is_free(port));
    tried.expect("a free port")
}

#[test]
fn a_node_that_does_not_find_itself_among_the_peers_says_what_to_do() {
    let data = data();
    let port = free_port().to_string();
    let start =
        |peers: &str| refusal(roster().args(["server", "--port", &port, "--peers", peers, "--data"]).arg(data.path()));
    let remote = start(&format!("127.0.0.1:{port},10.0.0.1:{port}"));
    assert!(remote.contains("10.0.0.1") && remote.contains("--host 0.0.0.0"), "{remote}");
    let absent = start("127.0.0.1:1,127.0.0.1:2");
    assert!(absent.contains("none of --peers") && absent.contains("--advertise"), "{absent}");
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let data = data();
    let file = data.path().join("roster.toml");
    std::fs::write(&file, "port = 65001\nhost = \"127.0.0.1\"").expect("writes");
    let with = |environment: Option<&str>, flag: &[&str]| {
        let mut command = roster();
        command.arg("server").arg("--config").arg(&file).args(flag);
        command.envs(environment.map(|port| ("ROSTER_PORT", port)));
        refusal(&mut command)
    };
    assert!(with(None, &[]).starts_with("setting `port` from the file"));
    assert!(with(Some("65002"), &[]).starts_with("setting `port` from the environment variable ROSTER_PORT"));
    assert!(with(Some("65002"), &["--port", "65003"]).starts_with("setting `port` from the flag --port"));
}

#[test]
fn the_command_line_registers_lists_and_deregisters() {
    let data = data();
    let process = Process::start(data.path());
    let orders = ["instance", "register", "orders", "--ip", "10.0.0.1", "--port", "8080", "--metadata", "zone=a"];
    assert_eq!(process.cli_text(&orders), "registered 10.0.0.1:8080 for orders\n");
    process.cli_text(&["instance", "register", "orders", "--ip", "10.0.0.2", "--port", "8080", "--cluster", "c2"]);

    let table = process.cli_text(&["instance", "list", "orders"]);
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["IP", "PORT", "CLUSTER", "WEIGHT", "HEALTHY", "METADATA"]);
    assert_eq!(rows[1], ["10.0.0.1", "8080", "DEFAULT", "1.0", "true", "zone=a"]);
    let filtered = process.cli_json(&["instance", "list", "orders", "--clusters", "c2"]);
    assert_eq!(filtered["hosts"].as_array().map(Vec::len), Some(1));
    let services = process.cli_json(&["service", "list"]);
    assert_eq!(services[0]["name"], "orders");
    assert_eq!(services[0]["instances"], 2);

    let gone = ["instance", "deregister", "orders", "--ip", "10.0.0.1", "--port", "8080"];
    assert_eq!(process.cli_json(&gone)["deregistered"], true);
    assert_eq!(process.cli_json(&gone)["deregistered"], false);
    assert_eq!(process.cli_json(&["instance", "list", "orders"])["hosts"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_node_shows_who_is_in_its_cluster() {
    let data = data();
    let process = Process::start(data.path());
    let cluster = process.cli_json(&["cluster", "status"]);
    assert_eq!(cluster["node"]["address"], process.address.as_str());
    assert_eq!(cluster["members"], Value::Array(Vec::new()));
    let table = process.cli_text(&["cluster", "status"]);
    assert!(table.starts_with(" ADDRESS") && table.contains(&format!("{}  this node  serving", process.address)));
}

#[test]
fn what_the_node_refuses_the_command_line_says() {
    let data = data();
    let process = Process::start(data.path());
    for (args, words) in [
        (&["instance", "register", "a b", "--ip", "10.0.0.1", "--port", "1"][..], "Param 'serviceName' is illegal"),
        (&["instance", "register", "s", "--ip", "a b", "--port", "1"][..], "Param 'ip' is illegal"),
        (&["instance", "register", "s", "--ip", "i", "--port", "1", "--cluster", "c_1"][..], "clusterName"),
        (&["service", "protect", "s", "--threshold", "2"][..], "between 0 and 1"),
    ] {
        let output = process.cli(args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.starts_with("roster: refused: ") && text.contains(words), "{text}");
    }
    assert_eq!(process.cli_json(&["service", "list"]).as_array().map(Vec::len), Some(0), "nothing changed");
    let nobody = roster().args(["service", "list", "--server", "127.0.0.1:1"]).output().expect("runs");
    assert!(String::from_utf8_lossy(&nobody.stderr).starts_with("roster: cannot reach a node at 127.0.0.1:1"));
}

#[test]
fn protection_makes_the_unhealthy_look_healthy_until_it_is_switched_off() {
    let data = data();
    let process = Process::start(data.path());
    process.cli_text(&["instance", "register", "orders", "--ip", "10.0.0.1", "--port", "1"]);
    let reached =
        |process: &Process| process.cli_json(&["instance", "list", "orders"])["reachProtectionThreshold"] == true;
    assert!(!reached(&process));
    process.cli_text(&["service", "protect", "orders", "--threshold", "1"]);
    assert!(reached(&process));
    process.cli_text(&["service", "protect", "orders"]);
    assert!(!reached(&process));
}

#[test]
fn stamps_do_not_go_back_over_a_kill() {
    let data = data();
    let stamp =
        |process: &Process| process.cli_json(&["instance", "list", "orders"])["lastRefTime"].as_u64().expect("a stamp");
    let mut before = 0;
    for _ in 0..3 {
        let process = Process::start(data.path());
        let now = stamp(&process);
        assert!(now > before, "{now} after {before}");
        before = now;
        process.signal("-KILL");
    }
}

/// Sends a PUT without a body and waits for the status 200.
fn put(address: &str, target: &str) {
    let mut socket = TcpStream::connect(address).expect("the node accepts");
    socket.set_read_timeout(Some(DEADLINE)).expect("a socket");
    let request = format!("PUT {target} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn operators_set_how_much_is_logged() {
    let data = data();
    let process = Process::start(data.path());
    let level = |level: &str| {
        put(&process.address, &format!("/nacos/v1/ns/operator/log?logName=naming-main&logLevel={level}"));
    };
    // The first is not told of: the level that it sets keeps its own line back.
    level("WARN");
    level("NONSENSE");
    level("INFO");
    let line = process.line("log level set");
    assert!(line.to_lowercase().contains("level=info"), "{line}");
}
