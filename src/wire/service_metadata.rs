//! Selectors and health checkers as JSON (Nacos `Selector`, `AbstractHealthChecker`).

use compact_str::CompactString;
use serde::{Deserialize, Serialize, Serializer, de::DeserializeOwned, ser::SerializeMap};
use thiserror::Error;

use crate::{
    model::{HealthChecker, Metadata, Selector},
    wire::json,
};

/// Why a selector is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IllegalSelector {
    /// It is no JSON object.
    #[error("the selector is not a JSON object")]
    Unreadable,
    /// It names no type that there is.
    #[error("not match any type of selector!")]
    Type,
    /// Its expression does not read.
    #[error("Selector parses failed: parse expression failed!")]
    Expression,
}

/// Why a health checker is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IllegalChecker {
    /// It is no JSON object of a checker.
    #[error("healthChecker is not a JSON object: {0}")]
    Unreadable(String),
    /// A server that asked any address it is told to would be anybody's way into its network.
    #[error("healthChecker: the path of an HTTP check must begin with '/' and name no host")]
    Path,
    /// A header that ends would begin another.
    #[error("healthChecker: headers must not contain line breaks")]
    Headers,
}

/// Types of selectors there are.
pub const SELECTOR_TYPES: [&str; 2] = ["label", "none"];

/// Reads a selector.
pub fn decode_selector(text: &str) -> Result<Selector, IllegalSelector> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Form {
        r#type: Option<CompactString>,
        expression: Option<CompactString>,
    }
    let form: Form = read(text).map_err(|_| IllegalSelector::Unreadable)?;
    match form.r#type.as_deref() {
        Some("none") => Ok(Selector::None),
        Some("label") => {
            let labels = form.expression.as_deref().map_or(Ok(Vec::new()), labels)?;
            Ok(Selector::Label { expression: form.expression, labels })
        }
        _ => Err(IllegalSelector::Type),
    }
}

/// Reads an object in which a member may stand twice, as `type` does in selectors of the Java 3 SDK; the last counts.
fn read<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    serde_json::from_value(serde_json::from_str(text)?)
}

/// The labels that `CONSUMER.label.x=PROVIDER.label.x & …` asks to be equal.
fn labels(expression: &str) -> Result<Vec<CompactString>, IllegalSelector> {
    let label = |term: &str| {
        let (consumer, provider) = term.split_once('=')?;
        let consumer = consumer.trim().strip_prefix("CONSUMER.label.")?;
        let provider = provider.trim().strip_prefix("PROVIDER.label.")?;
        (consumer == provider && !consumer.is_empty()).then(|| CompactString::from(consumer))
    };
    expression.split('&').map(|term| label(term).ok_or(IllegalSelector::Expression)).collect()
}

/// A selector as it is written.
pub struct SelectorJson<'a>(pub &'a Selector);

impl Serialize for SelectorJson<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        match self.0 {
            Selector::None => {
                map.serialize_entry("type", "none")?;
                map.serialize_entry("contextType", "NONE")?;
            }
            Selector::Label { expression, labels } => {
                map.serialize_entry("type", "label")?;
                if let Some(expression) = expression {
                    map.serialize_entry("expression", expression)?;
                }
                map.serialize_entry("labels", labels)?;
                map.serialize_entry("contextType", "CMDB")?;
            }
        }
        map.end()
    }
}

/// Reads a health checker. A type that there is not means none, as in Nacos.
pub fn decode_checker(text: &str) -> Result<HealthChecker, IllegalChecker> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Form {
        r#type: Option<CompactString>,
        path: Option<CompactString>,
        headers: Option<CompactString>,
        #[serde(deserialize_with = "json::optional_text")]
        expected_response_code: Option<CompactString>,
        user: Option<CompactString>,
        pwd: Option<CompactString>,
        cmd: Option<CompactString>,
    }
    let form: Form = read(text).map_err(|fault| IllegalChecker::Unreadable(fault.to_string()))?;
    match form.r#type.as_deref() {
        Some("TCP") => Ok(HealthChecker::Tcp),
        Some("HTTP") => {
            let (path, headers) = (form.path.unwrap_or_default(), form.headers.unwrap_or_default());
            if !path.is_empty() && (!path.starts_with('/') || path.starts_with("//")) {
                return Err(IllegalChecker::Path);
            }
            if headers.contains(['\r', '\n']) || path.contains(['\r', '\n']) {
                return Err(IllegalChecker::Headers);
            }
            let code = form.expected_response_code.and_then(|code| code.parse().ok());
            Ok(HealthChecker::Http { path, headers, expected_response_code: code.unwrap_or(200) })
        }
        Some("MYSQL") => Ok(HealthChecker::Mysql { user: form.user, password: form.pwd, command: form.cmd }),
        _ => Ok(HealthChecker::None),
    }
}

