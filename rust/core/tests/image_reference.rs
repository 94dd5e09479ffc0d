//! Windowed filters against a slow and obvious f64 reference.
#![allow(clippy::unwrap_used)]

mod images;

use images::filters::{Filter, check_constant, check_cuts, check_reach, check_reference, run_whole, worst};
use images::scene::{Scene, scenes};
use kararaster_core::bands::Run;
use kararaster_core::error::Error;
use kararaster_core::raster::{Placement, Raster, RasterMut, Real, Window};
use kararaster_core::speckle::{Border, Frame, boxcar, enl, gamma_map, kuan, lee, lee_enhanced};

#[test]
fn boxcar_is_the_mean_of_the_valid_samples() {
    check_reference(&boxcar, &boxcar, |_| true, |scene| scene.map(|_, mean, _, _| mean));
}

#[test]
fn lee_follows_its_formula() {
    check_reference(
        &|s, d, f, run| lee(s, d, f, 4.4, run),
        &|s, d, f, run| lee(s, d, f, 4.4, run),
        |_| true,
        |scene| scene.lee(4.4),
    );
}

#[test]
fn kuan_follows_its_formula() {
    let want = |scene: &Scene| {
        scene.map(|x, mean, variance, _| {
            if mean <= 0.0 || variance == 0.0 {
                return mean;
            }
            let weight = (1.0 - 1.0 / 4.4 / (variance / (mean * mean))) / (1.0 + 1.0 / 4.4);
            mean + weight.max(0.0) * (x - mean)
        })
    };
    check_reference(&|s, d, f, run| kuan(s, d, f, 4.4, run), &|s, d, f, run| kuan(s, d, f, 4.4, run), |_| true, want);
}

/// A filter of (centre, mean, variance).
type Formula<'a> = &'a dyn Fn(f64, f64, f64) -> f64;

/// Within `error` of what the formula gives for some variance that sums with a relative error of `error / 6` allow. Next to
/// the threshold of targets these filters jump or turn steeply, and the variance decides.
#[track_caller]
fn check_formula<T: Real>(filter: &Filter<'_, T>, formula: Formula<'_>, error: f64) {
    for scene in scenes() {
        let with = |noise: f64| {
            scene.map(|x, mean, variance, _| formula(x, mean, variance + noise * (variance + mean * mean)))
        };
        let (less, more) = (with(-error / 6.0), with(error / 6.0));
        for ((got, a), b) in run_whole(&scene, filter).into_iter().zip(less).zip(more) {
            let fits = got >= a.min(b) * (1.0 - error) && got <= a.max(b) * (1.0 + error);
            assert!(fits || (got.is_nan() && a.is_nan()), "{got:e} instead of {a:e} to {b:e}: {:?}", scene.frame());
        }
    }
}

fn lee_enhanced_of(enl: f64, damping: f64, x: f64, mean: f64, variance: f64) -> f64 {
    let (low, high) = (enl.powf(-0.5), (1.0 + 2.0 / enl).sqrt());
    match variance.max(0.0).sqrt() / mean {
        variation if mean <= 0.0 || variation <= low => mean,
        variation if variation >= high => x,
        variation => {
            let weight = (-damping * (variation - low) / (high - variation)).exp();
            weight * mean + (1.0 - weight) * x
        }
    }
}

#[test]
fn lee_enhanced_follows_its_formula() {
    for (enl, damping) in [(4.4, 1.0), (1.0, 0.3)] {
        let formula = |x, mean, variance| lee_enhanced_of(enl, damping, x, mean, variance);
        check_formula::<f32>(&|s, d, f, run| lee_enhanced(s, d, f, enl, damping, run), &formula, 2e-6);
        check_formula::<f64>(&|s, d, f, run| lee_enhanced(s, d, f, enl, damping, run), &formula, 1e-12);
    }
}

