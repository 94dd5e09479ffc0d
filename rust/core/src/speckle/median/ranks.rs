//! The median of any window, by the ranks of its samples.
//!
//! The valid samples of a tile are sorted once. A window is then a set of ranks, one bit for each, to which a column of
//! ranks is added and from which one is taken as the window moves to its neighbour. The word of the set that holds the
//! middle sample is followed on the way, with the number of samples in the words below it.

use std::cmp::Ordering;

use super::between;
use crate::raster::Window;
use crate::sorting::Ordered;
use crate::window::{Stencil, Tile};

pub(super) struct Median;

/// Ranks of the samples of one tile, and the window that moves over them.
pub(super) struct Ranks<T: Ordered> {
    /// Valid samples in order, with their places.
    sorted: Vec<(T::Key, u32)>,
    /// Rank of the sample of each place, column after column.
    ranks: Vec<u32>,
    members: Members,
}

impl<T: Ordered> Stencil<T> for Median {
    type Scratch = Ranks<T>;

    fn scratch(&self, _window: Window, _width: usize) -> Self::Scratch {
        Ranks { sorted: Vec::new(), ranks: Vec::new(), members: Members::default() }
    }

    #[inline(always)]
    fn begin(&self, tile: &Tile<'_, T>, scratch: &mut Self::Scratch) {
        scratch.sort(tile);
    }

    #[inline(always)]
    fn row(&self, tile: &Tile<'_, T>, row: usize, scratch: &mut Self::Scratch, out: &mut [T]) {
        let Ranks { sorted, ranks, members } = scratch;
        let column = |col: usize| &ranks[col * tile.height + row..][..tile.window.y];
        members.clear();
        for col in 0..tile.window.x - 1 {
            members.add(column(col));
        }
        for (col, out) in out.iter_mut().enumerate() {
            members.add(column(col + tile.window.x - 1));
            *out = match members.middle() {
                Some((low, high)) => between(T::number(sorted[low].0), T::number(sorted[high].0)),
                None => T::NAN,
            };
            members.remove(column(col));
        }
    }
}

impl<T: Ordered> Ranks<T> {
    #[inline(always)]
    fn sort(&mut self, tile: &Tile<'_, T>) {
        self.sorted.clear();
        for row in 0..tile.height {
            for (col, (x, &valid)) in tile.samples(row).iter().zip(tile.valid(row)).enumerate() {
                if valid > T::from_f64(0.0) {
                    self.sorted.push((x.key(), (col * tile.height + row) as u32));
                }
            }
        }
        self.sorted.sort_unstable_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal));
        self.members.resize(self.sorted.len());
        self.ranks.clear();
        self.ranks.resize(tile.samples(0).len() * tile.height, self.members.beyond());
        for (rank, &(_, place)) in (0..).zip(&self.sorted) {
            self.ranks[place as usize] = rank;
        }
    }
}

/// A set of ranks.
#[derive(Default)]
struct Members {
    /// One bit a rank; the last word is that of invalid samples.
    words: Vec<u64>,
    count: usize,
    /// The word that held the middle last time.
    word: usize,
    /// Ranks in the words before it.
    below: usize,
}

impl Members {
    fn resize(&mut self, ranks: usize) {
        self.words.resize(ranks.div_ceil(64) + 1, 0);
    }

    /// The rank of what is not a member.
    fn beyond(&self) -> u32 {
        64 * (self.words.len() - 1) as u32
    }

    fn clear(&mut self) {
        self.words.fill(0);
        (self.count, self.word, self.below) = (0, 0, 0);
    }

    #[inline(always)]
    fn add(&mut self, ranks: &[u32]) {
        let (count, below) = self.toggle(ranks);
        self.count += count;
        self.below += below;
    }

    #[inline(always)]
    fn remove(&mut self, ranks: &[u32]) {
        let (count, below) = self.toggle(ranks);
        self.count -= count;
        self.below -= below;
    }

    /// Change the membership of `ranks`; how many of them are valid, and below the word of the middle.
    #[inline(always)]
    fn toggle(&mut self, ranks: &[u32]) -> (usize, usize) {
        let (end, middle) = (self.beyond(), 64 * self.word as u32);
        let (mut count, mut below) = (0, 0);
        for &rank in ranks {
            count += u32::from(rank < end);
            below += u32::from(rank < middle);
        }
        for &rank in ranks {
            self.words[(rank / 64) as usize] ^= 1 << (rank % 64);
        }
        (count as usize, below as usize)
    }

    /// The two ranks in the middle, or twice the one.
    #[inline(always)]
    fn middle(&mut self) -> Option<(usize, usize)> {
        let wanted = self.count.checked_sub(1)? / 2;
        while self.below > wanted {
            self.word -= 1;
            self.below -= self.words[self.word].count_ones() as usize;
        }
        let mut held = self.words[self.word].count_ones() as usize;
        while self.below + held <= wanted {
            self.below += held;
            self.word += 1;
            held = self.words[self.word].count_ones() as usize;
        }
        let mut rest = self.words[self.word];
        for _ in self.below..wanted {
            rest &= rest - 1;
        }
        let low = 64 * self.word + rest.trailing_zeros() as usize;
        if self.count % 2 == 1 {
            return Some((low, low));
        }
        rest &= rest - 1;
        let mut word = self.word;
        while rest == 0 {
            word += 1;
            rest = self.words[word];
        }
        Some((low, 64 * word + rest.trailing_zeros() as usize))
    }
}
