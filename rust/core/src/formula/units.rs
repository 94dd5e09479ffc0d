//! Expressions in units of the scale of their bands, so that they stay whole numbers as long as possible.
//!
//! A band is `(dn + shift) * scale`. The sum is a node of the graph, the scale a unit beside it: sums keep the unit of their
//! first operand, products multiply units, ratios divide them, constants take the unit of what they are added to. So
//! `(a - b) / (a + b)` of bands of one scale is a ratio of whole numbers, and only what needs the reflectance itself (a
//! root, an exponential) multiplies by the scale. The unit also carries the sign: `b - a` is `a - b` in negative
//! units, and both are one node.

use super::arithmetic::{Binary, Unary};
use super::graph::{Graph, NodeId};

/// A node times a unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Value {
    /// The number.
    pub node: NodeId,
    /// What it is multiplied by: finite, not 0; 1 for constants.
    pub unit: f64,
}

/// Operands in one unit.
struct Aligned {
    a: NodeId,
    b: NodeId,
    unit: f64,
    /// Whether the second operand is in the negative unit.
    opposite: bool,
}

/// Makes the nodes of a graph from operations on values.
#[derive(Debug, Default)]
pub(super) struct Units {
    /// The graph that grows.
    pub graph: Graph,
}

impl Units {
    /// A band of this scale.
    pub fn band(&mut self, band: usize, scale: f64) -> Value {
        Value { node: self.graph.band(band), unit: scale }
    }

    /// A number.
    pub fn constant(&mut self, value: f64) -> Value {
        Value { node: self.graph.constant(value), unit: 1.0 }
    }

    /// `-x`.
    pub fn negate(&mut self, x: Value) -> Value {
        match self.graph.value(x.node) {
            Some(value) => self.constant(-value),
            None => Value { unit: -x.unit, ..x },
        }
    }

    /// A function of one value.
    pub fn unary(&mut self, operation: Unary, x: Value) -> Value {
        if operation == Unary::Abs {
            return Value { node: self.graph.unary(operation, x.node), unit: x.unit.abs() };
        }
        let plain = self.plain(x);
        self.unitless(|graph| graph.unary(operation, plain))
    }

    /// A function of two values.
    pub fn binary(&mut self, operation: Binary, a: Value, b: Value) -> Value {
        match operation {
            Binary::Add => self.add(a, b),
            Binary::Subtract => {
                let b = self.negate(b);
                self.add(a, b)
            }
            Binary::Multiply => self.multiply(a, b),
            Binary::Divide => self.divide(a, b),
            Binary::Power => self.power(a, b),
            Binary::Minimum | Binary::Maximum if a.unit == b.unit && a.unit > 0.0 => {
                Value { node: self.graph.binary(operation, a.node, b.node), unit: a.unit }
            }
            Binary::Minimum | Binary::Maximum | Binary::NormalizedDifference => self.plainly(operation, a, b),
        }
    }

    fn add(&mut self, a: Value, b: Value) -> Value {
        let Aligned { a, b, unit, opposite } = self.align(a, b);
        if !opposite {
            Value { node: self.graph.binary(Binary::Add, a, b), unit }
        } else if self.graph.has(Binary::Subtract, b, a) {
            Value { node: self.graph.binary(Binary::Subtract, b, a), unit: -unit }
        } else {
            Value { node: self.graph.binary(Binary::Subtract, a, b), unit }
        }
    }

    fn align(&mut self, a: Value, b: Value) -> Aligned {
        if a.unit.abs() == b.unit.abs() {
            return Aligned { a: a.node, b: b.node, unit: a.unit, opposite: a.unit != b.unit };
        }
        if let Some(b) = self.in_unit(b, a.unit) {
            return Aligned { a: a.node, b, unit: a.unit, opposite: false };
        }
        if let Some(a) = self.in_unit(a, b.unit) {
            return Aligned { a, b: b.node, unit: b.unit, opposite: false };
        }
        let ratio = b.unit / a.unit;
        if !ratio.is_normal() {
            return Aligned { a: self.plain(a), b: self.plain(b), unit: 1.0, opposite: false };
        }
        let ratio = self.graph.constant(ratio);
        let b = self.graph.binary(Binary::Multiply, b.node, ratio);
        Aligned { a: a.node, b, unit: a.unit, opposite: false }
    }

    /// A constant in units of `unit`.
    fn in_unit(&mut self, constant: Value, unit: f64) -> Option<NodeId> {
        let value = self.graph.value(constant.node)? / unit;
        value.is_finite().then(|| self.graph.constant(value))
    }

    fn multiply(&mut self, a: Value, b: Value) -> Value {
        let unit = a.unit * b.unit;
        if unit.is_normal() {
            Value { node: self.graph.binary(Binary::Multiply, a.node, b.node), unit }
        } else {
            self.plainly(Binary::Multiply, a, b)
        }
    }

    fn divide(&mut self, a: Value, b: Value) -> Value {
        let unit = a.unit / b.unit;
        if unit.is_normal() {
            Value { node: self.graph.binary(Binary::Divide, a.node, b.node), unit }
        } else {
            self.plainly(Binary::Divide, a, b)
        }
    }

    /// Small whole powers are products, and a square root is one.
    fn power(&mut self, a: Value, b: Value) -> Value {
        const MOST_FACTORS: f64 = 16.0;
        match self.graph.value(b.node) {
            Some(0.5) => self.unary(Unary::Sqrt, a),
            Some(n) if n != 0.0 && n.fract() == 0.0 && n.abs() <= MOST_FACTORS => {
                let product = self.product(a, n.abs() as u32);
                let one = self.constant(1.0);
                if n > 0.0 { product } else { self.divide(one, product) }
            }
            _ => self.plainly(Binary::Power, a, b),
        }
    }

    /// `x` multiplied by itself, `n` factors, `n > 0`.
    fn product(&mut self, x: Value, n: u32) -> Value {
        let bits = (0..n.ilog2()).rev().map(|bit| n >> bit & 1 == 1);
        bits.fold(x, |product, odd| {
            let square = self.multiply(product, product);
            if odd { self.multiply(square, x) } else { square }
        })
    }

    fn plainly(&mut self, operation: Binary, a: Value, b: Value) -> Value {
        let (a, b) = (self.plain(a), self.plain(b));
        self.unitless(|graph| graph.binary(operation, a, b))
    }

    fn unitless(&mut self, make: impl FnOnce(&mut Graph) -> NodeId) -> Value {
        Value { node: make(&mut self.graph), unit: 1.0 }
    }

    /// The node that is the value itself.
    fn plain(&mut self, x: Value) -> NodeId {
        let unit = self.graph.constant(x.unit);
        self.graph.binary(Binary::Multiply, x.node, unit)
    }
}
