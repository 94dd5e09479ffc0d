//! Linear power to decibel and back.
//!
//! The f32 versions are own branch-free polynomials that the compiler can vectorise. `to_db` is within 1e-5 dB for results
//! between -128 and 128 dB (half a unit in the last place beyond), `from_db` within 4e-7 relative.

use crate::bands::{Run, for_bands};
use crate::dispatch;
use crate::error::{Error, Result};
use crate::raster::{RasterMut, Real};

/// Pixels between two looks at the interrupt.
const BAND: usize = 1 << 16;

/// A pixel type with decibels.
pub trait Decibel: Real {
    /// `10 log10(x)`; NaN for what is not positive and finite.
    fn decibel(self) -> Self;
    /// `10^(x / 10)`; NaN for what is not finite.
    fn linear(self) -> Self;
}

/// `10 log10(src)`: NaN for zero, negative, NaN and infinite samples.
pub fn to_db<T: Decibel>(src: &[T], dst: &mut [T], run: &Run<'_>) -> Result<()> {
    each(src, dst, run, to_db_slice)
}

/// `10^(src / 10)`: NaN for NaN and infinite samples.
pub fn from_db<T: Decibel>(src: &[T], dst: &mut [T], run: &Run<'_>) -> Result<()> {
    each(src, dst, run, from_db_slice)
}

fn each<T: Real>(src: &[T], dst: &mut [T], run: &Run<'_>, convert: impl Fn(&[T], &mut [T]) + Sync) -> Result<()> {
    if src.len() != dst.len() {
        return Err(Error::shape("dst", dst.len(), format!("{} as src", src.len())));
    }
    let dst = RasterMut::new("dst", dst, src.len(), 1)?;
    for_bands(run, src.len(), BAND, dst, || (), |rows, mut out, ()| convert(&src[rows], out.pixels_mut()))
}

dispatch!(fn to_db_slice = to_db_body[T: Decibel](src: &[T], dst: &mut [T]));
dispatch!(fn from_db_slice = from_db_body[T: Decibel](src: &[T], dst: &mut [T]));

#[inline(always)]
fn to_db_body<T: Decibel>(src: &[T], dst: &mut [T]) {
    for (x, y) in src.iter().zip(dst) {
        *y = x.decibel();
    }
}

#[inline(always)]
fn from_db_body<T: Decibel>(src: &[T], dst: &mut [T]) {
    for (x, y) in src.iter().zip(dst) {
        *y = x.linear();
    }
}

/// 10 log10(2) in two parts; the product of the first with a binary exponent is exact.
const OCTAVE: (f32, f32) = (3.009_765_6, 5.343_316_4e-4);
/// 10 / ln 10 in two parts.
const NEPER: (f32, f32) = (4.343_75, -8.051_81e-4);

impl Decibel for f32 {
    #[inline(always)]
    fn decibel(self) -> Self {
        // x = 2^e (1 + f) with 1 + f between sqrt(1/2) and sqrt(2); subnormal numbers are first made normal.
        let small = self < Self::MIN_POSITIVE;
        let bits = (if small { self * 8_388_608.0 } else { self }).to_bits();
        let e = (bits.wrapping_sub(SQRT_HALF) as i32) >> 23;
        let f = Self::from_bits(bits.wrapping_sub((e << 23) as u32)) - 1.0;
        let e = (e - if small { 23 } else { 0 }) as Self;
        let ln = ln_1p(f);
        let low = ln * NEPER.1 + e * OCTAVE.1;
        let db = e * OCTAVE.0 + (ln * NEPER.0 + low);
        if (self > 0.0) & (self < Self::INFINITY) { db } else { Self::NAN }
    }

    #[inline(always)]
    fn linear(self) -> Self {
        // x = n octaves + r; adding and subtracting 1.5 * 2^23 rounds to the nearest whole n.
        const ROUND: f32 = 12_582_912.0;
        let x = if self < 500.0 { self } else { 500.0 };
        let x = if x > -500.0 { x } else { -500.0 };
        let n = x * (1.0 / std::f32::consts::LOG10_2 / 10.0) + ROUND;
        let octaves = n.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
        let n = n - ROUND;
        let power = exp((x - n * OCTAVE.0 - n * OCTAVE.1) * (std::f32::consts::LN_10 / 10.0));
        // Two factors, because 2^n alone may not be a normal number.
        let half = octaves >> 1;
        let scale = |n: i32| Self::from_bits(((n + 127) << 23) as u32);
        let power = power * scale(half) * scale(octaves - half);
        if self.is_valid() { power } else { Self::NAN }
    }
}

const SQRT_HALF: u32 = 0x3f35_04f3;

/// ln(1 + f) for 1 + f between sqrt(1/2) and sqrt(2): the minimax polynomial of the Cephes library.
#[inline(always)]
fn ln_1p(f: f32) -> f32 {
    const P: [f32; 9] = [
        7.037_683_6e-2,
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    let square = f * f;
    f + (polynomial(&P, f) * f * square - 0.5 * square)
}

/// e^t for |t| <= ln(2) / 2: Taylor, remainder below 6e-9.
#[inline(always)]
fn exp(t: f32) -> f32 {
    const P: [f32; 8] = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    polynomial(&P, t)
}

/// Horner, highest power first.
#[inline(always)]
fn polynomial<const N: usize>(coefficients: &[f32; N], x: f32) -> f32 {
    let mut sum = 0.0;
    for c in coefficients {
        sum = sum * x + c;
    }
    sum
}

impl Decibel for f64 {
    #[inline(always)]
    fn decibel(self) -> Self {
        if self > 0.0 && self < Self::INFINITY { 10.0 * self.log10() } else { Self::NAN }
    }

    #[inline(always)]
    fn linear(self) -> Self {
        if self.is_finite() { Self::powf(10.0, self / 10.0) } else { Self::NAN }
    }
}
