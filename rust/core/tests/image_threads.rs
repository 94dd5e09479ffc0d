//! The bytes of a result depend neither on the number of threads nor on the instruction set.
#![allow(clippy::unwrap_used)]

mod images;

use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use images::{Defect, image};
use kararaster_core::bands::Run;
use kararaster_core::calibration::{Lut, Negative, calibrate};
use kararaster_core::decibel::{from_db, to_db};
use kararaster_core::error::Error;
use kararaster_core::formula::Program;
use kararaster_core::noise::Noise;
use kararaster_core::optical::{Pixels, Scaling};
use kararaster_core::raster::{Placement, Raster, RasterMut, Window};
use kararaster_core::speckle::{
    Border, Distance, Frame, LeeSigma, Ppb, SigmaEdge, SigmaRange, boxcar, enl, frost, frost_enhanced, gamma_map, idan,
    kuan, lee, lee_enhanced, lee_sigma, median, ppb, refined_lee, srad,
};

const HEIGHT: usize = 210;
const WIDTH: usize = 1130;

/// Run `kernel` into a new image and return its bits.
fn bits(kernel: impl FnOnce(RasterMut<'_, f32>) -> Result<(), Error>) -> Vec<u32> {
    let mut out = vec![0.0; HEIGHT * WIDTH];
    kernel(RasterMut::new("dst", &mut out, HEIGHT, WIDTH).unwrap()).unwrap();
    // All NaN are one value: their payload is not part of a result.
    out.iter().map(|x| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }).collect()
}

fn windowed(threads: usize) -> Vec<u32> {
    let run = Run::threads(threads);
    let mut all = Vec::new();
    for (window, defect) in
        [(1, Defect::None), (7, Defect::Ships), (7, Defect::Holes), (15, Defect::Holes), (31, Defect::None)]
    {
        let src: Vec<f32> = image(HEIGHT, WIDTH, 9, defect).iter().map(|&x| x as f32).collect();
        let src = Raster::new("src", &src, HEIGHT, WIDTH).unwrap();
        let placement = Placement { origin_row: 13, ..Placement::default() };
        let shrink = Frame::new(placement, Window::new(window, window).unwrap());
        if window == 7 {
            let patches = Ppb::new(4.4, 2, 1, 0.92, 0.2, 2).unwrap();
            all.extend(bits(|dst| idan(src, dst, &shrink, 4.4, 5, &run)));
            all.extend(bits(|dst| srad(src, dst, &shrink, 4.4, 3, 0.5, &run)));
            all.extend(bits(|dst| ppb(src, dst, &shrink, &patches, &run)));
        }
        for frame in [shrink, Frame { border: Border::Replicate, ..shrink }] {
            all.extend(bits(|dst| boxcar(src, dst, &frame, &run)));
            all.extend(bits(|dst| lee(src, dst, &frame, 4.4, &run)));
            all.extend(bits(|dst| kuan(src, dst, &frame, 4.4, &run)));
            all.extend(bits(|dst| lee_enhanced(src, dst, &frame, 4.4, 1.0, &run)));
            all.extend(bits(|dst| gamma_map(src, dst, &frame, 4.4, &run)));
            all.extend(bits(|dst| median(src, dst, &frame, &run)));
            all.extend(bits(|dst| enl(src, dst, &frame, &run)));
            if window < 20 {
                let range = SigmaRange::exact(4.4, 0.9).unwrap();
                let edge = if window < 10 { SigmaEdge::Shrink } else { SigmaEdge::Snap };
                let sigma = LeeSigma { enl: 4.4, range, target_count: 3, z98: 0.3, edge };
                all.extend(bits(|dst| lee_sigma(src, dst, &frame, &sigma, &run)));
            }
            if window == 7 {
                all.extend(bits(|dst| refined_lee(src, dst, &frame, kararaster_core::speckle::Noise::Local, &run)));
            }
            all.extend(bits(|dst| frost(src, dst, &frame, 2.0, Distance::Euclidean, &run)));
            all.extend(bits(|dst| frost_enhanced(src, dst, &frame, 4.4, 1.0, Distance::Chebyshev, &run)));
        }
    }
    all
}

