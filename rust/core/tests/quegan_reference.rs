//! The multitemporal filter against its formula, date after date.
#![allow(clippy::unwrap_used)]

mod images;

use images::{Defect, Random, image};
use kararaster_core::bands::Run;
use kararaster_core::error::Error;
use kararaster_core::raster::{Placement, Raster, RasterMut, Real, Window};
use kararaster_core::speckle::{Border, Frame, boxcar, lee, quegan, quegan_add, quegan_apply};

const HEIGHT: usize = 131;
const WIDTH: usize = 67;
const PIXELS: usize = HEIGHT * WIDTH;

type Smooth<'r, T> = dyn Fn(Raster<'_, T>, RasterMut<'_, T>, &Frame, &Run<'_>) -> Result<(), Error> + Sync + 'r;

/// Dates with holes and bright targets, some samples of them negative.
fn stack<T: Real>(dates: usize) -> Vec<Vec<T>> {
    let date = |i: usize| {
        let mut random = Random::new(i as u64);
        let sign = |x: f64| if random.below(6) == 0 { T::from_f64(-x) } else { T::from_f64(x) };
        let defect = [Defect::None, Defect::Holes, Defect::Ships][i % 3];
        image(HEIGHT, WIDTH, i as u64, defect).into_iter().map(sign).collect()
    };
    (0..dates).map(date).collect()
}

fn frame(window: usize) -> Frame {
    Frame::new(Placement { origin_row: 5, ..Placement::default() }, Window::new(window, window).unwrap())
}

fn fused<T: Real>(
    stack: &[Vec<T>],
    groups: &[Vec<usize>],
    frame: &Frame,
    smooth: &Smooth<'_, T>,
    threads: usize,
) -> Result<Vec<Vec<T>>, Error> {
    let mut out = vec![vec![T::from_f64(7.0); PIXELS]; stack.len()];
    let dst = out.iter_mut().map(|date| RasterMut::new("dst", date, HEIGHT, WIDTH).unwrap()).collect();
    let src: Vec<_> = stack.iter().map(|date| Raster::new("src", date, HEIGHT, WIDTH).unwrap()).collect();
    quegan(&src, dst, groups, frame, frame.window.half().0, smooth, &Run::threads(threads))?;
    Ok(out)
}

/// The spatial means of whole dates.
fn means<T: Real>(stack: &[Vec<T>], frame: &Frame, smooth: &Smooth<'_, T>) -> Vec<Vec<T>> {
    let mean = |date: &Vec<T>| {
        let mut mean = date.clone();
        let dst = RasterMut::new("dst", &mut mean, HEIGHT, WIDTH).unwrap();
        smooth(Raster::new("src", date, HEIGHT, WIDTH).unwrap(), dst, frame, &Run::threads(1)).unwrap();
        mean
    };
    stack.iter().map(mean).collect()
}

fn bits<T: Real>(x: T) -> u64 {
    if x.to_f64().is_nan() { f64::NAN.to_bits() } else { x.to_f64().to_bits() }
}

/// The formula on means in double precision.
fn reference<T: Real>(stack: &[Vec<T>], groups: &[Vec<usize>], means: &[Vec<T>]) -> Vec<Vec<f64>> {
    let mut out = vec![vec![f64::NAN; PIXELS]; stack.len()];
    for group in groups {
        for pixel in 0..PIXELS {
            let pairs = group.iter().map(|&i| (stack[i][pixel].to_f64(), means[i][pixel].to_f64()));
            let ratios: Vec<f64> = pairs.filter(|(x, m)| x.is_finite() && *m > 0.0).map(|(x, m)| x / m).collect();
            let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
            for &date in group {
                let m = means[date][pixel].to_f64();
                out[date][pixel] = if m > 0.0 { m * mean } else { m };
            }
        }
    }
    out
}

fn check<T: Real>(smooth: &Smooth<'_, T>, window: usize, tolerance: f64) {
    let (stack, frame) = (stack::<T>(7), frame(window));
    let groups = [vec![0, 3, 4, 6], vec![1, 2], vec![5]];
    let (got, means) = (fused(&stack, &groups, &frame, smooth, 1).unwrap(), means(&stack, &frame, smooth));
    for (date, want) in reference(&stack, &groups, &means).iter().enumerate() {
        for (pixel, (&got, &want)) in got[date].iter().zip(want).enumerate() {
            let got = got.to_f64();
            let near = (got.is_nan() && want.is_nan()) || (got - want).abs() <= tolerance * want.abs();
            assert!(near, "date {date} pixel {pixel}: {got:e}, want {want:e}");
        }
    }
    for threads in [2, 7] {
        let other = fused(&stack, &groups, &frame, smooth, threads).unwrap();
        assert!(other.iter().flatten().zip(got.iter().flatten()).all(|(&a, &b)| bits(a) == bits(b)), "{threads}");
    }
}

