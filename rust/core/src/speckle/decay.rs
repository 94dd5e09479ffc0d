//! Means of a window with weights that fall exponentially with the distance from the centre.
//!
//! A weight depends on the distance alone, so the samples of each distance are added up first, rows above and below the
//! centre together: a window of 7 x 7 costs 28 loads and 5 exponentials.
//!
//! How fast the weights fall is found in double precision. Beside a target a million times brighter the exponent of the
//! target's own weight enters the result with its absolute error, and is 15 where the target still counts.

use crate::raster::{Real, Window};
use crate::simd::Lanes;
use crate::speckle::distance::{Classes, Distance};
use crate::window::{Stencil, Tile};

/// Pixels computed together.
const N: usize = 16;

/// Pixels computed together in double precision, two sums each.
const WIDE: usize = 8;

/// Squared coefficient of variation, and relative distance of the mean from the sample, that are rounding noise of the
/// sums of a constant window.
const NOISE: f64 = 64.0 * f64::EPSILON;

/// From this decay on the other samples have no weight.
const ALONE: f64 = 64.0;

/// No weight is smaller, so that products with samples stay normal numbers.
const LEAST: f64 = 1e-28;

/// No factor of a power is smaller, for the same reason.
const LEAST_FACTOR: f64 = 1e-12;

/// How fast weights fall: by `exp(-decay)` a pixel.
pub(super) trait Damping: Sync {
    /// From the squared coefficient of variation of the window. Zero and below means the plain mean, infinity the sample.
    fn decay(&self, variation: f64) -> f64;
}

/// The weighted mean as a stencil.
pub(super) struct Decay<D> {
    damping: D,
    distances: Classes,
}

impl<D> Decay<D> {
    pub(super) fn new(window: Window, distance: Distance, damping: D) -> Self {
        Self { damping, distances: Classes::new(window, distance) }
    }
}

/// Rows that belong to one output row.
pub(super) struct Rows<T> {
    /// Samples, and valid samples, of the two rows at each distance from the centre, one distance after the other.
    folded: Vec<T>,
    folded_valid: Vec<T>,
    /// Where the samples of the classes stand in them, counted from the output pixel.
    places: Vec<u32>,
    /// Sums down the columns.
    columns: [Vec<f64>; 2],
    /// Sums of the samples of a window, and of their squares.
    sums: [Vec<f64>; 2],
    count: [Vec<f64>; 1],
    /// Decay of the weights where it is above zero; elsewhere the result is the `plain` one.
    decay: Vec<T>,
    plain: Vec<T>,
}

impl<T: Real, D: Damping> Stencil<T> for Decay<D> {
    type Scratch = Rows<T>;

    fn scratch(&self, window: Window, width: usize) -> Rows<T> {
        let zeros = |n: usize| vec![T::from_f64(0.0); n];
        let (folds, line) = ((window.y / 2 + 1) * width, || vec![0.0; width]);
        Rows {
            folded: zeros(folds),
            folded_valid: zeros(folds),
            places: self.distances.places.iter().map(|&(y, x)| (y * width + x) as u32).collect(),
            columns: [line(), line()],
            sums: [line(), line()],
            count: [line()],
            decay: zeros(width),
            plain: zeros(width),
        }
    }

    #[inline(always)]
    fn row(&self, tile: &Tile<'_, T>, row: usize, rows: &mut Rows<T>, out: &mut [T]) {
        let samples = |y: usize| tile.samples(row + y);
        let centre = &samples(tile.radius.0)[tile.radius.1..][..out.len()];
        box_sums(tile.window, samples, |x| [x, x * x], &mut rows.columns, &mut rows.sums, out.len());
        fold(tile.window, samples, &mut rows.folded);
        if tile.holed {
            let valid = |y: usize| tile.valid(row + y);
            let [columns, _] = &mut rows.columns;
            box_sums(tile.window, valid, |x| [x], std::array::from_mut(columns), &mut rows.count, out.len());
            fold(tile.window, valid, &mut rows.folded_valid);
            let Rows { sums, count, decay, plain, .. } = rows;
            find_decay(&self.damping, centre, sums, |j| count[0][j], (decay, plain));
            self.average::<T, true>(centre, rows, out);
        } else {
            let all = (tile.window.y * tile.window.x) as f64;
            let Rows { sums, decay, plain, .. } = rows;
            find_decay(&self.damping, centre, sums, |_| all, (decay, plain));
            self.average::<T, false>(centre, rows, out);
        }
    }
}

