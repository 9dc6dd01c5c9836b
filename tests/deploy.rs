//! What `deploy/` and `docs/deploying.md` say of the program is so: metrics and their labels, settings, ports, probes.
//!
//! Needs the program and nothing else. What other programs have to say about these files, `deploy/check` asks them;
//! `deploy/namespaces` runs them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use roster::{
    config::{GRPC_OFFSET, PEER_OFFSET, RawSettings},
    metrics::names,
};
use serde_json::Value;

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(30);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn below(dir: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(dir)).expect("a directory").map(|entry| entry.expect("an entry").path());
    let (dirs, mut files): (Vec<_>, Vec<_>) = entries
        .filter(|path| path.file_name().is_some_and(|name| name != ".cache" && name != "__pycache__"))
        .partition(|path| path.is_dir());
    for dir in dirs {
        files.extend(below(&dir.to_string_lossy()));
    }
    files
}

/// A node alone, killed when dropped.
struct Node {
    child: Child,
    address: String,
}

impl Node {
    fn start(settings: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_roster"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ROSTER_")) {
            command.env_remove(name);
        }
        let mut child = command.arg("server").args(settings).stderr(Stdio::piped()).spawn().expect("starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let ready = lines.find_map(|line| line.split("is ready: ").nth(1).map(str::to_owned)).expect("becomes ready");
        std::thread::spawn(move || lines.for_each(drop));
        let address = ready.split(' ').next().expect("an address").to_owned();
        Self { child, address }
    }

    fn alone(data: &Path) -> Self {
        Self::start(&["--port", "0", "--data", &data.to_string_lossy()])
    }

    /// Status and body of an answer.
    fn ask(&self, method: &str, target: &str) -> (String, String) {
        let mut socket = TcpStream::connect(&self.address).expect("the node accepts");
        socket.set_read_timeout(Some(DEADLINE)).expect("a socket");
        let host = &self.address;
        let request =
            format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("answered");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.split(' ').nth(1).expect("a status").to_owned(), body.to_owned())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A metric in an expression: its name, and the labels that it is chosen by, with what they are compared to.
type Used = (String, Vec<(String, String)>);

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The metrics that an expression names, each with what stands between the braces behind it.
fn metrics_of(expression: &str) -> Vec<Used> {
    let begins = |at: usize| !expression[..at].ends_with(|c: char| is_name(c) || c == '"');
    let places = expression.match_indices("roster_").map(|(at, _)| at).filter(|at| begins(*at));
    let used = places.map(|at| {
        let rest = &expression[at..];
        let name: String = rest.chars().take_while(|c| is_name(*c)).collect();
        let braces = rest[name.len()..].strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or_default();
        let labels = braces.split("\",").filter_map(|pair| {
            let label = pair.trim().split(['=', '!']).next().filter(|label| !label.is_empty())?;
            let value = pair.split('"').nth(1).unwrap_or_default();
            Some((label.to_owned(), value.to_owned()))
        });
        (name, labels.collect())
    });
    used.collect()
}

/// Labels that an expression groups or joins by.
fn groups_of(expression: &str) -> BTreeSet<String> {
    ["by (", "on (", "group_right (", "group_left ("]
        .iter()
        .flat_map(|word| expression.split(word).skip(1))
        .filter_map(|rest| rest.split(')').next())
        .flat_map(|labels| labels.split(','))
        .map(|label| label.trim().to_owned())
        .filter(|label| !label.is_empty())
        .collect()
}

/// The expressions of the alerts: each `expr:` of the file, on one line or folded over several.
fn alert_expressions() -> Vec<String> {
    let rules = text("deploy/prometheus/roster.rules.yml");
    let found = rules.split("    expr:").skip(1).map(|rest| {
        let end = ["\n    for:", "\n    labels:"].iter().filter_map(|key| rest.find(key)).min().expect("labels follow");
        rest[..end].replace(">-", "").split_whitespace().collect::<Vec<_>>().join(" ")
    });
    found.collect()
}

/// The expressions of the dashboard, and what its variables ask for.
fn dashboard_expressions() -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    match value.as_str() {
                        Some(text) if key == "expr" || key == "query" => found.push(text.to_owned()),
                        _ => collect(value, found),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let dashboard: Value = serde_json::from_str(&text("deploy/grafana/roster.json")).expect("JSON");
    let mut found = Vec::new();
    collect(&dashboard, &mut found);
    found
}

