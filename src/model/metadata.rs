//! The free-form labels of an instance.

use compact_str::CompactString;

use crate::model::{IllegalParam, limits, name::length};

/// Key-value pairs sorted by key, one value a key.
///
/// Sorted because answers must come out the same way every time: the old Python client compares the text of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Box<[(CompactString, CompactString)]>);

impl Metadata {
    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(candidate, _)| candidate.as_str().cmp(key)).ok()?;
        Some(&self.0[at].1)
    }

    /// The value of `key` when it is a plain decimal number, as Nacos reads the `preserved.*` keys.
    pub fn number(&self, key: &str) -> Option<u64> {
        let text = self.get(key)?;
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    }

    /// Checks the length of all keys and values together, in UTF-16 units.
    pub fn check_length(&self) -> Result<(), IllegalParam> {
        let total: usize = self.iter().map(|(key, value)| length(key) + length(value)).sum();
        if total > limits::METADATA { Err(IllegalParam::Length("Metadata", limits::METADATA)) } else { Ok(()) }
    }

    /// All pairs, by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// These with those of `over`, which win.
    pub fn merged(&self, over: &Self) -> Self {
        self.0.iter().chain(&over.0).cloned().collect()
    }

    /// These but for the keys of `others`.
    pub fn without(&self, others: &Self) -> Self {
        self.0.iter().filter(|(key, _)| others.get(key).is_none()).cloned().collect()
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(CompactString, CompactString)> for Metadata {
    fn from_iter<T: IntoIterator<Item = (CompactString, CompactString)>>(pairs: T) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        // Of a key given twice the last value stands, as in a JSON object read by Jackson; the sort is stable.
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.reverse();
        pairs.dedup_by(|a, b| a.0 == b.0);
        pairs.reverse();
        Self(pairs.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(pairs: &[(&str, &str)]) -> Metadata {
        pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    }

    #[test]
    fn order_of_arrival_does_not_matter() {
        assert_eq!(metadata(&[("b", "2"), ("a", "1")]), metadata(&[("a", "1"), ("b", "2")]));
    }

    #[test]
    fn the_last_of_two_values_stands() {
        assert_eq!(metadata(&[("a", "1"), ("b", "x"), ("a", "2")]).get("a"), Some("2"));
    }

    #[test]
    fn all_pairs_together_are_limited() {
        assert!(metadata(&[("k", &"v".repeat(1023))]).check_length().is_ok());
        assert!(metadata(&[("k", &"v".repeat(1024))]).check_length().is_err());
    }

    #[test]
    fn numbers_are_plain_digits() {
        let values = metadata(&[("n", "15000"), ("signed", "-1"), ("empty", ""), ("huge", "99999999999999999999999")]);
        assert_eq!(values.number("n"), Some(15_000));
        assert_eq!(values.number("signed"), None);
        assert_eq!(values.number("empty"), None);
        assert_eq!(values.number("huge"), Some(u64::MAX));
        assert_eq!(values.number("absent"), None);
    }
}
