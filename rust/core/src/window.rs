//! Sliding local moments: the engine under every filter that needs the mean (and the variance) of a window.
//!
//! A row is summed horizontally (direct taps, by doubling for large windows), the row sums vertically by prefix and suffix
//! sums of blocks of as many rows as the window has: the window is a suffix of one block plus a prefix of the next. Nothing
//! is ever subtracted, so a bright target, a NaN or an infinity leaves no trace outside its own window. The blocks are
//! anchored at absolute rows, so the association of the sums, and with it every byte, is independent of the cut.
//!
//! Horizontal sums are kept in the pixel type, vertical sums in [`Op::Acc`], where the measured errors are.

mod columns;
mod horizontal;
mod stencil;

use std::ops::Range;

use crate::bands::{Run, for_bands};
use crate::error::{Error, Result};
use crate::raster::{Placement, Raster, RasterMut, Real, Window};

pub use stencil::{COLUMNS, LANES, Stencil, Tile, stencil};

use columns::{Group, emit_group};
use horizontal::Ring;

/// What lies beyond the edge of the whole image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Border {
    /// Nothing: the window shrinks.
    #[default]
    Shrink,
    /// The edge pixel again and again.
    Replicate,
}

/// How a windowed kernel looks at its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Where the output lies.
    pub placement: Placement,
    /// Size of the window.
    pub window: Window,
    /// What lies beyond the edge of the image, which is wherever the halo of the input is short.
    pub border: Border,
    /// Fewest valid samples of a window; below, the output is NaN.
    pub min_valid: usize,
}

impl Frame {
    /// Shrinking windows that need one valid sample.
    pub fn new(placement: Placement, window: Window) -> Self {
        Self { placement, window, border: Border::Shrink, min_valid: 1 }
    }

    fn check(&self, src: (usize, usize), dst: (usize, usize)) -> Result<()> {
        self.placement.check(src, dst)?;
        Window::new(self.window.y, self.window.x)?;
        let area = self.window.y * self.window.x;
        if self.min_valid > area {
            return Err(Error::parameter(
                "min_valid",
                self.min_valid,
                format!("at most the {area} pixels of the window"),
            ));
        }
        Ok(())
    }
}

/// What a filter makes of the local moments.
pub trait Op<T: Real>: Sync {
    /// Type of the vertical sums: the pixel type where only the mean is needed, `f64` where the variance is.
    ///
    /// Largest relative error against f64 on f32 speckle of 4.4 looks from 1e-5 to 10, in brackets with 1e4 times brighter
    /// targets; the goal is 2e-6:
    ///
    /// | result, window | f32 sums | f64 sums |
    /// |---|---|---|
    /// | mean, 7 | 2.7e-7 (3.7e-7) | 2.0e-7 (3.0e-7) |
    /// | mean, 31 | 6.4e-7 (5.8e-7) | 2.2e-7 (3.0e-7) |
    /// | variance, 7 | 3.3e-6 (3.2e-6) | 1.3e-6 (1.3e-6) |
    /// | variance, 31 | 2.1e-6 (9.3e-7) | 4.1e-7 (3.3e-7) |
    /// | Lee, 7 | 3.3e-6 (3.3e-6) | 9.8e-7 (9.8e-7) |
    /// | Lee, 31 | 2.2e-6 (2.1e-6) | 6.4e-7 (1.1e-6) |
    type Acc: Real;
    /// Whether the variance is needed. If not, `apply` gets zero.
    const VARIANCE: bool;
    /// The output for a valid `centre` whose window has this mean and this unbiased variance. A variance within the
    /// rounding noise of the sums (a constant window) arrives as exactly zero.
    fn apply(&self, centre: T, mean: T, variance: T) -> T;
}

/// Run `op` over the moments of the window around every output pixel.
pub fn filter<T: Real, O: Op<T>>(
    src: Raster<'_, T>,
    dst: RasterMut<'_, T>,
    frame: &Frame,
    op: &O,
    run: &Run<'_>,
) -> Result<()> {
    let (height, width) = (dst.height(), dst.width());
    frame.check((src.height(), src.width()), (height, width))?;
    let tile = tile_width(frame.window);
    // A band warms up over one window height; more rows than this gain nothing and make stopping slow.
    let band = (8 * frame.window.y).max(128);
    let scratch = || Ring::new(frame.window, tile.min(width));
    for_bands(run, height, band, dst, scratch, |rows, mut out, ring| {
        for first in (0..width).step_by(tile) {
            let cols = first..(first + tile).min(width);
            let part = Part { src, frame, cols };
            filter_part(&part, op, rows.clone(), &mut out, ring);
        }
    })
}

/// One column tile of the output.
struct Part<'a, T> {
    src: Raster<'a, T>,
    frame: &'a Frame,
    cols: Range<usize>,
}

/// Columns done at a time, so that the ring of row sums stays in the second level cache.
fn tile_width(window: Window) -> usize {
    match window.y {
        0..=15 => 1024,
        16..=31 => 512,
        _ => 256,
    }
}

/// Filter `rows` of one column tile: fill the ring row by row and emit a group of rows whenever its sums are complete.
fn filter_part<T: Real, O: Op<T>>(
    part: &Part<'_, T>,
    op: &O,
    rows: Range<usize>,
    out: &mut RasterMut<'_, T>,
    ring: &mut Ring<T, O::Acc>,
) {
    let Placement { origin_row, top, .. } = part.frame.placement;
    let (size, half) = (part.frame.window.y as isize, (part.frame.window.y / 2) as isize);
    let absolute = |row: usize| (origin_row + top + row) as isize;
    let mut next = absolute(rows.start) - half;
    ring.begin(part);
    let mut row = rows.start;
    while row < rows.end {
        // The first row of the window decides the block; its number inside the block is the length of the prefix.
        let first = absolute(row) - half;
        let offset = first.rem_euclid(size) as usize;
        let count = (size as usize - offset).min(rows.end - row);
        while next < first + size + count as isize - 1 {
            ring.fill::<O>(part, next);
            next += 1;
        }
        let group =
            Group { block: first.div_euclid(size), offsets: offset..offset + count, row, out_row: row - rows.start };
        emit_group(part, op, &group, ring, out);
        row += count;
    }
}
