//! The Lee filter (1980) in its product model form.

use crate::bands::Run;
use crate::error::Result;
use crate::raster::{Raster, RasterMut, Real};
use crate::speckle::speckle_variation;
use crate::window::{Frame, Op, filter};

struct Lee<T> {
    /// Squared coefficient of variation of the speckle.
    speckle: T,
}

impl<T: Real> Op<T> for Lee<T> {
    type Acc = f64;
    const VARIANCE: bool = true;

    /// `mean + (1 - q) (centre - mean)` with `q` the share of speckle in the variance, written so that nothing cancels
    /// beside a bright target, where `mean` is much larger than the result.
    #[inline(always)]
    fn apply(&self, centre: T, mean: T, variance: T) -> T {
        let speckle = self.speckle * mean * mean;
        let filtered = centre + speckle / variance * (mean - centre);
        let filtered = if speckle < variance { filtered } else { mean };
        if mean > T::from_f64(0.0) { filtered } else { mean }
    }
}

/// Lee filter of intensity with `enl` looks.
///
/// Where the window is no more variable than speckle (or constant, or its mean not positive) the result is the mean.
pub fn lee<T: Real>(src: Raster<'_, T>, dst: RasterMut<'_, T>, frame: &Frame, enl: f64, run: &Run<'_>) -> Result<()> {
    let speckle = T::from_f64(speckle_variation(enl)?);
    filter(src, dst, frame, &Lee { speckle }, run)
}
