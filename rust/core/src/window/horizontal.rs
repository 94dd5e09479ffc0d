//! Horizontal sums of rows, kept in a ring of two blocks of rows.

use super::columns::CHUNK;
use super::{Border, Op, Part};
use crate::dispatch;
use crate::raster::{Real, Window};

/// What is known of a summed row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowKind {
    /// Above or below the image.
    Outside,
    /// Every sample is valid.
    Full,
    /// Some samples are invalid: the row has counts of its own.
    Holed,
}

/// Horizontal sums of one row of a tile, in chunks.
pub(super) struct RowSums<T> {
    pub(super) kind: RowKind,
    pub(super) x: Vec<[T; CHUNK]>,
    pub(super) xx: Vec<[T; CHUNK]>,
    pub(super) count: Vec<[T; CHUNK]>,
}

/// Scratch of one thread: the row sums of two blocks and the vertical sums of one chunk.
pub(super) struct Ring<T, A> {
    /// Row sums of an even block, then those of an odd one.
    pub(super) rows: Vec<RowSums<T>>,
    /// Rows of a block.
    size: usize,
    /// Number of columns inside the image for each output column of the tile.
    pub(super) inside: Vec<[T; CHUNK]>,
    /// Chunks with a window cut by a side edge.
    pub(super) edge: Vec<bool>,
    /// Number of columns of the tile.
    len: usize,
    taps: Taps<T>,
    padded: Vec<T>,
    valid: Vec<T>,
    /// Suffix sums of one chunk: `size + 1` rows of x, x^2 and count; the last one stays zero.
    pub(super) suffix: Suffix<T, A>,
}

pub(super) struct Suffix<T, A> {
    pub(super) x: Vec<[A; CHUNK]>,
    pub(super) xx: Vec<[A; CHUNK]>,
    pub(super) count: Vec<[T; CHUNK]>,
}

struct Taps<T> {
    squares: Vec<T>,
    even: Vec<T>,
    odd: Vec<T>,
}

impl<T: Real, A: Real> Ring<T, A> {
    pub(super) fn new(window: Window, width: usize) -> Self {
        let zero = T::from_f64(0.0);
        let chunks = || vec![[zero; CHUNK]; width.div_ceil(CHUNK)];
        let line = || vec![zero; width + window.x];
        let row = |_| RowSums { kind: RowKind::Outside, x: chunks(), xx: chunks(), count: chunks() };
        let sums = || vec![[A::from_f64(0.0); CHUNK]; window.y + 1];
        Self {
            rows: (0..2 * window.y).map(row).collect(),
            size: window.y,
            inside: chunks(),
            edge: vec![false; width.div_ceil(CHUNK)],
            len: 0,
            taps: Taps { squares: line(), even: line(), odd: line() },
            padded: line(),
            valid: line(),
            suffix: Suffix { x: sums(), xx: sums(), count: vec![[zero; CHUNK]; window.y + 1] },
        }
    }

    /// Start a column tile.
    pub(super) fn begin(&mut self, part: &Part<'_, T>) {
        self.len = part.cols.len();
        let (half, left) = (part.frame.window.x / 2, part.frame.placement.left);
        let inside = self.inside.as_flattened_mut();
        for (n, col) in inside.iter_mut().zip(part.cols.clone()) {
            let centre = left + col;
            let count = (centre + half + 1).min(part.src.width()) - centre.saturating_sub(half);
            *n = T::from_f64(match part.frame.border {
                Border::Shrink => count,
                Border::Replicate => part.frame.window.x,
            } as f64);
        }
        let full = T::from_f64(part.frame.window.x as f64);
        let inside = self.inside.as_flattened()[..self.len].chunks(CHUNK);
        for (edge, inside) in self.edge.iter_mut().zip(inside) {
            *edge = inside.iter().any(|n| *n != full);
        }
    }

