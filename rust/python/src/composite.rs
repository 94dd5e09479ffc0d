//! Composites over time.

use kararaster_core::composite::{self as core, Method, Sortable};
use kararaster_core::optical::Scaling;
use numpy::{Element, PyReadonlyArrayDyn, PyReadwriteArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::arrays::{slice, slice_mut, writable};
use crate::enter::enter;
use crate::error;
use crate::optical::{ScalingTuple, scaling};

/// Bands as they are stored, all of one dtype.
#[derive(FromPyObject)]
pub enum Bands<'py> {
    #[pyo3(transparent, annotation = "sequence of numpy.ndarray of uint16")]
    U16(Vec<PyReadonlyArrayDyn<'py, u16>>),
    #[pyo3(transparent, annotation = "sequence of numpy.ndarray of int16")]
    I16(Vec<PyReadonlyArrayDyn<'py, i16>>),
    #[pyo3(transparent, annotation = "sequence of numpy.ndarray of uint8")]
    U8(Vec<PyReadonlyArrayDyn<'py, u8>>),
    #[pyo3(transparent, annotation = "sequence of numpy.ndarray of float32")]
    F32(Vec<PyReadonlyArrayDyn<'py, f32>>),
    #[pyo3(transparent, annotation = "sequence of numpy.ndarray of float64")]
    F64(Vec<PyReadonlyArrayDyn<'py, f64>>),
}

/// One composite of all dates of `bands` (dates first) into `out` and `count`; see `kararaster.composite`.
#[pyfunction]
#[pyo3(signature = (bands, out, count, *, method, percentile, scaling, index, num_threads))]
pub fn composite(
    py: Python<'_>,
    bands: Bands<'_>,
    out: Vec<Bound<'_, PyAny>>,
    count: Vec<Bound<'_, PyAny>>,
    method: &str,
    percentile: f64,
    scaling: Vec<ScalingTuple>,
    index: Option<(usize, usize)>,
    num_threads: usize,
) -> PyResult<()> {
    let method = self::method(py, method, percentile, index)?;
    let scaling = scaling.iter().map(|s| self::scaling(py, s)).collect::<PyResult<Vec<_>>>()?;
    let into = Into { out: &out, count: &count };
    match bands {
        Bands::U16(bands) => run(py, &bands, &into, method, &scaling, num_threads),
        Bands::I16(bands) => run(py, &bands, &into, method, &scaling, num_threads),
        Bands::U8(bands) => run(py, &bands, &into, method, &scaling, num_threads),
        Bands::F32(bands) => run(py, &bands, &into, method, &scaling, num_threads),
        Bands::F64(bands) => run(py, &bands, &into, method, &scaling, num_threads),
    }
}

fn method(py: Python<'_>, name: &str, percentile: f64, index: Option<(usize, usize)>) -> PyResult<Method> {
    match (name, index) {
        ("median", _) => Ok(Method::Percentile(50.0)),
        ("percentile", _) => Ok(Method::Percentile(percentile)),
        ("mean", _) => Ok(Method::Mean),
        ("geomedian", _) => Ok(Method::Geomedian),
        ("max_ndvi", Some((red, nir))) => Ok(Method::MaxNdvi { red, nir }),
        ("max_ndvi", None) => Err(error::invalid(py, "index: got None, want the positions of red and nir".to_owned())),
        (other, _) => {
            let message = format!("method: got {other:?}, want median, percentile, mean, max_ndvi or geomedian");
            Err(error::invalid(py, message))
        }
    }
}

/// The arrays to write, one of each kind a band.
struct Into<'a, 'py> {
    out: &'a [Bound<'py, PyAny>],
    count: &'a [Bound<'py, PyAny>],
}

fn run<S: Sortable + Element>(
    py: Python<'_>,
    bands: &[PyReadonlyArrayDyn<'_, S>],
    into: &Into<'_, '_>,
    method: Method,
    scaling: &[Scaling],
    num_threads: usize,
) -> PyResult<()> {
    for (name, len) in [("scaling", scaling.len()), ("out", into.out.len()), ("count", into.count.len())] {
        if len != bands.len() {
            return Err(error::invalid(py, format!("{name}: got {len} entries, want {} (one a band)", bands.len())));
        }
    }
    let mut out = into.out.iter().map(|a| writable::<f32>("out", a)).collect::<PyResult<Vec<_>>>()?;
    let mut count = into.count.iter().map(|a| writable::<u16>("count", a)).collect::<PyResult<Vec<_>>>()?;
    let pixels = out.first().map_or(0, |array| array.len());
    let bands = bands.iter().zip(scaling);
    let bands = bands.map(|(band, &scaling)| Ok((slice(py, "bands", band)?, scaling))).collect::<PyResult<Vec<_>>>()?;
    let pairs =
        out.iter_mut().zip(&mut count).map(|(out, count)| pair(py, out, count)).collect::<PyResult<Vec<_>>>()?;
    enter(py, num_threads, |run| core::composite(&bands, pixels, method, pairs, run))
}

fn pair<'a>(
    py: Python<'_>,
    out: &'a mut PyReadwriteArrayDyn<'_, f32>,
    count: &'a mut PyReadwriteArrayDyn<'_, u16>,
) -> PyResult<core::Output<'a>> {
    Ok((slice_mut(py, "out", out)?, slice_mut(py, "count", count)?))
}
