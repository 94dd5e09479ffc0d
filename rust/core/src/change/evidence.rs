//! What the orbits of a pixel add up to, the same for every test.

use super::Combine;
use crate::distributions::normal_isf_from_ln_p;
use crate::moments::{BLOCK, Field};

/// Sum of `ln p` (Fisher) or of `sqrt(weight) z` (Stouffer) over the tested orbits.
pub(super) const SCORE: usize = 0;
/// Sum of the weights of the tested orbits.
pub(super) const WEIGHT: usize = 1;
/// Number of tested orbits.
pub(super) const ORBITS: usize = 2;
/// Valid dates before, of all orbits.
pub(super) const N_PRE: usize = 3;
/// Valid dates after, of all orbits.
pub(super) const N_POST: usize = 4;
/// Number of fields above, which come first in the evidence.
pub(super) const SHARED: usize = 5;
/// One field behind them if bands are tested on their own: the weighted sum of the change of ln power, or of the index.
pub(super) const EFFECT: usize = 1;

/// The test of one orbit in a block of pixels.
pub(super) struct Outcome {
    /// Logarithm of p; NaN where the orbit could not be tested.
    pub ln_p: Field,
    /// -1, 0 or 1: lower or higher after.
    pub sign: Field,
    /// Weight of the orbit in Stouffer's sum.
    pub weight: Field,
    /// Change of ln power, or of the index, if bands are tested on their own.
    pub effect: Field,
}

impl Default for Outcome {
    fn default() -> Self {
        let zero = [0.0; BLOCK];
        Self { ln_p: zero, sign: zero, weight: zero, effect: zero }
    }
}

/// -1, 0 or 1.
#[inline(always)]
pub(super) fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        0.0
    }
}

/// Add one orbit to the shared fields.
pub(super) fn add(
    combine: Combine,
    outcome: &Outcome,
    n_pre: &Field,
    n_post: &Field,
    count: usize,
    evidence: &mut [Field],
) {
    for i in 0..count.min(BLOCK) {
        let ln_p = outcome.ln_p[i];
        evidence[N_PRE][i] += n_pre[i];
        evidence[N_POST][i] += n_post[i];
        if ln_p.is_nan() {
            continue;
        }
        evidence[ORBITS][i] += 1.0;
        evidence[WEIGHT][i] += outcome.weight[i];
        evidence[SCORE][i] += match combine {
            Combine::Fisher => ln_p,
            Combine::Stouffer => outcome.weight[i].sqrt() * outcome.sign[i] * two_sided_z(ln_p),
        };
    }
}

/// Add the effect of one orbit.
pub(super) fn add_effect(outcome: &Outcome, count: usize, field: &mut Field) {
    for (i, sum) in field.iter_mut().enumerate().take(count) {
        if !outcome.ln_p[i].is_nan() {
            *sum += outcome.weight[i] * outcome.effect[i];
        }
    }
}

/// The `|z|` whose two-sided p has this logarithm; NaN for NaN.
pub(super) fn two_sided_z(ln_p: f64) -> f64 {
    let z = normal_isf_from_ln_p(ln_p - std::f64::consts::LN_2);
    if z < 0.0 { 0.0 } else { z }
}
