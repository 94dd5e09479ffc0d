//! The median of small windows: networks whose comparators work on neighbouring columns of the image at once.
//!
//! The columns of a window are sorted once for all windows that share them, then merged two by two into runs of two, four,
//! eight columns. A window is put together from the longest runs that fit, and only the comparators that its middle sample
//! depends on are run. What is not a valid sample is put above all others; where a window has such, the lower half of its
//! samples is sorted, and the middle of the valid ones picked from it.

use super::between;
use crate::raster::Window;
use crate::sorting::{Comparator, Keep, Key, Network, Ordered};
use crate::window::{LANES, Stencil, Tile};

/// Pixels in a vector register, or in two.
const PART: usize = 8;

/// One sample of each of some neighbouring windows, aligned for vector registers.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Lanes<K>([[K; PART]; LANES / PART]);

impl<K: Key> Lanes<K> {
    const BEYOND: Self = Self([[K::BEYOND; PART]; LANES / PART]);

    #[inline(always)]
    fn keys(&self) -> &[K] {
        self.0.as_flattened()
    }
}

/// The networks of one window.
pub(super) struct Median {
    /// Sorts the rows of the window.
    sort: Stage,
    /// Merges runs of as many columns into runs of twice as many.
    merges: Vec<Stage>,
    /// Finds the middle of all runs of a window.
    middle: Stage,
    /// Sorts the lower half of all runs of a window, the middle included.
    half: Stage,
}

/// Sorted runs of the columns of one row of windows.
pub(super) struct Scratch<T: Ordered> {
    bank: Bank<T>,
    slots: Vec<Lanes<T::Key>>,
    /// Valid samples of each column, and of each window.
    column_counts: Vec<T>,
    counts: Vec<T>,
}

/// Rows of keys.
struct Bank<T: Ordered> {
    keys: Vec<T::Key>,
    width: usize,
}

impl<T: Ordered> Bank<T> {
    #[inline(always)]
    fn load(&self, row: usize, col: usize) -> Lanes<T::Key> {
        let mut lanes = Lanes::BEYOND;
        lanes.0.as_flattened_mut().copy_from_slice(&self.keys[row * self.width + col..][..LANES]);
        lanes
    }

    #[inline(always)]
    fn store(&mut self, row: usize, col: usize, lanes: &Lanes<T::Key>) {
        self.keys[row * self.width + col..][..LANES].copy_from_slice(lanes.keys());
    }
}

/// One network, from rows of keys to rows of keys.
struct Stage {
    inputs: Vec<Input>,
    comparators: Vec<Comparator>,
    outputs: Vec<u16>,
    /// First row of the bank that is written.
    to: usize,
    /// Columns computed beyond those of the output.
    beyond: usize,
}

/// Where the sample of a slot is read, relative to the first of the pixels.
struct Input {
    slot: u16,
    row: usize,
    offset: usize,
}

/// A sorted run of neighbouring columns: `2^level` of them from column `offset` of the window on.
#[derive(Clone, Copy)]
struct Columns {
    level: usize,
    offset: usize,
}

impl Stage {
    /// The network that leaves its results in the slots `outputs`; the inputs are numbered as its slots.
    fn new(network: Network, outputs: Vec<u16>, inputs: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let comparators = network.leading_to(&outputs);
        let used = |slot: u16| outputs.contains(&slot) || comparators.iter().any(|c| c.low == slot || c.high == slot);
        let inputs = (0..).zip(inputs).map(|(slot, (row, offset))| Input { slot, row, offset });
        let inputs = inputs.filter(|input| used(input.slot)).collect();
        Self { inputs, comparators, outputs, to: 0, beyond: 0 }
    }

    /// Fill the slots and run the comparators.
    #[inline(always)]
    fn run<T: Ordered>(&self, slots: &mut [Lanes<T::Key>], load: impl Fn(&Input) -> Lanes<T::Key>) {
        for input in &self.inputs {
            slots[usize::from(input.slot)] = load(input);
        }
        for comparator in &self.comparators {
            let (low, high) = (usize::from(comparator.low), usize::from(comparator.high));
            match comparator.keep {
                Keep::Both => exchange::<T::Key, true, true>(slots, low, high),
                Keep::Low => exchange::<T::Key, true, false>(slots, low, high),
                Keep::High => exchange::<T::Key, false, true>(slots, low, high),
            }
        }
    }

