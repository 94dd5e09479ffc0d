//! Dilation and erosion of masks by a disc.
//!
//! The disc of radius `r` holds the pixels with `dy^2 + dx^2 <= r^2`: radius 1 is a plus of five. At the image edge the disc
//! shrinks; what lies outside is neither set nor unset, so a dilation never comes in from there and an erosion never starts
//! there.
//!
//! A row first becomes distances along itself to the nearest pixel that spreads (set for a dilation, unset for an erosion);
//! a pixel is reached where one of the rows `dy` away is no farther than the half width of the disc at `dy`. All of it is in
//! bytes, so the cost of a row is that of `2 r + 1` byte comparisons a pixel, 32 at a time.

use std::ops::Range;

use crate::bands::{Run, for_bands};
use crate::dispatch;
use crate::error::{Error, Result};
use crate::raster::{Placement, Raster, RasterMut};

/// Largest radius of a disc.
pub const MAX_RADIUS: usize = 127;

/// A distance beyond every disc.
const FAR: u8 = u8::MAX;

/// 1 where a set (not 0) pixel of `src` lies within the disc, else 0.
pub fn dilate(src: Raster<'_, u8>, dst: RasterMut<'_, u8>, radius: usize, run: &Run<'_>) -> Result<()> {
    chain(src, dst, &[Step::Dilate(radius)], Placement::default(), run)
}

/// 1 where all pixels of `src` within the disc are set (not 0), else 0.
pub fn erode(src: Raster<'_, u8>, dst: RasterMut<'_, u8>, radius: usize, run: &Run<'_>) -> Result<()> {
    chain(src, dst, &[Step::Erode(radius)], Placement::default(), run)
}

/// The mask without specks that a disc of `open` pixels does not fit into, then grown by a disc of `grow` pixels.
///
/// The input carries a halo of `2 * open + grow` rows and columns wherever it does not end at the edge of the image.
pub fn opened_and_grown(
    src: Raster<'_, u8>,
    dst: RasterMut<'_, u8>,
    open: usize,
    grow: usize,
    placement: Placement,
    run: &Run<'_>,
) -> Result<()> {
    chain(src, dst, &[Step::Erode(open), Step::Dilate(open), Step::Dilate(grow)], placement, run)
}

/// One pass over the mask.
#[derive(Debug, Clone, Copy)]
enum Step {
    Dilate(usize),
    Erode(usize),
}

impl Step {
    fn radius(self) -> usize {
        match self {
            Self::Dilate(radius) | Self::Erode(radius) => radius,
        }
    }
}

/// Run `steps` one after the other, band by band: a band reads its rows and the halo of all steps around them.
fn chain(
    src: Raster<'_, u8>,
    dst: RasterMut<'_, u8>,
    steps: &[Step],
    placement: Placement,
    run: &Run<'_>,
) -> Result<()> {
    let (height, width) = (dst.height(), dst.width());
    placement.check((src.height(), src.width()), (height, width))?;
    if let Some(step) = steps.iter().find(|step| step.radius() > MAX_RADIUS) {
        return Err(Error::parameter("radius", step.radius(), format!("at most {MAX_RADIUS}")));
    }
    let halo: usize = steps.iter().map(|step| step.radius()).sum();
    // Rows of the halo are done once a band.
    let band = (4 * halo).max(64);
    for_bands(run, height, band, dst, Strip::default, |rows, mut out, strip| {
        let grown = |by: usize| {
            let (first, end) = (placement.top + rows.start, placement.top + rows.end);
            first.saturating_sub(by)..(end + by).min(src.height())
        };
        let mut rest = halo;
        strip.load(src, grown(rest));
        for &step in steps {
            rest -= step.radius();
            strip.apply(step, grown(rest));
        }
        for row in 0..rows.len() {
            out.row_mut(row).copy_from_slice(&strip.row(row)[placement.left..placement.left + width]);
        }
    })
}

/// Some rows of a mask of 0 and 1, and the memory to work on them.
#[derive(Default)]
struct Strip {
    rows: Range<usize>,
    width: usize,
    mask: Vec<u8>,
    distances: Vec<u8>,
    line: Line,
}

