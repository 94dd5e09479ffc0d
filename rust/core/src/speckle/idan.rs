//! The filter of Vasile et al. (2006): every pixel grows a neighbourhood of its own.

use crate::bands::Run;
use crate::error::{Error, Result};
use crate::raster::{Raster, RasterMut, Real, Window};
use crate::speckle::mmse::{Moments, linear};
use crate::speckle::speckle_variation;
use crate::window::{Border, Frame, Stencil, Tile, stencil};

/// Largest number of pixels a region may be asked to have.
const LARGEST: usize = 1000;

/// A pixel that is no sample: seen by every region.
const NEVER: u32 = u32::MAX;

/// Filter of intensity with `enl` looks over adaptive neighbourhoods (2006, doi 10.1109/TGRS.2005.864142).
///
/// 1. The seed is the median of the valid samples among the pixel and its eight neighbours.
/// 2. The region starts at the pixel and grows until it has `size` samples or no neighbour is left. The neighbours of its
///    pixels are looked at once each: pixels in the order in which they came in, the eight neighbours of a pixel in rows,
///    then columns. A sample within `2/3 sqrt(1 / enl)` of the seed, as a share of the seed, comes in; the others are put
///    aside. The pixel itself is held to the same rule, and grows the region in either case.
/// 3. The seed becomes the mean of the region, and samples put aside that lie within `2 sqrt(1 / enl)` of it come in.
/// 4. The result is the linear estimate of least squared error (as of Kuan) from mean and variance of the region; without
///    any region the sample itself.
///
/// The region reaches `size` pixels at most: that is the halo. It never leaves the image; `window`, `border` and
/// `min_valid` of the frame are not used.
pub fn idan<T: Real>(
    src: Raster<'_, T>,
    dst: RasterMut<'_, T>,
    frame: &Frame,
    enl: f64,
    size: usize,
    run: &Run<'_>,
) -> Result<()> {
    let speckle = speckle_variation(enl)?;
    if !(1..=LARGEST).contains(&size) {
        return Err(Error::parameter("size", size, format!("1 to {LARGEST} pixels, such as 50")));
    }
    let deviation = speckle.sqrt();
    let op = Idan { speckle, near: 2.0 / 3.0 * deviation, far: 2.0 * deviation, size };
    let whole = Frame { window: Window { y: 1, x: 1 }, border: Border::Shrink, min_valid: 1, ..*frame };
    stencil(src, dst, &whole, &op, run)
}

struct Idan {
    /// Squared coefficient of variation of the speckle.
    speckle: f64,
    /// Shares of the seed within which a sample comes in while the region grows, and after it has grown.
    near: f64,
    far: f64,
    size: usize,
}

#[derive(Clone, Copy)]
struct Pixel<T> {
    sample: T,
    /// The last region that looked at it.
    seen: u32,
}

/// The tile, and the region of one pixel.
struct Growth<T> {
    pixels: Vec<Pixel<T>>,
    width: usize,
    /// Number of the region.
    now: u32,
    /// Places of the region, in the order in which they came in. The first is the pixel, even if it is no member.
    queue: Vec<usize>,
    /// Places that were seen and did not come in.
    aside: Vec<usize>,
    /// Where the members begin in the queue.
    first: usize,
    ends: Ends,
}

/// Lengths of the two lists.
#[derive(Clone, Copy, Default)]
struct Ends {
    queue: usize,
    aside: usize,
}

impl<T: Real> Stencil<T> for Idan {
    type Scratch = Growth<T>;

    fn radius(&self, _window: Window) -> (usize, usize) {
        (self.size, self.size)
    }

    fn scratch(&self, _window: Window, width: usize) -> Growth<T> {
        // One more than are ever in use: see `look_at`.
        let (queue, aside) = (vec![0; self.size + 2], vec![0; 8 * self.size + 2]);
        Growth { pixels: Vec::new(), width, now: 0, queue, aside, first: 0, ends: Ends::default() }
    }

    #[inline(always)]
    fn begin(&self, tile: &Tile<'_, T>, growth: &mut Growth<T>) {
        growth.now = 0;
        growth.pixels.clear();
        for row in 0..tile.height {
            let pixels = tile.samples(row).iter().zip(tile.valid(row));
            let zero = T::from_f64(0.0);
            let pixel = |(&sample, &valid): (&T, &T)| Pixel { sample, seen: if valid > zero { 0 } else { NEVER } };
            growth.pixels.extend(pixels.map(pixel));
        }
    }

    /// Pixels beyond the last column of the image are computed like the others: their regions stay inside the tile.
    #[inline(always)]
    fn row(&self, tile: &Tile<'_, T>, row: usize, growth: &mut Growth<T>, out: &mut [T]) {
        let first = (row + tile.radius.0) * growth.width + tile.radius.1;
        for (place, out) in (first..).zip(out) {
            if growth.pixels[place].seen != NEVER {
                *out = T::from_f64(self.estimate(growth, place));
            }
        }
    }
}

