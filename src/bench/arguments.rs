//! Values on the command line that clap does not know itself. Promises an error text that names what was read.

use std::time::Duration;

/// `250ms`, `1m 30s`, or a bare number of seconds.
pub fn duration(text: &str) -> Result<Duration, humantime::DurationError> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    humantime::parse_duration(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_or_are_seconds() {
        assert_eq!(duration("300ms").unwrap(), Duration::from_millis(300));
        assert_eq!(duration("2").unwrap(), Duration::from_secs(2));
        assert!(duration("soon").is_err());
    }
}
