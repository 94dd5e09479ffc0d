//! Calibration with noise removal against a slow and obvious f64 reference.
#![allow(clippy::unwrap_used)]

mod images;

use images::Random;
use kararaster_core::bands::Run;
use kararaster_core::calibration::{Lut, Negative, calibrate};
use kararaster_core::error::Error;
use kararaster_core::noise::Noise;
use kararaster_core::raster::{Raster, RasterMut};

const NAN: f64 = f64::NAN;

/// Vectors with their own nodes: (line, [(pixel, value)]).
#[derive(Clone)]
struct Table(Vec<(f64, Vec<(f64, f64)>)>);

impl Table {
    /// `sizes` are the numbers of nodes of the vectors.
    fn random(seed: u64, sizes: &[usize], mean: f64, height: usize, width: usize) -> Self {
        let mut random = Random::new(seed);
        let step = height as f64 / sizes.len() as f64;
        let vectors = sizes.iter().enumerate().map(|(i, &n)| {
            let node = |k: usize, random: &mut Random| {
                let pixel = (k as f64 + 0.9 * random.unit()) * width as f64 / n as f64;
                (if i % 2 == 0 { pixel.floor() } else { pixel }, mean * (0.8 + 0.4 * random.unit()))
            };
            (step * i as f64 - 2.0, (0..n).map(|k| node(k, &mut random)).collect())
        });
        Self(vectors.collect())
    }

    fn padded(&self) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let most = self.0.iter().map(|v| v.1.len()).max().unwrap();
        let row = |v: &Vec<(f64, f64)>, pick: fn(&(f64, f64)) -> f64| {
            let padding = std::iter::repeat_n(NAN, most - v.len());
            v.iter().map(pick).chain(padding).collect::<Vec<_>>()
        };
        (
            self.0.iter().map(|v| v.0).collect(),
            self.0.iter().flat_map(|v| row(&v.1, |n| n.0)).collect(),
            self.0.iter().flat_map(|v| row(&v.1, |n| n.1)).collect(),
        )
    }

    /// Each vector in range on its own nodes, then in azimuth; held outside.
    fn at(&self, line: f64, pixel: f64) -> f64 {
        let column: Vec<(f64, f64)> = self.0.iter().map(|(l, nodes)| (*l, linear(nodes, pixel))).collect();
        linear(&column, line)
    }
}

fn linear(nodes: &[(f64, f64)], x: f64) -> f64 {
    let (first, last) = (nodes[0], nodes[nodes.len() - 1]);
    if x <= first.0 {
        return first.1;
    }
    let pair = nodes.windows(2).find(|w| x < w[1].0);
    pair.map_or(last.1, |w| w[0].1 + (w[1].1 - w[0].1) * (x - w[0].0) / (w[1].0 - w[0].0))
}

/// An azimuth block: its six limits and its nodes.
type Block = ([i64; 6], Vec<(f64, f64)>);

fn blocks() -> Vec<Block> {
    vec![
        ([3, 60, 0, 40, 0, 2], vec![(0.0, 1.0), (30.0, 1.3), (70.0, 0.9)]),
        ([0, 90, 41, 77, 1, 4], vec![(5.0, 0.8)]),
        ([50, 130, 30, 120, 2, 3], vec![(40.0, 1.1), (140.0, 0.7)]),
    ]
}

fn eta(range: &Table, blocks: &[Block], line: usize, pixel: usize) -> f64 {
    let (l, p) = (line as i64, pixel as i64);
    if blocks.is_empty() {
        return range.at(line as f64, pixel as f64);
    }
    let holds = |b: &&Block| (b.0[0]..=b.0[1]).contains(&l) && (b.0[2]..=b.0[3]).contains(&p);
    blocks.iter().find(holds).map_or(0.0, |(limits, nodes)| {
        let own = Table(range.0[limits[4] as usize..limits[5] as usize].to_vec());
        own.at(line as f64, pixel as f64) * linear(nodes, line as f64)
    })
}

