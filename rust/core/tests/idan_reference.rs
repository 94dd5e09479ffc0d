//! Adaptive neighbourhoods against a slow and obvious f64 reference.
#![allow(clippy::unwrap_used)]

mod images;

use std::collections::VecDeque;

use images::filters::{check_constant, check_cuts, check_reach, check_threads, run_whole, worst};
use images::scene::Scene;
use images::{Defect, image};
use kararaster_core::bands::Run;
use kararaster_core::error::Error;
use kararaster_core::raster::{Placement, Raster, RasterMut, Window};
use kararaster_core::speckle::{Border, Frame, idan};

type Cell = (usize, usize);

/// The pixel and its neighbours inside the image, in rows, then columns.
fn block(scene: &Scene, (r, c): Cell) -> Vec<Cell> {
    let rows = r.saturating_sub(1)..(r + 2).min(scene.height);
    rows.flat_map(|y| (c.saturating_sub(1)..(c + 2).min(scene.width)).map(move |x| (y, x))).collect()
}

/// The region of a pixel, ring by ring.
fn region(scene: &Scene, centre: Cell, enl: f64, size: usize) -> Vec<f64> {
    let sample = |(r, c): Cell| scene.pixels[r * scene.width + c];
    let near = |cell: Cell, seed: f64, share: f64| (sample(cell) - seed).abs() / seed < share / enl.sqrt();
    let mut around: Vec<f64> = block(scene, centre).into_iter().map(sample).filter(|x| x.is_finite()).collect();
    around.sort_by(f64::total_cmp);
    let seed = (around[(around.len() - 1) / 2] + around[around.len() / 2]) / 2.0;
    let (mut members, mut aside) = (Vec::new(), Vec::new());
    let (mut seen, mut front) = (vec![centre], VecDeque::from([centre]));
    (if near(centre, seed, 2.0 / 3.0) { &mut members } else { &mut aside }).push(centre);
    while members.len() < size {
        let Some(cell) = front.pop_front() else { break };
        for cell in block(scene, cell) {
            if seen.contains(&cell) || !sample(cell).is_finite() || members.len() == size {
                continue;
            }
            seen.push(cell);
            if near(cell, seed, 2.0 / 3.0) {
                members.push(cell);
                front.push_back(cell);
            } else {
                aside.push(cell);
            }
        }
    }
    let total: f64 = members.iter().map(|&cell| sample(cell)).sum();
    let seed = if members.is_empty() { seed } else { total / members.len() as f64 };
    members.extend(aside.into_iter().filter(|&cell| near(cell, seed, 2.0)));
    members.into_iter().map(sample).collect()
}

fn reference(scene: &Scene, enl: f64, size: usize) -> Vec<f64> {
    let pixel = |i: usize| {
        let x = scene.pixels[i];
        if !x.is_finite() {
            return f64::NAN;
        }
        let region = region(scene, (i / scene.width, i % scene.width), enl, size);
        let n = region.len() as f64;
        let mean = region.iter().sum::<f64>() / n;
        let variance = region.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
        match region.len() {
            0 => x,
            1 => mean,
            _ if variance == 0.0 => mean,
            _ => mean + ((variance - mean * mean / enl) / (1.0 + 1.0 / enl)).max(0.0) / variance * (x - mean),
        }
    };
    (0..scene.pixels.len()).map(pixel).collect()
}

fn scene(height: usize, width: usize, defect: Defect) -> Scene {
    let pixels = image(height, width, 6, defect).into_iter().map(|x| f64::from(x as f32)).collect();
    Scene { pixels, height, width, window: Window::new(7, 7).unwrap(), border: Border::Shrink, min_valid: 1 }
}

#[test]
fn every_region_grows_as_written() {
    for (height, width) in [(0, 0), (0, 3), (1, 1), (1, 40), (40, 1), (2, 2), (66, 90)] {
        for defect in [Defect::None, Defect::Holes, Defect::Ships] {
            for (enl, size) in [(4.4, 50), (1.0, 7), (20.0, 1), (4.4, 2)] {
                let scene = scene(height, width, defect);
                let want = reference(&scene, enl, size);
                let error = worst(&run_whole::<f32>(&scene, &|s, d, f, run| idan(s, d, f, enl, size, run)), &want);
                assert!(error < 2e-6, "f32 {error:.2e}: {height} x {width} {defect:?} {enl} {size}");
                let error = worst(&run_whole::<f64>(&scene, &|s, d, f, run| idan(s, d, f, enl, size, run)), &want);
                assert!(error < 1e-12, "f64 {error:.2e}: {height} x {width} {defect:?} {enl} {size}");
            }
        }
    }
}

#[test]
fn a_constant_image_is_kept() {
    check_constant::<f32>(&|s, d, f, run| idan(s, d, f, 4.4, 50, run), &[(3, 3), (7, 7)]);
    check_constant::<f64>(&|s, d, f, run| idan(s, d, f, 4.4, 50, run), &[(3, 3), (7, 7)]);
}

#[test]
fn bytes_depend_on_the_region_alone() {
    let filter = |s: Raster<'_, f32>, d: RasterMut<'_, f32>, f: &Frame, run: &Run<'_>| idan(s, d, f, 4.4, 12, run);
    check_threads(&filter, Window::new(7, 7).unwrap());
    check_reach(&filter, Window::new(7, 7).unwrap(), (12, 12));
    // What a filter does not use is not compared.
    let plain = |scene: &Scene| scene.border == Border::Shrink && scene.window.y == 7;
    check_cuts::<f32>(&filter, plain, |_| (12, 12));
    check_cuts::<f64>(&|s, d, f, run| idan(s, d, f, 1.0, 9, run), plain, |_| (9, 9));
}

#[test]
fn the_frame_lends_its_placement_only() {
    let want = scene(40, 50, Defect::Holes);
    let other = Scene {
        pixels: want.pixels.clone(),
        window: Window::new(31, 1).unwrap(),
        border: Border::Replicate,
        min_valid: 31,
        ..want
    };
    let run = |scene| run_whole::<f32>(scene, &|s, d, f, run| idan(s, d, f, 4.4, 50, run));
    assert_eq!(worst(&run(&other), &run(&want)), 0.0);
}

#[test]
fn wrong_parameters_are_refused() {
    let run = Run::threads(1);
    let (src, mut dst) = ([1.0_f32; 6], [0.0_f32; 6]);
    let frame = Frame::new(Placement::default(), Window::new(3, 3).unwrap());
    let src = Raster::new("src", &src, 2, 3).unwrap();
    let mut call = |enl, size| idan(src, RasterMut::new("dst", &mut dst, 2, 3).unwrap(), &frame, enl, size, &run);
    for size in [0, 1001] {
        assert!(matches!(call(4.4, size), Err(Error::Parameter { name: "size", .. })));
    }
    for enl in [0.0, f64::NAN] {
        assert!(matches!(call(enl, 50), Err(Error::Parameter { name: "enl", .. })));
    }
}
