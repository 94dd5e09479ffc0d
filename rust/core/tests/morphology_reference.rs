//! Dilation and erosion by a disc against the definition.
#![allow(clippy::unwrap_used)]

mod images;

use images::Random;
use kararaster_core::bands::Run;
use kararaster_core::error::Error;
use kararaster_core::morphology::{MAX_RADIUS, dilate, erode, opened_and_grown};
use kararaster_core::raster::{Placement, Raster, RasterMut};

const SHAPES: [(usize, usize); 10] =
    [(0, 0), (0, 3), (3, 0), (1, 1), (1, 40), (40, 1), (7, 9), (33, 130), (150, 64), (90, 31)];

#[derive(Clone)]
struct Mask {
    height: usize,
    width: usize,
    pixels: Vec<u8>,
}

impl Mask {
    /// One pixel in `rarity` set, to any number but 0.
    fn random(height: usize, width: usize, rarity: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let pixel = |_| if random.below(rarity) == 0 { 1 + random.below(255) as u8 } else { 0 };
        Self { height, width, pixels: (0..height * width).map(pixel).collect() }
    }

    fn raster(&self) -> Raster<'_, u8> {
        Raster::new("src", &self.pixels, self.height, self.width).unwrap()
    }

    fn map(&self, pixel: impl Fn(usize, usize) -> bool) -> Self {
        let pixels = (0..self.height * self.width).map(|i| u8::from(pixel(i / self.width, i % self.width))).collect();
        Self { pixels, ..*self }
    }

    /// Whether any pixel of the disc around (row, column) inside the image is set, or is not.
    fn any(&self, row: usize, column: usize, radius: usize, set: bool) -> bool {
        let near = |at: usize, n: usize| at.saturating_sub(radius)..n.min(at + radius + 1);
        near(row, self.height).any(|r| {
            near(column, self.width).any(|c| {
                let inside = row.abs_diff(r).pow(2) + column.abs_diff(c).pow(2) <= radius.pow(2);
                inside && (self.pixels[r * self.width + c] != 0) == set
            })
        })
    }

    fn dilated(&self, radius: usize) -> Self {
        self.map(|row, column| self.any(row, column, radius, true))
    }

    fn eroded(&self, radius: usize) -> Self {
        self.map(|row, column| !self.any(row, column, radius, false))
    }

    fn compute(&self, kernel: impl Fn(Raster<'_, u8>, RasterMut<'_, u8>) -> Result<(), Error>) -> Vec<u8> {
        let mut out = vec![9; self.pixels.len()];
        kernel(self.raster(), RasterMut::new("dst", &mut out, self.height, self.width).unwrap()).unwrap();
        out
    }
}

fn masks() -> impl Iterator<Item = Mask> {
    SHAPES.iter().flat_map(|&(h, w)| [2, 9, 200].map(|rarity| Mask::random(h, w, rarity, (h * 7 + w + rarity) as u64)))
}

#[test]
fn dilation_and_erosion_follow_the_definition() {
    let run = Run::threads(1);
    for mask in masks() {
        for radius in [0, 1, 2, 3, 5, 12] {
            let got = mask.compute(|s, d| dilate(s, d, radius, &run));
            assert!(got == mask.dilated(radius).pixels, "{}x{} dilated by {radius}", mask.height, mask.width);
            let got = mask.compute(|s, d| erode(s, d, radius, &run));
            assert!(got == mask.eroded(radius).pixels, "{}x{} eroded by {radius}", mask.height, mask.width);
        }
    }
}

#[test]
fn the_largest_disc_is_a_disc() {
    let run = Run::threads(1);
    let mut one = Mask::random(300, 280, 1, 5).map(|row, column| (row, column) == (140, 131));
    for radius in [64, 126, MAX_RADIUS] {
        let got = one.compute(|s, d| dilate(s, d, radius, &run));
        let disc = one.map(|r, c| r.abs_diff(140).pow(2) + c.abs_diff(131).pow(2) <= radius.pow(2));
        assert!(got == disc.pixels, "{radius}");
    }
    one.pixels.fill(3);
    assert!(one.compute(|s, d| erode(s, d, MAX_RADIUS, &run)).iter().all(|&set| set == 1));
}

#[test]
fn opening_and_growing_is_three_passes() {
    let run = Run::threads(1);
    for mask in masks() {
        for (open, grow) in [(0, 0), (1, 2), (2, 4), (1, 0), (0, 3)] {
            let got = mask.compute(|s, d| opened_and_grown(s, d, open, grow, Placement::default(), &run));
            let want = mask.eroded(open).dilated(open).dilated(grow);
            assert!(got == want.pixels, "{}x{}: open {open}, grow {grow}", mask.height, mask.width);
        }
    }
}

#[test]
fn bytes_depend_neither_on_threads_nor_on_the_cut() {
    let (open, grow) = (1_usize, 6_usize);
    let mask = Mask::random(400, 211, 3, 11);
    let whole = mask.compute(|s, d| opened_and_grown(s, d, open, grow, Placement::default(), &Run::threads(1)));
    for threads in [2, 7] {
        let run = Run::threads(threads);
        assert!(mask.compute(|s, d| opened_and_grown(s, d, open, grow, Placement::default(), &run)) == whole);
    }
    let halo = 2 * open + grow;
    for (rows, columns) in [(0..1_usize, 0..211_usize), (5..377, 8..9), (100..250, 40..200), (399..400, 205..211)] {
        let (y, x) = (rows.start.saturating_sub(halo), columns.start.saturating_sub(halo));
        let (y_end, x_end) = ((rows.end + halo).min(mask.height), (columns.end + halo).min(mask.width));
        let cut: Vec<u8> = (y..y_end).flat_map(|r| mask.pixels[r * 211 + x..r * 211 + x_end].to_vec()).collect();
        let mut out = vec![9; rows.len() * columns.len()];
        let src = Raster::new("src", &cut, y_end - y, x_end - x).unwrap();
        let dst = RasterMut::new("dst", &mut out, rows.len(), columns.len()).unwrap();
        let placement = Placement { origin_row: y, top: rows.start - y, left: columns.start - x };
        opened_and_grown(src, dst, open, grow, placement, &Run::threads(2)).unwrap();
        let want: Vec<u8> = rows.flat_map(|r| whole[r * 211 + columns.start..r * 211 + columns.end].to_vec()).collect();
        assert!(out == want, "{placement:?}");
    }
}

#[test]
fn refusals_name_the_argument() {
    let run = Run::threads(1);
    let mask = Mask::random(4, 5, 2, 1);
    let mut out = [0; 20];
    let dst = RasterMut::new("dst", &mut out, 4, 5).unwrap();
    let error = dilate(mask.raster(), dst, MAX_RADIUS + 1, &run);
    assert!(matches!(error, Err(Error::Parameter { name: "radius", .. })));
    let dst = RasterMut::new("dst", &mut out, 5, 4).unwrap();
    assert!(matches!(erode(mask.raster(), dst, 1, &run), Err(Error::Shape { name: "dst", .. })));
}
