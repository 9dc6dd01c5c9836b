//! Names and the rules they obey (Nacos `DefaultParamChecker` with `ParamCheckRule`), with the texts clients show.

use std::fmt;

use compact_str::CompactString;
use thiserror::Error;

use crate::model::limits;

/// The namespace of clients that name none. Empty and absent mean the same.
pub const DEFAULT_NAMESPACE: &str = "public";
/// The group of services that name none.
pub const DEFAULT_GROUP: &str = "DEFAULT_GROUP";
/// The cluster of instances that name none.
pub const DEFAULT_CLUSTER: &str = "DEFAULT";

/// Identity of a service. Checked: no part is blank or has an illegal character.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    /// The namespace; namespaces need not exist before they are used.
    pub namespace: CompactString,
    /// The group.
    pub group: CompactString,
    /// The plain name, without the group.
    pub name: CompactString,
}

impl ServiceKey {
    /// Checks the parts and fills in the defaults of blank ones. A blank `name` is legal here, because readers may ask for
    /// it (nothing is ever published under it); whoever publishes refuses it.
    pub fn new(namespace: &str, group: &str, name: &str) -> Result<Self, IllegalParam> {
        let namespace = or_default(namespace, DEFAULT_NAMESPACE);
        let group = or_default(group, DEFAULT_GROUP);
        check_param(Param::Namespace, namespace)?;
        check_param(Param::Service, name)?;
        check_param(Param::Group, group)?;
        Ok(Self { namespace: namespace.into(), group: group.into(), name: name.into() })
    }

    /// `<group>@@<name>`, the form Nacos calls the grouped name.
    pub fn grouped(&self) -> Grouped<'_> {
        Grouped(self)
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}@@{}", self.namespace, self.grouped())
    }
}

/// Displays a service key as its grouped name.
#[derive(Clone, Copy)]
pub struct Grouped<'a>(&'a ServiceKey);

impl fmt::Display for Grouped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}@@{}", self.0.group, self.0.name)
    }
}

fn or_default<'a>(value: &'a str, default: &'a str) -> &'a str {
    if value.trim().is_empty() { default } else { value }
}

/// A parameter that is checked, by the name it has in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    /// Namespace id.
    Namespace,
    /// What people call a namespace.
    NamespaceName,
    /// Plain service name.
    Service,
    /// Group name.
    Group,
    /// Cluster name.
    Cluster,
    /// Instance address: an IP or a host name.
    Ip,
}

/// What is wrong with a parameter, in Nacos's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IllegalParam {
    /// More characters than allowed.
    #[error("Param '{0}' is illegal, the param length should not exceed {1}.")]
    Length(&'static str, usize),
    /// A character that is not allowed, or not there.
    #[error("Param '{0}' is illegal, illegal characters should not appear in the param.")]
    Characters(&'static str),
    /// A port outside 0 to 65535.
    #[error("Param 'port' is illegal, the value should be between 0 and 65535.")]
    Port,
}

impl Param {
    fn rule(self) -> (&'static str, usize, fn(&str) -> bool) {
        match self {
            Param::Namespace => ("namespaceId/tenant", limits::NAMESPACE, |value| value.chars().all(is_word)),
            Param::NamespaceName => ("namespaceShowName", limits::NAMESPACE_NAME, is_show_name),
            Param::Service => ("serviceName", limits::SERVICE_NAME, is_service_name),
            Param::Group => ("group", limits::GROUP, |value| value.chars().all(is_group_char)),
            Param::Cluster => ("cluster", limits::CLUSTER, |value| value.chars().all(is_word)),
            Param::Ip => ("ip", limits::IP, |value| !value.chars().any(is_space_or_ideograph)),
        }
    }
}

/// Checks one parameter. Blank values pass: whether one may be absent is the operation's business.
pub fn check_param(param: Param, value: &str) -> Result<(), IllegalParam> {
    if value.trim().is_empty() {
        return Ok(());
    }
    let (name, longest, legal) = param.rule();
    if length(value) > longest {
        return Err(IllegalParam::Length(name, longest));
    }
    if legal(value) { Ok(()) } else { Err(IllegalParam::Characters(name)) }
}

/// Checks a port as it came from the wire.
pub fn check_port(port: i64) -> Result<u16, IllegalParam> {
    u16::try_from(port).map_err(|_| IllegalParam::Port)
}

/// Length as Java counts it, in UTF-16 units.
pub(super) fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

fn is_show_name(value: &str) -> bool {
    !value.contains(['@', '#', '$', '%', '^', '&', '*'])
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn is_group_char(c: char) -> bool {
    is_word(c) || c == '.' || c == ':'
}

fn is_space_or_ideograph(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r' | '\u{4E00}'..='\u{9FA5}')
}

/// No leading `@`, no `@@`, and from the second character on no white space and no ideograph.
fn is_service_name(name: &str) -> bool {
    let mut chars = name.chars();
    let first = chars.next();
    let line_end = |c: char| matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
    first.is_some_and(|c| c != '@' && !line_end(c)) && !name.contains("@@") && !chars.any(is_space_or_ideograph)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn legal(param: Param, value: &str) -> bool {
        check_param(param, value).is_ok()
    }

    #[test]
    fn blank_namespace_and_group_are_the_defaults() {
        let key = ServiceKey::new(" ", "", "orders").expect("legal");
        assert_eq!(key.to_string(), "public@@DEFAULT_GROUP@@orders");
        assert_eq!(key.grouped().to_string(), "DEFAULT_GROUP@@orders");
    }

    #[test]
    fn service_names_follow_the_recorded_edges() {
        for name in ["x@", "中", "é#$%/:*", " x", "x,y", "providers:a.B:1.0:"] {
            assert!(legal(Param::Service, name), "{name:?}");
        }
        for name in ["@x", "a@@b", "a b", "中文", "x\t", "x@@", "\nx"] {
            assert!(!legal(Param::Service, name), "{name:?}");
        }
    }

    #[test]
    fn lengths_are_counted_as_java_does() {
        assert!(legal(Param::Service, &"s".repeat(512)));
        assert_eq!(
            check_param(Param::Service, &"s".repeat(513)).expect_err("long").to_string(),
            "Param 'serviceName' is illegal, the param length should not exceed 512."
        );
        assert!(!legal(Param::Service, &"😀".repeat(257)), "a supplementary character is two units");
    }

    #[test]
    fn the_other_alphabets() {
        assert!(legal(Param::Namespace, "no-such_ns9") && !legal(Param::Namespace, "a.b"));
        assert!(legal(Param::Group, "a-b_c:d.e") && !legal(Param::Group, "a/b"));
        assert!(legal(Param::Cluster, "c_1-2") && !legal(Param::Cluster, "c.1") && !legal(Param::Cluster, "c,d"));
        assert!(legal(Param::Ip, "host.example") && legal(Param::Ip, "::1") && !legal(Param::Ip, "a b"));
    }

    #[test]
    fn ports() {
        assert_eq!(check_port(65_535), Ok(65_535));
        assert_eq!(check_port(0), Ok(0));
        assert_eq!(check_port(-1), Err(IllegalParam::Port));
        assert_eq!(check_port(65_536), Err(IllegalParam::Port));
    }
}