    /// Sum the absolute row `row` into its slot.
    pub(super) fn fill<O: Op<T>>(&mut self, part: &Part<'_, T>, row: isize) {
        let slot = row.rem_euclid(2 * self.size as isize) as usize;
        let row = row - part.frame.placement.origin_row as isize;
        let last = part.src.height() as isize - 1;
        let row = match part.frame.border {
            Border::Shrink if row < 0 || row > last => {
                self.rows[slot].set_outside();
                return;
            }
            _ => part.src.row(row.clamp(0, last) as usize),
        };
        let n = self.len + part.frame.window.x - 1;
        let first = part.frame.placement.left + part.cols.start;
        let first = first as isize - (part.frame.window.x / 2) as isize;
        let whole = usize::try_from(first).ok().and_then(|i| row.get(i..i + n));
        if whole.is_none() {
            pad(row, first, part.frame.border, &mut self.padded[..n]);
        }
        let sums = &mut self.rows[slot];
        sums.kind = RowKind::Full;
        let window = (part.frame.window.x, O::VARIANCE);
        let samples = whole.unwrap_or(&self.padded[..n]);
        if sums.fill(self.len, window, samples, &mut self.taps) {
            return;
        }
        if let Some(samples) = whole {
            self.padded[..n].copy_from_slice(samples);
        }
        sums.kind = RowKind::Holed;
        clean(&mut self.padded[..n], &mut self.valid[..n]);
        // What `pad` wrote beyond the edge is no sample of a shrinking window.
        if part.frame.border == Border::Shrink {
            blank_outside(&mut self.valid[..n], first, row.len());
        }
        sums.fill(self.len, window, &self.padded[..n], &mut self.taps);
        sums.fill_count(self.len, window.0, &self.valid[..n], &mut self.taps);
    }
}

impl<T: Real> RowSums<T> {
    fn set_outside(&mut self) {
        let zero = [T::from_f64(0.0); CHUNK];
        self.kind = RowKind::Outside;
        self.x.fill(zero);
        self.xx.fill(zero);
        self.count.fill(zero);
    }

    /// Sum `samples` (and their squares) over `window`; whether all sums are finite.
    fn fill(&mut self, len: usize, window: (usize, bool), samples: &[T], taps: &mut Taps<T>) -> bool {
        let (x, xx) = (self.x.as_flattened_mut(), self.xx.as_flattened_mut());
        let (x, xx) = (&mut x[..len], &mut xx[..len]);
        sum_row(window.0, window.1, samples, x, xx, taps)
    }

    fn fill_count(&mut self, len: usize, window: usize, valid: &[T], taps: &mut Taps<T>) {
        let count = &mut self.count.as_flattened_mut()[..len];
        sum_row(window, false, valid, count, &mut [], taps);
    }
}

/// Copy the samples from column `first` on; beyond the image zero or the edge pixel.
fn pad<T: Real>(row: &[T], first: isize, border: Border, to: &mut [T]) {
    let (left, right) = beyond(first, to.len(), row.len());
    let (start, end) = (left, to.len() - right);
    let from = (first + left as isize) as usize;
    to[start..end].copy_from_slice(&row[from..from + end - start]);
    let edge = |x: T| {
        if border == Border::Replicate { x } else { T::from_f64(0.0) }
    };
    to[..start].fill(edge(row[0]));
    to[end..].fill(edge(row[row.len() - 1]));
}

fn blank_outside<T: Real>(valid: &mut [T], first: isize, width: usize) {
    let (left, right) = beyond(first, valid.len(), width);
    let end = valid.len() - right;
    valid[..left].fill(T::from_f64(0.0));
    valid[end..].fill(T::from_f64(0.0));
}

/// How many of the `n` columns from `first` on lie left and right of an image `width` columns wide.
fn beyond(first: isize, n: usize, width: usize) -> (usize, usize) {
    let right = first + n as isize - width as isize;
    ((-first).max(0) as usize, right.max(0) as usize)
}

dispatch!(fn clean = clean_body[T: Real](samples: &mut [T], valid: &mut [T]));

/// Zero the invalid samples and write 1 for valid, 0 for invalid ones.
#[inline(always)]
fn clean_body<T: Real>(samples: &mut [T], valid: &mut [T]) {
    let (zero, one) = (T::from_f64(0.0), T::from_f64(1.0));
    for (x, valid) in samples.iter_mut().zip(valid) {
        let ok = x.is_valid();
        *x = if ok { *x } else { zero };
        *valid = if ok { one } else { zero };
    }
}