/// The published form, with alpha.
fn gamma_map_of(enl: f64, x: f64, mean: f64, variance: f64) -> f64 {
    let (speckle, variation) = (1.0 / enl, variance / (mean * mean));
    match variation {
        _ if mean <= 0.0 || variation <= speckle => mean,
        _ if variation >= 2.0 * speckle => x,
        _ => {
            let alpha = (1.0 + speckle) / (variation - speckle);
            let b = alpha - enl - 1.0;
            (b * mean + (b * b * mean * mean + 4.0 * alpha * enl * mean * x).sqrt()) / (2.0 * alpha)
        }
    }
}

#[test]
fn gamma_map_follows_its_formula() {
    for enl in [4.4, 1.0] {
        let formula = |x, mean, variance| gamma_map_of(enl, x, mean, variance);
        check_formula::<f32>(&|s, d, f, run| gamma_map(s, d, f, enl, run), &formula, 2e-6);
        check_formula::<f64>(&|s, d, f, run| gamma_map(s, d, f, enl, run), &formula, 1e-12);
    }
}

#[test]
fn enl_is_the_moment_ratio_of_whole_windows() {
    let want = |scene: &Scene| {
        let area = scene.window.y * scene.window.x;
        let whole = Scene { border: Border::Shrink, min_valid: area, pixels: scene.pixels.clone(), ..*scene };
        whole.map(|_, mean, variance, _| if variance > 0.0 { mean * mean / variance } else { f64::NAN })
    };
    // Two or three samples may have any number of looks: only windows that hold speckle are compared.
    let big = |scene: &Scene| scene.window.y * scene.window.x >= 25 || scene.window.y * scene.window.x == 1;
    for scene in scenes().iter().filter(|s| big(s)) {
        let error = worst(&run_whole::<f32>(scene, &enl), &want(scene));
        assert!(error < 4e-6, "{error:.2e}");
        let error = worst(&run_whole::<f64>(scene, &enl), &want(scene));
        assert!(error < 1e-12, "{error:.2e}");
    }
}

#[test]
fn golden_values_of_the_speckle_filters() {
    let b = [4, 5, 3, 6, 5, 6, 2, 5, 9, 4, 3, 7, 4, 8, 12, 5, 1, 6, 3, 10, 8, 4, 5, 7, 2];
    let scene = |border| Scene {
        pixels: b.iter().map(|&x| f64::from(x)).collect(),
        height: 5,
        width: 5,
        window: Window::new(3, 3).unwrap(),
        border,
        min_valid: 1,
    };
    let filtered = |border| run_whole::<f64>(&scene(border), &|s, d, f, run| lee(s, d, f, 4.0, run));
    let (shrunk, replicated) = (filtered(Border::Shrink), filtered(Border::Replicate));
    assert!((shrunk[12] - 4.833333333).abs() < 1e-9);
    assert!((shrunk[0] - 4.25).abs() < 1e-12);
    assert!((replicated[0] - 4.444444444444445).abs() < 1e-12);
}

#[test]
fn degenerate_windows_keep_the_mean() {
    let run = Run::threads(1);
    for value in [0.0_f32, -2.5, 0.1, 7.3e-5] {
        let src = [value; 35];
        let (mut dst, mut looks) = ([9.0; 35], [9.0; 35]);
        let frame = Frame::new(Placement::default(), Window::new(3, 5).unwrap());
        let src = Raster::new("src", &src, 5, 7).unwrap();
        lee(src, RasterMut::new("dst", &mut dst, 5, 7).unwrap(), &frame, 4.4, &run).unwrap();
        enl(src, RasterMut::new("dst", &mut looks, 5, 7).unwrap(), &frame, &run).unwrap();
        assert!(dst.iter().all(|&x| x == value), "{value}: {dst:?}");
        assert!(looks.iter().all(|x| x.is_nan()), "a constant window has no number of looks: {looks:?}");
    }
}

