//! The filter of Frost et al. (1982).

use crate::bands::Run;
use crate::error::Result;
use crate::raster::{Raster, RasterMut, Real};
use crate::speckle::check_damping;
use crate::speckle::decay::{Damping, Decay};
use crate::speckle::distance::Distance;
use crate::window::{Frame, stencil};

struct Frost {
    damping: f64,
}

impl Damping for Frost {
    #[inline(always)]
    fn decay(&self, variation: f64) -> f64 {
        self.damping * variation
    }
}

/// Frost filter of intensity (1982, doi 10.1109/TPAMI.1982.4767223).
///
/// The mean of the window with weights `exp(-damping c d)`: `c` is the squared coefficient of variation of the window, `d`
/// the distance of a sample from the centre. Without variation (or with a mean that is not positive) the result is the
/// mean; the larger `damping`, the nearer to the sample.
pub fn frost<T: Real>(
    src: Raster<'_, T>,
    dst: RasterMut<'_, T>,
    frame: &Frame,
    damping: f64,
    distance: Distance,
    run: &Run<'_>,
) -> Result<()> {
    check_damping(damping)?;
    stencil(src, dst, frame, &Decay::new(frame.window, distance, Frost { damping }), run)
}
