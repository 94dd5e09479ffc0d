//! False discovery rate.

use kararaster_core::thresholding;
use numpy::{PyArray1, PyReadonlyArrayDyn};
use pyo3::prelude::*;

use crate::arrays::slice;
use crate::enter::enter;

/// Smallest -log10 p that Benjamini and Hochberg reject at rate `q`, exactly; infinite if none.
#[pyfunction]
pub fn fdr_threshold(py: Python<'_>, values: PyReadonlyArrayDyn<'_, f32>, q: f64) -> PyResult<f32> {
    let mut values = slice(py, "values", &values)?.to_vec();
    enter(py, 1, |_| thresholding::fdr_threshold(&mut values, q))
}

/// Counts of -log10 p in bins of 1/4096 decade.
#[pyfunction]
pub fn fdr_histogram<'py>(
    py: Python<'py>,
    values: PyReadonlyArrayDyn<'py, f32>,
) -> PyResult<Bound<'py, PyArray1<u64>>> {
    let values = slice(py, "values", &values)?;
    let mut counts = vec![0; thresholding::BINS];
    enter(py, 1, |_| thresholding::histogram(values, &mut counts))?;
    Ok(PyArray1::from_vec(py, counts))
}

/// As `fdr_threshold`, within one bin, from counts.
#[pyfunction]
pub fn fdr_threshold_binned(py: Python<'_>, counts: PyReadonlyArrayDyn<'_, u64>, q: f64) -> PyResult<f32> {
    let counts = slice(py, "counts", &counts)?;
    enter(py, 1, |_| thresholding::fdr_threshold_binned(counts, q))
}
