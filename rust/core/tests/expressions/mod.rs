//! Random expressions, written as formulas and computed by recursion with a bound of the error.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses a part of it")]

use crate::images::Random;

/// Relative error of one operation, with a margin.
const ROUNDING: f64 = 8.0 * f64::EPSILON;

/// What an expression is worth.
#[derive(Debug, Clone, Copy)]
pub enum Known {
    /// NaN for certain.
    Missing,
    /// Too close to a pole or to the end of a domain to tell.
    Unsure,
    Value {
        value: f64,
        error: f64,
    },
}

use Known::{Missing, Unsure, Value};

#[derive(Debug, Clone)]
pub enum Expression {
    Band(String, usize),
    Number(f64),
    Negative(Box<Expression>),
    Function(&'static str, Vec<Expression>),
    Binary(&'static str, Box<Expression>, Box<Expression>),
}

use Expression::{Band, Binary, Function, Negative, Number};

/// An expression of at most `depth` operations on the way to each leaf.
pub fn random_expression(random: &mut Random, bands: &[&str], depth: usize) -> Expression {
    let boxed = |random: &mut Random| Box::new(random_expression(random, bands, depth - 1));
    if depth == 0 || random.below(12) == 0 {
        return leaf(random, bands);
    }
    match random.below(20) {
        0 => Negative(boxed(random)),
        1 => Function(["sqrt", "abs", "exp", "ln", "log10"][random.below(5)], vec![*boxed(random)]),
        2 => Function(["min", "max"][random.below(2)], (0..2 + random.below(2)).map(|_| *boxed(random)).collect()),
        3 => {
            let exponent = [2.0, 3.0, -1.0, 0.5, 0.3, 5.0, 0.0][random.below(7)];
            Binary("**", boxed(random), Box::new(Number(exponent)))
        }
        4..8 => {
            let (a, b) = (boxed(random), boxed(random));
            let sum = Binary("+", a.clone(), b.clone());
            Binary("/", Box::new(Binary("-", a, b)), Box::new(sum))
        }
        i => Binary(["+", "-", "*", "/"][i % 4], boxed(random), boxed(random)),
    }
}

fn leaf(random: &mut Random, bands: &[&str]) -> Expression {
    match random.below(8) {
        0 => Number([0.0, 1.0, 2.0, 3.0, 0.5, 7.5, 1e-3, 0.1234][random.below(8)]),
        _ => {
            let band = random.below(bands.len());
            Band(bands[band].to_owned(), band)
        }
    }
}

impl Expression {
    /// With the operands of all sums, differences and products in the other order, negative where that changes the sign.
    pub fn turned(self) -> Self {
        match self {
            Negative(x) => Negative(Box::new(x.turned())),
            Function(name, arguments) => Function(name, arguments.into_iter().map(Self::turned).collect()),
            Binary(sign @ ("+" | "*"), a, b) => Binary(sign, Box::new(b.turned()), Box::new(a.turned())),
            Binary("-", a, b) => Negative(Box::new(Binary("-", Box::new(b.turned()), Box::new(a.turned())))),
            Binary(sign, a, b) => Binary(sign, Box::new(a.turned()), Box::new(b.turned())),
            other => other,
        }
    }

    /// As a formula with few parentheses.
    pub fn written(&self) -> String {
        let inside = |x: &Self, rank: usize| if x.rank() < rank { format!("({})", x.written()) } else { x.written() };
        match self {
            Band(name, _) => name.clone(),
            Number(value) => format!("{value}"),
            Negative(x) => format!("-{}", inside(x, 3)),
            Function(name, arguments) => {
                format!("{name}({})", arguments.iter().map(Self::written).collect::<Vec<_>>().join(", "))
            }
            Binary("**", a, b) => format!("{}**{}", inside(a, 5), inside(b, 3)),
            Binary(sign, a, b) => format!("{} {sign} {}", inside(a, self.rank()), inside(b, self.rank() + 1)),
        }
    }

    /// How tight it binds.
    fn rank(&self) -> usize {
        match self {
            Binary("+" | "-", ..) => 1,
            Binary("*" | "/", ..) => 2,
            Negative(_) => 3,
            Binary(..) => 4,
            _ => 5,
        }
    }

    /// Its value where `band` knows the bands.
    pub fn value(&self, band: &dyn Fn(usize) -> Option<f64>) -> Known {
        match self {
            Band(_, number) => band(*number).map_or(Missing, |value| near(value, 0.0)),
            Number(value) => Value { value: *value, error: 0.0 },
            Negative(x) => map(x.value(band), |x, error| Value { value: -x, error }),
            Function(name @ ("min" | "max"), arguments) => {
                let values = arguments.iter().map(|argument| argument.value(band));
                values
                    .reduce(|a, b| {
                        map2(a, b, |a, e, b, f| near(if *name == "min" { a.min(b) } else { a.max(b) }, e.max(f)))
                    })
                    .unwrap()
            }
            Function(name, arguments) => map(arguments[0].value(band), |x, e| function(name, x, e)),
            Binary(sign, a, b) => map2(a.value(band), b.value(band), |a, e, b, f| binary(sign, (a, e), (b, f))),
        }
    }
}

fn near(value: f64, error: f64) -> Known {
    let error = error + ROUNDING * value.abs();
    // Out of the range of f32, or nearly.
    if value.is_finite() && value.abs() < 1e38 && error.is_finite() { Value { value, error } } else { Unsure }
}

fn map(x: Known, f: impl Fn(f64, f64) -> Known) -> Known {
    match x {
        Value { value, error } => f(value, error),
        other => other,
    }
}

fn map2(a: Known, b: Known, f: impl Fn(f64, f64, f64, f64) -> Known) -> Known {
    match (a, b) {
        (Missing, _) | (_, Missing) => Missing,
        (Value { value: a, error: e }, Value { value: b, error: f_ }) => f(a, e, b, f_),
        _ => Unsure,
    }
}

/// `name(x)` where `x` is known to `e`; 100 roundings for those of a logarithm or exponential.
fn function(name: &str, x: f64, e: f64) -> Known {
    let transcendental = 100.0 * f64::EPSILON;
    match name {
        "abs" => near(x.abs(), e),
        "exp" if x < 80.0 && e < 1.0 => near(x.exp(), x.exp() * (2.0 * e + transcendental)),
        "exp" => Unsure,
        _ if x.abs() <= 4.0 * e && e > 0.0 => Unsure,
        "sqrt" if x >= 0.0 => near(x.sqrt(), if x > 0.0 { e / x.sqrt() } else { 0.0 }),
        "ln" if x > 0.0 => near(x.ln(), 2.0 * e / x + transcendental),
        "log10" if x > 0.0 => near(x.log10(), 2.0 * e / x + transcendental),
        _ => Missing,
    }
}

fn binary(sign: &str, (a, e): (f64, f64), (b, f): (f64, f64)) -> Known {
    match sign {
        "+" => near(a + b, e + f),
        "-" => near(a - b, e + f),
        "*" => near(a * b, a.abs() * f + b.abs() * e + e * f),
        "/" if b == 0.0 && f == 0.0 => Missing,
        "/" if b.abs() <= 4.0 * f => Unsure,
        "/" => near(a / b, 2.0 * (e + (a / b).abs() * f) / b.abs()),
        _ => power((a, e), b),
    }
}

/// The exponent is an exact number.
fn power((a, e): (f64, f64), b: f64) -> Known {
    if b == 0.0 {
        return near(1.0, 0.0);
    }
    if a.abs() <= 4.0 * e && e > 0.0 {
        return Unsure;
    }
    if (a == 0.0 && b < 0.0) || (a < 0.0 && b.fract() != 0.0) {
        return Missing;
    }
    let value = a.powf(b);
    let relative = if a == 0.0 { 0.0 } else { 2.0 * b.abs() * e / a.abs() };
    near(value, value.abs() * (relative + 1e-13))
}
