//! Calibration and thermal noise.

use kararaster_core::calibration::{self, Lut, Negative};
use kararaster_core::noise::Noise;
use kararaster_core::raster::{Raster, RasterMut};
use numpy::{PyReadonlyArray2, PyReadonlyArrayDyn};
use pyo3::prelude::*;

use crate::arrays::{shape2, slice, slice_mut, writable};
use crate::enter::enter;
use crate::error;

type Values<'py> = PyReadonlyArrayDyn<'py, f64>;
type NoiseArrays<'py> = (Values<'py>, Values<'py>, Values<'py>, PyReadonlyArrayDyn<'py, i64>, Values<'py>, Values<'py>);

/// Digital numbers to backscatter with thermal noise removed; see `kararaster.calibrate`.
#[pyfunction]
#[pyo3(signature = (dn, dst, *, origin, lut_line, lut_pixel, lut, noise, negative, num_threads))]
pub fn calibrate(
    py: Python<'_>,
    dn: PyReadonlyArray2<'_, u16>,
    dst: Bound<'_, PyAny>,
    origin: (usize, usize),
    lut_line: Values<'_>,
    lut_pixel: Values<'_>,
    lut: Values<'_>,
    noise: Option<NoiseArrays<'_>>,
    negative: &str,
    num_threads: usize,
) -> PyResult<()> {
    let core = |e| error::to_python(py, e);
    let mut dst = writable("dst", &dst)?;
    let negative = negative_rule(py, negative)?;
    let (height, width) = shape2(py, "dn", &dn)?;
    let src = Raster::new("dn", slice(py, "dn", &dn)?, height, width).map_err(core)?;
    let out = RasterMut::new("dst", slice_mut(py, "dst", &mut dst)?, height, width).map_err(core)?;
    let lut = Lut::new(slice(py, "lut_line", &lut_line)?, slice(py, "lut_pixel", &lut_pixel)?, slice(py, "lut", &lut)?)
        .map_err(core)?;
    let noise = noise.as_ref().map(|arrays| noise_model(py, arrays)).transpose()?;
    enter(py, num_threads, |run| calibration::calibrate(src, origin, &lut, noise.as_ref(), negative, out, run))
}

fn noise_model<'a>(py: Python<'_>, arrays: &'a NoiseArrays<'_>) -> PyResult<Noise<'a>> {
    let (line, pixel, values, blocks, az_line, az_values) = arrays;
    let core = |e| error::to_python(py, e);
    let range = Lut::new(
        slice(py, "noise range line", line)?,
        slice(py, "noise range pixel", pixel)?,
        slice(py, "noise range lut", values)?,
    )
    .map_err(core)?;
    Noise::new(
        range,
        slice(py, "noise blocks", blocks)?,
        slice(py, "noise azimuth line", az_line)?,
        slice(py, "noise azimuth lut", az_values)?,
    )
    .map_err(core)
}

fn negative_rule(py: Python<'_>, name: &str) -> PyResult<Negative> {
    match name {
        "keep" => Ok(Negative::Keep),
        "zero" => Ok(Negative::Zero),
        "nan" => Ok(Negative::Nan),
        "snap" => Ok(Negative::Snap),
        other => Err(error::invalid(
            py,
            format!("negative: got {other:?}, want one of \"keep\", \"zero\", \"nan\", \"snap\""),
        )),
    }
}