    /// Run, and write the outputs to the bank.
    #[inline(always)]
    fn fill<T: Ordered>(&self, bank: &mut Bank<T>, col: usize, slots: &mut [Lanes<T::Key>]) {
        self.run::<T>(slots, |input| bank.load(input.row, col + input.offset));
        for (row, &slot) in (self.to..).zip(&self.outputs) {
            bank.store(row, col, &slots[usize::from(slot)]);
        }
    }
}

impl Median {
    pub(super) fn new(window: Window) -> Self {
        let top = window.x.ilog2() as usize;
        let mut network = Network::default();
        let outputs = network.sort(&slots(0, window.y));
        let sort = Stage::new(network, outputs, (0..window.y).map(|y| (y, 0)));
        let merges = (1..top).map(|level| {
            let half = window.y << (level - 1);
            let mut network = Network::default();
            let outputs = network.merge(&slots(0, half), &slots(half, half));
            let stage = Stage::new(network, outputs, inputs(&halves(level), window));
            Stage { to: first_row(level, window), beyond: window.x - (1 << level), ..stage }
        });
        let runs = runs(window.x);
        let (mut network, longest, rest) = two_runs(&runs, window);
        let rank = window.y * window.x / 2;
        let found = network.select(&longest, &rest, rank).into_iter().collect();
        let middle = Stage::new(network, found, inputs(&runs, window));
        let (mut network, longest, rest) = two_runs(&runs, window);
        let mut lower = network.merge(&longest, &rest);
        lower.truncate(rank + 1);
        let half = Stage::new(network, lower, inputs(&runs, window));
        let sort = Stage { to: first_row(0, window), beyond: window.x - 1, ..sort };
        Self { sort, merges: merges.collect(), middle, half }
    }

    /// Sort and merge the columns of one row of windows.
    #[inline(always)]
    fn sort_columns<T: Ordered>(&self, tile: &Tile<'_, T>, row: usize, columns: usize, scratch: &mut Scratch<T>) {
        let Scratch { bank, slots, .. } = scratch;
        for y in 0..tile.window.y {
            let keys = &mut bank.keys[y * bank.width..][..bank.width];
            for (key, &x) in keys.iter_mut().zip(tile.samples(row + y)) {
                *key = x.key();
            }
            if tile.holed {
                for (key, &valid) in keys.iter_mut().zip(tile.valid(row + y)) {
                    *key = if valid > T::from_f64(0.0) { *key } else { T::Key::BEYOND };
                }
            }
        }
        for stage in std::iter::once(&self.sort).chain(&self.merges) {
            // The last chunk overlaps.
            let columns = columns + stage.beyond;
            for col in (0..columns).step_by(LANES) {
                stage.fill(bank, col.min(columns - LANES), slots);
            }
        }
    }
}

impl<T: Ordered> Stencil<T> for Median {
    type Scratch = Scratch<T>;

    fn scratch(&self, window: Window, width: usize) -> Self::Scratch {
        let rows = first_row(self.merges.len() + 1, window);
        let slots = window.y * window.x;
        Scratch {
            bank: Bank { keys: vec![T::Key::BEYOND; rows * width], width },
            slots: vec![Lanes::BEYOND; slots],
            column_counts: vec![T::from_f64(0.0); width],
            counts: vec![T::from_f64(0.0); width],
        }
    }

    #[inline(always)]
    fn row(&self, tile: &Tile<'_, T>, row: usize, scratch: &mut Self::Scratch, out: &mut [T]) {
        self.sort_columns(tile, row, out.len(), scratch);
        if tile.holed {
            tile.count_row(row, &mut scratch.column_counts, &mut scratch.counts[..out.len()]);
        }
        let Scratch { bank, slots, counts, .. } = scratch;
        let all = T::from_f64((tile.window.y * tile.window.x) as f64);
        for (col, out) in (0..).step_by(LANES).zip(out.chunks_exact_mut(LANES)) {
            let load = |input: &Input| bank.load(input.row, col + input.offset);
            let counts = &counts[col..col + LANES];
            if tile.holed && counts.iter().any(|&n| n < all) {
                self.half.run::<T>(slots, load);
                pick(&self.half.outputs, slots, counts, out);
            } else {
                self.middle.run::<T>(slots, load);
                for &slot in &self.middle.outputs {
                    for (out, &key) in out.iter_mut().zip(slots[usize::from(slot)].keys()) {
                        *out = T::number(key);
                    }
                }
            }
        }
    }
}

