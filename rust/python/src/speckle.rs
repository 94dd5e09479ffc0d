//! Speckle filters.

use kararaster_core::bands::Run;
use kararaster_core::error::Result;
use kararaster_core::raster::{Placement, Raster, RasterMut, Real, Window};
use kararaster_core::speckle;
use kararaster_core::window::{Border, Frame};
use numpy::{Element, PyReadonlyArrayDyn, PyReadwriteArrayDyn};
use pyo3::prelude::*;

use crate::arrays::{Float, images, images_mut, writable};
use crate::enter::enter;
use crate::error;

/// The keyword arguments that every windowed filter takes.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct FrameArguments {
    origin_row: usize,
    top: usize,
    left: usize,
    window: (usize, usize),
    border: String,
    min_valid: usize,
    num_threads: usize,
}

impl FrameArguments {
    fn frame(&self, py: Python<'_>) -> PyResult<Frame> {
        let window = Window::new(self.window.0, self.window.1).map_err(|e| error::to_python(py, e))?;
        let border = match self.border.as_str() {
            "shrink" => Border::Shrink,
            "replicate" => Border::Replicate,
            other => {
                let message = format!("border: got {other:?}, want \"shrink\" or \"replicate\"");
                return Err(error::invalid(py, message));
            }
        };
        let placement = Placement { origin_row: self.origin_row, top: self.top, left: self.left };
        Ok(Frame { placement, window, border, min_valid: self.min_valid })
    }
}

/// Mean of the window; see `kararaster.despeckle`.
#[pyfunction]
#[pyo3(signature = (src, dst, frame))]
pub fn boxcar(py: Python<'_>, src: Float<'_>, dst: Bound<'_, PyAny>, frame: FrameArguments) -> PyResult<()> {
    match src {
        Float::Single(src) => filter(py, &src, writable("dst", &dst)?, frame, speckle::boxcar),
        Float::Double(src) => filter(py, &src, writable("dst", &dst)?, frame, speckle::boxcar),
    }
}

/// Lee filter; see `kararaster.despeckle`.
#[pyfunction]
#[pyo3(signature = (src, dst, frame, *, enl))]
pub fn lee(py: Python<'_>, src: Float<'_>, dst: Bound<'_, PyAny>, frame: FrameArguments, enl: f64) -> PyResult<()> {
    match src {
        Float::Single(src) => {
            filter(py, &src, writable("dst", &dst)?, frame, |s, d, f, run| speckle::lee(s, d, f, enl, run))
        }
        Float::Double(src) => {
            filter(py, &src, writable("dst", &dst)?, frame, |s, d, f, run| speckle::lee(s, d, f, enl, run))
        }
    }
}

/// Local equivalent number of looks; see `kararaster.enl`.
#[pyfunction]
#[pyo3(signature = (src, dst, frame))]
pub fn enl(py: Python<'_>, src: Float<'_>, dst: Bound<'_, PyAny>, frame: FrameArguments) -> PyResult<()> {
    match src {
        Float::Single(src) => filter(py, &src, writable("dst", &dst)?, frame, speckle::enl),
        Float::Double(src) => filter(py, &src, writable("dst", &dst)?, frame, speckle::enl),
    }
}

/// Run a windowed kernel on every image of `src`.
fn filter<T: Real + Element>(
    py: Python<'_>,
    src: &PyReadonlyArrayDyn<'_, T>,
    mut dst: PyReadwriteArrayDyn<'_, T>,
    arguments: FrameArguments,
    kernel: impl Fn(Raster<'_, T>, RasterMut<'_, T>, &Frame, &Run<'_>) -> Result<()> + Sync,
) -> PyResult<()> {
    let frame = arguments.frame(py)?;
    let (src, dst) = (images(py, "src", src)?, images_mut(py, "dst", &mut dst)?);
    if src.len() != dst.len() {
        return Err(error::invalid(py, format!("dst: got {} images, want {} as in src", dst.len(), src.len())));
    }
    enter(py, arguments.num_threads, |run| {
        src.into_iter().zip(dst).try_for_each(|(src, dst)| kernel(src, dst, &frame, run))
    })
}
