//! The Gamma maximum a posteriori filter of Lopes, Nezry, Touzi and Laur (1990, 1993).

use crate::bands::Run;
use crate::error::Result;
use crate::raster::{Raster, RasterMut, Real};
use crate::speckle::speckle_variation;
use crate::window::{Frame, Op, filter};

struct GammaMap<T> {
    looks: T,
    /// Squared coefficient of variation of the speckle.
    speckle: T,
    /// `1 / (1 + speckle)`.
    share: T,
}

impl<T: Real> Op<T> for GammaMap<T> {
    type Acc = f64;
    const VARIANCE: bool = true;

    /// The positive root of `alpha y^2 - (alpha - looks - 1) mean y - looks mean centre = 0`, divided by `alpha`, which
    /// is infinite in a window of pure speckle. `1 / alpha` is at most `1 / (looks + 1)` below the threshold of targets, so
    /// that `linear` is not negative and nothing cancels.
    #[inline(always)]
    fn apply(&self, centre: T, mean: T, variance: T) -> T {
        let (zero, one, half) = (T::from_f64(0.0), T::from_f64(1.0), T::from_f64(0.5));
        let square = mean * mean;
        let speckle = self.speckle * square;
        let inverse = (variance - speckle) * self.share / square;
        let linear = (one - (self.looks + one) * inverse) * mean;
        let root = linear * linear + T::from_f64(4.0) * self.looks * inverse * mean * centre;
        // A negative sample far below zero has no real root.
        let filtered = if root >= zero { half * (linear + root.sqrt()) } else { centre };
        let filtered = if variance < speckle + speckle { filtered } else { centre };
        let filtered = if variance > speckle { filtered } else { mean };
        if mean > zero { filtered } else { mean }
    }
}

/// Gamma MAP filter of intensity with `enl` looks (1990, doi 10.1109/IGARSS.1990.689026).
///
/// The mean where the window is no more variable than speckle, the sample where its squared coefficient of variation is
/// twice that of speckle or more; between the two the most probable intensity if the scene itself is gamma distributed.
pub fn gamma_map<T: Real>(
    src: Raster<'_, T>,
    dst: RasterMut<'_, T>,
    frame: &Frame,
    enl: f64,
    run: &Run<'_>,
) -> Result<()> {
    let speckle = speckle_variation(enl)?;
    let op =
        GammaMap { looks: T::from_f64(enl), speckle: T::from_f64(speckle), share: T::from_f64(1.0 / (1.0 + speckle)) };
    filter(src, dst, frame, &op, run)
}
