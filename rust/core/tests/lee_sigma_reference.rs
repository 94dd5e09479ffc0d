//! The sigma filter against the slow and obvious way, its range against published and precise numbers.
#![allow(clippy::unwrap_used)]

mod images;

use images::Random;
use images::filters::{check_constant, check_cuts, check_reach, check_reference, check_threads, run_whole, worst};
use images::scene::{Scene, scenes};
use kararaster_core::bands::Run;
use kararaster_core::error::Error;
use kararaster_core::raster::{Placement, Raster, RasterMut, Window};
use kararaster_core::speckle::{Border, Frame, LeeSigma, SigmaEdge, SigmaRange, lee_sigma};

fn parameters(z98: f64, edge: SigmaEdge) -> LeeSigma {
    LeeSigma { enl: 4.4, range: SigmaRange::exact(4.4, 0.9).unwrap(), target_count: 6, z98, edge }
}

fn halo(window: Window) -> (usize, usize) {
    let (y, x) = window.half();
    (y.max(2), x.max(2))
}

/// The sample at a place that may lie outside the image; NaN if it is not valid.
fn sample(scene: &Scene, y: isize, x: isize) -> f64 {
    let (iy, ix) = (y.clamp(0, scene.height as isize - 1), x.clamp(0, scene.width as isize - 1));
    let sample = scene.pixels[iy as usize * scene.width + ix as usize];
    let there = sample.is_finite() && ((iy, ix) == (y, x) || scene.border == Border::Replicate);
    if there { sample } else { f64::NAN }
}

fn around(scene: &Scene, y: isize, x: isize, half: (usize, usize)) -> Vec<f64> {
    let (hy, hx) = (half.0 as isize, half.1 as isize);
    (y - hy..=y + hy).flat_map(|y| (x - hx..=x + hx).map(move |x| sample(scene, y, x))).collect()
}

fn mmse(centre: f64, samples: &[f64], noise: f64) -> f64 {
    let n = samples.len() as f64;
    let mean = samples.iter().sum::<f64>() / n;
    let variance = samples.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0).max(1.0);
    if variance == 0.0 || mean <= 0.0 {
        return mean;
    }
    let weight = ((variance - mean * mean * noise) / (1.0 + noise)).max(0.0) / variance;
    mean + weight * (centre - mean)
}

fn is_target(scene: &Scene, row: isize, col: isize, p: &LeeSigma) -> bool {
    let bright = |y, x| sample(scene, y, x) > p.z98;
    let cluster = |y, x| {
        let count = around(scene, y, x, (1, 1)).iter().filter(|&&x| x > p.z98).count();
        bright(y, x) && count >= p.target_count
    };
    bright(row, col) && (row - 1..=row + 1).any(|y| (col - 1..=col + 1).any(|x| cluster(y, x)))
}

fn reference(scene: &Scene, p: &LeeSigma) -> Vec<f64> {
    let valid = |samples: Vec<f64>| samples.into_iter().filter(|x| x.is_finite()).collect::<Vec<_>>();
    let at = |i: usize| {
        let (row, col) = ((i / scene.width) as isize, (i % scene.width) as isize);
        let centre = scene.pixels[i];
        let samples = valid(around(scene, row, col, scene.window.half()));
        if !centre.is_finite() || samples.len() < scene.min_valid {
            return f64::NAN;
        }
        if p.edge == SigmaEdge::Snap && samples.len() < scene.window.y * scene.window.x {
            return mmse(centre, &samples, 1.0 / p.enl);
        }
        if is_target(scene, row, col, p) {
            return centre;
        }
        let prior = mmse(centre, &valid(around(scene, row, col, (1, 1))), 1.0 / p.enl);
        let within = |x: &f64| *x >= p.range.lower * prior && *x <= p.range.upper * prior;
        let kept: Vec<f64> = samples.into_iter().filter(within).collect();
        if kept.is_empty() { centre } else { mmse(centre, &kept, p.range.noise * p.range.noise) }
    };
    (0..scene.pixels.len()).map(at).collect()
}

#[test]
fn the_filter_follows_its_definition() {
    for p in [
        parameters(f64::INFINITY, SigmaEdge::Shrink),
        LeeSigma { target_count: 3, ..parameters(0.3, SigmaEdge::Shrink) },
        parameters(1e-3, SigmaEdge::Snap),
    ] {
        check_reference(
            &|s, d, f, run| lee_sigma(s, d, f, &p, run),
            &|s, d, f, run| lee_sigma(s, d, f, &p, run),
            |scene| scene.window.y.max(scene.window.x) < 20,
            |scene| reference(scene, &p),
        );
    }
}

#[test]
fn a_large_window_follows_the_definition() {
    let p = parameters(0.5, SigmaEdge::Shrink);
    let large = |s: &&Scene| s.window.y == 31 && s.height == 37;
    for scene in scenes().iter().filter(large) {
        let error = worst(&run_whole::<f32>(scene, &|s, d, f, run| lee_sigma(s, d, f, &p, run)), &reference(scene, &p));
        assert!(error < 2e-6, "{error:.2e}");
    }
}

