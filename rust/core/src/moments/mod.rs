//! Moments over time, one set a pixel: count, mean, sum of squared deviations, sum of power, cross product.
//!
//! Dates are folded one after the other by Welford's recurrence in `f64`, so folding dates 0..4 at once gives the same bytes
//! as folding 0..2 and then 2..4 on the same state. The work goes in blocks of [`BLOCK`] pixels whose state stays in cache;
//! a pixel never sees its neighbours, so neither blocks nor threads enter the result.

mod transform;

pub use transform::{Sample, Transform};

use std::ops::Range;

use crate::bands::{Run, for_bands};
use crate::dispatch;
use crate::error::{Error, Result};
use crate::raster::{Raster, RasterMut};

/// Pixels whose state is kept in cache at a time. Not a power of two: the fields of a block would share cache sets.
pub const BLOCK: usize = 480;

/// One number a pixel of a block.
pub(crate) type Field = [f64; BLOCK];

/// Which numbers the state of a pixel holds, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Number of bands, 1 or 2.
    pub bands: usize,
    /// `true`: only dates valid in all bands count, and the state is `n`, then `mean, m2, power_sum` per band, then
    /// `cross` if there are two. `false`: every band has its own `n, mean, m2, power_sum`.
    pub joint: bool,
}

impl Layout {
    /// Numbers a pixel.
    pub fn fields(self) -> usize {
        4 * self.bands
    }

    /// Refuse anything but one or two bands.
    pub fn check(self) -> Result<()> {
        match self.bands {
            1 | 2 => Ok(()),
            n => Err(Error::parameter("bands", n, "1 or 2")),
        }
    }
}

/// Fold `dates` (indices, in this order) of `bands` into `state`.
///
/// `bands` are one or two arrays of `dates * pixels` samples in C order. `state` is `layout.fields() * pixels` numbers, field
/// after field, all zero before the first date. Samples that are not finite, or not above 0 under [`Transform::FourthRoot`]
/// and [`Transform::Log`], are skipped.
pub fn fold<T: Sample>(
    bands: &[&[T]],
    dates: &[usize],
    pixels: usize,
    transform: Transform,
    layout: Layout,
    state: &mut [f64],
    run: &Run<'_>,
) -> Result<()> {
    let stack = Stack::new(bands, pixels, transform, layout)?;
    stack.check_dates(dates)?;
    let state = fields_mut("state", state, layout.fields(), pixels)?;
    let scratch = || vec![[0.0; BLOCK]; layout.fields()];
    for_bands(run, pixels, BLOCK, state, scratch, |range, mut state, block| {
        for (field, from) in block.iter_mut().zip(&mut state) {
            field[..range.len()].copy_from_slice(from.pixels_mut());
        }
        stack.fold_block(dates, range, block);
        for (field, into) in block.iter().zip(&mut state) {
            let into = into.pixels_mut();
            into.copy_from_slice(&field[..into.len()]);
        }
    })
}

/// Field-major numbers as one column image a field, ready to be cut by pixels.
pub(crate) fn fields_mut<'a, T>(
    name: &'static str,
    data: &'a mut [T],
    fields: usize,
    pixels: usize,
) -> Result<Vec<RasterMut<'a, T>>> {
    check_fields(name, data.len(), fields, pixels)?;
    let mut rest = data;
    (0..fields)
        .map(|_| {
            let (field, later) = std::mem::take(&mut rest).split_at_mut(pixels);
            rest = later;
            RasterMut::new(name, field, pixels, 1)
        })
        .collect()
}

/// Read-only twin of [`fields_mut`].
pub(crate) fn fields<'a, T>(
    name: &'static str,
    data: &'a [T],
    fields: usize,
    pixels: usize,
) -> Result<Vec<Raster<'a, T>>> {
    check_fields(name, data.len(), fields, pixels)?;
    (0..fields).map(|i| Raster::new(name, &data[i * pixels..(i + 1) * pixels], pixels, 1)).collect()
}

fn check_fields(name: &'static str, len: usize, fields: usize, pixels: usize) -> Result<()> {
    if fields.checked_mul(pixels) == Some(len) {
        Ok(())
    } else {
        Err(Error::shape(name, format!("{len} numbers"), format!("{fields} fields x {pixels} pixels")))
    }
}

