//! The improved sigma filter of Lee, Wen, Ainsworth, Chen and Chen (2009).

use std::ops::Range;
use std::str::FromStr;

use super::mmse::{Moments, Sums, linear};
use super::nine::Nine;
use super::{SigmaRange, speckle_variation};
use crate::bands::Run;
use crate::error::{Error, Result};
use crate::raster::{Raster, RasterMut, Real, Window};
use crate::simd::Lanes;
use crate::window::{Frame, Stencil, Tile, stencil};

/// What happens where a window is incomplete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SigmaEdge {
    /// The filter goes on with the valid samples.
    #[default]
    Shrink,
    /// As in SNAP: the linear estimate from all valid samples, without targets and range.
    Snap,
}

impl FromStr for SigmaEdge {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "shrink" => Ok(Self::Shrink),
            "snap" => Ok(Self::Snap),
            _ => Err(Error::parameter("edge", format!("{name:?}"), "\"shrink\" or \"snap\"")),
        }
    }
}

/// Parameters of [`lee_sigma`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeeSigma {
    /// Equivalent number of looks.
    pub enl: f64,
    /// The range of speckle of that many looks.
    pub range: SigmaRange,
    /// Bright pixels that make a 3 x 3 window a point target, from 1 to 9.
    pub target_count: usize,
    /// A pixel is bright above this: the 98 % quantile of the scene. Infinity: there are no targets.
    pub z98: f64,
    /// What happens where a window is incomplete.
    pub edge: SigmaEdge,
}

/// Pixels computed together.
const TOGETHER: usize = 16;
/// Rows of a window that are summed up in the precision of the image.
const PART: usize = 8;
/// Around a pixel: one for the 3 x 3 window, one more for that of its neighbour, which may be a target.
const REACH: usize = 2;

/// Improved Lee sigma filter of intensity (2009, doi 10.1109/TGRS.2008.2002881).
///
/// 1. A bright pixel with at least `target_count` bright pixels in its 3 x 3 window (itself among them) is a point target,
///    and so are those bright pixels. Targets are kept.
/// 2. Elsewhere the linear estimate from the valid samples of the 3 x 3 window is the a-priori mean (their mean, where that
///    is not positive), and `range` times that mean are the bounds of what is averaged.
/// 3. The result is the linear estimate from the samples of the window within the bounds, with the noise of `range`; the
///    sample itself if there are none (an a-priori mean below zero).
///
/// With replicated borders all this is done on the image so extended.
///
/// A sample exactly on a bound lies within. The a-priori mean and the bounds are double precision, also of single precision
/// images: the bounds are then rounded inwards to single precision, which tells the same samples apart. So a sample is taken
/// or left as in double precision; only one within some 1e-15 of a bound may depend on the order of the sums.
pub fn lee_sigma<T: Real>(
    src: Raster<'_, T>,
    dst: RasterMut<'_, T>,
    frame: &Frame,
    parameters: &LeeSigma,
    run: &Run<'_>,
) -> Result<()> {
    let LeeSigma { enl, range, target_count, z98, edge } = *parameters;
    let speckle = speckle_variation(enl)?;
    if !(1..=9).contains(&target_count) {
        return Err(Error::parameter("target_count", target_count, "1 to 9 pixels of a 3 x 3 window"));
    }
    if z98.is_nan() {
        return Err(Error::parameter("z98", z98, "the 98 % quantile of the scene, or infinity for no targets"));
    }
    let bright = round_down(z98);
    stencil(src, dst, frame, &Sigma { speckle, range, count: T::from_f64(target_count as f64), bright, edge }, run)
}

struct Sigma<T> {
    /// Squared coefficient of variation of the speckle.
    speckle: f64,
    range: SigmaRange,
    /// Bright pixels of a target.
    count: T,
    /// A pixel is bright above this.
    bright: T,
    edge: SigmaEdge,
}

/// What a thread keeps: planes as large as the grown tile, and rows of the output.
struct Scratch<T> {
    nine: Nine,
    /// Length of a row of a plane.
    width: usize,
    /// The samples, infinite where they are invalid: above any bound.
    samples: Vec<T>,
    /// Whether any of them is bright.
    any_bright: bool,
    /// One for bright pixels.
    bright: Vec<T>,
    /// One for bright pixels among so many others that they all are a target.
    cluster: Vec<T>,
    /// Marks around those of a row.
    nine_bright: Vec<T>,
    /// Bounds of what is averaged around each pixel of a row.
    lower: Vec<T>,
    upper: Vec<T>,
    /// A number between them, from which differences are taken.
    pivot: Vec<T>,
    sums: Sums<T>,
    /// Squared coefficient of variation of the speckle within the bounds, and of all speckle.
    noise: Vec<T>,
    speckle: Vec<T>,
    /// What all samples of the windows give.
    whole: Vec<T>,
}

