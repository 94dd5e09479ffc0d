//! Sentinel-1 detected products: digital numbers to calibrated power, thermal noise removed.
//!
//! The lookup tables never exist as images. The two vectors that enclose a row are expanded to the columns once an interval
//! (in `f64`, relative to absolute pixel numbers, so the bytes do not depend on the window that is read); a row then costs
//! one linear blend. The power minus noise is taken in `f64`, because over dark water both are much larger than the result.

use std::ops::Range;

use crate::bands::{Run, for_bands};
use crate::dispatch;
use crate::error::{Error, Result};
use crate::noise::{Noise, NoiseRow};
use crate::raster::{Raster, RasterMut};

/// Rows between two looks at the interrupt.
const BAND: usize = 128;

/// A table of vectors (azimuth lines) with nodes in range (pixels), as annotated in Sentinel-1 products.
#[derive(Debug, Clone, Copy)]
pub struct Lut<'a> {
    lines: &'a [f64],
    pixels: &'a [f64],
    values: &'a [f64],
    width: usize,
}

impl<'a> Lut<'a> {
    /// `lines`: V ascending line numbers; `pixels` and `values`: V rows of K nodes, short rows padded with NaN pixels at
    /// their end. One vector or one node is legal: the value is held.
    pub fn new(lines: &'a [f64], pixels: &'a [f64], values: &'a [f64]) -> Result<Self> {
        check_ascending("lines", lines)?;
        let width = pixels.len() / lines.len();
        if width * lines.len() != pixels.len() || width == 0 {
            let want = format!("a whole number >= 1 of nodes for each of {} vectors", lines.len());
            return Err(Error::shape("pixels", pixels.len(), want));
        }
        if values.len() != pixels.len() {
            return Err(Error::shape("values", values.len(), format!("{} as pixels", pixels.len())));
        }
        let lut = Self { lines, pixels, values, width };
        for vector in 0..lines.len() {
            let (pixels, values) = lut.nodes(vector);
            check_ascending("pixels", pixels)?;
            if let Some(bad) = values.iter().find(|v| !v.is_finite()) {
                return Err(Error::parameter("values", bad, format!("finite nodes (vector {vector})")));
            }
        }
        Ok(lut)
    }

    /// Number of vectors.
    pub(crate) fn vectors(&self) -> usize {
        self.lines.len()
    }

    /// Pixels and values of a vector, without the padding.
    fn nodes(&self, vector: usize) -> (&'a [f64], &'a [f64]) {
        let at = vector * self.width..(vector + 1) * self.width;
        let (pixels, values) = (&self.pixels[at.clone()], &self.values[at]);
        let n = pixels.iter().position(|p| p.is_nan()).unwrap_or(pixels.len());
        (&pixels[..n], &values[..n])
    }

    /// Where `line` lies among the vectors `among`.
    pub(crate) fn interval(&self, line: f64, among: Range<usize>) -> Interval {
        let (k, weight, until) = bracket(&self.lines[among.clone()], line);
        let low = among.start + k;
        Interval { low, high: (low + 1).min(among.end - 1), weight, until }
    }

    /// Values of a vector at the columns `first..first + out.len()`.
    pub(crate) fn expand(&self, vector: usize, first: usize, out: &mut [f64]) {
        let (pixels, values) = self.nodes(vector);
        let end = first + out.len();
        let mut from = first;
        while from < end {
            let (k, _, until) = bracket(pixels, from as f64);
            // The next node is the first column of the next piece.
            let to = (until.ceil() as usize).clamp(from + 1, end);
            let next = (k + 1).min(pixels.len() - 1);
            let (start, step) = (values[k], values[next] - values[k]);
            let span = (pixels[next] - pixels[k]).max(f64::MIN_POSITIVE);
            for (out, column) in out[from - first..to - first].iter_mut().zip(from..) {
                let weight = ((column as f64 - pixels[k]) / span).clamp(0.0, 1.0);
                *out = start + step * weight;
            }
            from = to;
        }
    }
}

/// Two vectors and the weight of the second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interval {
    pub(crate) low: usize,
    pub(crate) high: usize,
    pub(crate) weight: f64,
    /// First position with other vectors.
    pub(crate) until: f64,
}

/// Number of the interval of ascending `nodes` in which `x` lies, the weight of its upper end (held outside) and where the
/// next interval begins.
pub(crate) fn bracket(nodes: &[f64], x: f64) -> (usize, f64, f64) {
    let last = nodes.len() - 1;
    let k = nodes.partition_point(|&node| node <= x).saturating_sub(1).min(last.saturating_sub(1));
    if last == 0 {
        return (0, 0.0, f64::INFINITY);
    }
    let weight = ((x - nodes[k]) / (nodes[k + 1] - nodes[k])).clamp(0.0, 1.0);
    let until = if k + 1 == last { f64::INFINITY } else { nodes[k + 1] };
    (k, weight, until)
}

/// Refuse an empty, unordered or not finite axis.
pub(crate) fn check_ascending(name: &'static str, axis: &[f64]) -> Result<()> {
    let ordered = axis.windows(2).all(|w| w[0] < w[1]);
    if axis.is_empty() || !ordered || axis.iter().any(|x| !x.is_finite()) {
        return Err(Error::parameter(name, format!("{axis:?}"), "at least one finite number, strictly ascending"));
    }
    Ok(())
}

/// What becomes of power below the noise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Negative {
    /// Keep it: means over it stay unbiased.
    #[default]
    Keep,
    /// Zero.
    Zero,
    /// NaN.
    Nan,
    /// At least 1e-5 in units of DN squared, as SNAP does.
    Snap,
}

