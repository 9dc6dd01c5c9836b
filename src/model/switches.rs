//! What operators switch on a running server (Nacos `SwitchDomain`), each by the names it has in the API.
//!
//! Owns the values and their defaults. Those that mean nothing here are kept and shown, because consoles and scripts set
//! them and look whether they did.

use std::collections::BTreeMap;

use compact_str::CompactString;

use crate::model::Millis;

/// Something that is on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// Whether silent instances expire. Kept and shown.
    HealthCheck,
    /// Whether checks stop by themselves under load. Kept and shown.
    AutoChangeHealthCheck,
    /// Whether nodes tell each other. Kept and shown.
    Distro,
    /// Whether a node may serve alone. Kept and shown.
    Standalone,
    /// Whether subscribers are told of changes. Lists do not depend on it.
    Push,
    /// Whether clients may beat without describing the instance again.
    LightBeat,
    /// Whether a registration of the oldest API that does not say is ephemeral.
    DefaultEphemeral,
    /// Whether new instances are refused. Kept and shown, as in Nacos since 2.0.
    DisableAddIp,
    /// Whether only beats go to other nodes. Kept and shown.
    SendBeatOnly,
}

/// A span of time in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// How often clients that were told nothing else beat.
    ClientBeat,
    /// How long clients may use a list without asking again.
    PushCache,
    /// The same for clients that are not pushed to. Kept and shown.
    DefaultCache,
    /// How often nodes compare services. Kept and shown.
    ServiceStatus,
    /// How often nodes look at each other. Kept and shown.
    ServerStatus,
    /// Silence after which a node counts as gone. Kept and shown.
    DistroExpiry,
}

/// A way of finding persistent instances healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// By a GET.
    Http,
    /// By a connection.
    Tcp,
    /// By a query.
    Mysql,
}

/// How often a probe is made: between `min` and `max` milliseconds, and how much the last one counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProbePace {
    /// At most.
    pub max: Millis,
    /// At least.
    pub min: Millis,
    /// Share of the last duration in the next pause.
    pub factor: f64,
}

/// Client software that takes datagrams, from a version on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "languages")]
pub enum Language {
    Java,
    Python,
    C,
    Go,
    Csharp,
}

/// What a server says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each says itself")]
pub enum ServerStatus {
    Up,
    Down,
    Starting,
    Paused,
    WriteOnly,
    ReadOnly,
}

/// One switch with its new value.
#[derive(Clone, Debug, PartialEq)]
pub enum Switch {
    /// On or off.
    Flag(Flag, bool),
    /// A span.
    Span(Span, Millis),
    /// The share of nodes that must live. Kept and shown.
    DistroThreshold(f64),
    /// Failed checks in a row that make an instance unhealthy. Kept and shown.
    CheckTimes(i64),
    /// The pace of probes. Kept and shown.
    Pace(Probe, ProbePace),
    /// The first version that takes datagrams.
    PushVersion(Language, CompactString),
    /// Leaders by hand, of the oldest versions. Kept and shown.
    Masters(Vec<CompactString>),
    /// Beginnings of paths with queries, each with the status it is answered.
    LimitedUrls(BTreeMap<CompactString, u16>),
    /// What the server says of itself whatever it is; none for what it is.
    Status(Option<ServerStatus>),
}

impl Switch {
    /// All, as they are made.
    pub fn defaults() -> Vec<Self> {
        let flags = Flag::ALL.map(|(flag, .., on)| Switch::Flag(flag, on));
        let spans = Span::ALL.map(|(span, .., millis)| Switch::Span(span, millis));
        let paces = Probe::ALL.map(|(probe, .., pace)| Switch::Pace(probe, pace));
        let versions = Language::ALL.map(|(language, _, version)| Switch::PushVersion(language, version.into()));
        let Switches { distro_threshold, check_times, .. } = Switches::default();
        let others = [
            Switch::DistroThreshold(distro_threshold),
            Switch::CheckTimes(check_times),
            Switch::Masters(Vec::new()),
            Switch::LimitedUrls(BTreeMap::new()),
            Switch::Status(None),
        ];
        flags.into_iter().chain(spans).chain(paces).chain(versions).chain(others).collect()
    }

