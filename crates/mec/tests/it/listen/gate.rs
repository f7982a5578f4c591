//! Where handlers wait for a test, and a test for handlers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::within;

/// Handlers wait here until the test lets them through, and the test waits here for handlers.
pub(super) struct Gate {
    passes: Semaphore,
    arrivals: Semaphore,
    arrivals_seen: AtomicUsize,
    inside: AtomicUsize,
    pub(super) inside_at_most: AtomicUsize,
}

impl Gate {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            passes: Semaphore::new(0),
            arrivals: Semaphore::new(0),
            arrivals_seen: AtomicUsize::new(0),
            inside: AtomicUsize::new(0),
            inside_at_most: AtomicUsize::new(0),
        })
    }

    pub(super) async fn pass(&self) {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.inside_at_most.fetch_max(inside, Ordering::SeqCst);
        self.arrivals.add_permits(1);
        self.passes.acquire().await.expect("never closed").forget();
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }

    /// Waits until so many handlers have arrived in all.
    pub(super) async fn entered(&self, handlers: usize) {
        let missing = handlers - self.arrivals_seen.swap(handlers, Ordering::SeqCst);
        let missing = u32::try_from(missing).expect("few");
        within(self.arrivals.acquire_many(missing))
            .await
            .expect("never closed")
            .forget();
    }

    pub(super) fn open(&self, handlers: usize) {
        self.passes.add_permits(handlers);
    }
}
