//! False discovery rate against the golden value and against itself, binned and exact.
#![allow(clippy::unwrap_used)]

mod simulation;

use kararaster_core::thresholding::{BINS, BINS_PER_DECADE, fdr_threshold, fdr_threshold_binned, histogram};
use simulation::Noise;

#[test]
fn golden_bh() {
    let p = [0.01, 0.04, 0.03, 0.005, 0.5, 0.02, 0.2];
    let digits: Vec<f32> = p.iter().map(|p: &f64| -p.log10() as f32).collect();
    let mut values = digits.clone();
    values.push(f32::NAN);
    let threshold = fdr_threshold(&mut values, 0.05).unwrap();
    let reject: Vec<bool> = digits.iter().map(|v| *v >= threshold).collect();
    assert_eq!(reject, [true, false, false, true, false, true, false]);
    let mut counts = vec![0; BINS];
    histogram(&digits, &mut counts).unwrap();
    let binned = fdr_threshold_binned(&counts, 0.05).unwrap();
    assert!(binned > threshold - 1.0 / BINS_PER_DECADE as f32);
    assert_eq!(reject, digits.iter().map(|v| *v >= binned).collect::<Vec<_>>());
    assert_eq!(fdr_threshold(&mut [f32::NAN, 0.1], 0.05).unwrap(), f32::INFINITY);
    assert_eq!(fdr_threshold(&mut [], 0.05).unwrap(), f32::INFINITY);
}

#[test]
fn the_binned_threshold_is_never_below_the_exact_one() {
    let mut noise = Noise(5);
    for share in [0.0, 0.01, 0.3] {
        let digits: Vec<f32> = (0..5000)
            .map(|_| {
                let scale = if noise.uniform() < share { 6.0 } else { 1.0 };
                (-noise.uniform().log10() * scale) as f32
            })
            .collect();
        let mut counts = vec![0; BINS];
        let (left, right) = digits.split_at(1234);
        histogram(left, &mut counts).unwrap();
        histogram(right, &mut counts).unwrap();
        let binned = fdr_threshold_binned(&counts, 0.1).unwrap();
        let exact = fdr_threshold(&mut digits.clone(), 0.1).unwrap();
        let stricter = fdr_threshold(&mut digits.clone(), 0.1 / 1.00057).unwrap();
        let rejected = |threshold: f32| digits.iter().filter(|v| **v >= threshold).count();
        assert!(rejected(binned) <= rejected(exact), "share {share}");
        assert!(rejected(binned) >= rejected(stricter), "share {share}");
    }
}

#[test]
fn a_rate_outside_its_range_is_named() {
    assert!(fdr_threshold(&mut [1.0], 1.5).unwrap_err().to_string().starts_with("q: got 1.5"));
}
