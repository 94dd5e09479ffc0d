//! Windowed filters against a slow and obvious f64 reference.
#![allow(clippy::unwrap_used)]

mod images;

use images::scene::{Scene, scenes};
use images::{Defect, Random, image};
use kararaster_core::bands::Run;
use kararaster_core::error::Error;
use kararaster_core::raster::{Placement, Raster, RasterMut, Real, Window};
use kararaster_core::speckle::{Border, Frame, boxcar, enl, lee};

type Filter<'r, T> = dyn Fn(Raster<'_, T>, RasterMut<'_, T>, &Frame) -> Result<(), Error> + 'r;

fn run_whole<T: Real>(scene: &Scene, filter: &Filter<'_, T>) -> Vec<f64> {
    let src: Vec<T> = scene.pixels.iter().map(|&x| T::from_f64(x)).collect();
    let mut dst = vec![T::NAN; src.len()];
    let out = RasterMut::new("dst", &mut dst, scene.height, scene.width).unwrap();
    filter(Raster::new("src", &src, scene.height, scene.width).unwrap(), out, &scene.frame()).unwrap();
    dst.iter().map(|x| x.to_f64()).collect()
}

/// Largest relative difference; NaN must meet NaN.
#[track_caller]
fn worst(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let error = |(i, (&got, &want)): (usize, (&f64, &f64))| {
        assert_eq!(got.is_nan(), want.is_nan(), "pixel {i}: got {got}, want {want}");
        if got == want || want.is_nan() { 0.0 } else { ((got - want) / want).abs() }
    };
    got.iter().zip(want).enumerate().map(error).fold(0.0, f64::max)
}

fn check_f32(filter: &Filter<'_, f32>, want: impl Fn(&Scene) -> Vec<f64>) {
    for scene in scenes() {
        let error = worst(&run_whole(&scene, filter), &want(&scene));
        assert!(error < 2e-6, "{error:.2e}: {:?} {}x{}", scene.frame(), scene.height, scene.width);
    }
}

fn check_f64(filter: &Filter<'_, f64>, want: impl Fn(&Scene) -> Vec<f64>) {
    for scene in scenes() {
        let error = worst(&run_whole(&scene, filter), &want(&scene));
        assert!(error < 1e-12, "{error:.2e}: {:?} {}x{}", scene.frame(), scene.height, scene.width);
    }
}

#[test]
fn boxcar_is_the_mean_of_the_valid_samples() {
    let run = Run::threads(1);
    check_f32(&|s, d, f| boxcar(s, d, f, &run), |scene| scene.map(|_, mean, _, _| mean));
    check_f64(&|s, d, f| boxcar(s, d, f, &run), |scene| scene.map(|_, mean, _, _| mean));
}

#[test]
fn lee_follows_its_formula() {
    let run = Run::threads(1);
    check_f32(&|s, d, f| lee(s, d, f, 4.4, &run), |scene| scene.lee(4.4));
    check_f64(&|s, d, f| lee(s, d, f, 4.4, &run), |scene| scene.lee(4.4));
}

#[test]
fn enl_is_the_moment_ratio_of_whole_windows() {
    let run = Run::threads(1);
    let want = |scene: &Scene| {
        let area = scene.window.y * scene.window.x;
        let whole = Scene { border: Border::Shrink, min_valid: area, pixels: scene.pixels.clone(), ..*scene };
        whole.map(|_, mean, variance, _| if variance > 0.0 { mean * mean / variance } else { f64::NAN })
    };
    // Two or three samples may have any number of looks: only windows that hold speckle are compared.
    let big = |scene: &Scene| scene.window.y * scene.window.x >= 25 || scene.window.y * scene.window.x == 1;
    for scene in scenes().iter().filter(|s| big(s)) {
        let error = worst(&run_whole::<f32>(scene, &|s, d, f| enl(s, d, f, &run)), &want(scene));
        assert!(error < 4e-6, "{error:.2e}");
        let error = worst(&run_whole::<f64>(scene, &|s, d, f| enl(s, d, f, &run)), &want(scene));
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
    let run = Run::threads(1);
    let filtered = |border| run_whole::<f64>(&scene(border), &|s, d, f| lee(s, d, f, 4.0, &run));
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
        assert!(dst.iter().all(|x| (x - value).abs() <= 2e-7 * value.abs()), "{value}: {dst:?}");
        assert!(looks.iter().all(|x| x.is_nan()), "a constant window has no number of looks: {looks:?}");
    }
}

