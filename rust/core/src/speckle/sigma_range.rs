//! The range of the sigma filter: how far speckle around a mean of one is taken for speckle.

use super::speckle_variation;
use crate::distributions::elementary::{exp, exp_m1, ln};
use crate::distributions::ln_gamma_upper;
use crate::error::{Error, Result};

/// The part of unit-mean speckle that the sigma filter averages.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SigmaRange {
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
    /// Coefficient of variation of the speckle between the bounds.
    pub noise: f64,
}

/// Sigmas of the published table.
const SIGMAS: [f64; 5] = [0.5, 0.6, 0.7, 0.8, 0.9];

/// Lower bound, upper bound and noise of Lee et al. (2009) for intensity of 1 to 4 looks, by sigma.
const PUBLISHED: [[(f64, f64, f64); 5]; 4] = [
    [
        (0.436, 1.920, 0.4057),
        (0.343, 2.210, 0.4954),
        (0.254, 2.582, 0.5911),
        (0.168, 3.094, 0.6966),
        (0.084, 3.941, 0.8191),
    ],
    [
        (0.582, 1.584, 0.2763),
        (0.501, 1.755, 0.3388),
        (0.418, 1.972, 0.4062),
        (0.327, 2.260, 0.4810),
        (0.221, 2.744, 0.5699),
    ],
    [
        (0.652, 1.458, 0.2222),
        (0.580, 1.586, 0.2736),
        (0.505, 1.751, 0.3280),
        (0.419, 1.965, 0.3892),
        (0.313, 2.320, 0.4624),
    ],
    [
        (0.694, 1.385, 0.1921),
        (0.630, 1.495, 0.2348),
        (0.560, 1.627, 0.2825),
        (0.480, 1.804, 0.3354),
        (0.378, 2.094, 0.3991),
    ],
];

impl SigmaRange {
    /// The range of the table called `name`: "exact" or "published".
    pub fn named(name: &str, enl: f64, sigma: f64) -> Result<Self> {
        match name {
            "exact" => Self::exact(enl, sigma),
            "published" => Self::published(enl, sigma),
            _ => Err(Error::parameter("table", format!("{name:?}"), "\"exact\" or \"published\"")),
        }
    }

    /// The range that holds the part `sigma` of gamma distributed speckle of `enl` looks and leaves its mean at one.
    ///
    /// The integral of `(u - 1) p(u)` over the range vanishes where `lower e^-lower = upper e^-upper`, whatever the number
    /// of looks, so that one equation in `lower` remains: the probability of the range is `sigma`.
    pub fn exact(enl: f64, sigma: f64) -> Result<Self> {
        speckle_variation(enl)?;
        if !(sigma > 0.0 && sigma < 1.0) {
            return Err(Error::parameter("sigma", sigma, "a probability between 0 and 1, such as 0.9"));
        }
        let held = |lower: f64, upper: f64| gamma_lower(enl, enl * upper) - gamma_lower(enl, enl * lower);
        // The logarithm of the lower bound, by bisection: the lower the bound, the more is held.
        let (mut below, mut above) = (-700.0, 0.0);
        while let Some(middle) = between(below, above) {
            let lower = exp(middle);
            *(if held(lower, partner(lower)) > sigma { &mut below } else { &mut above }) = middle;
        }
        let lower = exp(above);
        let upper = partner(lower);
        if (held(lower, upper) - sigma).abs() > 1e-9 {
            // Of very few looks nearly all samples are near zero; of very many the bounds meet.
            let other = if enl < 1.0 { "more" } else { "fewer" };
            return Err(Error::parameter("enl", enl, format!("{other} looks for a sigma of {sigma}")));
        }
        let square = gamma_lower(enl + 2.0, enl * upper) - gamma_lower(enl + 2.0, enl * lower);
        let noise = ((1.0 + 1.0 / enl) * square / sigma - 1.0).max(0.0).sqrt();
        Ok(Self { lower, upper, noise })
    }

    /// The range that Lee et al. (2009, doi 10.1109/TGRS.2008.2002881) print, for 1, 2, 3 or 4 looks and a sigma of 0.5,
    /// 0.6, 0.7, 0.8 or 0.9.
    pub fn published(enl: f64, sigma: f64) -> Result<Self> {
        let row = (1..=4).zip(PUBLISHED).find(|&(looks, _)| f64::from(looks) == enl);
        let Some((_, row)) = row else {
            return Err(Error::parameter("enl", enl, "1, 2, 3 or 4 looks with the published table"));
        };
        let entry = SIGMAS.iter().zip(row).find(|&(known, _)| (known - sigma).abs() < 1e-9);
        let Some((_, (lower, upper, noise))) = entry else {
            return Err(Error::parameter("sigma", sigma, "0.5, 0.6, 0.7, 0.8 or 0.9 with the published table"));
        };
        Ok(Self { lower, upper, noise })
    }
}

/// The middle of two numbers, if a number lies between them.
fn between(below: f64, above: f64) -> Option<f64> {
    let middle = 0.5 * (below + above);
    (below < middle && middle < above).then_some(middle)
}

/// Regularised lower incomplete gamma function.
fn gamma_lower(a: f64, x: f64) -> f64 {
    -exp_m1(ln_gamma_upper(a, x))
}

/// The number above 1 with the same `u e^-u` as `lower` below 1 (a branch of Lambert's function).
fn partner(lower: f64) -> f64 {
    let level = lower - ln(lower);
    let excess = (level - 1.0).max(0.0);
    // An upper bound; Newton's steps come down from there, for `u - ln u` is convex.
    let mut upper = 1.0 + (2.0 * excess).sqrt() + excess;
    loop {
        let next = upper - (upper - ln(upper) - level) * upper / (upper - 1.0);
        if !(next > 1.0 && next < upper) {
            return upper;
        }
        upper = next;
    }
}
