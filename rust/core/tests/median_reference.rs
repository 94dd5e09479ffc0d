//! The median of the window against sorting every window.
#![allow(clippy::unwrap_used)]

mod images;

use images::filters::{check_constant, check_cuts, check_reach, check_threads, run_whole, worst};
use images::scene::{Scene, scenes};
use images::{Defect, Random, image};
use kararaster_core::bands::Run;
use kararaster_core::raster::{Placement, Raster, RasterMut, Window};
use kararaster_core::speckle::{Border, Frame, median};

/// The middle sample of each window; of an even number the mean of two, as the pixel type rounds it.
fn reference(scene: &Scene, round: impl Fn(f64) -> f64) -> Vec<f64> {
    let pixel = |i: usize| {
        let mut samples = scene.samples(i / scene.width, i % scene.width);
        let n = samples.len();
        if !scene.pixels[i].is_finite() || n < scene.min_valid {
            return f64::NAN;
        }
        samples.sort_by(f64::total_cmp);
        round(0.5 * samples[(n - 1) / 2] + 0.5 * samples[n / 2])
    };
    (0..scene.pixels.len()).map(pixel).collect()
}

fn single(x: f64) -> f64 {
    f64::from(x as f32)
}

#[track_caller]
fn check_exact(scene: &Scene) {
    let about = format!("{:?} {}x{}", scene.frame(), scene.height, scene.width);
    assert_eq!(worst(&run_whole::<f32>(scene, &median), &reference(scene, single)), 0.0, "f32 {about}");
    assert_eq!(worst(&run_whole::<f64>(scene, &median), &reference(scene, |x| x)), 0.0, "f64 {about}");
}

#[test]
fn every_scene_is_exact() {
    scenes().iter().for_each(check_exact);
}

/// Every small window, by its network, and some large ones; on samples of both signs with many ties.
#[test]
fn windows_of_any_shape_are_exact() {
    let odd = || (1..=13).step_by(2);
    let small = odd().flat_map(|y| odd().map(move |x| (y, x)));
    for (i, (y, x)) in small.chain([(27, 3), (3, 27), (1, 31), (31, 1), (31, 29), (77, 5), (5, 201)]).enumerate() {
        let mut random = Random::new(i as u64);
        let (height, width) = (19, 83);
        let mut pixels: Vec<f64> = (0..height * width).map(|_| random.below(12) as f64 - 4.0).collect();
        for pixel in pixels.iter_mut().skip(if i % 3 == 0 { height * width } else { 900 }) {
            *pixel = if random.below(20) == 0 { [f64::NAN, f64::INFINITY, f64::NEG_INFINITY][i % 3] } else { *pixel };
        }
        let border = if i % 2 == 0 { Border::Shrink } else { Border::Replicate };
        check_exact(&Scene { pixels, height, width, window: Window::new(y, x).unwrap(), border, min_valid: 1 + i % 5 });
    }
}

#[test]
fn extreme_samples_do_not_overflow() {
    let pixels = vec![f64::from(f32::MAX), f64::from(-f32::MAX), f64::from(f32::MAX), f64::from(f32::MAX)];
    let window = Window::new(1, 3).unwrap();
    let scene = Scene { pixels, height: 1, width: 4, window, border: Border::Shrink, min_valid: 1 };
    let max = f64::from(f32::MAX);
    assert_eq!(run_whole::<f32>(&scene, &median), [0.0, max, max, max]);
    let tiny = Scene { pixels: vec![f64::from(f32::from_bits(1)); 4], ..scene };
    assert_eq!(run_whole::<f32>(&tiny, &median), tiny.pixels, "the mean of two equal samples is the sample");
}

#[test]
fn zeros_have_no_sign() {
    let frame = |n| Frame::new(Placement::default(), Window::new(n, n).unwrap());
    let zeros: Vec<f32> = (0..400).map(|i| if i % 3 == 0 { -0.0 } else { 0.0 }).collect();
    for window in [1, 3, 11] {
        let mut out = [1.0; 400];
        let dst = RasterMut::new("dst", &mut out, 20, 20).unwrap();
        median(Raster::new("src", &zeros, 20, 20).unwrap(), dst, &frame(window), &Run::threads(1)).unwrap();
        assert!(out.iter().all(|x| x.to_bits() == 0), "{window}: {out:?}");
    }
}

#[test]
fn a_cut_out_gives_the_same_bytes() {
    check_cuts::<f32>(&median, |scene| scene.height < 70, Window::half);
}

#[test]
fn threads_constants_and_holes() {
    for window in [3, 9, 13] {
        let window = Window::new(window, window).unwrap();
        check_threads(&median, window);
        check_reach(&median, window, window.half());
    }
    let windows = [(1, 1), (3, 3), (7, 7), (5, 11), (15, 13)];
    check_constant::<f32>(&median, &windows);
    check_constant::<f64>(&median, &windows);
}

/// Tiles with holes and tiles without take different ways to the same bytes.
#[test]
fn holes_change_nothing_out_of_reach() {
    let (height, width) = (130, 600);
    let frame = Frame::new(Placement::default(), Window::new(7, 7).unwrap());
    let filter = |src: &[f64]| {
        let mut out = vec![0.0; src.len()];
        let dst = RasterMut::new("dst", &mut out, height, width).unwrap();
        median(Raster::new("src", src, height, width).unwrap(), dst, &frame, &Run::threads(1)).unwrap();
        out
    };
    let whole = image(height, width, 3, Defect::None);
    let mut holed = whole.clone();
    for row in 0..height {
        holed[row * width + row * 4] = f64::NAN;
    }
    for (i, (a, b)) in filter(&whole).iter().zip(&filter(&holed)).enumerate() {
        let near = |row: usize| (i % width).abs_diff(4 * row) <= 3;
        let (row, last) = (i / width, height - 1);
        if !(row.saturating_sub(3)..=(row + 3).min(last)).any(near) {
            assert_eq!(a.to_bits(), b.to_bits(), "pixel {i}");
        }
    }
}
