//! The log of this process: where it goes, and how much of it while it runs.

use std::{collections::BTreeMap, io::IsTerminal};

use parking_lot::Mutex;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{LevelFilter, ParseError},
    layer::SubscriberExt,
    reload,
    util::{SubscriberInitExt, TryInitError},
};

/// Names of loggers, those of Nacos that say something here and our own modules, and which part of the program each is.
const LOGGERS: [(&str, &str); 10] = [
    ("roster", "roster"),
    ("core", "roster"),
    ("naming-main", "roster"),
    ("naming-push", "roster::connection"),
    ("remote", "roster::connection"),
    ("roster::connection", "roster::connection"),
    ("roster::grpc", "roster::grpc"),
    ("roster::http", "roster::http"),
    ("roster::runtime", "roster::runtime"),
    ("roster::server", "roster::server"),
];

/// Crates whose every line is for their authors.
const CHATTERERS: [&str; 2] = ["openraft", "sled"];

/// Why the log cannot be written as wanted.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The setting does not read.
    #[error("setting `log`: `{0}` is no log filter: {1}")]
    Filter(String, ParseError),
    /// Something else writes a log already.
    #[error("cannot install the log: {0}")]
    Install(#[from] TryInitError),
}

/// The filter in front of the log.
pub struct Log {
    /// As configured.
    filter: String,
    /// Levels that were set since, by part of the program.
    levels: Mutex<BTreeMap<&'static str, LevelFilter>>,
    handle: reload::Handle<EnvFilter, Registry>,
}

impl Log {
    /// Writes what `filter` lets through to standard error, from now on: lines for people, or one JSON object each.
    pub fn install(filter: &str, json: bool) -> Result<Self, LogError> {
        let (parsed, handle) = reload::Layer::new(parse(filter, &BTreeMap::new())?);
        let lines =
            tracing_subscriber::fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr);
        let lines = if json { lines.json().boxed() } else { lines.boxed() };
        tracing_subscriber::registry().with(parsed).with(lines).try_init()?;
        Ok(Self { filter: filter.to_owned(), levels: Mutex::default(), handle })
    }

    /// Sets the level of a logger until the process ends. Nothing happens for a logger or a level that is not known.
    pub fn set(&self, logger: &str, level: &str) {
        let part = LOGGERS.iter().find(|(name, _)| *name == logger).map(|(_, part)| *part);
        let (Some(part), Ok(level)) = (part, level.parse::<LevelFilter>()) else { return };
        let mut levels = self.levels.lock();
        levels.insert(part, level);
        let changed = parse(&self.filter, &levels).map(|filter| self.handle.reload(filter));
        match changed {
            Ok(Ok(())) => tracing::info!(part, %level, "log level set"),
            Ok(Err(error)) => tracing::warn!(part, %error, "log level not set"),
            Err(error) => tracing::warn!(part, %error, "log level not set"),
        }
    }
}

/// The filter as configured, with the levels that were set since in place of what it says of the same parts.
fn parse(filter: &str, levels: &BTreeMap<&'static str, LevelFilter>) -> Result<EnvFilter, LogError> {
    let fault = |fault| LogError::Filter(filter.to_owned(), fault);
    let parsed = EnvFilter::builder().parse(filter).map_err(fault)?;
    // They say at length what their users are told as errors; who wants to hear it names them.
    let quiet = CHATTERERS.iter().filter(|chatterer| !filter.contains(**chatterer));
    let mut quiet = quiet.map(|chatterer| format!("{chatterer}=off"));
    let parsed =
        quiet.try_fold(parsed, |parsed, off| Ok::<_, LogError>(parsed.add_directive(off.parse().map_err(fault)?)))?;
    levels.iter().try_fold(parsed, |parsed, (part, level)| {
        Ok(parsed.add_directive(format!("{part}={level}").parse().map_err(fault)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_was_set_replaces_the_configured_one() {
        let shown = |filter: &str, levels: &[(&'static str, LevelFilter)]| {
            let mut directives: Vec<String> = parse(filter, &levels.iter().copied().collect())
                .expect("a filter")
                .to_string()
                .split(',')
                .map(str::to_owned)
                .collect();
            directives.sort();
            directives
        };
        assert_eq!(shown("info", &[]), ["info", "openraft=off", "sled=off"]);
        assert_eq!(shown("info,openraft=debug,sled=info", &[]), ["info", "openraft=debug", "sled=info"]);
        assert!(shown("info", &[("roster", LevelFilter::DEBUG)]).contains(&"roster=debug".to_owned()));
        assert!(shown("warn,roster=info", &[("roster", LevelFilter::OFF)]).contains(&"roster=off".to_owned()));
    }

    #[test]
    fn a_filter_that_does_not_read_is_refused_with_its_text() {
        let refused = parse("roster=loud", &BTreeMap::new()).expect_err("no level").to_string();
        assert!(refused.starts_with("setting `log`: `roster=loud` is no log filter"), "{refused}");
    }
}
