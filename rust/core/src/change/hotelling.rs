//! Hotelling's T squared of one orbit, all bands together, on the fourth root of power or on indices as they are.
//!
//! Hotelling (1931), doi 10.1214/aoms/1177732979; fourth root after Hawkins & Wixley (1986). The p-values are exact for
//! normal data: `F = (n1 + n2 - q - 1) / (q (n1 + n2 - 2)) T2 ~ F(q, n1 + n2 - q - 1)`.

use super::Options;
use super::combine::{Combine, Scale};
use super::evidence::{N_POST, N_PRE, ORBITS, Outcome, SHARED, sign};
use super::out::Verdict;
use crate::dispatch;
use crate::distributions::elementary::{ln, ln_1p};
use crate::distributions::{FAR_LN_P, FisherF, isf_far, isf_near};
use crate::moments::{BLOCK, Field};

/// Own evidence fields before one magnitude a band: [`VOTES`], [`MAGNITUDE_WEIGHT`].
pub(super) const OWN: usize = 2;
/// Sum of the signs of all tested orbits and bands.
const VOTES: usize = 0;
/// Sum of `n1 n2 / (n1 + n2)` over the tested orbits.
const MAGNITUDE_WEIGHT: usize = 1;

/// With 1 - r^2 below this the pooled covariance counts as singular. Bands that are multiples of each other, rounded to single
/// precision, come to 1e-12; speckle of two polarisations stays above 1e-3.
const SINGULAR: f64 = 1e-10;

/// A two-band test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hotelling {
    /// Hotelling's T squared.
    pub t2: f64,
    /// Its F value, of 2 and `n1 + n2 - 3` degrees of freedom.
    pub f: f64,
    /// Logarithm of the upper tail of `f`; NaN if the pooled covariance is singular.
    pub ln_p: f64,
    /// Sign of the sum over bands of difference / standard deviation.
    pub sign: f64,
}

/// Test two states of two bands, `[n, mean, m2, power_sum, mean, m2, power_sum, cross]`.
#[inline(always)]
pub fn hotelling(pre: [f64; 8], post: [f64; 8]) -> Hotelling {
    let (n1, n2) = (pre[0], post[0]);
    let df = n1 + n2 - 2.0;
    let (d_a, d_b) = (post[1] - pre[1], post[4] - pre[4]);
    let (aa, bb, ab) = (pre[2] + post[2], pre[5] + post[5], pre[7] + post[7]);
    let determinant = aa * bb - ab * ab;
    let form = d_a * d_a * bb - 2.0 * d_a * d_b * ab + d_b * d_b * aa;
    // T2 / df, since the pooled covariance is the sum of squares / df.
    let ratio = n1 * n2 / (n1 + n2) * form / determinant;
    let ratio = if ratio > 0.0 { ratio } else { 0.0 };
    let regular = determinant > SINGULAR * aa * bb;
    let ln_p = -0.5 * (df - 1.0) * ln_1p(ratio);
    let lean = d_a / aa.sqrt() + d_b / bb.sqrt();
    Hotelling {
        t2: ratio * df,
        f: ratio * (df - 1.0) / 2.0,
        ln_p: if regular { ln_p } else { f64::NAN },
        sign: sign(lean),
    }
}

/// Test one orbit in a block.
pub(super) fn test(options: &Options, pre: &[Field], post: &[Field], count: usize, outcome: &mut Outcome) {
    if options.bands == 2 {
        test_two(options, pre, post, count, outcome);
    } else {
        test_one(options, pre, post, count, outcome);
    }
}

#[inline(always)]
fn test_two_body(options: &Options, pre: &[Field], post: &[Field], count: usize, outcome: &mut Outcome) {
    let ([p0, p1, p2, p3, p4, p5, p6, p7], [q0, q1, q2, q3, q4, q5, q6, q7]) = (pre, post) else {
        return;
    };
    for i in 0..count.min(BLOCK) {
        let test = hotelling(
            [p0[i], p1[i], p2[i], p3[i], p4[i], p5[i], p6[i], p7[i]],
            [q0[i], q1[i], q2[i], q3[i], q4[i], q5[i], q6[i], q7[i]],
        );
        let enough = options.enough(p0[i], q0[i]) & (p0[i] + q0[i] >= 4.0);
        outcome.ln_p[i] = if enough { test.ln_p } else { f64::NAN };
        outcome.sign[i] = test.sign;
        outcome.weight[i] = p0[i] + q0[i] - 2.0;
    }
}
dispatch!(fn test_two = test_two_body(options: &Options, pre: &[Field], post: &[Field], count: usize, outcome: &mut Outcome));

