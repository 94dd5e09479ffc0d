//! From samples to the scale on which moments are taken.

use crate::dispatch;
use crate::distributions::elementary;
use crate::raster::Real;

/// What the mean and the squared deviations are taken of. The power sum is always that of the samples themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transform {
    /// `x^(1/4)`, nearly normal for radar power; needs `x > 0`.
    FourthRoot,
    /// `ln x`; needs `x > 0`.
    Log,
    /// `x`; any finite number.
    Identity,
}

/// Write the transform of `x` to the front of `y`, NaN where `x` is invalid; `true` if all are valid.
pub(super) fn apply<T: Sample>(transform: Transform, x: &[T], y: &mut [f64]) -> bool {
    match transform {
        Transform::FourthRoot => T::fourth_roots(x, y),
        Transform::Log => logs(x, y),
        Transform::Identity => copies(x, y),
    }
}

/// A pixel type with a fourth root in double precision.
pub trait Sample: Real {
    /// Write `x^(1/4)` to the front of `y`, NaN where `x` is not positive and finite; `true` if all are.
    fn fourth_roots(x: &[Self], y: &mut [f64]) -> bool;
}

impl Sample for f32 {
    fn fourth_roots(x: &[f32], y: &mut [f64]) -> bool {
        ordinary_roots(x, y) || careful_roots(x, y)
    }
}

impl Sample for f64 {
    fn fourth_roots(x: &[f64], y: &mut [f64]) -> bool {
        double_roots(x, y)
    }
}

/// From here on the first guess of a root works; below lies what radar does not measure, and the subnormal numbers.
const ORDINARY: f32 = 1e-30;

/// Bits of the single precision number from which a quarter of the bits of `x` is taken to start at `x^(-1/4)`, within 3 %.
const INVERSE_ROOT_BITS: u32 = 0x4F58_6040;

/// Pixels whose guesses are held in registers and L1 between the single and the double precision loop.
const GUESSES: usize = 96;

/// `x^(-1/4)` of an ordinary number within 1.6e-5: Newton's method in single precision, no division, no square root.
#[inline(always)]
fn inverse_root(x: f32) -> f32 {
    let mut root = f32::from_bits(INVERSE_ROOT_BITS.wrapping_sub(x.to_bits() >> 2));
    let quarter = 0.25 * x;
    for _ in 0..2 {
        let square = root * root;
        root *= 1.25 - quarter * square * square;
    }
    root
}

/// `x^(1/4)` within 2e-13 from that guess: `x r^3 (1 - h)^(-3/4)` with `h = 1 - x r^4`, to second order in `h`.
#[inline(always)]
fn refined_root(x: f32, guess: f32) -> f64 {
    let (x, guess) = (f64::from(x), f64::from(guess));
    let near = x * guess * (guess * guess);
    let error = 1.0 - near * guess;
    near + near * (error * (0.75 + 0.656_25 * error))
}

/// Roots of ordinary numbers; `false`, and unspecified roots, if one is not.
#[inline(always)]
fn ordinary_roots_body(x: &[f32], y: &mut [f64]) -> bool {
    let mut ordinary = true;
    for (x, y) in x.chunks(GUESSES).zip(y.chunks_mut(GUESSES)) {
        let mut guesses = [0.0; GUESSES];
        for (guess, &x) in guesses.iter_mut().zip(x) {
            *guess = inverse_root(x);
            ordinary &= (ORDINARY..=f32::MAX).contains(&x);
        }
        for ((y, &x), &guess) in y.iter_mut().zip(x).zip(&guesses) {
            *y = refined_root(x, guess);
        }
    }
    ordinary
}
dispatch!(fn ordinary_roots = ordinary_roots_body(x: &[f32], y: &mut [f64]) -> bool);

/// Roots of anything: the same bits for ordinary numbers, tiny ones lifted by 2^64 into their range.
#[inline(always)]
fn careful_roots_body(x: &[f32], y: &mut [f64]) -> bool {
    let mut all = true;
    for (y, &x) in y.iter_mut().zip(x) {
        let valid = (x > 0.0) & (x <= f32::MAX);
        let tiny = x < ORDINARY;
        let lifted = if tiny { x * 18_446_744_073_709_551_616.0 } else { x };
        let root = refined_root(lifted, inverse_root(lifted));
        let root = if tiny { root * (1.0 / 65_536.0) } else { root };
        *y = if valid { root } else { f64::NAN };
        all &= valid;
    }
    all
}
dispatch!(fn careful_roots = careful_roots_body(x: &[f32], y: &mut [f64]) -> bool);

#[inline(always)]
fn double_roots_body(x: &[f64], y: &mut [f64]) -> bool {
    let mut all = true;
    for (y, &x) in y.iter_mut().zip(x) {
        let valid = (x > 0.0) & (x <= f64::MAX);
        *y = if valid { x.sqrt().sqrt() } else { f64::NAN };
        all &= valid;
    }
    all
}
dispatch!(fn double_roots = double_roots_body(x: &[f64], y: &mut [f64]) -> bool);

#[inline(always)]
fn logs_body<T: Sample>(x: &[T], y: &mut [f64]) -> bool {
    let mut all = true;
    for (y, &x) in y.iter_mut().zip(x) {
        let x = x.to_f64();
        let valid = (x > 0.0) & (x <= f64::MAX);
        // Subnormal doubles are lifted by 2^54 into the domain of the logarithm.
        let tiny = x < f64::MIN_POSITIVE;
        let lifted = if tiny { x * 18_014_398_509_481_984.0 } else { x };
        let log = elementary::ln(lifted) - if tiny { 54.0 * std::f64::consts::LN_2 } else { 0.0 };
        *y = if valid { log } else { f64::NAN };
        all &= valid;
    }
    all
}
dispatch!(fn logs = logs_body[T: Sample](x: &[T], y: &mut [f64]) -> bool);

#[inline(always)]
fn copies_body<T: Sample>(x: &[T], y: &mut [f64]) -> bool {
    let mut all = true;
    for (y, &x) in y.iter_mut().zip(x) {
        let valid = x.is_valid();
        *y = if valid { x.to_f64() } else { f64::NAN };
        all &= valid;
    }
    all
}
dispatch!(fn copies = copies_body[T: Sample](x: &[T], y: &mut [f64]) -> bool);
