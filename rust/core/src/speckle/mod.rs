//! Speckle filters of linear intensity, and the local number of looks.
//!
//! An output pixel is NaN where its centre sample is invalid (NaN or infinite); other windows use their valid samples.
//!
//! Squares and sums of the samples of a window must be normal numbers: in f32 the filters are as good as they say for intensity
//! from about 1e-17 to 1e17. Beyond, a variance underflows to zero (the result is the mean) or overflows.

mod boxcar;
mod decay;
mod distance;
mod enl;
mod frost;
mod frost_enhanced;
mod gamma_map;
mod idan;
mod kuan;
mod lee;
mod lee_enhanced;
mod lee_sigma;
mod median;
mod mmse;
mod nine;
mod ppb;
mod quegan;
mod refined_lee;
mod sigma_range;
mod srad;

use crate::error::{Error, Result};

pub use crate::window::{Border, Frame};
pub use boxcar::boxcar;
pub use distance::Distance;
pub use enl::enl;
pub use frost::frost;
pub use frost_enhanced::frost_enhanced;
pub use gamma_map::gamma_map;
pub use idan::idan;
pub use kuan::kuan;
pub use lee::lee;
pub use lee_enhanced::lee_enhanced;
pub use lee_sigma::{LeeSigma, SigmaEdge, lee_sigma};
pub use median::median;
pub use ppb::{Comparable, Ppb, ppb};
pub use quegan::{quegan, quegan_add, quegan_apply};
pub use refined_lee::{Noise, refined_lee};
pub use sigma_range::SigmaRange;
pub use srad::srad;

/// Squared coefficient of variation of speckle with `enl` looks.
fn speckle_variation(enl: f64) -> Result<f64> {
    if enl.is_finite() && enl > 0.0 {
        Ok(1.0 / enl)
    } else {
        Err(Error::parameter("enl", enl, "a finite number of looks > 0, such as 4.4"))
    }
}

/// Check how fast weights fall with the variation of a window.
fn check_damping(damping: f64) -> Result<()> {
    if damping.is_finite() && damping >= 0.0 {
        Ok(())
    } else {
        Err(Error::parameter("damping", damping, "a finite number >= 0, such as 1"))
    }
}
