//! Raster kernels of kararaster. Pure Rust: no Python, no NumPy, no I/O.
//!
//! Rules that hold for every kernel: the caller allocates the output; NaN or infinite samples are invalid and never spread;
//! the bytes of a result depend neither on the number of threads, nor on the instruction set, nor on how the image was cut;
//! nothing panics.

pub mod bands;
pub mod breaks;
pub mod calibration;
pub mod change;
pub mod composite;
pub mod decibel;
pub mod distributions;
pub mod error;
pub mod formula;
pub mod moments;
pub mod morphology;
pub mod noise;
pub mod optical;
pub mod raster;
pub mod simd;
pub mod sorting;
pub mod speckle;
pub mod thresholding;
pub mod window;
