//! The two Frost filters against a slow and obvious f64 reference.
#![allow(clippy::unwrap_used)]

mod images;

use images::filters::{check_constant, check_cuts, check_reach, check_reference, check_threads, run_whole, worst};
use images::scene::Scene;
use images::{Defect, image};
use kararaster_core::bands::Run;
use kararaster_core::error::Error;
use kararaster_core::raster::{Placement, Raster, RasterMut, Window};
use kararaster_core::speckle::{Border, Distance, Frame, boxcar, frost, frost_enhanced};

const DISTANCES: [Distance; 2] = [Distance::Euclidean, Distance::Chebyshev];
const WINDOWS: [(usize, usize); 6] = [(1, 1), (3, 3), (7, 7), (3, 9), (15, 1), (31, 31)];

/// Mean of the window with weights `exp(-decay d)`; `decay(mean, variance)` below zero means the mean itself.
fn weighted(scene: &Scene, distance: Distance, decay: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let plain =
        scene.map(|_, mean, variance, _| if mean > 0.0 && variance > 0.0 { decay(mean, variance) } else { -1.0 });
    let means = scene.map(|_, mean, _, _| mean);
    let pixel = |i: usize| match plain[i] {
        decay if decay.is_nan() || decay < 0.0 => means[i],
        f64::INFINITY => scene.pixels[i],
        decay => weighted_mean(scene, (i / scene.width, i % scene.width), distance, decay),
    };
    (0..scene.pixels.len()).map(pixel).collect()
}

fn weighted_mean(scene: &Scene, (r, c): (usize, usize), distance: Distance, decay: f64) -> f64 {
    let (half, last) = (scene.window.half(), (scene.height as isize - 1, scene.width as isize - 1));
    let (half, (r, c)) = ((half.0 as isize, half.1 as isize), (r as isize, c as isize));
    let (mut sum, mut weights) = (0.0, 0.0);
    for y in -half.0..=half.0 {
        for x in -half.1..=half.1 {
            let (row, col) = ((r + y).clamp(0, last.0), (c + x).clamp(0, last.1));
            let sample = scene.pixels[row as usize * scene.width + col as usize];
            let inside = (row, col) == (r + y, c + x) || scene.border == Border::Replicate;
            if sample.is_finite() && inside {
                let away = match distance {
                    Distance::Euclidean => ((y * y + x * x) as f64).sqrt(),
                    Distance::Chebyshev => y.abs().max(x.abs()) as f64,
                };
                sum += (-decay * away).exp() * sample;
                weights += (-decay * away).exp();
            }
        }
    }
    sum / weights
}

fn frosted(scene: &Scene, distance: Distance, damping: f64) -> Vec<f64> {
    weighted(scene, distance, |mean, variance| damping * variance / (mean * mean))
}

fn frosted_enhanced(scene: &Scene, distance: Distance, enl: f64, damping: f64) -> Vec<f64> {
    let (speckle, target) = ((1.0 / enl).sqrt(), (1.0 + 2.0 / enl).sqrt());
    weighted(scene, distance, |mean, variance| {
        let variation = variance.sqrt() / mean;
        let decay = damping * (variation - speckle) / (target - variation);
        if variation < target { decay } else { f64::INFINITY }
    })
}

fn small(scene: &Scene) -> bool {
    scene.window.y * scene.window.x < 200
}

#[test]
fn frost_follows_its_formula() {
    for (distance, damping, all) in
        [(Distance::Euclidean, 2.0, true), (Distance::Chebyshev, 2.0, false), (Distance::Euclidean, 0.1, false)]
    {
        check_reference(
            &|s, d, f, run| frost(s, d, f, damping, distance, run),
            &|s, d, f, run| frost(s, d, f, damping, distance, run),
            |scene| all || small(scene),
            |scene| frosted(scene, distance, damping),
        );
    }
}

#[test]
fn frost_enhanced_follows_its_formula() {
    for distance in DISTANCES {
        check_reference(
            &|s, d, f, run| frost_enhanced(s, d, f, 4.4, 1.0, distance, run),
            &|s, d, f, run| frost_enhanced(s, d, f, 4.4, 1.0, distance, run),
            small,
            |scene| frosted_enhanced(scene, distance, 4.4, 1.0),
        );
    }
}

/// Speckle with one pixel in 200 much brighter.
fn with_targets(brightness: f64, window: (usize, usize)) -> Scene {
    let (height, width) = (80, 150);
    let ships = image(height, width, 4, Defect::Ships);
    let calm = image(height, width, 4, Defect::None);
    let brighter = |(&ship, &x): (&f64, &f64)| f64::from((if ship > x { x * brightness } else { x }) as f32);
    let pixels = ships.iter().zip(&calm).map(brighter).collect();
    let window = Window::new(window.0, window.1).unwrap();
    Scene { pixels, height, width, window, border: Border::Shrink, min_valid: 1 }
}