dispatch!(
    fn sum_row = sum_row_body[T: Real](window: usize, squares: bool, samples: &[T], x: &mut [T], xx: &mut [T], taps: &mut Taps<T>) -> bool
);

/// Sums of `window` neighbours of `samples` (and of their squares) and whether all of the sums are finite.
#[inline(always)]
fn sum_row_body<T: Real>(
    window: usize,
    squares: bool,
    samples: &[T],
    x: &mut [T],
    xx: &mut [T],
    taps: &mut Taps<T>,
) -> bool {
    match window {
        1 => direct::<T, 1>(squares, samples, x, xx),
        3 => direct::<T, 3>(squares, samples, x, xx),
        5 => direct::<T, 5>(squares, samples, x, xx),
        7 => direct::<T, 7>(squares, samples, x, xx),
        9 => direct::<T, 9>(squares, samples, x, xx),
        11 => direct::<T, 11>(squares, samples, x, xx),
        13 => direct::<T, 13>(squares, samples, x, xx),
        _ => by_doubling(window, squares, samples, x, xx, taps),
    }
    let mut invalid = 0u32;
    for x in x.iter() {
        invalid |= u32::from(!x.is_valid());
    }
    invalid == 0
}

#[inline(always)]
fn direct<T: Real, const W: usize>(squares: bool, samples: &[T], x: &mut [T], xx: &mut [T]) {
    if squares {
        for ((t, x), xx) in samples.windows(W).zip(x).zip(xx) {
            let (mut sum, mut sum2) = (t[0], t[0] * t[0]);
            for &t in &t[1..W] {
                sum = sum + t;
                sum2 = sum2 + t * t;
            }
            *x = sum;
            *xx = sum2;
        }
    } else {
        for (t, x) in samples.windows(W).zip(x) {
            let mut sum = t[0];
            for &t in &t[1..W] {
                sum = sum + t;
            }
            *x = sum;
        }
    }
}

#[inline(always)]
fn by_doubling<T: Real>(window: usize, squares: bool, samples: &[T], x: &mut [T], xx: &mut [T], taps: &mut Taps<T>) {
    double(window, samples, x, &mut taps.even, &mut taps.odd);
    if squares {
        let squared = &mut taps.squares[..samples.len()];
        for (s, &t) in squared.iter_mut().zip(samples) {
            *s = t * t;
        }
        double(window, squared, xx, &mut taps.even, &mut taps.odd);
    }
}

/// Sums of 1, 2, 4, ... neighbours; those whose size is a bit of `window` are put together.
#[inline(always)]
fn double<'a, T: Real>(window: usize, samples: &[T], out: &mut [T], mut next: &'a mut [T], mut other: &'a mut [T]) {
    let n = out.len();
    // An odd window starts with the sample itself, which the first other part is added to.
    let mut untouched = Some(&samples[..n]);
    let (mut offset, mut size, mut len) = (1, 2, samples.len() - 1);
    add_shifted(samples, 1, &mut next[..len]);
    while size <= window {
        if window & size != 0 {
            let part = &next[offset..offset + n];
            if let Some(samples) = untouched.take() {
                add_rows(samples, part, out);
            } else {
                for (out, &t) in out.iter_mut().zip(part) {
                    *out = *out + t;
                }
            }
            offset += size;
        }
        if 2 * size > window {
            break;
        }
        add_shifted(&next[..len], size, &mut other[..len - size]);
        std::mem::swap(&mut next, &mut other);
        len -= size;
        size *= 2;
    }
}

#[inline(always)]
fn add_shifted<T: Real>(from: &[T], shift: usize, to: &mut [T]) {
    add_rows(&from[..to.len()], &from[shift..][..to.len()], to);
}

#[inline(always)]
fn add_rows<T: Real>(a: &[T], b: &[T], to: &mut [T]) {
    for ((to, &a), &b) in to.iter_mut().zip(a).zip(b) {
        *to = a + b;
    }
}
