//! From a statistic to a map: the false discovery rate of Benjamini and Hochberg (1995), doi
//! 10.1111/j.2517-6161.1995.tb02031.x.
//!
//! Works on `v = -log10 p` in single precision. NaN is no test. A pixel is rejected where `v >= threshold`.

use crate::distributions::elementary::exp;
use crate::error::{Error, Result};

/// Histogram bins a decade of `p`.
pub const BINS_PER_DECADE: usize = 4096;

/// Decades that are resolved; smaller `p` fall into the last bin.
pub const DECADES: usize = 40;

/// Length of a histogram of `-log10 p`: [`DECADES`] decades and one bin for all that is beyond.
pub const BINS: usize = BINS_PER_DECADE * DECADES + 1;

/// The smallest `-log10 p` that is rejected at false discovery rate `q`, exactly; `inf` if none is.
///
/// With `m` tests in ascending order of `p`, all up to the last `i` with `p_(i) <= q i / m` are rejected. `values` is sorted.
pub fn fdr_threshold(values: &mut [f32], q: f64) -> Result<f32> {
    check_rate(q)?;
    values.sort_unstable_by(|a, b| key(*b).total_cmp(&key(*a)));
    let tests = values.iter().take_while(|v| !v.is_nan()).count();
    let step = q / tests as f64;
    let last = (0..tests).rev().find(|&i| probability(f64::from(values[i])) <= step * (i + 1) as f64);
    Ok(last.map_or(f32::INFINITY, |i| values[i]))
}

/// Add `values` to `counts`, a histogram of [`BINS`] bins. Counts of several blocks may be added together.
pub fn histogram(values: &[f32], counts: &mut [u64]) -> Result<()> {
    check_bins(counts)?;
    for v in values.iter().filter(|v| !v.is_nan()) {
        // A float to integer cast saturates: below 0 is bin 0.
        let bin = (f64::from(*v) * BINS_PER_DECADE as f64) as usize;
        counts[bin.min(BINS - 1)] += 1;
    }
    Ok(())
}

/// [`fdr_threshold`] from a histogram: the lower edge of a bin, never more alarms than the exact procedure.
///
/// Every test of a bin is taken to have the largest `p` of the bin (its lower edge), so whatever is rejected here is rejected
/// by the exact procedure too. The price: tests within one bin (a factor 10^(1/4096) = 1.00056 of `p`) of the exact limit may
/// stay unrejected; the threshold is at most that of the exact procedure at rate `q / 1.00057`, as long as it is below
/// [`DECADES`] decades.
pub fn fdr_threshold_binned(counts: &[u64], q: f64) -> Result<f32> {
    check_rate(q)?;
    check_bins(counts)?;
    let tests: u64 = counts.iter().sum();
    let (mut rank, mut threshold) = (0, f32::INFINITY);
    for (bin, &count) in counts.iter().enumerate().rev() {
        rank += count;
        let edge = bin as f64 / BINS_PER_DECADE as f64;
        if count > 0 && probability(edge) <= q / tests as f64 * rank as f64 {
            threshold = edge as f32;
        }
    }
    Ok(threshold)
}

/// NaN as the smallest value, so that it sorts behind every test.
fn key(v: f32) -> f32 {
    if v.is_nan() { f32::NEG_INFINITY } else { v }
}

fn probability(v: f64) -> f64 {
    exp(-v.max(0.0) * std::f64::consts::LN_10)
}

fn check_rate(q: f64) -> Result<()> {
    if q > 0.0 && q < 1.0 { Ok(()) } else { Err(Error::parameter("q", q, "a rate between 0 and 1")) }
}

fn check_bins(counts: &[u64]) -> Result<()> {
    if counts.len() == BINS { Ok(()) } else { Err(Error::shape("counts", counts.len(), BINS)) }
}
