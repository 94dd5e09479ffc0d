//! From the core's error to the classes of `kararaster.errors`.

use kararaster_core::error::Error;
use pyo3::exceptions::{PyKeyboardInterrupt, PyValueError};
use pyo3::prelude::*;

/// The Python exception for `error`: the class of `kararaster.errors` that stands for its variant.
pub fn to_python(py: Python<'_>, error: Error) -> PyErr {
    let class = match &error {
        Error::Shape { .. } | Error::Parameter { .. } => "InvalidInputError",
        Error::Formula { .. } => "FormulaError",
        Error::Interrupted => return PyKeyboardInterrupt::new_err(()),
        Error::Defect(_) => "KernelError",
    };
    named(py, class, error.to_string())
}

/// An `InvalidInputError` with this message.
pub fn invalid(py: Python<'_>, message: String) -> PyErr {
    named(py, "InvalidInputError", message)
}

fn named(py: Python<'_>, class: &str, message: String) -> PyErr {
    let made = py
        .import("kararaster.errors")
        .and_then(|module| module.getattr(class))
        .and_then(|class| class.call1((message.as_str(),)));
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(_) => PyValueError::new_err(message),
    }
}
