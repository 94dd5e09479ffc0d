//! Composites against sorting, sums and Weiszfeld's iteration pixel by pixel in `f64`.
#![allow(clippy::unwrap_used)]

mod images;

use images::Random;
use kararaster_core::bands::Run;
use kararaster_core::composite::{Method, Sortable, composite};
use kararaster_core::optical::Scaling;

const SCALED: Scaling = Scaling { scale: 1e-4, offset: -0.1, invalid: [0.0, 65535.0] };
const METHODS: [Method; 7] = [
    Method::Percentile(50.0),
    Method::Percentile(0.0),
    Method::Percentile(29.0),
    Method::Percentile(100.0),
    Method::Mean,
    Method::MaxNdvi { red: 0, nir: 1 },
    Method::Geomedian,
];

fn run<S: Sortable>(
    bands: &[(&[S], Scaling)],
    pixels: usize,
    method: Method,
    threads: usize,
) -> Vec<(Vec<f32>, Vec<u16>)> {
    let mut out = vec![(vec![-9.0; pixels], vec![9; pixels]); bands.len()];
    let into = out.iter_mut().map(|(value, count)| (&mut value[..], &mut count[..])).collect();
    composite(bands, pixels, method, into, &Run::threads(threads)).unwrap();
    out
}

/// Reflectance of each band (NaN where invalid), dates of one pixel.
fn series<S: Sortable>(bands: &[(&[S], Scaling)], pixels: usize, i: usize) -> Vec<Vec<f64>> {
    let decode = |samples: &[S], scaling: &Scaling| {
        let decoder = scaling.decoder::<S>();
        samples.iter().skip(i).step_by(pixels).map(|&dn| decoder.reflectance(dn)).collect()
    };
    bands.iter().map(|(samples, scaling)| decode(samples, scaling)).collect()
}

fn percentile(x: &[f64], q: f64) -> f64 {
    let mut x = x.to_vec();
    x.sort_by(f64::total_cmp);
    let position = q / 100.0 * (x.len() as f64 - 1.0);
    let lower = position.floor() as usize;
    let upper = (lower + 1).min(x.len() - 1);
    x[lower] + (x[upper] - x[lower]) * position.fract()
}

fn distances(x: &[Vec<f64>], g: &[f64]) -> Vec<f64> {
    x.iter().map(|v| v.iter().zip(g).map(|(x, g)| (x - g) * (x - g)).sum::<f64>().sqrt()).collect()
}

/// The least sum of distances: at a date, or where the plain iteration from the mean ends.
fn least_sum(x: &[Vec<f64>]) -> f64 {
    let mean = |weights: &[f64], b: usize| {
        x.iter().zip(weights).map(|(v, w)| v[b] * w).sum::<f64>() / weights.iter().sum::<f64>()
    };
    let mut weights = vec![1.0; x.len()];
    let mut g = Vec::new();
    for _ in 0..1000 {
        g = (0..x[0].len()).map(|b| mean(&weights, b)).collect();
        weights = distances(x, &g).iter().map(|d| 1.0 / d.max(1e-12)).collect();
    }
    x.iter().chain([&g]).map(|at| distances(x, at).iter().sum()).fold(f64::INFINITY, f64::min)
}

#[test]
fn the_geomedian_has_the_least_sum_of_distances() {
    let mut random = Random::new(3);
    // Coarse numbers: estimates meet dates, and dates meet each other; where a date is just about the median a hundred steps
    // come near it only.
    for (levels, tolerance) in [(1 << 20, 3e-5), (6, 3e-3)] {
        for (dates, bands) in [(3, 1), (3, 2), (4, 3), (5, 1), (8, 2), (11, 4)] {
            let pixels = 20;
            let mut number = |_| random.below(levels) as f64 / levels as f64;
            let stacks: Vec<Vec<f64>> = (0..bands).map(|_| (0..dates * pixels).map(&mut number).collect()).collect();
            let inputs: Vec<_> = stacks.iter().map(|band| (&band[..], Scaling::NONE)).collect();
            let got = run(&inputs, pixels, Method::Geomedian, 1);
            for i in 0..pixels {
                let x: Vec<Vec<f64>> =
                    (0..dates).map(|t| stacks.iter().map(|band| band[t * pixels + i]).collect()).collect();
                let g: Vec<f64> = got.iter().map(|(value, _)| f64::from(value[i])).collect();
                let (sum, want): (f64, f64) = (distances(&x, &g).iter().sum(), least_sum(&x));
                assert!((sum - want).abs() < tolerance, "{dates} dates, {bands} bands: sum {sum}, want {want}");
            }
        }
    }
}

