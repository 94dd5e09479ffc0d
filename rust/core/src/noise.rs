//! Thermal noise of Sentinel-1 detected products: range vectors times azimuth blocks.

use std::ops::Range;

use crate::calibration::{Lut, bracket, check_ascending};
use crate::error::{Error, Result};

/// Noise power in units of DN squared as annotated: a range table, and for newer products azimuth blocks that scale it.
#[derive(Debug, Clone)]
pub struct Noise<'a> {
    range: Lut<'a>,
    blocks: Vec<Block<'a>>,
}

/// An azimuth block: a rectangle of the image with range vectors and an azimuth factor of its own.
#[derive(Debug, Clone)]
struct Block<'a> {
    lines: Range<usize>,
    columns: Range<usize>,
    vectors: Range<usize>,
    nodes: &'a [f64],
    factors: &'a [f64],
}

impl<'a> Noise<'a> {
    /// `blocks`: B rows of first line, last line, first sample, last sample (both ends included), first and end range vector
    /// (half-open). `az_lines`, `az_values`: B rows of azimuth nodes, short rows padded with NaN lines at their end.
    ///
    /// Without blocks the noise is that of the range table everywhere. With blocks it is range times azimuth inside a block
    /// (the first that holds the pixel) and zero outside all of them.
    pub fn new(range: Lut<'a>, blocks: &'a [i64], az_lines: &'a [f64], az_values: &'a [f64]) -> Result<Self> {
        let count = blocks.len() / 6;
        if count * 6 != blocks.len() {
            return Err(Error::shape("blocks", blocks.len(), "6 numbers for each block"));
        }
        let nodes = az_lines.len() / count.max(1);
        if nodes * count != az_lines.len() || (count > 0 && nodes == 0) {
            let want = format!("a whole number >= 1 of nodes for each of {count} blocks");
            return Err(Error::shape("az_lines", az_lines.len(), want));
        }
        if az_values.len() != az_lines.len() {
            return Err(Error::shape("az_values", az_values.len(), format!("{} as az_lines", az_lines.len())));
        }
        let rows = blocks.chunks_exact(6).zip(az_lines.chunks(nodes.max(1)).zip(az_values.chunks(nodes.max(1))));
        let blocks = rows.map(|(limits, (lines, values))| Block::new(limits, lines, values, range.vectors()));
        Ok(Self { range, blocks: blocks.collect::<Result<_>>()? })
    }
}

impl<'a> Block<'a> {
    fn new(limits: &[i64], lines: &'a [f64], values: &'a [f64], vectors: usize) -> Result<Self> {
        let refuse = || Error::parameter("blocks", format!("{limits:?}"), BLOCK_WANT);
        let [first_line, last_line, first_sample, last_sample, first_vector, end_vector] = *limits else {
            return Err(refuse());
        };
        let index = |i: i64| usize::try_from(i).map_err(|_| refuse());
        // A last number of -1 makes an empty range.
        let after = |i: i64| i.checked_add(1).map_or_else(|| Err(refuse()), index);
        let used = index(first_vector)?..index(end_vector)?;
        if used.is_empty() || used.end > vectors {
            return Err(refuse());
        }
        let n = lines.iter().position(|line| line.is_nan()).unwrap_or(lines.len());
        check_ascending("az_lines", &lines[..n])?;
        if values[..n].iter().any(|v| !v.is_finite()) {
            return Err(Error::parameter("az_values", format!("{:?}", &values[..n]), "finite nodes"));
        }
        Ok(Self {
            lines: index(first_line)?..after(last_line)?,
            columns: index(first_sample)?..after(last_sample)?,
            vectors: used,
            nodes: &lines[..n],
            factors: &values[..n],
        })
    }

    fn factor(&self, line: f64) -> f64 {
        let (k, weight, _) = bracket(self.nodes, line);
        let next = (k + 1).min(self.nodes.len() - 1);
        self.factors[k] + (self.factors[next] - self.factors[k]) * weight
    }
}

const BLOCK_WANT: &str = "line and sample numbers >= 0 and a non-empty range of the range vectors";

