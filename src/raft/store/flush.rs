//! The thread that makes barriers: one for all who wait.
//!
//! Promises: nobody is told that something is durable before a barrier that began after it was written; after one that
//! failed nobody ever is.

use std::{io, path::PathBuf, thread};

use tokio::sync::mpsc;

use crate::raft::store::{StoreError, disk::Done, error::Broken};

/// How many may wait; more are kept waiting before they write more.
const WAITING: usize = 1_024;

pub(super) struct Flusher {
    queue: Option<mpsc::Sender<Done>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Flusher {
    /// Starts the thread; `barrier` returns when all that was written before is durable.
    pub(super) fn start(
        dir: PathBuf,
        broken: Broken,
        mut barrier: impl FnMut() -> Result<(), StoreError> + Send + 'static,
    ) -> io::Result<Self> {
        let (queue, mut waiting) = mpsc::channel::<Done>(WAITING);
        let flush = move || {
            let mut taken = Vec::new();
            while waiting.blocking_recv_many(&mut taken, WAITING) > 0 {
                let result = broken.guard(&dir, &mut barrier);
                taken.drain(..).for_each(|done| done(result.clone()));
            }
        };
        let thread = thread::Builder::new().name("raft-flush".into()).spawn(flush)?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    pub(super) fn queue(&self) -> mpsc::Sender<Done> {
        self.queue.clone().expect("until it is dropped")
    }
}

impl Drop for Flusher {
    /// Waits for the thread: it holds the database, which is opened again only once nobody does.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id()) {
            // It catches what panics.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        path::Path,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use parking_lot::Mutex;
    use tokio::sync::oneshot;

    use super::*;

    async fn ask(flusher: &Flusher) -> Result<(), StoreError> {
        let (told, hears) = oneshot::channel();
        let done: Done = Box::new(move |result| told.send(result).expect("somebody waits"));
        assert!(flusher.queue().send(done).await.is_ok());
        hears.await.expect("is told")
    }

    #[tokio::test]
    async fn one_barrier_serves_all_who_wait() {
        let (made, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(())));
        let (counted, passed) = (made.clone(), gate.clone());
        let barrier = move || {
            drop(passed.lock());
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        let flusher = Flusher::start("x".into(), Broken::default(), barrier).expect("starts");
        let closed = gate.lock();
        let mut hearing = Vec::new();
        for _ in 0..100 {
            let (told, hears) = oneshot::channel();
            let done: Done = Box::new(move |result: Result<(), _>| told.send(result.is_ok()).expect("is heard"));
            flusher.queue().try_send(done).map_err(|_| "full").expect("fits");
            hearing.push(hears);
        }
        drop(closed);
        for hears in hearing {
            assert!(hears.await.expect("is told"));
        }
        assert!(made.load(Ordering::SeqCst) <= 2, "the first may have begun when there was one");
    }

    #[tokio::test]
    async fn nothing_is_acknowledged_after_a_barrier_failed() {
        let mut left = 2;
        let barrier = move || {
            left -= 1;
            // As a kernel does: the error is told once, and the pages are gone.
            if left == 0 { Err(StoreError::io(Path::new("/x/db"), io::Error::from_raw_os_error(28))) } else { Ok(()) }
        };
        let flusher = Flusher::start("x".into(), Broken::default(), barrier).expect("starts");
        assert!(ask(&flusher).await.is_ok());
        let full = ask(&flusher).await.expect_err("fails").to_string();
        assert!(full.contains("/x/db") && full.contains("No space left"), "{full}");
        for _ in 0..3 {
            let broken = ask(&flusher).await.expect_err("for good").to_string();
            assert!(broken.contains("failed earlier") && broken.contains("No space left"), "{broken}");
        }
    }

    #[tokio::test]
    async fn a_barrier_that_panics_breaks_the_store_and_nothing_else() {
        let barrier = || panic!("tried to serialize Uninitialized");
        let flusher = Flusher::start("/x".into(), Broken::default(), barrier).expect("starts");
        let error = ask(&flusher).await.expect_err("fails").to_string();
        assert!(error.contains("Uninitialized") && error.contains("To rejoin"), "{error}");
        assert!(matches!(ask(&flusher).await, Err(StoreError::Broken(_))));
    }
}
