//! Tails of the distributions that the change tests need, as natural logarithms of probabilities.
//!
//! Everything is `f64` and stays finite far beyond 1e-300. No fused multiply-add and no instruction-set dependent library
//! call decides a bit: the logarithm and the exponential are our own ([`elementary`]).

mod beta;
pub mod elementary;
mod gamma;
mod normal;

pub use beta::{Beta, FisherF, ln_p_student, ln_sf_f};
pub use gamma::{ln_gamma, ln_gamma_upper, ln_sf_chi2_even};
pub(crate) use normal::{FAR_LN_P, isf_far, isf_near};
pub use normal::{ln_sf_normal, normal_isf_from_ln_p};

/// Most steps of a continued fraction or series; enough for shape parameters up to about 1e8.
const MAX_STEPS: usize = 20_000;

/// Relative size of the last step of a continued fraction or series.
const CONVERGED: f64 = 1e-16;

/// `ln(1 - e^ln_p)`: the logarithm of the complement, for `ln_p <= 0`.
fn ln_complement(ln_p: f64) -> f64 {
    if ln_p == 0.0 {
        f64::NEG_INFINITY
    } else if ln_p > -std::f64::consts::LN_2 {
        elementary::ln(-elementary::exp_m1(ln_p))
    } else {
        elementary::ln_1p(-elementary::exp(ln_p))
    }
}
