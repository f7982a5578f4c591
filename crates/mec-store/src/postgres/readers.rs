//! Connections that read, lent one at a time.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::session::Session;

/// Connections that read, lent one at a time; one that was lost is made anew when it is needed.
#[derive(Debug)]
pub(super) struct Readers {
    idle: Mutex<Vec<Option<Arc<Session>>>>,
    returned: Condvar,
}

impl Readers {
    pub(super) fn of(count: usize) -> Self {
        Self {
            idle: Mutex::new(vec![None; count.max(1)]),
            returned: Condvar::new(),
        }
    }

    pub(super) fn borrow(&self) -> Option<Arc<Session>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match idle.pop() {
                Some(session) => return session,
                None => {
                    idle = self
                        .returned
                        .wait(idle)
                        .unwrap_or_else(PoisonError::into_inner)
                }
            }
        }
    }

    pub(super) fn give_back(&self, session: Option<Arc<Session>>) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(session);
        self.returned.notify_one();
    }
}

/// A connection that goes back to the others, whatever happens to its reader.
pub(super) struct Lent<'a> {
    pub(super) readers: &'a Readers,
    pub(super) session: Option<Arc<Session>>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.readers.give_back(self.session.take());
    }
}