/// A checked stack of dates and how to fold it.
pub(crate) struct Stack<'a, T> {
    bands: &'a [&'a [T]],
    pixels: usize,
    transform: Transform,
    layout: Layout,
}

impl<'a, T: Sample> Stack<'a, T> {
    /// Check bands and layout against each other.
    pub(crate) fn new(bands: &'a [&'a [T]], pixels: usize, transform: Transform, layout: Layout) -> Result<Self> {
        layout.check()?;
        if bands.len() != layout.bands {
            return Err(Error::shape("bands", format!("{} arrays", bands.len()), format!("{} arrays", layout.bands)));
        }
        for band in bands {
            let whole = if pixels == 0 { band.is_empty() } else { band.len() % pixels == 0 };
            if !whole || band.len() != bands[0].len() {
                return Err(Error::shape(
                    "bands",
                    format!("{} samples", band.len()),
                    format!("the same number of dates x {pixels} pixels in each band"),
                ));
            }
        }
        Ok(Self { bands, pixels, transform, layout })
    }

    /// Refuse dates outside the stack. Without pixels there is nothing to read, and any date will do.
    pub(crate) fn check_dates(&self, dates: &[usize]) -> Result<()> {
        let count = self.bands[0].len().checked_div(self.pixels).unwrap_or(usize::MAX);
        match dates.iter().find(|&&date| date >= count) {
            Some(date) => Err(Error::parameter("dates", date, format!("indices below {count}"))),
            None => Ok(()),
        }
    }

    /// Fold `dates` of the pixels `range` (at most [`BLOCK`]) into the first `range.len()` entries of each field.
    pub(crate) fn fold_block(&self, dates: &[usize], range: Range<usize>, state: &mut [Field]) {
        let date_of = |band: &'a [T], date: usize| &band[date * self.pixels..][range.clone()];
        if let (true, [a, b]) = (self.layout.joint, self.bands) {
            self.fold_two(dates, |date| (date_of(a, date), date_of(b, date)), range.len(), state);
            return;
        }
        for (band, state) in self.bands.iter().zip(state.chunks_exact_mut(4)) {
            self.fold_one(dates, |date| date_of(band, date), range.len(), state);
        }
    }

    fn fold_one(&self, dates: &[usize], of: impl Fn(usize) -> &'a [T], count: usize, state: &mut [Field]) {
        let mut y = [0.0; BLOCK];
        let mut shared = Count::of(&state[0][..count]);
        for &date in dates {
            let x = of(date);
            let full = transform::apply(self.transform, x, &mut y);
            match shared.next(full) {
                Some(n) => step_one_full(x, &y, n, state),
                None => step_one(x, &y, state),
            }
        }
    }

    fn fold_two(&self, dates: &[usize], of: impl Fn(usize) -> (&'a [T], &'a [T]), count: usize, state: &mut [Field]) {
        let (mut y_a, mut y_b) = ([0.0; BLOCK], [0.0; BLOCK]);
        let mut shared = Count::of(&state[0][..count]);
        for &date in dates {
            let (a, b) = of(date);
            let full = transform::apply(self.transform, a, &mut y_a) & transform::apply(self.transform, b, &mut y_b);
            match shared.next(full) {
                Some(n) => step_two_full(a, b, &y_a, &y_b, n, state),
                None => step_two(a, b, &y_a, &y_b, state),
            }
        }
    }
}

/// The count of valid dates while it is the same for a whole block, which saves a division a pixel and date.
struct Count(Option<f64>);

impl Count {
    fn of(n: &[f64]) -> Self {
        Self(n.first().copied().filter(|first| n.iter().all(|x| x == first)))
    }

    /// The count after one more date, if that date is wholly valid and all pixels still share it.
    fn next(&mut self, full: bool) -> Option<f64> {
        self.0 = self.0.filter(|_| full).map(|n| n + 1.0);
        self.0
    }
}

// The steps: one date of a block, `x` the samples, `y` their transforms (NaN where invalid). The `_full` twins do the same
// operations where every sample is valid and every pixel has seen equally many dates.

