//! What this server can do beyond the basics, as told to clients that negotiate.

use serde::Serialize;

/// The server's ability table (Nacos `ServerAbilities`). An ability is announced only when it works: a client that reads
/// `false` falls back or refuses by itself, one that reads a wrong `true` fails.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct AbilityTable {
    #[serde(rename = "supportPersistentInstanceByGrpc")]
    persistent_instance_by_grpc: bool,
    #[serde(rename = "fuzzyWatch")]
    fuzzy_watch: bool,
    lock: bool,
    mcp: bool,
}

pub(super) const ABILITIES: AbilityTable =
    AbilityTable { persistent_instance_by_grpc: true, fuzzy_watch: false, lock: false, mcp: false };
