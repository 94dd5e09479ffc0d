//! Medians of 3 x 3 and of 5 x 5 samples, in registers.
//!
//! The columns of a window are sorted once for all windows that share them. The networks are written for the samples of one
//! window, in loops over neighbouring windows that become loops over vectors; comparators without effect on a result are
//! left out by the compiler. What is not a valid sample is put above all others; a window with such has the lower half of
//! its samples sorted, and the middle of the valid ones picked from it.

use super::between;
use crate::raster::{Real, Window};
use crate::window::{COLUMNS, LANES, Stencil, Tile};

/// Largest side of a window.
const SIDE: usize = 5;
/// Columns of a grown tile.
const WIDTH: usize = COLUMNS + SIDE - 1;

/// Windows of 3 x 3.
pub(super) struct Three;

/// Windows of 5 x 5.
pub(super) struct Five;

/// One row of windows.
pub(super) struct Row<T> {
    /// Sorted columns: samples of the same rank side by side.
    columns: [[T; WIDTH]; 5],
    /// Sorted pairs of neighbouring columns.
    pairs: [[T; WIDTH]; 10],
    /// Which parts of the rows of a tile are valid throughout, including the columns that windows to their right share.
    whole: Vec<[bool; COLUMNS / LANES]>,
}

impl<T: Real> Row<T> {
    fn new() -> Self {
        let zero = T::from_f64(0.0);
        Self { columns: [[zero; WIDTH]; 5], pairs: [[zero; WIDTH]; 10], whole: Vec::new() }
    }
}

/// Replace the samples of an array by the sorted two of each pair of places, one pair after the other.
macro_rules! exchange {
    ($s:ident: $(($low:literal $high:literal))*) => {
        $(($s[$low], $s[$high]) = (least($s[$low], $s[$high]), most($s[$low], $s[$high]));)*
    };
}

#[inline(always)]
fn least<T: Real>(a: T, b: T) -> T {
    if a < b { a } else { b }
}

#[inline(always)]
fn most<T: Real>(a: T, b: T) -> T {
    if a > b { a } else { b }
}

/// The networks of windows of `N` columns of `N` samples.
trait Square<T: Real, const N: usize>: Sync {
    /// Sort the samples of a column.
    fn sort(column: [T; N]) -> [T; N];
    /// Sort what neighbouring windows share.
    fn share(row: &mut Row<T>, windows: usize);
    /// The middle of all samples.
    fn middle(row: &Row<T>, out: &mut [T]);
    /// The middle of the valid samples of windows from column `first` on, of which there are so many.
    fn middle_of_valid(row: &Row<T>, first: usize, counts: &[T; LANES], out: &mut [T]);
}

impl<T: Real> Square<T, 3> for Three {
    #[inline(always)]
    fn sort(mut s: [T; 3]) -> [T; 3] {
        exchange!(s: (0 1) (1 2) (0 1));
        s
    }

    fn share(_row: &mut Row<T>, _windows: usize) {}

    #[inline(always)]
    fn middle(row: &Row<T>, out: &mut [T]) {
        let columns: [[_; 3]; 3] = across(&row.columns, [0, 1, 2], 0, out.len());
        for (j, out) in out.iter_mut().enumerate() {
            let [a, b, c] = [at(&columns[0], j), at(&columns[1], j), at(&columns[2], j)];
            let low = most(most(a[0], b[0]), c[0]);
            let middle = Self::sort([a[1], b[1], c[1]])[1];
            let high = least(least(a[2], b[2]), c[2]);
            *out = unsigned(Self::sort([low, middle, high])[1]);
        }
    }

    #[inline(always)]
    fn middle_of_valid(row: &Row<T>, first: usize, counts: &[T; LANES], out: &mut [T]) {
        let columns: [[_; 3]; 3] = across(&row.columns, [0, 1, 2], first, out.len());
        for (j, (out, &count)) in out.iter_mut().zip(counts).enumerate() {
            let [a, b, c] = [at(&columns[0], j), at(&columns[1], j), at(&columns[2], j)];
            let mut s = [a[0], a[1], a[2], b[0], b[1], b[2], c[0], c[1], c[2]];
            exchange!(s: (0 3) (2 5) (2 3) (1 4) (1 2) (4 3));
            // Now two sorted runs: that of two columns, in the slots 0, 1, 2, 4, 3, 5, and that of one.
            s.swap(3, 4);
            exchange!(s: (0 6) (4 6) (2 8) (2 4) (1 7) (5 7) (3 5) (1 2) (3 4));
            *out = pick(&s[..5], count);
        }
    }
}

impl<T: Real> Square<T, 5> for Five {
    #[inline(always)]
    fn sort(mut s: [T; 5]) -> [T; 5] {
        exchange!(s: (0 3) (1 4) (0 2) (1 3) (0 1) (2 4) (1 2) (3 4) (2 3));
        s
    }