impl<D: Damping> Decay<D> {
    /// The weighted means of a row.
    #[inline(always)]
    fn average<T: Real, const HOLED: bool>(&self, centre: &[T], rows: &Rows<T>, out: &mut [T]) {
        let (zero, one) = (Lanes::<T, N>::splat(0.0), Lanes::splat(1.0));
        let (least, least_factor) = (Lanes::splat(LEAST), Lanes::splat(LEAST_FACTOR));
        for j in (0..out.len()).step_by(N) {
            let (folded, folded_valid) = (&rows.folded[j..], &rows.folded_valid[j..]);
            let decay = Lanes::load(&rows.decay[j..]);
            let (mut sum, mut weights) = (Lanes::load(&centre[j..]), one);
            let (mut factor, mut power) = (one, one);
            for class in &self.distances.classes {
                let places = &rows.places[class.places.clone()];
                let weight = if class.follows {
                    power = power * factor;
                    power
                } else {
                    let weight = (decay * Lanes::splat(-class.distance)).map(T::exp_negative).max(least);
                    factor = weight.max(least_factor);
                    power = factor;
                    weight
                };
                let count = if HOLED { add_up(folded_valid, places) } else { Lanes::splat(class.count as f64) };
                sum = sum + weight * add_up(folded, places);
                weights = weights + weight * count;
            }
            let plain = Lanes::load(&rows.plain[j..]);
            zero.if_below(decay, sum / weights, plain).store(&mut out[j..]);
        }
    }
}

/// Sum of the folded samples at `places`.
#[inline(always)]
fn add_up<T: Real>(folded: &[T], places: &[u32]) -> Lanes<T, N> {
    let mut sum = Lanes::splat(0.0);
    for &place in places {
        let place = place as usize;
        sum = sum + Lanes::load(&folded[place..place + N]);
    }
    sum
}

/// Add the rows of a window that are equally far from its centre.
#[inline(always)]
fn fold<'a, T: Real>(window: Window, row: impl Fn(usize) -> &'a [T], folded: &mut [T]) {
    let half = window.half().0;
    let (centre, others) = folded.split_at_mut(folded.len() / (half + 1));
    centre.copy_from_slice(row(half));
    for (i, folded) in others.chunks_exact_mut(centre.len()).enumerate() {
        let (above, below) = (row(half - 1 - i), row(half + 1 + i));
        for ((folded, &above), &below) in folded.iter_mut().zip(above).zip(below) {
            *folded = above + below;
        }
    }
}

/// Sums of each number that `of` makes of a sample, over the windows of `pixels` pixels: down the columns first, then along
/// them.
#[inline(always)]
fn box_sums<'a, T: Real, const K: usize>(
    window: Window,
    row: impl Fn(usize) -> &'a [T],
    of: impl Fn(f64) -> [f64; K],
    columns: &mut [Vec<f64>; K],
    sums: &mut [Vec<f64>; K],
    pixels: usize,
) {
    let used = pixels + window.x - 1;
    for j in (0..used).step_by(WIDE) {
        // The last group overlaps the one before.
        let j = j.min(used - WIDE);
        let mut sum = [Lanes::<f64, WIDE>::splat(0.0); K];
        for y in 0..window.y {
            let samples = &row(y)[j..j + WIDE];
            for (i, &sample) in samples.iter().enumerate() {
                for (sum, x) in sum.iter_mut().zip(of(sample.to_f64())) {
                    sum.0[i] += x;
                }
            }
        }
        for (columns, sum) in columns.iter_mut().zip(sum) {
            sum.store(&mut columns[j..]);
        }
    }
    for (columns, sums) in columns.iter().zip(sums) {
        for j in (0..pixels).step_by(N) {
            let mut sum = Lanes::<f64, N>::load(&columns[j..]);
            for x in 1..window.x {
                sum = sum + Lanes::load(&columns[j + x..]);
            }
            sum.store(&mut sums[j..]);
        }
    }
}

/// From the sums of a row to the decay of its weights, and to the result where there is none.
#[inline(always)]
fn find_decay<T: Real>(
    damping: &impl Damping,
    centre: &[T],
    [sum, squares]: &[Vec<f64>; 2],
    count: impl Fn(usize) -> f64,
    (decay, plain): (&mut [T], &mut [T]),
) {
    let n = centre.len();
    let (sum, squares, decay, plain) = (&sum[..n], &squares[..n], &mut decay[..n], &mut plain[..n]);
    for j in 0..n {
        let (count, sum, x) = (count(j), sum[j], centre[j].to_f64());
        let mean = sum / count;
        let away = (mean - x).abs();
        let mean = if away > NOISE * x.abs() { mean } else { x };
        let square = sum * sum;
        let spread = count * squares[j] - square;
        let fall = damping.decay(spread * count / ((count - 1.0) * square));
        // A constant window, or one that is not positive, has no variation.
        let fall = if spread > NOISE * square { fall } else { 0.0 };
        let fall = if sum > 0.0 { fall } else { 0.0 };
        decay[j] = T::from_f64(if fall < ALONE { fall } else { 0.0 });
        plain[j] = T::from_f64(if fall < ALONE { mean } else { x });
    }
}
