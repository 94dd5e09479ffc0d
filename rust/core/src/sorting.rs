//! Keys of numbers, and comparator networks: sequences of exchanges that put samples in order whatever they are.
//!
//! A sample lies in a numbered slot. A comparator leaves the smaller of two samples in one slot and the larger in the other;
//! the methods of `Network` append comparators and return the slots in the order of the samples that they hold afterwards.

use crate::raster::Real;

/// What stands for a number while it is sorted.
pub trait Key: Copy + PartialOrd + Send + Sync {
    /// Above the keys of all valid samples.
    const BEYOND: Self;
    /// The smaller of two keys.
    fn least(self, other: Self) -> Self;
    /// The larger of two keys.
    fn most(self, other: Self) -> Self;
}

macro_rules! key {
    ($t:ty, $beyond:expr) => {
        impl Key for $t {
            const BEYOND: Self = $beyond;
            #[inline(always)]
            fn least(self, other: Self) -> Self {
                self.min(other)
            }
            #[inline(always)]
            fn most(self, other: Self) -> Self {
                self.max(other)
            }
        }
    };
}
key!(i32, i32::MAX);
key!(f64, f64::INFINITY);

/// A number that can be sorted by its key; zeros of either sign are the same.
pub trait Ordered: Real {
    /// In the order of the numbers.
    type Key: Key;
    /// The key of a number.
    fn key(self) -> Self::Key;
    /// The number of a key.
    fn number(key: Self::Key) -> Self;
}

/// Minimum and maximum of integers are one instruction each, those of numbers that might be NaN are three.
impl Ordered for f32 {
    type Key = i32;
    #[inline(always)]
    fn key(self) -> i32 {
        // Adding 0 makes -0 equal to 0.
        flip((self + 0.0).to_bits() as i32)
    }
    #[inline(always)]
    fn number(key: i32) -> f32 {
        f32::from_bits(flip(key) as u32)
    }
}

/// Of negative numbers all bits but the sign are turned.
#[inline(always)]
fn flip(bits: i32) -> i32 {
    bits ^ ((bits >> 31) & i32::MAX)
}

/// Common machines have no minimum of 64 bit integers.
impl Ordered for f64 {
    type Key = f64;
    #[inline(always)]
    fn key(self) -> f64 {
        self + 0.0
    }
    #[inline(always)]
    fn number(key: f64) -> f64 {
        key
    }
}

/// Compare two slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Comparator {
    /// Slot of the smaller sample.
    pub(crate) low: u16,
    /// Slot of the larger sample.
    pub(crate) high: u16,
    pub(crate) keep: Keep,
}

/// Which results of a comparator are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Keep {
    Both,
    Low,
    High,
}

/// Comparators in the order in which they run.
#[derive(Debug, Default)]
pub(crate) struct Network(Vec<Comparator>);

impl Network {
    fn compare(&mut self, low: u16, high: u16) {
        self.0.push(Comparator { low, high, keep: Keep::Both });
    }

    /// Sort `slots` by merging sorted halves.
    pub(crate) fn sort(&mut self, slots: &[u16]) -> Vec<u16> {
        if slots.len() < 2 {
            return slots.to_vec();
        }
        let (left, right) = slots.split_at(slots.len() / 2);
        let (left, right) = (self.sort(left), self.sort(right));
        self.merge(&left, &right)
    }

    /// Merge two sorted runs: Batcher's odd-even merge (Knuth, The Art of Computer Programming 3, 5.3.4).
    pub(crate) fn merge(&mut self, a: &[u16], b: &[u16]) -> Vec<u16> {
        if a.is_empty() || b.is_empty() {
            return [a, b].concat();
        }
        if let ([a], [b]) = (a, b) {
            self.compare(*a, *b);
            return vec![*a, *b];
        }
        let every_other = |run: &[u16], first: usize| run.iter().skip(first).step_by(2).copied().collect::<Vec<_>>();
        let even = self.merge(&every_other(a, 0), &every_other(b, 0));
        let odd = self.merge(&every_other(a, 1), &every_other(b, 1));
        let mut merged = vec![even[0]];
        let mut later = even[1..].iter();
        for &low in &odd {
            merged.push(low);
            if let Some(&high) = later.next() {
                self.compare(low, high);
                merged.push(high);
            }
        }
        merged.extend(later);
        merged
    }

    /// The slot that holds the sample number `rank` of two sorted runs: the smallest, over all ways to take `rank + 1`
    /// samples from the fronts of the runs, of the largest sample taken. None if there is no such sample.
    pub(crate) fn select(&mut self, a: &[u16], b: &[u16], rank: usize) -> Option<u16> {
        let mut smallest = None;
        for taken in (rank + 1).saturating_sub(b.len())..=a.len().min(rank + 1) {
            let last = |run: &[u16], taken: usize| taken.checked_sub(1).map(|i| run[i]);
            let largest = match (last(a, taken), last(b, rank + 1 - taken)) {
                (Some(low), Some(high)) => {
                    self.compare(low, high);
                    Some(high)
                }
                (one, other) => one.or(other),
            };
            smallest = match (smallest, largest) {
                (Some(low), Some(high)) => {
                    self.compare(low, high);
                    Some(low)
                }
                (one, other) => one.or(other),
            };
        }
        smallest
    }

    /// The comparators that the samples left in the slots `wanted` depend on, in layers that do not wait for each other.
    pub(crate) fn leading_to(self, wanted: &[u16]) -> Vec<Comparator> {
        let slots = self.0.iter().flat_map(|c| [c.low, c.high]).chain(wanted.iter().copied());
        let slots = slots.max().map_or(0, |last| usize::from(last) + 1);
        let mut needed = vec![false; slots];
        wanted.iter().for_each(|&slot| needed[usize::from(slot)] = true);
        let mut kept: Vec<_> = self.0.into_iter().rev().filter_map(|c| needed_part(c, &mut needed)).collect();
        kept.reverse();
        let mut depth = vec![0_usize; slots];
        kept.sort_by_cached_key(|c| {
            let (low, high) = (usize::from(c.low), usize::from(c.high));
            let layer = depth[low].max(depth[high]) + 1;
            (depth[low], depth[high]) = (layer, layer);
            (layer, c.keep)
        });
        kept
    }
}

/// The comparator without the result that is not needed; if there is any left, both its slots are needed before it.
fn needed_part(comparator: Comparator, needed: &mut [bool]) -> Option<Comparator> {
    let (low, high) = (usize::from(comparator.low), usize::from(comparator.high));
    let keep = match (needed[low], needed[high]) {
        (true, true) => Keep::Both,
        (true, false) => Keep::Low,
        (false, true) => Keep::High,
        (false, false) => return None,
    };
    (needed[low], needed[high]) = (true, true);
    Some(Comparator { keep, ..comparator })
}