    /// Where it stands among all switches, the same for ever: what is agreed on is kept by it.
    pub fn place(&self) -> u8 {
        match self {
            Switch::Flag(flag, _) => *flag as u8,
            Switch::Span(span, _) => 32 + *span as u8,
            Switch::Pace(probe, _) => 64 + *probe as u8,
            Switch::PushVersion(language, _) => 96 + *language as u8,
            Switch::DistroThreshold(_) => 128,
            Switch::CheckTimes(_) => 129,
            Switch::Masters(_) => 130,
            Switch::LimitedUrls(_) => 131,
            Switch::Status(_) => 132,
        }
    }
}

/// All switches.
#[derive(Clone, Debug, PartialEq)]
pub struct Switches {
    flags: [bool; Flag::ALL.len()],
    spans: [Millis; Span::ALL.len()],
    paces: [ProbePace; Probe::ALL.len()],
    versions: [CompactString; Language::ALL.len()],
    /// See [`Switch::DistroThreshold`].
    pub distro_threshold: f64,
    /// See [`Switch::CheckTimes`].
    pub check_times: i64,
    /// See [`Switch::Masters`]; none until somebody names some.
    pub masters: Option<Vec<CompactString>>,
    /// See [`Switch::LimitedUrls`].
    pub limited_urls: BTreeMap<CompactString, u16>,
    /// See [`Switch::Status`].
    pub status: Option<ServerStatus>,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            flags: Flag::ALL.map(|(.., on)| on),
            spans: Span::ALL.map(|(.., millis)| millis),
            paces: Probe::ALL.map(|(.., pace)| pace),
            versions: Language::ALL.map(|(.., version)| version.into()),
            distro_threshold: 0.7,
            check_times: 3,
            masters: None,
            limited_urls: BTreeMap::new(),
            status: None,
        }
    }
}

impl Switches {
    /// Whether a flag is on.
    pub fn flag(&self, flag: Flag) -> bool {
        self.flags[flag as usize]
    }

    /// A span.
    pub fn span(&self, span: Span) -> Millis {
        self.spans[span as usize]
    }

    /// The pace of a probe.
    pub fn pace(&self, probe: Probe) -> ProbePace {
        self.paces[probe as usize]
    }

    /// The first version of a client that takes datagrams.
    pub fn push_version(&self, language: Language) -> &str {
        &self.versions[language as usize]
    }

    /// Sets one switch.
    pub fn set(&mut self, switch: Switch) {
        match switch {
            Switch::Flag(flag, on) => self.flags[flag as usize] = on,
            Switch::Span(span, millis) => self.spans[span as usize] = millis,
            Switch::Pace(probe, pace) => self.paces[probe as usize] = pace,
            Switch::PushVersion(language, version) => self.versions[language as usize] = version,
            Switch::DistroThreshold(threshold) => self.distro_threshold = threshold,
            Switch::CheckTimes(times) => self.check_times = times,
            Switch::Masters(masters) => self.masters = Some(masters),
            Switch::LimitedUrls(urls) => self.limited_urls = urls,
            Switch::Status(status) => self.status = status,
        }
    }

    /// What the server says of itself.
    pub fn server_status(&self) -> ServerStatus {
        self.status.unwrap_or(ServerStatus::Up)
    }
}

impl Flag {
    /// Each with the name that sets it, the name that shows it, and its default; in the order of the variants.
    pub const ALL: [(Flag, &str, &str, bool); 9] = [
        (Flag::HealthCheck, "check", "healthCheckEnabled", true),
        (Flag::AutoChangeHealthCheck, "autoChangeHealthCheckEnabled", "autoChangeHealthCheckEnabled", true),
        (Flag::Distro, "distro", "distroEnabled", true),
        (Flag::Standalone, "enableStandalone", "enableStandalone", true),
        (Flag::Push, "pushEnabled", "pushEnabled", true),
        (Flag::LightBeat, "lightBeatEnabled", "lightBeatEnabled", true),
        (Flag::DefaultEphemeral, "defaultInstanceEphemeral", "defaultInstanceEphemeral", true),
        (Flag::DisableAddIp, "disableAddIP", "disableAddIP", false),
        (Flag::SendBeatOnly, "sendBeatOnly", "sendBeatOnly", false),
    ];
}

