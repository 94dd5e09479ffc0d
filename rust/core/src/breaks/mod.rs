//! Breaks in the seasonal course of a pixel: harmonic regression over time, monitored date by date ("CCDC-lite").
//!
//! After Zhu & Woodcock (2014), doi 10.1016/j.rse.2014.01.011, reduced to what one or two indices need. A pixel is worked
//! on alone, its dates in order, in `f64` and without library calls, so neither threads nor cuts nor machines enter a byte.

mod harmonic;
mod monitor;

pub use harmonic::{Calendar, MOST_HARMONICS, MOST_UNKNOWNS, Model};
pub use monitor::{Break, Course, Found, monitor};

use crate::bands::{Run, for_bands};
use crate::error::{Error, Result};
use crate::moments::fields_mut;
use crate::raster::{RasterMut, Real};

/// Pixels done between two looks at the interrupt.
const BLOCK: usize = 256;

/// The rules of the search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Harmonics of the year, 1 to [`MOST_HARMONICS`].
    pub harmonics: usize,
    /// Valid observations in a row that must lie outside for a break.
    pub consecutive: usize,
    /// An observation lies outside if its residual is larger than this many times the rmse.
    pub rmse_factor: f64,
    /// Fewest observations of a first model (at least one and a half times its unknowns are taken in any case).
    pub min_obs: usize,
    /// Shortest time, in days, that a first model spans.
    pub min_span: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { harmonics: 2, consecutive: 3, rmse_factor: 3.0, min_obs: 12, min_span: 365.0 }
    }
}

impl Options {
    fn check(&self) -> Result<()> {
        if !(1..=MOST_HARMONICS).contains(&self.harmonics) {
            return Err(Error::parameter("harmonics", self.harmonics, format!("1 to {MOST_HARMONICS}")));
        }
        if self.consecutive == 0 {
            return Err(Error::parameter("consecutive", 0, "at least 1"));
        }
        if !(self.rmse_factor.is_finite() && self.rmse_factor > 0.0) {
            return Err(Error::parameter("rmse_factor", self.rmse_factor, "a finite number above 0"));
        }
        if !(self.min_span.is_finite() && self.min_span >= 0.0) {
            return Err(Error::parameter("min_span", self.min_span, "a finite number of days, 0 or more"));
        }
        Ok(())
    }

    /// Observations of a first model.
    fn first(&self, unknowns: usize) -> usize {
        self.min_obs.max((3 * unknowns).div_ceil(2))
    }
}

/// Output of the search, allocated by the caller; one number a pixel unless said.
#[derive(Debug)]
pub struct BreakOut<'a> {
    /// Index of the first date of the largest break; -1 without one.
    pub date: &'a mut [i32],
    /// Number of breaks.
    pub count: &'a mut [u8],
    /// Mean `|residual| / rmse` of the observations that made the largest break; 0 without a break, NaN without a model.
    pub statistic: &'a mut [f32],
    /// Their mean residual; NaN without a break; `bands * pixels`, band after band.
    pub magnitude: &'a mut [f32],
    /// -1 or 1: the sign of the magnitude of the band with the larger one, in units of its rmse; 0 without a break.
    pub direction: &'a mut [i8],
    /// Observations that are valid in all bands.
    pub n_obs: &'a mut [u16],
}

/// Search each pixel for breaks: `bands` are one or two arrays of `days.len() * pixels` samples in C order, `days` the
/// ascending times of the dates in days. A date counts where all bands are finite.
pub fn find<T: Real>(
    options: &Options,
    bands: &[&[T]],
    days: &[f64],
    pixels: usize,
    out: BreakOut<'_>,
    run: &Run<'_>,
) -> Result<()> {
    options.check()?;
    let calendar = Calendar::new(days, options.harmonics)?;
    for band in bands {
        if days.len().checked_mul(pixels) != Some(band.len()) {
            let want = format!("{} dates x {pixels} pixels", days.len());
            return Err(Error::shape("bands", format!("{} samples", band.len()), want));
        }
    }
    match *bands {
        [band] => find_in(options, [band], &calendar, pixels, out, run),
        [a, b] => find_in(options, [a, b], &calendar, pixels, out, run),
        _ => Err(Error::parameter("bands", bands.len(), "1 or 2")),
    }
}

fn find_in<T: Real, const B: usize>(
    options: &Options,
    bands: [&[T]; B],
    calendar: &Calendar,
    pixels: usize,
    out: BreakOut<'_>,
    run: &Run<'_>,
) -> Result<()> {
    let maps = maps(out, B, pixels)?;
    for_bands(run, pixels, BLOCK, maps, Course::default, |range, mut maps, course| {
        for (i, pixel) in range.enumerate() {
            course.clear();
            for date in 0..calendar.len() {
                let values = bands.map(|band| band[date * pixels + pixel]);
                if values.iter().all(|x| x.is_valid()) {
                    course.push(date, values.map(Real::to_f64));
                }
            }
            write(&mut maps, i, course, options, calendar);
        }
    })
}

/// [`BreakOut`] with checked lengths, ready to be cut by pixels.
type Maps<'a> = (
    ((RasterMut<'a, i32>, RasterMut<'a, u8>), (RasterMut<'a, f32>, RasterMut<'a, i8>)),
    (RasterMut<'a, u16>, Vec<RasterMut<'a, f32>>),
);

fn maps(out: BreakOut<'_>, bands: usize, pixels: usize) -> Result<Maps<'_>> {
    let (date, count) = (RasterMut::new("date", out.date, pixels, 1)?, RasterMut::new("count", out.count, pixels, 1)?);
    let statistic = RasterMut::new("statistic", out.statistic, pixels, 1)?;
    let direction = RasterMut::new("direction", out.direction, pixels, 1)?;
    let n_obs = RasterMut::new("n_obs", out.n_obs, pixels, 1)?;
    let magnitude = fields_mut("magnitude", out.magnitude, bands, pixels)?;
    Ok((((date, count), (statistic, direction)), (n_obs, magnitude)))
}

/// Search one pixel and write what was found. Counts saturate.
fn write<const B: usize>(
    maps: &mut Maps<'_>,
    i: usize,
    course: &mut Course<B>,
    options: &Options,
    calendar: &Calendar,
) {
    let (((date, count), (statistic, direction)), (n_obs, magnitude)) = maps;
    let found = monitor(options, calendar, course);
    n_obs.pixels_mut()[i] = u16::try_from(course.len()).unwrap_or(u16::MAX);
    count.pixels_mut()[i] = u8::try_from(found.breaks).unwrap_or(u8::MAX);
    let modelled = if found.modelled { 0.0 } else { f32::NAN };
    statistic.pixels_mut()[i] = found.largest.map_or(modelled, |b| b.statistic as f32);
    date.pixels_mut()[i] = found.largest.and_then(|b| i32::try_from(b.date).ok()).unwrap_or(-1);
    direction.pixels_mut()[i] = found.largest.map_or(0, |b| b.direction);
    for (band, map) in magnitude.iter_mut().enumerate() {
        map.pixels_mut()[i] = found.largest.map_or(f32::NAN, |b| b.magnitude[band] as f32);
    }
}
