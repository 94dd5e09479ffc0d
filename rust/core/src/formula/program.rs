//! Formulas to a program, and its run over all pixels.

use super::arithmetic::Binary;
use super::difference::whole_difference;
use super::evaluate::{Loader, Registers, evaluate};
use super::graph::Node;
use super::lexer::{Lexeme, wrong};
use super::parser::{Step, parse};
use super::schedule::{Schedule, schedule};
use super::units::{Units, Value};
use crate::bands::{Run, for_bands};
use crate::error::{Error, Result};
use crate::optical::{Pixels, Scaling};
use crate::raster::RasterMut;

/// Pixels between two looks at the interrupt.
const BAND: usize = 1 << 16;

/// Formulas that are computed in one pass over their bands.
#[derive(Debug)]
pub struct Program {
    scaling: Vec<Scaling>,
    schedule: Schedule,
    outputs: usize,
    ratio: Option<[usize; 2]>,
}

impl Program {
    /// Compile formulas of `bands`: symbol and scaling, in the order of the pixels later.
    pub fn compile(formulas: &[&str], bands: &[(&str, Scaling)]) -> Result<Self> {
        bands.iter().try_for_each(|(_, scaling)| scaling.check())?;
        let mut compiler = Compiler { bands, units: Units::default() };
        let outputs = formulas.iter().map(|formula| compiler.formula(formula)).collect::<Result<Vec<_>>>()?;
        let graph = &compiler.units.graph;
        Ok(Self {
            scaling: bands.iter().map(|(_, scaling)| *scaling).collect(),
            schedule: schedule(graph, &outputs),
            outputs: outputs.len(),
            ratio: ratio_of_bands(graph.nodes(), &outputs),
        })
    }

    /// Write the result of formula `i` to `out[i]`; reflectance outside of `valid` (both ends belong to it) is NaN.
    pub fn run(
        &self,
        bands: &[Pixels<'_>],
        valid: Option<[f64; 2]>,
        out: Vec<&mut [f32]>,
        run: &Run<'_>,
    ) -> Result<()> {
        let pixels = self.check(bands, &out)?;
        let mut out = as_columns(out)?;
        if let (Some([a, b]), None, [dst]) = (self.ratio, valid, &mut out[..]) {
            let scaling = [self.scaling[a], self.scaling[b]];
            if let Some(done) = whole_difference([bands[a], bands[b]], scaling, dst.pixels_mut(), run) {
                return done;
            }
        }
        let loaders: Vec<_> =
            self.scaling.iter().zip(bands).map(|(scaling, &band)| Loader::new(band, scaling, valid)).collect();
        for_bands(
            run,
            pixels,
            BAND,
            out,
            || Registers::new(self.schedule.registers),
            |rows, mut out, registers| {
                let bands: Vec<_> = bands.iter().map(|band| band.cut(rows.clone())).collect();
                evaluate(&self.schedule, &bands, &loaders, &mut out, registers);
            },
        )
    }

    /// The number of pixels.
    fn check(&self, bands: &[Pixels<'_>], out: &[&mut [f32]]) -> Result<usize> {
        let counts = [("bands", bands.len(), self.scaling.len()), ("out", out.len(), self.outputs)];
        for (name, got, want) in counts {
            if got != want {
                return Err(Error::shape(name, format!("{got} arrays"), format!("{want} arrays")));
            }
        }
        let pixels = out.first().map_or(0, |out| out.len());
        let lengths = bands.iter().map(|band| ("bands", band.len())).chain(out.iter().map(|out| ("out", out.len())));
        for (name, got) in lengths {
            if got != pixels {
                return Err(Error::shape(name, format!("{got} pixels"), format!("{pixels} as the first of out")));
            }
        }
        Ok(pixels)
    }
}

/// The symbols of a formula, functions left out, in the order of their first appearance.
pub fn symbols(formula: &str) -> Result<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    for step in parse(formula)? {
        match step {
            Step::Symbol(Lexeme { text, .. }) if !found.iter().any(|known| known == text) => {
                found.push(text.to_owned())
            }
            _ => {}
        }
    }
    Ok(found)
}

fn as_columns(out: Vec<&mut [f32]>) -> Result<Vec<RasterMut<'_, f32>>> {
    let sized = out.into_iter().map(|out| (out.len(), out));
    sized.map(|(pixels, out)| RasterMut::new("out", out, pixels, 1)).collect()
}

/// The bands of a single normalised difference of two bands.
fn ratio_of_bands(nodes: &[Node], outputs: &[Value]) -> Option<[usize; 2]> {
    let [Value { node, unit }] = *outputs else { return None };
    let Node::Binary(Binary::NormalizedDifference, a, b) = nodes[node] else { return None };
    match (nodes[a], nodes[b]) {
        (Node::Band(a), Node::Band(b)) if unit == 1.0 => Some([a, b]),
        (Node::Band(a), Node::Band(b)) if unit == -1.0 => Some([b, a]),
        _ => None,
    }
}

struct Compiler<'a> {
    bands: &'a [(&'a str, Scaling)],
    units: Units,
}

impl Compiler<'_> {
    fn formula(&mut self, formula: &str) -> Result<Value> {
        let mut stack = Vec::new();
        for step in parse(formula)? {
            let value = match step {
                Step::Number(number) => self.units.constant(number),
                Step::Symbol(symbol) => self.symbol(formula, &symbol)?,
                Step::Negate => {
                    let x = pop(&mut stack)?;
                    self.units.negate(x)
                }
                Step::Unary(operation) => {
                    let x = pop(&mut stack)?;
                    self.units.unary(operation, x)
                }
                Step::Binary(operation) => {
                    let (b, a) = (pop(&mut stack)?, pop(&mut stack)?);
                    self.units.binary(operation, a, b)
                }
            };
            stack.push(value);
        }
        pop(&mut stack)
    }

    fn symbol(&mut self, formula: &str, symbol: &Lexeme<'_>) -> Result<Value> {
        match self.bands.iter().position(|(name, _)| *name == symbol.text) {
            Some(band) => Ok(self.units.band(band, self.bands[band].1.scale)),
            None => Err(wrong(formula, symbol, self.known())),
        }
    }

    fn known(&self) -> String {
        let bands: Vec<_> = self.bands.iter().map(|(name, _)| *name).collect();
        if bands.is_empty() {
            "no symbol: there are no bands".to_owned()
        } else {
            format!("a band ({})", bands.join(", "))
        }
    }
}

fn pop(stack: &mut Vec<Value>) -> Result<Value> {
    stack.pop().ok_or(Error::Defect("the formula parser"))
}
