//! Throughput of the image kernels on one thread, as Mpx/s and as a share of copying an f32 image of the same size.
//!
//! `cargo bench --bench throughput [-- NAME]`. The kernels take turns and the best round of each counts, so that a busy
//! machine or a changing clock hits all of them alike. Outputs are allocated once: page faults are not measured.

use std::hint::black_box;
use std::time::Instant;

use kararaster_core::bands::Run;
use kararaster_core::calibration::{Lut, Negative, calibrate};
use kararaster_core::decibel::{from_db, to_db};
use kararaster_core::error::Result;
use kararaster_core::formula::Program;
use kararaster_core::noise::Noise;
use kararaster_core::optical::{Pixels, Scaling};
use kararaster_core::raster::{Placement, Raster, RasterMut, Window};
use kararaster_core::speckle::{
    Distance, Frame, LeeSigma, Noise as Speckle, Ppb, SigmaEdge, SigmaRange, boxcar, frost, frost_enhanced, gamma_map,
    idan, kuan, lee, lee_enhanced, lee_sigma, median, ppb, quegan, refined_lee, srad,
};

const SIDE: usize = 4096;
const ROUNDS: usize = 7;

struct Images {
    dn: Vec<u16>,
    nir: Vec<u16>,
    sigma: Vec<f32>,
    holed: Vec<f32>,
}

impl Images {
    fn new() -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let mut draw = |f: &dyn Fn(f64) -> f64| (0..SIDE * SIDE).map(|_| f(next())).collect::<Vec<_>>();
        let dn = draw(&|u| 1000.0 * u);
        let nir = draw(&|u| 1000.0 + 3000.0 * u);
        let sigma = draw(&|u| -0.1 * (1.0 - u).ln());
        let holes = draw(&|u| u);
        let holed = sigma.iter().zip(&holes).map(|(&s, &u)| if u < 0.05 { f32::NAN } else { s as f32 });
        Self {
            holed: holed.collect(),
            dn: dn.iter().map(|&x| x as u16).collect(),
            nir: nir.iter().map(|&x| x as u16).collect(),
            sigma: sigma.iter().map(|&x| x as f32).collect(),
        }
    }
}

/// A table with a node every 40 pixels and 617 lines, as in IW products.
struct Table {
    lines: Vec<f64>,
    pixels: Vec<f64>,
    values: Vec<f64>,
}

impl Table {
    fn new(mean: f64) -> Self {
        let axis = |step: usize| (0..=SIDE).step_by(step).map(|x| x as f64).collect::<Vec<_>>();
        let (lines, nodes) = (axis(617), axis(40));
        let pixels: Vec<f64> = lines.iter().flat_map(|_| nodes.clone()).collect();
        let value = |(i, p): (usize, &f64)| mean * (1.0 + 0.1 * (p / 900.0 + i as f64).sin());
        let values = pixels.iter().enumerate().map(value).collect();
        Self { lines, pixels, values }
    }

    fn lut(&self) -> Result<Lut<'_>> {
        Lut::new(&self.lines, &self.pixels, &self.values)
    }
}

type Kernel<'a> = Box<dyn Fn(&mut [f32]) -> Result<()> + 'a>;

fn square(out: &mut [f32]) -> Result<RasterMut<'_, f32>> {
    RasterMut::new("dst", out, SIDE, SIDE)
}

