//! Before/after change tests on radar power or an index, one relative orbit ("group") after the other.
//!
//! Three steps that may run far apart: [`crate::moments::fold`] makes the state of the dates before and of those after,
//! [`add_group`] tests the two states of one orbit and adds the outcome to the evidence, [`finish`] turns the evidence of
//! all orbits into maps. [`before_after`] does all of it for a stack in memory, reading it once, with the same bytes.

mod combine;
mod evidence;
mod hotelling;
mod logratio;
mod out;
mod ttest;

pub use combine::{Combine, Scale};
pub use hotelling::{Hotelling, hotelling};
pub use out::ChangeOut;
pub use ttest::{TTest, pooled_t};

use std::ops::Range;

use crate::bands::{Run, for_bands};
use crate::error::{Error, Result};
use crate::moments::{BLOCK, Field, Layout, Sample, Stack, Transform, fields, fields_mut};
use crate::raster::Raster;
use evidence::Outcome;
use out::{Sink, Verdict};

/// Which test is done in each relative orbit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// Hotelling's T squared of both bands, of power on its fourth root: finds changes of any sign.
    Hotelling,
    /// Pooled Student t per band, of power on its logarithm, then the more significant band (Sidak).
    TTest,
    /// Ratio of mean powers per band against the F distribution of speckle, then the more significant band (Sidak).
    LogRatio {
        /// Equivalent number of looks of one date.
        enl: f64,
    },
}

impl Method {
    /// The state that the test reads.
    pub fn layout(self, bands: usize) -> Layout {
        Layout { bands, joint: self == Self::Hotelling }
    }
}

/// What is tested and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// The test of one orbit.
    pub method: Method,
    /// What the samples are.
    pub scale: Scale,
    /// How the orbits are joined.
    pub combine: Combine,
    /// Fewest valid dates before; an orbit with fewer is left out at that pixel.
    pub min_pre: usize,
    /// Fewest valid dates after.
    pub min_post: usize,
    /// Number of bands, 1 or 2.
    pub bands: usize,
}

impl Options {
    /// The defaults of `method` on radar power: Stouffer for the t-test, Fisher for the others; at least 3 dates before and 2
    /// after, 1 and 1 for the log-ratio.
    pub fn new(method: Method, bands: usize) -> Self {
        let (min_pre, min_post) = if matches!(method, Method::LogRatio { .. }) { (1, 1) } else { (3, 2) };
        let combine = if method == Method::TTest { Combine::Stouffer } else { Combine::Fisher };
        Self { method, scale: Scale::Power, combine, min_pre, min_post, bands }
    }

    /// Refuse what no test can work with.
    pub fn check(&self) -> Result<()> {
        self.layout().check()?;
        for (name, n) in [("min_pre", self.min_pre), ("min_post", self.min_post)] {
            if n == 0 {
                return Err(Error::parameter(name, n, "at least 1"));
            }
        }
        match self.method {
            Method::LogRatio { enl } if !(enl.is_finite() && enl > 0.0) => {
                Err(Error::parameter("enl", enl, "a finite number of looks above 0"))
            }
            Method::LogRatio { .. } if self.scale == Scale::Index => {
                Err(Error::parameter("method", "the log-ratio of an index", "a test of differences"))
            }
            _ => Ok(()),
        }
    }

    /// The state that the test reads.
    pub fn layout(&self) -> Layout {
        self.method.layout(self.bands)
    }

    /// What the moments are taken of. (The log-ratio only reads the power sums, whatever the transform.)
    pub fn transform(&self) -> Transform {
        match (self.scale, self.method) {
            (Scale::Index, _) => Transform::Identity,
            (Scale::Power, Method::TTest) => Transform::Log,
            (Scale::Power, Method::Hotelling | Method::LogRatio { .. }) => Transform::FourthRoot,
        }
    }

    /// Whether an orbit with these counts may be tested.
    #[inline(always)]
    fn enough(&self, n_pre: f64, n_post: f64) -> bool {
        (n_pre >= self.min_pre as f64) & (n_post >= self.min_post as f64)
    }
}

/// The dates of one relative orbit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// Indices of the dates before, in folding order.
    pub pre: Vec<usize>,
    /// Indices of the dates after.
    pub post: Vec<usize>,
}

/// Numbers a pixel that [`add_group`] accumulates and [`finish`] reads.
pub fn evidence_fields(options: &Options) -> usize {
    match options.method {
        Method::Hotelling => evidence::SHARED + hotelling::OWN + options.bands,
        _ => (evidence::SHARED + evidence::EFFECT) * options.bands,
    }
}

