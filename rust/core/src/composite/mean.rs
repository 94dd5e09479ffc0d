//! Means over time.

use super::{Block, Sortable, Stack};
use crate::bands::{Run, for_bands};
use crate::dispatch;
use crate::error::Result;
use crate::optical::{Decoder, Sample};

/// Pixels whose sums stay in the first level of cache.
const BLOCK: usize = 1024;

pub(super) fn composite<S: Sortable>(stack: &Stack<'_, S>, out: Block<'_>, run: &Run<'_>) -> Result<()> {
    for_bands(
        run,
        stack.pixels,
        BLOCK,
        out,
        || [0.0; BLOCK],
        |pixels, out, sums| {
            let sums = &mut sums[..pixels.len()];
            for (band, (mut value, mut count)) in stack.bands.iter().zip(out) {
                let valid = count.pixels_mut();
                sums.fill(0.0);
                valid.fill(0);
                for date in 0..stack.dates {
                    add(stack.samples(band, date, &pixels), &band.decoder, sums, valid);
                }
                for ((value, sum), &mut valid) in value.pixels_mut().iter_mut().zip(&*sums).zip(valid) {
                    *value = (sum / f64::from(valid)) as f32;
                }
            }
        },
    )
}

dispatch!(fn add = add_body[S: Sample](from: &[S], decoder: &Decoder, sums: &mut [f64], valid: &mut [u16]));

#[inline(always)]
fn add_body<S: Sample>(from: &[S], decoder: &Decoder, sums: &mut [f64], valid: &mut [u16]) {
    for ((&from, sum), valid) in from.iter().zip(sums).zip(valid) {
        let x = decoder.reflectance(from);
        let good = !x.is_nan();
        *sum += if good { x } else { 0.0 };
        *valid += u16::from(good);
    }
}
