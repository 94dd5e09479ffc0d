//! The plain local mean.

use std::marker::PhantomData;

use crate::bands::Run;
use crate::error::Result;
use crate::raster::{Raster, RasterMut, Real};
use crate::window::{Frame, Op, filter};

/// Highest window whose vertical sums may be in single precision.
const SINGLE: usize = 9;

/// The mean, with vertical sums in `A`.
struct Mean<A>(PhantomData<A>);

impl<T: Real, A: Real> Op<T> for Mean<A> {
    type Acc = A;
    const VARIANCE: bool = false;

    #[inline(always)]
    fn apply(&self, _centre: T, mean: T, _variance: T) -> T {
        mean
    }
}

/// Mean of the valid samples of the window around every pixel.
pub fn boxcar<T: Real>(src: Raster<'_, T>, dst: RasterMut<'_, T>, frame: &Frame, run: &Run<'_>) -> Result<()> {
    if frame.window.y > SINGLE {
        return filter(src, dst, frame, &Mean::<f64>(PhantomData), run);
    }
    filter(src, dst, frame, &Mean::<T>(PhantomData), run)
}