#[test]
fn the_formula_holds_in_groups_with_holes() {
    for window in [1, 7, 31] {
        check::<f32>(&boxcar, window, 1e-7);
        check::<f64>(&boxcar, window, 1e-14);
    }
    check::<f32>(&|s, d, f, run| lee(s, d, f, 4.4, run), 7, 1e-7);
}

#[test]
fn date_after_date_gives_the_same_bytes() {
    let (stack, frame) = (stack::<f32>(5), frame(9));
    let means = means(&stack, &frame, &boxcar);
    let got = fused(&stack, &[vec![4, 1, 2], vec![0, 3]], &frame, &boxcar, 2).unwrap();
    for group in [vec![4, 1, 2], vec![0, 3]] {
        let (mut ratio, mut count) = (vec![0.0; PIXELS], vec![0.0; PIXELS]);
        for &date in &group {
            quegan_add(&stack[date], &means[date], &mut ratio, &mut count, &Run::threads(3)).unwrap();
        }
        for &date in &group {
            let mut out = vec![0.0; PIXELS];
            quegan_apply(&means[date], &ratio, &count, &mut out, &Run::threads(2)).unwrap();
            assert!(out.iter().zip(&got[date]).all(|(&a, &b)| bits(a) == bits(b)), "date {date}");
        }
    }
}

#[test]
fn a_window_of_a_stack_gives_the_same_bytes() {
    let stack = stack::<f32>(4);
    let groups = [vec![0, 1, 2, 3]];
    let whole = fused(&stack, &groups, &frame(7), &boxcar, 1).unwrap();
    let (rows, cols) = (60..117, 20..67);
    let cut = |date: &Vec<f32>| (57..120).flat_map(|y| date[y * WIDTH + 17..(y + 1) * WIDTH].to_vec()).collect();
    let cuts: Vec<Vec<f32>> = stack.iter().map(cut).collect();
    let src: Vec<_> = cuts.iter().map(|date| Raster::new("src", date, 63, 50).unwrap()).collect();
    let mut out = vec![vec![0.0; rows.len() * cols.len()]; 4];
    let dst = out.iter_mut().map(|date| RasterMut::new("dst", date, rows.len(), cols.len()).unwrap()).collect();
    let frame = Frame { placement: Placement { origin_row: 62, top: 3, left: 3 }, ..frame(7) };
    quegan(&src, dst, &groups, &frame, 3, boxcar, &Run::threads(2)).unwrap();
    for (date, out) in out.iter().enumerate() {
        let want = rows.clone().flat_map(|y| &whole[date][y * WIDTH + cols.start..y * WIDTH + cols.end]);
        assert!(out.iter().zip(want).all(|(&a, &b)| bits(a) == bits(b)), "date {date}");
    }
}

#[test]
fn a_constant_stack_does_not_change() {
    for constant in [0.0, 0.1, 0.3, 7.3e-5, 1.0 / 3.0, 4321.7] {
        let stack = vec![vec![constant; PIXELS]; 3];
        let out = fused(&stack, &[vec![2, 0, 1]], &frame(7), &boxcar, 1).unwrap();
        assert!(out.iter().flatten().all(|x| *x == constant), "{constant}");
    }
}

#[test]
fn where_no_ratio_is_defined_the_mean_stays() {
    let (mut ratio, mut count, mut out) = ([0.0; 4], [0.0; 4], [9.0; 4]);
    let run = Run::threads(1);
    quegan_add(&[f32::NAN, 2.0, f32::INFINITY, 3.0], &[1.0, 0.0, 2.0, 1.5], &mut ratio, &mut count, &run).unwrap();
    assert_eq!((ratio, count), ([0.0, 0.0, 0.0, 2.0], [0.0, 0.0, 0.0, 1.0]));
    quegan_apply(&[4.0_f32, -1.0, f32::NAN, 5.0], &ratio, &count, &mut out, &run).unwrap();
    assert_eq!((out[0], out[1], out[3]), (4.0, -1.0, 10.0));
    assert!(out[2].is_nan());
}

#[test]
fn wrong_arguments_are_named() {
    let (stack, frame) = (stack::<f32>(2), frame(3));
    for groups in [vec![vec![0]], vec![vec![0, 1], vec![1]], vec![vec![0, 2]]] {
        let error = fused(&stack, &groups, &frame, &boxcar, 1).unwrap_err().to_string();
        assert!(error.contains("groups") && error.contains("each of the 2 dates"), "{error}");
    }
    let wrong = fused(&stack, &[vec![0, 1]], &frame, &|s, d, f, run| lee(s, d, f, -1.0, run), 2);
    assert!(wrong.unwrap_err().to_string().contains("enl"));
    let huge = Frame { border: Border::Replicate, min_valid: 10, ..frame };
    assert!(fused(&stack, &[vec![0, 1]], &huge, &boxcar, 1).unwrap_err().to_string().contains("min_valid"));
    let error = quegan_add(&[1.0_f32], &[1.0], &mut [0.0; 2], &mut [0.0; 2], &Run::threads(1)).unwrap_err();
    assert!(error.to_string().contains('x'), "{error}");
}
