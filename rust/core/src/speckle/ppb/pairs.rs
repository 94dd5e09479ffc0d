//! Weights of all pairs of pixels one shift apart, and their sums.
//!
//! A weight belongs to both pixels of its pair, so half of the shifts do. For every shift the unlikeness of the pairs goes
//! through a box sum, whose taps are always added in one order; every pixel adds its weights in the order of the shifts.
//! So no byte depends on where the tile lies.

use super::Ppb;
use super::arithmetic::Comparable;
use super::tile::Tile;
use crate::dispatch;

/// Rows of planes are worked on in whole blocks of this many pixels; what lies beyond the tile is not used.
pub(super) const LANES: usize = 16;

/// The next multiple of [`LANES`].
pub(super) fn padded(n: usize) -> usize {
    n.next_multiple_of(LANES)
}

/// Sums over the search window of every pixel of a tile, and the memory to get them.
#[derive(Default)]
pub(super) struct Sums<T> {
    /// Sum of weights times power above the floor, sum of weights, largest weight.
    excess: Vec<T>,
    weight: Vec<T>,
    largest: Vec<T>,
    /// The first two for the shifts of one row distance: shorter sums round less.
    row_excess: Vec<T>,
    row_weight: Vec<T>,
    width: usize,
    work: Work<T>,
}

/// What one shift needs.
#[derive(Default)]
struct Work<T> {
    unlike: Vec<T>,
    both: Vec<T>,
    /// Horizontal sums of unlikeness and of valid pairs.
    unlike_sums: Vec<T>,
    both_sums: Vec<T>,
    weights: Vec<T>,
}

/// Pairs `(row, col)` and `(row + down, col + right)`, one of which lies in the tile.
#[derive(Clone, Copy)]
struct Shift {
    down: usize,
    right: isize,
    /// Rows and columns of the upper pixels, which begin `down` rows above the tile and `lead` columns left of it.
    rows: usize,
    cols: usize,
    lead: usize,
}

impl Shift {
    /// Index in the planes of the lower pixel of a pair.
    #[inline(always)]
    fn lower<T>(self, upper: usize, tile: &Tile<T>) -> usize {
        (upper + self.down * tile.stride).wrapping_add_signed(self.right)
    }
}

impl<T: Comparable> Sums<T> {
    /// Sums of all pixels of `tile`.
    pub fn compute(&mut self, tile: &Tile<T>, parameters: &Ppb) {
        self.reset(tile, parameters);
        if !tile.used {
            return;
        }
        let (search, patch) = (parameters.search as isize, Patch::new(parameters));
        for down in 0..=search {
            self.row_excess.fill(T::default());
            self.row_weight.fill(T::default());
            for right in if down == 0 { 1 } else { -search }..=search {
                let shift = Shift {
                    down: down as usize,
                    right,
                    rows: tile.rows + down as usize,
                    cols: padded(tile.cols + right.unsigned_abs()),
                    lead: right.max(0) as usize,
                };
                weigh(tile, shift, patch, &mut self.work);
                add(tile, shift, self);
            }
            for (sum, &row) in self.excess.iter_mut().zip(&self.row_excess) {
                *sum = *sum + row;
            }
            for (sum, &row) in self.weight.iter_mut().zip(&self.row_weight) {
                *sum = *sum + row;
            }
        }
    }

    fn reset(&mut self, tile: &Tile<T>, parameters: &Ppb) {
        self.width = padded(tile.cols);
        let sums = [&mut self.excess, &mut self.weight, &mut self.largest, &mut self.row_excess, &mut self.row_weight];
        for sum in sums {
            sum.clear();
            sum.resize(tile.rows * self.width, T::default());
        }
        let (rows, cols) = (tile.rows + parameters.search, padded(tile.cols + parameters.search));
        let work = &mut self.work;
        work.weights.resize(rows * cols + LANES, T::default());
        for line in [&mut work.unlike, &mut work.both] {
            line.resize(padded(cols + 2 * parameters.patch), T::default());
        }
        for sums in [&mut work.unlike_sums, &mut work.both_sums] {
            sums.resize((rows + 2 * parameters.patch) * cols, T::default());
        }
    }

