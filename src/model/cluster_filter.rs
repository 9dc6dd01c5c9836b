//! Which clusters of a service a reader wants.

use compact_str::CompactString;

/// The clusters asked for, as sorted names; empty means all.
///
/// Two spellings of the same wish (`b,a` and `a,b,`) are equal, so they share one encoding. What the client wrote is kept
/// by whoever must echo it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterFilter(Box<[CompactString]>);

impl ClusterFilter {
    /// Reads the comma-separated list of the protocol. Empty parts are skipped (Nacos splits the same way).
    pub fn parse(list: &str) -> Self {
        let mut names: Vec<CompactString> = list.split(',').filter(|name| !name.is_empty()).map(Into::into).collect();
        names.sort_unstable();
        names.dedup();
        Self(names.into())
    }

    /// Whether an instance of `cluster` is wanted.
    pub fn admits(&self, cluster: &str) -> bool {
        self.0.is_empty() || self.0.binary_search_by(|name| name.as_str().cmp(cluster)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_wish_are_equal() {
        assert_eq!(ClusterFilter::parse("b,a"), ClusterFilter::parse("a,,b,a,"));
        assert_eq!(ClusterFilter::parse(","), ClusterFilter::default());
    }

    #[test]
    fn admits_named_clusters_only_and_all_when_none_is_named() {
        let filter = ClusterFilter::parse("c2,c1");
        assert!(filter.admits("c1") && filter.admits("c2") && !filter.admits("c") && !filter.admits("DEFAULT"));
        assert!(ClusterFilter::default().admits("anything"));
    }
}
