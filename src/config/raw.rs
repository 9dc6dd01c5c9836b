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
    config::{PEER_OFFSET, Settings, span::Span},
    connection::{self, Limits, Liveness},
    distro, http, member,
    model::Millis,
    node, push, registry,
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
    ($($(#[doc = $help:literal])+ $name:ident: $kind:ty = $default:expr;)*) => {
        /// Every setting, each with its default. What was not given is none.
        #[derive(Args, Clone, Debug, Default, Serialize)]
        pub struct RawSettings {
            $($(#[doc = $help])+
            #[arg(long)]
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
        ];
        for (setting, span) in positive {
            refuse(millis(span) == 0, setting, "must be at least 1ms")?;
        }
        Ok(())
    }

    fn into_settings(self) -> Settings {
        let limit = |limit: usize| (limit > 0).then_some(limit);
        Settings {
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
                member: member::Settings::DEFAULT,
                distro: distro::Settings::DEFAULT,
                loading_limit: node::LOADING_MILLIS,
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
            http: http::Settings { prometheus_discovery: self.prometheus_discovery },
            http_timeout: self.http_timeout.0,
            http_idle: self.http_idle.0,
            shutdown_grace: self.shutdown_grace.0,
        }
    }
}