impl Negative {
    /// Power below the first number becomes the second.
    fn floor(self) -> (f64, f64) {
        match self {
            Self::Keep => (f64::NEG_INFINITY, 0.0),
            Self::Zero => (0.0, 0.0),
            Self::Nan => (0.0, f64::NAN),
            Self::Snap => (1e-5, 1e-5),
        }
    }
}

/// `(DN^2 - noise) / A^2` in f32, NaN where DN is 0.
///
/// `origin` is the absolute (line, pixel) of the first sample of `dn`; `lut` holds A and `noise` is in units of DN squared.
pub fn calibrate(
    dn: Raster<'_, u16>,
    origin: (usize, usize),
    lut: &Lut<'_>,
    noise: Option<&Noise<'_>>,
    negative: Negative,
    dst: RasterMut<'_, f32>,
    run: &Run<'_>,
) -> Result<()> {
    if (dn.height(), dn.width()) != (dst.height(), dst.width()) {
        let got = format!("({}, {})", dst.height(), dst.width());
        return Err(Error::shape("dst", got, format!("({}, {}) as dn", dn.height(), dn.width())));
    }
    let columns = origin.1..origin.1 + dn.width();
    let scratch = || (Gain::new(lut, columns.clone()), noise.map(|noise| NoiseRow::new(noise, columns.clone())));
    for_bands(run, dn.height(), BAND, dst, scratch, |rows, mut out, (gain, noise)| {
        for (i, row) in rows.enumerate() {
            let line = (origin.0 + row) as f64;
            let gain = gain.at(line);
            let (from, to) = (dn.row(row), out.row_mut(i));
            match noise {
                None => plain_row(from, &gain, negative.floor(), to),
                Some(noise) => noise.at(line).for_each(|piece| {
                    let at = piece.columns.clone();
                    let gain = gain.part(at.clone());
                    let eta = (piece.low, piece.step, piece.weight, piece.factor);
                    noisy_row(&from[at.clone()], &gain, eta, negative.floor(), &mut to[at]);
                }),
            }
        }
    })
}

/// The table of A expanded to columns, for the interval of the last line asked for.
struct Gain<'a> {
    lut: &'a Lut<'a>,
    columns: Range<usize>,
    vectors: Option<(usize, usize)>,
    low: Vec<f32>,
    step: Vec<f32>,
    wide: [Vec<f64>; 2],
}

/// A of one row: `low + weight * step`.
struct GainRow<'a> {
    low: &'a [f32],
    step: &'a [f32],
    weight: f32,
}

impl<'a> Gain<'a> {
    fn new(lut: &'a Lut<'a>, columns: Range<usize>) -> Self {
        let n = columns.len();
        let wide = [vec![0.0; n], vec![0.0; n]];
        Self { lut, columns, vectors: None, low: vec![0.0; n], step: vec![0.0; n], wide }
    }

    fn at(&mut self, line: f64) -> GainRow<'_> {
        let interval = self.lut.interval(line, 0..self.lut.vectors());
        if self.vectors != Some((interval.low, interval.high)) {
            self.vectors = Some((interval.low, interval.high));
            self.lut.expand(interval.low, self.columns.start, &mut self.wide[0]);
            self.lut.expand(interval.high, self.columns.start, &mut self.wide[1]);
            for (j, (&a, &b)) in self.wide[0].iter().zip(&self.wide[1]).enumerate() {
                self.low[j] = a as f32;
                self.step[j] = (b - a) as f32;
            }
        }
        GainRow { low: &self.low, step: &self.step, weight: interval.weight as f32 }
    }
}

impl GainRow<'_> {
    fn part(&self, columns: Range<usize>) -> GainRow<'_> {
        GainRow { low: &self.low[columns.clone()], step: &self.step[columns], weight: self.weight }
    }
}

dispatch!(fn plain_row = plain_row_body(dn: &[u16], gain: &GainRow<'_>, floor: (f64, f64), out: &mut [f32]));

#[inline(always)]
fn plain_row_body(dn: &[u16], gain: &GainRow<'_>, (floor, below): (f64, f64), out: &mut [f32]) {
    let (floor, below) = (floor as f32, below as f32);
    let n = out.len();
    let (dn, low, step) = (&dn[..n], &gain.low[..n], &gain.step[..n]);
    for j in 0..n {
        // The square is below 2^32: one rounding, as in f64.
        let power = f32::from(dn[j]) * f32::from(dn[j]);
        let power = if power < floor { below } else { power };
        out[j] = calibrated(dn[j], power, low[j] + gain.weight * step[j]);
    }
}

dispatch!(
    fn noisy_row = noisy_row_body(dn: &[u16], gain: &GainRow<'_>, eta: (&[f64], &[f64], f64, f64), floor: (f64, f64), out: &mut [f32])
);

#[inline(always)]
fn noisy_row_body(
    dn: &[u16],
    gain: &GainRow<'_>,
    (low, step, weight, factor): (&[f64], &[f64], f64, f64),
    (floor, below): (f64, f64),
    out: &mut [f32],
) {
    let n = out.len();
    let (dn, a_low, a_step) = (&dn[..n], &gain.low[..n], &gain.step[..n]);
    let (low, step) = (&low[..n], &step[..n]);
    for j in 0..n {
        let value = f64::from(dn[j]);
        let power = value * value - (low[j] + weight * step[j]) * factor;
        let power = if power < floor { below } else { power };
        out[j] = calibrated(dn[j], power as f32, a_low[j] + gain.weight * a_step[j]);
    }
}

#[inline(always)]
fn calibrated(dn: u16, power: f32, gain: f32) -> f32 {
    let sigma = power / (gain * gain);
    if dn == 0 { f32::NAN } else { sigma }
}
