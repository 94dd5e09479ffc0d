//! Filters that need the samples of a window themselves, not only their moments.
//!
//! The output is cut into tiles. The part of the image that a tile needs is copied once into scratch that fits the second
//! level cache, with zeros where a sample is invalid or outside the image, and a second plane that says which are valid. So
//! an operation knows neither edges nor NaN: where a tile has holes it adds up validity beside the samples. Adding zero is
//! exact, therefore a body for tiles with holes and one for tiles without agree to the byte.

use std::ops::Range;

use super::{Border, Frame};
use crate::bands::{Run, for_bands};
use crate::dispatch;
use crate::error::Result;
use crate::raster::{Raster, RasterMut, Real, Window};

/// Output rows of a tile.
const ROWS: usize = 64;
/// Output columns of a tile.
pub const COLUMNS: usize = 256;
/// The columns of a tile are rounded up to a multiple of this, so that loops over lanes need no remainder.
pub const LANES: usize = 32;

/// What a filter makes of the samples of a window.
///
/// `row` is called for the rows of a tile from top to bottom, so scratch may keep what neighbouring rows share; `begin` is
/// called before the first of them. An output must depend on the samples of its own window alone, in an order of operations
/// that depends on nothing else. The methods are compiled for each instruction set: mark them `#[inline(always)]`.
pub trait Stencil<T: Real>: Sync {
    /// What a thread keeps while it goes through its tiles.
    type Scratch;

    /// Rows and columns needed on each side of a pixel.
    fn radius(&self, window: Window) -> (usize, usize) {
        window.half()
    }

    /// Scratch for tiles whose grown rows are `width` samples long.
    fn scratch(&self, window: Window, width: usize) -> Self::Scratch;

    /// Prepare a tile.
    #[inline(always)]
    fn begin(&self, _tile: &Tile<'_, T>, _scratch: &mut Self::Scratch) {}

    /// Compute row `row` of the tile. `out` is a multiple of [`LANES`] long; what it holds where the centre is invalid, or
    /// beyond the last column of the image, is not used.
    fn row(&self, tile: &Tile<'_, T>, row: usize, scratch: &mut Self::Scratch, out: &mut [T]);
}

/// A tile of the image, grown by the radius of the filter.
///
/// The window of the output pixel `(r, c)` has its centre in `samples(r + radius.0)[c + radius.1]`.
pub struct Tile<'a, T> {
    /// The window of the filter.
    pub window: Window,
    /// Rows and columns around the output.
    pub radius: (usize, usize),
    /// Whether any sample of the grown tile is invalid or outside the image.
    pub holed: bool,
    /// Rows of the grown tile.
    pub height: usize,
    samples: &'a [T],
    valid: &'a [T],
    width: usize,
}

impl<'a, T: Real> Tile<'a, T> {
    /// Samples of a row of the grown tile; invalid ones are zero.
    #[inline(always)]
    pub fn samples(&self, row: usize) -> &'a [T] {
        &self.samples[row * self.width..][..self.width]
    }

    /// One for each valid sample of a row of the grown tile, zero for the others.
    #[inline(always)]
    pub fn valid(&self, row: usize) -> &'a [T] {
        &self.valid[row * self.width..][..self.width]
    }

    /// Valid samples of the windows of an output row; `of_column` is scratch as long as a row of the grown tile.
    #[inline(always)]
    pub fn count_row(&self, row: usize, of_column: &mut [T], count: &mut [T]) {
        let (zero, half) = (T::from_f64(0.0), self.window.half());
        of_column.fill(zero);
        for y in 0..self.window.y {
            let valid = &self.valid(row + self.radius.0 - half.0 + y)[self.radius.1 - half.1..];
            for (n, &valid) in of_column.iter_mut().zip(valid) {
                *n = *n + valid;
            }
        }
        count.fill(zero);
        for x in 0..self.window.x {
            for (n, &of_column) in count.iter_mut().zip(&of_column[x..]) {
                *n = *n + of_column;
            }
        }
    }
}

