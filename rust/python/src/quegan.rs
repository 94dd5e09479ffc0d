//! The multitemporal filter of Quegan and Yu.

use kararaster_core::bands::Run;
use kararaster_core::error::{Error, Result};
use kararaster_core::raster::{Raster, RasterMut, Real};
use kararaster_core::speckle;
use kararaster_core::window::Frame;
use numpy::{Element, PyReadonlyArrayDyn, PyReadwriteArrayDyn};
use pyo3::prelude::*;

use crate::arrays::{Float, images, images_mut, slice, slice_mut, writable};
use crate::enter::enter;
use crate::error;
use crate::speckle::FrameArguments;

/// Filter a stack at once; see `kararaster.despeckle`.
#[pyfunction]
#[pyo3(signature = (stack, dst, frame, *, groups, spatial, enl))]
pub fn quegan(
    py: Python<'_>,
    stack: Float<'_>,
    dst: Bound<'_, PyAny>,
    frame: FrameArguments,
    groups: Vec<Vec<usize>>,
    spatial: &str,
    enl: f64,
) -> PyResult<()> {
    let spatial = match spatial {
        "boxcar" => Spatial::Boxcar,
        "lee" => Spatial::Lee { enl },
        other => return Err(error::invalid(py, format!("spatial: got {other:?}, want \"boxcar\" or \"lee\""))),
    };
    match stack {
        Float::Single(stack) => filter(py, &stack, writable("dst", &dst)?, &frame, &groups, spatial),
        Float::Double(stack) => filter(py, &stack, writable("dst", &dst)?, &frame, &groups, spatial),
    }
}

/// The filter of single dates.
#[derive(Clone, Copy)]
enum Spatial {
    Boxcar,
    Lee { enl: f64 },
}

impl Spatial {
    fn run<T: Real>(self, src: Raster<'_, T>, dst: RasterMut<'_, T>, frame: &Frame, run: &Run<'_>) -> Result<()> {
        match self {
            Self::Boxcar => speckle::boxcar(src, dst, frame, run),
            Self::Lee { enl } => speckle::lee(src, dst, frame, enl, run),
        }
    }
}

fn filter<T: Real + Element>(
    py: Python<'_>,
    stack: &PyReadonlyArrayDyn<'_, T>,
    mut dst: PyReadwriteArrayDyn<'_, T>,
    arguments: &FrameArguments,
    groups: &[Vec<usize>],
    spatial: Spatial,
) -> PyResult<()> {
    let frame = arguments.frame(py)?;
    let (stack, dst) = (images(py, "stack", stack)?, images_mut(py, "dst", &mut dst)?);
    let smooth =
        |src: Raster<'_, T>, dst: RasterMut<'_, T>, frame: &Frame, run: &Run<'_>| spatial.run(src, dst, frame, run);
    let halo = frame.window.half().0;
    enter(py, arguments.num_threads, |run| speckle::quegan(&stack, dst, groups, &frame, halo, smooth, run))
}

/// Add the ratios of dates `(dates, ...)` to their spatial means, in the order given.
#[pyfunction]
#[pyo3(signature = (x, mean, ratio, count, *, num_threads))]
pub fn quegan_add(
    py: Python<'_>,
    x: Float<'_>,
    mean: Float<'_>,
    ratio: Bound<'_, PyAny>,
    count: Bound<'_, PyAny>,
    num_threads: usize,
) -> PyResult<()> {
    match (x, mean) {
        (Float::Single(x), Float::Single(mean)) => add(py, &x, &mean, &ratio, &count, num_threads),
        (Float::Double(x), Float::Double(mean)) => add(py, &x, &mean, &ratio, &count, num_threads),
        _ => Err(error::invalid(py, "mean: got another precision than that of x, want the same".into())),
    }
}

fn add<T: Real + Element>(
    py: Python<'_>,
    x: &PyReadonlyArrayDyn<'_, T>,
    mean: &PyReadonlyArrayDyn<'_, T>,
    ratio: &Bound<'_, PyAny>,
    count: &Bound<'_, PyAny>,
    num_threads: usize,
) -> PyResult<()> {
    let (mut ratio, mut count) = (writable("ratio", ratio)?, writable("count", count)?);
    let (ratio, count) = (slice_mut(py, "ratio", &mut ratio)?, slice_mut(py, "count", &mut count)?);
    let dates = dates(py, "x", x, ratio.len())?.zip(self::dates(py, "mean", mean, ratio.len())?);
    enter(py, num_threads, |run| {
        let mut dates = dates;
        dates.try_for_each(|(x, mean)| speckle::quegan_add(x, mean, ratio, count, run))
    })
}

/// Write the output of dates `(dates, ...)` from their spatial means.
#[pyfunction]
#[pyo3(signature = (mean, ratio, count, dst, *, num_threads))]
pub fn quegan_apply(
    py: Python<'_>,
    mean: Float<'_>,
    ratio: PyReadonlyArrayDyn<'_, f64>,
    count: PyReadonlyArrayDyn<'_, f64>,
    dst: Bound<'_, PyAny>,
    num_threads: usize,
) -> PyResult<()> {
    let sums = (slice(py, "ratio", &ratio)?, slice(py, "count", &count)?);
    match mean {
        Float::Single(mean) => apply(py, &mean, sums, writable("dst", &dst)?, num_threads),
        Float::Double(mean) => apply(py, &mean, sums, writable("dst", &dst)?, num_threads),
    }
}

fn apply<T: Real + Element>(
    py: Python<'_>,
    mean: &PyReadonlyArrayDyn<'_, T>,
    (ratio, count): (&[f64], &[f64]),
    mut dst: PyReadwriteArrayDyn<'_, T>,
    num_threads: usize,
) -> PyResult<()> {
    let means = dates(py, "mean", mean, ratio.len())?;
    let dst = slice_mut(py, "dst", &mut dst)?;
    if dst.len() != means.len() * ratio.len() {
        return Err(error::invalid(py, format!("dst: got {} pixels, want as many as mean", dst.len())));
    }
    enter(py, num_threads, |run| {
        let mut dates = means.zip(dst.chunks_exact_mut(ratio.len().max(1)));
        dates.try_for_each(|(mean, dst)| speckle::quegan_apply(mean, ratio, count, dst, run))
    })
}

/// The dates of an array, `pixels` each.
fn dates<'a, T: Element>(
    py: Python<'_>,
    name: &'static str,
    array: &'a PyReadonlyArrayDyn<'_, T>,
    pixels: usize,
) -> PyResult<std::slice::ChunksExact<'a, T>> {
    let samples = slice(py, name, array)?;
    let dates = samples.chunks_exact(pixels.max(1));
    if dates.remainder().is_empty() {
        Ok(dates)
    } else {
        let got = format!("{} pixels", samples.len());
        Err(error::to_python(py, Error::shape(name, got, format!("dates of {pixels} pixels as ratio"))))
    }
}
