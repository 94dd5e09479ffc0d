//! Windowed filters the slow and obvious way.

use kararaster_core::raster::{Placement, Window};
use kararaster_core::speckle::{Border, Frame};

use super::{Defect, image};

const SHAPES: [(usize, usize); 9] = [(0, 0), (0, 3), (1, 1), (1, 40), (40, 1), (2, 2), (3, 70), (37, 61), (70, 150)];
const WINDOWS: [(usize, usize); 9] = [(1, 1), (3, 3), (5, 5), (7, 7), (9, 11), (13, 3), (1, 15), (21, 1), (31, 31)];

/// A whole image as f64, and how to look at it.
pub struct Scene {
    pub pixels: Vec<f64>,
    pub height: usize,
    pub width: usize,
    pub window: Window,
    pub border: Border,
    pub min_valid: usize,
}

impl Scene {
    pub fn frame(&self) -> Frame {
        let (window, border, min_valid) = (self.window, self.border, self.min_valid);
        Frame { placement: Placement::default(), window, border, min_valid }
    }

    /// The valid samples of the window around a pixel.
    pub fn samples(&self, r: usize, c: usize) -> Vec<f64> {
        let (hy, hx) = self.window.half();
        let mut samples = Vec::new();
        for y in r as isize - hy as isize..=(r + hy) as isize {
            for x in c as isize - hx as isize..=(c + hx) as isize {
                let (iy, ix) = (y.clamp(0, self.height as isize - 1), x.clamp(0, self.width as isize - 1));
                let inside = (iy, ix) == (y, x);
                let sample = self.pixels[iy as usize * self.width + ix as usize];
                if sample.is_finite() && (inside || self.border == Border::Replicate) {
                    samples.push(sample);
                }
            }
        }
        samples
    }

    /// `filter(centre, mean, variance, number of samples)` at every pixel with a valid centre.
    pub fn map(&self, filter: impl Fn(f64, f64, f64, usize) -> f64) -> Vec<f64> {
        let pixel = |i: usize| {
            let centre = self.pixels[i];
            let samples = self.samples(i / self.width, i % self.width);
            let n = samples.len();
            if !centre.is_finite() || n < self.min_valid {
                return f64::NAN;
            }
            let mean = samples.iter().sum::<f64>() / n as f64;
            let square = samples.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
            filter(centre, mean, if n > 1 { square / (n - 1) as f64 } else { 0.0 }, n)
        };
        (0..self.pixels.len()).map(pixel).collect()
    }

    pub fn lee(&self, enl: f64) -> Vec<f64> {
        self.map(|x, mean, variance, _| {
            if mean <= 0.0 || variance == 0.0 {
                return mean;
            }
            let weight = (1.0 - 1.0 / enl / (variance / (mean * mean))).max(0.0);
            mean + weight * (x - mean)
        })
    }
}

/// Every combination of shape, window, border and content.
pub fn scenes() -> Vec<Scene> {
    let mut scenes = Vec::new();
    for (height, width) in SHAPES {
        for (y, x) in WINDOWS {
            for (i, defect) in [Defect::None, Defect::Holes, Defect::Ships].into_iter().enumerate() {
                let border = if (y + x + i) % 4 == 0 { Border::Replicate } else { Border::Shrink };
                let min_valid = [1, 1 + y * x / 2][(height + i) % 2];
                let pixels = image(height, width, (y * 64 + x) as u64, defect);
                // The reference is made of what an f32 kernel gets.
                let pixels = pixels.into_iter().map(|x| f64::from(x as f32)).collect();
                let window = Window::new(y, x).unwrap();
                scenes.push(Scene { pixels, height, width, window, border, min_valid });
            }
        }
    }
    scenes
}
