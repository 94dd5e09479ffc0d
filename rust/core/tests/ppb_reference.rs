//! The non-local filter against a slow and obvious f64 reference.
#![allow(clippy::unwrap_used)]

mod images;

use images::filters::{check_constant, check_cuts, check_reach, check_threads, run_whole, worst};
use images::scene::{Scene, scenes};
use kararaster_core::bands::Run;
use kararaster_core::error::Error;
use kararaster_core::raster::{Placement, Raster, RasterMut, Window};
use kararaster_core::speckle::{Border, Frame, Ppb, ppb};

const LOOKS: f64 = 4.4;
const TEMPERATURE: f64 = 0.2;
const ANY_WINDOW: Window = Window { y: 3, x: 3 };

/// Half sizes and iterations, so that the reference need not ask the filter for them.
#[derive(Clone, Copy)]
struct Sizes {
    search: isize,
    patch: isize,
    iterations: usize,
}

impl Sizes {
    fn parameters(self) -> Ppb {
        Ppb::new(LOOKS, self.search as usize, self.patch as usize, 0.92, TEMPERATURE, self.iterations).unwrap()
    }

    fn halo(self) -> usize {
        (self.search + self.patch) as usize * self.iterations
    }
}

const SMALL: Sizes = Sizes { search: 3, patch: 1, iterations: 3 };
const WIDE: Sizes = Sizes { search: 5, patch: 3, iterations: 2 };

struct Image<'a> {
    pixels: &'a [f64],
    height: isize,
    width: isize,
}

impl Image<'_> {
    /// A sample that can be compared.
    fn at(&self, y: isize, x: isize) -> Option<f64> {
        let inside = (0..self.height).contains(&y) && (0..self.width).contains(&x);
        let sample = if inside { self.pixels[(y * self.width + x) as usize] } else { f64::NAN };
        (sample.is_finite() && sample > 0.0).then_some(sample)
    }
}

/// Means over the patches around two pixels of both terms; the first without its constant `ln 2`.
fn unlikeness(image: &Image<'_>, before: &Image<'_>, patch: isize, s: (isize, isize), t: (isize, isize)) -> (f64, f64) {
    let (mut data, mut estimate, mut count) = (0.0, 0.0, 0.0);
    for dy in -patch..=patch {
        for dx in -patch..=patch {
            let (s, t) = ((s.0 + dy, s.1 + dx), (t.0 + dy, t.1 + dx));
            let (Some(a), Some(b)) = (image.at(s.0, s.1), image.at(t.0, t.1)) else { continue };
            let ratio = (a / b).sqrt();
            data += ((ratio + 1.0 / ratio) / 2.0).ln();
            if let (Some(r), Some(q)) = (before.at(s.0, s.1), before.at(t.0, t.1)) {
                estimate += (r - q) * (r - q) / (r * q);
            }
            count += 1.0;
        }
    }
    (data / count, estimate / count)
}

fn iteration(image: &Image<'_>, before: &Image<'_>, sizes: Sizes, h: f64) -> Vec<f64> {
    let area = ((2 * sizes.patch + 1) * (2 * sizes.patch + 1)) as f64;
    let pixel = |i: isize| {
        let (y, x) = (i / image.width, i % image.width);
        let Some(centre) = image.at(y, x) else {
            let sample = image.pixels[i as usize];
            return if sample.is_finite() { sample } else { f64::NAN };
        };
        let (mut sum, mut weight, mut largest) = (0.0, 0.0, 0.0_f64);
        for ty in y - sizes.search..=y + sizes.search {
            for tx in x - sizes.search..=x + sizes.search {
                let Some(power) = image.at(ty, tx).filter(|_| (ty, tx) != (y, x)) else { continue };
                let (data, estimate) = unlikeness(image, before, sizes.patch, (y, x), (ty, tx));
                let w = (-area * data / h - LOOKS / TEMPERATURE * estimate).exp();
                let w = if w < 2_f64.powi(-100) { 0.0 } else { w };
                sum += w * power;
                weight += w;
                largest = largest.max(w);
            }
        }
        if largest > 0.0 { (sum + largest * centre) / (weight + largest) } else { centre }
    };
    (0..image.height * image.width).map(pixel).collect()
}

