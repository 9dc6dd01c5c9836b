//! The JSON dialect of Nacos (Jackson with its default coercions), where it differs from serde's.
//!
//! `null` is the default of a field; numbers, booleans and texts convert into each other as Jackson converts them; an
//! array is never an object. What does not convert is an error, as in Nacos. Recorded cases: `tests/server/golden`.

use std::{borrow::Cow, fmt, marker::PhantomData};

use compact_str::CompactString;
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::model::Metadata;

/// A JSON value that is neither an object nor an array.
enum Scalar<'a> {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(Cow<'a, str>),
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a text, a number, a boolean or null")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Float(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(value.to_owned())))
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ScalarVisitor)
    }
}

impl Scalar<'_> {
    fn into_text(self) -> Option<CompactString> {
        match self {
            Scalar::Null => None,
            Scalar::Bool(value) => Some(if value { "true" } else { "false" }.into()),
            Scalar::Integer(value) => Some(compact_str::format_compact!("{value}")),
            Scalar::Float(value) => Some(compact_str::format_compact!("{value:?}")),
            Scalar::Text(value) => Some(value.into()),
        }
    }
}

/// A text; absent and null are `None`.
pub(super) fn optional_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<CompactString>, D::Error> {
    Ok(Scalar::deserialize(from)?.into_text())
}

/// A text; absent and null are empty.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<CompactString, D::Error> {
    Ok(optional_text(from)?.unwrap_or_default())
}

/// A boolean; null is false.
pub(super) fn boolean<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    match Scalar::deserialize(from)? {
        Scalar::Null => Ok(false),
        Scalar::Bool(value) => Ok(value),
        Scalar::Integer(value) => Ok(value != 0),
        Scalar::Float(value) => Err(de::Error::invalid_type(de::Unexpected::Float(value), &"a boolean")),
        Scalar::Text(value) => match value.trim() {
            "true" | "True" | "TRUE" => Ok(true),
            "false" | "False" | "FALSE" | "" => Ok(false),
            _ => Err(de::Error::invalid_value(de::Unexpected::Str(&value), &"a boolean")),
        },
    }
}

/// A 32-bit integer; null is 0 and a fraction is cut off.
pub(super) fn integer<'de, D: Deserializer<'de>>(from: D) -> Result<i32, D::Error> {
    let wide = match Scalar::deserialize(from)? {
        Scalar::Null => 0,
        Scalar::Integer(value) => value,
        Scalar::Float(value) if value.abs() <= 2_147_483_648.0 => value.trunc() as i128,
        Scalar::Text(value) if value.trim().is_empty() => 0,
        Scalar::Text(value) => value.trim().parse().map_err(de::Error::custom)?,
        Scalar::Float(_) | Scalar::Bool(_) => return Err(de::Error::custom("not an integer")),
    };
    i32::try_from(wide).map_err(|_| de::Error::custom("integer beyond 32 bits"))
}

/// A finite number; null is 0, what is not finite is 1 (Nacos 3 reads the text `NaN` so; its `Infinity` would come out as
/// a text that Go and Rust clients cannot read).
pub(super) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let value: f64 = match Scalar::deserialize(from)? {
        Scalar::Null => 0.0,
        Scalar::Integer(value) => value as f64,
        Scalar::Float(value) => value,
        Scalar::Text(value) if value.trim().is_empty() => 0.0,
        Scalar::Text(value) => value.trim().parse().map_err(de::Error::custom)?,
        Scalar::Bool(_) => return Err(de::Error::custom("not a number")),
    };
    Ok(if value.is_finite() { value } else { 1.0 })
}

struct MetadataVisitor;

impl<'de> Visitor<'de> for MetadataVisitor {
    type Value = Metadata;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object of texts or null")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Metadata::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(0).min(64));
        while let Some((key, value)) = map.next_entry::<Cow<'de, str>, Scalar<'de>>()? {
            if let Some(value) = value.into_text() {
                pairs.push((CompactString::from(key), value));
            }
        }
        Ok(pairs.into_iter().collect())
    }
}

