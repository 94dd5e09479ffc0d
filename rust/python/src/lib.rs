//! Python bindings of kararaster: check, view, gate. No arithmetic in here.
//!
//! A binding looks at its arguments, makes views of the core on the NumPy arrays, and calls the kernel through
//! [`enter::enter`]. The NumPy borrow guards stay alive until the kernel has ended.

mod arrays;
mod breaks;
mod calibration;
mod change;
mod composite;
mod decibel;
mod enter;
mod error;
mod formula;
mod moments;
mod morphology;
mod optical;
mod quegan;
mod speckle;
mod thresholding;

use pyo3::prelude::*;

/// The kernels of kararaster.
#[pymodule]
mod _kernels {
    #[pymodule_export]
    use crate::breaks::find_breaks;
    #[pymodule_export]
    use crate::calibration::calibrate;
    #[pymodule_export]
    use crate::change::{add_group, before_after, evidence_fields, finish};
    #[pymodule_export]
    use crate::composite::composite;
    #[pymodule_export]
    use crate::decibel::{from_db, to_db};
    #[pymodule_export]
    use crate::formula::{formula_symbols, indices};
    #[pymodule_export]
    use crate::moments::{fold, moment_fields};
    #[pymodule_export]
    use crate::morphology::opened_and_grown;
    #[pymodule_export]
    use crate::optical::reflectance;
    #[pymodule_export]
    use crate::quegan::{quegan, quegan_add, quegan_apply};
    #[pymodule_export]
    use crate::speckle::{
        boxcar, enl, frost, frost_enhanced, gamma_map, idan, kuan, lee, lee_enhanced, lee_sigma, median, ppb,
        refined_lee, sigma_range, srad,
    };
    #[pymodule_export]
    use crate::thresholding::{fdr_histogram, fdr_threshold, fdr_threshold_binned};
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
