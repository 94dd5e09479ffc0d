//! Percentiles over time, the median among them.

use super::keys::{Key, Keys, Row, Sortable};
use super::network::{LANES, Lanes, Selection};
use super::{Block, Stack};
use crate::bands::{Run, for_bands};
use crate::error::{Error, Result};

/// Samples sorted at a time: they stay in the second level of cache.
const SAMPLES: usize = 1 << 15;
/// Most pixels in a block: enough to read whole cache lines of every date.
const MOST: usize = 1024;

pub(super) fn composite<S: Sortable>(stack: &Stack<'_, S>, q: f64, out: Block<'_>, run: &Run<'_>) -> Result<()> {
    if !(0.0..=100.0).contains(&q) {
        return Err(Error::parameter("percentile", q, "a number from 0 to 100"));
    }
    let plans: Vec<_> = stack
        .bands
        .iter()
        .map(|band| {
            let keys = Keys::<S>::new(&band.scaling);
            let selection = Selection::new(stack.dates, if keys.descending() { 100.0 - q } else { q });
            (keys, selection)
        })
        .collect();
    let block = (SAMPLES / stack.dates.max(1)).clamp(2 * LANES, MOST) / LANES * LANES;
    let scratch = || vec![[<S::Key as Key>::LEAST; LANES]; block / LANES * stack.dates.max(1)];
    for_bands(run, stack.pixels, block, out, scratch, |pixels, out, samples| {
        for ((band, (keys, selection)), (mut value, mut count)) in stack.bands.iter().zip(&plans).zip(out) {
            let (value, valid) = (value.pixels_mut(), count.pixels_mut());
            valid.fill(0);
            for date in 0..stack.dates {
                let row = Row { groups: &mut *samples, height: stack.dates, row: date };
                keys.load(stack.samples(band, date, &pixels), row, valid);
            }
            let groups = value.chunks_mut(LANES).zip(valid.chunks(LANES));
            for ((value, valid), group) in groups.zip(samples.chunks_exact_mut(stack.dates.max(1))) {
                select(keys, selection, &mut group[..stack.dates], valid, value);
            }
        }
    })
}

/// The percentiles of one group of pixels, of which the last of a block may have less than all lanes.
fn select<S: Sortable>(
    keys: &Keys<S>,
    selection: &Selection,
    samples: &mut [Lanes<S::Key>],
    valid: &[u16],
    into: &mut [f32],
) {
    let mut counts = [0; LANES];
    counts[..valid.len()].copy_from_slice(valid);
    let found = selection.run(samples, keys.invalid(), &counts, S::number);
    for (into, number) in into.iter_mut().zip(found) {
        *into = keys.reflectance(number) as f32;
    }
}
