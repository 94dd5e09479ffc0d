//! Vertical sums of a chunk of columns, and the filter applied to them while they are hot.

use std::ops::Range;

use super::horizontal::{Ring, RowKind, RowSums, Suffix};
use super::{Border, Op, Part};
use crate::dispatch;
use crate::raster::{RasterMut, Real};

/// Columns summed vertically at a time: the suffix sums of a chunk stay in the first level cache.
pub(super) const CHUNK: usize = 128;

/// Squared coefficient of variation, in roundings of the pixel type, below which a variance is rounding noise of the sums.
const NOISE: f64 = 64.0;

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
        let needed = T::from_f64(c.part.frame.min_valid as f64);
        if COUNTED {
            let upper = &c.suffix.count[offset];
            emit_row(op, &sums, |j| upper[j] + count[j], needed, c.centres(step), to);
        } else {
            let all = T::from_f64((c.rows_inside(step) * c.part.frame.window.x) as f64);
            emit_row(op, &sums, |_| all, needed, c.centres(step), to);
        }
    }
}

/// Sums of x and of x^2 of one output row of a chunk: the upper part and the lower part of the window.
struct Sums<'a, A> {
    upper: (&'a [A; CHUNK], &'a [A; CHUNK]),
    lower: (&'a [A; CHUNK], &'a [A; CHUNK]),
}

/// From sums to moments to output. Two loops, so that the second runs on full vectors of the pixel type.
#[inline(always)]
fn emit_row<T: Real, O: Op<T>>(
    op: &O,
    sums: &Sums<'_, O::Acc>,
    count: impl Fn(usize) -> T,
    needed: T,
    centres: &[T],
    to: &mut [T],
) {
    let (zero, one) = (T::from_f64(0.0), T::from_f64(1.0));
    let (mut sum, mut spread) = ([zero; CHUNK], [zero; CHUNK]);
    for j in 0..CHUNK {
        let x = sums.upper.0[j] + sums.lower.0[j];
        sum[j] = T::from_f64(x.to_f64());
        if O::VARIANCE {
            let xx = sums.upper.1[j] + sums.lower.1[j];
            let total = O::Acc::from_f64(count(j).to_f64()) * xx;
            spread[j] = T::from_f64((total - x * x).to_f64());
        }
    }
    let noise = T::from_f64(NOISE) * T::EPSILON;
    let n = to.len();
    let (centres, sum, spread) = (&centres[..n], &sum[..n], &spread[..n]);
    for j in 0..n {
        let n = count(j);
        let spread = if spread[j] > noise * sum[j] * sum[j] { spread[j] } else { zero };
        let pairs = if n > one { one / (n * (n - one)) } else { zero };
        let y = op.apply(centres[j], sum[j] * (one / n), spread * pairs);
        // Selects, not a conjunction: masks of comparisons stay in their vectors.
        let y = if n >= needed { y } else { T::NAN };
        to[j] = if centres[j].is_valid() { y } else { T::NAN };
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
