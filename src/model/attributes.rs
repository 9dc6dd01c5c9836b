//! What a client says of itself, for people.

use compact_str::CompactString;

/// A client's own words (Nacos `ClientAttributes`). Nothing depends on them but listings, and which clients take datagrams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Client software with its version, such as `Nacos-Java-Client:v2.5.1`.
    pub agent: CompactString,
    /// Name of the application; empty when it has none.
    pub app: CompactString,
}
