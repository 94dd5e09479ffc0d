//! Before/after change tests.

use kararaster_core::change::{self, ChangeOut, Combine, Group, Method, Options, Scale};
use kararaster_core::moments::Sample;
use numpy::{Element, PyReadonlyArray2, PyReadonlyArrayDyn, PyReadwriteArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Floats, slice, slice_mut, writable};
use crate::enter::enter;
use crate::error;
use crate::moments::bands;

/// The test and its parameters, as keyword arguments.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct TestOptions {
    method: String,
    scale: String,
    combine: String,
    enl: f64,
    min_pre: usize,
    min_post: usize,
    bands: usize,
}

impl TestOptions {
    fn check(self, py: Python<'_>) -> PyResult<Options> {
        let method = match self.method.as_str() {
            "hotelling" => Method::Hotelling,
            "ttest" => Method::TTest,
            "logratio" => Method::LogRatio { enl: self.enl },
            other => {
                return Err(error::invalid(py, format!("method: got {other:?}, want hotelling, ttest or logratio")));
            }
        };
        let combine = match self.combine.as_str() {
            "fisher" => Combine::Fisher,
            "stouffer" => Combine::Stouffer,
            other => return Err(error::invalid(py, format!("combine: got {other:?}, want fisher or stouffer"))),
        };
        let scale = match self.scale.as_str() {
            "power" => Scale::Power,
            "index" => Scale::Index,
            other => return Err(error::invalid(py, format!("scale: got {other:?}, want power or index"))),
        };
        let Self { min_pre, min_post, bands, .. } = self;
        Ok(Options { method, scale, combine, min_pre, min_post, bands })
    }
}

/// The arrays a test fills.
struct Outputs<'py> {
    statistic: PyReadwriteArrayDyn<'py, f32>,
    p_value: PyReadwriteArrayDyn<'py, f32>,
    neg_log10_p: PyReadwriteArrayDyn<'py, f32>,
    magnitude: PyReadwriteArrayDyn<'py, f32>,
    direction: PyReadwriteArrayDyn<'py, i8>,
    n_pre: PyReadwriteArrayDyn<'py, u16>,
    n_post: PyReadwriteArrayDyn<'py, u16>,
    n_orbits: PyReadwriteArrayDyn<'py, u8>,
}

impl<'py> Outputs<'py> {
    /// From a dict with one array a name.
    fn new(out: &Bound<'py, PyDict>) -> PyResult<Self> {
        fn array<'py, T: Element>(out: &Bound<'py, PyDict>, name: &str) -> PyResult<PyReadwriteArrayDyn<'py, T>> {
            writable(name, &out.as_any().get_item(name)?)
        }
        Ok(Self {
            statistic: array(out, "statistic")?,
            p_value: array(out, "p_value")?,
            neg_log10_p: array(out, "neg_log10_p")?,
            magnitude: array(out, "magnitude")?,
            direction: array(out, "direction")?,
            n_pre: array(out, "n_pre")?,
            n_post: array(out, "n_post")?,
            n_orbits: array(out, "n_orbits")?,
        })
    }
}

impl Outputs<'_> {
    fn view(&mut self, py: Python<'_>) -> PyResult<ChangeOut<'_>> {
        Ok(ChangeOut {
            statistic: slice_mut(py, "statistic", &mut self.statistic)?,
            p_value: slice_mut(py, "p_value", &mut self.p_value)?,
            neg_log10_p: slice_mut(py, "neg_log10_p", &mut self.neg_log10_p)?,
            magnitude: slice_mut(py, "magnitude", &mut self.magnitude)?,
            direction: slice_mut(py, "direction", &mut self.direction)?,
            n_pre: slice_mut(py, "n_pre", &mut self.n_pre)?,
            n_post: slice_mut(py, "n_post", &mut self.n_post)?,
            n_orbits: slice_mut(py, "n_orbits", &mut self.n_orbits)?,
        })
    }
}

/// Number of float64 fields a pixel has while orbits are joined.
#[pyfunction]
pub fn evidence_fields(py: Python<'_>, options: TestOptions) -> PyResult<usize> {
    Ok(change::evidence_fields(&options.check(py)?))
}

/// Test one relative orbit and add what it says to the evidence.
#[pyfunction]
#[pyo3(signature = (pre, post, evidence, *, options, num_threads))]
pub fn add_group(
    py: Python<'_>,
    pre: PyReadonlyArray2<'_, f64>,
    post: PyReadonlyArray2<'_, f64>,
    evidence: Bound<'_, PyAny>,
    options: TestOptions,
    num_threads: usize,
) -> PyResult<()> {
    let options = options.check(py)?;
    let pixels = pre.shape()[1];
    let (pre, post) = (slice(py, "pre", &pre)?, slice(py, "post", &post)?);
    let mut evidence = writable("evidence", &evidence)?;
    let evidence = slice_mut(py, "evidence", &mut evidence)?;
    enter(py, num_threads, |run| change::add_group(&options, pre, post, pixels, evidence, run))
}

/// Turn the evidence of all orbits into the result.
#[pyfunction]
#[pyo3(signature = (evidence, out, *, options, num_threads))]
pub fn finish(
    py: Python<'_>,
    evidence: PyReadonlyArray2<'_, f64>,
    out: Bound<'_, PyDict>,
    options: TestOptions,
    num_threads: usize,
) -> PyResult<()> {
    let options = options.check(py)?;
    let pixels = evidence.shape()[1];
    let evidence = slice(py, "evidence", &evidence)?;
    let mut out = Outputs::new(&out)?;
    let out = out.view(py)?;
    enter(py, num_threads, |run| change::finish(&options, evidence, pixels, out, run))
}

/// The whole test on stacks in memory, in one pass over them.
#[pyfunction]
#[pyo3(signature = (stacks, groups, out, *, options, num_threads))]
pub fn before_after(
    py: Python<'_>,
    stacks: Floats<'_>,
    groups: Vec<(Vec<usize>, Vec<usize>)>,
    out: Bound<'_, PyDict>,
    options: TestOptions,
    num_threads: usize,
) -> PyResult<()> {
    let options = options.check(py)?;
    let groups: Vec<Group> = groups.into_iter().map(|(pre, post)| Group { pre, post }).collect();
    let out = Outputs::new(&out)?;
    match stacks {
        Floats::Single(stacks) => run_before_after(py, &options, &stacks, &groups, out, num_threads),
        Floats::Double(stacks) => run_before_after(py, &options, &stacks, &groups, out, num_threads),
    }
}

fn run_before_after<T: Sample + Element>(
    py: Python<'_>,
    options: &Options,
    stacks: &[PyReadonlyArrayDyn<'_, T>],
    groups: &[Group],
    mut out: Outputs<'_>,
    num_threads: usize,
) -> PyResult<()> {
    let pixels = out.statistic.len();
    let bands = bands(py, stacks)?;
    let out = out.view(py)?;
    enter(py, num_threads, |run| change::before_after(options, &bands, groups, pixels, out, run))
}