impl Span {
    /// Each with the name that sets it, the name that shows it, and its default; in the order of the variants.
    pub const ALL: [(Span, &str, &str, Millis); 6] = [
        (Span::ClientBeat, "clientBeatInterval", "clientBeatInterval", 5_000),
        (Span::PushCache, "pushCacheMillis", "defaultPushCacheMillis", 10_000),
        (Span::DefaultCache, "defaultCacheMillis", "defaultCacheMillis", 3_000),
        (
            Span::ServiceStatus,
            "serviceStatusSynchronizationPeriodMillis",
            "serviceStatusSynchronizationPeriodMillis",
            5_000,
        ),
        (
            Span::ServerStatus,
            "serverStatusSynchronizationPeriodMillis",
            "serverStatusSynchronizationPeriodMillis",
            2_000,
        ),
        (Span::DistroExpiry, "distroServerExpiredMillis", "distroServerExpiredMillis", 10_000),
    ];
}

impl Probe {
    /// Each with the name that sets and shows it and its default; in the order of the variants.
    pub const ALL: [(Probe, &str, ProbePace); 3] = [
        (Probe::Http, "httpHealthParams", ProbePace { max: 5_000, min: 500, factor: 0.85 }),
        (Probe::Tcp, "tcpHealthParams", ProbePace { max: 5_000, min: 1_000, factor: 0.75 }),
        (Probe::Mysql, "mysqlHealthParams", ProbePace { max: 3_000, min: 2_000, factor: 0.65 }),
    ];
}

impl Language {
    /// Each with its name and the default; in the order of the variants.
    pub const ALL: [(Language, &str, &str); 5] = [
        (Language::Java, "java", "0.1.0"),
        (Language::Python, "python", "0.4.3"),
        (Language::C, "c", "1.0.12"),
        (Language::Go, "go", "0.1.0"),
        (Language::Csharp, "csharp", "0.9.0"),
    ];
}

impl ServerStatus {
    /// Each with its name.
    pub const ALL: [(ServerStatus, &str); 6] = [
        (ServerStatus::Up, "UP"),
        (ServerStatus::Down, "DOWN"),
        (ServerStatus::Starting, "STARTING"),
        (ServerStatus::Paused, "PAUSED"),
        (ServerStatus::WriteOnly, "WRITE_ONLY"),
        (ServerStatus::ReadOnly, "READ_ONLY"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// Whether requests are served that read, or that write.
    pub fn serves(self, reads: bool) -> bool {
        match self {
            ServerStatus::Up => true,
            ServerStatus::ReadOnly => reads,
            ServerStatus::WriteOnly => !reads,
            ServerStatus::Down | ServerStatus::Starting | ServerStatus::Paused => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_the_order_of_their_variants() {
        assert!(Flag::ALL.iter().enumerate().all(|(at, row)| row.0 as usize == at));
        assert!(Span::ALL.iter().enumerate().all(|(at, row)| row.0 as usize == at));
        assert!(Probe::ALL.iter().enumerate().all(|(at, row)| row.0 as usize == at));
        assert!(Language::ALL.iter().enumerate().all(|(at, row)| row.0 as usize == at));
        assert!(ServerStatus::ALL.iter().enumerate().all(|(at, row)| row.0 as usize == at));
    }

    #[test]
    fn a_switch_changes_itself_and_nothing_else() {
        let pace = ProbePace { max: 9_000, min: 8_000, factor: 0.1 };
        let urls = BTreeMap::from([("/a".into(), 418)]);
        for switch in [
            Switch::Flag(Flag::Push, false),
            Switch::Span(Span::ClientBeat, 6_000),
            Switch::DistroThreshold(0.8),
            Switch::CheckTimes(4),
            Switch::Pace(Probe::Tcp, pace),
            Switch::PushVersion(Language::Go, "9.9.9".into()),
            Switch::Masters(vec!["10.0.0.1".into()]),
            Switch::LimitedUrls(urls),
            Switch::Status(Some(ServerStatus::Down)),
        ] {
            let mut changed = Switches::default();
            changed.set(switch.clone());
            assert_ne!(changed, Switches::default(), "{switch:?}");
            let mut again = changed.clone();
            again.set(switch);
            assert_eq!(again, changed);
        }
        let mut switches = Switches::default();
        switches.set(Switch::Flag(Flag::Push, false));
        switches.set(Switch::Flag(Flag::Push, true));
        assert_eq!(switches, Switches::default());
    }

    #[test]
    fn a_status_serves_what_it_says() {
        let serves = |status: ServerStatus| [status.serves(true), status.serves(false)];
        assert_eq!(serves(Switches::default().server_status()), [true, true]);
        assert_eq!(serves(ServerStatus::ReadOnly), [true, false]);
        assert_eq!(serves(ServerStatus::WriteOnly), [false, true]);
        assert_eq!(serves(ServerStatus::Starting), [false, false]);
    }
}