    // An index into all rows at once makes vectors.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn share(row: &mut Row<T>, windows: usize) {
        for (first, n) in spans(windows, SIDE - 2) {
            let columns: [[_; 5]; 2] = across(&row.columns, [0, 1], first, n);
            let to = row.pairs.each_mut().map(|samples| &mut samples[first..first + n]);
            for j in 0..n {
                let s = merge_fives(at(&columns[0], j), at(&columns[1], j));
                for i in 0..10 {
                    to[i][j] = s[i];
                }
            }
        }
    }

    #[inline(always)]
    fn middle(row: &Row<T>, out: &mut [T]) {
        let pairs: [[_; 10]; 2] = across(&row.pairs, [0, 2], 0, out.len());
        let [last]: [[_; 5]; 1] = across(&row.columns, [4], 0, out.len());
        for (j, out) in out.iter_mut().enumerate() {
            let (four, last) = (merge_tens(at(&pairs[0], j), at(&pairs[1], j)), at(&last, j));
            // The smallest, over all ways to take 13 samples from the fronts of the runs, of the largest taken.
            let mut middle = four[12];
            for taken in 0..5 {
                middle = least(middle, most(last[taken], four[11 - taken]));
            }
            *out = unsigned(middle);
        }
    }

    #[inline(always)]
    fn middle_of_valid(row: &Row<T>, first: usize, counts: &[T; LANES], out: &mut [T]) {
        let pairs: [[_; 10]; 2] = across(&row.pairs, [0, 2], first, out.len());
        let [last]: [[_; 5]; 1] = across(&row.columns, [4], first, out.len());
        for (j, (out, &count)) in out.iter_mut().zip(counts).enumerate() {
            let lower = lower_half(merge_tens(at(&pairs[0], j), at(&pairs[1], j)), at(&last, j));
            *out = pick(&lower, count);
        }
    }
}

/// One sample of each row.
#[inline(always)]
fn at<T: Copy, const K: usize>(rows: &[&[T]; K], j: usize) -> [T; K] {
    let mut samples = [rows[0][j]; K];
    for i in 1..K {
        samples[i] = rows[i][j];
    }
    samples
}

#[inline(always)]
fn joined<T: Copy, const A: usize, const B: usize, const N: usize>(a: [T; A], b: [T; B]) -> [T; N] {
    let mut joined = [a[0]; N];
    joined[..A].copy_from_slice(&a);
    joined[A..].copy_from_slice(&b);
    joined
}

/// Merge two sorted runs (Batcher's odd-even merge).
#[inline(always)]
fn merge_fives<T: Real>(a: [T; 5], b: [T; 5]) -> [T; 10] {
    let mut s: [T; 10] = joined(a, b);
    exchange!(s: (0 5) (4 9) (4 5) (2 7) (2 4) (7 5) (1 6) (3 8) (3 6) (1 2) (3 4) (6 7) (8 5));
    [s[0], s[1], s[2], s[3], s[4], s[6], s[7], s[8], s[5], s[9]]
}

/// Merge two sorted runs.
#[inline(always)]
fn merge_tens<T: Real>(a: [T; 10], b: [T; 10]) -> [T; 20] {
    let mut s: [T; 20] = joined(a, b);
    exchange!(s: (0 10) (8 18) (8 10) (4 14) (4 8) (14 10) (2 12) (6 16) (6 12) (2 4) (6 8) (12 14) (16 10) (1 11)
        (9 19) (9 11) (5 15) (5 9) (15 11) (3 13) (7 17) (7 13) (3 5) (7 9) (13 15) (17 11) (1 2) (3 4)
        (5 6) (7 8) (9 12) (13 14) (15 16) (17 10) (11 18));
    [
        s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[12], s[13], s[14], s[15], s[16], s[17], s[10],
        s[11], s[18], s[19],
    ]
}

/// The lower 13 samples of two sorted runs.
#[inline(always)]
fn lower_half<T: Real>(a: [T; 20], b: [T; 5]) -> [T; 13] {
    let lower = [a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12]];
    let mut s: [T; 18] = joined(lower, b);
    exchange!(s: (0 13) (8 13) (4 17) (12 17) (4 8) (12 13) (2 15) (10 15) (6 10) (2 4) (6 8) (10 12) (1 14) (9 14)
        (5 9) (3 16) (11 16) (7 11) (3 5) (7 9) (11 14) (1 2) (3 4) (5 6) (7 8) (9 10) (11 12));
    [s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12]]
}

/// The middle of the first `count` of the samples `sorted`.
#[inline(always)]
fn pick<T: Real>(sorted: &[T], count: T) -> T {
    let (mut low, mut high) = (sorted[0], sorted[0]);
    for (rank, &sample) in sorted.iter().enumerate().skip(1) {
        let twice = T::from_f64(2.0 * rank as f64);
        low = if twice < count { sample } else { low };
        high = if twice <= count { sample } else { high };
    }
    unsigned(between(low, high))
}

/// Zeros lose their sign.
#[inline(always)]
fn unsigned<T: Real>(x: T) -> T {
    x + T::from_f64(0.0)
}

