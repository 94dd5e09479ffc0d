//! The refined Lee filter against the slow and obvious way.
#![allow(clippy::unwrap_used)]

mod images;

use images::filters::{check_constant, check_cuts, check_reach, check_reference, check_threads, run_whole};
use images::scene::Scene;
use kararaster_core::bands::Run;
use kararaster_core::error::Error;
use kararaster_core::raster::{Placement, Raster, RasterMut, Window};
use kararaster_core::speckle::{Border, Frame, Noise, refined_lee};

const SEVEN: Window = Window { y: 7, x: 7 };

fn seven(scene: &Scene) -> bool {
    scene.window == SEVEN
}

/// The sample at a place that may lie outside the image; NaN if it is not valid.
fn sample(scene: &Scene, y: isize, x: isize) -> f64 {
    let (iy, ix) = (y.clamp(0, scene.height as isize - 1), x.clamp(0, scene.width as isize - 1));
    let sample = scene.pixels[iy as usize * scene.width + ix as usize];
    let there = sample.is_finite() && ((iy, ix) == (y, x) || scene.border == Border::Replicate);
    if there { sample } else { f64::NAN }
}

fn mean_variance(samples: &[f64]) -> (f64, f64) {
    let n = samples.len() as f64;
    let mean = samples.iter().sum::<f64>() / n;
    let square = samples.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
    (mean, if samples.len() > 1 { square / (n - 1.0) } else { 0.0 })
}

fn mmse(centre: f64, samples: &[f64], noise: f64) -> f64 {
    let (mean, variance) = mean_variance(samples);
    if variance == 0.0 || mean <= 0.0 {
        return mean;
    }
    let weight = ((variance - mean * mean * noise) / (1.0 + noise)).max(0.0) / variance;
    mean + weight * (centre - mean)
}

/// The 49 samples of a window, and what the filter makes of them.
fn pixel(window: &[[f64; 7]; 7], looks: Option<f64>) -> f64 {
    let mut means = [[0.0; 3]; 3];
    let mut variations = Vec::new();
    for j in 0..3 {
        for i in 0..3 {
            let area: Vec<f64> = (0..9).map(|k| window[2 * j + k / 3][2 * i + k % 3]).collect();
            let (mean, variance) = mean_variance(&area);
            means[j][i] = mean;
            if area.iter().all(|x| x.is_finite()) {
                variations.push(if mean > 0.0 { variance / (mean * mean) } else { 0.0 });
            }
        }
    }
    variations.sort_by(f64::total_cmp);
    variations.truncate(5);
    let local = if variations.is_empty() { 0.0 } else { mean_variance(&variations).0 };
    let noise = looks.map_or(local, |looks| 1.0 / looks);
    let valid = |inside: &dyn Fn(usize, usize) -> bool| -> Vec<f64> {
        (0..49).filter(|i| inside(i / 7, i % 7)).map(|i| window[i / 7][i % 7]).filter(|x| x.is_finite()).collect()
    };
    let all = valid(&|_, _| true);
    if all.len() < 49 {
        return mmse(window[3][3], &all, noise);
    }
    let m = means;
    let sides = [(m[1][0], m[1][2]), (m[0][2], m[2][0]), (m[0][1], m[2][1]), (m[0][0], m[2][2])];
    let gradients = sides.map(|(a, b)| (a - b).abs());
    let steepest = gradients.iter().fold(0.0, |a: f64, &b| a.max(b));
    let k = gradients.iter().position(|&g| g == steepest).unwrap();
    let first = (sides[k].0 - m[1][1]).abs() < (m[1][1] - sides[k].1).abs();
    let half = valid(&|y, x| match (k, first) {
        (0, true) => x <= 3,
        (0, false) => x >= 3,
        (1, true) => x >= y,
        (1, false) => x <= y,
        (2, true) => y <= 3,
        (2, false) => y >= 3,
        (_, true) => x + y <= 6,
        (_, false) => x + y >= 6,
    });
    assert_eq!(half.len(), 28);
    mmse(window[3][3], &half, noise)
}

fn reference(scene: &Scene, looks: Option<f64>) -> Vec<f64> {
    let at = |i: usize| {
        let (row, col) = ((i / scene.width) as isize, (i % scene.width) as isize);
        let mut window = [[f64::NAN; 7]; 7];
        for (y, line) in (row - 3..).zip(&mut window) {
            for (x, to) in (col - 3..).zip(line) {
                *to = sample(scene, y, x);
            }
        }
        let valid = window.iter().flatten().filter(|x| x.is_finite()).count();
        if valid >= scene.min_valid && window[3][3].is_finite() { pixel(&window, looks) } else { f64::NAN }
    };
    (0..scene.pixels.len()).map(at).collect()
}

#[test]
fn the_filter_follows_its_definition() {
    for (noise, looks) in [(Noise::Local, None), (Noise::Looks(4.4), Some(4.4))] {
        check_reference(
            &|s, d, f, run| refined_lee(s, d, f, noise, run),
            &|s, d, f, run| refined_lee(s, d, f, noise, run),
            seven,
            |scene| reference(scene, looks),
        );
    }
}

fn scene(pixels: [[f64; 7]; 7]) -> Scene {
    let pixels = pixels.concat();
    Scene { pixels, height: 7, width: 7, window: SEVEN, border: Border::Shrink, min_valid: 1 }
}

fn centre(pixels: [[f64; 7]; 7], noise: Noise) -> f64 {
    run_whole::<f64>(&scene(pixels), &|s, d, f, run| refined_lee(s, d, f, noise, run))[24]
}

