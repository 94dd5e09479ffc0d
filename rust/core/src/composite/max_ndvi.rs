//! The greenest date: all bands of the date with the largest vegetation index (Holben 1986, doi 10.1080/01431168608948945).

use super::{Block, Sortable, Stack};
use crate::bands::{Run, for_bands};
use crate::dispatch;
use crate::error::{Error, Result};
use crate::optical::{Decoder, Sample};

/// Pixels whose best dates stay in the first level of cache.
const BLOCK: usize = 512;

/// The best date so far of each pixel of a block. All in `f64`, as the samples are, so that lanes match.
struct Best {
    index: [f64; BLOCK],
    date: [f64; BLOCK],
    dates: [f64; BLOCK],
    /// NaN where the date at hand lacks a band, else 0.
    lack: [f64; BLOCK],
}

impl Best {
    fn new() -> Self {
        Self { index: [f64::NEG_INFINITY; BLOCK], date: [0.0; BLOCK], dates: [0.0; BLOCK], lack: [0.0; BLOCK] }
    }
}

pub(super) fn composite<S: Sortable>(
    stack: &Stack<'_, S>,
    positions: [usize; 2],
    out: Block<'_>,
    run: &Run<'_>,
) -> Result<()> {
    let [Some(red), Some(nir)] = positions.map(|at| stack.bands.get(at)) else {
        return Err(Error::parameter("index", format!("{positions:?}"), format!("below {}", stack.bands.len())));
    };
    for_bands(run, stack.pixels, BLOCK, out, Best::new, |pixels, out, best| {
        *best = Best::new();
        for date in 0..stack.dates {
            best.lack.fill(0.0);
            for band in &stack.bands {
                require(stack.samples(band, date, &pixels), &band.decoder, &mut best.lack);
            }
            let samples = [red, nir].map(|band| stack.samples(band, date, &pixels));
            improve(samples, [&red.decoder, &nir.decoder], date as f64, best);
        }
        for (band, (mut value, mut count)) in stack.bands.iter().zip(out) {
            let into = value.pixels_mut().iter_mut().zip(count.pixels_mut()).zip(pixels.clone());
            for (i, ((value, count), pixel)) in into.enumerate() {
                *count = best.dates[i] as u16;
                let at = best.date[i] as usize * stack.pixels + pixel;
                *value = if *count > 0 { band.decoder.reflectance(band.samples[at]) as f32 } else { f32::NAN };
            }
        }
    })
}

dispatch!(fn require = require_body[S: Sample](from: &[S], decoder: &Decoder, lack: &mut [f64]));

#[inline(always)]
fn require_body<S: Sample>(from: &[S], decoder: &Decoder, lack: &mut [f64]) {
    for (&from, lack) in from.iter().zip(lack) {
        *lack += 0.0 * decoder.reflectance(from);
    }
}

dispatch!(fn improve = improve_body[S: Sample](samples: [&[S]; 2], decoders: [&Decoder; 2], date: f64, best: &mut Best));

#[inline(always)]
fn improve_body<S: Sample>([red, nir]: [&[S]; 2], decoders: [&Decoder; 2], date: f64, best: &mut Best) {
    for (i, (&red, &nir)) in red.iter().zip(nir).enumerate().take(BLOCK) {
        let (red, nir) = (decoders[0].reflectance(red), decoders[1].reflectance(nir));
        // An index of 0 / 0 or x / 0 is none.
        let sum = if nir + red == 0.0 { f64::NAN } else { nir + red };
        let index = (nir - red) / sum + best.lack[i];
        let better = index > best.index[i];
        best.index[i] = if better { index } else { best.index[i] };
        best.date[i] = if better { date } else { best.date[i] };
        best.dates[i] += if index.is_nan() { 0.0 } else { 1.0 };
    }
}
