//! Logarithm and exponential without branches, tables or library calls, so that loops over them vectorise and every
//! machine returns the same bits. Error below 2 units in the last place on the stated domain.

use std::f64::consts::{LOG2_E, SQRT_2};
use std::ops::{Add, Mul};

const MANTISSA: u64 = (1 << 52) - 1;
/// The bits of 1.0, which are the exponent bias in place.
const ONE: u64 = 1023 << 52;
/// 2^52 as bits: OR-ing a small integer into it makes a float without an integer conversion.
const INTEGER: u64 = 1075 << 52;
/// Upper part of ln 2 with enough trailing zeros that its product with an exponent is exact, and the rest.
const LN_2_UPPER: f64 = f64::from_bits(0x3FE6_2E42_FEE0_0000);
const LN_2_LOWER: f64 = 1.908_214_929_270_587_7e-10;

/// Polynomial by Horner's rule, highest power first.
#[inline(always)]
pub(crate) fn horner<T, const N: usize>(x: T, coefficients: [T; N]) -> T
where
    T: Copy + Add<Output = T> + Mul<Output = T>,
{
    let mut sum = coefficients[0];
    for &c in &coefficients[1..] {
        sum = sum * x + c;
    }
    sum
}

/// Natural logarithm of a positive, finite, normal number; other arguments give an unspecified finite value.
///
/// `x = 2^e m` with `m` in `[sqrt(1/2), sqrt(2))`, `ln m = 2 atanh((m - 1)/(m + 1))` by its power series.
#[inline(always)]
pub fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let m = f64::from_bits((bits & MANTISSA) | ONE);
    let e = f64::from_bits(((bits >> 52) & 0x7FF) | INTEGER) - (4_503_599_627_370_496.0 + 1023.0);
    let upper = m >= SQRT_2;
    let m = if upper { 0.5 * m } else { m };
    let e = if upper { e + 1.0 } else { e };
    let f = m - 1.0;
    let s = f / (m + 1.0);
    let s2 = s * s;
    let series = horner(
        s2,
        [
            1.0 / 23.0,
            1.0 / 21.0,
            1.0 / 19.0,
            1.0 / 17.0,
            1.0 / 15.0,
            1.0 / 13.0,
            1.0 / 11.0,
            1.0 / 9.0,
            1.0 / 7.0,
            0.2,
            1.0 / 3.0,
        ],
    );
    // 2 atanh(s) = f - s (f - 2 s^2 series): f is exact, so the rounding of s only touches the small second part.
    let small = f - s * (f - 2.0 * s2 * series) + e * LN_2_LOWER;
    e * LN_2_UPPER + small
}

/// `ln(1 + x)` for finite `x >= -1/2`, accurate for small `x` too.
#[inline(always)]
pub fn ln_1p(x: f64) -> f64 {
    let u = 1.0 + x;
    let lost = if x < 1.0 { x - (u - 1.0) } else { 1.0 - (u - x) };
    ln(u) + lost / u
}

/// `e^x` for `x <= 0`; below -700 it returns `e^-700`, which is zero in single precision.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    let x = if x > -700.0 { x } else { -700.0 };
    // Adding 1.5 * 2^52 rounds to an integer and leaves that integer in the low bits.
    let shifted = x * LOG2_E + 6_755_399_441_055_744.0;
    let k = shifted - 6_755_399_441_055_744.0;
    let r = (x - k * LN_2_UPPER) - k * LN_2_LOWER;
    let series = horner(
        r,
        [
            1.0 / 6_227_020_800.0,
            1.0 / 479_001_600.0,
            1.0 / 39_916_800.0,
            1.0 / 3_628_800.0,
            1.0 / 362_880.0,
            1.0 / 40_320.0,
            1.0 / 5_040.0,
            1.0 / 720.0,
            1.0 / 120.0,
            1.0 / 24.0,
            1.0 / 6.0,
            0.5,
            1.0,
            1.0,
        ],
    );
    f64::from_bits(series.to_bits().wrapping_add(shifted.to_bits() << 52))
}

/// Upper part of ln 2, whose product with an exponent is exact in single precision, and the rest.
const LN_2_UPPER_F32: f32 = 355.0 / 512.0;
const LN_2_LOWER_F32: f32 = -2.121_944_4e-4;

/// `e^x` for `x <= 0` in single precision; below -80 it returns `e^-80`, which is 1.8e-35.
#[inline(always)]
pub fn exp_f32(x: f32) -> f32 {
    let x = if x > -80.0 { x } else { -80.0 };
    // As in `exp`: 1.5 * 2^23 rounds.
    let shifted = x * std::f32::consts::LOG2_E + 12_582_912.0;
    let k = shifted - 12_582_912.0;
    let r = (x - k * LN_2_UPPER_F32) - k * LN_2_LOWER_F32;
    let series = horner(r, [1.0 / 5_040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0]);
    f32::from_bits(series.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// `e^x - 1` for `x <= 0`, accurate for small `x` too.
pub fn exp_m1(x: f64) -> f64 {
    if x < -0.7 {
        return exp(x) - 1.0;
    }
    // x (1 + x/2 (1 + x/3 (1 + ...)))
    let mut sum = 1.0;
    for n in (2..=18).rev() {
        sum = 1.0 + sum * x / f64::from(n);
    }
    x * sum
}
