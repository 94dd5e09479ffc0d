//! The enhanced Frost filter of Lopes, Touzi and Nezry (1990).

use crate::bands::Run;
use crate::error::Result;
use crate::raster::{Raster, RasterMut, Real};
use crate::speckle::decay::{Damping, Decay};
use crate::speckle::distance::Distance;
use crate::speckle::{check_damping, speckle_variation};
use crate::window::{Frame, stencil};

struct FrostEnhanced {
    damping: f64,
    /// Coefficient of variation of the speckle.
    speckle: f64,
    /// Coefficient of variation from which on the centre is a target of its own.
    target: f64,
}

impl Damping for FrostEnhanced {
    #[inline(always)]
    fn decay(&self, variation: f64) -> f64 {
        let variation = variation.sqrt();
        let decay = self.damping * (variation - self.speckle) / (self.target - variation);
        if variation < self.target { decay } else { f64::INFINITY }
    }
}

/// Enhanced Frost filter of intensity with `enl` looks (1990, doi 10.1109/36.62623).
///
/// The mean where the window is no more variable than speckle, the sample where its coefficient of variation `c` reaches
/// `target = sqrt(1 + 2 / enl)`; between the two the mean with weights `exp(-damping (c - speckle) / (target - c) d)`,
/// `d` being the distance of a sample from the centre and `speckle = sqrt(1 / enl)`.
pub fn frost_enhanced<T: Real>(
    src: Raster<'_, T>,
    dst: RasterMut<'_, T>,
    frame: &Frame,
    enl: f64,
    damping: f64,
    distance: Distance,
    run: &Run<'_>,
) -> Result<()> {
    check_damping(damping)?;
    let speckle = speckle_variation(enl)?;
    let filter = FrostEnhanced { damping, speckle: speckle.sqrt(), target: (1.0 + 2.0 * speckle).sqrt() };
    stencil(src, dst, frame, &Decay::new(frame.window, distance, filter), run)
}
