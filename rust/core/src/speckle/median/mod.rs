//! The median of the window.

mod network;
mod ranks;
mod square;

use crate::bands::Run;
use crate::error::Result;
use crate::raster::{Raster, RasterMut, Real};
use crate::sorting::Ordered;
use crate::window::{Frame, stencil};

/// Largest window, in pixels, whose network is faster than ranks.
const NETWORK: usize = 81;

/// Median of the valid samples of the window around every pixel: the middle one, the mean of the two in the middle if
/// their number is even. Exact.
pub fn median<T: Ordered>(src: Raster<'_, T>, dst: RasterMut<'_, T>, frame: &Frame, run: &Run<'_>) -> Result<()> {
    match (frame.window.y, frame.window.x) {
        (3, 3) => stencil(src, dst, frame, &square::Three, run),
        (5, 5) => stencil(src, dst, frame, &square::Five, run),
        (y, x) if y * x <= NETWORK => stencil(src, dst, frame, &network::Median::new(frame.window), run),
        _ => stencil(src, dst, frame, &ranks::Median, run),
    }
}

/// The mean of two samples: it cannot overflow, and that of equal ones is exact.
#[inline(always)]
fn between<T: Real>(low: T, high: T) -> T {
    let half = T::from_f64(0.5);
    if low < high { half * low + half * high } else { low }
}