/// Values that lie exactly on the bounds of others.
#[test]
fn a_sample_on_a_bound_is_within() {
    let range = SigmaRange { lower: 0.5, upper: 2.0, noise: 0.3 };
    let p = LeeSigma { range, ..parameters(f64::INFINITY, SigmaEdge::Shrink) };
    let mut random = Random::new(8);
    let pixels: Vec<f64> = (0..900).map(|_| [1.0, 1.0, 1.0, 1.0, 0.5, 2.0, 0.25][random.below(7)]).collect();
    let window = Window::new(5, 5).unwrap();
    let scene = Scene { pixels, height: 30, width: 30, window, border: Border::Shrink, min_valid: 1 };
    let want = reference(&scene, &p);
    assert!(worst(&run_whole::<f32>(&scene, &|s, d, f, run| lee_sigma(s, d, f, &p, run)), &want) < 2e-6);
    assert!(worst(&run_whole::<f64>(&scene, &|s, d, f, run| lee_sigma(s, d, f, &p, run)), &want) < 1e-12);
    let mut flat = Scene { pixels: vec![1.0; 25], height: 5, width: 5, ..scene };
    flat.pixels[0] = 2.0;
    flat.pixels[4] = f64::from(2.0_f32.next_up());
    let out = run_whole::<f32>(&flat, &|s, d, f, run| lee_sigma(s, d, f, &p, run));
    // All ones and the two, of which the variance is below that of speckle; what is above the bound is left out.
    assert_eq!(out[12], f64::from(1.0 + 1.0_f32 / 24.0));
}

const TARGETS: [[f64; 9]; 9] = [
    [5.0, 10.5, 9.5, 8.5, 7.5, 6.5, 5.5, 11.0, 10.0],
    [8.5, 7.5, 6.5, 5.5, 11.0, 10.0, 9.0, 8.0, 7.0],
    [5.5, 11.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 10.5],
    [9.0, 8.0, 7.0, 60.0, 60.0, 60.0, 9.5, 8.5, 7.5],
    [6.0, 5.0, 10.5, 60.0, 60.0, 60.0, 6.5, 5.5, 11.0],
    [9.5, 8.5, 7.5, 60.0, 60.0, 60.0, 10.0, 9.0, 8.0],
    [6.5, 5.5, 11.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0],
    [10.0, 30.0, 8.0, 7.0, 6.0, 5.0, 10.5, 9.5, 8.5],
    [7.0, 6.0, 5.0, 10.5, 9.5, 8.5, 7.5, 6.5, 5.5],
];

#[test]
fn golden_values() {
    let window = Window::new(5, 5).unwrap();
    let pixels = TARGETS.concat();
    let scene = Scene { pixels, height: 9, width: 9, window, border: Border::Shrink, min_valid: 1 };
    let p = LeeSigma {
        enl: 4.0,
        range: SigmaRange::exact(4.0, 0.9).unwrap(),
        target_count: 6,
        z98: 25.0,
        edge: SigmaEdge::Shrink,
    };
    let out = run_whole::<f64>(&scene, &|s, d, f, run| lee_sigma(s, d, f, &p, run));
    let golden = [
        ((0, 0), 8.222222222222221),
        ((0, 8), 8.0),
        ((1, 3), 8.411764705882353),
        ((2, 4), 8.352941176470589),
        ((3, 3), 60.0),
        ((4, 2), 8.966666666666667),
        ((5, 5), 60.0),
        ((7, 1), 20.43479982750874),
        ((8, 4), 8.166666666666666),
    ];
    for ((y, x), want) in golden {
        let got = out[y * 9 + x];
        assert!((got - want).abs() < 1e-12 * want, "({y}, {x}): got {got}, want {want}");
    }
}

#[test]
fn the_range_is_that_of_the_golden_table() {
    let rows = [
        (4.0, 0.5, 0.6940240938494302, 1.3849022683370238, 0.1924361185570433),
        (4.0, 0.6, 0.6295862995062056, 1.493200333977864, 0.2357789087108655),
        (4.0, 0.7, 0.5598632894178269, 1.62612714120685, 0.2827788532862698),
        (4.0, 0.8, 0.4800661217282784, 1.8037845234222951, 0.33556320621871005),
        (4.0, 0.9, 0.37716591359570517, 2.0888494017132158, 0.3989858365759362),
        (4.0, 0.95, 0.30174002549868006, 2.3575542456394096, 0.4390526810739779),
        (4.4, 0.5, 0.7071001227253556, 1.3643921411516688, 0.18316984054053426),
        (4.4, 0.9, 0.3981590220133695, 2.024273882351724, 0.38005679824750516),
        (4.4, 0.95, 0.32310711555900656, 2.274747600660341, 0.4183343459325005),
    ];
    for (enl, sigma, lower, upper, noise) in rows {
        let range = SigmaRange::exact(enl, sigma).unwrap();
        for (got, want) in [(range.lower, lower), (range.upper, upper), (range.noise, noise)] {
            assert!((got - want).abs() < 1e-11, "{enl} {sigma}: {range:?}");
        }
    }
}