/// A map of texts; null is empty, a null value is as absent.
pub(super) fn text_map<'de, D: Deserializer<'de>>(from: D) -> Result<Metadata, D::Error> {
    from.deserialize_any(MetadataVisitor)
}

/// A map of texts that is checked and dropped.
pub(super) fn ignored_map<'de, D: Deserializer<'de>>(from: D) -> Result<(), D::Error> {
    text_map(from).map(drop)
}

/// An object or null, and nothing else: serde would read an array into a struct field by field.
pub(super) struct Object<T>(pub Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ObjectVisitor(PhantomData))
    }
}

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object or null")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Object(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|value| Object(Some(value)))
    }
}

/// Reads one object from the start of `bytes`. What follows it is ignored, as Jackson ignores it.
pub(super) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<Option<T>, serde_json::Error> {
    let mut from = serde_json::Deserializer::from_slice(bytes);
    Object::deserialize(&mut from).map(|object| object.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Sample {
        #[serde(default, deserialize_with = "integer")]
        port: i32,
        #[serde(default, deserialize_with = "number")]
        weight: f64,
        #[serde(default, deserialize_with = "boolean")]
        healthy: bool,
        #[serde(default, deserialize_with = "optional_text")]
        ip: Option<CompactString>,
        #[serde(default, deserialize_with = "text_map")]
        metadata: Metadata,
    }

    fn sample(text: &str) -> Option<Sample> {
        read(text.as_bytes()).expect("reads")
    }

    fn refused(text: &str) -> bool {
        read::<Sample>(text.as_bytes()).is_err()
    }

    #[test]
    fn scalars_convert_as_in_jackson() {
        let read =
            sample(r#"{"port":"8080","weight":"2.5","healthy":"false","ip":7,"metadata":{"a":1,"b":true,"c":null}}"#)
                .expect("an object");
        assert_eq!((read.port, read.weight, read.healthy), (8080, 2.5, false));
        assert_eq!(read.ip.as_deref(), Some("7"));
        assert_eq!(read.metadata.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "true")]);
        assert_eq!(sample(r#"{"port":80.5}"#).expect("an object").port, 80);
        assert!(sample(r#"{"healthy":2}"#).expect("an object").healthy);
    }

    #[test]
    fn null_is_zero_false_or_absent() {
        let read =
            sample(r#"{"port":null,"weight":null,"healthy":null,"ip":null,"metadata":null}"#).expect("an object");
        assert_eq!((read.port, read.weight, read.healthy, read.ip), (0, 0.0, false, None));
        assert!(read.metadata.is_empty());
        assert!(sample("null").is_none());
    }

    #[test]
    fn what_is_not_finite_becomes_one() {
        assert_eq!(sample(r#"{"weight":"NaN"}"#).expect("an object").weight, 1.0);
        assert_eq!(sample(r#"{"weight":"Infinity"}"#).expect("an object").weight, 1.0);
    }

    #[test]
    fn what_does_not_convert_is_refused() {
        for text in [
            r#"{"port":"x"}"#,
            r#"{"port":3000000000}"#,
            r#"{"port":true}"#,
            r#"{"weight":NaN}"#,
            r#"{"weight":"x"}"#,
            r#"{"metadata":[]}"#,
            r#"{"metadata":"x"}"#,
            r#"{"metadata":{"a":{"b":1}}}"#,
            "[]",
            "",
            "{",
            "7",
            "{\"ip\":\"\u{0}",
        ] {
            assert!(refused(text), "{text}");
        }
        assert!(read::<Sample>(b"{\"ip\":\"\xff\"}").is_err(), "invalid UTF-8");
    }

    #[test]
    fn garbage_after_the_object_and_deep_nesting() {
        assert!(sample("{} x").is_some());
        assert!(refused(&format!("{{\"unknown\":{}", "[".repeat(100_000))));
    }
}
