//! What handlers tell of the process around the node.

use std::sync::Arc;

use tokio::sync::watch;

use crate::runtime::Log;

/// A running process.
pub struct Process {
    /// Becomes true when the node begins to stop.
    pub stopping: watch::Receiver<bool>,
    /// Its log; none where the log is not this program's to set.
    pub log: Option<Arc<Log>>,
}

impl Process {
    /// Whether the node has not begun to stop.
    pub(super) fn is_running(&self) -> bool {
        // When nobody can say any more, the node is gone.
        !*self.stopping.borrow() && self.stopping.has_changed().is_ok()
    }
}