/// First column and number of the parts of `windows + beyond` columns that make full vectors; they overlap.
fn spans(windows: usize, beyond: usize) -> [(usize, usize); 2] {
    [(0, windows), (windows + beyond - LANES, LANES)]
}

/// The `K` rows of `runs` at each of some `offsets` of columns from `first` on.
#[inline(always)]
fn across<T, const K: usize, const N: usize>(
    runs: &[[T; WIDTH]],
    offsets: [usize; N],
    first: usize,
    n: usize,
) -> [[&[T]; K]; N] {
    offsets.map(|offset| std::array::from_fn(|i| &runs[i][first + offset..][..n]))
}

/// Sort the columns of a row of windows.
#[inline(always)]
fn sort_columns<T: Real, S: Square<T, N>, const N: usize, const HOLED: bool>(
    tile: &Tile<'_, T>,
    y: usize,
    columns: &mut [[T; WIDTH]; SIDE],
    windows: usize,
) {
    let (zero, beyond) = (T::from_f64(0.0), T::from_f64(f64::INFINITY));
    for (first, n) in spans(windows, N - 1) {
        let samples: [&[T]; N] = std::array::from_fn(|i| &tile.samples(y + i)[first..][..n]);
        let valid: [&[T]; N] = std::array::from_fn(|i| &tile.valid(y + i)[first..][..n]);
        let to = columns.each_mut().map(|rank| &mut rank[first..][..n]);
        for j in 0..n {
            let mut s = [beyond; N];
            for i in 0..N {
                s[i] = if !HOLED || valid[i][j] > zero { samples[i][j] } else { beyond };
            }
            let s = S::sort(s);
            for i in 0..N {
                to[i][j] = s[i];
            }
        }
    }
}

/// Count the valid samples of the windows from column `first` on.
#[inline(always)]
fn count<T: Real, const N: usize>(tile: &Tile<'_, T>, y: usize, first: usize) -> [T; LANES] {
    let mut counts = [T::from_f64(0.0); LANES];
    for i in 0..N {
        for x in 0..N {
            for (count, &valid) in counts.iter_mut().zip(&tile.valid(y + i)[first + x..]) {
                *count = *count + valid;
            }
        }
    }
    counts
}

/// Compute a row of windows.
#[inline(always)]
fn compute<T: Real, S: Square<T, N>, const N: usize>(tile: &Tile<'_, T>, y: usize, row: &mut Row<T>, out: &mut [T]) {
    let mut whole = [true; COLUMNS / LANES];
    if tile.holed {
        for other in &row.whole[y..y + N] {
            for (whole, &other) in whole.iter_mut().zip(other) {
                *whole &= other;
            }
        }
    }
    if whole == [true; COLUMNS / LANES] {
        sort_columns::<T, S, N, false>(tile, y, &mut row.columns, out.len());
    } else {
        sort_columns::<T, S, N, true>(tile, y, &mut row.columns, out.len());
    }
    S::share(row, out.len());
    S::middle(row, out);
    for (part, (out, _)) in out.chunks_exact_mut(LANES).zip(whole).enumerate().filter(|(_, (_, whole))| !whole) {
        S::middle_of_valid(row, part * LANES, &count::<T, N>(tile, y, part * LANES), out);
    }
}

impl<T: Real> Row<T> {
    /// Find the whole parts of a tile.
    #[inline(always)]
    fn find_whole(&mut self, tile: &Tile<'_, T>, shared: usize) {
        self.whole.clear();
        self.whole.resize(if tile.holed { tile.height } else { 0 }, [true; COLUMNS / LANES]);
        for (row, whole) in self.whole.iter_mut().enumerate() {
            let (one, valid) = (T::from_f64(1.0), tile.valid(row));
            let parts = (0..valid.len() - shared).step_by(LANES);
            for (whole, first) in whole.iter_mut().zip(parts) {
                let mut holes = 0;
                for &valid in &valid[first..first + LANES] {
                    holes |= u32::from(valid < one);
                }
                for &valid in &valid[first + LANES..][..shared] {
                    holes |= u32::from(valid < one);
                }
                *whole = holes == 0;
            }
        }
    }
}

macro_rules! stencil {
    ($square:ty, $side:literal) => {
        impl<T: Real> Stencil<T> for $square {
            type Scratch = Row<T>;

            fn scratch(&self, _window: Window, _width: usize) -> Row<T> {
                Row::new()
            }

            #[inline(always)]
            fn begin(&self, tile: &Tile<'_, T>, scratch: &mut Row<T>) {
                scratch.find_whole(tile, $side - 1);
            }

            #[inline(always)]
            fn row(&self, tile: &Tile<'_, T>, row: usize, scratch: &mut Row<T>, out: &mut [T]) {
                compute::<T, $square, $side>(tile, row, scratch, out);
            }
        }
    };
}
stencil!(Three, 3);
stencil!(Five, 5);
