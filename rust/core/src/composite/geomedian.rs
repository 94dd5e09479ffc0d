//! Geometric median of band vectors (Roberts et al. 2017, doi 10.1109/TGRS.2017.2723896): Weiszfeld's iteration, which would
//! stay at a date it meets; the step of Vardi and Zhang 2000 (doi 10.1073/pnas.97.4.1423) leaves it unless it is the median.

use super::keys::{NOT_A_NUMBER, Sortable};
use super::network::{LANES, Lanes, Selection};
use super::{Block, Stack};
use crate::bands::{Run, for_bands};
use crate::dispatch;
use crate::error::Result;
use crate::optical::{Decoder, Sample, Scaling};

const BLOCK: usize = 2 * LANES;
/// Dates side by side; sums over dates are always cut into so many, whatever the instruction set.
const SIDE: usize = 4;
const MOST_STEPS: usize = 100;
/// A step shorter than this ends the iteration, and a date within it is at the estimate; reflectance.
const TOLERANCE: f64 = 1e-6;

pub(super) fn composite<S: Sortable>(stack: &Stack<'_, S>, out: Block<'_>, run: &Run<'_>) -> Result<()> {
    let median = Selection::new(stack.dates, 50.0);
    for_bands(
        run,
        stack.pixels,
        BLOCK,
        out,
        || Workspace::new(stack.bands.len(), stack.dates),
        |pixels, mut out, work| {
            for (band, start) in stack.bands.iter().zip(0..) {
                for date in 0..stack.dates {
                    let into = &mut work.reflectance[start * stack.dates + date];
                    decode(stack.samples(band, date, &pixels), &band.decoder, into);
                }
            }
            work.drop_incomplete_dates();
            work.start_at_marginal_median(&median);
            for i in 0..pixels.len() {
                let dates = work.pixel(i);
                for (b, (value, count)) in out.iter_mut().enumerate() {
                    value.pixels_mut()[i] = work.estimate[b] as f32;
                    count.pixels_mut()[i] = dates;
                }
            }
        },
    )
}

dispatch!(fn decode = decode_body[S: Sample](from: &[S], decoder: &Decoder, into: &mut [f64; BLOCK]));

#[inline(always)]
fn decode_body<S: Sample>(from: &[S], decoder: &Decoder, into: &mut [f64; BLOCK]) {
    for (&from, into) in from.iter().zip(into) {
        *into = decoder.reflectance(from);
    }
}

/// A block of pixels, and then one pixel after the other.
struct Workspace {
    dates: usize,
    /// For samples that are reflectance already.
    plain: Decoder,
    /// Reflectance of the block, band after band, date after date; NaN in all bands of a date that lacks one.
    reflectance: Vec<[f64; BLOCK]>,
    complete: Vec<[bool; BLOCK]>,
    keys: Vec<Lanes<i32>>,
    /// Marginal median of each band and pixel.
    start: Vec<[f64; BLOCK]>,
    /// The complete dates of one pixel, side by side, band after band; zeros fill up the last ones.
    observed: Vec<[f64; SIDE]>,
    /// Inverse distances of the dates of one pixel from the estimate.
    weights: Vec<[f64; SIDE]>,
    estimate: Vec<f64>,
    step: Vec<f64>,
}

impl Workspace {
    fn new(bands: usize, dates: usize) -> Self {
        let rows = dates.div_ceil(SIDE);
        Self {
            dates,
            plain: Scaling::NONE.decoder::<f64>(),
            reflectance: vec![[0.0; BLOCK]; bands * dates],
            complete: vec![[true; BLOCK]; dates],
            keys: vec![[NOT_A_NUMBER; LANES]; dates],
            start: vec![[0.0; BLOCK]; bands],
            observed: vec![[0.0; SIDE]; bands * rows],
            weights: vec![[0.0; SIDE]; rows],
            estimate: vec![0.0; bands],
            step: vec![0.0; bands],
        }
    }

    fn bands(&self) -> usize {
        self.estimate.len()
    }

    fn drop_incomplete_dates(&mut self) {
        self.complete.fill([true; BLOCK]);
        for band in self.reflectance.chunks(self.dates.max(1)) {
            for (complete, x) in self.complete.iter_mut().zip(band) {
                complete.iter_mut().zip(x).for_each(|(complete, x)| *complete &= !x.is_nan());
            }
        }
        for band in self.reflectance.chunks_mut(self.dates.max(1)) {
            for (complete, x) in self.complete.iter().zip(band) {
                x.iter_mut().zip(complete).for_each(|(x, &complete)| *x = if complete { *x } else { f64::NAN });
            }
        }
    }

