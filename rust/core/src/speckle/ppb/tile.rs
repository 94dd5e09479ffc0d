//! A tile of the image with its halo, in the forms that the weights need.

use super::arithmetic::Comparable;
use super::pairs::{LANES, padded};
use super::{Ppb, Region};
use crate::raster::Raster;

/// Planes of a tile and the halo around it; samples that cannot be compared are zero in all of them.
#[derive(Default)]
pub(super) struct Tile<T> {
    pub rows: usize,
    pub cols: usize,
    pub halo: usize,
    pub stride: usize,
    /// Whether all samples can be compared.
    pub clean: bool,
    /// Whether any sample of the tile itself can be compared.
    pub used: bool,
    /// Whether there is an estimate of an iteration before.
    pub estimated: bool,
    /// 1 where a sample can be compared.
    pub valid: Vec<T>,
    pub power: Vec<T>,
    /// Amplitude and half its reciprocal: `a_s / a_t + a_t / a_s` takes two products.
    pub amplitude: Vec<T>,
    pub half_inverse: Vec<T>,
    /// The same of the estimate, the reciprocal times the root of the weight of the second term.
    pub root: Vec<T>,
    pub scaled_inverse: Vec<T>,
    /// Smallest power of the search window of every pixel of the tile. Means are taken of what lies above it, so that
    /// nothing cancels and a constant stays what it is.
    floors: Vec<T>,
    line: Vec<T>,
}

impl<T: Comparable> Tile<T> {
    /// Read `part` of `src` and of the estimate before, and what lies around it.
    pub fn load(&mut self, src: Raster<'_, T>, previous: Option<Raster<'_, T>>, part: &Region, parameters: &Ppb) {
        self.rows = part.rows.len();
        self.cols = part.cols.len();
        self.halo = parameters.reach();
        self.stride = padded(self.cols + 2 * self.halo);
        self.estimated = previous.is_some();
        let size = (self.rows + 2 * self.halo) * self.stride + 2 * LANES;
        let planes = [
            &mut self.valid,
            &mut self.power,
            &mut self.amplitude,
            &mut self.half_inverse,
            &mut self.root,
            &mut self.scaled_inverse,
        ];
        for plane in planes {
            plane.clear();
            plane.resize(size, T::default());
        }
        let around = part.grown(self.halo, &src);
        let first_row = self.halo - (part.rows.start - around.rows.start);
        let first_col = self.halo - (part.cols.start - around.cols.start);
        let scale = T::from_f64(parameters.second_term().sqrt());
        let mut count = 0;
        for (i, row) in around.rows.clone().enumerate() {
            let first = (first_row + i) * self.stride + first_col;
            count += self.load_samples(first, &src.row(row)[around.cols.clone()]);
            if let Some(previous) = previous {
                self.load_estimate(first, &previous.row(row)[around.cols.clone()], scale);
            }
        }
        self.clean = count == (self.rows + 2 * self.halo) * (self.cols + 2 * self.halo);
        self.find_floors(parameters.search);
    }

    /// Returns how many samples can be compared.
    fn load_samples(&mut self, first: usize, samples: &[T]) -> usize {
        let (zero, half, one) = (T::default(), T::from_f64(0.5), T::from_f64(1.0));
        let mut count = 0;
        for (i, &x) in samples.iter().enumerate() {
            if x.is_valid() && x > zero {
                count += 1;
                let a = x.sqrt();
                self.valid[first + i] = one;
                self.power[first + i] = x;
                self.amplitude[first + i] = a;
                self.half_inverse[first + i] = half / a;
            }
        }
        count
    }

    fn load_estimate(&mut self, first: usize, estimate: &[T], scale: T) {
        for (i, &x) in estimate.iter().enumerate() {
            if self.power[first + i] > T::default() {
                let root = x.sqrt();
                self.root[first + i] = root;
                self.scaled_inverse[first + i] = scale / root;
            }
        }
    }

    /// Index in the planes of a pixel of the tile.
    pub fn at(&self, row: usize, col: usize) -> usize {
        (self.halo + row) * self.stride + self.halo + col
    }

    /// The floors of a row of the tile.
    pub fn floor(&self, row: usize) -> &[T] {
        let width = padded(self.cols);
        &self.floors[row * width..(row + 1) * width]
    }

    fn find_floors(&mut self, search: usize) {
        let infinite = T::from_f64(f64::INFINITY);
        let (zero, width) = (T::default(), padded(self.cols));
        self.floors.clear();
        self.floors.resize(self.rows * width, infinite);
        self.line.clear();
        self.line.resize(self.stride, infinite);
        self.used = false;
        for row in 0..self.rows {
            let centre = self.at(row, 0);
            self.used |= self.power[centre..centre + self.cols].iter().any(|&x| x > zero);
            self.line.fill(infinite);
            for other in row..=row + 2 * search {
                let first = (self.halo - search + other) * self.stride;
                for (low, &x) in self.line.iter_mut().zip(&self.power[first..first + self.stride]) {
                    *low = if x > zero && x < *low { x } else { *low };
                }
            }
            let floor = &mut self.floors[row * width..row * width + self.cols];
            for shift in 0..=2 * search {
                let first = self.halo - search + shift;
                for (low, &x) in floor.iter_mut().zip(&self.line[first..first + self.cols]) {
                    *low = if x < *low { x } else { *low };
                }
            }
        }
    }
}
