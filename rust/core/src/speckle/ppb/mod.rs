//! Probabilistic patch-based weights: the iterative non-local filter of Deledalle, Denis and Tupin (2009, doi
//! 10.1109/TIP.2009.2029593), in the form for intensity.
//!
//! With amplitudes `a` and the previous estimate `R` of the power (from the second iteration on), pixel `s` takes the mean
//! of the power over its search window with the weights
//!
//! ```text
//! w(s, t) = exp( -1/h sum ln[(a_s/a_t + a_t/a_s) / 2]  -  enl/(temperature D^2) sum (R_s - R_t)^2 / (R_s R_t) )
//! ```
//!
//! where the sums run over the `D^2` pixels of the patches around `s` and `t`. (The factor 1/2 is a constant of every weight
//! and cancels.) The pixel itself gets the largest weight of its window. `h / D^2` is the distance from the mean of the
//! patch mean of `ln(a/b + b/a)` to its quantile `quantile` between independent speckle of `enl` looks ([`threshold`]).
//!
//! Only finite samples above zero are compared: pairs of patch pixels of which one is invalid, not positive or outside the
//! image are dropped and the sum is scaled to `D^2` pairs. A valid sample that is not positive comes out as it is, and so
//! does one that has nothing like it in its window (all weights below 2^-100).
//!
//! Cost: one logarithm, one exponential and two box sums for each pixel and each of half of the shifts. In f32 the result is
//! good to 1e-7 in the mean square; where a pixel has hardly anything like it, all exponents are large sums, and their
//! rounding shows in the result, up to about 2e-5.

mod arithmetic;
mod pairs;
mod threshold;
mod tile;

use std::ops::Range;

use crate::bands::{Run, for_bands};
use crate::error::{Error, Result};
use crate::raster::{Raster, RasterMut};
use crate::speckle::speckle_variation;
use crate::window::Frame;

pub use arithmetic::Comparable;
use pairs::Sums;
use tile::Tile;

/// Largest half size of the search window.
const MAX_SEARCH: usize = 50;
/// Largest half size of a patch.
const MAX_PATCH: usize = 15;
/// Most iterations.
const MAX_ITERATIONS: usize = 100;
/// Rows of a tile, and most columns: small enough that the planes of a tile stay in the second level cache.
const TILE: (usize, usize) = (64, 128);

/// Parameters of [`ppb`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ppb {
    search: usize,
    patch: usize,
    iterations: usize,
    /// What the sum over a patch of the data term is divided by.
    h: f64,
    /// What the mean over a patch of the second term is multiplied by: looks over temperature.
    trust: f64,
}

impl Ppb {
    /// Half sizes `search` and `patch`; `quantile` of the likeness of speckle of `enl` looks; `temperature` of the second
    /// term (small: trust the previous estimate).
    pub fn new(
        enl: f64,
        search: usize,
        patch: usize,
        quantile: f64,
        temperature: f64,
        iterations: usize,
    ) -> Result<Self> {
        speckle_variation(enl)?;
        if !(quantile > 0.0 && quantile < 1.0) {
            return Err(Error::parameter("quantile", quantile, "a probability between 0 and 1, such as 0.92"));
        }
        let area = (2 * patch.min(MAX_PATCH) + 1).pow(2);
        let Some(above) = threshold::above_mean(enl, area, quantile) else {
            return Err(Error::parameter("quantile", quantile, "one above the mean (about 0.6), such as 0.92"));
        };
        Self::with_h(enl, search, patch, area as f64 * above, temperature, iterations)
    }

    /// The same with `h` itself in place of the quantile.
    pub fn with_h(enl: f64, search: usize, patch: usize, h: f64, temperature: f64, iterations: usize) -> Result<Self> {
        let positive = |name, value: f64| match value.is_finite() && value > 0.0 {
            true => Ok(value),
            false => Err(Error::parameter(name, value, "a finite number > 0")),
        };
        let (h, temperature) = (positive("h", h)?, positive("temperature", temperature)?);
        speckle_variation(enl)?;
        if !(1..=MAX_SEARCH).contains(&search) {
            return Err(Error::parameter("search", search, format!("a half size from 1 to {MAX_SEARCH}")));
        }
        if patch > MAX_PATCH {
            return Err(Error::parameter("patch", patch, format!("a half size from 0 to {MAX_PATCH}")));
        }
        if !(1..=MAX_ITERATIONS).contains(&iterations) {
            return Err(Error::parameter("iterations", iterations, format!("from 1 to {MAX_ITERATIONS}")));
        }
        Ok(Self { search, patch, iterations, h, trust: enl / temperature })
    }

