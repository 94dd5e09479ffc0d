//! Spectral indices.

use kararaster_core::optical::{self, Sample, Scaling};
use numpy::{Element, PyReadonlyArrayDyn};
use pyo3::prelude::*;

use crate::arrays::{slice, slice_mut, writable};
use crate::enter::enter;
use crate::error;

/// Scale, offset, and at most two digital numbers that mean no measurement.
pub type ScalingTuple = (f64, f64, Vec<f64>);

/// The scaling of a band; refuses more marks than the core knows.
pub fn scaling(py: Python<'_>, (scale, offset, marks): &ScalingTuple) -> PyResult<Scaling> {
    let invalid = match marks[..] {
        [] => [f64::NAN; 2],
        [one] => [one, f64::NAN],
        [one, two] => [one, two],
        _ => return Err(error::invalid(py, format!("scaling: got {} invalid numbers, want at most 2", marks.len()))),
    };
    Ok(Scaling { scale: *scale, offset: *offset, invalid })
}

/// A band as it is stored: the dtype is found once, at the boundary.
#[derive(FromPyObject)]
pub enum Band<'py> {
    #[pyo3(transparent, annotation = "numpy.ndarray of uint16")]
    U16(PyReadonlyArrayDyn<'py, u16>),
    #[pyo3(transparent, annotation = "numpy.ndarray of int16")]
    I16(PyReadonlyArrayDyn<'py, i16>),
    #[pyo3(transparent, annotation = "numpy.ndarray of uint8")]
    U8(PyReadonlyArrayDyn<'py, u8>),
    #[pyo3(transparent, annotation = "numpy.ndarray of float32")]
    F32(PyReadonlyArrayDyn<'py, f32>),
    #[pyo3(transparent, annotation = "numpy.ndarray of float64")]
    F64(PyReadonlyArrayDyn<'py, f64>),
}

/// `(a - b) / (a + b)` with scale, offset and nodata in the same pass; see `kararaster.ndvi`.
#[pyfunction]
#[pyo3(signature = (a, b, dst, *, scaling, num_threads))]
pub fn normalized_difference(
    py: Python<'_>,
    a: Band<'_>,
    b: Bound<'_, PyAny>,
    dst: Bound<'_, PyAny>,
    scaling: (ScalingTuple, ScalingTuple),
    num_threads: usize,
) -> PyResult<()> {
    let scaling = [self::scaling(py, &scaling.0)?, self::scaling(py, &scaling.1)?];
    match a {
        Band::U16(a) => difference(py, &a, &b.extract()?, &dst, scaling, num_threads),
        Band::I16(a) => difference(py, &a, &b.extract()?, &dst, scaling, num_threads),
        Band::U8(a) => difference(py, &a, &b.extract()?, &dst, scaling, num_threads),
        Band::F32(a) => difference(py, &a, &b.extract()?, &dst, scaling, num_threads),
        Band::F64(a) => difference(py, &a, &b.extract()?, &dst, scaling, num_threads),
    }
}

fn difference<S: Sample + Element>(
    py: Python<'_>,
    a: &PyReadonlyArrayDyn<'_, S>,
    b: &PyReadonlyArrayDyn<'_, S>,
    dst: &Bound<'_, PyAny>,
    scaling: [Scaling; 2],
    num_threads: usize,
) -> PyResult<()> {
    let mut dst = writable("dst", dst)?;
    let (a, b, dst) = (slice(py, "a", a)?, slice(py, "b", b)?, slice_mut(py, "dst", &mut dst)?);
    enter(py, num_threads, |run| optical::normalized_difference(a, b, scaling, dst, run))
}
