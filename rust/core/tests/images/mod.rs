//! Random images for the image tests.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses a part of it")]

pub mod filters;
pub mod scene;

/// xorshift64*: the same images everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Between 0 (excluded) and 1.
    pub fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// Intensity of 4.4 looks (exponentials of shape 4 plus one of 0.4) on levels from 1e-4 to 1.
pub fn speckle(height: usize, width: usize, seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed);
    let pixel = |i: usize| {
        let level = 10_f64.powi(-(((i / width.max(1) / 23 + i % width.max(1) / 31) % 5) as i32));
        let four: f64 = (0..4).map(|_| -random.unit().ln()).sum();
        let rest = -random.unit().ln() * random.unit().powf(1.0 / 0.4);
        (level * (four + rest) / 4.4).clamp(1e-5, 10.0)
    };
    (0..height * width).map(pixel).collect()
}

/// What is put into an image on top of the speckle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Defect {
    None,
    Holes,
    Ships,
}

/// Speckle with one pixel in nine invalid, or one in 200 made 1e4 times brighter.
pub fn image(height: usize, width: usize, seed: u64, defect: Defect) -> Vec<f64> {
    let mut random = Random::new(seed + 77);
    let mut pixels = speckle(height, width, seed);
    for x in &mut pixels {
        *x = match (defect, random.below(1800)) {
            (Defect::Holes, 0..150) => f64::NAN,
            (Defect::Holes, 150..180) => f64::INFINITY,
            (Defect::Holes, 180..200) => f64::NEG_INFINITY,
            (Defect::Ships, 0..9) => *x * 1e4,
            _ => *x,
        };
    }
    pixels
}

/// Within one unit in the last place of the f64 value rounded to f32.
#[track_caller]
pub fn assert_ulp(got: f32, want: f64) {
    let want = want as f32;
    if want.is_nan() {
        assert!(got.is_nan(), "got {got}, want NaN");
        return;
    }
    let near = got == want || got.to_bits().abs_diff(want.to_bits()) <= 1;
    assert!(near, "got {got:e}, want {want:e}");
}
