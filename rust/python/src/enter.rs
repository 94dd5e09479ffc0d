//! The one gate into the core crate.
//!
//! Every kernel is called through [`enter`]: it lets go of the interpreter, hands over the number of threads, listens for
//! Ctrl-C between bands of rows, and turns the core's error into a Python one. Nobody can forget one of the four.

use std::cell::Cell;
use std::time::{Duration, Instant};

use kararaster_core::bands::Run;
use kararaster_core::error::Error;
use pyo3::prelude::*;

use crate::error;

/// How often the interpreter is asked for pending signals. Asking takes the interpreter lock, so not at every band.
const POLL: Duration = Duration::from_millis(50);

thread_local! {
    static ASKED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Run `kernel` without the interpreter lock on `threads` threads.
pub fn enter<T: Send>(
    py: Python<'_>,
    threads: usize,
    kernel: impl FnOnce(&Run<'_>) -> Result<T, Error> + Send,
) -> PyResult<T> {
    let (result, signal) = py.detach(|| {
        let signal = std::sync::Mutex::new(None);
        let poll = || match pending_signal() {
            Some(raised) => {
                if let Ok(mut slot) = signal.lock() {
                    *slot = Some(raised);
                }
                true
            }
            None => false,
        };
        ASKED.set(Some(Instant::now()));
        let result = kernel(&Run::threads(threads).with_poll(&poll));
        (result, signal.into_inner().ok().flatten())
    });
    match (result, signal) {
        (_, Some(raised)) => Err(raised),
        (result, None) => result.map_err(|e| error::to_python(py, e)),
    }
}

/// The exception of a pending signal (KeyboardInterrupt), asked for at most once in [`POLL`]. Python delivers signals to its
/// main thread only; on any other thread there is never one.
fn pending_signal() -> Option<PyErr> {
    let due = ASKED.get().is_none_or(|last| last.elapsed() >= POLL);
    if !due {
        return None;
    }
    let raised = Python::attach(|py| py.check_signals()).err();
    ASKED.set(Some(Instant::now()));
    raised
}
