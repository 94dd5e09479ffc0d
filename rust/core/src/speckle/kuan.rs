//! The filter of Kuan et al. (1985): the linear estimate of least squared error under multiplicative noise.

use crate::bands::Run;
use crate::error::Result;
use crate::raster::{Raster, RasterMut, Real};
use crate::speckle::speckle_variation;
use crate::window::{Frame, Op, filter};

struct Kuan<T> {
    /// Squared coefficient of variation of the speckle.
    speckle: T,
    /// `1 / (1 + speckle)`.
    share: T,
}

impl<T: Real> Op<T> for Kuan<T> {
    type Acc = f64;
    const VARIANCE: bool = true;

    /// `mean + (1 - q) / (1 + speckle) (centre - mean)` with `q` the share of speckle in the variance, counted from the
    /// centre as in Lee's filter.
    #[inline(always)]
    fn apply(&self, centre: T, mean: T, variance: T) -> T {
        let speckle = self.speckle * mean * mean;
        let weight = (self.speckle + speckle / variance) * self.share;
        let filtered = centre + weight * (mean - centre);
        let filtered = if speckle < variance { filtered } else { mean };
        if mean > T::from_f64(0.0) { filtered } else { mean }
    }
}

/// Kuan filter of intensity with `enl` looks (1985, doi 10.1109/TPAMI.1985.4767641).
///
/// Where the window is no more variable than speckle (or constant, or its mean not positive) the result is the mean.
pub fn kuan<T: Real>(src: Raster<'_, T>, dst: RasterMut<'_, T>, frame: &Frame, enl: f64, run: &Run<'_>) -> Result<()> {
    let speckle = speckle_variation(enl)?;
    let op = Kuan { speckle: T::from_f64(speckle), share: T::from_f64(1.0 / (1.0 + speckle)) };
    filter(src, dst, frame, &op, run)
}