/// What each band of a pixel must be, and from how many dates.
fn expected(bands: &[Vec<f64>], method: Method) -> Vec<(f64, usize)> {
    let dates = bands[0].len();
    let complete: Vec<Vec<f64>> = (0..dates)
        .map(|t| bands.iter().map(|band| band[t]).collect::<Vec<_>>())
        .filter(|v| v.iter().all(|x| !x.is_nan()))
        .collect();
    let valid = |band: &[f64]| band.iter().copied().filter(|x| !x.is_nan()).collect::<Vec<_>>();
    let joint = |vectors: Vec<Vec<f64>>, point: Option<Vec<f64>>| {
        let point = point.unwrap_or_else(|| vec![f64::NAN; bands.len()]);
        point.into_iter().map(|x| (x, vectors.len())).collect()
    };
    match method {
        Method::Percentile(q) => bands
            .iter()
            .map(|band| valid(band))
            .map(|x| if x.is_empty() { (f64::NAN, 0) } else { (percentile(&x, q), x.len()) })
            .collect(),
        Method::Mean => {
            bands.iter().map(|band| valid(band)).map(|x| (x.iter().sum::<f64>() / x.len() as f64, x.len())).collect()
        }
        Method::MaxNdvi { red, nir } => {
            let index = |v: &[f64]| (v[nir] - v[red]) / (v[nir] + v[red]);
            let usable: Vec<_> = complete.into_iter().filter(|v| v[nir] + v[red] != 0.0).collect();
            let best = usable.iter().fold(None, |best: Option<&Vec<f64>>, v| match best {
                Some(b) if index(v) <= index(b) => Some(b),
                _ => Some(v),
            });
            let best = best.cloned();
            joint(usable, best)
        }
        Method::Geomedian => {
            // More than two dates: see the test of the sum of distances.
            let mean = |b: usize| complete.iter().map(|v| v[b]).sum::<f64>() / complete.len() as f64;
            let point = (1..3).contains(&complete.len()).then(|| (0..bands.len()).map(mean).collect());
            joint(complete, point)
        }
    }
}

fn agree<S: Sortable>(bands: &[(&[S], Scaling)], pixels: usize, what: &str) {
    for method in METHODS {
        let got = run(bands, pixels, method, 1);
        for i in 0..pixels {
            for (b, (want, dates)) in expected(&series(bands, pixels, i), method).into_iter().enumerate() {
                let (value, count) = (f64::from(got[b].0[i]), got[b].1[i]);
                assert_eq!(usize::from(count), dates, "{what} {method:?} pixel {i} band {b}");
                let near = (value - want).abs() <= 2e-7 * want.abs() + 1e-9 || (value.is_nan() && want.is_nan());
                assert!(
                    near || (method == Method::Geomedian && dates > 2),
                    "{what} {method:?} pixel {i} band {b}: got {value}, want {want}"
                );
            }
        }
        for threads in [2, 7] {
            let other = run(bands, pixels, method, threads);
            for (a, b) in got.iter().zip(&other) {
                assert!(
                    a.0.iter().zip(&b.0).all(|(a, b)| a.to_bits() == b.to_bits()) && a.1 == b.1,
                    "{what} {method:?}"
                );
            }
        }
    }
}

fn numbers(random: &mut Random, len: usize, marked: u64) -> Vec<f64> {
    let number = |random: &mut Random| match random.next() % 100 {
        k if k < marked => [0.0, 65535.0][(k % 2) as usize],
        _ => 1.0 + random.below(9000) as f64,
    };
    (0..len).map(|_| number(random)).collect()
}