    fn start_at_marginal_median(&mut self, median: &Selection) {
        for group in (0..BLOCK).step_by(LANES) {
            let mut valid = [0; LANES];
            for complete in &self.complete {
                valid.iter_mut().zip(&complete[group..]).for_each(|(n, &complete)| *n += u16::from(complete));
            }
            for (start, band) in self.start.iter_mut().zip(self.reflectance.chunks(self.dates.max(1))) {
                for (keys, x) in self.keys.iter_mut().zip(band) {
                    keys.iter_mut().zip(&x[group..]).for_each(|(key, &x)| *key = x.key(&self.plain));
                }
                let found = median.run(&mut self.keys, Some(NOT_A_NUMBER), &valid, f64::number);
                start[group..group + LANES].copy_from_slice(&found);
            }
        }
    }

    /// Bring `estimate` to the geometric median of pixel `i` of the block; the number of its complete dates.
    fn pixel(&mut self, i: usize) -> u16 {
        let dates = self.gather(i);
        let rows = usize::from(dates).div_ceil(SIDE);
        let observed = &self.observed[..self.bands() * rows];
        match dates {
            0 => self.estimate.fill(f64::NAN),
            1 | 2 => self.estimate.iter_mut().zip(observed).for_each(|(g, x)| *g = (x[0] + x[1]) / f64::from(dates)),
            _ => weiszfeld(observed, &mut self.weights[..rows], usize::from(dates), &mut self.step, &mut self.estimate),
        }
        dates
    }

    /// Copy the complete dates of a pixel side by side, and its marginal median.
    fn gather(&mut self, i: usize) -> u16 {
        let dates = self.complete.iter().filter(|complete| complete[i]).count();
        let rows = dates.div_ceil(SIDE);
        for (band, g) in self.estimate.iter_mut().enumerate() {
            *g = self.start[band][i];
            let into = &mut self.observed[band * rows..][..rows];
            into.iter_mut().skip(dates / SIDE).for_each(|last| *last = [0.0; SIDE]);
            let all = self.reflectance[band * self.dates..][..self.dates].iter().zip(&self.complete);
            let found = all.filter(|(_, complete)| complete[i]).map(|(x, _)| x[i]);
            into.as_flattened_mut().iter_mut().zip(found).for_each(|(into, x)| *into = x);
        }
        dates as u16
    }
}

dispatch!(fn weiszfeld = weiszfeld_body(observed: &[[f64; SIDE]], weights: &mut [[f64; SIDE]], dates: usize, step: &mut [f64], estimate: &mut [f64]));

#[inline(always)]
fn weiszfeld_body(
    observed: &[[f64; SIDE]],
    weights: &mut [[f64; SIDE]],
    dates: usize,
    step: &mut [f64],
    estimate: &mut [f64],
) {
    for _ in 0..MOST_STEPS {
        let here = weigh(observed, weights, dates, estimate);
        if here == dates {
            break;
        }
        let total = sum(weights.iter().copied());
        let mut length = 0.0;
        for ((step, g), x) in step.iter_mut().zip(&*estimate).zip(observed.chunks_exact(weights.len())) {
            let products = x.iter().zip(&*weights).map(|(x, w)| std::array::from_fn(|i| x[i] * w[i]));
            *step = sum(products) / total - g;
            length += *step * *step;
        }
        let length = length.sqrt();
        // The dates at the estimate hold it against the pull of the others.
        let share = if here > 0 { (1.0 - here as f64 / (length * total)).max(0.0) } else { 1.0 };
        estimate.iter_mut().zip(&*step).for_each(|(g, step)| *g += share * step);
        if share * length < TOLERANCE {
            break;
        }
    }
}

/// Inverse distance of each date from the estimate; 0 for those at the estimate, whose number is returned, and after the last.
#[inline(always)]
fn weigh(observed: &[[f64; SIDE]], weights: &mut [[f64; SIDE]], dates: usize, estimate: &[f64]) -> usize {
    weights.fill([0.0; SIDE]);
    for (g, x) in estimate.iter().zip(observed.chunks_exact(weights.len())) {
        for (x, square) in x.iter().zip(&mut *weights) {
            for i in 0..SIDE {
                square[i] += (x[i] - g) * (x[i] - g);
            }
        }
    }
    for row in &mut *weights {
        for w in row {
            let distance = w.sqrt();
            *w = if distance > TOLERANCE { 1.0 / distance } else { 0.0 };
        }
    }
    let weights = weights.as_flattened_mut();
    weights[dates..].fill(0.0);
    weights[..dates].iter().filter(|&&w| w == 0.0).count()
}

#[inline(always)]
fn sum(rows: impl Iterator<Item = [f64; SIDE]>) -> f64 {
    let mut total = [0.0; SIDE];
    for row in rows {
        for i in 0..SIDE {
            total[i] += row[i];
        }
    }
    (total[0] + total[1]) + (total[2] + total[3])
}