/// Run `op` on the window around every output pixel.
pub fn stencil<T: Real, S: Stencil<T>>(
    src: Raster<'_, T>,
    dst: RasterMut<'_, T>,
    frame: &Frame,
    op: &S,
    run: &Run<'_>,
) -> Result<()> {
    let (height, width) = (dst.height(), dst.width());
    frame.check((src.height(), src.width()), (height, width))?;
    let scratch = || {
        let grown = Grown::new(op.radius(frame.window), width.min(COLUMNS));
        let own = op.scratch(frame.window, grown.width);
        let line = Line::new(width.min(COLUMNS), grown.width);
        (grown, line, own)
    };
    for_bands(run, height, ROWS, dst, scratch, |rows, mut out, (grown, line, own)| {
        for first in (0..width).step_by(COLUMNS) {
            // A region or a large window can take seconds for the tiles of a wide image.
            if run.stopped() {
                return;
            }
            let cols = first..(first + COLUMNS).min(width);
            grown.fill(src, frame, rows.clone(), cols.clone());
            let tile = grown.tile(frame.window);
            filter_tile(&tile, op, own, line, frame.min_valid, cols, &mut out);
        }
    })
}

/// The grown tile of one thread.
struct Grown<T> {
    radius: (usize, usize),
    /// Length of a grown row.
    width: usize,
    height: usize,
    holed: bool,
    samples: Vec<T>,
    valid: Vec<T>,
    /// Rows whose `valid` is one throughout.
    whole: Vec<bool>,
}

impl<T: Real> Grown<T> {
    fn new(radius: (usize, usize), columns: usize) -> Self {
        let width = columns.next_multiple_of(LANES) + 2 * radius.1;
        let plane = || vec![T::from_f64(0.0); (ROWS + 2 * radius.0) * width];
        let whole = vec![false; ROWS + 2 * radius.0];
        Self { radius, width, height: 0, holed: false, samples: plane(), valid: plane(), whole }
    }

    fn tile(&self, window: Window) -> Tile<'_, T> {
        let Self { radius, width, height, holed, ref samples, ref valid, .. } = *self;
        Tile { window, radius, holed, height, samples, valid, width }
    }

    /// Copy the samples around the output `rows` and `cols`.
    fn fill(&mut self, src: Raster<'_, T>, frame: &Frame, rows: Range<usize>, cols: Range<usize>) {
        let (zero, one) = (T::from_f64(0.0), T::from_f64(1.0));
        let top = (frame.placement.top + rows.start) as isize - self.radius.0 as isize;
        let left = (frame.placement.left + cols.start) as isize - self.radius.1 as isize;
        let (last, used) = (src.height() as isize - 1, cols.len() + 2 * self.radius.1);
        self.height = rows.len() + 2 * self.radius.0;
        self.holed = false;
        for i in 0..self.height {
            let row = top + i as isize;
            let samples = &mut self.samples[i * self.width..][..self.width];
            let valid = &mut self.valid[i * self.width..][..self.width];
            let was_whole = std::mem::take(&mut self.whole[i]);
            samples[used..].fill(zero);
            let outside = frame.border == Border::Shrink && (row < 0 || row > last);
            let from = src.row(row.clamp(0, last) as usize);
            let inside = usize::try_from(left).ok().and_then(|left| from.get(left..left + used));
            if !outside && inside.is_some_and(|from| copy_whole(from, &mut samples[..used])) {
                if !was_whole {
                    valid.fill(one);
                }
                self.whole[i] = true;
                continue;
            }
            valid[used..].fill(one);
            let (samples, valid) = (&mut samples[..used], &mut valid[..used]);
            if outside {
                samples.fill(zero);
                valid.fill(zero);
                self.holed = true;
            } else {
                self.holed |= !copy_row(from, left, frame.border, samples, valid);
            }
        }
    }
}

