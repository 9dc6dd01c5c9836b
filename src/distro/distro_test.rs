//! Tasks, versions, tombstones and comparisons one by one.
