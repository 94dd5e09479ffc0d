//! Gamma function, incomplete gamma function, chi-square tail.

use super::elementary::{horner, ln};
use super::{CONVERGED, MAX_STEPS, ln_complement};

/// `ln(2 pi) / 2`.
pub(super) const HALF_LN_TAU: f64 = 0.918_938_533_204_672_7;

/// Above this the Stirling series is exact to the last bit.
const STIRLING_FROM: f64 = 12.0;

/// What Stirling's leading terms miss: `ln Gamma(x) - [(x - 1/2) ln x - x + ln(2 pi)/2]`.
pub(super) fn stirling_rest(x: f64) -> f64 {
    if x < STIRLING_FROM {
        return ln_gamma(x) - ((x - 0.5) * ln(x) - x + HALF_LN_TAU);
    }
    let series = [1.0 / 156.0, -691.0 / 360_360.0, 1.0 / 1188.0, -1.0 / 1680.0, 1.0 / 1260.0, -1.0 / 360.0, 1.0 / 12.0];
    horner(1.0 / (x * x), series) / x
}

/// `ln Gamma(x)` for `x > 0`.
pub fn ln_gamma(x: f64) -> f64 {
    let (mut shifted, mut product) = (x, 1.0);
    while shifted < STIRLING_FROM {
        product *= shifted;
        shifted += 1.0;
    }
    (shifted - 0.5) * ln(shifted) - shifted + HALF_LN_TAU + stirling_rest(shifted) - ln(product)
}

/// `ln Q(a, x)`, the regularised upper incomplete gamma function, for `a > 0`, `x >= 0`.
pub fn ln_gamma_upper(a: f64, x: f64) -> f64 {
    if x < f64::MIN_POSITIVE {
        return 0.0;
    }
    if x > f64::MAX {
        return f64::NEG_INFINITY;
    }
    // x^a e^-x / Gamma(a), written so that no large terms cancel.
    let prefix = a * ln(x / a) + (a - x) + 0.5 * ln(a) - HALF_LN_TAU - stirling_rest(a);
    if x < a + 1.0 {
        return ln_complement((prefix + ln(lower_series(a, x))).min(0.0));
    }
    prefix - ln(upper_fraction(a, x))
}

/// `sum x^j / (a (a + 1) ... (a + j))`.
fn lower_series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
    for _ in 0..MAX_STEPS {
        n += 1.0;
        term *= x / n;
        sum += term;
        if term < CONVERGED * sum {
            break;
        }
    }
    sum
}

/// Legendre's continued fraction `x + 1 - a - 1 (1 - a)/(x + 3 - a - ...)`, by the modified Lentz method.
fn upper_fraction(a: f64, x: f64) -> f64 {
    let mut b = x + 1.0 - a;
    let (mut value, mut c, mut d) = (b, b, 0.0);
    for j in 1..MAX_STEPS {
        let j = j as f64;
        let numerator = j * (a - j);
        b += 2.0;
        d = 1.0 / (b + numerator * d);
        c = b + numerator / c;
        let step = c * d;
        value *= step;
        if (step - 1.0).abs() < CONVERGED {
            break;
        }
    }
    value
}

/// `ln P(X > x)` for a chi-square variable of `2 * half_degrees` degrees of freedom.
///
/// Closed form `e^-h sum_{j < half_degrees} h^j / j!`, `h = x/2`; the incomplete gamma function takes over for many degrees
/// and where the probability is so near 1 that its complement would lose digits.
pub fn ln_sf_chi2_even(x: f64, half_degrees: usize) -> f64 {
    let h = 0.5 * x;
    if half_degrees <= 1 {
        return if half_degrees == 1 { -h } else { f64::NAN };
    }
    if half_degrees <= 16 {
        let mut sum = 1.0;
        for j in (1..half_degrees).rev() {
            sum = 1.0 + sum * h / j as f64;
        }
        let ln_p = ln(sum) - h;
        if ln_p < -0.03 {
            return ln_p;
        }
    }
    ln_gamma_upper(half_degrees as f64, h)
}
