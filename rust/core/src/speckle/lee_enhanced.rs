//! The enhanced Lee filter of Lopes, Touzi and Nezry (1990).

use crate::bands::Run;
use crate::error::Result;
use crate::raster::{Raster, RasterMut, Real};
use crate::speckle::{check_damping, speckle_variation};
use crate::window::{Frame, Op, filter};

struct LeeEnhanced<T> {
    /// Coefficient of variation of the speckle.
    speckle: T,
    /// Coefficient of variation from which on the centre is a target of its own.
    target: T,
    damping: T,
}

impl<T: Real> Op<T> for LeeEnhanced<T> {
    type Acc = f64;
    const VARIANCE: bool = true;

    #[inline(always)]
    fn apply(&self, centre: T, mean: T, variance: T) -> T {
        let zero = T::from_f64(0.0);
        let variation = variance.sqrt() / mean;
        let exponent = self.damping * (self.speckle - variation) / (self.target - variation);
        let filtered = centre + exponent.exp_negative() * (mean - centre);
        let filtered = if variation < self.target { filtered } else { centre };
        let filtered = if variation > self.speckle { filtered } else { mean };
        if mean > zero { filtered } else { mean }
    }
}

/// Enhanced Lee filter of intensity with `enl` looks (1990, doi 10.1109/36.62623).
///
/// The mean where the window is no more variable than speckle, the sample where it is more variable than
/// `sqrt(1 + 2 / enl)`; between the two, the larger `damping`, the sooner the sample is kept.
pub fn lee_enhanced<T: Real>(
    src: Raster<'_, T>,
    dst: RasterMut<'_, T>,
    frame: &Frame,
    enl: f64,
    damping: f64,
    run: &Run<'_>,
) -> Result<()> {
    let speckle = speckle_variation(enl)?;
    check_damping(damping)?;
    let op = LeeEnhanced {
        speckle: T::from_f64(speckle.sqrt()),
        target: T::from_f64((1.0 + 2.0 * speckle).sqrt()),
        damping: T::from_f64(damping),
    };
    filter(src, dst, frame, &op, run)
}
