//! Normalised differences of two optical bands, straight from digital numbers.

use crate::bands::{Run, for_bands};
use crate::dispatch;
use crate::error::{Error, Result};
use crate::raster::RasterMut;

/// Pixels between two looks at the interrupt.
const BAND: usize = 1 << 16;

/// A pixel type of optical products.
pub trait Sample: Copy + Send + Sync + 'static {
    /// Whether sums and differences of two samples are exact in f32.
    const SMALL_INTEGER: bool;
    /// The value as f64, exactly.
    fn to_f64(self) -> f64;
    /// The value as f32, rounded if it is not a small integer.
    fn to_f32(self) -> f32;
    /// A marked value as a sample of this type would hold it.
    fn stored(value: f64) -> f64 {
        value
    }
}

macro_rules! integer {
    ($($t:ty),*) => {$(
        impl Sample for $t {
            const SMALL_INTEGER: bool = true;
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn to_f32(self) -> f32 {
                f32::from(self)
            }
        }
    )*};
}
integer!(u8, i16, u16);

impl Sample for f32 {
    const SMALL_INTEGER: bool = false;
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }
    fn stored(value: f64) -> f64 {
        f64::from(value as f32)
    }
}

impl Sample for f64 {
    const SMALL_INTEGER: bool = false;
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self as f32
    }
}

/// How digital numbers become reflectance: `dn * scale + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaling {
    /// Reflectance of one digital number.
    pub scale: f64,
    /// Reflectance of digital number 0.
    pub offset: f64,
    /// Digital numbers that mean no measurement (nodata, saturated); NaN marks nothing.
    pub invalid: [f64; 2],
}

impl Scaling {
    /// Samples that are reflectance already.
    pub const NONE: Self = Self { scale: 1.0, offset: 0.0, invalid: [f64::NAN; 2] };

    /// Refuse a scale of 0 and numbers that are not finite.
    pub fn check(&self) -> Result<()> {
        if !(self.scale.is_finite() && self.scale != 0.0) {
            return Err(Error::parameter("scale", self.scale, "a finite number other than 0"));
        }
        if !self.offset.is_finite() {
            return Err(Error::parameter("offset", self.offset, "a finite number"));
        }
        Ok(())
    }

    /// The offset in digital numbers; whole where it is meant to be (-0.1 / 0.0001 is not exactly -1000).
    pub fn shift(&self) -> f64 {
        let shift = self.offset / self.scale;
        let whole = shift.round();
        if (shift - whole).abs() <= 1e-9 * whole.abs() { whole } else { shift }
    }

    /// The scaling of one pixel type, ready for a loop.
    pub fn decoder<S: Sample>(&self) -> Decoder {
        Decoder { shift: self.shift(), scale: self.scale, invalid: self.invalid.map(S::stored) }
    }
}

/// A [`Scaling`] for one pixel type.
#[derive(Debug, Clone, Copy)]
pub struct Decoder {
    shift: f64,
    scale: f64,
    invalid: [f64; 2],
}

impl Decoder {
    /// The reflectance of a digital number; NaN where it is marked, NaN or infinite.
    #[inline(always)]
    pub fn reflectance<S: Sample>(&self, dn: S) -> f64 {
        let dn = dn.to_f64();
        let bad = (dn == self.invalid[0]) | (dn == self.invalid[1]) | !dn.is_finite();
        let value = (dn + self.shift) * self.scale;
        if bad { f64::NAN } else { value }
    }
}

/// `(a - b) / (a + b)` of two bands as reflectance: NaN where a sample is NaN, infinite or nodata, or the sum is 0.
///
/// Within one unit in the last place of the f64 result; correctly rounded for integers of equal scaling.
pub fn normalized_difference<S: Sample>(
    a: &[S],
    b: &[S],
    scaling: [Scaling; 2],
    dst: &mut [f32],
    run: &Run<'_>,
) -> Result<()> {
    for (name, len) in [("b", b.len()), ("dst", dst.len())] {
        if len != a.len() {
            return Err(Error::shape(name, len, format!("{} as a", a.len())));
        }
    }
    scaling.iter().try_for_each(Scaling::check)?;
    let terms = Terms::new::<S>(scaling);
    let dst = RasterMut::new("dst", dst, a.len(), 1)?;
    for_bands(
        run,
        a.len(),
        BAND,
        dst,
        || (),
        |rows, mut out, ()| {
            let (a, b, out) = (&a[rows.clone()], &b[rows], out.pixels_mut());
            match terms.exact::<S>() {
                Some(shift) => exact(a, b, shift, terms.invalid.map(|x| x.map(|x| x as f32)), out),
                None => scaled(a, b, &terms, out),
            }
        },
    )
}

/// `a` and `b` in units of the scale of `a`: `dn + shift` and `(dn + shift) * ratio`.
struct Terms {
    shift: [f64; 2],
    ratio: f64,
    invalid: [[f64; 2]; 2],
}

impl Terms {
    fn new<S: Sample>(scaling: [Scaling; 2]) -> Self {
        Self {
            shift: scaling.map(|s| s.shift()),
            ratio: scaling[1].scale / scaling[0].scale,
            invalid: scaling.map(|s| s.invalid.map(S::stored)),
        }
    }

    /// Twice the shift, where f32 holds numerator and denominator exactly.
    fn exact<S: Sample>(&self) -> Option<f32> {
        let [a, b] = self.shift;
        let whole = a == b && self.ratio == 1.0 && a.fract() == 0.0 && a.abs() < 4_000_000.0;
        let marks = self.invalid.iter().flatten().all(|&x| x.is_nan() || f64::from(x as f32) == x);
        (S::SMALL_INTEGER && whole && marks).then_some(2.0 * a as f32)
    }
}

dispatch!(fn exact = exact_body[S: Sample](a: &[S], b: &[S], shift: f32, invalid: [[f32; 2]; 2], out: &mut [f32]));

#[inline(always)]
fn exact_body<S: Sample>(a: &[S], b: &[S], shift: f32, invalid: [[f32; 2]; 2], out: &mut [f32]) {
    for ((a, b), out) in a.iter().zip(b).zip(out) {
        let (a, b) = (a.to_f32(), b.to_f32());
        let sum = a + b + shift;
        let bad = is_any(a, invalid[0]) | is_any(b, invalid[1]) | (sum == 0.0);
        let index = (a - b) / sum;
        *out = if bad { f32::NAN } else { index };
    }
}

dispatch!(fn scaled = scaled_body[S: Sample](a: &[S], b: &[S], terms: &Terms, out: &mut [f32]));

#[inline(always)]
fn scaled_body<S: Sample>(a: &[S], b: &[S], terms: &Terms, out: &mut [f32]) {
    let Terms { shift, ratio, invalid } = *terms;
    for ((a, b), out) in a.iter().zip(b).zip(out) {
        let (a, b) = (a.to_f64(), b.to_f64());
        let (x, y) = (a + shift[0], (b + shift[1]) * ratio);
        let sum = x + y;
        let marked = is_any(a, invalid[0]) | is_any(b, invalid[1]);
        let bad = marked | (sum == 0.0) | !a.is_finite() | !b.is_finite();
        let index = (x - y) / sum;
        *out = if bad { f32::NAN } else { index as f32 };
    }
}

#[inline(always)]
fn is_any<T: Copy + PartialEq>(x: T, marks: [T; 2]) -> bool {
    (x == marks[0]) | (x == marks[1])
}