/// The labels of each metric as the sources set them; those of histograms by the names of their series.
fn labels() -> BTreeMap<String, BTreeSet<String>> {
    let documented: BTreeMap<&str, &[&str]> = BTreeMap::from([
        (names::DISCONNECTIONS, &["reason"][..]),
        (names::PUSHES, &["result"]),
        (names::DATAGRAMS, &["result"]),
        (names::REQUESTS, &["type", "result"]),
        (names::HTTP_REQUESTS, &["operation", "generation", "status"]),
        (names::CHANGES, &["change"]),
        (names::EXPIRED, &["to"]),
        (names::PEER_LINK, &["peer"]),
        (names::PEER_MESSAGES, &["direction"]),
        (names::PEER_BYTES, &["direction"]),
        (names::PEER_DROPPED, &["reason"]),
        (names::FORWARDS, &["result"]),
        (names::PHASE, &["phase"]),
        (names::MEMBERS, &["state"]),
        (names::DISTRO_STATES, &["result"]),
        (names::RAFT_PART, &["part"]),
        (names::RAFT_INDEX, &["up_to"]),
        (names::RAFT_MEMBERS, &["votes"]),
        (names::PROPOSALS, &["result"]),
    ]);
    let owned = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<BTreeSet<_>>();
    let mut all = BTreeMap::new();
    for (name, kind, _) in names::ALL {
        let own = owned(documented.get(name).copied().unwrap_or_default());
        if kind == names::Kind::Histogram {
            all.insert(format!("{name}_bucket"), owned(&["le"]));
            all.insert(format!("{name}_sum"), own.clone());
            all.insert(format!("{name}_count"), own);
        } else {
            all.insert(name.to_owned(), own);
        }
    }
    all
}

#[test]
fn alerts_and_dashboard_use_metrics_and_labels_that_exist() {
    let known = labels();
    let (alerts, dashboard) = (alert_expressions(), dashboard_expressions());
    assert!(alerts.len() > 15 && dashboard.len() > 25, "{} and {}", alerts.len(), dashboard.len());
    for expression in alerts.iter().chain(&dashboard) {
        let used = metrics_of(expression);
        let mut grouped = groups_of(expression);
        for given in ["job", "instance"] {
            grouped.remove(given);
        }
        for (name, chosen) in &used {
            let own = known.get(name).unwrap_or_else(|| panic!("there is no metric {name}: {expression}"));
            for (label, _) in chosen.iter().filter(|(label, _)| label != "job" && label != "instance") {
                assert!(own.contains(label), "{name} has no label {label}: {expression}");
            }
            assert!(grouped.iter().all(|label| own.contains(label)), "{name} lacks one of {grouped:?}: {expression}");
        }
    }
}

/// What a real node shows has the labels that this test believes in, and the values that the rules ask for.
#[test]
fn a_node_shows_the_labels_and_values_that_alerts_ask_for() {
    let data = tempfile::tempdir().expect("a directory");
    let node = Node::alone(data.path());
    let write = "/nacos/v2/ns/instance?serviceName=ledger&ip=10.0.0.9&port=5432&ephemeral=false";
    assert_eq!(node.ask("POST", write).0, "200");
    let shown = node.ask("GET", "/metrics").1;
    let lines: Vec<Used> = shown.lines().filter(|line| !line.starts_with('#')).flat_map(metrics_of).collect();
    let known = labels();
    let mut values: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for (name, labels) in &lines {
        let found: BTreeSet<String> = labels.iter().map(|(label, _)| label.clone()).collect();
        assert_eq!(known.get(name), Some(&found), "{name}");
        for (label, value) in labels {
            values.entry((name, label)).or_default().insert(value);
        }
    }
    // Series that are there from the start tell all values a label has; others come with the first event.
    let complete = [names::PHASE, names::MEMBERS, names::PUSHES, names::EXPIRED, names::RAFT_PART, names::RAFT_INDEX];
    for (name, labels) in alert_expressions().iter().flat_map(|expression| metrics_of(expression)) {
        for (label, wanted) in labels.iter().filter(|_| complete.contains(&name.as_str())) {
            let there = &values[&(name.as_str(), label.as_str())];
            assert!(wanted.split('|').all(|value| there.contains(value)), "{name} has no {label} {wanted}: {there:?}");
        }
    }
}

/// The sample of all settings, with its lines in force.
fn sample_in_force() -> String {
    let is_setting = |line: &&str| {
        line.split_once(" = ").is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    };
    let sample = text("deploy/roster.toml");
    let settings = sample.lines().filter_map(|line| line.strip_prefix("# ")).filter(is_setting);
    settings.map(|line| format!("{line}\n")).collect()
}

fn loaded(file: &str) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("roster.toml");
    fs::write(&path, file).expect("written");
    let settings = RawSettings::default().load(Some(&path)).unwrap_or_else(|error| panic!("{error}"));
    format!("{settings:?}")
}

#[test]
fn the_sample_has_every_setting_with_its_default() {
    let sample = sample_in_force();
    let help = Command::new(env!("CARGO_BIN_EXE_roster")).args(["server", "--help"]).output().expect("runs");
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    let flags = help.lines().filter_map(|line| line.trim_start().strip_prefix("--")?.split(' ').next());
    let flags: BTreeSet<String> = flags.filter(|flag| *flag != "config").map(|flag| flag.replace('-', "_")).collect();
    let named: BTreeSet<String> =
        sample.lines().map(|line| line.split(' ').next().unwrap_or_default().into()).collect();
    assert_eq!(named, flags);
    // These two have no default; the sample shows what they look like.
    let examples = ["advertise", "peer_secret"];
    let is_default = |line: &&str| !examples.iter().any(|name| line.starts_with(name));
    let defaults: String = sample.lines().filter(is_default).map(|line| format!("{line}\n")).collect();
    assert_eq!(loaded(&defaults), loaded(""));
    assert_ne!(loaded(&sample), loaded(""));
}

