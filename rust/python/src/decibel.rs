//! Decibel.

use kararaster_core::bands::Run;
use kararaster_core::decibel::{self, Decibel};
use kararaster_core::error::Result;
use numpy::{Element, PyReadonlyArrayDyn, PyReadwriteArrayDyn};
use pyo3::prelude::*;

use crate::arrays::{Float, slice, slice_mut, writable};
use crate::enter::enter;

/// Linear power to decibel; see `kararaster.to_db`.
#[pyfunction]
#[pyo3(signature = (src, dst, *, num_threads))]
pub fn to_db(py: Python<'_>, src: Float<'_>, dst: Bound<'_, PyAny>, num_threads: usize) -> PyResult<()> {
    match src {
        Float::Single(src) => convert(py, &src, writable("dst", &dst)?, num_threads, decibel::to_db),
        Float::Double(src) => convert(py, &src, writable("dst", &dst)?, num_threads, decibel::to_db),
    }
}

/// Decibel to linear power; see `kararaster.from_db`.
#[pyfunction]
#[pyo3(signature = (src, dst, *, num_threads))]
pub fn from_db(py: Python<'_>, src: Float<'_>, dst: Bound<'_, PyAny>, num_threads: usize) -> PyResult<()> {
    match src {
        Float::Single(src) => convert(py, &src, writable("dst", &dst)?, num_threads, decibel::from_db),
        Float::Double(src) => convert(py, &src, writable("dst", &dst)?, num_threads, decibel::from_db),
    }
}

fn convert<T: Decibel + Element>(
    py: Python<'_>,
    src: &PyReadonlyArrayDyn<'_, T>,
    mut dst: PyReadwriteArrayDyn<'_, T>,
    num_threads: usize,
    kernel: fn(&[T], &mut [T], &Run<'_>) -> Result<()>,
) -> PyResult<()> {
    let (src, dst) = (slice(py, "src", src)?, slice_mut(py, "dst", &mut dst)?);
    enter(py, num_threads, |run| kernel(src, dst, run))
}