#[inline(always)]
fn step_one_full_body<T: Sample>(x: &[T], y: &Field, count: f64, state: &mut [Field]) {
    let [n, mean, m2, power] = state else { return };
    let inverse = 1.0 / count;
    for (i, &x) in x.iter().enumerate().take(BLOCK) {
        let delta = y[i] - mean[i];
        let centre = mean[i] + delta * inverse;
        n[i] = count;
        mean[i] = centre;
        m2[i] += delta * (y[i] - centre);
        power[i] += x.to_f64();
    }
}
dispatch!(fn step_one_full = step_one_full_body[T: Sample](x: &[T], y: &Field, count: f64, state: &mut [Field]));

#[inline(always)]
fn step_one_body<T: Sample>(x: &[T], y: &Field, state: &mut [Field]) {
    let [n, mean, m2, power] = state else { return };
    for (i, &x) in x.iter().enumerate().take(BLOCK) {
        let valid = !y[i].is_nan();
        let count = n[i] + 1.0;
        let delta = y[i] - mean[i];
        let centre = mean[i] + delta * (1.0 / count);
        n[i] = if valid { count } else { n[i] };
        mean[i] = if valid { centre } else { mean[i] };
        m2[i] = if valid { m2[i] + delta * (y[i] - centre) } else { m2[i] };
        power[i] = if valid { power[i] + x.to_f64() } else { power[i] };
    }
}
dispatch!(fn step_one = step_one_body[T: Sample](x: &[T], y: &Field, state: &mut [Field]));

#[inline(always)]
fn step_two_full_body<T: Sample>(a: &[T], b: &[T], y_a: &Field, y_b: &Field, count: f64, state: &mut [Field]) {
    let [n, mean_a, m2_a, power_a, mean_b, m2_b, power_b, cross] = state else {
        return;
    };
    let inverse = 1.0 / count;
    for (i, (&a, &b)) in a.iter().zip(b).enumerate().take(BLOCK) {
        let (delta_a, delta_b) = (y_a[i] - mean_a[i], y_b[i] - mean_b[i]);
        let (centre_a, centre_b) = (mean_a[i] + delta_a * inverse, mean_b[i] + delta_b * inverse);
        let rest_b = y_b[i] - centre_b;
        n[i] = count;
        mean_a[i] = centre_a;
        mean_b[i] = centre_b;
        m2_a[i] += delta_a * (y_a[i] - centre_a);
        m2_b[i] += delta_b * rest_b;
        cross[i] += delta_a * rest_b;
        power_a[i] += a.to_f64();
        power_b[i] += b.to_f64();
    }
}
dispatch!(fn step_two_full = step_two_full_body[T: Sample](a: &[T], b: &[T], y_a: &Field, y_b: &Field, count: f64, state: &mut [Field]));

#[inline(always)]
fn step_two_body<T: Sample>(a: &[T], b: &[T], y_a: &Field, y_b: &Field, state: &mut [Field]) {
    let [n, mean_a, m2_a, power_a, mean_b, m2_b, power_b, cross] = state else {
        return;
    };
    for (i, (&a, &b)) in a.iter().zip(b).enumerate().take(BLOCK) {
        let valid = !(y_a[i].is_nan() | y_b[i].is_nan());
        let count = n[i] + 1.0;
        let inverse = 1.0 / count;
        let (delta_a, delta_b) = (y_a[i] - mean_a[i], y_b[i] - mean_b[i]);
        let (centre_a, centre_b) = (mean_a[i] + delta_a * inverse, mean_b[i] + delta_b * inverse);
        let rest_b = y_b[i] - centre_b;
        n[i] = if valid { count } else { n[i] };
        mean_a[i] = if valid { centre_a } else { mean_a[i] };
        mean_b[i] = if valid { centre_b } else { mean_b[i] };
        m2_a[i] = if valid { m2_a[i] + delta_a * (y_a[i] - centre_a) } else { m2_a[i] };
        m2_b[i] = if valid { m2_b[i] + delta_b * rest_b } else { m2_b[i] };
        cross[i] = if valid { cross[i] + delta_a * rest_b } else { cross[i] };
        power_a[i] = if valid { power_a[i] + a.to_f64() } else { power_a[i] };
        power_b[i] = if valid { power_b[i] + b.to_f64() } else { power_b[i] };
    }
}
dispatch!(fn step_two = step_two_body[T: Sample](a: &[T], b: &[T], y_a: &Field, y_b: &Field, state: &mut [Field]));
