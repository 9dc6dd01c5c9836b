//! Metadata as a parameter: a flat JSON object, or pairs `k=v,k2=v2` (Nacos `UtilsAndCommons.parseMetadata`).

use compact_str::CompactString;
use serde_json::{Map, Value};

use crate::{http::nacos::Fault, model::Metadata};

/// Reads metadata and checks their length.
pub(super) fn parse(given: &str) -> Result<Metadata, Fault> {
    let pairs = match given {
        "" | "null" => Some(Metadata::default()),
        _ => object(given).or_else(|| pairs(given)),
    };
    let metadata = pairs.ok_or_else(|| Fault::metadata(given))?;
    metadata.check_length()?;
    Ok(metadata)
}

fn object(given: &str) -> Option<Metadata> {
    let members: Map<String, Value> = serde_json::from_str(given).ok()?;
    let texts = members.into_iter().filter_map(|(key, value)| match value {
        // Nobody can be shown a label without a value.
        Value::Null => None,
        Value::Bool(value) => Some(Some((key, value.to_string()))),
        Value::Number(value) => Some(Some((key, value.to_string()))),
        Value::String(value) => Some(Some((key, value))),
        Value::Array(_) | Value::Object(_) => Some(None),
    });
    let texts: Option<Vec<(String, String)>> = texts.collect();
    Some(texts?.into_iter().map(|(key, value)| (CompactString::from(key), CompactString::from(value))).collect())
}

fn pairs(given: &str) -> Option<Metadata> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        let flat = !value.is_empty() && !value.contains('=');
        flat.then(|| (CompactString::from(key), CompactString::from(value)))
    };
    let pairs: Option<Vec<_>> = given.split(',').map(pair).collect();
    Some(pairs?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(given: &str) -> String {
        parse(given).map_or_else(
            |_| "refused".to_owned(),
            |metadata| metadata.iter().map(|(key, value)| format!("[{key}|{value}]")).collect(),
        )
    }

    #[test]
    fn both_forms_read() {
        for (given, read) in [
            ("", ""),
            ("null", ""),
            ("{}", ""),
            (r#"{"a":"b","n":1,"t":true,"x":null}"#, "[a|b][n|1][t|true]"),
            (r#"{"a":"1","a":"2"}"#, "[a|2]"),
            ("a=b,c=d", "[a|b][c|d]"),
            (" a = b ", "[ a | b ]"),
            ("=b", "[|b]"),
        ] {
            assert_eq!(shown(given), read, "{given}");
        }
    }

    #[test]
    fn what_is_not_flat_is_refused() {
        for given in ["a", "a=", "a=b=c", "a=b,c", r#"{"a":{"b":"c"}}"#, r#"{"a":[1]}"#, r#"["a"]"#, r#"{"a":"b""#] {
            assert_eq!(shown(given), "refused", "{given}");
        }
    }
}
