//! Speckle reducing anisotropic diffusion.
//!
//! Yu and Acton (2002, doi 10.1109/TIP.2002.804276): diffusion that slows down where the image varies more than speckle. With
//! `d_n`, `d_s`, `d_w`, `d_e` the differences of a pixel `I` to its four neighbours and `m` the mean of those, the squared
//! instantaneous coefficient of variation, the diffusion coefficient and the step are
//!
//! ```text
//! q^2  = [ (d_n^2 + d_s^2 + d_w^2 + d_e^2) / 2  -  (d_n + d_s + d_w + d_e)^2 / 16 ] / m^2
//! c    = 1 / (1 + (q^2 - q0^2) / (q0^2 (1 + q0^2))),   between 0 and 1
//! I'   = I + step/4 (c d_n + c_s d_s + c d_w + c_e d_e)
//! ```
//!
//! with `c_s` and `c_e` the coefficients of the neighbours below and to the right, and `m = I + (d_n + d_s + d_w + d_e) / 4`:
//! the paper's formula with its numerator and denominator multiplied by `I`, so that a sample may be zero. Speckle decays with
//! the time `t = step * iteration` as `q0 = exp(-t/6) / sqrt(enl)`. Nothing flows across the edge of the image or into or out of
//! an invalid sample (the difference is zero). `step <= 1` keeps every value between those of its neighbours.

use std::ops::Range;

use crate::bands::{Run, for_bands};
use crate::dispatch;
use crate::distributions::elementary::exp;
use crate::error::{Error, Result};
use crate::raster::{Raster, RasterMut, Real};
use crate::speckle::speckle_variation;
use crate::window::Frame;

/// Rows and columns that one iteration looks beyond a pixel: a neighbour, and the neighbours that its coefficient needs.
const REACH: usize = 2;
/// Most iterations.
const MAX_ITERATIONS: usize = 10_000;
/// Rows done at a time.
const BAND: usize = 64;

/// Diffuse intensity of `enl` looks; the halo is `2 * iterations`. Of the frame only the placement is used.
pub fn srad<T: Real>(
    src: Raster<'_, T>,
    mut dst: RasterMut<'_, T>,
    frame: &Frame,
    enl: f64,
    iterations: usize,
    step: f64,
    run: &Run<'_>,
) -> Result<()> {
    let speckle = speckle_variation(enl)?;
    if !(1..=MAX_ITERATIONS).contains(&iterations) {
        return Err(Error::parameter("iterations", iterations, format!("from 1 to {MAX_ITERATIONS}")));
    }
    if !(step > 0.0 && step <= 1.0) {
        return Err(Error::parameter("step", step, "a number above 0 and at most 1, where the diffusion is stable"));
    }
    let (height, width) = (dst.height(), dst.width());
    frame.placement.check((src.height(), src.width()), (height, width))?;
    if height == 0 || width == 0 {
        return Ok(());
    }
    let (top, left) = (frame.placement.top, frame.placement.left);
    let valid = |&x: &T| if x.is_valid() { x } else { T::NAN };
    let mut now: Vec<T> = src.pixels().iter().map(valid).collect();
    let mut next = now.clone();
    for iteration in 0..iterations {
        let halo = (iterations - 1 - iteration) * REACH;
        let rows = top.saturating_sub(halo)..(top + height + halo).min(src.height());
        let speckle = speckle * exp(-step * iteration as f64 / 3.0);
        let image = Raster::new("estimate", &now, src.height(), src.width())?;
        let out = &mut next[rows.start * src.width()..rows.end * src.width()];
        let out = RasterMut::new("estimate", out, rows.len(), src.width())?;
        diffuse(image, rows, Diffusion::new(speckle, step), out, run)?;
        std::mem::swap(&mut now, &mut next);
    }
    for row in 0..height {
        let first = (top + row) * src.width() + left;
        dst.row_mut(row).copy_from_slice(&now[first..first + width]);
    }
    Ok(())
}

/// Constants of one step.
#[derive(Clone, Copy)]
struct Diffusion<T> {
    /// `q0^2`, and the reciprocal of `q0^2 (1 + q0^2)`.
    speckle: T,
    sharpness: T,
    /// `step / 4`.
    flow: T,
}

impl<T: Real> Diffusion<T> {
    fn new(speckle: f64, step: f64) -> Self {
        let sharpness = 1.0 / (speckle * (1.0 + speckle));
        Self { speckle: T::from_f64(speckle), sharpness: T::from_f64(sharpness), flow: T::from_f64(0.25 * step) }
    }
}