/// Put the smaller of two samples into the slot `low`, the larger into the slot `high`, or one of them only.
#[inline(always)]
fn exchange<K: Key, const LOW: bool, const HIGH: bool>(slots: &mut [Lanes<K>], low: usize, high: usize) {
    for part in 0..LANES / PART {
        let (a, b) = (slots[low].0[part], slots[high].0[part]);
        if LOW {
            slots[low].0[part] = std::array::from_fn(|lane| a[lane].least(b[lane]));
        }
        if HIGH {
            slots[high].0[part] = std::array::from_fn(|lane| a[lane].most(b[lane]));
        }
    }
}

/// The middle of the first `count` of the samples in the slots `sorted`.
#[inline(always)]
fn pick<T: Ordered>(sorted: &[u16], slots: &[Lanes<T::Key>], counts: &[T], out: &mut [T]) {
    let (mut low, mut high) = ([T::Key::BEYOND; LANES], [T::Key::BEYOND; LANES]);
    for (rank, &slot) in sorted.iter().enumerate() {
        let twice = T::from_f64(2.0 * rank as f64);
        let keys = slots[usize::from(slot)].keys();
        for lane in 0..LANES {
            low[lane] = if twice < counts[lane] { keys[lane] } else { low[lane] };
            high[lane] = if twice <= counts[lane] { keys[lane] } else { high[lane] };
        }
    }
    for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
        *out = between(T::number(low), T::number(high));
    }
}

/// `count` slots from `first` on.
fn slots(first: usize, count: usize) -> Vec<u16> {
    (first..first + count).map(|slot| slot as u16).collect()
}

/// The first row in the bank of the sorted runs of `2^level` columns; before them come the rows of the image.
fn first_row(level: usize, window: Window) -> usize {
    window.y << level
}

/// The samples of `runs` in the bank: row, and column relative to that of the window.
fn inputs(runs: &[Columns], window: Window) -> Vec<(usize, usize)> {
    let samples = |run: &Columns| {
        let (first, offset) = (first_row(run.level, window), run.offset);
        (0..window.y << run.level).map(move |i| (first + i, offset))
    };
    runs.iter().flat_map(samples).collect()
}

/// The two runs that make a run of `2^level` columns.
fn halves(level: usize) -> [Columns; 2] {
    [0, 1 << (level - 1)].map(|offset| Columns { level: level - 1, offset })
}

/// The runs that make a window of `x` columns: the longest in halves, because no other window needs it whole.
fn runs(x: usize) -> Vec<Columns> {
    let top = x.ilog2() as usize;
    if top == 0 {
        return vec![Columns { level: 0, offset: 0 }];
    }
    let mut runs = halves(top).to_vec();
    let mut offset = 1 << top;
    for level in (0..top).rev().filter(|level| x >> level & 1 == 1) {
        runs.push(Columns { level, offset });
        offset += 1 << level;
    }
    runs
}

/// A network that leaves `runs` in two sorted ones.
fn two_runs(runs: &[Columns], window: Window) -> (Network, Vec<u16>, Vec<u16>) {
    let mut first = 0;
    let mut sorted = Vec::new();
    for run in runs {
        let count = window.y << run.level;
        sorted.push(slots(first, count));
        first += count;
    }
    let mut network = Network::default();
    let (longest, rest) = sorted.split_at(runs.len().min(2));
    let mut merge = |runs: &[Vec<u16>]| runs.iter().rev().fold(Vec::new(), |a, b| network.merge(&a, b));
    let (longest, rest) = (merge(longest), merge(rest));
    (network, longest, rest)
}