impl<T: Real> Stencil<T> for Sigma<T> {
    type Scratch = Scratch<T>;

    fn radius(&self, window: Window) -> (usize, usize) {
        let (y, x) = window.half();
        (y.max(REACH), x.max(REACH))
    }

    fn scratch(&self, _window: Window, width: usize) -> Scratch<T> {
        let row = || vec![T::from_f64(0.0); width];
        Scratch {
            nine: Nine::new(width),
            width,
            samples: Vec::new(),
            any_bright: false,
            bright: Vec::new(),
            cluster: Vec::new(),
            nine_bright: row(),
            lower: row(),
            upper: row(),
            pivot: row(),
            sums: Sums::new(width),
            noise: vec![T::from_f64(self.range.noise * self.range.noise); width],
            speckle: vec![T::from_f64(self.speckle); width],
            whole: row(),
        }
    }

    #[inline(always)]
    fn begin(&self, tile: &Tile<'_, T>, scratch: &mut Scratch<T>) {
        let (zero, one, infinite) = (T::from_f64(0.0), T::from_f64(1.0), T::from_f64(f64::INFINITY));
        let Scratch { width, samples, any_bright, bright, .. } = scratch;
        samples.resize(tile.height * *width, zero);
        bright.resize(tile.height * *width, zero);
        let mut found = 0u32;
        for row in 0..tile.height {
            let from = tile.samples(row).iter().zip(tile.valid(row));
            let to = samples[row * *width..][..*width].iter_mut().zip(&mut bright[row * *width..][..*width]);
            for ((&sample, &valid), (to, bright)) in from.zip(to) {
                let is_bright = (valid > zero) & (sample > self.bright);
                *to = if valid > zero { sample } else { infinite };
                *bright = if is_bright { one } else { zero };
                found |= u32::from(is_bright);
            }
        }
        *any_bright = found > 0;
        if scratch.any_bright {
            self.find_clusters(tile.height, scratch);
        }
    }

    #[inline(always)]
    fn row(&self, tile: &Tile<'_, T>, row: usize, scratch: &mut Scratch<T>, out: &mut [T]) {
        self.bound(tile, row, scratch, out.len());
        let top = row + tile.radius.0 - tile.window.half().0;
        let bottom = top + tile.window.y;
        scratch.sums.clear();
        for from in (top..bottom).step_by(PART) {
            for first in (0..out.len()).step_by(TOGETHER) {
                sum_within(tile, from..bottom.min(from + PART), first, scratch);
            }
            scratch.sums.add_parts();
        }
        let centre = &tile.samples(row + tile.radius.0)[tile.radius.1..];
        scratch.sums.estimate(&scratch.pivot, centre, &scratch.noise, out);
        if scratch.any_bright {
            keep_targets(tile, row, scratch, out);
        }
        if self.edge == SigmaEdge::Snap && tile.holed {
            estimate_incomplete(tile, row, scratch, out);
        }
    }
}

impl<T: Real> Sigma<T> {
    /// Mark the bright pixels with enough bright neighbours.
    #[inline(always)]
    fn find_clusters(&self, height: usize, scratch: &mut Scratch<T>) {
        let (zero, one) = (T::from_f64(0.0), T::from_f64(1.0));
        let (width, count) = (scratch.width, &mut scratch.nine_bright);
        scratch.cluster.resize(height * width, zero);
        for row in 1..height - 1 {
            count_nine(&scratch.bright, row, width, count);
            let bright = &scratch.bright[row * width..][..width];
            let cluster = &mut scratch.cluster[row * width..][..width];
            for ((cluster, &bright), &count) in cluster.iter_mut().zip(bright).zip(&*count) {
                let many = if count < self.count { zero } else { one };
                *cluster = bright * many;
            }
        }
    }

    /// The bounds of a row of pixels.
    #[inline(always)]
    fn bound(&self, tile: &Tile<'_, T>, row: usize, scratch: &mut Scratch<T>, pixels: usize) {
        let (row, first) = (row + tile.radius.0, tile.radius.1);
        scratch.nine.fill(tile, row);
        let Scratch { nine, lower, upper, pivot, .. } = scratch;
        let moments = nine.sum[first..].iter().zip(&nine.square[first..]).zip(&nine.count[first..]);
        let bounds = lower[..pixels].iter_mut().zip(upper).zip(pivot);
        let samples = &tile.samples(row)[first..];
        for ((x, ((&sum, &square), &count)), ((lower, upper), pivot)) in samples.iter().zip(moments).zip(bounds) {
            let mean = self.prior_mean(x.to_f64(), sum, square, count);
            *lower = round_up(self.range.lower * mean);
            *upper = round_down(self.range.upper * mean);
            *pivot = T::from_f64(mean);
        }
    }

