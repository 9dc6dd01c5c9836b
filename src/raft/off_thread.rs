//! Work that waits for the disk, done where it delays no heartbeat: the one place that chooses where that is.

use std::io;

/// Does work on a thread that may wait, and returns what came of it; an error if it panicked.
pub(super) async fn off_thread<T, F>(work: F) -> io::Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    #[cfg(test)]
    if turmoil::in_simulation() {
        // Threads end when they like, and nothing that is simulated may depend on it.
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}