fn reference(scene: &Scene, sizes: Sizes, h: f64) -> Vec<f64> {
    let (height, width) = (scene.height as isize, scene.width as isize);
    let image = Image { pixels: &scene.pixels, height, width };
    let first = vec![f64::NAN; scene.pixels.len()];
    (0..sizes.iterations)
        .fold(first, |pixels, _| iteration(&image, &Image { pixels: &pixels, height, width }, sizes, h))
}

/// The filter has no window: one of the sizes will do.
fn one_window(scene: &Scene) -> bool {
    scene.window == ANY_WINDOW
}

/// The exponents of weights are sums with a relative error of 1e-7 in f32. Where a pixel has nothing like it in its window
/// all of them are large and so are the errors of the weights: the largest error is allowed ten times the usual one.
#[test]
fn ppb_follows_its_formula() {
    let other = |search, patch| Sizes { search, patch, iterations: 2 };
    for sizes in [SMALL, WIDE, other(3, 0), other(2, 2), other(2, 4)] {
        let p = sizes.parameters();
        let (mut count, mut far) = (0, 0);
        // The largest image is for the smaller sizes only: the reference is slow.
        let fits = |scene: &&Scene| one_window(scene) && (sizes.patch < 2 || scene.pixels.len() < 5000);
        for scene in scenes().iter().filter(fits) {
            let want = reference(scene, sizes, p.h());
            let double = worst(&run_whole::<f64>(scene, &|s, d, f, run| ppb(s, d, f, &p, run)), &want);
            assert!(double < 1e-12, "{double:.2e}: {}x{}", scene.height, scene.width);
            let single = run_whole::<f32>(scene, &|s, d, f, run| ppb(s, d, f, &p, run));
            assert!(worst(&single, &want) < 3e-5, "{:.2e}: {}x{}", worst(&single, &want), scene.height, scene.width);
            count += want.len();
            far += single.iter().zip(&want).filter(|(got, want)| ((*got - *want) / *want).abs() > 2e-6).count();
        }
        assert!(far * 500 < count, "{far} of {count} pixels differ by more than 2e-6");
    }
}

#[test]
fn samples_that_are_not_positive_are_not_compared() {
    let mut pixels = images::image(30, 150, 8, images::Defect::Holes);
    for (i, x) in pixels.iter_mut().enumerate() {
        *x = if i % 17 == 0 { -*x } else { *x };
        *x = if i % 13 == 0 { 0.0 } else { *x };
    }
    let scene = scene(pixels, 30, 150);
    let p = SMALL.parameters();
    let got = run_whole::<f64>(&scene, &|s, d, f, run| ppb(s, d, f, &p, run));
    let want = reference(&scene, SMALL, p.h());
    assert!(worst(&got, &want) < 1e-12);
    assert_eq!(got[13], 0.0);
    assert_eq!(got[17], scene.pixels[17]);
}

fn scene(pixels: Vec<f64>, height: usize, width: usize) -> Scene {
    Scene { pixels, height, width, window: ANY_WINDOW, border: Border::Shrink, min_valid: 1 }
}

#[test]
fn bytes_depend_neither_on_cuts_nor_on_threads() {
    let p = SMALL.parameters();
    check_cuts::<f32>(&|s, d, f, run| ppb(s, d, f, &p, run), one_window, |_| (SMALL.halo(), SMALL.halo()));
    check_cuts::<f64>(&|s, d, f, run| ppb(s, d, f, &p, run), one_window, |_| (SMALL.halo(), SMALL.halo()));
    check_threads(&|s, d, f, run| ppb(s, d, f, &p, run), ANY_WINDOW);
    let p = WIDE.parameters();
    check_cuts::<f32>(&|s, d, f, run| ppb(s, d, f, &p, run), one_window, |_| (WIDE.halo(), WIDE.halo()));
}