fn windowed<'a>(images: &'a Images, run: &'a Run<'a>) -> Result<Vec<(String, Kernel<'a>)>> {
    let mut kernels: Vec<(String, Kernel<'a>)> = Vec::new();
    let src = Raster::new("src", &images.sigma, SIDE, SIDE)?;
    let holed = Raster::new("src", &images.holed, SIDE, SIDE)?;
    for size in [5, 7, 15, 31] {
        let frame = Frame::new(Placement::default(), Window::new(size, size)?);
        let kernel = move |out: &mut [f32]| boxcar(src, square(out)?, &frame, run);
        kernels.push((format!("boxcar {size}"), Box::new(kernel)));
    }
    for (name, src, size) in
        [("", src, 5), ("", src, 7), ("", src, 11), ("", src, 15), ("", src, 31), (" 5% NaN", holed, 7)]
    {
        let frame = Frame::new(Placement::default(), Window::new(size, size)?);
        let kernel = move |out: &mut [f32]| lee(src, square(out)?, &frame, 4.4, run);
        kernels.push((format!("lee {size}{name}"), Box::new(kernel)));
    }
    Ok(kernels)
}

/// Each of the other filters once, window 7.
fn filters<'a>(images: &'a Images, run: &'a Run<'a>) -> Result<Vec<(String, Kernel<'a>)>> {
    let src = Raster::new("src", &images.sigma, SIDE, SIDE)?;
    let frame = Frame::new(Placement::default(), Window::new(7, 7)?);
    let sigma = LeeSigma {
        enl: 4.4,
        range: SigmaRange::exact(4.4, 0.9)?,
        target_count: 6,
        z98: f64::INFINITY,
        edge: SigmaEdge::Shrink,
    };
    let small = Frame::new(Placement::default(), Window::new(3, 3)?);
    let mut kernels: Vec<(&str, Kernel<'a>)> = vec![
        ("kuan 7", Box::new(move |out| kuan(src, square(out)?, &frame, 4.4, run))),
        ("lee_enhanced 7", Box::new(move |out| lee_enhanced(src, square(out)?, &frame, 4.4, 1.0, run))),
        ("gamma_map 7", Box::new(move |out| gamma_map(src, square(out)?, &frame, 4.4, run))),
        ("median 3", Box::new(move |out| median(src, square(out)?, &small, run))),
        ("median 7", Box::new(move |out| median(src, square(out)?, &frame, run))),
        ("frost 7", Box::new(move |out| frost(src, square(out)?, &frame, 2.0, Distance::Euclidean, run))),
        (
            "frost_enhanced 7",
            Box::new(move |out| frost_enhanced(src, square(out)?, &frame, 4.4, 1.0, Distance::Euclidean, run)),
        ),
        ("refined_lee", Box::new(move |out| refined_lee(src, square(out)?, &frame, Speckle::Local, run))),
        ("lee_sigma 7", Box::new(move |out| lee_sigma(src, square(out)?, &frame, &sigma, run))),
        ("srad, 1 step", Box::new(move |out| srad(src, square(out)?, &frame, 4.4, 1, 0.5, run))),
    ];
    kernels.extend(slow_filters(src, frame, run)?);
    Ok(kernels.into_iter().map(|(name, kernel)| (name.to_owned(), kernel)).collect())
}

/// Filters of less than 1 Mpx/s get the first rows only.
const SLOW: [&str; 2] = ["idan 50", "ppb, 1 iteration"];
const FEW: usize = 64;

fn slow_filters<'a>(src: Raster<'a, f32>, frame: Frame, run: &'a Run<'a>) -> Result<Vec<(&'static str, Kernel<'a>)>> {
    fn few(out: &mut [f32]) -> Result<RasterMut<'_, f32>> {
        RasterMut::new("dst", &mut out[..FEW * SIDE], FEW, SIDE)
    }
    let src = Raster::new("src", &src.pixels()[..FEW * SIDE], FEW, SIDE)?;
    let patches = Ppb::new(4.4, 10, 3, 0.92, 0.2, 1)?;
    Ok(vec![
        (SLOW[0], Box::new(move |out| idan(src, few(out)?, &frame, 4.4, 50, run))),
        (SLOW[1], Box::new(move |out| ppb(src, few(out)?, &frame, &patches, run))),
    ])
}

/// The filter of stacks, whose dates are strips of the image.
fn stacked<'a>(images: &'a Images, run: &'a Run<'a>) -> Result<Vec<(String, Kernel<'a>)>> {
    const DATES: usize = 16;
    const ROWS: usize = SIDE / DATES;
    let frame = Frame::new(Placement::default(), Window::new(7, 7)?);
    let dates = images.sigma.chunks_exact(ROWS * SIDE).map(|date| Raster::new("stack", date, ROWS, SIDE));
    let stack = dates.collect::<Result<Vec<_>>>()?;
    let kernel = move |out: &mut [f32]| {
        let dates = out.chunks_exact_mut(ROWS * SIDE).map(|date| RasterMut::new("dst", date, ROWS, SIDE));
        quegan(&stack, dates.collect::<Result<_>>()?, &[(0..DATES).collect()], &frame, 3, boxcar, run)
    };
    Ok(vec![("quegan 7, 16 dates".into(), Box::new(kernel))])
}

