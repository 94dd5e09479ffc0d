//! Ratio of mean powers of one band and one orbit against the F distribution of speckle.
//!
//! The mean of `n` dates of `L` looks is gamma distributed with `n L` looks, so under no change the ratio of the means after
//! and before is F distributed with `2 n_post L` and `2 n_pre L` degrees of freedom.

use super::Options;
use super::evidence::{Outcome, sign};
use crate::distributions::{FisherF, elementary};
use crate::moments::{BLOCK, Field};

/// Logarithm of the two-sided p of a ratio of means, `2 min(P(F <= ratio), P(F > ratio))`, and -1, 0 or 1 by which tail.
fn ln_p_ratio(ratio: f64, f: &FisherF) -> (f64, f64) {
    let (below, above) = f.ln_tails(ratio);
    ((std::f64::consts::LN_2 + below.min(above)).min(0.0), sign(below - above))
}

/// Test one band of one orbit; a state is `[n, mean, m2, power_sum]`.
pub(super) fn test(options: &Options, enl: f64, pre: &[Field], post: &[Field], count: usize, outcome: &mut Outcome) {
    let mut f = FisherF::new(1.0, 1.0);
    for i in 0..count.min(BLOCK) {
        let (n1, n2) = (pre[0][i], post[0][i]);
        outcome.ln_p[i] = f64::NAN;
        if !options.enough(n1, n2) {
            continue;
        }
        let ratio = (post[3][i] / n2) / (pre[3][i] / n1);
        (outcome.ln_p[i], outcome.sign[i]) = ln_p_ratio(ratio, f.set(2.0 * n2 * enl, 2.0 * n1 * enl));
        outcome.weight[i] = n1 * n2 / (n1 + n2);
        outcome.effect[i] = elementary::ln(ratio);
    }
}
