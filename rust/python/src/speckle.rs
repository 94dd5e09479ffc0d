//! Speckle filters.

use kararaster_core::bands::Run;
use kararaster_core::error::Result;
use kararaster_core::raster::{Placement, Raster, RasterMut, Real, Window};
use kararaster_core::speckle::{self, LeeSigma, SigmaRange};
use kararaster_core::window::{Border, Frame};
use numpy::{Element, PyReadonlyArrayDyn, PyReadwriteArrayDyn, PyUntypedArrayMethods};
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
    pub num_threads: usize,
}

impl FrameArguments {
    /// The frame of the core.
    pub fn frame(&self, py: Python<'_>) -> PyResult<Frame> {
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

/// Define the binding of a filter: its documentation, its name, its parameters, and the kernel of the core as a function of
/// (src, dst, frame, run).
macro_rules! speckle_filter {
    ($(#[$meta:meta])* $name:ident($($parameter:ident: $t:ty),*) => $kernel:expr) => {
        $(#[$meta])*
        #[pyfunction]
        #[pyo3(signature = (src, dst, frame, *, $($parameter),*))]
        pub fn $name(
            py: Python<'_>,
            src: Float<'_>,
            dst: Bound<'_, PyAny>,
            frame: FrameArguments,
            $($parameter: $t),*
        ) -> PyResult<()> {
            match src {
                Float::Single(src) => filter(py, &src, writable("dst", &dst)?, frame, $kernel),
                Float::Double(src) => filter(py, &src, writable("dst", &dst)?, frame, $kernel),
            }
        }
    };
}

/// Run a windowed kernel on every image of `src`.
fn filter<T: Real + Element>(
    py: Python<'_>,
    src: &PyReadonlyArrayDyn<'_, T>,
    dst: PyReadwriteArrayDyn<'_, T>,
    arguments: FrameArguments,
    kernel: impl Fn(Raster<'_, T>, RasterMut<'_, T>, &Frame, &Run<'_>) -> Result<()> + Sync,
) -> PyResult<()> {
    filter_numbered(py, src, dst, arguments, |_, src, dst, frame, run| kernel(src, dst, frame, run))
}

/// Run a windowed kernel, which is told the number of the image, on every image of `src`.
fn filter_numbered<T: Real + Element>(
    py: Python<'_>,
    src: &PyReadonlyArrayDyn<'_, T>,
    mut dst: PyReadwriteArrayDyn<'_, T>,
    arguments: FrameArguments,
    kernel: impl Fn(usize, Raster<'_, T>, RasterMut<'_, T>, &Frame, &Run<'_>) -> Result<()> + Sync,
) -> PyResult<()> {
    let frame = arguments.frame(py)?;
    let (src, dst) = (images(py, "src", src)?, images_mut(py, "dst", &mut dst)?);
    if src.len() != dst.len() {
        return Err(error::invalid(py, format!("dst: got {} images, want {} as in src", dst.len(), src.len())));
    }
    enter(py, arguments.num_threads, |run| {
        let mut pairs = src.into_iter().zip(dst).enumerate();
        pairs.try_for_each(|(i, (src, dst))| kernel(i, src, dst, &frame, run))
    })
}

speckle_filter!(
    /// Mean of the window; see `kararaster.despeckle`.
    boxcar() => speckle::boxcar
);
speckle_filter!(
    /// Local equivalent number of looks; see `kararaster.enl`.
    enl() => speckle::enl
);
speckle_filter!(
    /// Frost filter; see `kararaster.despeckle`.
    frost(damping: f64, distance: String) => |s, d, f, run| speckle::frost(s, d, f, damping, distance.parse()?, run)
);
speckle_filter!(
    /// Enhanced Frost filter; see `kararaster.despeckle`.
    frost_enhanced(enl: f64, damping: f64, distance: String) => |s, d, f, run| {
        speckle::frost_enhanced(s, d, f, enl, damping, distance.parse()?, run)
    }
);
speckle_filter!(
    /// Gamma MAP filter; see `kararaster.despeckle`.
    gamma_map(enl: f64) => |s, d, f, run| speckle::gamma_map(s, d, f, enl, run)
);
speckle_filter!(
    /// Adaptive neighbourhood filter; see `kararaster.despeckle`.
    idan(enl: f64, size: usize) => |s, d, f, run| speckle::idan(s, d, f, enl, size, run)
);
speckle_filter!(
    /// Kuan filter; see `kararaster.despeckle`.
    kuan(enl: f64) => |s, d, f, run| speckle::kuan(s, d, f, enl, run)
);
speckle_filter!(
    /// Lee filter; see `kararaster.despeckle`.
    lee(enl: f64) => |s, d, f, run| speckle::lee(s, d, f, enl, run)
);
speckle_filter!(
    /// Enhanced Lee filter; see `kararaster.despeckle`.
    lee_enhanced(enl: f64, damping: f64) => |s, d, f, run| speckle::lee_enhanced(s, d, f, enl, damping, run)
);
speckle_filter!(
    /// Median of the window; see `kararaster.despeckle`.
    median() => speckle::median
);
speckle_filter!(
    /// Probabilistic patch-based filter; see `kararaster.despeckle`.
    ppb(enl: f64, search: usize, patch: usize, quantile: f64, temperature: f64, iterations: usize) => |s, d, f, run| {
        let parameters = speckle::Ppb::new(enl, search, patch, quantile, temperature, iterations)?;
        speckle::ppb(s, d, f, &parameters, run)
    }
);
speckle_filter!(
    /// Refined Lee filter; see `kararaster.despeckle`.
    refined_lee(enl: f64, noise: String) => |s, d, f, run| {
        speckle::refined_lee(s, d, f, speckle::Noise::named(&noise, enl)?, run)
    }
);
speckle_filter!(
    /// Speckle reducing anisotropic diffusion; see `kararaster.despeckle`.
    srad(enl: f64, iterations: usize, step: f64) => |s, d, f, run| speckle::srad(s, d, f, enl, iterations, step, run)
);

/// One number for all images, or one for each.
#[derive(FromPyObject)]
pub enum Numbers {
    /// a number
    #[pyo3(transparent, annotation = "a number")]
    One(f64),
    /// numbers
    #[pyo3(transparent, annotation = "numbers")]
    Each(Vec<f64>),
}

impl Numbers {
    /// The number of every image.
    fn of_images(self, py: Python<'_>, name: &str, images: usize) -> PyResult<Vec<f64>> {
        let mut numbers = match self {
            Self::One(number) => vec![number],
            Self::Each(numbers) => numbers,
        };
        match numbers[..] {
            [all] => numbers.resize(images, all),
            _ if numbers.len() == images => {}
            _ => return Err(error::invalid(py, format!("{name}: got {} numbers, want 1 or {images}", numbers.len()))),
        }
        Ok(numbers)
    }
}

/// Improved Lee sigma filter; see `kararaster.despeckle`.
#[pyfunction]
#[pyo3(signature = (src, dst, frame, *, enl, sigma, target_count, z98, table, edge))]
#[allow(clippy::too_many_arguments)]
pub fn lee_sigma(
    py: Python<'_>,
    src: Float<'_>,
    dst: Bound<'_, PyAny>,
    frame: FrameArguments,
    enl: f64,
    sigma: f64,
    target_count: usize,
    z98: Numbers,
    table: &str,
    edge: &str,
) -> PyResult<()> {
    let refused = |e| error::to_python(py, e);
    let range = SigmaRange::named(table, enl, sigma).map_err(refused)?;
    let edge = edge.parse().map_err(refused)?;
    let all = LeeSigma { enl, range, target_count, z98: f64::INFINITY, edge };
    let shape = match &src {
        Float::Single(src) => src.shape(),
        Float::Double(src) => src.shape(),
    };
    let z98 = z98.of_images(py, "z98", shape[..shape.len().saturating_sub(2)].iter().product())?;
    match src {
        Float::Single(src) => filter_numbered(py, &src, writable("dst", &dst)?, frame, |i, s, d, f, run| {
            speckle::lee_sigma(s, d, f, &LeeSigma { z98: z98[i], ..all }, run)
        }),
        Float::Double(src) => filter_numbered(py, &src, writable("dst", &dst)?, frame, |i, s, d, f, run| {
            speckle::lee_sigma(s, d, f, &LeeSigma { z98: z98[i], ..all }, run)
        }),
    }
}

/// Bounds and noise of the sigma filter: what part `sigma` of speckle of `enl` looks lies between, and its coefficient of
/// variation there.
#[pyfunction]
pub fn sigma_range(py: Python<'_>, enl: f64, sigma: f64) -> PyResult<(f64, f64, f64)> {
    let range = SigmaRange::exact(enl, sigma).map_err(|e| error::to_python(py, e))?;
    Ok((range.lower, range.upper, range.noise))
}
