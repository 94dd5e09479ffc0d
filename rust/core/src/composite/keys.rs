//! What is sorted in place of reflectance: small integers in the same order, many to a vector register.

use super::network::{LANES, Lanes};
use crate::dispatch;
use crate::optical::{Decoder, Sample, Scaling};

/// An integer that is sorted in place of a sample.
pub trait Key: Copy + Ord + Send + Sync + 'static {
    /// No key of a valid sample is smaller.
    const LEAST: Self;
    /// No key of a valid sample is larger.
    const MOST: Self;
}

impl Key for i16 {
    const LEAST: Self = Self::MIN;
    const MOST: Self = Self::MAX;
}

impl Key for i32 {
    const LEAST: Self = key_of(f32::MIN);
    const MOST: Self = key_of(f32::MAX);
}

/// A key that no number has: that of the NaN with all bits set.
pub(super) const NOT_A_NUMBER: i32 = i32::MIN;

/// The key of a number in single precision; its own inverse on the bits.
const fn key_of(x: f32) -> i32 {
    flip(i32::from_ne_bytes(x.to_ne_bytes()))
}

const fn flip(bits: i32) -> i32 {
    bits ^ ((bits >> 31) & i32::MAX)
}

/// Keys that mean no measurement: two marked numbers, and what is not a number.
pub type Marks<K> = [K; 3];

/// A pixel type whose samples can be sorted as keys.
pub trait Sortable: Sample {
    /// The integer that stands for a sample.
    type Key: Key;
    /// Whether keys stand for digital numbers; else for reflectance in single precision, rounded as the result is rounded.
    const NUMBERS: bool = true;
    /// The key of a sample.
    fn key(self, decoder: &Decoder) -> Self::Key;
    /// The digital number, or the reflectance, of a key.
    fn number(key: Self::Key) -> f64;
    /// The marks of a band; None if every sample is valid.
    fn marks(scaling: &Scaling) -> Option<Marks<Self::Key>>;
}

macro_rules! integer {
    ($t:ty, $middle:literal) => {
        impl Sortable for $t {
            type Key = i16;
            #[inline(always)]
            fn key(self, _: &Decoder) -> i16 {
                (i32::from(self) - $middle) as i16
            }
            #[inline(always)]
            fn number(key: i16) -> f64 {
                f64::from(i32::from(key) + $middle)
            }
            fn marks(scaling: &Scaling) -> Option<Marks<i16>> {
                let key = |mark: f64| {
                    let key = mark - f64::from($middle);
                    (f64::from(key as i16) == key).then_some(key as i16)
                };
                let [a, b] = scaling.invalid.map(key);
                let some = a.or(b)?;
                Some([some, b.unwrap_or(some), some])
            }
        }
    };
}
integer!(u8, 0);
integer!(u16, 32768);
integer!(i16, 0);

impl Sortable for f32 {
    type Key = i32;
    #[inline(always)]
    fn key(self, _: &Decoder) -> i32 {
        // Adding 0 makes -0 equal to 0.
        if self.is_finite() { key_of(self + 0.0) } else { NOT_A_NUMBER }
    }
    #[inline(always)]
    fn number(key: i32) -> f64 {
        f64::from(f32::from_ne_bytes(flip(key).to_ne_bytes()))
    }
    fn marks(scaling: &Scaling) -> Option<Marks<i32>> {
        let [a, b] =
            scaling.invalid.map(|mark| if mark.is_finite() { key_of(mark as f32 + 0.0) } else { NOT_A_NUMBER });
        Some([NOT_A_NUMBER, a, b])
    }
}

impl Sortable for f64 {
    type Key = i32;
    const NUMBERS: bool = false;
    #[inline(always)]
    fn key(self, decoder: &Decoder) -> i32 {
        let x = decoder.reflectance(self);
        let key = key_of((x as f32).clamp(f32::MIN, f32::MAX));
        if x.is_nan() { NOT_A_NUMBER } else { key }
    }
    #[inline(always)]
    fn number(key: i32) -> f64 {
        f32::number(key)
    }
    fn marks(_: &Scaling) -> Option<Marks<i32>> {
        Some([NOT_A_NUMBER; 3])
    }
}

/// How the samples of one band become keys and keys become reflectance.
pub(super) struct Keys<S: Sortable> {
    decoder: Decoder,
    marks: Option<Marks<S::Key>>,
    shift: f64,
    scale: f64,
}

impl<S: Sortable> Keys<S> {
    pub(super) fn new(scaling: &Scaling) -> Self {
        let (shift, scale) = if S::NUMBERS { (scaling.shift(), scaling.scale) } else { (0.0, 1.0) };
        Self { decoder: scaling.decoder::<S>(), marks: S::marks(scaling), shift, scale }
    }

    /// Whether reflectance falls where keys rise.
    pub(super) fn descending(&self) -> bool {
        self.scale < 0.0
    }

    /// What [`Self::load`] puts where there is no measurement.
    pub(super) fn invalid(&self) -> Option<S::Key> {
        self.marks.map(|[mark, ..]| mark)
    }

    #[inline(always)]
    pub(super) fn reflectance(&self, number: f64) -> f64 {
        (number + self.shift) * self.scale
    }

    /// Put the keys of one date into its row of each group, and count the valid ones of each pixel.
    pub(super) fn load(&self, from: &[S], row: Row<'_, S::Key>, valid: &mut [u16]) {
        match self.marks {
            Some(marks) => load_marked(from, &self.decoder, marks, row, valid),
            None => load(from, &self.decoder, row, valid),
        }
    }
}

/// One row of each group of `height` rows.
pub(super) struct Row<'a, K> {
    pub(super) groups: &'a mut [Lanes<K>],
    pub(super) height: usize,
    pub(super) row: usize,
}

impl<K> Row<'_, K> {
    #[inline(always)]
    fn fill<S: Copy>(self, from: &[S], valid: &mut [u16], key: impl Fn(S) -> (K, bool)) {
        let rows = self.groups.iter_mut().skip(self.row).step_by(self.height);
        for ((from, valid), into) in from.chunks(LANES).zip(valid.chunks_mut(LANES)).zip(rows) {
            for ((&from, valid), into) in from.iter().zip(valid).zip(into) {
                let (key, good) = key(from);
                *into = key;
                *valid += u16::from(good);
            }
        }
    }
}

dispatch!(fn load_marked = load_marked_body[S: Sortable](from: &[S], decoder: &Decoder, marks: Marks<S::Key>, row: Row<'_, S::Key>, valid: &mut [u16]));

#[inline(always)]
fn load_marked_body<S: Sortable>(
    from: &[S],
    decoder: &Decoder,
    marks: Marks<S::Key>,
    row: Row<'_, S::Key>,
    valid: &mut [u16],
) {
    row.fill(from, valid, |sample| {
        let key = sample.key(decoder);
        let good = (key != marks[0]) & (key != marks[1]) & (key != marks[2]);
        (if good { key } else { marks[0] }, good)
    });
}

dispatch!(fn load = load_body[S: Sortable](from: &[S], decoder: &Decoder, row: Row<'_, S::Key>, valid: &mut [u16]));

#[inline(always)]
fn load_body<S: Sortable>(from: &[S], decoder: &Decoder, row: Row<'_, S::Key>, valid: &mut [u16]) {
    row.fill(from, valid, |sample| (sample.key(decoder), true));
}