/// One band: T squared is the square of the pooled t. Unlike the t-test, data without any spread is left out.
fn test_one(options: &Options, pre: &[Field], post: &[Field], count: usize, outcome: &mut Outcome) {
    let mut f = FisherF::new(1.0, 1.0);
    for i in 0..count.min(BLOCK) {
        let (n1, n2, spread) = (pre[0][i], post[0][i], pre[2][i] + post[2][i]);
        outcome.ln_p[i] = f64::NAN;
        if options.enough(n1, n2) && n1 + n2 >= 3.0 && spread > 0.0 {
            let (df, difference) = (n1 + n2 - 2.0, post[1][i] - pre[1][i]);
            let t2 = difference * difference / (spread / df * (1.0 / n1 + 1.0 / n2));
            outcome.ln_p[i] = f.set(1.0, df).ln_tails(t2).1;
            outcome.sign[i] = sign(difference);
            outcome.weight[i] = df;
        }
    }
}

/// Add the ratio of mean powers, or the difference of means, of one tested orbit to the votes and magnitudes.
pub(super) fn add_magnitude(
    scale: Scale,
    pre: &[Field],
    post: &[Field],
    count: usize,
    outcome: &Outcome,
    own: &mut [Field],
) {
    let (votes, magnitudes) = own.split_at_mut(OWN);
    for (b, magnitude) in magnitudes.iter_mut().enumerate() {
        // The power sum of band b follows its mean and m2.
        let power = 3 * b + 3;
        let (before, after) = ([&pre[0], &pre[power]], [&post[0], &post[power]]);
        add_band(scale, before, after, count, &outcome.ln_p, &mut votes[VOTES], magnitude);
    }
    for i in 0..count.min(BLOCK) {
        if !outcome.ln_p[i].is_nan() {
            votes[MAGNITUDE_WEIGHT][i] += pair_weight(pre[0][i], post[0][i]);
        }
    }
}

/// Weight of an orbit in the magnitude: the inverse variance of a difference of means.
#[inline(always)]
fn pair_weight(n1: f64, n2: f64) -> f64 {
    n1 * n2 / (n1 + n2)
}

#[inline(always)]
fn add_band_body(
    scale: Scale,
    [n1, power1]: [&Field; 2],
    [n2, power2]: [&Field; 2],
    count: usize,
    ln_p: &Field,
    votes: &mut Field,
    magnitude: &mut Field,
) {
    for i in 0..count.min(BLOCK) {
        let tested = !ln_p[i].is_nan();
        let (before, after) = (power1[i] / n1[i], power2[i] / n2[i]);
        let effect = if scale == Scale::Power { ln(after / before) } else { after - before };
        let change = pair_weight(n1[i], n2[i]) * effect;
        votes[i] += if tested { sign(after - before) } else { 0.0 };
        magnitude[i] += if tested { change } else { 0.0 };
    }
}
dispatch!(fn add_band = add_band_body(scale: Scale, before: [&Field; 2], after: [&Field; 2], count: usize, ln_p: &Field, votes: &mut Field, magnitude: &mut Field));

/// Judge the evidence of a block.
pub(super) fn finish(options: &Options, evidence: &[Field], count: usize, verdict: &mut Verdict) {
    let own = &evidence[SHARED..];
    let count = count.min(BLOCK);
    for i in 0..count {
        let joined = options.combine.join(evidence, i);
        verdict.ln_p[i] = joined.ln_p;
        verdict.statistic[i] = joined.z;
        (verdict.n_pre[i], verdict.n_post[i]) = (evidence[N_PRE][i], evidence[N_POST][i]);
        verdict.n_orbits[i] = evidence[ORBITS][i];
        let votes = own[VOTES][i];
        let agreed = votes.abs() == evidence[ORBITS][i] * options.bands as f64;
        verdict.direction[i] = if agreed { sign(votes) } else { 0.0 };
    }
    for (b, magnitude) in own[OWN..].iter().enumerate() {
        for i in 0..count {
            // 0/0 without a tested orbit: NaN, as it should be.
            verdict.magnitude[b][i] = options.scale.unit() * magnitude[i] / own[MAGNITUDE_WEIGHT][i];
        }
    }
    if options.combine == Combine::Fisher {
        normal_scores(&verdict.ln_p, count, &mut verdict.statistic);
    }
}

/// One-sided normal scores of `ln_p`.
fn normal_scores(ln_p: &Field, count: usize, score: &mut Field) {
    near_scores(ln_p, count, score);
    for i in 0..count {
        if ln_p[i] < FAR_LN_P {
            score[i] = isf_far(ln_p[i]);
        }
    }
}

#[inline(always)]
fn near_scores_body(ln_p: &Field, count: usize, score: &mut Field) {
    for i in 0..count.min(BLOCK) {
        score[i] = isf_near(ln_p[i]);
    }
}
dispatch!(fn near_scores = near_scores_body(ln_p: &Field, count: usize, score: &mut Field));