impl Idan {
    #[inline(always)]
    fn estimate<T: Real>(&self, growth: &mut Growth<T>, centre: usize) -> f64 {
        let seed = growth.median(centre);
        growth.grow(centre, seed, self.near * seed, self.size);
        let mut region = Region { pivot: seed, count: 0.0, sum: 0.0, squares: 0.0 };
        growth.members().for_each(|x| region.add(x));
        let seed = region.mean();
        growth.others().filter(|x| (x - seed).abs() < self.far * seed).for_each(|x| region.add(x));
        let x = growth.sample(centre);
        if region.count > 0.0 { linear(x, region.moments(), self.speckle) } else { x }
    }
}

/// Mean and variance from differences to a pivot among the samples: those of a constant region are exact, and nothing
/// cancels.
struct Region {
    pivot: f64,
    count: f64,
    sum: f64,
    squares: f64,
}

impl Region {
    #[inline(always)]
    fn add(&mut self, x: f64) {
        let difference = x - self.pivot;
        self.count += 1.0;
        self.sum += difference;
        self.squares += difference * difference;
    }

    /// The pivot, if there are no samples.
    #[inline(always)]
    fn mean(&self) -> f64 {
        self.pivot + self.sum / self.count.max(1.0)
    }

    #[inline(always)]
    fn moments(&self) -> Moments {
        Moments { mean: self.mean(), total: self.squares - self.sum * (self.sum / self.count), count: self.count }
    }
}

impl<T: Real> Growth<T> {
    #[inline(always)]
    fn sample(&self, place: usize) -> f64 {
        self.pixels[place].sample.to_f64()
    }

    /// Median of the valid samples among a pixel and its neighbours.
    #[inline(always)]
    fn median(&self, centre: usize) -> f64 {
        let (mut sorted, mut n) = ([0.0; 9], 0);
        for row in [centre - self.width, centre, centre + self.width] {
            for pixel in self.pixels[row - 1..=row + 1].iter().filter(|pixel| pixel.seen != NEVER) {
                let x = pixel.sample.to_f64();
                let mut i = n;
                while i > 0 && sorted[i - 1] > x {
                    sorted[i] = sorted[i - 1];
                    i -= 1;
                }
                sorted[i] = x;
                n += 1;
            }
        }
        let (low, high) = (sorted[(n - 1) / 2], sorted[n / 2]);
        low + 0.5 * (high - low)
    }

    /// Grow the region of `centre` by neighbours less than `limit` from `seed` until it has `size` members.
    #[inline(always)]
    fn grow(&mut self, centre: usize, seed: f64, limit: f64, size: usize) {
        let width = self.width;
        // Rows before columns, as numbers that are added with wrapping.
        let (above, left) = (width.wrapping_neg(), 1_usize.wrapping_neg());
        let neighbours = [above.wrapping_sub(1), above, above.wrapping_add(1), left, 1, width - 1, width, width + 1];
        self.now += 1;
        self.pixels[centre].seen = self.now;
        let member = (self.sample(centre) - seed).abs() < limit;
        let (first, mut ends) = (usize::from(!member), Ends { queue: 1, aside: usize::from(!member) });
        (self.queue[0], self.aside[0]) = (centre, centre);
        let full = size + first;
        let mut next = 0;
        while next < ends.queue && ends.queue < full {
            let place = self.queue[next];
            next += 1;
            for &offset in &neighbours {
                ends = self.look_at(place.wrapping_add(offset), seed, limit, full, ends);
            }
        }
        (self.first, self.ends) = (first, ends);
    }

    /// Take a pixel in or put it aside, unless it was seen or the region is full. Which of them cannot be foreseen, so
    /// there is no branch: the place is written to the end of both lists and one of them grows.
    #[inline(always)]
    fn look_at(&mut self, place: usize, seed: f64, limit: f64, full: usize, ends: Ends) -> Ends {
        let pixel = &mut self.pixels[place];
        let looked = (pixel.seen < self.now) & (ends.queue < full);
        let near = (pixel.sample.to_f64() - seed).abs() < limit;
        pixel.seen = pixel.seen.max(self.now);
        self.queue[ends.queue] = place;
        self.aside[ends.aside] = place;
        Ends { queue: ends.queue + usize::from(looked & near), aside: ends.aside + usize::from(looked & !near) }
    }

    /// Samples of the region.
    #[inline(always)]
    fn members(&self) -> impl Iterator<Item = f64> {
        self.queue[self.first..self.ends.queue].iter().map(|&place| self.sample(place))
    }

    /// Samples that were put aside.
    #[inline(always)]
    fn others(&self) -> impl Iterator<Item = f64> {
        self.aside[..self.ends.aside].iter().map(|&place| self.sample(place))
    }
}
