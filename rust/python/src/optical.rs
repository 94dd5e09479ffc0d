//! Optical bands.

use kararaster_core::optical::{self, Pixels, Sample, Scaling};
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

impl Band<'_> {
    /// The pixels of an array that is C-contiguous.
    pub fn pixels(&self, py: Python<'_>, name: &str) -> PyResult<Pixels<'_>> {
        Ok(match self {
            Self::U8(array) => Pixels::U8(slice(py, name, array)?),
            Self::U16(array) => Pixels::U16(slice(py, name, array)?),
            Self::I16(array) => Pixels::I16(slice(py, name, array)?),
            Self::F32(array) => Pixels::F32(slice(py, name, array)?),
            Self::F64(array) => Pixels::F64(slice(py, name, array)?),
        })
    }
}

/// Digital numbers to reflectance; see `kararaster.reflectance`.
#[pyfunction]
#[pyo3(signature = (src, dst, *, scaling, num_threads))]
pub fn reflectance(
    py: Python<'_>,
    src: Band<'_>,
    dst: Bound<'_, PyAny>,
    scaling: ScalingTuple,
    num_threads: usize,
) -> PyResult<()> {
    let scaling = self::scaling(py, &scaling)?;
    match src {
        Band::U16(src) => decoded(py, &src, &dst, scaling, num_threads),
        Band::I16(src) => decoded(py, &src, &dst, scaling, num_threads),
        Band::U8(src) => decoded(py, &src, &dst, scaling, num_threads),
        Band::F32(src) => decoded(py, &src, &dst, scaling, num_threads),
        Band::F64(src) => decoded(py, &src, &dst, scaling, num_threads),
    }
}

fn decoded<S: Sample + Element>(
    py: Python<'_>,
    src: &PyReadonlyArrayDyn<'_, S>,
    dst: &Bound<'_, PyAny>,
    scaling: Scaling,
    num_threads: usize,
) -> PyResult<()> {
    let mut dst = writable("dst", dst)?;
    let (src, dst) = (slice(py, "src", src)?, slice_mut(py, "dst", &mut dst)?);
    enter(py, num_threads, |run| optical::reflectance(src, scaling, dst, run))
}
