//! Pooled two-sample t-test of one band and one orbit.

use super::Options;
use super::evidence::{Outcome, sign};
use crate::distributions::FisherF;
use crate::moments::{BLOCK, Field};

/// A pooled t-test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TTest {
    /// Student's t, positive if the second mean is larger.
    pub t: f64,
    /// Degrees of freedom.
    pub df: f64,
}

/// Test the means of two samples given as `[n, mean, m2]`; `m2` is the sum of squared deviations.
///
/// Without any spread t is 0 if the means are equal, else NaN.
pub fn pooled_t([n1, mean1, m2_1]: [f64; 3], [n2, mean2, m2_2]: [f64; 3]) -> TTest {
    let df = n1 + n2 - 2.0;
    let difference = mean2 - mean1;
    let variance = (m2_1 + m2_2) / df * (1.0 / n1 + 1.0 / n2);
    let t = if variance > 0.0 {
        difference / variance.sqrt()
    } else if difference == 0.0 {
        0.0
    } else {
        f64::NAN
    };
    TTest { t, df }
}

/// Test one band of one orbit; a state is `[n, mean, m2, power_sum]` of ln power, or of the index.
pub(super) fn test(options: &Options, pre: &[Field], post: &[Field], count: usize, outcome: &mut Outcome) {
    let mut f = FisherF::new(1.0, 1.0);
    for i in 0..count.min(BLOCK) {
        let (n1, n2) = (pre[0][i], post[0][i]);
        outcome.ln_p[i] = f64::NAN;
        if !options.enough(n1, n2) || n1 + n2 < 3.0 {
            continue;
        }
        let test = pooled_t([n1, pre[1][i], pre[2][i]], [n2, post[1][i], post[2][i]]);
        outcome.ln_p[i] = f.set(1.0, test.df).ln_tails(test.t * test.t).1;
        outcome.sign[i] = sign(test.t);
        outcome.weight[i] = test.df;
        outcome.effect[i] = post[1][i] - pre[1][i];
    }
}
