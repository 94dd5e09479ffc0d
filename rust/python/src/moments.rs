//! Running moments of a stack.

use kararaster_core::moments::{self, Layout, Sample, Transform};
use numpy::{Element, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::arrays::{Floats, pixels, slice, slice_mut, writable};
use crate::enter::enter;
use crate::error;

/// Number of float64 fields a pixel has in a cell of moments.
#[pyfunction]
pub fn moment_fields(bands: usize, joint: bool) -> usize {
    Layout { bands, joint }.fields()
}

/// Fold dates of a stack into running moments, in the order given.
#[pyfunction]
#[pyo3(signature = (stacks, dates, state, *, transform, joint, num_threads))]
pub fn fold(
    py: Python<'_>,
    stacks: Floats<'_>,
    dates: Vec<usize>,
    state: Bound<'_, PyAny>,
    transform: &str,
    joint: bool,
    num_threads: usize,
) -> PyResult<()> {
    let transform = match transform {
        "fourth_root" => Transform::FourthRoot,
        "log" => Transform::Log,
        "identity" => Transform::Identity,
        other => {
            let message = format!("transform: got {other:?}, want \"fourth_root\", \"log\" or \"identity\"");
            return Err(error::invalid(py, message));
        }
    };
    match stacks {
        Floats::Single(stacks) => run_fold(py, &stacks, &dates, &state, transform, joint, num_threads),
        Floats::Double(stacks) => run_fold(py, &stacks, &dates, &state, transform, joint, num_threads),
    }
}

fn run_fold<T: Sample + Element>(
    py: Python<'_>,
    stacks: &[PyReadonlyArrayDyn<'_, T>],
    dates: &[usize],
    state: &Bound<'_, PyAny>,
    transform: Transform,
    joint: bool,
    num_threads: usize,
) -> PyResult<()> {
    let mut state = writable("state", state)?;
    let pixels = pixels(py, "state", state.shape())?;
    let layout = Layout { bands: stacks.len(), joint };
    let bands = bands(py, stacks)?;
    let state = slice_mut(py, "state", &mut state)?;
    enter(py, num_threads, |run| moments::fold(&bands, dates, pixels, transform, layout, state, run))
}

/// The values of each stack.
pub fn bands<'a, T: Element>(py: Python<'_>, stacks: &'a [PyReadonlyArrayDyn<'_, T>]) -> PyResult<Vec<&'a [T]>> {
    stacks.iter().map(|stack| slice(py, "stacks", stack)).collect()
}
