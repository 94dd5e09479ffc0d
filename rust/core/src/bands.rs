//! Row bands over threads: the only place of this crate that starts threads or listens for an interrupt.
//!
//! The output is cut into contiguous strips, one a thread; inside a strip the work goes band after band. Which thread does
//! a band never enters a result. Between two bands every thread looks whether the run was stopped; the calling thread also
//! asks the caller (Ctrl-C). A kernel whose bands take long does so inside them (`Run::stopped`). One thread means: inline
//! in the caller, nothing is spawned.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ThreadId};

use crate::error::{Error, Result};

/// How a kernel runs: on how many threads, and whom to ask whether to go on.
pub struct Run<'a> {
    threads: usize,
    poll: Option<&'a (dyn Fn() -> bool + Sync)>,
    stopped: AtomicBool,
    /// The thread that asks.
    caller: ThreadId,
}

impl Default for Run<'_> {
    fn default() -> Self {
        Self::threads(1)
    }
}

impl<'a> Run<'a> {
    /// Run on `threads` threads (0 counts as 1), called from this one, never interrupted.
    pub fn threads(threads: usize) -> Self {
        Self { threads, poll: None, stopped: AtomicBool::new(false), caller: thread::current().id() }
    }

    /// Ask `poll` now and then, from the calling thread only; `true` means stop.
    pub fn with_poll(mut self, poll: &'a (dyn Fn() -> bool + Sync)) -> Self {
        self.poll = Some(poll);
        self
    }

    /// Whether to stop: what is not computed by then may stay as it is.
    pub(crate) fn stopped(&self) -> bool {
        if self.poll.is_some_and(|poll| thread::current().id() == self.caller && poll()) {
            self.stopped.store(true, Ordering::Relaxed);
        }
        self.stopped.load(Ordering::Relaxed)
    }
}

/// Output that can be cut into rows and handed to different threads.
pub trait Split: Send + Sized {
    /// The first `rows` rows, and the rest.
    fn split_rows(self, rows: usize) -> (Self, Self);
}

impl<A: Split, B: Split> Split for (A, B) {
    fn split_rows(self, rows: usize) -> (Self, Self) {
        let ((a0, a1), (b0, b1)) = (self.0.split_rows(rows), self.1.split_rows(rows));
        ((a0, b0), (a1, b1))
    }
}

impl<A: Split> Split for Vec<A> {
    fn split_rows(self, rows: usize) -> (Self, Self) {
        self.into_iter().map(|a| a.split_rows(rows)).unzip()
    }
}

/// Call `work(rows, output of these rows, scratch)` for bands of at most `band` rows that together cover `0..height`.
///
/// Strips begin at multiples of `band`, so a kernel may choose `band` to fit its cache. `scratch` is made once a thread.
pub fn for_bands<O: Split, S>(
    run: &Run<'_>,
    height: usize,
    band: usize,
    out: O,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(Range<usize>, O, &mut S) + Sync,
) -> Result<()> {
    let band = band.max(1);
    let count = height.div_ceil(band);
    let threads = run.threads.clamp(1, count.max(1));
    let strip = |rows: Range<usize>, out: O| {
        let (mut rest, mut row, mut scratch) = (out, rows.start, scratch());
        while row < rows.end && !run.stopped() {
            let n = band.min(rows.end - row);
            let (now, later) = rest.split_rows(n);
            work(row..row + n, now, &mut scratch);
            (rest, row) = (later, row + n);
        }
    };
    if threads == 1 {
        strip(0..height, out);
    } else {
        let edge = |i: usize| (count * i / threads * band).min(height);
        let (first, mut rest) = out.split_rows(edge(1));
        let defect = thread::scope(|scope| {
            let mut others = Vec::with_capacity(threads - 1);
            for i in 1..threads {
                let rows = edge(i)..edge(i + 1);
                let (now, later) = rest.split_rows(rows.len());
                rest = later;
                let strip = &strip;
                others.push(scope.spawn(move || strip(rows, now)));
            }
            strip(0..edge(1), first);
            others.into_iter().map(|thread| thread.join()).any(|r| r.is_err())
        });
        if defect {
            return Err(Error::Defect("a worker thread"));
        }
    }
    if run.stopped.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
}