/// Filter a region of the image from a cut-out with its halo.
fn run_cut<T: Real>(scene: &Scene, filter: &Filter<'_, T>, rows: (usize, usize), cols: (usize, usize)) -> Vec<f64> {
    let (hy, hx) = scene.window.half();
    let (top, left) = (hy.min(rows.0), hx.min(cols.0));
    let (y0, x0) = (rows.0 - top, cols.0 - left);
    let (y1, x1) = ((rows.1 + hy).min(scene.height), (cols.1 + hx).min(scene.width));
    let cut = (y0..y1).flat_map(|y| &scene.pixels[y * scene.width + x0..y * scene.width + x1]);
    let cut: Vec<T> = cut.map(|&x| T::from_f64(x)).collect();
    let (height, width) = (rows.1 - rows.0, cols.1 - cols.0);
    let mut dst = vec![T::NAN; height * width];
    let frame = Frame { placement: Placement { origin_row: y0, top, left }, ..scene.frame() };
    let out = RasterMut::new("dst", &mut dst, height, width).unwrap();
    filter(Raster::new("src", &cut, y1 - y0, x1 - x0).unwrap(), out, &frame).unwrap();
    dst.iter().map(|x| x.to_f64()).collect()
}

fn check_cuts<T: Real>(filter: &Filter<'_, T>) {
    let mut random = Random::new(5);
    for scene in scenes().iter().filter(|s| s.height * s.width > 1) {
        let whole = run_whole(scene, filter);
        for _ in 0..3 {
            let mut range = |n: usize| {
                let start = random.below(n);
                (start, start + 1 + random.below(n - start))
            };
            let (rows, cols) = (range(scene.height), range(scene.width));
            let got = run_cut(scene, filter, rows, cols);
            let want = (rows.0..rows.1).flat_map(|y| &whole[y * scene.width + cols.0..y * scene.width + cols.1]);
            let same = got.iter().zip(want).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()));
            assert!(same, "{:?} rows {rows:?} cols {cols:?}", scene.frame());
        }
    }
}

#[test]
fn a_cut_out_gives_the_same_bytes() {
    let run = Run::threads(1);
    check_cuts::<f32>(&|s, d, f| boxcar(s, d, f, &run));
    check_cuts::<f32>(&|s, d, f| lee(s, d, f, 4.4, &run));
    check_cuts::<f64>(&|s, d, f| lee(s, d, f, 4.4, &run));
    check_cuts::<f32>(&|s, d, f| enl(s, d, f, &run));
}

#[test]
fn a_hole_changes_only_windows_that_hold_it() {
    let (height, width, run) = (90, 200, Run::threads(1));
    let src: Vec<f32> = image(height, width, 3, Defect::Ships).iter().map(|&x| x as f32).collect();
    let mut holed = src.clone();
    holed[40 * width + 100] = f32::NEG_INFINITY;
    let frame = Frame::new(Placement::default(), Window::new(7, 7).unwrap());
    let filtered = |src: &[f32]| {
        let mut dst = vec![0.0; src.len()];
        let out = RasterMut::new("dst", &mut dst, height, width).unwrap();
        lee(Raster::new("src", src, height, width).unwrap(), out, &frame, 4.4, &run).unwrap();
        dst
    };
    let (before, after) = (filtered(&src), filtered(&holed));
    for (i, (a, b)) in before.iter().zip(&after).enumerate() {
        let near = (i / width).abs_diff(40) <= 3 && (i % width).abs_diff(100) <= 3;
        assert_eq!(a.to_bits() == b.to_bits(), !near, "pixel {i}");
    }
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
    let frame = Frame { min_valid: 10, ..frame };
    assert!(matches!(call(&frame, 4.4), Err(Error::Parameter { name: "min_valid", .. })));
}