#[test]
fn the_published_table_is_near_the_exact_range() {
    for looks in 1..=4 {
        for sigma in [0.5, 0.6, 0.7, 0.8, 0.9] {
            let (exact, printed) = (SigmaRange::exact(looks.into(), sigma), SigmaRange::published(looks.into(), sigma));
            let (exact, printed) = (exact.unwrap(), printed.unwrap());
            let limit = if looks == 1 { 0.014 } else { 0.0052 };
            assert!((exact.lower - printed.lower).abs() < 1.1e-3, "{looks} {sigma}: {exact:?}");
            assert!((exact.upper - printed.upper).abs() < limit, "{looks} {sigma}: {exact:?}");
            assert!((exact.noise - printed.noise).abs() < 1.5e-3, "{looks} {sigma}: {exact:?}");
        }
    }
    let printed = SigmaRange::published(4.0, 0.9).unwrap();
    assert_eq!((printed.lower, printed.upper, printed.noise), (0.378, 2.094, 0.3991));
}

#[test]
fn a_constant_image_is_unchanged() {
    let windows = [(1, 1), (1, 1), (7, 7), (7, 7), (3, 9), (3, 9)];
    for edge in [SigmaEdge::Shrink, SigmaEdge::Snap] {
        for z98 in [0.2, f64::INFINITY] {
            let p = parameters(z98, edge);
            check_constant::<f32>(&|s, d, f, run| lee_sigma(s, d, f, &p, run), &windows);
            check_constant::<f64>(&|s, d, f, run| lee_sigma(s, d, f, &p, run), &windows);
        }
    }
}

#[test]
fn samples_that_are_not_positive_are_kept() {
    let p = parameters(f64::INFINITY, SigmaEdge::Shrink);
    let pixels: Vec<f64> = (0..40).map(|i| -0.1 - 0.01 * f64::from(i)).collect();
    let window = Window::new(3, 3).unwrap();
    let scene = Scene { pixels, height: 5, width: 8, window, border: Border::Shrink, min_valid: 1 };
    assert_eq!(run_whole::<f64>(&scene, &|s, d, f, run| lee_sigma(s, d, f, &p, run)), scene.pixels);
}

#[test]
fn a_cut_out_gives_the_same_bytes() {
    let small = |scene: &Scene| scene.window.y < 20;
    for edge in [SigmaEdge::Shrink, SigmaEdge::Snap] {
        let p = LeeSigma { target_count: 3, ..parameters(0.3, edge) };
        check_cuts::<f32>(&|s, d, f, run| lee_sigma(s, d, f, &p, run), small, halo);
        check_cuts::<f64>(&|s, d, f, run| lee_sigma(s, d, f, &p, run), small, halo);
        check_threads(&|s, d, f, run| lee_sigma(s, d, f, &p, run), Window::new(5, 5).unwrap());
    }
}

#[test]
fn holes_and_targets_stay_in_their_windows() {
    for size in [1, 3, 7] {
        let window = Window::new(size, size).unwrap();
        let p = parameters(0.5, SigmaEdge::Shrink);
        check_reach(&|s, d, f, run| lee_sigma(s, d, f, &p, run), window, halo(window));
    }
}

#[test]
fn wrong_parameters_are_refused() {
    let src = [1.0_f32; 6];
    let call = |p: LeeSigma| {
        let mut dst = [0.0_f32; 6];
        let (src, dst) = (Raster::new("src", &src, 2, 3).unwrap(), RasterMut::new("dst", &mut dst, 2, 3).unwrap());
        let frame = Frame::new(Placement::default(), Window::new(3, 3).unwrap());
        lee_sigma(src, dst, &frame, &p, &Run::threads(1))
    };
    let p = parameters(1.0, SigmaEdge::Shrink);
    assert!(call(p).is_ok());
    assert!(matches!(call(LeeSigma { enl: 0.0, ..p }), Err(Error::Parameter { name: "enl", .. })));
    assert!(matches!(call(LeeSigma { z98: f64::NAN, ..p }), Err(Error::Parameter { name: "z98", .. })));
    for target_count in [0, 10] {
        let refused = call(LeeSigma { target_count, ..p });
        assert!(matches!(refused, Err(Error::Parameter { name: "target_count", .. })));
    }
    for (range, name) in [
        (SigmaRange::exact(-1.0, 0.9), "enl"),
        (SigmaRange::exact(4.4, 1.0), "sigma"),
        (SigmaRange::exact(1e-4, 0.99), "enl"),
        (SigmaRange::published(4.4, 0.9), "enl"),
        (SigmaRange::published(4.0, 0.95), "sigma"),
    ] {
        assert!(matches!(range, Err(Error::Parameter { name: got, .. }) if got == name), "{range:?}");
    }
}