fn pointwise<'a>(
    images: &'a Images,
    gain: Lut<'a>,
    noise: &'a Noise<'a>,
    run: &'a Run<'a>,
) -> Result<Vec<(String, Kernel<'a>)>> {
    let dn = Raster::new("dn", &images.dn, SIDE, SIDE)?;
    let calibration = move |noise: Option<&'a Noise<'a>>| {
        move |out: &mut [f32]| calibrate(dn, (0, 0), &gain, noise, Negative::Keep, square(out)?, run)
    };
    let copy = |out: &mut [f32]| {
        out.copy_from_slice(&images.sigma);
        Ok(())
    };
    Ok(vec![
        ("copy".into(), Box::new(copy)),
        ("calibrate".into(), Box::new(calibration(None))),
        ("calibrate, noise removed".into(), Box::new(calibration(Some(noise)))),
        ("to_db".into(), Box::new(|out: &mut [f32]| to_db(&images.sigma, out, run))),
        ("from_db".into(), Box::new(|out: &mut [f32]| from_db(&images.sigma, out, run))),
    ])
}

const FORMULAS: [(&str, &str); 4] = [
    ("ndvi", "(N - R)/(N + R)"),
    ("savi", "1.5*(N - R)/(N + R + 0.5)"),
    ("ibi of ratios", "(2*S/(S + N) - (N/(N + R) + G/(G + S)))/(2*S/(S + N) + (N/(N + R) + G/(G + S)))"),
    (
        "ibi",
        "((S - N)/(S + N) - (1.5*(N - R)/(N + R + 0.5) + (G - S)/(G + S))/2)
        /((S - N)/(S + N) + (1.5*(N - R)/(N + R + 0.5) + (G - S)/(G + S))/2)",
    ),
];

/// Formulas of four uint16 bands, some of which are the same pixels.
fn formulas<'a>(images: &'a Images, run: &'a Run<'a>) -> Result<Vec<(String, Kernel<'a>)>> {
    let scaling = Scaling { scale: 1e-4, offset: -0.1, invalid: [0.0, f64::NAN] };
    let bands = ["N", "R", "G", "S"].map(|symbol| (symbol, scaling));
    let pixels = [&images.nir, &images.dn, &images.dn, &images.nir].map(|band| Pixels::U16(band));
    let kernel = |(name, formula): (&str, &str)| -> Result<(String, Kernel<'a>)> {
        let program = Program::compile(&[formula], &bands)?;
        let kernel = move |out: &mut [f32]| program.run(&pixels, None, vec![out], run);
        Ok((format!("formula {name}"), Box::new(kernel)))
    };
    FORMULAS.into_iter().map(kernel).collect()
}

/// Best round of each kernel.
fn best_seconds(kernels: &[(String, Kernel<'_>)]) -> Result<Vec<f64>> {
    let mut out = vec![0.0_f32; SIDE * SIDE];
    let mut best = vec![f64::INFINITY; kernels.len()];
    for _ in 0..ROUNDS {
        for ((_, kernel), best) in kernels.iter().zip(&mut best) {
            let start = Instant::now();
            kernel(black_box(&mut out))?;
            *best = best.min(start.elapsed().as_secs_f64());
        }
    }
    Ok(best)
}

fn main() -> Result<()> {
    let wanted = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let images = Images::new();
    let (gain, eta) = (Table::new(500.0), Table::new(900.0));
    let side = SIDE as i64;
    let blocks = [0, side, 0, side / 2, 0, 7, 0, side, side / 2 + 1, side, 0, 7];
    let (az_lines, az_values) = ([0.0, 4095.0, 0.0, 4095.0], [1.0, 1.1, 1.0, 0.9]);
    let noise = Noise::new(eta.lut()?, &blocks, &az_lines, &az_values)?;
    let run = Run::threads(1);
    let mut kernels = pointwise(&images, gain.lut()?, &noise, &run)?;
    kernels.extend(formulas(&images, &run)?);
    kernels.extend(windowed(&images, &run)?);
    kernels.extend(filters(&images, &run)?);
    kernels.extend(stacked(&images, &run)?);
    kernels.retain(|(name, _)| name == "copy" || name.contains(&wanted));
    let best = best_seconds(&kernels)?;
    for ((name, _), seconds) in kernels.iter().zip(&best) {
        let share = if SLOW.contains(&name.as_str()) { FEW as f64 / SIDE as f64 } else { 1.0 };
        let rate = share * (SIDE * SIDE) as f64 / seconds / 1e6;
        println!("{name:26} {rate:9.2} Mpx/s  {:7.4} of copy", share * best[0] / seconds);
    }
    Ok(())
}