/// An image calibrated by the crate, cut at `origin`.
struct Product {
    dn: Vec<u16>,
    height: usize,
    width: usize,
    gain: Table,
    range: Table,
    blocks: Vec<Block>,
}

impl Product {
    fn new(seed: u64, sizes: &[usize], blocks: Vec<Block>) -> Self {
        let (height, width) = (140, 123);
        let mut random = Random::new(seed);
        let bright = |random: &mut Random| if random.below(9) == 0 { 65536 } else { 300 };
        let dn = (0..height * width).map(|_| {
            let n = bright(&mut random);
            random.below(n) as u16
        });
        let gain = Table::random(seed + 1, sizes, 500.0, height, width);
        let range = Table::random(seed + 2, &[5, 1, 7, 3], 800.0, height, width);
        Self { dn: dn.collect(), height, width, gain, range, blocks }
    }

    fn calibrated(&self, negative: Negative, rows: (usize, usize), cols: (usize, usize), threads: usize) -> Vec<f32> {
        let (gain, range) = (self.gain.padded(), self.range.padded());
        let limits: Vec<i64> = self.blocks.iter().flat_map(|b| b.0).collect();
        let most = self.blocks.iter().map(|b| b.1.len()).max().unwrap_or(0);
        let nodes = |pick: fn(&(f64, f64)) -> f64| -> Vec<f64> {
            let row =
                |b: &Block| b.1.iter().map(pick).chain(std::iter::repeat_n(NAN, most - b.1.len())).collect::<Vec<_>>();
            self.blocks.iter().flat_map(row).collect()
        };
        let (lines, values) = (nodes(|n| n.0), nodes(|n| n.1));
        let noise = Noise::new(Lut::new(&range.0, &range.1, &range.2).unwrap(), &limits, &lines, &values).unwrap();
        let cut: Vec<u16> =
            (rows.0..rows.1).flat_map(|r| self.dn[r * self.width + cols.0..r * self.width + cols.1].to_vec()).collect();
        let (height, width) = (rows.1 - rows.0, cols.1 - cols.0);
        let mut out = vec![0.0; cut.len()];
        calibrate(
            Raster::new("dn", &cut, height, width).unwrap(),
            (rows.0, cols.0),
            &Lut::new(&gain.0, &gain.1, &gain.2).unwrap(),
            Some(&noise),
            negative,
            RasterMut::new("dst", &mut out, height, width).unwrap(),
            &Run::threads(threads),
        )
        .unwrap();
        out
    }

    fn whole(&self, negative: Negative) -> Vec<f32> {
        self.calibrated(negative, (0, self.height), (0, self.width), 1)
    }
}

fn products() -> Vec<Product> {
    vec![
        Product::new(1, &[4, 9, 2, 6, 5], blocks()),
        Product::new(2, &[1], blocks()),
        Product::new(3, &[1, 3], Vec::new()),
    ]
}

#[test]
fn calibration_follows_its_formula() {
    for product in products() {
        for (i, got) in product.whole(Negative::Keep).into_iter().enumerate() {
            let (line, pixel) = (i / product.width, i % product.width);
            let power = f64::from(product.dn[i]).powi(2);
            if power == 0.0 {
                assert!(got.is_nan());
                continue;
            }
            let gain = product.gain.at(line as f64, pixel as f64).powi(2);
            let noise = eta(&product.range, &product.blocks, line, pixel);
            let error = (f64::from(got) - (power - noise) / gain).abs() / (power / gain);
            let scale = ((power - noise) / power).abs().max(1.0);
            assert!(error < 5e-7 * scale, "{error:.1e} at ({line}, {pixel})");
        }
    }
}

