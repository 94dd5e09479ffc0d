//! Breaks in the seasonal course of a pixel.

use kararaster_core::breaks::{self, BreakOut, Options};
use kararaster_core::raster::Real;
use numpy::{Element, PyReadonlyArray1, PyReadonlyArrayDyn, PyReadwriteArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Floats, slice, slice_mut, writable};
use crate::enter::enter;
use crate::moments::bands;

/// The rules of the search, as keyword arguments.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct BreakOptions {
    harmonics: usize,
    consecutive: usize,
    rmse_factor: f64,
    min_obs: usize,
    min_span: f64,
}

impl From<BreakOptions> for Options {
    fn from(options: BreakOptions) -> Self {
        let BreakOptions { harmonics, consecutive, rmse_factor, min_obs, min_span } = options;
        Self { harmonics, consecutive, rmse_factor, min_obs, min_span }
    }
}

/// The arrays the search fills.
struct Outputs<'py> {
    date: PyReadwriteArrayDyn<'py, i32>,
    count: PyReadwriteArrayDyn<'py, u8>,
    statistic: PyReadwriteArrayDyn<'py, f32>,
    magnitude: PyReadwriteArrayDyn<'py, f32>,
    direction: PyReadwriteArrayDyn<'py, i8>,
    n_obs: PyReadwriteArrayDyn<'py, u16>,
}

impl<'py> Outputs<'py> {
    /// From a dict with one array a name.
    fn new(out: &Bound<'py, PyDict>) -> PyResult<Self> {
        let array = |name| out.as_any().get_item(name);
        Ok(Self {
            date: writable("date", &array("date")?)?,
            count: writable("count", &array("count")?)?,
            statistic: writable("statistic", &array("statistic")?)?,
            magnitude: writable("magnitude", &array("magnitude")?)?,
            direction: writable("direction", &array("direction")?)?,
            n_obs: writable("n_obs", &array("n_obs")?)?,
        })
    }

    fn view(&mut self, py: Python<'_>) -> PyResult<BreakOut<'_>> {
        Ok(BreakOut {
            date: slice_mut(py, "date", &mut self.date)?,
            count: slice_mut(py, "count", &mut self.count)?,
            statistic: slice_mut(py, "statistic", &mut self.statistic)?,
            magnitude: slice_mut(py, "magnitude", &mut self.magnitude)?,
            direction: slice_mut(py, "direction", &mut self.direction)?,
            n_obs: slice_mut(py, "n_obs", &mut self.n_obs)?,
        })
    }
}

/// Search every pixel of one or two stacks for breaks; `days` are the ascending times of the dates.
#[pyfunction]
#[pyo3(signature = (stacks, days, out, *, options, num_threads))]
pub fn find_breaks(
    py: Python<'_>,
    stacks: Floats<'_>,
    days: PyReadonlyArray1<'_, f64>,
    out: Bound<'_, PyDict>,
    options: BreakOptions,
    num_threads: usize,
) -> PyResult<()> {
    let options = options.into();
    let days = slice(py, "days", &days)?;
    let out = Outputs::new(&out)?;
    match stacks {
        Floats::Single(stacks) => run_find(py, &options, &stacks, days, out, num_threads),
        Floats::Double(stacks) => run_find(py, &options, &stacks, days, out, num_threads),
    }
}

fn run_find<T: Real + Element>(
    py: Python<'_>,
    options: &Options,
    stacks: &[PyReadonlyArrayDyn<'_, T>],
    days: &[f64],
    mut out: Outputs<'_>,
    num_threads: usize,
) -> PyResult<()> {
    let pixels = out.date.len();
    let bands = bands(py, stacks)?;
    let out = out.view(py)?;
    enter(py, num_threads, |run| breaks::find(options, &bands, days, pixels, out, run))
}