/// A health checker as it is written.
pub struct CheckerJson<'a>(pub &'a HealthChecker);

impl Serialize for CheckerJson<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        match self.0 {
            HealthChecker::Tcp => map.serialize_entry("type", "TCP")?,
            HealthChecker::Http { path, headers, expected_response_code } => {
                map.serialize_entry("type", "HTTP")?;
                map.serialize_entry("path", path)?;
                map.serialize_entry("headers", headers)?;
                map.serialize_entry("expectedResponseCode", expected_response_code)?;
            }
            HealthChecker::Mysql { user, password, command } => {
                map.serialize_entry("type", "MYSQL")?;
                map.serialize_entry("user", user)?;
                map.serialize_entry("pwd", password)?;
                map.serialize_entry("cmd", command)?;
            }
            HealthChecker::None => map.serialize_entry("type", "NONE")?,
        }
        map.end()
    }
}

/// Labels as they are written.
pub struct MetadataJson<'a>(pub &'a Metadata);

impl Serialize for MetadataJson<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str) -> Result<String, IllegalSelector> {
        decode_selector(text).map(|selector| serde_json::to_string(&SelectorJson(&selector)).expect("text keys"))
    }

    #[test]
    fn selectors_read_and_are_written_as_nacos_writes_them() {
        assert_eq!(rewritten(r#"{"type":"none","x":1}"#), Ok(r#"{"type":"none","contextType":"NONE"}"#.into()));
        let two = "CONSUMER.label.zone=PROVIDER.label.zone & CONSUMER.label.room = PROVIDER.label.room";
        assert_eq!(
            rewritten(&format!(r#"{{"type":"label","expression":"{two}"}}"#)),
            Ok(format!(r#"{{"type":"label","expression":"{two}","labels":["zone","room"],"contextType":"CMDB"}}"#))
        );
        assert_eq!(rewritten(r#"{"type":"label"}"#), Ok(r#"{"type":"label","labels":[],"contextType":"CMDB"}"#.into()));
        let java_3 = r#"{"type":"none","type":"none","contextType":"none"}"#;
        assert_eq!(rewritten(java_3), Ok(r#"{"type":"none","contextType":"NONE"}"#.into()));
        assert_eq!(rewritten("{}"), Err(IllegalSelector::Type));
        assert_eq!(rewritten(r#"{"type""#), Err(IllegalSelector::Unreadable));
        for wrong in ["xyz", "CONSUMER.label.a=PROVIDER.label.b", "CONSUMER.label.=PROVIDER.label."] {
            let text = format!(r#"{{"type":"label","expression":"{wrong}"}}"#);
            assert_eq!(rewritten(&text), Err(IllegalSelector::Expression), "{wrong}");
        }
    }

    #[test]
    fn checkers_read_and_are_written_as_nacos_writes_them() {
        let rewritten = |text: &str| {
            decode_checker(text).map(|checker| serde_json::to_string(&CheckerJson(&checker)).expect("text keys"))
        };
        for same in [
            r#"{"type":"TCP"}"#,
            r#"{"type":"NONE"}"#,
            r#"{"type":"HTTP","path":"/ping","headers":"A:1|B:2","expectedResponseCode":201}"#,
            r#"{"type":"MYSQL","user":"u","pwd":"p","cmd":"select 1"}"#,
        ] {
            assert_eq!(rewritten(same).as_deref(), Ok(same));
        }
        assert_eq!(rewritten(r#"{"type":"FOO"}"#).as_deref(), Ok(r#"{"type":"NONE"}"#));
        assert!(matches!(rewritten("TCP"), Err(IllegalChecker::Unreadable(_))));
        assert_eq!(rewritten(r#"{"type":"HTTP","path":"http://10.0.0.1/x"}"#), Err(IllegalChecker::Path));
        assert_eq!(rewritten(r#"{"type":"HTTP","path":"/","headers":"A:1\r\nB:2"}"#), Err(IllegalChecker::Headers));
    }
}