#[test]
fn golden_value_of_the_calibration() {
    let lut = Lut::new(&[0.0, 100.0], &[0.0, 40.0, 0.0, 40.0], &[500.0, 520.0, 540.0, 580.0]).unwrap();
    let mut out = [0.0];
    let dn = Raster::new("dn", &[100], 1, 1).unwrap();
    let dst = RasterMut::new("dst", &mut out, 1, 1).unwrap();
    calibrate(dn, (25, 10), &lut, None, Negative::Keep, dst, &Run::threads(1)).unwrap();
    assert!((f64::from(out[0]) / 0.03752147224876736 - 1.0).abs() < 3e-7);
}

#[test]
fn negative_power_is_treated_as_asked() {
    let product = Product::new(7, &[4, 4], blocks());
    let keep = product.whole(Negative::Keep);
    let (zero, nan, snap) =
        (product.whole(Negative::Zero), product.whole(Negative::Nan), product.whole(Negative::Snap));
    assert!(keep.iter().any(|&x| x < 0.0));
    for (i, &x) in keep.iter().enumerate().filter(|(_, x)| !x.is_nan()) {
        if x < 0.0 {
            let gain = product.gain.at((i / product.width) as f64, (i % product.width) as f64);
            assert_eq!(zero[i], 0.0);
            assert!(nan[i].is_nan());
            assert!((f64::from(snap[i]) * gain * gain / 1e-5 - 1.0).abs() < 1e-6);
        } else {
            assert_eq!([zero[i], nan[i]], [x, x]);
        }
    }
}

#[test]
fn a_window_of_a_product_gives_the_same_bytes() {
    let bits = |x: &f32| x.to_bits();
    for product in products() {
        let whole = product.whole(Negative::Keep);
        for (rows, cols) in [((0, 140), (50, 51)), ((59, 63), (0, 123)), ((137, 138), (29, 122)), ((10, 10), (4, 90))] {
            let want = (rows.0..rows.1).flat_map(|r| &whole[r * product.width + cols.0..r * product.width + cols.1]);
            let want: Vec<u32> = want.map(bits).collect();
            for threads in [1, 2, 7] {
                let got = product.calibrated(Negative::Keep, rows, cols, threads);
                assert_eq!(got.iter().map(bits).collect::<Vec<_>>(), want);
            }
        }
    }
}

#[test]
fn malformed_tables_are_refused() {
    let name = |r: Result<Lut<'_>, Error>| match r {
        Err(Error::Shape { name, .. } | Error::Parameter { name, .. }) => name,
        _ => "accepted",
    };
    assert_eq!(name(Lut::new(&[], &[], &[])), "lines");
    assert_eq!(name(Lut::new(&[1.0, 1.0], &[0.0, 0.0], &[1.0, 1.0])), "lines");
    assert_eq!(name(Lut::new(&[0.0, 1.0], &[0.0, 1.0, 2.0], &[1.0; 3])), "pixels");
    assert_eq!(name(Lut::new(&[0.0], &[NAN, 1.0], &[1.0; 2])), "pixels");
    assert_eq!(name(Lut::new(&[0.0], &[0.0, 1.0], &[1.0])), "values");
    assert_eq!(name(Lut::new(&[0.0], &[0.0, 1.0], &[1.0, NAN])), "values");
    assert_eq!(name(Lut::new(&[0.0], &[0.0, NAN], &[1.0, NAN])), "accepted");
    let lut = Lut::new(&[0.0], &[0.0], &[1.0]).unwrap();
    for blocks in [[0, 9, 0, 9, 0, 2], [0, 9, 0, 9, 0, 0], [-1, 9, 0, 9, 0, 1], [0, i64::MAX, 0, 9, 0, 1]] {
        assert!(matches!(Noise::new(lut, &blocks, &[0.0], &[1.0]), Err(Error::Parameter { name: "blocks", .. })));
    }
    assert!(matches!(Noise::new(lut, &[0; 7], &[0.0], &[1.0]), Err(Error::Shape { name: "blocks", .. })));
    assert!(matches!(
        Noise::new(lut, &[0, 9, 0, 9, 0, 1], &[NAN], &[1.0]),
        Err(Error::Parameter { name: "az_lines", .. })
    ));
}