/// Test the states `pre` and `post` of one orbit and add the outcome to `evidence` (all zero before the first orbit).
///
/// All three are field-major: `options.layout().fields() * pixels` and `evidence_fields(options) * pixels` numbers.
pub fn add_group(
    options: &Options,
    pre: &[f64],
    post: &[f64],
    pixels: usize,
    evidence: &mut [f64],
    run: &Run<'_>,
) -> Result<()> {
    options.check()?;
    let count = options.layout().fields();
    let (pre, post) = (fields("pre", pre, count, pixels)?, fields("post", post, count, pixels)?);
    let evidence = fields_mut("evidence", evidence, evidence_fields(options), pixels)?;
    for_bands(
        run,
        pixels,
        BLOCK,
        evidence,
        || Scratch::new(options),
        |range, mut out, scratch| {
            load(&pre, &range, &mut scratch.pre);
            load(&post, &range, &mut scratch.post);
            for (field, from) in scratch.evidence.iter_mut().zip(&mut out) {
                field[..range.len()].copy_from_slice(from.pixels_mut());
            }
            scratch.add(options, range.len());
            for (field, into) in scratch.evidence.iter().zip(&mut out) {
                into.pixels_mut().copy_from_slice(&field[..range.len()]);
            }
        },
    )
}

/// Turn the `evidence` of all orbits into maps.
pub fn finish(options: &Options, evidence: &[f64], pixels: usize, out: ChangeOut<'_>, run: &Run<'_>) -> Result<()> {
    options.check()?;
    let evidence = fields("evidence", evidence, evidence_fields(options), pixels)?;
    let sink = Sink::new(out, options.bands, pixels)?;
    for_bands(
        run,
        pixels,
        BLOCK,
        sink,
        || Scratch::new(options),
        |range, sink, scratch| {
            load(&evidence, &range, &mut scratch.evidence);
            scratch.finish(options, range.len());
            sink.write(&scratch.verdict);
        },
    )
}

/// Fold, test and finish a stack in memory: `bands` are one or two arrays of `dates * pixels` samples in C order.
pub fn before_after<T: Sample>(
    options: &Options,
    bands: &[&[T]],
    groups: &[Group],
    pixels: usize,
    out: ChangeOut<'_>,
    run: &Run<'_>,
) -> Result<()> {
    options.check()?;
    let stack = Stack::new(bands, pixels, options.transform(), options.layout())?;
    for group in groups {
        stack.check_dates(&group.pre)?;
        stack.check_dates(&group.post)?;
    }
    let sink = Sink::new(out, options.bands, pixels)?;
    for_bands(
        run,
        pixels,
        BLOCK,
        sink,
        || Scratch::new(options),
        |range, sink, scratch| {
            scratch.evidence.fill([0.0; BLOCK]);
            for group in groups {
                scratch.pre.fill([0.0; BLOCK]);
                scratch.post.fill([0.0; BLOCK]);
                stack.fold_block(&group.pre, range.clone(), &mut scratch.pre);
                stack.fold_block(&group.post, range.clone(), &mut scratch.post);
                scratch.add(options, range.len());
            }
            scratch.finish(options, range.len());
            sink.write(&scratch.verdict);
        },
    )
}

fn load(from: &[Raster<'_, f64>], range: &Range<usize>, into: &mut [Field]) {
    for (from, field) in from.iter().zip(into) {
        field[..range.len()].copy_from_slice(&from.pixels()[range.clone()]);
    }
}

/// What one thread needs for one block of pixels.
struct Scratch {
    pre: Vec<Field>,
    post: Vec<Field>,
    evidence: Vec<Field>,
    outcome: Box<Outcome>,
    verdict: Box<Verdict>,
}

impl Scratch {
    fn new(options: &Options) -> Self {
        let state = vec![[0.0; BLOCK]; options.layout().fields()];
        Self {
            pre: state.clone(),
            post: state,
            evidence: vec![[0.0; BLOCK]; evidence_fields(options)],
            outcome: Box::default(),
            verdict: Box::default(),
        }
    }

    /// Test one orbit in the first `count` pixels of the block.
    fn add(&mut self, options: &Options, count: usize) {
        let Self { pre, post, evidence, outcome, .. } = self;
        if options.method == Method::Hotelling {
            hotelling::test(options, pre, post, count, outcome);
            evidence::add(options.combine, outcome, &pre[0], &post[0], count, evidence);
            hotelling::add_magnitude(options.scale, pre, post, count, outcome, &mut evidence[evidence::SHARED..]);
            return;
        }
        let size = evidence::SHARED + evidence::EFFECT;
        for ((pre, post), evidence) in
            pre.chunks_exact(4).zip(post.chunks_exact(4)).zip(evidence.chunks_exact_mut(size))
        {
            match options.method {
                Method::LogRatio { enl } => logratio::test(options, enl, pre, post, count, outcome),
                _ => ttest::test(options, pre, post, count, outcome),
            }
            evidence::add(options.combine, outcome, &pre[0], &post[0], count, evidence);
            evidence::add_effect(outcome, count, &mut evidence[evidence::SHARED]);
        }
    }

    /// Judge the evidence of the first `count` pixels of the block.
    fn finish(&mut self, options: &Options, count: usize) {
        if options.method == Method::Hotelling {
            hotelling::finish(options, &self.evidence, count, &mut self.verdict);
        } else {
            combine::finish_bands(options, &self.evidence, count, &mut self.verdict);
        }
    }
}