/// Copy the samples from column `first` on; whether all of them are valid.
fn copy_row<T: Real>(row: &[T], first: isize, border: Border, samples: &mut [T], valid: &mut [T]) -> bool {
    let n = samples.len();
    let left = (-first).max(0) as usize;
    let right = (first + n as isize - row.len() as isize).max(0) as usize;
    let inside = left..n - right;
    let from = (first + left as isize) as usize;
    let whole = copy_valid(&row[from..from + inside.len()], &mut samples[inside.clone()], &mut valid[inside.clone()]);
    if left + right == 0 {
        return whole;
    }
    for (outside, nearest) in [(0..inside.start, inside.start), (inside.end..n, inside.end - 1)] {
        let (sample, there) = match border {
            Border::Shrink => (T::from_f64(0.0), T::from_f64(0.0)),
            Border::Replicate => (samples[nearest], valid[nearest]),
        };
        samples[outside.clone()].fill(sample);
        valid[outside].fill(there);
    }
    whole && border == Border::Replicate
}

dispatch!(fn copy_whole = copy_whole_body[T: Real](from: &[T], samples: &mut [T]) -> bool);

/// Copy a run of samples; whether all are valid.
#[inline(always)]
fn copy_whole_body<T: Real>(from: &[T], samples: &mut [T]) -> bool {
    let mut invalid = 0u32;
    for (x, sample) in from.iter().zip(samples) {
        *sample = *x;
        invalid |= u32::from(!x.is_valid());
    }
    invalid == 0
}

dispatch!(fn copy_valid = copy_valid_body[T: Real](from: &[T], samples: &mut [T], valid: &mut [T]) -> bool);

/// Copy a run of samples, zero in place of invalid ones; whether all are valid.
#[inline(always)]
fn copy_valid_body<T: Real>(from: &[T], samples: &mut [T], valid: &mut [T]) -> bool {
    let (zero, one) = (T::from_f64(0.0), T::from_f64(1.0));
    let mut invalid = 0u32;
    for ((x, sample), valid) in from.iter().zip(samples).zip(valid) {
        let ok = x.is_valid();
        *sample = if ok { *x } else { zero };
        *valid = if ok { one } else { zero };
        invalid |= u32::from(!ok);
    }
    invalid == 0
}

/// One row of results, and of counts.
struct Line<T> {
    out: Vec<T>,
    count: Vec<T>,
    of_column: Vec<T>,
}

impl<T: Real> Line<T> {
    /// For so many columns, in grown rows of `width` samples.
    fn new(columns: usize, width: usize) -> Self {
        let line = |n: usize| vec![T::from_f64(0.0); n];
        let lanes = columns.next_multiple_of(LANES);
        Self { out: line(lanes), count: line(lanes), of_column: line(width) }
    }
}

dispatch!(fn filter_tile = filter_tile_body[T: Real, S: Stencil<T>](
    tile: &Tile<'_, T>, op: &S, scratch: &mut S::Scratch, line: &mut Line<T>, min_valid: usize, cols: Range<usize>, out: &mut RasterMut<'_, T>
));

#[inline(always)]
fn filter_tile_body<T: Real, S: Stencil<T>>(
    tile: &Tile<'_, T>,
    op: &S,
    scratch: &mut S::Scratch,
    line: &mut Line<T>,
    min_valid: usize,
    cols: Range<usize>,
    out: &mut RasterMut<'_, T>,
) {
    let lanes = cols.len().next_multiple_of(LANES);
    op.begin(tile, scratch);
    for row in 0..tile.height - 2 * tile.radius.0 {
        let to = &mut out.row_mut(row)[cols.clone()];
        if !tile.holed && to.len() == lanes {
            op.row(tile, row, scratch, to);
            continue;
        }
        op.row(tile, row, scratch, &mut line.out[..lanes]);
        let centre = &tile.valid(row + tile.radius.0)[tile.radius.1..];
        for ((to, &y), &valid) in to.iter_mut().zip(&line.out).zip(centre) {
            *to = if valid > T::from_f64(0.0) { y } else { T::NAN };
        }
        // A valid centre is one sample already.
        if min_valid > 1 && tile.holed {
            let (needed, count) = (T::from_f64(min_valid as f64), &mut line.count[..to.len()]);
            tile.count_row(row, &mut line.of_column, count);
            for (to, &n) in to.iter_mut().zip(&*count) {
                *to = if n < needed { T::NAN } else { *to };
            }
        }
    }
}
