//! How the test and its clients go on together: it waits for their answers, lets them rest, and
//! hears of what is wrong.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The longest that anything may take. A node waits 25 s for a server that has fallen silent.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// What a client waits after a request without an answer.
const PAUSE: Duration = Duration::from_millis(30);

/// Between the test and its clients.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    progress: Condvar,
    opened: Condvar,
    stopped: Condvar,
}

#[derive(Default)]
struct State {
    is_closed: bool,
    is_stopped: bool,
    resting: usize,
    counts: Counts,
    failure: Option<String>,
}

/// What the clients have done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Commands and questions whose outcome is known: of those who want the hot tree, and of the
    /// others.
    pub(crate) hot: u64,
    pub(crate) others: u64,
    /// Requests sent in vain.
    pub(crate) in_vain: u64,
}

/// Ends the clients, also where the test panics.
pub(crate) struct StopOnDrop<'a>(pub(crate) &'a Gate);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.state().is_stopped = true;
        self.0.opened.notify_all();
        self.0.stopped.notify_all();
    }
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A client goes on, once it may; `false`: it ends.
    pub(crate) fn pass(&self) -> bool {
        let mut state = self.state();
        if state.is_closed {
            state.resting += 1;
            self.progress.notify_all();
            state = self
                .opened
                .wait_while(state, |state| state.is_closed && !state.is_stopped)
                .unwrap();
            state.resting -= 1;
        }
        !state.is_stopped && state.failure.is_none()
    }

    /// A client that was not answered waits a moment before it tries again; `false`: it ends.
    pub(crate) fn pause(&self) -> bool {
        let mut state = self.state();
        state.counts.in_vain += 1;
        self.progress.notify_all();
        let (state, _) = self
            .stopped
            .wait_timeout_while(state, PAUSE, |state| !state.is_stopped)
            .unwrap();
        !state.is_stopped
    }

    pub(crate) fn answered(&self, is_hot: bool) {
        let mut state = self.state();
        let count = &mut state.counts;
        *if is_hot {
            &mut count.hot
        } else {
            &mut count.others
        } += 1;
        self.progress.notify_all();
    }

    /// A client has seen something that must not be.
    pub(crate) fn fail(&self, what: String) {
        let mut state = self.state();
        if !state.is_stopped {
            state.failure.get_or_insert(what);
        }
        self.progress.notify_all();
    }

    pub(crate) fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Waits until the clients have done so much more.
    ///
    /// # Errors
    /// What a client has seen; that they do not go on.
    pub(crate) fn wait_for(
        &self,
        what: &str,
        is_enough: impl Fn(Counts) -> bool,
    ) -> Result<(), String> {
        let first = self.counts();
        self.wait(what, |state| {
            let now = state.counts;
            let Counts {
                hot,
                others,
                in_vain,
            } = first;
            is_enough(Counts {
                hot: now.hot - hot,
                others: now.others - others,
                in_vain: now.in_vain - in_vain,
            })
        })
    }

    /// Lets every client come to the end of what it does, and rest.
    ///
    /// # Errors
    /// What a client has seen; that one does not come to an end.
    pub(crate) fn close(&self, clients: usize) -> Result<(), String> {
        self.state().is_closed = true;
        self.wait("all clients rest", |state| state.resting == clients)
    }

    pub(crate) fn open(&self) {
        self.state().is_closed = false;
        self.opened.notify_all();
    }

    fn wait(&self, what: &str, is_so: impl Fn(&State) -> bool) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        let mut state = self.state();
        while !is_so(&state) {
            if let Some(failure) = &state.failure {
                return Err(failure.clone());
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!(
                    "not within {PATIENCE:?}: {what}; {:?}, {} rest",
                    state.counts, state.resting
                ));
            }
            state = self.progress.wait_timeout(state, left).unwrap().0;
        }
        state.failure.clone().map_or(Ok(()), Err)
    }
}
