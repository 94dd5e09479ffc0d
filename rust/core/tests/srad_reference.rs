//! Anisotropic diffusion against a slow and obvious f64 reference.
#![allow(clippy::unwrap_used)]

mod images;

use images::filters::{check_constant, check_cuts, check_reach, check_reference, check_threads, run_whole};
use images::scene::Scene;
use kararaster_core::bands::Run;
use kararaster_core::error::Error;
use kararaster_core::raster::{Placement, Raster, RasterMut, Window};
use kararaster_core::speckle::{Border, Frame, srad};

const LOOKS: f64 = 4.4;
const ANY_WINDOW: Window = Window { y: 3, x: 3 };

/// The published formulas, each pixel on its own: `I` in the denominators, neighbours looked up one by one.
fn reference(scene: &Scene, iterations: usize, step: f64) -> Vec<f64> {
    let valid = |&x: &f64| if x.is_finite() { x } else { f64::NAN };
    let mut pixels: Vec<f64> = scene.pixels.iter().map(valid).collect();
    let (height, width) = (scene.height as isize, scene.width as isize);
    for iteration in 0..iterations {
        let at = |y: isize, x: isize| {
            let inside = (0..height).contains(&y) && (0..width).contains(&x);
            if inside { pixels[(y * width + x) as usize] } else { f64::NAN }
        };
        let difference = |y, x, dy, dx| {
            let d: f64 = at(y + dy, x + dx) - at(y, x);
            if d.is_nan() { 0.0 } else { d }
        };
        let q0 = (-step * iteration as f64 / 6.0).exp() / LOOKS.sqrt();
        let coefficient = |y, x| {
            let sides = [(-1, 0), (1, 0), (0, -1), (0, 1)].map(|(dy, dx)| difference(y, x, dy, dx) / at(y, x));
            let gradient = sides.iter().map(|d| d * d).sum::<f64>();
            let laplacian = sides.iter().sum::<f64>();
            let q2 = (gradient / 2.0 - laplacian * laplacian / 16.0) / (1.0 + laplacian / 4.0).powi(2);
            let c = 1.0 / (1.0 + (q2 - q0 * q0) / (q0 * q0 * (1.0 + q0 * q0)));
            if q2 <= q0 * q0 { 1.0 } else { c }
        };
        let pixel = |i: isize| {
            let (y, x) = (i / width, i % width);
            let term = |d: f64, cy, cx| if d == 0.0 { 0.0 } else { d * coefficient(cy, cx) };
            let flow = term(difference(y, x, -1, 0), y, x)
                + term(difference(y, x, 1, 0), y + 1, x)
                + term(difference(y, x, 0, -1), y, x)
                + term(difference(y, x, 0, 1), y, x + 1);
            at(y, x) + step / 4.0 * flow
        };
        pixels = (0..height * width).map(pixel).collect();
    }
    pixels
}

/// The filter has no window: one of the sizes will do.
fn one_window(scene: &Scene) -> bool {
    scene.window == ANY_WINDOW
}

#[test]
fn srad_follows_its_formula() {
    for (iterations, step) in [(1, 0.05), (7, 0.25), (20, 1.0)] {
        check_reference(
            &|s, d, f, run| srad(s, d, f, LOOKS, iterations, step, run),
            &|s, d, f, run| srad(s, d, f, LOOKS, iterations, step, run),
            one_window,
            |scene| reference(scene, iterations, step),
        );
    }
}

/// One step by hand: 2 between 1 (above), 3 (below), 2 and 4, with one look: q^2 = (1 + 1 + 4)/2 - 4/16 over 2.5^2 = 0.44.
#[test]
fn one_step_by_hand() {
    let pixels = vec![2.0, 1.0, 2.0, 2.0, 2.0, 4.0, 2.0, 3.0, 2.0];
    let scene = Scene { pixels, height: 3, width: 3, window: ANY_WINDOW, border: Border::Shrink, min_valid: 1 };
    let got = run_whole::<f64>(&scene, &|s, d, f, run| srad(s, d, f, 4.0, 1, 0.4, run))[4];
    let c = |q2: f64| 1.0 / (1.0 + (q2 - 0.25) / (0.25 * 1.25));
    let here = c(0.44);
    // Below: 3 beside 2, 2 and 2 (and nothing below). To the right: 4 beside 2, 2 and 2.
    let (below, right) =
        (c((3.0 / 2.0 - 9.0 / 16.0) / 2.25_f64.powi(2)), c((12.0 / 2.0 - 36.0 / 16.0) / 2.5_f64.powi(2)));
    let (below, right) = (below.min(1.0), right.min(1.0));
    let want = 2.0 + 0.1 * (-here + below + 2.0 * right);
    assert!((got - want).abs() < 1e-14, "{got} instead of {want}");
}

#[test]
fn nothing_is_lost_or_made() {
    // Every flow between two pixels is counted once with each sign.
    let scene = Scene {
        pixels: images::image(60, 90, 4, images::Defect::Ships),
        height: 60,
        width: 90,
        window: ANY_WINDOW,
        border: Border::Shrink,
        min_valid: 1,
    };
    let got = run_whole::<f64>(&scene, &|s, d, f, run| srad(s, d, f, LOOKS, 10, 0.5, run));
    let (before, after) = (scene.pixels.iter().sum::<f64>(), got.iter().sum::<f64>());
    assert!((after / before - 1.0).abs() < 1e-12, "{before} became {after}");
}

#[test]
fn bytes_depend_neither_on_cuts_nor_on_threads() {
    for iterations in [1, 6] {
        let halo = (2 * iterations, 2 * iterations);
        check_cuts::<f32>(&|s, d, f, run| srad(s, d, f, LOOKS, iterations, 0.5, run), one_window, |_| halo);
        check_cuts::<f64>(&|s, d, f, run| srad(s, d, f, LOOKS, iterations, 0.5, run), one_window, |_| halo);
        check_threads(&|s, d, f, run| srad(s, d, f, LOOKS, iterations, 0.5, run), ANY_WINDOW);
        check_reach(&|s, d, f, run| srad(s, d, f, LOOKS, iterations, 0.5, run), ANY_WINDOW, halo);
    }
}

#[test]
fn a_constant_image_stays() {
    check_constant::<f32>(&|s, d, f, run| srad(s, d, f, LOOKS, 8, 0.5, run), &[(3, 3), (3, 3)]);
    check_constant::<f64>(&|s, d, f, run| srad(s, d, f, LOOKS, 8, 0.5, run), &[(3, 3), (3, 3)]);
}

#[test]
fn wrong_parameters_are_refused() {
    let call = |enl, iterations, step| {
        let (src, mut dst) = ([1.0_f32; 4], [0.0_f32; 4]);
        let src = Raster::new("src", &src, 2, 2).unwrap();
        let out = RasterMut::new("dst", &mut dst, 2, 2).unwrap();
        let frame = Frame::new(Placement::default(), ANY_WINDOW);
        match srad(src, out, &frame, enl, iterations, step, &Run::threads(1)) {
            Err(Error::Parameter { name, .. }) => name,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(call(-1.0, 10, 0.5), "enl");
    assert_eq!(call(4.4, 0, 0.5), "iterations");
    for step in [0.0, 1.5, f64::NAN] {
        assert_eq!(call(4.4, 10, step), "step");
    }
}
