//! Moments against two passes in `f64`.
#![allow(clippy::unwrap_used)]

mod simulation;

use kararaster_core::bands::Run;
use kararaster_core::moments::{Layout, Transform, fold};
use simulation::{joint_samples, near, simulate};

#[test]
fn folding_in_two_goes_is_folding_at_once() {
    let (pixels, dates) = (1003, 9);
    let bands = simulate(2, dates, pixels, 0.1);
    let bands: Vec<&[f32]> = bands.iter().map(Vec::as_slice).collect();
    for transform in [Transform::FourthRoot, Transform::Log, Transform::Identity] {
        for joint in [true, false] {
            let layout = Layout { bands: 2, joint };
            let run = Run::threads(1);
            let mut once = vec![0.0; layout.fields() * pixels];
            let mut twice = once.clone();
            fold(&bands, &[7, 0, 3, 1, 8], pixels, transform, layout, &mut once, &run).unwrap();
            fold(&bands, &[7, 0], pixels, transform, layout, &mut twice, &run).unwrap();
            fold(&bands, &[3, 1, 8], pixels, transform, layout, &mut twice, &run).unwrap();
            assert!(once.iter().zip(&twice).all(|(a, b)| a.to_bits() == b.to_bits()), "{transform:?} joint {joint}");
        }
    }
}

#[test]
fn moments_are_those_of_two_passes() {
    let (pixels, dates) = (700, 12);
    let all: Vec<usize> = (0..dates).collect();
    let mut stack = simulate(2, dates, pixels, 0.2);
    // Numbers that the fast root does not take: subnormal, tiny, huge.
    (stack[0][0], stack[0][1], stack[1][2]) = (1e-42, 3e-35, 3e38);
    for (transform, of) in
        [(Transform::FourthRoot, (|x: f64| x.powf(0.25)) as fn(f64) -> f64), (Transform::Log, f64::ln)]
    {
        let mut state = vec![0.0; 8 * pixels];
        let layout = Layout { bands: 2, joint: true };
        fold(&[&stack[0], &stack[1]], &all, pixels, transform, layout, &mut state, &Run::threads(1)).unwrap();
        for i in 0..pixels {
            let samples = joint_samples(&stack, &all, pixels, i);
            let got = |field: usize| state[field * pixels + i];
            let n = samples.len() as f64;
            assert_eq!(got(0), n);
            if samples.is_empty() {
                continue;
            }
            let mean = |b: usize| samples.iter().map(|s| of(s[b])).sum::<f64>() / n;
            let product =
                |b: usize, c: usize| samples.iter().map(|s| (of(s[b]) - mean(b)) * (of(s[c]) - mean(c))).sum::<f64>();
            let power = |b: usize| samples.iter().map(|s| s[b]).sum::<f64>();
            let want = [mean(0), product(0, 0), power(0), mean(1), product(1, 1), power(1), product(0, 1)];
            for (field, want) in want.into_iter().enumerate() {
                near(got(field + 1), want, 1e-11, &format!("{transform:?} field {field} pixel {i}"));
            }
        }
    }
}