    /// Means of a row of the tile; `samples` are its pixels, `floor` the smallest power of each search window.
    pub fn write(&self, row: usize, samples: &[T], floor: &[T], out: &mut [T]) {
        let zero = T::default();
        let first = row * self.width;
        for (i, (out, &x)) in out.iter_mut().zip(samples).enumerate() {
            let largest = self.largest[first + i];
            *out = if !x.is_valid() {
                T::NAN
            } else if x > zero && largest > zero {
                let weight = self.weight[first + i] + largest;
                floor[i] + (self.excess[first + i] + largest * (x - floor[i])) / weight
            } else {
                x
            };
        }
    }
}

/// Size of a patch and the factor from its sum to the exponent.
#[derive(Clone, Copy)]
struct Patch<T> {
    half: usize,
    area: T,
    to_exponent: T,
}

impl<T: Comparable> Patch<T> {
    fn new(parameters: &Ppb) -> Self {
        let side = 2 * parameters.patch + 1;
        let to_exponent = T::from_f64(-1.0 / parameters.h);
        Self { half: parameters.patch, area: T::from_f64((side * side) as f64), to_exponent }
    }
}

dispatch!(fn weigh = weigh_body[T: Comparable](tile: &Tile<T>, shift: Shift, patch: Patch<T>, work: &mut Work<T>));

/// Weights of the pairs of one shift.
#[inline(always)]
fn weigh_body<T: Comparable>(tile: &Tile<T>, shift: Shift, patch: Patch<T>, work: &mut Work<T>) {
    let (side, cols) = (2 * patch.half + 1, shift.cols);
    for row in 0..shift.rows + 2 * patch.half {
        sum_row(tile, shift, patch, row, work);
    }
    for row in 0..shift.rows {
        let weights = &mut work.weights[row * cols..(row + 1) * cols];
        sum_taps(&work.unlike_sums[row * cols..], cols, side, weights);
        if tile.clean {
            for w in weights.iter_mut() {
                *w = (*w * patch.to_exponent).exp2();
            }
        } else {
            let upper = tile.at(row, 0) - shift.down * tile.stride - shift.lead;
            let both = &mut work.both[..cols];
            sum_taps(&work.both_sums[row * cols..], cols, side, both);
            rescaled_weights(tile, upper, shift.lower(upper, tile), patch, both, weights);
        }
    }
}

/// Unlikeness of the pairs of a row, summed over the columns of a patch.
#[inline(always)]
fn sum_row<T: Comparable>(tile: &Tile<T>, shift: Shift, patch: Patch<T>, row: usize, work: &mut Work<T>) {
    let side = 2 * patch.half + 1;
    let upper = tile.at(row, 0) - (shift.down + patch.half) * tile.stride - shift.lead - patch.half;
    let lower = shift.lower(upper, tile);
    let n = (shift.cols + 2 * patch.half).next_multiple_of(LANES / 2);
    let sums = row * shift.cols..(row + 1) * shift.cols;
    let unlike = &mut work.unlike[..n];
    if tile.estimated {
        unlikeness_of_both(tile, upper, lower, unlike);
    } else {
        unlikeness(tile, upper, lower, unlike);
    }
    if !tile.clean {
        let both = &mut work.both[..n];
        keep_valid(tile, upper, lower, unlike, both);
        sum_taps(both, 1, side, &mut work.both_sums[sums.clone()]);
    }
    sum_taps(unlike, 1, side, &mut work.unlike_sums[sums]);
}

/// Logarithm (base 2) of half of `a_s/a_t + a_t/a_s`.
#[inline(always)]
fn unlikeness<T: Comparable>(tile: &Tile<T>, upper: usize, lower: usize, out: &mut [T]) {
    let n = out.len();
    let (a, b) = (&tile.amplitude[upper..][..n], &tile.amplitude[lower..][..n]);
    let (inverse_a, inverse_b) = (&tile.half_inverse[upper..][..n], &tile.half_inverse[lower..][..n]);
    for i in 0..n {
        out[i] = (a[i] * inverse_b[i] + inverse_a[i] * b[i]).log2();
    }
}

/// The same plus the scaled `(R_s - R_t)^2 / (R_s R_t)`, which is the square of `r_s/r_t - r_t/r_s` with `r` its root.
#[inline(always)]
fn unlikeness_of_both<T: Comparable>(tile: &Tile<T>, upper: usize, lower: usize, out: &mut [T]) {
    let n = out.len();
    let (a, b) = (&tile.amplitude[upper..][..n], &tile.amplitude[lower..][..n]);
    let (inverse_a, inverse_b) = (&tile.half_inverse[upper..][..n], &tile.half_inverse[lower..][..n]);
    let (r, s) = (&tile.root[upper..][..n], &tile.root[lower..][..n]);
    let (inverse_r, inverse_s) = (&tile.scaled_inverse[upper..][..n], &tile.scaled_inverse[lower..][..n]);
    for i in 0..n {
        let difference = r[i] * inverse_s[i] - inverse_r[i] * s[i];
        out[i] = (a[i] * inverse_b[i] + inverse_a[i] * b[i]).log2() + difference * difference;
    }
}

