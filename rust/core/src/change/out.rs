//! The maps of a change test.

use crate::bands::Split;
use crate::dispatch;
use crate::distributions::elementary::exp;
use crate::error::Result;
use crate::moments::{BLOCK, Field, fields_mut};
use crate::raster::RasterMut;

/// Output of a change test, allocated by the caller; one number a pixel unless said.
///
/// A pixel without a tested orbit is NaN in the floating point maps and 0 in `direction` and `n_orbits`; the counts of dates
/// are given all the same.
#[derive(Debug)]
pub struct ChangeOut<'a> {
    /// The test statistic.
    pub statistic: &'a mut [f32],
    /// p-value; may underflow to 0.
    pub p_value: &'a mut [f32],
    /// `-log10 p`, finite however small p is.
    pub neg_log10_p: &'a mut [f32],
    /// Mean power after against before in decibels, or mean index after minus before; `bands * pixels`, band after band.
    pub magnitude: &'a mut [f32],
    /// -1 lower, 1 higher, 0 mixed or untested.
    pub direction: &'a mut [i8],
    /// Valid dates before.
    pub n_pre: &'a mut [u16],
    /// Valid dates after.
    pub n_post: &'a mut [u16],
    /// Relative orbits that were tested.
    pub n_orbits: &'a mut [u8],
}

/// The maps of a block, before they are rounded to their types.
pub(super) struct Verdict {
    pub statistic: Field,
    pub ln_p: Field,
    pub magnitude: [Field; 2],
    pub direction: Field,
    pub n_pre: Field,
    pub n_post: Field,
    pub n_orbits: Field,
}

impl Default for Verdict {
    fn default() -> Self {
        let zero = [0.0; BLOCK];
        Self {
            statistic: zero,
            ln_p: zero,
            magnitude: [zero; 2],
            direction: zero,
            n_pre: zero,
            n_post: zero,
            n_orbits: zero,
        }
    }
}

/// [`ChangeOut`] with checked lengths, ready to be cut by pixels.
pub(super) struct Sink<'a> {
    statistic: RasterMut<'a, f32>,
    p_value: RasterMut<'a, f32>,
    neg_log10_p: RasterMut<'a, f32>,
    magnitude: Vec<RasterMut<'a, f32>>,
    direction: RasterMut<'a, i8>,
    n_pre: RasterMut<'a, u16>,
    n_post: RasterMut<'a, u16>,
    n_orbits: RasterMut<'a, u8>,
}

impl<'a> Sink<'a> {
    pub(super) fn new(out: ChangeOut<'a>, bands: usize, pixels: usize) -> Result<Self> {
        Ok(Self {
            statistic: RasterMut::new("statistic", out.statistic, pixels, 1)?,
            p_value: RasterMut::new("p_value", out.p_value, pixels, 1)?,
            neg_log10_p: RasterMut::new("neg_log10_p", out.neg_log10_p, pixels, 1)?,
            magnitude: fields_mut("magnitude", out.magnitude, bands, pixels)?,
            direction: RasterMut::new("direction", out.direction, pixels, 1)?,
            n_pre: RasterMut::new("n_pre", out.n_pre, pixels, 1)?,
            n_post: RasterMut::new("n_post", out.n_post, pixels, 1)?,
            n_orbits: RasterMut::new("n_orbits", out.n_orbits, pixels, 1)?,
        })
    }

    /// Round a verdict into the maps. Counts saturate.
    pub(super) fn write(mut self, verdict: &Verdict) {
        put(&mut self.statistic, &verdict.statistic, |x| x as f32);
        write_p(&verdict.ln_p, self.p_value.pixels_mut(), self.neg_log10_p.pixels_mut());
        for (map, field) in self.magnitude.iter_mut().zip(&verdict.magnitude) {
            put(map, field, |x| x as f32);
        }
        put(&mut self.direction, &verdict.direction, |x| x as i8);
        put(&mut self.n_pre, &verdict.n_pre, |x| x as u16);
        put(&mut self.n_post, &verdict.n_post, |x| x as u16);
        put(&mut self.n_orbits, &verdict.n_orbits, |x| x as u8);
    }
}

fn put<T>(map: &mut RasterMut<'_, T>, field: &Field, round: impl Fn(f64) -> T) {
    for (into, &x) in map.pixels_mut().iter_mut().zip(field) {
        *into = round(x);
    }
}

#[inline(always)]
fn write_p_body(ln_p: &Field, p_value: &mut [f32], neg_log10_p: &mut [f32]) {
    for ((p, digits), &ln_p) in p_value.iter_mut().zip(neg_log10_p).zip(ln_p) {
        *p = if ln_p.is_nan() { f32::NAN } else { exp(ln_p) as f32 };
        // Subtracted from 0 so that p = 1 gives 0, not -0.
        *digits = ((0.0 - ln_p) * std::f64::consts::LOG10_E) as f32;
    }
}
dispatch!(fn write_p = write_p_body(ln_p: &Field, p_value: &mut [f32], neg_log10_p: &mut [f32]));

impl Split for Sink<'_> {
    fn split_rows(self, rows: usize) -> (Self, Self) {
        let (statistic, p_value, neg_log10_p) =
            (self.statistic.split_rows(rows), self.p_value.split_rows(rows), self.neg_log10_p.split_rows(rows));
        let (magnitude, direction) = (self.magnitude.split_rows(rows), self.direction.split_rows(rows));
        let (n_pre, n_post, n_orbits) =
            (self.n_pre.split_rows(rows), self.n_post.split_rows(rows), self.n_orbits.split_rows(rows));
        (
            Self {
                statistic: statistic.0,
                p_value: p_value.0,
                neg_log10_p: neg_log10_p.0,
                magnitude: magnitude.0,
                direction: direction.0,
                n_pre: n_pre.0,
                n_post: n_post.0,
                n_orbits: n_orbits.0,
            },
            Self {
                statistic: statistic.1,
                p_value: p_value.1,
                neg_log10_p: neg_log10_p.1,
                magnitude: magnitude.1,
                direction: direction.1,
                n_pre: n_pre.1,
                n_post: n_post.1,
                n_orbits: n_orbits.1,
            },
        )
    }
}
