//! The refined filter of Lee (1981): local statistics of the half window that lies along the edge.

use super::mmse::Sums;
use super::nine::Nine;
use super::speckle_variation;
use crate::bands::Run;
use crate::error::{Error, Result};
use crate::raster::{Raster, RasterMut, Real, Window};
use crate::simd::Lanes;
use crate::window::{Frame, Stencil, Tile, stencil};

/// Where the strength of the speckle comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Noise {
    /// From the most homogeneous parts of each window.
    Local,
    /// From this number of looks.
    Looks(f64),
}

impl Noise {
    /// The noise called `name`, "local" or "looks", of speckle with `enl` looks.
    pub fn named(name: &str, enl: f64) -> Result<Self> {
        match name {
            "local" => Ok(Self::Local),
            "looks" => Ok(Self::Looks(enl)),
            _ => Err(Error::parameter("noise", format!("{name:?}"), "\"local\" or \"looks\"")),
        }
    }
}

/// The only size of the window.
const SIZE: usize = 7;
/// Its pixels on each side of the centre.
const HALF: usize = SIZE / 2;
/// Pixels of a half window.
const HALF_AREA: f64 = 28.0;
/// Pixels computed together.
const TOGETHER: usize = 16;
/// Stands for the variation of an incomplete sub-area: larger than any other.
const INCOMPLETE: f64 = 1e30;

/// Three pixels (row, column from the centre) that lie in the same half windows. These, what lies opposite of them, and the
/// centre make up the window.
const TRIPLES: [[(isize, isize); 3]; 8] = [
    [(0, 1), (0, 2), (0, 3)],
    [(1, 1), (2, 2), (3, 3)],
    [(1, 0), (2, 0), (3, 0)],
    [(1, -1), (2, -2), (3, -3)],
    [(1, 2), (1, 3), (2, 3)],
    [(2, 1), (3, 1), (3, 2)],
    [(2, -1), (3, -1), (3, -2)],
    [(1, -2), (1, -3), (2, -3)],
];

/// Refined Lee filter of intensity (1981, doi 10.1016/S0146-664X(81)80018-4), window 7.
///
/// The means of nine overlapping 3 x 3 sub-areas give the direction of the strongest gradient; of the two half windows (28
/// pixels) along that edge the one whose side is more like the centre gives mean and variance of the linear estimate. The
/// speckle is the mean of the five smallest squared coefficients of variation among the sub-areas, or that of a number of
/// looks. Where samples of the window are invalid or outside the image, mean and variance are those of all its valid
/// samples, and only complete sub-areas tell of the speckle (none: no speckle).
///
/// The gradients are differences of exact sums (double precision), so neither precision nor rounding turns a direction; of
/// equal gradients the first counts, in this order: west to east, north-east to south-west, north to south, north-west to
/// south-east.
pub fn refined_lee<T: Real>(
    src: Raster<'_, T>,
    dst: RasterMut<'_, T>,
    frame: &Frame,
    noise: Noise,
    run: &Run<'_>,
) -> Result<()> {
    if frame.window != (Window { y: SIZE, x: SIZE }) {
        let got = format!("({}, {})", frame.window.y, frame.window.x);
        return Err(Error::parameter("window", got, "(7, 7), the only window of the refined Lee filter"));
    }
    let looks = match noise {
        Noise::Local => None,
        Noise::Looks(enl) => Some(speckle_variation(enl)?),
    };
    stencil(src, dst, frame, &RefinedLee { looks }, run)
}

struct RefinedLee {
    /// Squared coefficient of variation of the speckle, if it is known.
    looks: Option<f64>,
}

/// What a thread keeps: planes as large as the grown tile, and rows of the output.
struct Scratch<T> {
    nine: Nine,
    /// Length of a row of a plane.
    width: usize,
    /// Sums of 3 x 3 samples.
    sum: Vec<f64>,
    /// Their squared coefficients of variation.
    variation: Vec<T>,
    /// Squared coefficient of variation of the speckle.
    noise: Vec<T>,
    /// One where a window is complete.
    complete: Vec<T>,
    half: Half<T>,
    sums: Sums<T>,
    /// What all samples of the windows give.
    whole: Vec<T>,
}