/// One step on `rows` of `image`. Next to the edge of a cut-out it is wrong, which stays within the halo.
fn diffuse<T: Real>(
    image: Raster<'_, T>,
    rows: Range<usize>,
    diffusion: Diffusion<T>,
    out: RasterMut<'_, T>,
    run: &Run<'_>,
) -> Result<()> {
    let line = || vec![T::NAN; image.width()];
    let around = |row: usize| Around {
        up: image.row(row.saturating_sub(1)),
        here: image.row(row),
        down: image.row((row + 1).min(image.height() - 1)),
    };
    for_bands(
        run,
        rows.len(),
        BAND,
        out,
        || (line(), line()),
        |band, mut out, (here, below)| {
            let first = rows.start + band.start;
            find_coefficients(around(first), diffusion, below);
            for row in first..first + band.len() {
                std::mem::swap(here, below);
                find_coefficients(around((row + 1).min(image.height() - 1)), diffusion, below);
                flow(around(row), diffusion, here, below, out.row_mut(row - first));
            }
        },
    )
}

/// A row and the rows above and below it; at the edge of the image the row itself.
#[derive(Clone, Copy)]
struct Around<'a, T> {
    up: &'a [T],
    here: &'a [T],
    down: &'a [T],
}

/// From a pixel to a neighbour; nothing if one of them is invalid.
#[inline(always)]
fn difference<T: Real>(to: T, from: T) -> T {
    let d = to - from;
    if d.is_valid() { d } else { T::from_f64(0.0) }
}

dispatch!(fn find_coefficients = find_coefficients_body[T: Real](rows: Around<'_, T>, diffusion: Diffusion<T>, out: &mut [T]));

#[inline(always)]
fn find_coefficients_body<T: Real>(rows: Around<'_, T>, diffusion: Diffusion<T>, out: &mut [T]) {
    let n = out.len();
    let (up, here, down) = (&rows.up[..n], &rows.here[..n], &rows.down[..n]);
    out[0] = coefficient(diffusion, here[0], [up[0], down[0], here[0], here[1.min(n - 1)]]);
    for i in 1..n.max(2) - 1 {
        out[i] = coefficient(diffusion, here[i], [up[i], down[i], here[i - 1], here[i + 1]]);
    }
    out[n - 1] = coefficient(diffusion, here[n - 1], [up[n - 1], down[n - 1], here[n.max(2) - 2], here[n - 1]]);
}

/// Diffusion coefficient of a pixel with these neighbours; 1 for an invalid one, to and from which nothing flows.
#[inline(always)]
fn coefficient<T: Real>(diffusion: Diffusion<T>, x: T, neighbours: [T; 4]) -> T {
    let of = T::from_f64;
    let [n, s, w, e] = neighbours.map(|neighbour| difference(neighbour, x));
    let sum = (n + s) + (w + e);
    let square = ((n * n + s * s) + (w * w + e * e)) * of(0.5) - sum * sum * of(0.0625);
    let mean = x + sum * of(0.25);
    let mean2 = mean * mean;
    let slowed = of(1.0) / (of(1.0) + (square / mean2 - diffusion.speckle) * diffusion.sharpness);
    if square > diffusion.speckle * mean2 { slowed } else { of(1.0) }
}

dispatch!(fn flow = flow_body[T: Real](rows: Around<'_, T>, diffusion: Diffusion<T>, here: &[T], below: &[T], out: &mut [T]));

#[inline(always)]
fn flow_body<T: Real>(rows: Around<'_, T>, diffusion: Diffusion<T>, here: &[T], below: &[T], out: &mut [T]) {
    let n = out.len();
    let (up, row, down) = (&rows.up[..n], &rows.here[..n], &rows.down[..n]);
    let (here, below) = (&here[..n], &below[..n]);
    let step = |i: usize, left: usize, right: usize| {
        let x = row[i];
        let vertical = here[i] * difference(up[i], x) + below[i] * difference(down[i], x);
        let horizontal = here[i] * difference(row[left], x) + here[right] * difference(row[right], x);
        x + diffusion.flow * (vertical + horizontal)
    };
    out[0] = step(0, 0, 1.min(n - 1));
    let inner = 1..n.max(2) - 1;
    for (out, i) in out[inner.clone()].iter_mut().zip(inner) {
        *out = step(i, i - 1, i + 1);
    }
    out[n - 1] = step(n - 1, n.max(2) - 2, n - 1);
}
