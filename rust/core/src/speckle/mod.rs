//! Speckle filters of linear intensity, and the local number of looks.
//!
//! An output pixel is NaN where its centre sample is invalid (NaN or infinite); other windows use their valid samples.

mod boxcar;
mod enl;
mod lee;

pub use crate::window::{Border, Frame};
pub use boxcar::boxcar;
pub use enl::enl;
pub use lee::lee;
