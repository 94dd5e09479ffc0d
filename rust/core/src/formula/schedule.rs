//! A graph in the order of its evaluation, with a register for every number that is still needed.

use super::arithmetic::{Binary, Unary};
use super::graph::{Graph, Node, NodeId};
use super::units::Value;

/// Where an operand comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Operand {
    /// A register.
    Register(usize),
    /// The same number for all pixels.
    Constant(f64),
}

/// What is done to a chunk of pixels at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Action {
    /// A function of one operand.
    Unary(Unary, Operand),
    /// A function of two operands.
    Binary(Binary, Operand, Operand),
    /// The first operand times a number plus the second, rounded twice.
    MultiplyAdd(Operand, f64, Operand),
}

impl Action {
    fn divides(self) -> bool {
        matches!(self, Self::Binary(Binary::Divide | Binary::NormalizedDifference, ..))
    }
}

/// The result of a formula: a number times a unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Store {
    /// The unit.
    pub unit: f64,
    /// Which formula.
    pub output: usize,
}

/// One step of a program.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Instruction {
    /// Digital numbers plus offset of a band.
    Load {
        /// Which band.
        band: usize,
        /// Into which register.
        to: usize,
    },
    /// Do it and keep the result in a register, which may be that of an operand.
    Compute {
        /// What.
        action: Action,
        /// Into which register.
        to: usize,
    },
    /// A quotient that is kept and stored: while the processor divides, it has time for that.
    ComputeAndStore {
        /// `Divide` or `NormalizedDifference` of two operands.
        action: Action,
        /// Into which register.
        to: usize,
        /// Where else.
        store: Store,
    },
    /// A number that is there is the result of a formula.
    Store(Operand, Store),
}

/// Instructions in order.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// What to do with each chunk.
    pub instructions: Vec<Instruction>,
    /// Number of registers.
    pub registers: usize,
}

/// The instructions that compute `outputs`.
pub(super) fn schedule(graph: &Graph, outputs: &[Value]) -> Schedule {
    let mut uses = vec![0; graph.nodes().len()];
    for output in outputs {
        uses[output.node] += 1;
    }
    let mut steps = vec![None; graph.nodes().len()];
    for id in (0..graph.nodes().len()).rev() {
        if uses[id] > 0 {
            let step = Step::of(graph, id);
            step.operands().for_each(|operand| uses[operand] += 1);
            steps[id] = Some(step);
        }
    }
    let mut registers = Registers { of: vec![None; steps.len()], uses, free: Vec::new(), count: 0 };
    let mut instructions = Vec::new();
    for (id, step) in steps.iter().enumerate() {
        let Some(step) = step else { continue };
        let wanted = outputs.iter().enumerate().filter(|(_, value)| value.node == id);
        let mut stores = wanted.map(|(output, value)| Store { unit: value.unit, output });
        if let Step::Leaf(Node::Band(band)) = *step {
            instructions.push(Instruction::Load { band, to: registers.assign(id) });
        } else if let Some(action) = step.action(graph, &mut registers) {
            let (to, store) = (registers.assign(id), if action.divides() { stores.next() } else { None });
            instructions.push(match store {
                None => Instruction::Compute { action, to },
                Some(store) => Instruction::ComputeAndStore { action, to, store },
            });
            if store.is_some() {
                registers.operand(graph, id);
            }
        }
        instructions.extend(stores.map(|store| Instruction::Store(registers.operand(graph, id), store)));
    }
    Schedule { instructions, registers: registers.count }
}

/// A node, or two that are one instruction.
#[derive(Debug, Clone, Copy)]
enum Step {
    Leaf(Node),
    Unary(Unary, NodeId),
    Binary(Binary, NodeId, NodeId),
    MultiplyAdd(NodeId, f64, NodeId),
}

impl Step {
    /// The step of a node; a product with a constant is computed in the sum it is a part of.
    fn of(graph: &Graph, id: NodeId) -> Self {
        let product = |node: NodeId| match graph.nodes()[node] {
            Node::Binary(Binary::Multiply, x, y) => graph.value(x).map(|k| (y, k)).or(graph.value(y).map(|k| (x, k))),
            _ => None,
        };
        match graph.nodes()[id] {
            leaf @ (Node::Band(_) | Node::Constant(_)) => Self::Leaf(leaf),
            Node::Unary(operation, x) => Self::Unary(operation, x),
            Node::Binary(Binary::Add, a, b) if a != b => match (product(a), product(b)) {
                (Some((x, k)), _) => Self::MultiplyAdd(x, k, b),
                (_, Some((x, k))) => Self::MultiplyAdd(x, k, a),
                _ => Self::Binary(Binary::Add, a, b),
            },
            Node::Binary(Binary::Subtract, a, b) if a != b => match product(b) {
                Some((x, k)) => Self::MultiplyAdd(x, -k, a),
                _ => Self::Binary(Binary::Subtract, a, b),
            },
            Node::Binary(operation, a, b) => Self::Binary(operation, a, b),
        }
    }

    fn operands(self) -> impl Iterator<Item = NodeId> {
        let (first, second) = match self {
            Self::Leaf(_) => (None, None),
            Self::Unary(_, x) => (Some(x), None),
            Self::Binary(_, a, b) | Self::MultiplyAdd(a, _, b) => (Some(a), Some(b)),
        };
        first.into_iter().chain(second)
    }

    /// The action, with operands that may be overwritten from now on; none for a leaf.
    fn action(self, graph: &Graph, registers: &mut Registers) -> Option<Action> {
        let mut operand = |node| registers.operand(graph, node);
        match self {
            Self::Leaf(_) => None,
            Self::Unary(operation, x) => Some(Action::Unary(operation, operand(x))),
            Self::Binary(operation, a, b) => Some(Action::Binary(operation, operand(a), operand(b))),
            Self::MultiplyAdd(x, k, b) => Some(Action::MultiplyAdd(operand(x), k, operand(b))),
        }
    }
}

/// Which node is in which register, and how many uses of it are left.
struct Registers {
    of: Vec<Option<usize>>,
    uses: Vec<usize>,
    free: Vec<usize>,
    count: usize,
}

impl Registers {
    /// Where `node` is; after its last use the register is free.
    fn operand(&mut self, graph: &Graph, node: NodeId) -> Operand {
        let Some(register) = self.of[node] else {
            return Operand::Constant(graph.value(node).unwrap_or(f64::NAN));
        };
        self.uses[node] -= 1;
        if self.uses[node] == 0 {
            self.free.push(register);
        }
        Operand::Register(register)
    }

    fn assign(&mut self, node: NodeId) -> usize {
        let register = self.free.pop().unwrap_or_else(|| {
            self.count += 1;
            self.count - 1
        });
        self.of[node] = Some(register);
        register
    }
}
