//! Expressions as one graph: equal expressions are one node, and what is constant is computed once.

use std::collections::HashMap;

use super::arithmetic::{Binary, Unary};

/// The number of a node; operands have smaller numbers than what is made of them.
pub(super) type NodeId = usize;

/// One expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Node {
    /// Digital number plus offset of a band.
    Band(usize),
    /// The bits of a number.
    Constant(u64),
    /// A function of one expression.
    Unary(Unary, NodeId),
    /// A function of two.
    Binary(Binary, NodeId, NodeId),
}

/// All expressions of a program.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    numbers: HashMap<Node, NodeId>,
}

impl Graph {
    /// All nodes, operands first.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A band.
    pub fn band(&mut self, band: usize) -> NodeId {
        self.insert(Node::Band(band))
    }

    /// A number.
    pub fn constant(&mut self, value: f64) -> NodeId {
        self.insert(Node::Constant(value.to_bits()))
    }

    /// The value of a node that is a number.
    pub fn value(&self, node: NodeId) -> Option<f64> {
        match self.nodes[node] {
            Node::Constant(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }

    /// Whether this operation of these operands is there already.
    pub fn has(&self, operation: Binary, a: NodeId, b: NodeId) -> bool {
        self.numbers.contains_key(&Node::Binary(operation, a, b))
    }

    /// A function of one expression.
    pub fn unary(&mut self, operation: Unary, x: NodeId) -> NodeId {
        match self.value(x) {
            Some(value) => self.constant(operation.of(value)),
            None => self.insert(Node::Unary(operation, x)),
        }
    }

    /// A function of two expressions. Whatever is rewritten here returns the same number to the last bit.
    pub fn binary(&mut self, operation: Binary, a: NodeId, b: NodeId) -> NodeId {
        let (value_a, value_b) = (self.value(a), self.value(b));
        if let (Some(x), Some(y)) = (value_a, value_b) {
            return self.constant(operation.of(x, y));
        }
        match (operation, value_b) {
            (Binary::Multiply | Binary::Divide, Some(1.0)) => return a,
            (Binary::Multiply, _) if value_a == Some(1.0) => return b,
            (Binary::Divide, Some(y)) if has_exact_reciprocal(y) => {
                let reciprocal = self.constant(1.0 / y);
                return self.binary(Binary::Multiply, a, reciprocal);
            }
            _ => {}
        }
        match operation {
            Binary::Divide => match self.normalized_difference(a, b) {
                Some((p, q)) => self.insert(Node::Binary(Binary::NormalizedDifference, p, q)),
                None => self.insert(Node::Binary(operation, a, b)),
            },
            Binary::Add | Binary::Multiply => self.insert(Node::Binary(operation, a.min(b), a.max(b))),
            _ => self.insert(Node::Binary(operation, a, b)),
        }
    }

    /// `p` and `q` if `a` is `p - q` and `b` is `p + q`.
    fn normalized_difference(&self, a: NodeId, b: NodeId) -> Option<(NodeId, NodeId)> {
        match (self.nodes[a], self.nodes[b]) {
            (Node::Binary(Binary::Subtract, p, q), Node::Binary(Binary::Add, r, s))
                if (p, q) == (r, s) || (p, q) == (s, r) =>
            {
                Some((p, q))
            }
            _ => None,
        }
    }

    fn insert(&mut self, node: Node) -> NodeId {
        let nodes = &mut self.nodes;
        *self.numbers.entry(node).or_insert_with(|| {
            nodes.push(node);
            nodes.len() - 1
        })
    }
}

/// Whether dividing by `y` is multiplying by its reciprocal, to the last bit: powers of two.
fn has_exact_reciprocal(y: f64) -> bool {
    const FRACTION: u64 = (1 << 52) - 1;
    y.is_normal() && (1.0 / y).is_normal() && y.to_bits() & FRACTION == 0
}