#[test]
fn a_cut_out_gives_the_same_bytes() {
    let all = |_: &Scene| true;
    check_cuts::<f32>(&boxcar, all, Window::half);
    check_cuts::<f32>(&|s, d, f, run| lee(s, d, f, 4.4, run), all, Window::half);
    check_cuts::<f64>(&|s, d, f, run| lee(s, d, f, 4.4, run), all, Window::half);
    check_cuts::<f64>(&boxcar, all, Window::half);
    check_cuts::<f32>(&|s, d, f, run| kuan(s, d, f, 4.4, run), all, Window::half);
    check_cuts::<f32>(&|s, d, f, run| lee_enhanced(s, d, f, 4.4, 1.0, run), all, Window::half);
    check_cuts::<f32>(&|s, d, f, run| gamma_map(s, d, f, 4.4, run), all, Window::half);
    check_cuts::<f32>(&enl, all, Window::half);
}

#[test]
fn constant_images_come_out_bit_for_bit() {
    let windows: Vec<_> = (1..=31).step_by(2).flat_map(|n| [(n, n), (32 - n, 7)]).collect();
    check_constant::<f32>(&boxcar, &windows);
    check_constant::<f64>(&boxcar, &windows);
    check_constant::<f32>(&|s, d, f, run| lee(s, d, f, 4.4, run), &windows);
    check_constant::<f64>(&|s, d, f, run| lee(s, d, f, 4.4, run), &windows);
    let windows = [(3, 3), (7, 7), (5, 9), (15, 15), (31, 31)];
    check_constant::<f32>(&|s, d, f, run| kuan(s, d, f, 4.4, run), &windows);
    check_constant::<f32>(&|s, d, f, run| lee_enhanced(s, d, f, 4.4, 1.0, run), &windows);
    check_constant::<f32>(&|s, d, f, run| gamma_map(s, d, f, 4.4, run), &windows);
    check_constant::<f64>(&|s, d, f, run| gamma_map(s, d, f, 4.4, run), &windows);
}

#[test]
fn holes_and_targets_stay_in_their_windows() {
    let window = Window::new(7, 7).unwrap();
    check_reach(&|s, d, f, run| lee(s, d, f, 4.4, run), window, window.half());
    check_reach(&|s, d, f, run| kuan(s, d, f, 4.4, run), window, window.half());
    check_reach(&|s, d, f, run| lee_enhanced(s, d, f, 4.4, 1.0, run), window, window.half());
    check_reach(&|s, d, f, run| gamma_map(s, d, f, 4.4, run), window, window.half());
    check_reach(&boxcar, window, window.half());
}

#[test]
fn wrong_parameters_are_refused() {
    let run = Run::threads(1);
    let src = [1.0_f32; 6];
    let mut dst = [0.0_f32; 6];
    let frame = Frame::new(Placement { origin_row: 0, top: 1, left: 0 }, Window::new(3, 3).unwrap());
    let src = Raster::new("src", &src, 2, 3).unwrap();
    let mut call = |frame: &Frame, looks| lee(src, RasterMut::new("dst", &mut dst, 2, 3).unwrap(), frame, looks, &run);
    assert!(matches!(call(&frame, 4.4), Err(Error::Shape { name: "dst", .. })));
    let frame = Frame::new(Placement::default(), Window::new(3, 3).unwrap());
    assert!(matches!(call(&frame, 0.0), Err(Error::Parameter { name: "enl", .. })));
    assert!(matches!(call(&frame, f64::NAN), Err(Error::Parameter { name: "enl", .. })));
    let even = Frame { window: Window { y: 2, x: 0 }, ..frame };
    assert!(matches!(call(&even, 4.4), Err(Error::Parameter { name: "window", .. })));
    let few = Frame { min_valid: 10, ..frame };
    assert!(matches!(call(&few, 4.4), Err(Error::Parameter { name: "min_valid", .. })));
    for damping in [-1.0, f64::NAN, f64::INFINITY] {
        let out = RasterMut::new("dst", &mut dst, 2, 3).unwrap();
        let got = lee_enhanced(src, out, &frame, 4.4, damping, &run);
        assert!(matches!(got, Err(Error::Parameter { name: "damping", .. })));
    }
}