/// The half windows of a row of pixels.
struct Half<T> {
    /// Where they lie from the centre in rows: -1, 0 or 1.
    y: Vec<T>,
    /// The same in columns.
    x: Vec<T>,
    /// Mean of the outermost sub-area there, which is part of the half window.
    mean: Vec<T>,
}

impl<T: Real> Stencil<T> for RefinedLee {
    type Scratch = Scratch<T>;

    fn scratch(&self, _window: Window, width: usize) -> Scratch<T> {
        let row = || vec![T::from_f64(0.0); width];
        Scratch {
            nine: Nine::new(width),
            width,
            sum: Vec::new(),
            variation: Vec::new(),
            noise: row(),
            complete: row(),
            half: Half { y: row(), x: row(), mean: row() },
            sums: Sums::new(width),
            whole: row(),
        }
    }

    #[inline(always)]
    fn begin(&self, tile: &Tile<'_, T>, scratch: &mut Scratch<T>) {
        let width = scratch.width;
        scratch.sum.resize(tile.height * width, 0.0);
        scratch.variation.resize(tile.height * width, T::from_f64(0.0));
        for row in 1..tile.height - 1 {
            scratch.nine.fill(tile, row);
            let nine = &scratch.nine;
            scratch.sum[row * width..][..width].copy_from_slice(&nine.sum);
            let moments = nine.sum.iter().zip(&nine.square).zip(&nine.count);
            for (out, ((&sum, &square), &count)) in scratch.variation[row * width..][..width].iter_mut().zip(moments) {
                *out = T::from_f64(variation(sum, square, count));
            }
        }
    }

    #[inline(always)]
    fn row(&self, tile: &Tile<'_, T>, row: usize, scratch: &mut Scratch<T>, out: &mut [T]) {
        let mut complete = true;
        face(row, out.len(), scratch);
        for first in (0..out.len()).step_by(TOGETHER) {
            complete &= self.speckle(row, first, scratch);
            sum_half(tile, row, first, scratch);
        }
        scratch.sums.clear();
        scratch.sums.add_parts();
        let centre = &tile.samples(row + HALF)[HALF..];
        scratch.sums.estimate(&scratch.half.mean, centre, &scratch.noise, out);
        if !complete {
            scratch.sums.set_windows(tile, row, out.len());
            scratch.sums.estimate(centre, centre, &scratch.noise, &mut scratch.whole[..out.len()]);
            for ((out, &whole), &complete) in out.iter_mut().zip(&scratch.whole).zip(&scratch.complete) {
                let half = *out;
                *out = if complete > T::from_f64(0.0) { half } else { whole };
            }
        }
    }
}

impl RefinedLee {
    /// Store the speckle of a group of pixels and whether their windows are complete; whether all are.
    #[inline(always)]
    fn speckle<T: Real>(&self, row: usize, first: usize, scratch: &mut Scratch<T>) -> bool {
        let area = |i: usize| {
            let at = (row + 1 + i / 3 * 2) * scratch.width + first + 1 + i % 3 * 2;
            Lanes::<T, TOGETHER>::load(&scratch.variation[at..])
        };
        let (zero, one, incomplete) = (Lanes::splat(0.0), Lanes::splat(1.0), Lanes::splat(INCOMPLETE));
        let mut largest = area(0);
        let mut smallest = [area(0), area(1), area(2), area(3), area(4), area(5)];
        for i in 6..10 {
            for j in 0..5 {
                (smallest[j], smallest[j + 1]) = (smallest[j].min(smallest[j + 1]), smallest[j].max(smallest[j + 1]));
            }
            largest = largest.max(smallest[5]);
            if i < 9 {
                smallest[5] = area(i);
            }
        }
        let (mut sum, mut count) = (zero, zero);
        for area in &smallest[..5] {
            sum = sum + area.if_below(incomplete, *area, zero);
            count = count + area.if_below(incomplete, one, zero);
        }
        let local = zero.if_below(count, sum / count, zero);
        self.looks.map_or(local, Lanes::splat).store(&mut scratch.noise[first..]);
        let complete = largest.if_below(incomplete, one, zero);
        complete.store(&mut scratch.complete[first..]);
        complete.0.iter().all(|&x| x > T::from_f64(0.0))
    }
}

