//! Vertical sums of a chunk of columns, and the filter applied to them while they are hot.

use std::ops::Range;

use super::horizontal::{Ring, RowKind, RowSums, Suffix};
use super::{Border, Op, Part};
use crate::dispatch;
use crate::raster::{RasterMut, Real, Window};

/// Columns summed vertically at a time: the suffix sums of a chunk stay in the first level cache.
pub(super) const CHUNK: usize = 128;

/// Output rows whose windows begin in the same block.
pub(super) struct Group {
    pub(super) block: isize,
    /// Number of the first row of each window inside the block.
    pub(super) offsets: Range<usize>,
    /// First output row of the group.
    pub(super) row: usize,
    /// The same inside the band.
    pub(super) out_row: usize,
}

/// Compute the output rows of `group` in one column tile.
pub(super) fn emit_group<T: Real, O: Op<T>>(
    part: &Part<'_, T>,
    op: &O,
    group: &Group,
    ring: &mut Ring<T, O::Acc>,
    out: &mut RasterMut<'_, T>,
) {
    let (even, odd) = ring.rows.split_at(part.frame.window.y);
    let (old, new) = if group.block % 2 == 0 { (even, odd) } else { (odd, even) };
    let suffix = &mut ring.suffix;
    let holed = |rows: &[RowSums<T>]| rows.iter().any(|r| r.kind == RowKind::Holed);
    let holed = holed(&old[group.offsets.start..]) || holed(&new[..group.offsets.end - 1]);
    let chunks = ring.inside.iter().zip(&ring.edge).enumerate();
    for (chunk, (inside, &edge)) in chunks.take(part.cols.len().div_ceil(CHUNK)) {
        let first = part.cols.start + chunk * CHUNK;
        let cols = first..(first + CHUNK).min(part.cols.end);
        let mut columns = Columns { part, group, old, new, suffix, inside, chunk, cols };
        emit_chunk(&mut columns, op, holed || edge, out);
    }
}

/// Most rounding errors, in halves of `T::EPSILON`, that the mean of equal samples can be off by, holes or not.
///
/// Adding n equal numbers one by one rounds partial sums that are half of the total on average; sums by doubling have at
/// most 14 additions on top of each other. Row sums may differ (holes), so vertical sums in the pixel type count fully.
/// The last three are the rounding of the sum, 1 / n and the product.
fn roundings<T: Real, A: Real>(window: Window) -> f64 {
    let horizontal = (window.x / 2 + 1).min(14);
    let vertical = if A::EPSILON.to_f64() < T::EPSILON.to_f64() { 1 } else { window.y };
    (horizontal + vertical + 3) as f64
}

/// One chunk of columns of one group of rows.
struct Columns<'a, T, A> {
    part: &'a Part<'a, T>,
    group: &'a Group,
    old: &'a [RowSums<T>],
    new: &'a [RowSums<T>],
    suffix: &'a mut Suffix<T, A>,
    inside: &'a [T; CHUNK],
    chunk: usize,
    cols: Range<usize>,
}

impl<'a, T: Real, A: Real> Columns<'a, T, A> {
    fn centres(&self, step: usize) -> &'a [T] {
        let placement = self.part.frame.placement;
        let row = self.part.src.row(placement.top + self.group.row + step);
        &row[placement.left + self.cols.start..placement.left + self.cols.end]
    }

    /// Rows of the window of output row `step` that lie inside the image.
    fn rows_inside(&self, step: usize) -> usize {
        let half = self.part.frame.window.y / 2;
        let centre = self.part.frame.placement.top + self.group.row + step;
        match self.part.frame.border {
            Border::Shrink => (centre + half + 1).min(self.part.src.height()) - centre.saturating_sub(half),
            Border::Replicate => self.part.frame.window.y,
        }
    }

    /// Counts of valid samples of a summed row.
    fn counts(&self, row: &'a RowSums<T>) -> &'a [T; CHUNK] {
        match row.kind {
            RowKind::Full => self.inside,
            RowKind::Outside | RowKind::Holed => &row.count[self.chunk],
        }
    }
}

dispatch!(fn emit_chunk = emit_chunk_body[T: Real, O: Op<T>](c: &mut Columns<'_, T, O::Acc>, op: &O, counted: bool, out: &mut RasterMut<'_, T>));

/// If all samples are valid and no window is cut by a side edge, the count of a row of windows is one number; else each
/// window has its own. The arithmetic is the same.
#[inline(always)]
fn emit_chunk_body<T: Real, O: Op<T>>(
    c: &mut Columns<'_, T, O::Acc>,
    op: &O,
    counted: bool,
    out: &mut RasterMut<'_, T>,
) {
    if counted {
        emit_rows::<T, O, true>(c, op, out);
    } else {
        emit_rows::<T, O, false>(c, op, out);
    }
}

