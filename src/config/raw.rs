//! Settings as they come in, and how they become checked ones.

use std::{
    fmt::Display,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, ValueEnum};
use figment::{
    Figment, Metadata, Source,
    providers::{Env, Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    config::{
        ClusterSettings, List, Maybe, PEER_OFFSET, Route, Secret, Settings, cluster::check_addresses, span::Span,
    },
    connection::{self, Limits, Liveness},
    distro, http, member,
    model::{HostPort, Millis},
    node, push, raft, registry,
};

const ENVIRONMENT: &str = "ROSTER_";

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

macro_rules! settings {
    ($($(#[doc = $help:literal])+ $(#[arg($($shown:tt)+)])? $name:ident: $kind:ty = $default:expr;)*) => {
        /// Every setting, each with its default. What was not given is none.
        #[derive(Args, Clone, Debug, Default, Serialize)]
        pub struct RawSettings {
            $($(#[doc = $help])+
            #[arg(long $(, $($shown)+)?)]
            #[serde(skip_serializing_if = "Option::is_none")]
            pub $name: Option<$kind>,)*
        }

        /// The same with the defaults filled in.
        #[derive(Deserialize, Serialize)]
        struct Complete { $($name: $kind,)* }

        impl Default for Complete {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

settings! {
    /// Address to listen on [default: 127.0.0.1, this machine only; 0.0.0.0 for all]
    host: IpAddr = IpAddr::from([127, 0, 0, 1]);
    /// Main port; gRPC clients use the port 1000 above; 0 for any free pair [default: 8848]
    port: u16 = 8_848;
    /// Directory of this node [default: roster-data]
    data: PathBuf = PathBuf::from("roster-data");
    /// What to log: error, warn, info, debug, trace, or a filter by module [default: info]
    log: String = "info".to_owned();
    /// How to log [default: text]
    log_format: LogFormat = LogFormat::Text;
    /// Main addresses of all nodes of the cluster, this one among them, between commas [default: none, a node alone]
    peers: List<HostPort> = List::default();
    /// Own entry among the peers, when it is not found by itself; for a node alone what others are told of it
    advertise: Maybe<HostPort> = Maybe(None);
    /// Name of the cluster; nodes of another name are refused [default: roster]
    cluster: String = "roster".to_owned();
    /// Secret that nodes of the cluster share; other users of a machine see flags, so better ROSTER_PEER_SECRET or the file
    peer_secret: Maybe<Secret> = Maybe(None);
    /// Where else the cluster port of a node is reached: ID=HOST:PORT or HOST:PORT=HOST:PORT, between commas
    #[arg(hide = true)]
    peer_route: List<Route> = List::default();
    /// How long changes merge before other nodes are told [default: 50ms]
    sync_window: Span = Span(Duration::from_millis(50));
    /// How far ahead the clock of another node may be [default: 1m]
    clock_skew_max: Span = Span(Duration::from_secs(60));
    /// Pause between signs of life among nodes [default: 500ms]
    peer_heartbeat: Span = Span(Duration::from_millis(500));
    /// Silence after which another node is suspect [default: 2s]
    peer_suspect: Span = Span(Duration::from_secs(2));
    /// Main addresses of members of a cluster that this node is to join, between commas [default: none]
    join: List<HostPort> = List::default();
    /// How long a change of a persistent instance may take; SDKs give up after 3s [default: 2500ms]
    write_deadline: Span = Span(Duration::from_millis(2_500));
    /// Pause between heartbeats of the leader of persistent instances [default: 200ms]
    raft_heartbeat: Span = Span(Duration::from_millis(200));
    /// Silence after which another leader is elected; up to half as much again, at random [default: 650ms]
    raft_election: Span = Span(Duration::from_millis(650));
    /// Changes after which a snapshot is made of what was agreed on [default: 20000]
    snapshot_entries: u64 = 20_000;
    /// How long a starting node does not show persistent instances that may be old [default: 5s]
    recovery_limit: Span = Span(Duration::from_secs(5));
    /// How long a starting node waits for what others know before it serves [default: 30s]
    loading_limit: Span = Span(Duration::from_secs(30));
    /// Most of a service, in percent, that may expire within 10s; more waits, for 3m at most; 0 for no limit [default: 0]
    removal_brake: u8 = 0;
    /// How long changes of a service merge after one was pushed; 500ms as Nacos [default: 100ms]
    push_window: Span = Span(Duration::from_millis(100));
    /// To what the push window grows under storms [default: 1s]
    push_window_max: Span = Span(Duration::from_secs(1));
    /// Bytes times subscribers times changes that a service may cost in a window before more changes are awaited [default: 262144]
    push_storm_bytes: u64 = 256 * 1024;
    /// How long the ack of a push may take [default: 5s]
    push_ack_timeout: Span = Span(Duration::from_secs(5));
    /// Pause before a failed push is tried again; doubles with each failure [default: 1s]
    push_retry: Span = Span(Duration::from_secs(1));
    /// To what the pause between retries grows [default: 30s]
    push_retry_max: Span = Span(Duration::from_secs(30));
    /// Bytes of pushes that may wait for one client before it is expelled [default: 16777216]
    push_connection_bytes: usize = 16 * 1024 * 1024;
    /// Bytes of encoded lists kept for readers, over all services [default: 67108864]
    encoded_bytes: usize = 64 * 1024 * 1024;
    /// How long a service without instances stays in lists [default: 1m]
    empty_service_expiry: Span = Span(Duration::from_secs(60));
    /// Pause between scans for silent clients [default: 3s]
    connection_scan: Span = Span(Duration::from_secs(3));
    /// Silence after which a client is probed [default: 20s]
    connection_idle: Span = Span(Duration::from_secs(20));
    /// How long a probed client may stay silent before it is expelled [default: 5s]
    connection_probe_timeout: Span = Span(Duration::from_secs(5));
    /// How long a request waits for the connection's set-up that is on its way [default: 300ms]
    setup_hold: Span = Span(Duration::from_millis(300));
    /// How long a gRPC connection may live without a set-up [default: 1m]
    setup_deadline: Span = Span(Duration::from_secs(60));
    /// Most client connections in all; 0 for no limit [default: 0]
    max_connections: usize = 0;
    /// Most client connections from one address; 0 for no limit [default: 0]
    max_connections_per_ip: usize = 0;
    /// How long an HTTP request may take [default: 30s]
    http_timeout: Span = Span(Duration::from_secs(30));
    /// How long an HTTP/1.1 connection may wait for its next request, or with an answer that is not read [default: 1m]
    http_idle: Span = Span(Duration::from_secs(60));
    /// Whether instances are listed below /nacos/prometheus, as targets for Prometheus [default: true]
    prometheus_discovery: bool = true;
    /// Over how long connections are closed when the node stops [default: 1s]
    shutdown_grace: Span = Span(Duration::from_secs(1));
}

/// A setting that cannot be used.
#[derive(Debug, Error)]
#[error("setting `{setting}` from {origin}: {problem}")]
pub struct ConfigError {
    /// Its name in the file.
    setting: String,
    /// Where the value came from.
    origin: String,
    /// What is wrong with it.
    problem: String,
}

impl RawSettings {
    /// Merges these flags over the environment, the file at `config` and the defaults, and checks the result.
    pub fn load(self, config: Option<&Path>) -> Result<Settings, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Complete::default()).profile("default"));
        if let Some(path) = config {
            if !path.is_file() {
                return Err(error("config", path.display().to_string(), &"there is no such file"));
            }
            figment = figment.merge(Toml::file_exact(path));
        }
        figment = figment.merge(Env::prefixed(ENVIRONMENT)).merge(Serialized::defaults(self));
        refuse_unknown(&figment)?;
        let complete: Complete = figment.extract().map_err(|fault| refused(&figment, &fault))?;
        complete.check(&figment)
    }
}

fn error(setting: &str, origin: String, problem: &impl Display) -> ConfigError {
    // The TOML parser draws the faulty line over several; the position is enough.
    let problem = problem.to_string();
    let lines = problem.lines().filter(|line| !line.trim().is_empty() && !line.contains(" |"));
    ConfigError { setting: setting.to_owned(), origin, problem: lines.collect::<Vec<_>>().join(": ") }
}

/// Where the value of `setting` came from, for people.
fn origin(setting: &str, metadata: Option<&Metadata>) -> String {
    match metadata {
        Some(Metadata { source: Some(Source::File(path)), .. }) => format!("the file {}", path.display()),
        Some(metadata) if metadata.name.contains("environment") => {
            format!("the environment variable {ENVIRONMENT}{}", setting.to_uppercase())
        }
        Some(metadata) if metadata.name.contains(std::any::type_name::<RawSettings>()) => {
            format!("the flag --{}", setting.replace('_', "-"))
        }
        _ => "the defaults".to_owned(),
    }
}

fn refuse_unknown(figment: &Figment) -> Result<(), ConfigError> {
    let all: figment::value::Dict =
        figment.extract().map_err(|fault| error("config", origin("", fault.metadata.as_ref()), &fault.kind))?;
    match all.keys().find(|name| !NAMES.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(error(
            name,
            origin(name, figment.find_metadata(name)),
            &"there is no such setting; see roster server --help",
        )),
    }
}

fn refused(figment: &Figment, fault: &figment::Error) -> ConfigError {
    let setting = fault.path.first().cloned().unwrap_or_else(|| "config".to_owned());
    let metadata = fault.metadata.as_ref().or_else(|| figment.find_metadata(&setting));
    error(&setting, origin(&setting, metadata), &fault.kind)
}

fn millis(span: Span) -> Millis {
    span.0.as_millis() as Millis
}

impl Complete {
    fn check(self, figment: &Figment) -> Result<Settings, ConfigError> {
        self.check_relations()
            .map_err(|(setting, problem)| error(setting, origin(setting, figment.find_metadata(setting)), &problem))?;
        Ok(self.into_settings())
    }

    fn check_relations(&self) -> Result<(), (&'static str, String)> {
        let refuse = |wrong: bool, setting, problem: &str| {
            if wrong { Err((setting, problem.to_owned())) } else { Ok(()) }
        };
        refuse(self.port > u16::MAX - PEER_OFFSET, "port", "the port 1001 above must exist too, so at most 64534")?;
        refuse(self.push_window_max.0 < self.push_window.0, "push_window_max", "must not be below push_window")?;
        refuse(self.push_retry_max.0 < self.push_retry.0, "push_retry_max", "must not be below push_retry")?;
        let positive = [
            ("push_retry", self.push_retry),
            ("push_ack_timeout", self.push_ack_timeout),
            ("connection_scan", self.connection_scan),
            ("connection_idle", self.connection_idle),
            ("connection_probe_timeout", self.connection_probe_timeout),
            ("setup_deadline", self.setup_deadline),
            ("http_timeout", self.http_timeout),
            ("http_idle", self.http_idle),
            ("clock_skew_max", self.clock_skew_max),
            ("peer_heartbeat", self.peer_heartbeat),
            ("write_deadline", self.write_deadline),
            ("raft_heartbeat", self.raft_heartbeat),
        ];
        for (setting, span) in positive {
            refuse(millis(span) == 0, setting, "must be at least 1ms")?;
        }
        self.check_cluster()
    }

    fn check_cluster(&self) -> Result<(), (&'static str, String)> {
        check_addresses(&self.peers.0).map_err(|problem| ("peers", problem))?;
        check_addresses(self.advertise.0.as_slice()).map_err(|problem| ("advertise", problem))?;
        let refuse = |wrong: bool, setting, problem: &str| {
            if wrong { Err((setting, problem.to_owned())) } else { Ok(()) }
        };
        refuse(
            self.port == 0 && !self.peers.0.is_empty(),
            "port",
            "must be that of the own entry among the peers, not 0",
        )?;
        refuse(self.cluster.trim().is_empty(), "cluster", "must not be empty")?;
        refuse(self.peer_suspect.0 <= self.peer_heartbeat.0, "peer_suspect", "must be above peer_heartbeat")?;
        refuse(
            self.raft_election.0 < self.raft_heartbeat.0 * 3,
            "raft_election",
            "must be at least three times raft_heartbeat, or leaders change without a reason",
        )?;
        refuse(self.snapshot_entries == 0, "snapshot_entries", "must be at least 1")?;
        check_addresses(&self.join.0).map_err(|problem| ("join", problem))?;
        refuse(
            !self.join.0.is_empty() && !self.peers.0.is_empty(),
            "join",
            "and peers exclude each other: peers found a cluster together, who joins finds one",
        )?;
        refuse(self.port == 0 && !self.join.0.is_empty(), "port", "must be one that others can find, not 0")?;
        refuse(self.removal_brake > 100, "removal_brake", "is in percent, so at most 100")
    }

    fn cluster(&mut self) -> ClusterSettings {
        ClusterSettings {
            peers: std::mem::take(&mut self.peers.0),
            join: std::mem::take(&mut self.join.0),
            advertise: self.advertise.0.take(),
            name: std::mem::take(&mut self.cluster),
            secret: self.peer_secret.0.take(),
            routes: std::mem::take(&mut self.peer_route.0),
        }
    }

    fn into_settings(mut self) -> Settings {
        let limit = |limit: usize| (limit > 0).then_some(limit);
        Settings {
            cluster: self.cluster(),
            host: self.host,
            port: self.port,
            data: self.data,
            log: self.log,
            log_format: self.log_format,
            node: node::Settings {
                registry: registry::Limits {
                    empty_service_expiry: millis(self.empty_service_expiry),
                    encodings: self.encoded_bytes,
                },
                member: member::Settings {
                    heartbeat: millis(self.peer_heartbeat),
                    suspect: millis(self.peer_suspect),
                    skew: millis(self.clock_skew_max),
                },
                distro: distro::Settings { window: millis(self.sync_window) },
                loading_limit: millis(self.loading_limit),
                removal_brake: Some(self.removal_brake).filter(|percent| *percent > 0),
                push: push::Settings {
                    window: millis(self.push_window),
                    window_max: millis(self.push_window_max),
                    storm_bytes: self.push_storm_bytes,
                    ack_timeout: millis(self.push_ack_timeout),
                    retry: millis(self.push_retry),
                    retry_max: millis(self.push_retry_max),
                },
            },
            connection: connection::Settings {
                liveness: Liveness {
                    scan: millis(self.connection_scan),
                    idle: millis(self.connection_idle),
                    probe_timeout: millis(self.connection_probe_timeout),
                },
                limits: Limits { total: limit(self.max_connections), per_ip: limit(self.max_connections_per_ip) },
                setup_hold: self.setup_hold.0,
                setup_deadline: self.setup_deadline.0,
                push_budget: self.push_connection_bytes,
            },
            raft: raft::Settings {
                write_deadline: self.write_deadline.0,
                heartbeat: self.raft_heartbeat.0,
                election: (self.raft_election.0, self.raft_election.0.mul_f64(1.5)),
                snapshot_entries: self.snapshot_entries,
                recovery: self.recovery_limit.0,
                ..raft::Settings::DEFAULT
            },
            http: http::Settings { prometheus_discovery: self.prometheus_discovery },
            http_timeout: self.http_timeout.0,
            http_idle: self.http_idle.0,
            shutdown_grace: self.shutdown_grace.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(flags: RawSettings, file: &str) -> Result<Settings, ConfigError> {
        let data = tempfile::tempdir().expect("a directory");
        let path = data.path().join("roster.toml");
        std::fs::write(&path, file).expect("written");
        flags.load(Some(&path))
    }

    fn text(all: &[impl ToString]) -> Vec<String> {
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn peers_are_a_list_or_a_text_in_the_file_and_a_text_as_a_flag() {
        for file in ["peers = ['n1:8848', 'N2:8848']", "peers = 'n1:8848, n2:8848,'"] {
            let settings = loaded(RawSettings::default(), file).expect("legal");
            assert_eq!(text(&settings.cluster.peers), ["n1:8848", "n2:8848"], "{file}");
        }
        let flags = RawSettings { peers: "n3:8848".parse().ok(), ..RawSettings::default() };
        let settings = loaded(flags, "peers = 'n1:8848'").expect("legal");
        assert_eq!(text(&settings.cluster.peers), ["n3:8848"], "the flag wins over the file");
    }

    #[test]
    fn a_cluster_is_read_as_it_is_written() {
        let flags = RawSettings {
            advertise: "N1:8848".parse().ok(),
            peer_secret: "mellon".parse().ok(),
            peer_route: "n2:8848=127.0.0.1:9".parse().ok(),
            ..RawSettings::default()
        };
        assert!(!format!("{flags:?}").contains("mellon"));
        let settings = loaded(flags, "cluster = 'c'\nremoval_brake = 40\nsync_window = '0s'").expect("legal");
        assert_eq!((settings.node.removal_brake, settings.node.distro.window), (Some(40), 0));
        let cluster = settings.cluster;
        assert_eq!(text(cluster.advertise.as_slice()), ["n1:8848"]);
        assert_eq!(cluster.secret.as_ref().map(Secret::reveal), Some("mellon"));
        assert_eq!(text(&cluster.routes), ["n2:8848=127.0.0.1:9"]);
        assert_eq!(cluster.name, "c");
        assert!(!format!("{cluster:?}").contains("mellon"));
        let Settings { cluster, node, .. } = loaded(RawSettings::default(), "").expect("legal");
        assert_eq!((cluster.peers, cluster.advertise), (Vec::new(), None));
        let recommended = node::Settings::DEFAULT;
        assert_eq!((node.member, node.distro), (recommended.member, recommended.distro));
        assert_eq!((node.loading_limit, node.removal_brake), (recommended.loading_limit, recommended.removal_brake));
        assert_eq!((cluster.name.as_str(), cluster.secret), ("roster", None));
    }

    #[test]
    fn what_no_cluster_can_be_is_refused_by_name() {
        for (file, words) in [
            ("peers = 'n1'", "setting `peers`", "`n1` is no host:port"),
            ("peers = ['n1:8848', 5]", "setting `peers`", "expected a string"),
            ("peers = 'n1:0'", "setting `peers`", "`n1:0` is no host:port"),
            ("peers = 'n1:64535'", "setting `peers`", "at most 64534"),
            ("peers = 'n1:1,N1:1'", "setting `peers`", "n1:1 is there twice"),
            ("advertise = 'n1:65535'", "setting `advertise`", "at most 64534"),
            ("peers = 'n1:1'\nport = 0", "setting `port`", "not 0"),
            ("cluster = ' '", "setting `cluster`", "must not be empty"),
            ("peer_secret = ''", "setting `peer_secret`", "must not be empty"),
            ("peer_secret = 4711", "setting `peer_secret`", "double quotes"),
            ("peer_route = 'n1=n2'", "setting `peer_route`", "`n1=n2` is no route"),
            ("peer_suspect = '500ms'", "setting `peer_suspect`", "must be above peer_heartbeat"),
            ("peer_heartbeat = '0s'", "setting `peer_heartbeat`", "at least 1ms"),
            ("removal_brake = 101", "setting `removal_brake`", "at most 100"),
        ]
        .map(|(file, setting, problem)| (file, [setting, "from the file", problem]))
        {
            let fault = loaded(RawSettings::default(), file).expect_err(file).to_string();
            assert!(words.iter().all(|word| fault.contains(word)), "{file}: {fault}");
            assert!(!fault.contains("4711"), "{fault}");
        }
    }
}
