//! The linear estimate of least mean squared error, which closes the window filters of Lee.

use crate::raster::Real;
use crate::simd::Lanes;
use crate::window::Tile;

/// Pixels whose sums are taken together in double precision.
const TOGETHER: usize = 8;

/// Sums over the samples of the windows of a row: of differences to a pivot, of their squares, and how many there are.
///
/// A pivot near the samples keeps the variance precise, and equal samples come out bit for bit. The sums are made of parts:
/// some tens of samples in the precision of the image, added up in double precision.
pub struct Sums<T> {
    /// Sums of `sample - pivot`.
    offset: Vec<f64>,
    /// Sums of their squares.
    square: Vec<f64>,
    /// Numbers of samples.
    count: Vec<f64>,
    /// One part of these three.
    part: (Vec<T>, Vec<T>, Vec<T>),
}

impl<T: Real> Sums<T> {
    /// For rows of at most `width` pixels.
    pub fn new(width: usize) -> Self {
        let row = || vec![0.0; width];
        let part = || vec![T::from_f64(0.0); width];
        Self { offset: row(), square: row(), count: row(), part: (part(), part(), part()) }
    }

    /// Start anew.
    #[inline(always)]
    pub fn clear(&mut self) {
        for row in [&mut self.offset, &mut self.square, &mut self.count] {
            row.fill(0.0);
        }
    }

    /// Put down a part of the sums of a group of pixels.
    #[inline(always)]
    pub fn set_part<const N: usize>(
        &mut self,
        first: usize,
        offset: Lanes<T, N>,
        square: Lanes<T, N>,
        count: Lanes<T, N>,
    ) {
        offset.store(&mut self.part.0[first..]);
        square.store(&mut self.part.1[first..]);
        count.store(&mut self.part.2[first..]);
    }

    /// Add the parts that were put down to the sums.
    #[inline(always)]
    pub fn add_parts(&mut self) {
        let (offset, square, count) = &self.part;
        for (sum, part) in [(&mut self.offset, offset), (&mut self.square, square), (&mut self.count, count)] {
            for (sum, part) in sum.iter_mut().zip(part) {
                *sum += part.to_f64();
            }
        }
    }

    /// Sums of all valid samples of the windows of a row of pixels; the pivots are the centres.
    #[inline(always)]
    pub fn set_windows(&mut self, tile: &Tile<'_, T>, row: usize, pixels: usize) {
        let (half, radius) = (tile.window.half(), tile.radius);
        let top = row + radius.0 - half.0;
        for first in (0..pixels).step_by(TOGETHER) {
            let left = first + radius.1 - half.1;
            let centre = load(&tile.samples(row + radius.0)[first + radius.1..]);
            let zero = Lanes::<f64, TOGETHER>::splat(0.0);
            let (mut offsets, mut squares, mut count) = (zero, zero, zero);
            for y in top..top + tile.window.y {
                let (samples, valid) = (&tile.samples(y)[left..], &tile.valid(y)[left..]);
                for x in 0..tile.window.x {
                    let valid = load(&valid[x..]);
                    let offset = (load(&samples[x..]) - centre) * valid;
                    offsets = offsets + offset;
                    squares = squares + offset * offset;
                    count = count + valid;
                }
            }
            offsets.store(&mut self.offset[first..]);
            squares.store(&mut self.square[first..]);
            count.store(&mut self.count[first..]);
        }
    }

    /// Numbers of samples.
    #[inline(always)]
    pub fn count(&self) -> &[f64] {
        &self.count
    }

    /// The linear estimate of each pixel; the centre where there are no samples.
    #[inline(always)]
    pub fn estimate(&self, pivot: &[T], centre: &[T], noise: &[T], out: &mut [T]) {
        let sums = self.offset.iter().zip(&self.square).zip(&self.count);
        let pixels = pivot.iter().zip(centre).zip(noise);
        for ((((&offset, &square), &count), ((pivot, centre), noise)), out) in sums.zip(pixels).zip(out) {
            let (pivot, centre, noise) = (pivot.to_f64(), centre.to_f64(), noise.to_f64());
            let mean = pivot + offset / count;
            let total = square - offset * (offset / count);
            let filtered = linear(centre, Moments { mean, total, count }, noise);
            *out = T::from_f64(if count > 0.0 { filtered } else { centre });
        }
    }
}

/// Moments of some samples.
#[derive(Clone, Copy)]
pub struct Moments {
    pub mean: f64,
    /// Sum of the squared differences from the mean.
    pub total: f64,
    pub count: f64,
}

/// `mean + b (centre - mean)` with `b = max(variance - noise mean^2, 0) / ((1 + noise) variance)`, where `noise` is the
/// squared coefficient of variation of the speckle; the mean where it is not positive.
///
/// Counted from the centre, so that nothing cancels beside a bright target.
#[inline(always)]
pub fn linear(centre: f64, Moments { mean, total, count }: Moments, noise: f64) -> f64 {
    // As `total`, this is `count - 1` times a variance.
    let of_mean = (count - 1.0) * (mean * mean);
    let pull = noise / (1.0 + noise) * (1.0 + of_mean / total);
    let textured = (total > noise * of_mean) & (count > 1.0) & (mean > 0.0);
    if textured { centre + pull * (mean - centre) } else { mean }
}

/// A group of pixels in double precision.
#[inline(always)]
fn load<T: Real>(from: &[T]) -> Lanes<f64, TOGETHER> {
    let mut lanes = Lanes::splat(0.0);
    for (to, from) in lanes.0.iter_mut().zip(&from[..TOGETHER]) {
        *to = from.to_f64();
    }
    lanes
}
