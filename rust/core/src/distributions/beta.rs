//! Incomplete beta function, F and Student tails.

use super::elementary::{ln, ln_1p};
use super::gamma::{HALF_LN_TAU, stirling_rest};
use super::{CONVERGED, MAX_STEPS, ln_complement};

/// A beta distribution whose normalisation is ready, for many evaluations of its tails.
#[derive(Debug, Clone, Copy)]
pub struct Beta {
    a: f64,
    b: f64,
    /// What of `ln [x^a (1 - x)^b / B(a, b)]` does not depend on `x`.
    ln_scale: f64,
}

impl Beta {
    /// Shape parameters `a > 0` and `b > 0`.
    pub fn new(a: f64, b: f64) -> Self {
        // Written so that the large parts of the three gamma functions never appear.
        let n = a + b;
        let rest = stirling_rest(n) - stirling_rest(a) - stirling_rest(b);
        let ln_scale = a * ln(n / a) + b * ln(n / b) + 0.5 * ln(a * b / n) - HALF_LN_TAU + rest;
        Self { a, b, ln_scale }
    }

    /// `(ln I_x(a, b), ln(1 - I_x(a, b)))` for `odds = x / (1 - x) >= 0`.
    ///
    /// The argument is taken as odds so that neither `x` nor `1 - x` is ever rounded to 0 or 1.
    pub fn ln_tails(&self, odds: f64) -> (f64, f64) {
        if odds.is_nan() {
            return (f64::NAN, f64::NAN);
        }
        if odds < f64::MIN_POSITIVE {
            return (f64::NEG_INFINITY, 0.0);
        }
        if odds > f64::MAX {
            return (0.0, f64::NEG_INFINITY);
        }
        let Self { a, b, ln_scale } = *self;
        let prefix = ln_scale - a * ln_1p(1.0 / odds) - b * ln_1p(odds);
        let (x, y) = (odds / (1.0 + odds), 1.0 / (1.0 + odds));
        if x < (a + 1.0) / (a + b + 2.0) {
            let lower = (prefix + ln(fraction(a, b, x) / a)).min(0.0);
            (lower, ln_complement(lower))
        } else {
            let upper = (prefix + ln(fraction(b, a, y) / b)).min(0.0);
            (ln_complement(upper), upper)
        }
    }
}

/// The continued fraction of `I_x(a, b)` (Abramowitz & Stegun 26.5.8), by the modified Lentz method.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    let guard = |v: f64| if v.abs() < 1e-300 { 1e-300 } else { v };
    let (mut c, mut d) = (1.0, 1.0 / guard(1.0 - (a + b) * x / (a + 1.0)));
    let mut value = d;
    for j in 1..MAX_STEPS {
        let j = j as f64;
        let at = a + 2.0 * j;
        let even = j * (b - j) * x / ((at - 1.0) * at);
        let odd = -(a + j) * (a + b + j) * x / (at * (at + 1.0));
        for numerator in [even, odd] {
            d = 1.0 / guard(1.0 + numerator * d);
            c = guard(1.0 + numerator / c);
            value *= c * d;
        }
        if (c * d - 1.0).abs() < 2.0 * CONVERGED {
            break;
        }
    }
    value
}

/// Fisher's F of given degrees of freedom; keeps the normalisation between calls of the same degrees.
#[derive(Debug, Clone, Copy)]
pub struct FisherF {
    d1: f64,
    d2: f64,
    beta: Beta,
}

impl FisherF {
    /// `d1` and `d2` degrees of freedom, not necessarily whole.
    pub fn new(d1: f64, d2: f64) -> Self {
        Self { d1, d2, beta: Beta::new(0.5 * d1, 0.5 * d2) }
    }

    /// Change the degrees of freedom; costs nothing if they stay the same.
    pub fn set(&mut self, d1: f64, d2: f64) -> &Self {
        if (d1, d2) != (self.d1, self.d2) {
            *self = Self::new(d1, d2);
        }
        self
    }

    /// `(ln P(F <= f), ln P(F > f))`.
    pub fn ln_tails(&self, f: f64) -> (f64, f64) {
        self.beta.ln_tails(self.d1 * f / self.d2)
    }
}

/// `ln P(F > f)` for Fisher's F of `d1` and `d2` degrees of freedom; closed form for `d1 = 2`.
pub fn ln_sf_f(f: f64, d1: f64, d2: f64) -> f64 {
    if f <= 0.0 {
        return 0.0;
    }
    if d1 == 2.0 {
        return -0.5 * d2 * ln_1p(2.0 * f / d2);
    }
    FisherF::new(d1, d2).ln_tails(f).1
}

/// `ln P(|T| > |t|)`, two-sided, for Student's t of `df` degrees of freedom.
pub fn ln_p_student(t: f64, df: f64) -> f64 {
    ln_sf_f(t * t, 1.0, df)
}