fn pointwise(threads: usize) -> Vec<u32> {
    let run = Run::threads(threads);
    let power: Vec<f32> = image(HEIGHT, WIDTH, 4, Defect::Holes).iter().map(|&x| x as f32).collect();
    let dn: Vec<u16> = power.iter().map(|&x| (2000.0 * x) as u16).collect();
    let db: Vec<f32> = power.iter().map(|&x| 60.0 * x - 30.0).collect();
    let mut all = bits(|mut dst| to_db(&power, dst.pixels_mut(), &run));
    all.extend(bits(|mut dst| from_db(&db, dst.pixels_mut(), &run)));
    let scaling = [1e-4, 2e-4].map(|scale| Scaling { scale, offset: -0.1, invalid: [f64::NAN; 2] });
    let bands = [("D", scaling[0]), ("P", scaling[1]), ("X", Scaling::NONE)];
    let pixels = [Pixels::U16(&dn), Pixels::F32(&power), Pixels::F32(&db)];
    for formula in
        ["(D - P)/(D + P)", "(D - 1)/(2*D - 1) + min(X, P)**2", "exp(X/50) + ln(D) + log10(P)**0.3 - sqrt(D)/X"]
    {
        let program = Program::compile(&[formula], &bands).unwrap();
        all.extend(bits(|mut dst| program.run(&pixels, None, vec![dst.pixels_mut()], &run)));
    }
    let (lines, pixels) = ([0.0, 300.0, 580.0], [0.0, 400.0, 1100.0, 30.0, 500.0, f64::NAN, 0.0, 7.0, 900.0]);
    let lut = Lut::new(&lines, &pixels, &[500.0, 510.0, 530.0, 520.0, 540.0, 0.0, 490.0, 480.0, 505.0]).unwrap();
    let noise = Noise::new(lut, &[10, 500, 20, 900, 0, 3], &[0.0, 600.0], &[1.0, 1.2]).unwrap();
    let dn = Raster::new("dn", &dn, HEIGHT, WIDTH).unwrap();
    all.extend(bits(|dst| calibrate(dn, (3, 5), &lut, None, Negative::Keep, dst, &run)));
    all.extend(bits(|dst| calibrate(dn, (3, 5), &lut, Some(&noise), Negative::Snap, dst, &run)));
    all
}

/// The results of one thread, which both tests need.
fn of_one_thread() -> &'static [Vec<u32>; 2] {
    static RESULTS: OnceLock<[Vec<u32>; 2]> = OnceLock::new();
    RESULTS.get_or_init(|| [windowed(1), pointwise(1)])
}

#[test]
fn threads_do_not_change_bytes() {
    let [image, points] = of_one_thread();
    for threads in [2, 7] {
        assert!(windowed(threads) == *image, "{threads} threads");
        assert!(pointwise(threads) == *points, "{threads} threads");
    }
}

/// FNV-1a of all results.
fn digest() -> u64 {
    let fold = |hash: u64, bits: &u32| (hash ^ u64::from(*bits)).wrapping_mul(0x0100_0000_01b3);
    of_one_thread().iter().flatten().fold(0xcbf2_9ce4_8422_2325, fold)
}

/// The instruction set is chosen once a process, so the baseline runs in a process of its own.
#[test]
fn instruction_sets_do_not_change_bytes() {
    const FORCE: &str = "KARARASTER_SIMD";
    let own = format!("digest {:016x}", digest());
    if std::env::var_os(FORCE).is_some() {
        println!("{own}");
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "instruction_sets_do_not_change_bytes", "--nocapture"])
        .env(FORCE, "baseline")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && output.contains(&own), "wanted {own}, the baseline printed {output}");
}

#[test]
fn a_poll_stops_a_run() {
    let poll = || true;
    let run = Run::threads(2).with_poll(&poll);
    let src = vec![1.0_f32; HEIGHT * WIDTH];
    let mut dst = src.clone();
    assert_eq!(to_db(&src, &mut dst, &run), Err(Error::Interrupted));
}

type Kernel<'a> = dyn Fn(RasterMut<'_, f32>, &Run<'_>) -> Result<(), Error> + 'a;

/// A band of a wide image takes a slow filter seconds: it is left between tiles.
#[test]
fn slow_filters_stop_inside_a_band() {
    let (height, width) = (40, 2000);
    let src: Vec<f32> = image(height, width, 2, Defect::None).iter().map(|&x| x as f32).collect();
    let src = Raster::new("src", &src, height, width).unwrap();
    let frame = Frame::new(Placement::default(), Window::new(7, 7).unwrap());
    let patches = Ppb::new(4.4, 2, 1, 0.92, 0.2, 1).unwrap();
    let stopped = |kernel: &Kernel<'_>| {
        let asked = AtomicUsize::new(0);
        let poll = || asked.fetch_add(1, Ordering::Relaxed) == 2;
        let mut out = vec![7.0; height * width];
        let dst = RasterMut::new("dst", &mut out, height, width).unwrap();
        assert_eq!(kernel(dst, &Run::threads(1).with_poll(&poll)), Err(Error::Interrupted));
        assert!(out[0] != 7.0 && out[width - 1] == 7.0, "only the first tile is computed");
    };
    stopped(&|dst, run| idan(src, dst, &frame, 4.4, 50, run));
    stopped(&|dst, run| ppb(src, dst, &frame, &patches, run));
}