#[test]
fn composites_are_those_of_the_definition() {
    let mut random = Random::new(11);
    for dates in [0, 1, 2, 3, 8, 17, 61] {
        for (pixels, marked) in [(67, 0), (67, 30), (45, 90), (1, 20), (0, 0)] {
            let bands: Vec<Vec<f64>> = (0..3).map(|_| numbers(&mut random, dates * pixels, marked)).collect();
            let what = format!("{dates} dates, {marked} % marked");
            let u16s: Vec<Vec<u16>> = bands.iter().map(|band| band.iter().map(|&x| x as u16).collect()).collect();
            agree(&u16s.iter().map(|band| (&band[..], SCALED)).collect::<Vec<_>>(), pixels, &format!("{what}, u16"));
            let holes = |x: f64| if x == 0.0 { f64::NAN } else { x / 1e4 - 0.01 };
            let f64s: Vec<Vec<f64>> = bands.iter().map(|band| band.iter().map(|&x| holes(x)).collect()).collect();
            agree(
                &f64s.iter().map(|band| (&band[..], Scaling::NONE)).collect::<Vec<_>>(),
                pixels,
                &format!("{what}, f64"),
            );
            let f32s: Vec<Vec<f32>> = f64s.iter().map(|band| band.iter().map(|&x| x as f32).collect()).collect();
            agree(
                &f32s.iter().map(|band| (&band[..], Scaling::NONE)).collect::<Vec<_>>(),
                pixels,
                &format!("{what}, f32"),
            );
        }
    }
}

#[test]
fn extreme_numbers_are_not_taken_for_missing_ones() {
    let mark = |x: f64| Scaling { invalid: [x, f64::NAN], ..Scaling::NONE };
    let q = |x: &[u16], scaling: Scaling, q: f64| run(&[(x, scaling)], 1, Method::Percentile(q), 1)[0].0[0];
    assert_eq!(q(&[0, 65535, 7, 65535], mark(7.0), 50.0), 65535.0);
    assert_eq!(q(&[0, 65535, 7, 0], mark(7.0), 50.0), 0.0);
    assert_eq!(q(&[0, 65535, 7], Scaling::NONE, 50.0), 7.0);
    // A scale below 0 turns the order round.
    let falling = Scaling { scale: -1.0, offset: 10.0, invalid: [0.0, f64::NAN] };
    assert_eq!(q(&[1, 2, 0, 9], falling, 0.0), 1.0);
    let i16s: &[i16] = &[-32768, 32767, 5];
    assert_eq!(run(&[(i16s, Scaling::NONE)], 1, Method::Percentile(50.0), 1)[0].0[0], 5.0);
    let u8s: &[u8] = &[0, 255, 255, 0];
    assert_eq!(run(&[(u8s, mark(0.0))], 1, Method::Percentile(50.0), 1)[0], (vec![255.0], vec![2]));
    let f32s: &[f32] = &[f32::MIN, f32::MAX, f32::INFINITY, f32::NAN, f32::MAX];
    assert_eq!(run(&[(f32s, Scaling::NONE)], 1, Method::Percentile(50.0), 1)[0], (vec![f32::MAX], vec![3]));
    // The mark 0 is minus 0 too.
    assert_eq!(run(&[(&[-0.0_f32, 3.0][..], mark(0.0))], 1, Method::Percentile(50.0), 1)[0], (vec![3.0], vec![1]));
}

#[test]
fn any_cut_gives_the_same_bytes() {
    let (mut random, pixels, dates) = (Random::new(5), 3001, 9);
    let whole: Vec<u16> = numbers(&mut random, dates * pixels, 20).into_iter().map(|x| x as u16).collect();
    for method in METHODS.into_iter().filter(|method| !matches!(method, Method::MaxNdvi { .. })) {
        let all = run(&[(&whole[..], SCALED)], pixels, method, 1);
        for cut in [1, 33, 2000] {
            let part: Vec<u16> = (0..dates).flat_map(|t| whole[t * pixels + cut..][..900].to_vec()).collect();
            let part = run(&[(&part[..], SCALED)], 900, method, 1);
            let same = part[0].0.iter().zip(&all[0].0[cut..]).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same && part[0].1 == all[0].1[cut..cut + 900], "{method:?} at {cut}");
        }
    }
}

#[test]
fn bad_input_is_named() {
    let check = |method: Method, len: usize, outputs: usize| {
        let (x, mut out, mut count) = (vec![1_u16; len], vec![0.0; 4 * outputs], vec![0; 4 * outputs]);
        let into = out.chunks_mut(4).zip(count.chunks_mut(4)).collect();
        composite(&[(&x[..], Scaling::NONE)], 4, method, into, &Run::threads(1)).unwrap_err().to_string()
    };
    assert!(check(Method::Percentile(101.0), 8, 1).starts_with("percentile: got 101"));
    assert!(check(Method::Percentile(f64::NAN), 8, 1).starts_with("percentile: got NaN"));
    assert!(check(Method::Mean, 7, 1).starts_with("bands"));
    assert!(check(Method::Mean, 8, 2).starts_with("out"));
    assert!(check(Method::MaxNdvi { red: 0, nir: 1 }, 8, 1).starts_with("index"));
}
