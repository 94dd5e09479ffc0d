//! Formulas of bands.

use kararaster_core::formula::{self, Program};
use kararaster_core::optical::Scaling;
use pyo3::prelude::*;

use crate::arrays::{slice_mut, writable};
use crate::enter::enter;
use crate::error;
use crate::optical::{Band, ScalingTuple, scaling};

/// The symbols of a formula in the order of their first appearance.
#[pyfunction]
pub fn formula_symbols(py: Python<'_>, formula: &str) -> PyResult<Vec<String>> {
    formula::symbols(formula).map_err(|e| error::to_python(py, e))
}

/// All formulas in one pass over the bands; see `kararaster.index`.
#[pyfunction]
#[pyo3(signature = (bands, out, *, symbols, formulas, scaling, valid, num_threads))]
pub fn indices(
    py: Python<'_>,
    bands: Vec<Band<'_>>,
    out: Vec<Bound<'_, PyAny>>,
    symbols: Vec<String>,
    formulas: Vec<String>,
    scaling: Vec<ScalingTuple>,
    valid: Option<[f64; 2]>,
    num_threads: usize,
) -> PyResult<()> {
    let formulas: Vec<&str> = formulas.iter().map(String::as_str).collect();
    let program = Program::compile(&formulas, &named(py, &symbols, &scaling)?).map_err(|e| error::to_python(py, e))?;
    let pixels = bands.iter().map(|band| band.pixels(py, "bands")).collect::<PyResult<Vec<_>>>()?;
    let mut out = out.iter().map(|array| writable("out", array)).collect::<PyResult<Vec<_>>>()?;
    let out = out.iter_mut().map(|array| slice_mut(py, "out", array)).collect::<PyResult<Vec<_>>>()?;
    enter(py, num_threads, |run| program.run(&pixels, valid, out, run))
}

fn named<'a>(py: Python<'_>, symbols: &'a [String], scalings: &[ScalingTuple]) -> PyResult<Vec<(&'a str, Scaling)>> {
    if symbols.len() != scalings.len() {
        let message = format!("scaling: got {} entries, want {}, one a symbol", scalings.len(), symbols.len());
        return Err(error::invalid(py, message));
    }
    symbols.iter().zip(scalings).map(|(symbol, tuple)| Ok((symbol.as_str(), scaling(py, tuple)?))).collect()
}