#[test]
fn a_constant_image_stays_and_nothing_spreads() {
    let p = SMALL.parameters();
    check_constant::<f32>(&|s, d, f, run| ppb(s, d, f, &p, run), &[(3, 3), (3, 3)]);
    check_constant::<f64>(&|s, d, f, run| ppb(s, d, f, &p, run), &[(3, 3), (3, 3)]);
    check_reach(&|s, d, f, run| ppb(s, d, f, &p, run), ANY_WINDOW, (SMALL.halo(), SMALL.halo()));
}

/// The centre of a 5 x 5 image whose edges are reflected, made with an independent implementation.
#[test]
fn golden_centre() {
    let b = [4, 5, 3, 6, 5, 6, 2, 5, 9, 4, 3, 7, 4, 8, 12, 5, 1, 6, 3, 10, 8, 4, 5, 7, 2];
    let mirrored = |i: usize| [2, 1, 0, 1, 2, 3, 4, 3, 2][i];
    let pixels = (0..81).map(|i| f64::from(b[mirrored(i / 9) * 5 + mirrored(i % 9)])).collect();
    let scene = scene(pixels, 9, 9);
    for (iterations, want) in [(1, 4.285309248624752), (2, 4.647432072560126)] {
        let p = Ppb::with_h(4.0, 1, 1, 0.4257, 0.2, iterations).unwrap();
        let got = run_whole::<f64>(&scene, &|s, d, f, run| ppb(s, d, f, &p, run))[40];
        assert!((got / want - 1.0).abs() < 1e-13, "{iterations}: {got} instead of {want}");
    }
}

/// Distance from the mean to the 0.92 quantile, a pixel: Monte Carlo with 60,000 pairs, about 1 %.
#[test]
fn the_threshold_is_that_of_simulated_speckle() {
    let table = [
        (1.0, [0.2107, 0.1246, 0.0885]),
        (2.0, [0.0977, 0.0578, 0.0410]),
        (3.0, [0.0642, 0.0375, 0.0265]),
        (4.0, [0.0473, 0.0277, 0.0196]),
        (4.4, [0.0423, 0.0251, 0.0178]),
        (4.9, [0.0381, 0.0224, 0.0159]),
    ];
    for (enl, row) in table {
        for (patch, want) in [1, 2, 3].into_iter().zip(row) {
            let side = (2 * patch + 1) as f64;
            let got = Ppb::new(enl, 5, patch, 0.92, 0.2, 1).unwrap().h() / (side * side);
            assert!((got / want - 1.0).abs() < 0.017, "{enl} looks, patch {patch}: {got} instead of {want}");
        }
    }
}

#[test]
fn wrong_parameters_are_refused() {
    let refused = |p: Result<Ppb, Error>| match p {
        Err(Error::Parameter { name, .. }) => name,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(Ppb::new(0.0, 10, 3, 0.92, 0.2, 4)), "enl");
    assert_eq!(refused(Ppb::new(f64::NAN, 10, 3, 0.92, 0.2, 4)), "enl");
    assert_eq!(refused(Ppb::new(4.4, 0, 3, 0.92, 0.2, 4)), "search");
    assert_eq!(refused(Ppb::new(4.4, 10, 16, 0.92, 0.2, 4)), "patch");
    assert_eq!(refused(Ppb::new(4.4, 10, 3, 0.3, 0.2, 4)), "quantile");
    assert_eq!(refused(Ppb::new(4.4, 10, 3, 1.0, 0.2, 4)), "quantile");
    assert_eq!(refused(Ppb::new(4.4, 10, 3, 0.92, 0.0, 4)), "temperature");
    assert_eq!(refused(Ppb::new(4.4, 10, 3, 0.92, 0.2, 0)), "iterations");
    assert_eq!(refused(Ppb::with_h(4.4, 10, 3, f64::INFINITY, 0.2, 1)), "h");
    let frame = Frame::new(Placement { origin_row: 0, top: 2, left: 0 }, ANY_WINDOW);
    let (src, mut dst) = ([1.0_f32; 4], [0.0_f32; 4]);
    let src = Raster::new("src", &src, 2, 2).unwrap();
    let out = RasterMut::new("dst", &mut dst, 2, 2).unwrap();
    let got = ppb(src, out, &frame, &SMALL.parameters(), &Run::threads(1));
    assert!(matches!(got, Err(Error::Shape { name: "dst", .. })));
}
