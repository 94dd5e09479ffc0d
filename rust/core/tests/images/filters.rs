//! What every windowed filter is held to.

use kararaster_core::bands::Run;
use kararaster_core::error::Error;
use kararaster_core::raster::{Placement, Raster, RasterMut, Real, Window};
use kararaster_core::speckle::{Border, Frame};

use super::scene::{Scene, scenes};
use super::{Defect, Random, image};

/// A filter with its parameters; `Run` says on how many threads.
pub type Filter<'r, T> = dyn Fn(Raster<'_, T>, RasterMut<'_, T>, &Frame, &Run<'_>) -> Result<(), Error> + 'r;

fn run<T: Real>(filter: &Filter<'_, T>, src: &[T], size: (usize, usize), frame: &Frame, threads: usize) -> Vec<T> {
    let mut dst = vec![T::NAN; src.len()];
    let out = RasterMut::new("dst", &mut dst, size.0, size.1).unwrap();
    filter(Raster::new("src", src, size.0, size.1).unwrap(), out, frame, &Run::threads(threads)).unwrap();
    dst
}

fn of<T: Real>(pixels: &[f64]) -> Vec<T> {
    pixels.iter().map(|&x| T::from_f64(x)).collect()
}

pub fn run_whole<T: Real>(scene: &Scene, filter: &Filter<'_, T>) -> Vec<f64> {
    let out = run(filter, &of(&scene.pixels), (scene.height, scene.width), &scene.frame(), 1);
    out.iter().map(|x| x.to_f64()).collect()
}

/// Filter the rows and columns (start, end) of the image from a cut-out with a halo.
pub fn run_cut<T: Real>(
    scene: &Scene,
    filter: &Filter<'_, T>,
    halo: (usize, usize),
    rows: (usize, usize),
    cols: (usize, usize),
) -> Vec<f64> {
    let (top, left) = (halo.0.min(rows.0), halo.1.min(cols.0));
    let (y0, x0) = (rows.0 - top, cols.0 - left);
    let (y1, x1) = ((rows.1 + halo.0).min(scene.height), (cols.1 + halo.1).min(scene.width));
    let cut = (y0..y1).flat_map(|y| &scene.pixels[y * scene.width + x0..y * scene.width + x1]);
    let cut: Vec<T> = cut.map(|&x| T::from_f64(x)).collect();
    let (height, width) = (rows.1 - rows.0, cols.1 - cols.0);
    let mut dst = vec![T::NAN; height * width];
    let frame = Frame { placement: Placement { origin_row: y0, top, left }, ..scene.frame() };
    let out = RasterMut::new("dst", &mut dst, height, width).unwrap();
    filter(Raster::new("src", &cut, y1 - y0, x1 - x0).unwrap(), out, &frame, &Run::threads(1)).unwrap();
    dst.iter().map(|x| x.to_f64()).collect()
}

/// Largest relative difference; NaN must meet NaN.
#[track_caller]
pub fn worst(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let error = |(i, (&got, &want)): (usize, (&f64, &f64))| {
        assert_eq!(got.is_nan(), want.is_nan(), "pixel {i}: got {got}, want {want}");
        if got == want || want.is_nan() { 0.0 } else { ((got - want) / want).abs() }
    };
    got.iter().zip(want).enumerate().map(error).fold(0.0, f64::max)
}

#[track_caller]
fn same(got: &[f64], want: impl Iterator<Item = f64>, about: &str) {
    let same = got.iter().zip(want).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()));
    assert!(same, "{about}");
}

/// Within 2e-6 of the reference in single precision, 1e-12 in double, on all scenes that `fits` lets through.
#[track_caller]
pub fn check_reference(
    single: &Filter<'_, f32>,
    double: &Filter<'_, f64>,
    fits: impl Fn(&Scene) -> bool,
    want: impl Fn(&Scene) -> Vec<f64>,
) {
    for scene in scenes().iter().filter(|scene| fits(scene)) {
        let want = want(scene);
        let error = worst(&run_whole(scene, single), &want);
        assert!(error < 2e-6, "f32 {error:.2e}: {:?} {}x{}", scene.frame(), scene.height, scene.width);
        let error = worst(&run_whole(scene, double), &want);
        assert!(error < 1e-12, "f64 {error:.2e}: {:?} {}x{}", scene.frame(), scene.height, scene.width);
    }
}

