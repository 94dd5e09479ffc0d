//! The one error type of the core crate. Every variant names the argument, what it got and what it wanted.

use std::fmt;

/// Result of a kernel.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a kernel refused its input or stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// An array has the wrong shape or length.
    Shape {
        /// Name of the argument.
        name: &'static str,
        /// What was given.
        got: String,
        /// What is needed.
        want: String,
    },
    /// A parameter is outside its range.
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// What was given.
        got: String,
        /// What is needed.
        want: String,
    },
    /// A formula cannot be read.
    Formula {
        /// What stands there.
        got: String,
        /// Its character, counted from 1.
        at: usize,
        /// What may stand there.
        want: String,
        /// The formula, and a line with `^` below that character.
        pointed: String,
    },
    /// The caller asked the kernel to stop (Ctrl-C).
    Interrupted,
    /// A worker thread panicked: a defect of this crate.
    Defect(&'static str),
}

impl Error {
    /// A [`Error::Shape`] from anything printable.
    pub fn shape(name: &'static str, got: impl fmt::Display, want: impl fmt::Display) -> Self {
        Self::Shape { name, got: got.to_string(), want: want.to_string() }
    }

    /// A [`Error::Parameter`] from anything printable.
    pub fn parameter(name: &'static str, got: impl fmt::Display, want: impl fmt::Display) -> Self {
        Self::Parameter { name, got: got.to_string(), want: want.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { name, got, want } => write!(f, "{name}: got shape {got}, want {want}"),
            Self::Parameter { name, got, want } => write!(f, "{name}: got {got}, want {want}"),
            Self::Formula { got, at, want, pointed } => {
                write!(f, "formula: got {got} at character {at}, want {want}\n{pointed}")
            }
            Self::Interrupted => f.write_str("interrupted"),
            Self::Defect(what) => write!(f, "internal error in {what}; please report it"),
        }
    }
}

impl std::error::Error for Error {}