/// Squared coefficient of variation of nine samples; zero if their mean is not positive.
#[inline(always)]
fn variation(sum: f64, square: f64, count: f64) -> f64 {
    let variation = 1.125 * (9.0 * square - sum * sum) / (sum * sum);
    let variation = if variation > 0.0 && sum > 0.0 { variation } else { 0.0 };
    if count < 9.0 { INCOMPLETE } else { variation }
}

/// Store which halves of the windows a row of pixels takes.
#[inline(always)]
fn face<T: Real>(row: usize, pixels: usize, scratch: &mut Scratch<T>) {
    let Scratch { sum, width, half: Half { y, x, mean }, .. } = scratch;
    let sums = |row: usize| sum[row * *width + 1..][..*width - 1].windows(5);
    let areas = sums(row + 1).zip(sums(row + 3)).zip(sums(row + 5));
    let halves = y[..pixels].iter_mut().zip(x).zip(mean);
    for (((above, here), below), ((y, x), mean)) in areas.zip(halves) {
        let rows = [[above[0], above[2], above[4]], [here[0], here[2], here[4]], [below[0], below[2], below[4]]];
        let half = like_centre(rows);
        (*y, *x, *mean) = (T::from_f64(half.0), T::from_f64(half.1), T::from_f64(half.2 * (1.0 / 9.0)));
    }
}

/// That end of the steepest gradient between opposite sub-areas which is more like the centre: its row and column from there
/// (-1, 0 or 1) and its sum.
#[inline(always)]
fn like_centre(areas: [[f64; 3]; 3]) -> (f64, f64, f64) {
    let [[north_west, north, north_east], [west, centre, east], [south_west, south, south_east]] = areas;
    let (mut steepest, mut one, mut other, mut y, mut x) = ((west - east).abs(), west, east, 0.0, -1.0);
    for (a, b, dy, dx) in
        [(north_east, south_west, -1.0, 1.0), (north, south, -1.0, 0.0), (north_west, south_east, -1.0, -1.0)]
    {
        let gradient = (a - b).abs();
        let steeper = gradient > steepest;
        steepest = if steeper { gradient } else { steepest };
        one = if steeper { a } else { one };
        other = if steeper { b } else { other };
        y = if steeper { dy } else { y };
        x = if steeper { dx } else { x };
    }
    let first = (one - centre).abs() < (centre - other).abs();
    if first { (y, x, one) } else { (0.0 - y, 0.0 - x, other) }
}

/// Sum up the half windows of a group of pixels: those samples whose projection on the direction is not negative.
#[inline(always)]
fn sum_half<T: Real>(tile: &Tile<'_, T>, row: usize, first: usize, scratch: &mut Scratch<T>) {
    let Half { y, x, mean } = &scratch.half;
    let y = Lanes::<T, TOGETHER>::load(&y[first..]);
    let (x, pivot, zero) = (Lanes::load(&x[first..]), Lanes::load(&mean[first..]), Lanes::splat(0.0));
    let centre = sample(tile, row, first, (0, 0)) - pivot;
    let (mut offsets, mut squares) = (centre, centre * centre);
    for [a, b, c] in TRIPLES {
        let along = y * Lanes::splat(a.0 as f64) + x * Lanes::splat(a.1 as f64);
        for side in [1, -1] {
            let along = along * Lanes::splat(side as f64);
            let a = sample(tile, row, first, (side * a.0, side * a.1)) - pivot;
            let b = sample(tile, row, first, (side * b.0, side * b.1)) - pivot;
            let c = sample(tile, row, first, (side * c.0, side * c.1)) - pivot;
            offsets = offsets + along.if_below(zero, zero, a + b + c);
            squares = squares + along.if_below(zero, zero, a * a + b * b + c * c);
        }
    }
    scratch.sums.set_part(first, offsets, squares, Lanes::splat(HALF_AREA));
}

/// The samples this many rows and columns away from a group of pixels.
#[inline(always)]
fn sample<T: Real>(tile: &Tile<'_, T>, row: usize, first: usize, away: (isize, isize)) -> Lanes<T, TOGETHER> {
    let samples = tile.samples((row + HALF).wrapping_add_signed(away.0));
    Lanes::load(&samples[(first + HALF).wrapping_add_signed(away.1)..])
}