/// Noise of a stretch of columns of one row: `(low + weight * step) * factor`.
pub(crate) struct Piece<'a> {
    /// Columns relative to the window.
    pub(crate) columns: Range<usize>,
    pub(crate) low: &'a [f64],
    pub(crate) step: &'a [f64],
    pub(crate) weight: f64,
    pub(crate) factor: f64,
}

/// Which block (none: no noise) and which two range vectors rule a stretch of columns.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stretch {
    columns: Range<usize>,
    block: Option<usize>,
    vectors: (usize, usize),
}

/// The range tables expanded to the columns of a window, kept as long as the line stays within the same vectors and blocks.
pub(crate) struct NoiseRow<'a> {
    noise: &'a Noise<'a>,
    columns: Range<usize>,
    stretches: Vec<Stretch>,
    /// Lines for which the stretches hold.
    lines: Range<f64>,
    low: Vec<f64>,
    step: Vec<f64>,
}

impl<'a> NoiseRow<'a> {
    pub(crate) fn new(noise: &'a Noise<'a>, columns: Range<usize>) -> Self {
        let n = columns.len();
        let (low, step) = (vec![0.0; n], vec![0.0; n]);
        Self { noise, columns, stretches: Vec::new(), lines: 0.0..0.0, low, step }
    }

    /// The noise of row `line`, in stretches that cover all columns.
    pub(crate) fn at(&mut self, line: f64) -> impl Iterator<Item = Piece<'_>> {
        if !self.lines.contains(&line) {
            self.lay_out(line);
        }
        let this = &*self;
        this.stretches.iter().map(move |stretch| this.piece(stretch, line))
    }

    fn piece(&self, stretch: &Stretch, line: f64) -> Piece<'_> {
        let Range { start, end } = stretch.columns;
        let columns = start - self.columns.start..end - self.columns.start;
        let (low, step) = (&self.low[columns.clone()], &self.step[columns.clone()]);
        let vectors = self.vectors(stretch.block);
        let weight = self.noise.range.interval(line, vectors).weight;
        let factor = match stretch.block {
            Some(block) => self.noise.blocks[block].factor(line),
            None => f64::from(u8::from(self.noise.blocks.is_empty())),
        };
        Piece { columns, low, step, weight, factor }
    }

    fn vectors(&self, block: Option<usize>) -> Range<usize> {
        block.map_or(0..self.noise.range.vectors(), |b| self.noise.blocks[b].vectors.clone())
    }

    /// Find the stretches of `line` and expand their tables.
    fn lay_out(&mut self, line: f64) {
        let mut until = f64::INFINITY;
        let mut edges = vec![self.columns.start, self.columns.end];
        for block in &self.noise.blocks {
            for edge in [block.lines.start as f64, block.lines.end as f64] {
                if edge > line {
                    until = until.min(edge);
                }
            }
            if block.lines.contains(&(line as usize)) {
                let ends = [block.columns.start, block.columns.end];
                edges.extend(ends.map(|c| c.clamp(self.columns.start, self.columns.end)));
            }
        }
        edges.sort_unstable();
        edges.dedup();
        self.stretches.clear();
        for pair in edges.windows(2) {
            let block = self
                .noise
                .blocks
                .iter()
                .position(|b| b.lines.contains(&(line as usize)) && b.columns.contains(&pair[0]));
            let interval = self.noise.range.interval(line, self.vectors(block));
            until = until.min(interval.until);
            self.stretches.push(Stretch { columns: pair[0]..pair[1], block, vectors: (interval.low, interval.high) });
        }
        self.lines = line..until;
        self.expand();
    }

    fn expand(&mut self) {
        for stretch in &self.stretches {
            let Range { start, end } = stretch.columns;
            let at = start - self.columns.start..end - self.columns.start;
            let (low, high) = (&mut self.low[at.clone()], &mut self.step[at]);
            self.noise.range.expand(stretch.vectors.0, start, low);
            self.noise.range.expand(stretch.vectors.1, start, high);
            for (high, low) in high.iter_mut().zip(low) {
                *high -= *low;
            }
        }
    }
}
