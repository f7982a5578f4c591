//! The thread that drives connections: requests wait on it from wherever they are, inside a runtime
//! or not.

use std::sync::mpsc;

use tokio::runtime::{Handle, Runtime};

use crate::StoreError;

/// A runtime of its own, so that a connection lives as long as the store and not as long as whoever
/// opened it.
#[derive(Debug)]
pub(super) struct Io(Option<Runtime>);

impl Io {
    pub(super) fn new() -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("mec-postgres")
            .enable_all()
            .build()
            .map_err(|error| {
                StoreError::Unusable(format!(
                    "no thread for connections could be started: {error}"
                ))
            })?;
        Ok(Self(Some(runtime)))
    }

    pub(super) fn handle(&self) -> &Handle {
        self.0.as_ref().expect("taken only when dropped").handle()
    }

    /// Runs `task` there and blocks this thread until it is through.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        task: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, answer) = mpsc::sync_channel(1);
        self.handle().spawn(async move {
            // Nobody waits any more: the answer is nobody's.
            drop(sender.send(task.await));
        });
        answer
            .recv()
            .unwrap_or_else(|_| Err(StoreError::Stopped("the request ended early".to_owned())))
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // It may be dropped by a thread that must not block.
            runtime.shutdown_background();
        }
    }
}