    /// What the sum of the data term over a patch is divided by.
    pub fn h(&self) -> f64 {
        self.h
    }

    /// Weight of a squared difference of estimates in the sum that is divided by `h`, whose logarithms have base 2.
    fn second_term(&self) -> f64 {
        let side = 2 * self.patch + 1;
        self.trust * self.h / (side * side) as f64 * std::f64::consts::LOG2_E
    }

    /// Rows and columns that one iteration looks beyond a pixel.
    fn reach(&self) -> usize {
        self.search + self.patch
    }
}

/// Non-local filter of intensity; the halo is `(search + patch) * iterations`. Of the frame only the placement is used.
pub fn ppb<T: Comparable>(
    src: Raster<'_, T>,
    mut dst: RasterMut<'_, T>,
    frame: &Frame,
    parameters: &Ppb,
    run: &Run<'_>,
) -> Result<()> {
    let (height, width) = (dst.height(), dst.width());
    frame.placement.check((src.height(), src.width()), (height, width))?;
    if height == 0 || width == 0 {
        return Ok(());
    }
    let (top, left) = (frame.placement.top, frame.placement.left);
    let wanted = Region { rows: top..top + height, cols: left..left + width };
    let (mut previous, mut next) = (Vec::new(), Vec::new());
    for after in (1..parameters.iterations).rev() {
        let region = wanted.grown(after * parameters.reach(), &src);
        next.resize(src.pixels().len(), T::NAN);
        let rows = &mut next[region.rows.start * src.width()..region.rows.end * src.width()];
        let out = RasterMut::new("estimate", rows, region.rows.len(), src.width())?;
        let pass = Pass { src, previous: estimate(&previous, &src)?, parameters, region: &region, first_col: 0 };
        pass.run(out, run)?;
        std::mem::swap(&mut previous, &mut next);
    }
    let pass = Pass { src, previous: estimate(&previous, &src)?, parameters, region: &wanted, first_col: left };
    let out = RasterMut::new("dst", dst.pixels_mut(), height, width)?;
    pass.run(out, run)
}

/// The estimate of the iteration before; none before the first.
fn estimate<'a, T>(pixels: &'a [T], src: &Raster<'_, T>) -> Result<Option<Raster<'a, T>>> {
    match pixels.is_empty() {
        true => Ok(None),
        false => Raster::new("estimate", pixels, src.height(), src.width()).map(Some),
    }
}

/// Rows and columns of `src`.
#[derive(Debug, Clone)]
struct Region {
    rows: Range<usize>,
    cols: Range<usize>,
}

impl Region {
    fn grown<T>(&self, by: usize, src: &Raster<'_, T>) -> Self {
        let grow = |range: &Range<usize>, end: usize| range.start.saturating_sub(by)..(range.end + by).min(end);
        Self { rows: grow(&self.rows, src.height()), cols: grow(&self.cols, src.width()) }
    }
}

/// One iteration over a region.
struct Pass<'a, T> {
    src: Raster<'a, T>,
    previous: Option<Raster<'a, T>>,
    parameters: &'a Ppb,
    region: &'a Region,
    /// Column of `src` that the first column of the output stands for.
    first_col: usize,
}

impl<T: Comparable> Pass<'_, T> {
    /// Write the region; `out` holds its rows.
    fn run(&self, out: RasterMut<'_, T>, run: &Run<'_>) -> Result<()> {
        let Region { rows: all, cols } = self.region;
        let tile_width = cols.len().div_ceil(cols.len().div_ceil(TILE.1));
        let scratch = || (Tile::default(), Sums::default());
        for_bands(run, all.len(), TILE.0, out, scratch, |rows, mut out, (tile, sums)| {
            let rows = all.start + rows.start..all.start + rows.end;
            for first in cols.clone().step_by(tile_width) {
                // A band of a wide image takes seconds.
                if run.stopped() {
                    return;
                }
                let part = Region { rows: rows.clone(), cols: first..(first + tile_width).min(cols.end) };
                tile.load(self.src, self.previous, &part, self.parameters);
                sums.compute(tile, self.parameters);
                for row in 0..rows.len() {
                    let first = part.cols.start - self.first_col;
                    let out = &mut out.row_mut(row)[first..first + part.cols.len()];
                    let samples = &self.src.row(rows.start + row)[part.cols.clone()];
                    sums.write(row, samples, tile.floor(row), out);
                }
            }
        })
    }
}