#[inline(always)]
fn emit_rows<T: Real, O: Op<T>, const COUNTED: bool>(
    c: &mut Columns<'_, T, O::Acc>,
    op: &O,
    out: &mut RasterMut<'_, T>,
) {
    let (zero, none) = (O::Acc::from_f64(0.0), T::from_f64(0.0));
    sum_suffixes::<T, O>(c, zero);
    if COUNTED {
        count_suffixes(c);
    }
    let (mut x, mut xx, mut count) = ([zero; CHUNK], [zero; CHUNK], [none; CHUNK]);
    let mut moments = Moments { sum: [none; CHUNK], spread: [none; CHUNK] };
    for offset in 0..c.group.offsets.end {
        if let Some(row) = offset.checked_sub(1).map(|i| &c.new[i]) {
            add(&mut x, &row.x[c.chunk]);
            if O::VARIANCE {
                add(&mut xx, &row.xx[c.chunk]);
            }
            if COUNTED {
                add(&mut count, c.counts(row));
            }
        }
        let Some(step) = offset.checked_sub(c.group.offsets.start) else {
            continue;
        };
        let upper = (&c.suffix.x[offset], &c.suffix.xx[offset]);
        let sums = Sums::<O::Acc> { upper, lower: (&x, &xx) };
        let to = &mut out.row_mut(c.group.out_row + step)[c.cols.clone()];
        let frame = c.part.frame;
        let needed = T::from_f64(frame.min_valid as f64);
        let noise = T::from_f64(0.5 * roundings::<T, O::Acc>(frame.window)) * T::EPSILON;
        if COUNTED {
            let upper = &c.suffix.count[offset];
            let count = |j: usize| upper[j] + count[j];
            moments.take::<O>(&sums, count);
            moments.emit(op, count, |n| n >= needed, noise, c.centres(step), to);
        } else {
            let all = T::from_f64((c.rows_inside(step) * frame.window.x) as f64);
            if all >= needed {
                moments.take::<O>(&sums, |_| all);
                moments.emit(op, |_| all, |_| true, noise, c.centres(step), to);
            } else {
                to.fill(T::NAN);
            }
        }
    }
}

/// Sums of x and of x^2 of one output row of a chunk: the upper part and the lower part of the window.
struct Sums<'a, A> {
    upper: (&'a [A; CHUNK], &'a [A; CHUNK]),
    lower: (&'a [A; CHUNK], &'a [A; CHUNK]),
}

/// What the vertical sums of one output row of a chunk come to: the sum of x, and the number of samples times the sum of
/// x^2 less the square of the sum of x. Taken and used in two loops, so that the second runs on full vectors of the pixel type.
struct Moments<T> {
    sum: [T; CHUNK],
    spread: [T; CHUNK],
}

impl<T: Real> Moments<T> {
    #[inline(always)]
    fn take<O: Op<T>>(&mut self, sums: &Sums<'_, O::Acc>, count: impl Fn(usize) -> T) {
        for j in 0..CHUNK {
            let x = sums.upper.0[j] + sums.lower.0[j];
            self.sum[j] = T::from_f64(x.to_f64());
            if O::VARIANCE {
                let xx = sums.upper.1[j] + sums.lower.1[j];
                let total = O::Acc::from_f64(count(j).to_f64()) * xx;
                self.spread[j] = T::from_f64((total - x * x).to_f64());
            }
        }
    }

    /// The output of `op`; `noise` is the relative error of the mean of equal samples.
    #[inline(always)]
    fn emit<O: Op<T>>(
        &self,
        op: &O,
        count: impl Fn(usize) -> T,
        enough: impl Fn(T) -> bool,
        noise: T,
        centres: &[T],
        to: &mut [T],
    ) {
        let (zero, one) = (T::from_f64(0.0), T::from_f64(1.0));
        // Sum of squares and squared sum are off by three times the noise of the sum.
        let flat = T::from_f64(4.0) * noise;
        let n = to.len();
        let (centres, sum, spread) = (&centres[..n], &self.sum[..n], &self.spread[..n]);
        for j in 0..n {
            let n = count(j);
            let pairs = if n > one { one / (n * (n - one)) } else { zero };
            let mean = sum[j] * (one / n);
            // The mean of equal samples is the sample.
            let equal = if (mean - centres[j]).abs() > noise * centres[j].abs() { mean } else { centres[j] };
            let varied = spread[j] > flat * sum[j] * sum[j];
            let (mean, spread) = if varied { (mean, spread[j]) } else { (equal, zero) };
            let y = op.apply(centres[j], mean, spread * pairs);
            // Selects, not a conjunction: masks of comparisons stay in their vectors.
            let y = if enough(n) { y } else { T::NAN };
            to[j] = if centres[j].is_valid() { y } else { T::NAN };
        }
    }
}

/// Suffix sums of the old block from the first offset of the group on.
#[inline(always)]
fn sum_suffixes<T: Real, O: Op<T>>(c: &mut Columns<'_, T, O::Acc>, zero: O::Acc) {
    c.suffix.x[c.old.len()] = [zero; CHUNK];
    c.suffix.xx[c.old.len()] = [zero; CHUNK];
    for i in (c.group.offsets.start..c.old.len()).rev() {
        put_sum(&mut c.suffix.x, i, &c.old[i].x[c.chunk]);
        if O::VARIANCE {
            put_sum(&mut c.suffix.xx, i, &c.old[i].xx[c.chunk]);
        }
    }
}

#[inline(always)]
fn count_suffixes<T: Real, A: Real>(c: &mut Columns<'_, T, A>) {
    c.suffix.count[c.old.len()] = [T::from_f64(0.0); CHUNK];
    for i in (c.group.offsets.start..c.old.len()).rev() {
        let counts = c.counts(&c.old[i]);
        put_sum(&mut c.suffix.count, i, counts);
    }
}

/// `sums[i] = sums[i + 1] + row`.
#[inline(always)]
fn put_sum<T: Real, A: Real>(sums: &mut [[A; CHUNK]], i: usize, row: &[T; CHUNK]) {
    let (low, high) = sums.split_at_mut(i + 1);
    for ((sum, &above), &t) in low[i].iter_mut().zip(&high[0]).zip(row) {
        *sum = above + A::from_f64(t.to_f64());
    }
}

#[inline(always)]
fn add<T: Real, A: Real>(sums: &mut [A; CHUNK], row: &[T; CHUNK]) {
    for (sum, &t) in sums.iter_mut().zip(row) {
        *sum = *sum + A::from_f64(t.to_f64());
    }
}