/// The bytes of a region do not depend on how much of the image lies around it, beyond the halo.
#[track_caller]
pub fn check_cuts<T: Real>(
    filter: &Filter<'_, T>,
    fits: impl Fn(&Scene) -> bool,
    halo: impl Fn(Window) -> (usize, usize),
) {
    let mut random = Random::new(5);
    for scene in scenes().iter().filter(|s| s.height * s.width > 1 && fits(s)) {
        let whole = run_whole(scene, filter);
        for _ in 0..3 {
            let mut range = |n: usize| {
                let start = random.below(n);
                (start, start + 1 + random.below(n - start))
            };
            let (rows, cols) = (range(scene.height), range(scene.width));
            let got = run_cut(scene, filter, halo(scene.window), rows, cols);
            let want = (rows.0..rows.1).flat_map(|y| &whole[y * scene.width + cols.0..y * scene.width + cols.1]);
            same(&got, want.copied(), &format!("{:?} rows {rows:?} cols {cols:?}", scene.frame()));
        }
    }
}

/// The bytes do not depend on the number of threads.
#[track_caller]
pub fn check_threads(filter: &Filter<'_, f32>, window: Window) {
    let size = (290, 330);
    for defect in [Defect::None, Defect::Holes, Defect::Ships] {
        let src: Vec<f32> = of(&image(size.0, size.1, 9, defect));
        let frame = Frame::new(Placement { origin_row: 13, ..Placement::default() }, window);
        let bits = |threads| run(filter, &src, size, &frame, threads).iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let one = bits(1);
        for threads in [2, 7] {
            same(&bits(threads), one.iter().copied(), &format!("{threads} threads"));
        }
    }
}

/// A constant image comes out bit for bit, holes stay holes.
#[track_caller]
pub fn check_constant<T: Real>(filter: &Filter<'_, T>, windows: &[(usize, usize)]) {
    let (height, width) = (41, 75);
    for constant in [0.0, 0.1, 0.3, 7.3e-5, 1.0 / 3.0, 4321.7] {
        for (i, &(y, x)) in windows.iter().enumerate() {
            let mut random = Random::new(i as u64);
            let holes = |i: usize| if i % 2 == 1 && random.below(9) == 0 { f64::NAN } else { constant };
            let src: Vec<T> = of(&(0..height * width).map(holes).collect::<Vec<_>>());
            let frame = Frame::new(Placement::default(), Window::new(y, x).unwrap());
            for border in [Border::Shrink, Border::Replicate] {
                let out = run(filter, &src, (height, width), &Frame { border, ..frame }, 1);
                for (got, want) in out.iter().zip(&src) {
                    let (got, want) = (got.to_f64(), want.to_f64());
                    let same = got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan());
                    assert!(same, "{border:?} {y}x{x}: {got:e} instead of {want:e}");
                }
            }
        }
    }
}

/// A hole, and a target a million times brighter, change only what lies within the halo.
#[track_caller]
pub fn check_reach(filter: &Filter<'_, f32>, window: Window, halo: (usize, usize)) {
    let (height, width, at) = (150, 300, (70, 140));
    let src: Vec<f32> = of(&image(height, width, 3, Defect::Ships));
    let frame = Frame::new(Placement::default(), window);
    let before = run(filter, &src, (height, width), &frame, 1);
    for other in [f32::NAN, f32::NEG_INFINITY, 1e6] {
        let mut changed = src.clone();
        changed[at.0 * width + at.1] = other;
        let after = run(filter, &changed, (height, width), &frame, 1);
        assert_eq!(after[at.0 * width + at.1].is_nan(), !other.is_finite());
        for (i, (a, b)) in before.iter().zip(&after).enumerate() {
            let near = (i / width).abs_diff(at.0) <= halo.0 && (i % width).abs_diff(at.1) <= halo.1;
            assert!(near || a.to_bits() == b.to_bits(), "pixel {i}: {a} became {b} with {other}");
            assert!(i == at.0 * width + at.1 || !b.is_nan(), "NaN spread to pixel {i}");
        }
    }
}
