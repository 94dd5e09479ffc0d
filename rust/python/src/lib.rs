//! Python bindings of kararaster: check, view, gate. No arithmetic in here.
//!
//! A binding looks at its arguments, makes views of the core on the NumPy arrays, and calls the kernel through
//! [`enter::enter`]. The NumPy borrow guards stay alive until the kernel has ended.

mod arrays;
mod calibration;
mod change;
mod decibel;
mod enter;
mod error;
mod moments;
mod optical;
mod speckle;
mod thresholding;

use pyo3::prelude::*;

/// The kernels of kararaster.
#[pymodule]
mod _kernels {
    #[pymodule_export]
    use crate::calibration::calibrate;
    #[pymodule_export]
    use crate::change::{add_group, before_after, evidence_fields, finish};
    #[pymodule_export]
    use crate::decibel::{from_db, to_db};
    #[pymodule_export]
    use crate::moments::{fold, moment_fields};
    #[pymodule_export]
    use crate::optical::normalized_difference;
    #[pymodule_export]
    use crate::speckle::{boxcar, enl, lee};
    #[pymodule_export]
    use crate::thresholding::{fdr_histogram, fdr_threshold, fdr_threshold_binned};
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