const EDGE: [[f64; 7]; 7] = [
    [2.0, 2.5, 2.3, 10.1, 10.6, 10.4, 10.2],
    [2.3, 2.1, 2.6, 10.4, 10.2, 10.0, 10.5],
    [2.6, 2.4, 2.2, 10.0, 10.5, 10.3, 10.1],
    [2.2, 2.0, 2.5, 10.3, 10.1, 10.6, 10.4],
    [2.5, 2.3, 2.1, 10.6, 10.4, 10.2, 10.0],
    [2.1, 2.6, 2.4, 10.2, 10.0, 10.5, 10.3],
    [2.4, 2.2, 2.0, 10.5, 10.3, 10.1, 10.6],
];
const DIAGONAL: [[f64; 7]; 7] = [
    [10.0, 10.5, 10.3, 10.1, 10.6, 10.4, 10.2],
    [2.3, 10.1, 10.6, 10.4, 10.2, 10.0, 10.5],
    [2.6, 2.4, 10.2, 10.0, 10.5, 10.3, 10.1],
    [2.2, 2.0, 2.5, 10.3, 10.1, 10.6, 10.4],
    [2.5, 2.3, 2.1, 2.6, 10.4, 10.2, 10.0],
    [2.1, 2.6, 2.4, 2.2, 2.0, 10.5, 10.3],
    [2.4, 2.2, 2.0, 2.5, 2.3, 2.1, 10.6],
];
const TEXTURE: [[f64; 7]; 7] = [
    [5.0, 10.5, 9.5, 8.5, 7.5, 6.5, 5.5],
    [8.5, 7.5, 6.5, 5.5, 11.0, 10.0, 9.0],
    [5.5, 11.0, 10.0, 9.0, 8.0, 7.0, 6.0],
    [9.0, 8.0, 7.0, 6.0, 5.0, 10.5, 9.5],
    [6.0, 5.0, 10.5, 9.5, 8.5, 7.5, 6.5],
    [9.5, 8.5, 7.5, 6.5, 5.5, 11.0, 10.0],
    [6.5, 5.5, 11.0, 10.0, 9.0, 8.0, 7.0],
];

#[test]
fn golden_values() {
    let near = |pixels, want: f64| {
        let got = centre(pixels, Noise::Local);
        assert!((got - want).abs() < 1e-12 * want, "got {got}, want {want}");
    };
    near([[2.0, 2.0, 2.0, 10.0, 10.0, 10.0, 10.0]; 7], 10.0);
    near(EDGE, 10.256867044525666);
    near(DIAGONAL, 10.3);
    near(TEXTURE, 7.5946603704883815);
    // One number of looks instead of the local estimate: the estimate itself, given as looks, changes nothing.
    let got = centre(TEXTURE, Noise::Looks(1.0 / 0.04733502242307208));
    assert!((got - 7.5946603704883815).abs() < 1e-12, "{got}");
}

/// Seven equal rows, turned so that the edge lies in each of the eight directions, keep the side of the centre.
#[test]
fn an_edge_is_not_crossed_in_any_direction() {
    type Inside = fn(usize, usize) -> bool;
    let halves: [Inside; 8] = [
        |_, x| x <= 3,
        |_, x| x >= 3,
        |y, _| y <= 3,
        |y, _| y >= 3,
        |y, x| x >= y,
        |y, x| x <= y,
        |y, x| x + y <= 6,
        |y, x| x + y >= 6,
    ];
    for inside in halves {
        let pixels = std::array::from_fn(|y| std::array::from_fn(|x| if inside(y, x) { 10.0 } else { 2.0 }));
        assert_eq!(centre(pixels, Noise::Local), 10.0);
    }
}

#[test]
fn a_constant_image_is_unchanged() {
    for noise in [Noise::Local, Noise::Looks(4.4)] {
        check_constant::<f32>(&|s, d, f, run| refined_lee(s, d, f, noise, run), &[(7, 7), (7, 7)]);
        check_constant::<f64>(&|s, d, f, run| refined_lee(s, d, f, noise, run), &[(7, 7), (7, 7)]);
    }
}

#[test]
fn a_cut_out_gives_the_same_bytes() {
    check_cuts::<f32>(&|s, d, f, run| refined_lee(s, d, f, Noise::Local, run), seven, Window::half);
    check_cuts::<f64>(&|s, d, f, run| refined_lee(s, d, f, Noise::Local, run), seven, Window::half);
    check_threads(&|s, d, f, run| refined_lee(s, d, f, Noise::Local, run), SEVEN);
}

#[test]
fn holes_and_targets_stay_in_their_windows() {
    check_reach(&|s, d, f, run| refined_lee(s, d, f, Noise::Local, run), SEVEN, (3, 3));
}

#[test]
fn wrong_parameters_are_refused() {
    let src = [1.0_f32; 6];
    let call = |window, noise| {
        let mut dst = [0.0_f32; 6];
        let (src, dst) = (Raster::new("src", &src, 2, 3).unwrap(), RasterMut::new("dst", &mut dst, 2, 3).unwrap());
        refined_lee(src, dst, &Frame::new(Placement::default(), window), noise, &Run::threads(1))
    };
    let five = Window::new(7, 5).unwrap();
    assert!(matches!(call(five, Noise::Local), Err(Error::Parameter { name: "window", .. })));
    assert!(matches!(call(SEVEN, Noise::Looks(0.0)), Err(Error::Parameter { name: "enl", .. })));
    assert!(call(SEVEN, Noise::Local).is_ok());
}
