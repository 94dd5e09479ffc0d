//! The local equivalent number of looks.

use crate::bands::Run;
use crate::error::Result;
use crate::raster::{Raster, RasterMut, Real};
use crate::window::{Border, Frame, Op, filter};

struct Looks;

impl<T: Real> Op<T> for Looks {
    type Acc = f64;
    const VARIANCE: bool = true;

    #[inline(always)]
    fn apply(&self, _centre: T, mean: T, variance: T) -> T {
        let looks = mean * mean / variance;
        if variance > T::from_f64(0.0) { looks } else { T::NAN }
    }
}

/// Moment estimate `mean^2 / variance` of every window that lies whole inside the image and has no invalid sample and some
/// variance; NaN elsewhere. `border` and `min_valid` of the frame are not used.
pub fn enl<T: Real>(src: Raster<'_, T>, dst: RasterMut<'_, T>, frame: &Frame, run: &Run<'_>) -> Result<()> {
    let whole = Frame { border: Border::Shrink, min_valid: frame.window.y * frame.window.x, ..*frame };
    filter(src, dst, &whole, &Looks, run)
}
