//! What the weights need of a pixel type: logarithm and exponential to base 2 that vectorise and are the same everywhere.

use crate::distributions::elementary::{exp, ln};
use crate::raster::Real;

/// A pixel type whose samples can be compared by ratios.
pub trait Comparable: Real + Default {
    /// The larger of two numbers that are not NaN.
    fn larger(self, other: Self) -> Self;
    /// Logarithm to base 2 of `self >= 1`; finite for everything else.
    fn log2(self) -> Self;
    /// `2^self` for `self <= 0`, and zero below -100.
    fn exp2(self) -> Self;
}

const CUT: f32 = -100.0;

impl Comparable for f32 {
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if self > other { self } else { other }
    }

    /// `self = 2^e m` with `m` in `[sqrt(1/2), sqrt(2))`; minimax polynomial of `log2(m) / (m - 1)`, error 5e-8.
    #[inline(always)]
    #[allow(clippy::cast_possible_wrap)]
    fn log2(self) -> Self {
        const SQRT_HALF: u32 = 0x3F35_04F3;
        let above = self.to_bits().wrapping_sub(SQRT_HALF) as i32;
        let exponent = above >> 23;
        let f = f32::from_bits(self.to_bits().wrapping_sub((exponent << 23) as u32)) - 1.0;
        let (f2, f4) = (f * f, (f * f) * (f * f));
        let low = (1.442_694_8 + f * -0.721_357_15) + f2 * (0.480_939_45 + f * -0.360_087_2);
        let high = (0.286_707_45 + f * -0.250_069_06) + f2 * (0.236_890_46 + f * -0.145_744_52);
        exponent as f32 + f * (low + f4 * high)
    }

    /// Minimax polynomial on `[-1/2, 1/2]`, relative error 8e-8.
    #[inline(always)]
    fn exp2(self) -> Self {
        // Adding 1.5 * 2^23 rounds to an integer and leaves that integer in the low bits.
        const ROUND: f32 = 12_582_912.0;
        let x = if self > CUT { self } else { CUT };
        let shifted = x + ROUND;
        let r = x - (shifted - ROUND);
        let r2 = r * r;
        let series = (1.000_000_1 + r * 0.693_146_97)
            + r2 * ((0.240_221_2 + r * 0.055_507_13) + r2 * (0.009_675_541 + r * 0.001_327_647_2));
        let power = f32::from_bits(series.to_bits().wrapping_add(shifted.to_bits() << 23));
        if self > CUT { power } else { 0.0 }
    }
}

impl Comparable for f64 {
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if self > other { self } else { other }
    }

    #[inline(always)]
    fn log2(self) -> Self {
        ln(self) * std::f64::consts::LOG2_E
    }

    #[inline(always)]
    fn exp2(self) -> Self {
        let power = exp(self * std::f64::consts::LN_2);
        if self > f64::from(CUT) { power } else { 0.0 }
    }
}