    /// The linear estimate from the 3 x 3 window.
    #[inline(always)]
    fn prior_mean(&self, centre: f64, sum: f64, square: f64, count: f64) -> f64 {
        let mean = sum / count;
        linear(centre, Moments { mean, total: square - sum * mean, count }, self.speckle)
    }
}

/// Sum up the samples within the bounds of a group of pixels, in some rows of the windows.
#[inline(always)]
fn sum_within<T: Real>(tile: &Tile<'_, T>, rows: Range<usize>, first: usize, scratch: &mut Scratch<T>) {
    let Scratch { lower, upper, pivot, .. } = &*scratch;
    let lower = Lanes::<T, TOGETHER>::load(&lower[first..]);
    let (upper, pivot) = (Lanes::load(&upper[first..]), Lanes::load(&pivot[first..]));
    let left = first + tile.radius.1 - tile.window.half().1;
    let (zero, one) = (Lanes::splat(0.0), Lanes::splat(1.0));
    let (mut offset, mut square, mut count) = (zero, zero, zero);
    for y in rows {
        let samples = &scratch.samples[y * scratch.width..][..scratch.width][left..];
        let (mut row_offset, mut row_square) = (zero, zero);
        for x in 0..tile.window.x {
            let sample = Lanes::load(&samples[x..]);
            let away = upper.if_below(sample, zero, sample.if_below(lower, zero, sample - pivot));
            row_offset = row_offset + away;
            row_square = row_square + away * away;
            count = count + upper.if_below(sample, zero, sample.if_below(lower, zero, one));
        }
        (offset, square) = (offset + row_offset, square + row_square);
    }
    scratch.sums.set_part(first, offset, square, count);
}

/// Where a window is incomplete, the linear estimate from all its valid samples.
#[inline(always)]
fn estimate_incomplete<T: Real>(tile: &Tile<'_, T>, row: usize, scratch: &mut Scratch<T>, out: &mut [T]) {
    let Scratch { sums, speckle, whole, .. } = scratch;
    sums.set_windows(tile, row, out.len());
    let centre = &tile.samples(row + tile.radius.0)[tile.radius.1..];
    sums.estimate(centre, centre, speckle, &mut whole[..out.len()]);
    let area = (tile.window.y * tile.window.x) as f64;
    for ((out, &whole), &count) in out.iter_mut().zip(&*whole).zip(sums.count()) {
        let filtered = *out;
        *out = if count < area { whole } else { filtered };
    }
}

/// Put the samples of point targets back.
#[inline(always)]
fn keep_targets<T: Real>(tile: &Tile<'_, T>, row: usize, scratch: &mut Scratch<T>, out: &mut [T]) {
    let (width, row, first) = (scratch.width, row + tile.radius.0, tile.radius.1);
    let clusters = &mut scratch.nine_bright;
    count_nine(&scratch.cluster, row, width, clusters);
    let bright = &scratch.bright[row * width + first..];
    let samples = &tile.samples(row)[first..];
    for (((out, &sample), &bright), &clusters) in out.iter_mut().zip(samples).zip(bright).zip(&clusters[first..]) {
        let filtered = *out;
        *out = if clusters * bright > T::from_f64(0.0) { sample } else { filtered };
    }
}

/// Sums of the nine marks around those of a row of a plane; the first and the last column have none.
#[inline(always)]
fn count_nine<T: Real>(marks: &[T], row: usize, width: usize, count: &mut [T]) {
    let (above, here, below) =
        (&marks[(row - 1) * width..][..width], &marks[row * width..][..width], &marks[(row + 1) * width..][..width]);
    let rows = above.windows(3).zip(here.windows(3)).zip(below.windows(3));
    for (count, ((above, here), below)) in count[1..].iter_mut().zip(rows) {
        let columns = (above[0] + here[0] + below[0], above[1] + here[1] + below[1], above[2] + here[2] + below[2]);
        *count = columns.0 + columns.1 + columns.2;
    }
}

/// The smallest number of type `T` that is not below `x`.
#[inline(always)]
fn round_up<T: Real>(x: f64) -> T {
    let near = T::from_f64(x);
    if near.to_f64() < x { near + step(near) } else { near }
}

/// The largest number of type `T` that is not above `x`.
#[inline(always)]
fn round_down<T: Real>(x: f64) -> T {
    let near = T::from_f64(x);
    if near.to_f64() > x { near - step(near) } else { near }
}

/// What is added to a number, or taken away, to reach the next one and never the one after it: 0.6 to 1.2 times the distance
/// above, hence at most 1.2 times the distance below.
#[inline(always)]
fn step<T: Real>(near: T) -> T {
    let size = if near < T::from_f64(0.0) { T::from_f64(0.0) - near } else { near };
    size * T::from_f64(0.6) * T::EPSILON
}