#[test]
fn the_files_of_settings_are_accepted_by_a_node() {
    let data = tempfile::tempdir().expect("a directory");
    let dir = data.path().join("data").to_string_lossy().into_owned();
    let sample = data.path().join("sample.toml").to_string_lossy().into_owned();
    fs::write(&sample, sample_in_force()).expect("written");
    for file in [sample.as_str(), "deploy/roster.toml"] {
        let node = Node::start(&["--config", file, "--port", "0", "--data", &dir]);
        assert_eq!(node.ask("GET", "/nacos/v3/admin/core/state/readiness").0, "200");
    }
    assert!(loaded(&text("deploy/systemd/roster.toml")).contains("192.0.2.13"));
}

#[test]
fn every_file_names_the_ports_that_belong_together() {
    let main = 8_848;
    let (grpc, cluster) = (main + GRPC_OFFSET, main + PEER_OFFSET);
    let proxies = ["deploy/proxy/nginx.conf", "deploy/proxy/haproxy.cfg", "deploy/proxy/envoy.yaml"];
    for file in proxies {
        let proxy = text(file);
        assert!(proxy.contains(&main.to_string()) && proxy.contains(&grpc.to_string()), "{file} passes on both");
        assert!(!proxy.contains(&cluster.to_string()), "{file} keeps out of the cluster port");
    }
    for file in ["deploy/kubernetes/services.yaml", "deploy/helm/roster/templates/services.yaml"] {
        let services = text(file);
        for (name, port) in [("http", main), ("grpc", grpc), ("cluster", cluster)] {
            assert!(services.contains(&format!("name: {name}, port: {port}, targetPort: {name}")), "{file}: {name}");
        }
        let clients = services.split("---").nth(1).expect("the service of clients");
        assert!(!clients.contains(&format!("port: {cluster}")), "{file}: clients have no business there");
    }
    let compose = text("deploy/compose/compose.yaml");
    let published = compose.lines().filter_map(|line| line.trim().strip_prefix("ports: "));
    for ports in published {
        let ports: Vec<u16> = ports.split([':', '"']).filter_map(|part| part.parse().ok()).collect();
        let [outside, inside, outside_grpc, inside_grpc] = ports[..] else { panic!("{ports:?}") };
        assert_eq!((outside_grpc - outside, inside_grpc - inside), (GRPC_OFFSET, GRPC_OFFSET));
    }
    assert!(text("deploy/Dockerfile").contains(&format!("EXPOSE {main} {grpc} {cluster}")));
}

#[test]
fn a_node_answers_at_every_path_that_is_asked_for() {
    let data = tempfile::tempdir().expect("a directory");
    let node = Node::alone(data.path());
    let mut paths = BTreeSet::from(["/metrics".to_owned()]);
    for file in below("deploy").iter().chain([&root().join("docs/deploying.md")]) {
        let text = fs::read_to_string(file).unwrap_or_default();
        let ends = |c: char| !(c.is_ascii_alphanumeric() || "/_-".contains(c));
        let found = text.match_indices("/nacos/v3/admin/core/state/").map(|(at, _)| &text[at..]);
        paths.extend(found.map(|rest| rest.split(ends).next().unwrap_or_default().to_owned()));
    }
    assert_eq!(paths.len(), 3, "{paths:?}");
    for path in paths {
        assert_eq!(node.ask("GET", &path).0, "200", "{path}");
    }
}

/// A service called roster has Kubernetes set ROSTER_PORT and others, which a node refuses.
#[test]
fn pods_are_not_told_of_services_and_images_have_the_version_of_the_program() {
    for file in ["deploy/kubernetes/statefulset.yaml", "deploy/helm/roster/templates/statefulset.yaml"] {
        assert!(text(file).contains("enableServiceLinks: false"), "{file}");
    }
    let image = format!("roster:{}", env!("CARGO_PKG_VERSION"));
    for file in ["deploy/kubernetes/statefulset.yaml", "deploy/compose/compose.yaml", "deploy/Dockerfile"] {
        assert!(text(file).contains(&image), "{file} names {image}");
    }
    assert!(text("deploy/helm/roster/Chart.yaml").contains(concat!("appVersion: \"", env!("CARGO_PKG_VERSION"), "\"")));
    let toolchain = text("rust-toolchain.toml");
    let release = toolchain.split('"').nth(1).expect("a release");
    assert!(text("deploy/Dockerfile").contains(&format!("FROM rust:{release}-")), "the image builds with {release}");
}

#[test]
fn expressions_are_read_as_they_are_meant() {
    let expression = r#"sum by (le, job) (rate(roster_a_bucket{x="1",y!~"2|3"}[5m])) / on (job) roster_b > 1"#;
    let labels = vec![("x".to_owned(), "1".to_owned()), ("y".to_owned(), "2|3".to_owned())];
    assert_eq!(metrics_of(expression), [("roster_a_bucket".to_owned(), labels), ("roster_b".to_owned(), vec![])]);
    assert_eq!(groups_of(expression), BTreeSet::from(["job".to_owned(), "le".to_owned()]));
}
