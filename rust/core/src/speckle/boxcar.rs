//! The plain local mean.

use crate::bands::Run;
use crate::error::Result;
use crate::raster::{Raster, RasterMut, Real};
use crate::window::{Frame, Op, filter};

struct Mean;

impl<T: Real> Op<T> for Mean {
    type Acc = T;
    const VARIANCE: bool = false;

    #[inline(always)]
    fn apply(&self, _centre: T, mean: T, _variance: T) -> T {
        mean
    }
}

/// Mean of the valid samples of the window around every pixel.
pub fn boxcar<T: Real>(src: Raster<'_, T>, dst: RasterMut<'_, T>, frame: &Frame, run: &Run<'_>) -> Result<()> {
    filter(src, dst, frame, &Mean, run)
}
