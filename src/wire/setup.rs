//! The first message of a client on its stream.

use compact_str::CompactString;
use serde::Deserialize;

use crate::{
    model::{Attributes, Metadata},
    wire::json::{self, Object},
};

/// What a client says of itself (Nacos `ConnectionSetupRequest`). Nothing of it is validated, by Nacos neither.
#[derive(Debug)]
pub struct Setup {
    /// Free text such as `Nacos-Java-Client:v2.5.1`.
    pub client_version: CompactString,
    /// `source`, `module`, `AppName` and more.
    pub labels: Metadata,
    /// Whether it sent an ability table and so waits for an ack; one that sent none must not get one (the C# SDK stops
    /// reading its stream when it does).
    pub negotiates: bool,
}

impl Setup {
    /// What listings show of the client.
    pub fn attributes(&self) -> Attributes {
        let app = self.labels.get("AppName").unwrap_or_default().into();
        Attributes { agent: self.client_version.clone(), app }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Form {
    #[serde(deserialize_with = "json::text")]
    client_version: CompactString,
    #[serde(deserialize_with = "json::text_map")]
    labels: Metadata,
    ability_table: Object<AbilityForm>,
}

/// Only that the table reads matters: its values must be booleans, as in Nacos.
#[derive(Deserialize)]
struct AbilityForm {
    #[serde(flatten)]
    _abilities: std::collections::BTreeMap<String, bool>,
}

/// Reads a set-up. None when it does not read: it is then ignored, and the client may send a right one.
pub fn decode_setup(body: &[u8]) -> Option<Setup> {
    let form: Form = json::read(body).ok()??;
    Some(Setup { client_version: form.client_version, labels: form.labels, negotiates: form.ability_table.0.is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_table_negotiates_and_an_empty_one_does() {
        let negotiates = |body: &str| decode_setup(body.as_bytes()).map(|setup| setup.negotiates);
        assert_eq!(negotiates(r#"{"abilityTable":{}}"#), Some(true));
        assert_eq!(negotiates(r#"{"abilityTable":{"fuzzyWatch":true,"x":false}}"#), Some(true));
        assert_eq!(negotiates(r#"{"abilityTable":null}"#), Some(false));
        assert_eq!(negotiates("{}"), Some(false));
        assert_eq!(negotiates(r#"{"abilityTable":{"foo":"bar"}}"#), None);
        assert_eq!(negotiates("{"), None);
        assert_eq!(negotiates(""), None);
        assert_eq!(negotiates("null"), None);
    }

    #[test]
    fn labels_may_be_null() {
        let setup = decode_setup(br#"{"clientVersion":null,"labels":null}"#).expect("reads");
        assert!(setup.labels.is_empty() && setup.client_version.is_empty());
    }
}