/// Drop the pairs that cannot be compared; `both` becomes 1 for the others.
#[inline(always)]
fn keep_valid<T: Comparable>(tile: &Tile<T>, upper: usize, lower: usize, unlike: &mut [T], both: &mut [T]) {
    let n = both.len();
    let (a, b) = (&tile.valid[upper..][..n], &tile.valid[lower..][..n]);
    let unlike = &mut unlike[..n];
    for i in 0..n {
        both[i] = a[i] * b[i];
        unlike[i] = unlike[i] * both[i];
    }
}

/// `out[i] = sum of from[i + j * step]` over `taps` values of `j`, added in that order.
#[inline(always)]
fn sum_taps<T: Comparable>(from: &[T], step: usize, taps: usize, out: &mut [T]) {
    match taps {
        3 => sum_some::<T, 3>(from, step, out),
        5 => sum_some::<T, 5>(from, step, out),
        7 => sum_some::<T, 7>(from, step, out),
        _ => {
            out.fill(T::default());
            for j in 0..taps {
                for (sum, &tap) in out.iter_mut().zip(&from[j * step..]) {
                    *sum = *sum + tap;
                }
            }
        }
    }
}

#[inline(always)]
fn sum_some<T: Comparable, const TAPS: usize>(from: &[T], step: usize, out: &mut [T]) {
    let n = out.len();
    let rows: [&[T]; TAPS] = std::array::from_fn(|j| &from[j * step..][..n]);
    for i in 0..n {
        let mut sum = rows[0][i];
        for row in &rows[1..] {
            sum = sum + row[i];
        }
        out[i] = sum;
    }
}

/// Weights from the sums of unlikeness where only `both` pairs of a patch could be compared.
#[inline(always)]
fn rescaled_weights<T: Comparable>(
    tile: &Tile<T>,
    upper: usize,
    lower: usize,
    patch: Patch<T>,
    both: &[T],
    weights: &mut [T],
) {
    let n = weights.len();
    let (a, b, both) = (&tile.valid[upper..][..n], &tile.valid[lower..][..n], &both[..n]);
    let one = T::from_f64(1.0);
    for i in 0..n {
        let scale = patch.area / both[i].larger(one);
        weights[i] = (weights[i] * scale * patch.to_exponent).exp2() * (a[i] * b[i]);
    }
}

dispatch!(fn add = add_body[T: Comparable](tile: &Tile<T>, shift: Shift, sums: &mut Sums<T>));

/// Add the weights of one shift to both pixels of each pair.
#[inline(always)]
fn add_body<T: Comparable>(tile: &Tile<T>, shift: Shift, sums: &mut Sums<T>) {
    let n = sums.width;
    let offset = shift.down as isize * tile.stride as isize + shift.right;
    for row in 0..tile.rows {
        let here = tile.at(row, 0);
        let floor = tile.floor(row);
        let as_upper = (row + shift.down) * shift.cols + shift.lead;
        let as_lower = (row * shift.cols + shift.lead).wrapping_add_signed(-shift.right);
        let ahead = &sums.work.weights[as_upper..][..n];
        let behind = &sums.work.weights[as_lower..][..n];
        let power_ahead = &tile.power[here.wrapping_add_signed(offset)..][..n];
        let power_behind = &tile.power[here.wrapping_add_signed(-offset)..][..n];
        let excess = &mut sums.row_excess[row * n..(row + 1) * n];
        let weight = &mut sums.row_weight[row * n..(row + 1) * n];
        let largest = &mut sums.largest[row * n..(row + 1) * n];
        for i in 0..n {
            let (v, w) = (ahead[i], behind[i]);
            excess[i] = excess[i] + v * (power_ahead[i] - floor[i]) + w * (power_behind[i] - floor[i]);
            weight[i] = weight[i] + v + w;
            largest[i] = largest[i].larger(v).larger(w);
        }
    }
}
