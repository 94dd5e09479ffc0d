//! Order statistics of many pixels at once: a sorting network over the dates whose comparators work on lanes of pixels.
//!
//! Invalid samples are put below or above all others, as many on each side as brings the wanted rank of every pixel to the
//! same row. So one network serves all pixels, and comparators that cannot reach that row are left out.

use super::keys::Key;
use crate::dispatch;
use crate::sorting::{Comparator, Network};

/// Pixels side by side: a cache line of 16-bit keys.
pub(super) const LANES: usize = 32;

/// One sample of each pixel of a group.
pub(super) type Lanes<K> = [K; LANES];

/// Finds one percentile of the samples of each pixel.
pub(super) struct Selection {
    /// For each count of valid samples: the rank of the lower order statistic, and the weight of the one above it.
    ranks: Vec<(u16, f64)>,
    comparators: Vec<Comparator>,
    rows: [usize; 2],
}

impl Selection {
    /// For `dates` samples a pixel; `q` from 0 to 100.
    pub(super) fn new(dates: usize, q: f64) -> Self {
        let ranks: Vec<_> = (0..=dates).map(|valid| rank(q, valid)).collect();
        let lower = usize::from(ranks[dates].0);
        let rows = [lower, (lower + 1).min(dates.saturating_sub(1))];
        let mut network = Network::default();
        let sorted = network.sort(&(0..dates).map(|date| date as u16).collect::<Vec<_>>());
        let rows = rows.map(|rank| sorted.get(rank).copied().unwrap_or_default());
        Self { ranks, comparators: network.leading_to(&rows), rows: rows.map(usize::from) }
    }

    /// The percentile of the `valid` samples of each lane, linear between the numbers of the keys. The keys are left in disorder;
    /// invalid ones equal `invalid`.
    pub(super) fn run<K: Key>(
        &self,
        samples: &mut [Lanes<K>],
        invalid: Option<K>,
        valid: &Lanes<u16>,
        number: impl Fn(K) -> f64,
    ) -> Lanes<f64> {
        let dates = samples.len();
        if let (Some(invalid), true) = (invalid, valid.iter().any(|&n| usize::from(n) < dates)) {
            let lower = self.ranks[dates].0;
            pad(samples, invalid, valid.map(|n| lower - self.ranks[usize::from(n)].0));
        }
        sort(samples, &self.comparators);
        let [lower, upper] = self.rows.map(|row| samples.get(row).map_or([0.0; LANES], |keys| keys.map(&number)));
        std::array::from_fn(|lane| {
            let weight = self.ranks[usize::from(valid[lane])].1;
            let value = lower[lane] + (upper[lane] - lower[lane]) * weight;
            if valid[lane] == 0 { f64::NAN } else { value }
        })
    }
}

fn rank(q: f64, valid: usize) -> (u16, f64) {
    let position = q / 100.0 * valid.saturating_sub(1) as f64;
    // Rounding must not move a whole position to the rank below: the rows of different counts would not meet.
    let whole = position.round();
    let position = if (position - whole).abs() < 1e-9 { whole } else { position };
    (position as u16, position.fract())
}

dispatch!(fn pad = pad_body[K: Key](samples: &mut [Lanes<K>], invalid: K, below: Lanes<u16>));

/// Put the first `below` invalid samples of a lane below all others, the rest above.
#[inline(always)]
fn pad_body<K: Key>(samples: &mut [Lanes<K>], invalid: K, mut below: Lanes<u16>) {
    for row in samples {
        for (x, left) in row.iter_mut().zip(&mut below) {
            let bad = *x == invalid;
            let low = bad & (*left > 0);
            let extreme = if low { K::LEAST } else { K::MOST };
            *left -= u16::from(low);
            *x = if bad { extreme } else { *x };
        }
    }
}

dispatch!(fn sort = sort_body[K: Key](samples: &mut [Lanes<K>], comparators: &[Comparator]));

#[inline(always)]
fn sort_body<K: Key>(samples: &mut [Lanes<K>], comparators: &[Comparator]) {
    for comparator in comparators {
        let (low, high) = (usize::from(comparator.low), usize::from(comparator.high));
        let (a, b) = (samples[low], samples[high]);
        samples[low] = std::array::from_fn(|lane| a[lane].min(b[lane]));
        samples[high] = std::array::from_fn(|lane| a[lane].max(b[lane]));
    }
}
