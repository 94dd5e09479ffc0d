//! Instructions over chunks of pixels whose registers stay in the nearest cache.

use super::arithmetic::{self, Binary, Unary};
use super::schedule::{Action, Instruction, Operand, Schedule};
use crate::dispatch;
use crate::optical::{Decoder, Pixels, Sample, Scaling, WholeDecoder};
use crate::raster::RasterMut;

/// Pixels in a chunk: a register is 2 KiB.
const CHUNK: usize = 256;

/// One number for each pixel of a chunk.
#[derive(Clone)]
#[repr(align(64))]
struct Lane([f64; CHUNK]);

/// The registers of one thread, and a free one: a result is never written over its operands.
pub(super) struct Registers {
    #[expect(clippy::vec_box, reason = "swapping two lanes moves pointers, not numbers")]
    lanes: Vec<Box<Lane>>,
    spare: Box<Lane>,
}

impl Registers {
    /// This many registers.
    pub fn new(count: usize) -> Self {
        let lane = Box::new(Lane([0.0; CHUNK]));
        Self { lanes: vec![lane.clone(); count], spare: lane }
    }
}

/// How a band becomes the numbers of a program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loader {
    decoder: Decoder,
    whole: Option<WholeDecoder>,
    valid: Option<[f64; 2]>,
}

impl Loader {
    /// Reflectance outside of `valid` is NaN.
    pub fn new(band: Pixels<'_>, scaling: &Scaling, valid: Option<[f64; 2]>) -> Self {
        Self { decoder: band.decoder(scaling), whole: band.whole_decoder(scaling), valid }
    }
}

