//! Simulated stacks and comparison for the statistics tests; not every test file uses all of it.
#![allow(dead_code, clippy::unwrap_used)]

use kararaster_core::bands::Run;
use kararaster_core::change::{ChangeOut, Group, Options, before_after};
use kararaster_core::moments::Sample;

/// Equal within `tolerance`, relative above 1 and absolute below.
pub fn near(got: f64, want: f64, tolerance: f64, what: &str) {
    assert!((got - want).abs() <= tolerance * want.abs().max(1.0), "{what}: got {got}, want {want}");
}

/// A linear congruential generator: enough to shuffle and to speckle.
pub struct Noise(pub u64);

impl Noise {
    /// In (0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0
    }

    /// Nearly standard normal: the sum of twelve uniform numbers.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// Speckle of four looks.
    pub fn speckle(&mut self) -> f32 {
        (-(0..4).map(|_| self.uniform().ln()).sum::<f64>() / 4.0) as f32
    }
}

/// `bands` stacks of `dates * pixels` speckle samples, a share of `holes` NaN and a few zeros.
pub fn simulate(bands: usize, dates: usize, pixels: usize, holes: f64) -> Vec<Vec<f32>> {
    let mut noise = Noise((bands + dates + pixels) as u64);
    let mut sample = || match noise.uniform() {
        u if u < holes => f32::NAN,
        u if u < holes * 1.1 => 0.0,
        _ => noise.speckle(),
    };
    (0..bands).map(|_| (0..dates * pixels).map(|_| sample()).collect()).collect()
}

/// Samples of pixel `i` at `dates` where both bands are valid and positive.
pub fn joint_samples(stack: &[Vec<f32>], dates: &[usize], pixels: usize, i: usize) -> Vec<[f64; 2]> {
    dates
        .iter()
        .map(|date| [f64::from(stack[0][date * pixels + i]), f64::from(stack[1][date * pixels + i])])
        .filter(|s| s.iter().all(|x| x.is_finite() && *x > 0.0))
        .collect()
}

/// The maps of a test, allocated with a value that no test returns.
pub struct Maps {
    pub statistic: Vec<f32>,
    pub p_value: Vec<f32>,
    pub neg_log10_p: Vec<f32>,
    pub magnitude: Vec<f32>,
    pub direction: Vec<i8>,
    pub n_pre: Vec<u16>,
    pub n_post: Vec<u16>,
    pub n_orbits: Vec<u8>,
}

impl Maps {
    pub fn new(pixels: usize, bands: usize) -> Self {
        let f = vec![7.0; pixels];
        let n = vec![7; pixels];
        Self {
            statistic: f.clone(),
            p_value: f.clone(),
            neg_log10_p: f,
            magnitude: vec![7.0; pixels * bands],
            direction: vec![7; pixels],
            n_pre: n.clone(),
            n_post: n,
            n_orbits: vec![7; pixels],
        }
    }

    pub fn out(&mut self) -> ChangeOut<'_> {
        ChangeOut {
            statistic: &mut self.statistic,
            p_value: &mut self.p_value,
            neg_log10_p: &mut self.neg_log10_p,
            magnitude: &mut self.magnitude,
            direction: &mut self.direction,
            n_pre: &mut self.n_pre,
            n_post: &mut self.n_post,
            n_orbits: &mut self.n_orbits,
        }
    }

    pub fn of<T: Sample>(options: &Options, bands: &[&[T]], groups: &[Group], pixels: usize) -> Self {
        let mut maps = Self::new(pixels, options.bands);
        before_after(options, bands, groups, pixels, maps.out(), &Run::threads(1)).unwrap();
        maps
    }
}
