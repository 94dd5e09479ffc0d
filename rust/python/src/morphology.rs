//! Dilation and erosion of masks.

use kararaster_core::morphology;
use kararaster_core::raster::Placement;
use numpy::PyReadonlyArrayDyn;
use pyo3::prelude::*;

use crate::arrays::{images, images_mut, writable};
use crate::enter::enter;
use crate::error;

/// A mask without its specks, then grown, by discs; see `kararaster.mask_clouds`.
#[pyfunction]
#[pyo3(signature = (src, dst, *, open_radius, grow_radius, top, left, num_threads))]
#[allow(clippy::too_many_arguments)]
pub fn opened_and_grown(
    py: Python<'_>,
    src: PyReadonlyArrayDyn<'_, u8>,
    dst: Bound<'_, PyAny>,
    open_radius: usize,
    grow_radius: usize,
    top: usize,
    left: usize,
    num_threads: usize,
) -> PyResult<()> {
    let mut dst = writable("dst", &dst)?;
    let (src, dst) = (images(py, "src", &src)?, images_mut(py, "dst", &mut dst)?);
    if src.len() != dst.len() {
        return Err(error::invalid(py, format!("dst: got {} images, want {} as in src", dst.len(), src.len())));
    }
    let placement = Placement { origin_row: 0, top, left };
    enter(py, num_threads, |run| {
        src.into_iter()
            .zip(dst)
            .try_for_each(|(src, dst)| morphology::opened_and_grown(src, dst, open_radius, grow_radius, placement, run))
    })
}