dispatch!(
    /// Run a schedule over all pixels of `bands`.
    pub(super) fn evaluate = evaluate_body(
        schedule: &Schedule,
        bands: &[Pixels<'_>],
        loaders: &[Loader],
        out: &mut [RasterMut<'_, f32>],
        registers: &mut Registers,
    )
);

#[inline(always)]
fn evaluate_body(
    schedule: &Schedule,
    bands: &[Pixels<'_>],
    loaders: &[Loader],
    out: &mut [RasterMut<'_, f32>],
    registers: &mut Registers,
) {
    let pixels = out.first().map_or(0, RasterMut::height);
    for first in (0..pixels).step_by(CHUNK) {
        let chunk = first..pixels.min(first + CHUNK);
        let Registers { lanes, spare } = &mut *registers;
        for instruction in &schedule.instructions {
            match *instruction {
                Instruction::Load { band, to } => {
                    load(&bands[band].cut(chunk.clone()), &loaders[band], &mut lanes[to].0);
                }
                Instruction::Compute { action, to } => {
                    compute(action, lanes, &mut spare.0);
                    std::mem::swap(&mut lanes[to], spare);
                }
                Instruction::ComputeAndStore { action, to, store } => {
                    let out = &mut out[store.output].pixels_mut()[chunk.clone()];
                    compute_and_store(action, lanes, &mut spare.0, store.unit, out);
                    std::mem::swap(&mut lanes[to], spare);
                }
                Instruction::Store(from, store) => {
                    let out = &mut out[store.output].pixels_mut()[chunk.clone()];
                    match from {
                        Operand::Register(from) => finish(&lanes[from].0, store.unit, out),
                        Operand::Constant(x) => out.fill(finished((x * store.unit) as f32)),
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn load(band: &Pixels<'_>, loader: &Loader, to: &mut [f64; CHUNK]) {
    match band {
        Pixels::U8(samples) => load_samples(samples, loader, to),
        Pixels::U16(samples) => load_samples(samples, loader, to),
        Pixels::I16(samples) => load_samples(samples, loader, to),
        Pixels::F32(samples) => load_samples(samples, loader, to),
        Pixels::F64(samples) => load_samples(samples, loader, to),
    }
}

#[inline(always)]
fn load_samples<S: Sample>(samples: &[S], loader: &Loader, to: &mut [f64; CHUNK]) {
    match (loader.valid, loader.whole) {
        (None, Some(decoder)) => {
            // Exact in f32, of which a vector holds twice as many.
            let mut numbers = [0.0_f32; CHUNK];
            for (number, &dn) in numbers.iter_mut().zip(samples) {
                *number = decoder.number(dn);
            }
            for (to, &number) in to.iter_mut().zip(&numbers) {
                *to = f64::from(number);
            }
        }
        (None, None) => {
            for (to, &dn) in to.iter_mut().zip(samples) {
                *to = loader.decoder.number(dn);
            }
        }
        (Some([low, high]), _) => {
            for (to, &dn) in to.iter_mut().zip(samples) {
                let (number, reflectance) = (loader.decoder.number(dn), loader.decoder.reflectance(dn));
                *to = if (reflectance >= low) & (reflectance <= high) { number } else { f64::NAN };
            }
        }
    }
}

#[inline(always)]
fn compute(action: Action, lanes: &[Box<Lane>], to: &mut [f64; CHUNK]) {
    match action {
        Action::Unary(operation, x) => unary(operation, x, lanes, to),
        Action::Binary(operation, a, b) => binary(operation, a, b, lanes, to),
        Action::MultiplyAdd(x, k, b) => map2(x, b, lanes, |x, b| x * k + b, |i, x| to[i] = x),
    }
}

#[inline(always)]
fn compute_and_store(action: Action, lanes: &[Box<Lane>], to: &mut [f64; CHUNK], unit: f64, out: &mut [f32]) {
    match (action, out.first_chunk_mut::<CHUNK>()) {
        (Action::Binary(Binary::Divide, a, b), Some(out)) => {
            map2(a, b, lanes, arithmetic::divide, |i, x| (to[i], out[i]) = (x, finished((x * unit) as f32)));
        }
        (Action::Binary(Binary::NormalizedDifference, a, b), Some(out)) => {
            let keep = |i: usize, x: f64| (to[i], out[i]) = (x, finished((x * unit) as f32));
            map2(a, b, lanes, arithmetic::normalized_difference, keep);
        }
        _ => {
            compute(action, lanes, to);
            finish(to, unit, out);
        }
    }
}

#[inline(always)]
fn unary(operation: Unary, x: Operand, lanes: &[Box<Lane>], to: &mut [f64; CHUNK]) {
    let keep = |i: usize, x: f64| to[i] = x;
    match operation {
        Unary::Abs => map(x, lanes, f64::abs, keep),
        Unary::Sqrt => map(x, lanes, f64::sqrt, keep),
        Unary::Exp => map(x, lanes, arithmetic::exp, keep),
        Unary::Ln => map(x, lanes, arithmetic::ln, keep),
        Unary::Log10 => map(x, lanes, arithmetic::log10, keep),
    }
}

#[inline(always)]
fn binary(operation: Binary, a: Operand, b: Operand, lanes: &[Box<Lane>], to: &mut [f64; CHUNK]) {
    let keep = |i: usize, x: f64| to[i] = x;
    match operation {
        Binary::Add => map2(a, b, lanes, |a, b| a + b, keep),
        Binary::Subtract => map2(a, b, lanes, |a, b| a - b, keep),
        Binary::Multiply => map2(a, b, lanes, |a, b| a * b, keep),
        Binary::Divide => map2(a, b, lanes, arithmetic::divide, keep),
        Binary::NormalizedDifference => map2(a, b, lanes, arithmetic::normalized_difference, keep),
        Binary::Minimum => map2(a, b, lanes, arithmetic::minimum, keep),
        Binary::Maximum => map2(a, b, lanes, arithmetic::maximum, keep),
        Binary::Power => map2(a, b, lanes, arithmetic::power, keep),
    }
}

/// `keep(pixel, f(x))` for all pixels of a chunk.
#[inline(always)]
fn map(x: Operand, lanes: &[Box<Lane>], f: impl Fn(f64) -> f64, mut keep: impl FnMut(usize, f64)) {
    match x {
        Operand::Register(x) => lanes[x].0.iter().enumerate().for_each(|(i, &x)| keep(i, f(x))),
        Operand::Constant(x) => (0..CHUNK).for_each(|i| keep(i, f(x))),
    }
}

#[inline(always)]
fn map2(a: Operand, b: Operand, lanes: &[Box<Lane>], f: impl Fn(f64, f64) -> f64, mut keep: impl FnMut(usize, f64)) {
    match (a, b) {
        (Operand::Register(a), Operand::Register(b)) => {
            let (a, b) = (&lanes[a].0, &lanes[b].0);
            for i in 0..CHUNK {
                keep(i, f(a[i], b[i]));
            }
        }
        (a, Operand::Constant(b)) => map(a, lanes, |a| f(a, b), keep),
        (Operand::Constant(a), b) => map(b, lanes, |b| f(a, b), keep),
    }
}

/// Numbers of a unit as the result of a formula.
#[inline(always)]
fn finish(numbers: &[f64; CHUNK], unit: f64, out: &mut [f32]) {
    let mut rounded = [0.0_f32; CHUNK];
    for (rounded, &x) in rounded.iter_mut().zip(numbers) {
        *rounded = (x * unit) as f32;
    }
    for (out, &x) in out.iter_mut().zip(&rounded) {
        *out = finished(x);
    }
}

/// Never infinite, and 0 without a sign.
#[inline(always)]
fn finished(x: f32) -> f32 {
    let unsigned = x + 0.0;
    if x.abs() < f32::INFINITY { unsigned } else { f32::NAN }
}