#[test]
fn results_beside_targets_of_any_brightness_are_as_good() {
    for (brightness, damping) in [(10.0, 1.0), (1e2, 0.5), (1e4, 0.1), (1e6, 0.1), (1e6, 0.02), (1e6, 2.0)] {
        for (distance, window) in [(DISTANCES[0], (7, 7)), (DISTANCES[1], (5, 9)), (DISTANCES[0], (15, 15))] {
            let scene = with_targets(brightness, window);
            let want = frosted(&scene, distance, damping);
            let error = worst(&run_whole::<f32>(&scene, &|s, d, f, run| frost(s, d, f, damping, distance, run)), &want);
            assert!(error < 2e-6, "f32 {error:.2e}: {brightness} {damping} {window:?}");
            let error = worst(&run_whole::<f64>(&scene, &|s, d, f, run| frost(s, d, f, damping, distance, run)), &want);
            assert!(error < 1e-12, "f64 {error:.2e}: {brightness} {damping} {window:?}");
        }
    }
}

#[test]
fn damping_goes_from_the_mean_to_the_sample() {
    let scene = with_targets(1e4, (5, 5));
    let frosted = |damping| run_whole::<f64>(&scene, &|s, d, f, run| frost(s, d, f, damping, Distance::Euclidean, run));
    assert!(worst(&frosted(0.0), &run_whole::<f64>(&scene, &boxcar)) < 1e-13);
    assert!(worst(&frosted(1e6), &scene.pixels) < 1e-13);
}

#[test]
fn a_constant_image_is_kept() {
    check_constant::<f32>(&|s, d, f, run| frost(s, d, f, 2.0, Distance::Euclidean, run), &WINDOWS);
    check_constant::<f64>(&|s, d, f, run| frost(s, d, f, 2.0, Distance::Chebyshev, run), &WINDOWS);
    check_constant::<f32>(&|s, d, f, run| frost_enhanced(s, d, f, 4.4, 1.0, Distance::Chebyshev, run), &WINDOWS);
    check_constant::<f64>(&|s, d, f, run| frost_enhanced(s, d, f, 1e12, 1.0, Distance::Euclidean, run), &WINDOWS);
}

#[test]
fn bytes_depend_on_the_window_alone() {
    check_cuts::<f32>(&|s, d, f, run| frost(s, d, f, 2.0, Distance::Euclidean, run), |_| true, Window::half);
    check_cuts::<f64>(&|s, d, f, run| frost(s, d, f, 0.1, Distance::Chebyshev, run), small, Window::half);
    check_cuts::<f32>(&|s, d, f, run| frost_enhanced(s, d, f, 4.4, 1.0, Distance::Euclidean, run), small, Window::half);
    for (y, x) in [(7, 7), (3, 11)] {
        let window = Window::new(y, x).unwrap();
        for distance in DISTANCES {
            check_threads(&|s, d, f, run| frost(s, d, f, 2.0, distance, run), window);
            check_reach(&|s, d, f, run| frost(s, d, f, 2.0, distance, run), window, window.half());
            check_reach(&|s, d, f, run| frost_enhanced(s, d, f, 4.4, 1.0, distance, run), window, window.half());
        }
    }
}

#[test]
fn wrong_parameters_are_refused() {
    let run = Run::threads(1);
    let (src, mut dst) = ([1.0_f32; 6], [0.0_f32; 6]);
    let frame = Frame::new(Placement::default(), Window::new(3, 3).unwrap());
    let src = Raster::new("src", &src, 2, 3).unwrap();
    for damping in [-0.1, f64::NAN, f64::INFINITY] {
        let out = RasterMut::new("dst", &mut dst, 2, 3).unwrap();
        let refused = frost(src, out, &frame, damping, Distance::Euclidean, &run);
        assert!(matches!(refused, Err(Error::Parameter { name: "damping", .. })));
        let out = RasterMut::new("dst", &mut dst, 2, 3).unwrap();
        let refused = frost_enhanced(src, out, &frame, 4.4, damping, Distance::Euclidean, &run);
        assert!(matches!(refused, Err(Error::Parameter { name: "damping", .. })));
    }
    assert_eq!("chebyshev".parse(), Ok(Distance::Chebyshev));
    assert!(matches!("manhattan".parse::<Distance>(), Err(Error::Parameter { name: "distance", .. })));
    for enl in [0.0, f64::NAN] {
        let out = RasterMut::new("dst", &mut dst, 2, 3).unwrap();
        let refused = frost_enhanced(src, out, &frame, enl, 1.0, Distance::Euclidean, &run);
        assert!(matches!(refused, Err(Error::Parameter { name: "enl", .. })));
    }
}
