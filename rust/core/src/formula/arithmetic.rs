//! The operations of a formula on f64: NaN where an operand is NaN, and where there is no finite quotient or logarithm.
//!
//! Exponential and logarithm are the crate's own, so that loops over them vectorise and every machine returns the same bits.

use std::f64::consts::LOG10_E;

use crate::distributions::elementary;

/// An operation on one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Unary {
    /// Absolute value.
    Abs,
    /// Square root.
    Sqrt,
    /// Exponential.
    Exp,
    /// Natural logarithm.
    Ln,
    /// Decimal logarithm.
    Log10,
}

/// An operation on two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Binary {
    /// `a + b`.
    Add,
    /// `a - b`.
    Subtract,
    /// `a * b`.
    Multiply,
    /// `a / b`.
    Divide,
    /// `(a - b) / (a + b)`.
    NormalizedDifference,
    /// The smaller one.
    Minimum,
    /// The larger one.
    Maximum,
    /// `a` to the power of `b`.
    Power,
}

impl Unary {
    /// The operation on one number.
    pub fn of(self, x: f64) -> f64 {
        match self {
            Self::Abs => x.abs(),
            Self::Sqrt => x.sqrt(),
            Self::Exp => exp(x),
            Self::Ln => ln(x),
            Self::Log10 => log10(x),
        }
    }
}

impl Binary {
    /// The operation on two numbers.
    pub fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Multiply => a * b,
            Self::Divide => divide(a, b),
            Self::NormalizedDifference => normalized_difference(a, b),
            Self::Minimum => minimum(a, b),
            Self::Maximum => maximum(a, b),
            Self::Power => power(a, b),
        }
    }
}

/// `a / b`, NaN where `b` is 0.
#[inline(always)]
pub(super) fn divide(a: f64, b: f64) -> f64 {
    let quotient = a / b;
    if b == 0.0 { f64::NAN } else { quotient }
}

/// `(a - b) / (a + b)`, NaN where the sum is 0.
#[inline(always)]
pub(super) fn normalized_difference(a: f64, b: f64) -> f64 {
    divide(a - b, a + b)
}

/// The smaller one, NaN if either is NaN.
#[inline(always)]
pub(super) fn minimum(a: f64, b: f64) -> f64 {
    let smaller = if a < b { a } else { b };
    if a.is_nan() { a } else { smaller }
}

/// The larger one, NaN if either is NaN.
#[inline(always)]
pub(super) fn maximum(a: f64, b: f64) -> f64 {
    let larger = if a > b { a } else { b };
    if a.is_nan() { a } else { larger }
}

/// `e^x`: 0 below -700, infinite above 700.
#[inline(always)]
pub(super) fn exp(x: f64) -> f64 {
    let value = elementary::exp(if x < 700.0 { x } else { 700.0 });
    let value = if x < -700.0 { 0.0 } else { value };
    let value = if x > 700.0 { f64::INFINITY } else { value };
    if x.is_nan() { x } else { value }
}

/// Natural logarithm, NaN where `x` is not positive.
#[inline(always)]
pub(super) fn ln(x: f64) -> f64 {
    // Subnormal numbers are made normal first.
    let small = x < f64::MIN_POSITIVE;
    let value = elementary::ln(if small { x * 2_f64.powi(54) } else { x });
    let value = if small { value - 54.0 * std::f64::consts::LN_2 } else { value };
    let value = if x == f64::INFINITY { x } else { value };
    if x > 0.0 { value } else { f64::NAN }
}

/// Decimal logarithm, NaN where `x` is not positive.
#[inline(always)]
pub(super) fn log10(x: f64) -> f64 {
    ln(x) * LOG10_E
}

/// `a` to the power of `b`; NaN for a negative `a` and a fractional `b`, and for 0 to a negative `b`.
#[inline(always)]
pub(super) fn power(a: f64, b: f64) -> f64 {
    let size = exp(b * ln(a.abs()));
    let whole = b == b.trunc();
    let odd = whole & ((0.5 * b) != (0.5 * b).trunc());
    let signed = if (a < 0.0) & odd { -size } else { size };
    let value = if (a < 0.0) & !whole { f64::NAN } else { signed };
    let of_zero = if b > 0.0 { 0.0 } else { f64::NAN };
    let value = if a == 0.0 { of_zero } else { value };
    let value = if b == 0.0 { 1.0 } else { value };
    if a.is_nan() | b.is_nan() { f64::NAN } else { value }
}
