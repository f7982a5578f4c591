//! Threads for work that takes long. Their priority is low: where processors are few, checks and
//! writes go before it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::{io, thread};

use tokio::sync::oneshot;

use crate::error::MecError;

/// How much lower: about a tenth of the processor where others want it too.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

type Work = Box<dyn FnOnce() + Send>;

/// The threads; they end once this is dropped and what they were given is done.
#[derive(Debug)]
pub(crate) struct Background(mpsc::Sender<Work>);

impl Background {
    pub(crate) fn start(threads: usize) -> io::Result<Self> {
        let (sender, waiting) = mpsc::channel::<Work>();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..threads {
            let waiting = waiting.clone();
            thread::Builder::new()
                .name("mec-reader".to_owned())
                .spawn(move || {
                    lower_priority();
                    while let Ok(work) = next(&waiting) {
                        // A panic ends its request, not the thread; whoever waits sees that there
                        // is no answer.
                        drop(catch_unwind(AssertUnwindSafe(work)));
                    }
                })?;
        }
        Ok(Self(sender))
    }

    /// Does it there. It is done also when nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, MecError> + Send + 'static,
    ) -> Result<T, MecError> {
        let (caller, outcome) = oneshot::channel();
        self.0
            .send(Box::new(move || drop(caller.send(work()))))
            .map_err(|_| MecError::Stopped)?;
        outcome
            .await
            .map_err(|_| MecError::NotDone("the read ended early".to_owned()))?
    }
}

fn next(waiting: &Mutex<mpsc::Receiver<Work>>) -> Result<Work, mpsc::RecvError> {
    waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .recv()
}

/// Linux has a priority for each thread, other systems only one for the process.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "reads have the priority of everything else");
    }
}
