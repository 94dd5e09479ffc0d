//! From NumPy arrays to the core's views. Every refusal names the argument.

use kararaster_core::raster::{Raster, RasterMut};
use numpy::ndarray::Dimension;
use numpy::{
    Element, PyArrayDyn, PyArrayMethods, PyReadonlyArray, PyReadonlyArrayDyn, PyReadwriteArray, PyReadwriteArrayDyn,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;

use crate::error;

/// The values of a C-contiguous array of any shape.
pub fn slice<'a, T: Element, D: Dimension>(
    py: Python<'_>,
    name: &str,
    array: &'a PyReadonlyArray<'_, T, D>,
) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|_| not_contiguous(py, name))
}

/// The writable values of a C-contiguous array of any shape.
pub fn slice_mut<'a, T: Element, D: Dimension>(
    py: Python<'_>,
    name: &str,
    array: &'a mut PyReadwriteArray<'_, T, D>,
) -> PyResult<&'a mut [T]> {
    array.as_slice_mut().map_err(|_| not_contiguous(py, name))
}

/// `array` for writing: of dtype `T`, writeable, and not in use as another argument.
pub fn writable<'py, T: Element>(name: &str, array: &Bound<'py, PyAny>) -> PyResult<PyReadwriteArrayDyn<'py, T>> {
    let py = array.py();
    let found = array.cast::<PyArrayDyn<T>>().map_err(|_| {
        error::invalid(py, format!("{name}: got {}, want a numpy array of {}", array.get_type(), T::get_dtype(py)))
    })?;
    found.try_readwrite().map_err(|why| error::invalid(py, format!("{name}: {why}; want an array of its own")))
}

/// Rows and columns of a 2-D array.
pub fn shape2<D: Dimension, T: Element>(
    py: Python<'_>,
    name: &str,
    array: &PyReadonlyArray<'_, T, D>,
) -> PyResult<(usize, usize)> {
    match *array.shape() {
        [height, width] => Ok((height, width)),
        ref other => Err(error::invalid(py, format!("{name}: got shape {other:?}, want rows and columns"))),
    }
}

/// Number of pixels of an array (fields, pixels).
pub fn pixels(py: Python<'_>, name: &str, shape: &[usize]) -> PyResult<usize> {
    match *shape {
        [_, pixels] => Ok(pixels),
        ref other => Err(error::invalid(py, format!("{name}: got shape {other:?}, want fields and pixels"))),
    }
}

/// The images of a C-contiguous array `(..., rows, columns)`, one after the other.
pub fn images<'a, T: Element>(
    py: Python<'_>,
    name: &'static str,
    array: &'a PyReadonlyArrayDyn<'_, T>,
) -> PyResult<Vec<Raster<'a, T>>> {
    let (count, height, width) = split_shape(py, name, array.shape())?;
    let data = slice(py, name, array)?;
    (0..count)
        .map(|i| Raster::new(name, &data[i * height * width..(i + 1) * height * width], height, width))
        .collect::<Result<_, _>>()
        .map_err(|e| error::to_python(py, e))
}

/// The writable images of a C-contiguous array `(..., rows, columns)`.
pub fn images_mut<'a, T: Element>(
    py: Python<'_>,
    name: &'static str,
    array: &'a mut PyReadwriteArrayDyn<'_, T>,
) -> PyResult<Vec<RasterMut<'a, T>>> {
    let (count, height, width) = split_shape(py, name, array.shape())?;
    let mut rest = slice_mut(py, name, array)?;
    let mut out = Vec::with_capacity(count);
    for _ in 0..count {
        let (now, later) = rest.split_at_mut(height * width);
        out.push(RasterMut::new(name, now, height, width).map_err(|e| error::to_python(py, e))?);
        rest = later;
    }
    Ok(out)
}

fn split_shape(py: Python<'_>, name: &str, shape: &[usize]) -> PyResult<(usize, usize, usize)> {
    match shape {
        [front @ .., height, width] => Ok((front.iter().product(), *height, *width)),
        other => Err(error::invalid(py, format!("{name}: got shape {other:?}, want (..., rows, columns)"))),
    }
}

fn not_contiguous(py: Python<'_>, name: &str) -> PyErr {
    error::invalid(py, format!("{name}: got a strided array, want a C-contiguous one (numpy.ascontiguousarray)"))
}

/// A floating point array whose precision is found once, at the boundary.
#[derive(FromPyObject)]
pub enum Float<'py> {
    /// float32
    #[pyo3(transparent, annotation = "numpy.ndarray of float32")]
    Single(PyReadonlyArrayDyn<'py, f32>),
    /// float64
    #[pyo3(transparent, annotation = "numpy.ndarray of float64")]
    Double(PyReadonlyArrayDyn<'py, f64>),
}

/// Several floating point arrays of one precision.
#[derive(FromPyObject)]
pub enum Floats<'py> {
    /// float32
    #[pyo3(transparent, annotation = "sequence of numpy.ndarray of float32")]
    Single(Vec<PyReadonlyArrayDyn<'py, f32>>),
    /// float64
    #[pyo3(transparent, annotation = "sequence of numpy.ndarray of float64")]
    Double(Vec<PyReadonlyArrayDyn<'py, f64>>),
}