impl Strip {
    fn load(&mut self, src: Raster<'_, u8>, rows: Range<usize>) {
        self.width = src.width();
        self.mask.clear();
        for row in rows.clone() {
            self.mask.extend(src.row(row).iter().map(|&set| u8::from(set != 0)));
        }
        self.rows = rows;
    }

    fn row(&self, row: usize) -> &[u8] {
        &self.mask[row * self.width..(row + 1) * self.width]
    }

    /// Replace the mask by `wanted` rows of the result; the rows at hand reach a radius farther, or to the edge.
    fn apply(&mut self, step: Step, wanted: Range<usize>) {
        let radius = step.radius();
        let (spreading, reached) = match step {
            Step::Dilate(_) => (1, 1),
            Step::Erode(_) => (0, 0),
        };
        let (width, have) = (self.width, std::mem::replace(&mut self.rows, wanted.clone()));
        if width == 0 {
            return;
        }
        self.distances.resize(have.len() * width, FAR);
        for (mask, distances) in self.mask.chunks_exact(width).zip(self.distances.chunks_exact_mut(width)) {
            self.line.distances(mask, spreading, radius, distances);
        }
        self.mask.clear();
        self.mask.resize(wanted.len() * width, 1 - reached);
        for (row, out) in wanted.zip(self.mask.chunks_exact_mut(width)) {
            for other in have.start.max(row.saturating_sub(radius))..have.end.min(row + radius + 1) {
                let first = (other - have.start) * width;
                reach(&self.distances[first..first + width], half_width(radius, row.abs_diff(other)), reached, out);
            }
        }
    }
}

/// Columns of the disc to either side, `dy` rows from its centre.
fn half_width(radius: usize, dy: usize) -> u8 {
    u8::try_from((radius * radius - dy * dy).isqrt()).unwrap_or(FAR)
}

/// A row between margins that spread nothing, twice, to go from one to the other.
#[derive(Default)]
struct Line {
    from: Vec<u8>,
    to: Vec<u8>,
}

impl Line {
    /// Distance of each pixel to the nearest one that is `spreading`, exact up to `radius` and more than it beyond.
    fn distances(&mut self, mask: &[u8], spreading: u8, radius: usize, out: &mut [u8]) {
        const MARGIN: usize = MAX_RADIUS;
        for line in [&mut self.from, &mut self.to] {
            line.clear();
            line.resize(mask.len() + 2 * MARGIN, FAR);
        }
        let inner = MARGIN..MARGIN + mask.len();
        for (distance, &set) in self.from[inner.clone()].iter_mut().zip(mask) {
            *distance = if set == spreading { 0 } else { FAR };
        }
        // Steps of 1, 2, 4, ... to either side: every distance up to their sum is a sum of some of them.
        let mut step = 1;
        while step <= radius {
            let left = &self.from[inner.start - step..inner.end - step];
            let right = &self.from[inner.start + step..inner.end + step];
            nearer(&self.from[inner.clone()], left, right, step as u8, &mut self.to[inner.clone()]);
            std::mem::swap(&mut self.from, &mut self.to);
            step *= 2;
        }
        out.copy_from_slice(&self.from[inner]);
    }
}

dispatch!(fn nearer = nearer_body(here: &[u8], left: &[u8], right: &[u8], step: u8, out: &mut [u8]));

#[inline(always)]
fn nearer_body(here: &[u8], left: &[u8], right: &[u8], step: u8, out: &mut [u8]) {
    for (((&here, &left), &right), out) in here.iter().zip(left).zip(right).zip(out) {
        *out = here.min(left.min(right).saturating_add(step));
    }
}

dispatch!(fn reach = reach_body(distances: &[u8], half_width: u8, reached: u8, out: &mut [u8]));

#[inline(always)]
fn reach_body(distances: &[u8], half_width: u8, reached: u8, out: &mut [u8]) {
    for (&distance, out) in distances.iter().zip(out) {
        *out = if distance <= half_width { reached } else { *out };
    }
}
