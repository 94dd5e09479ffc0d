//! Pixels of optical bands: their types, and how digital numbers become reflectance.

use std::ops::Range;

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

    fn whole_decoder(&self) -> Option<WholeDecoder> {
        let shift = self.shift();
        let exact = |x: f64| x.is_nan() || f64::from(x as f32) == x;
        let whole = shift.fract() == 0.0 && shift.abs() < 4_000_000.0 && self.invalid.into_iter().all(exact);
        whole.then(|| WholeDecoder { shift: shift as f32, invalid: self.invalid.map(|x| x as f32) })
    }

    /// The scaling of one pixel type, ready for a loop.
    pub fn decoder<S: Sample>(&self) -> Decoder {
        Decoder { shift: self.shift(), scale: self.scale, invalid: self.invalid.map(S::stored) }
    }
}

/// A [`Scaling`] of small integers whose shift is whole: the sum of two numbers is exact in f32.
#[derive(Debug, Clone, Copy)]
pub struct WholeDecoder {
    shift: f32,
    invalid: [f32; 2],
}

impl WholeDecoder {
    /// As [`Decoder::number`].
    #[inline(always)]
    pub fn number<S: Sample>(&self, dn: S) -> f32 {
        let dn = dn.to_f32();
        let marked = (dn == self.invalid[0]) | (dn == self.invalid[1]);
        if marked { f32::NAN } else { dn + self.shift }
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
        self.number(dn) * self.scale
    }

    /// The reflectance in units of the scale, a whole number for integers; NaN where it is marked, NaN or infinite.
    #[inline(always)]
    pub fn number<S: Sample>(&self, dn: S) -> f64 {
        let dn = dn.to_f64();
        let marked = (dn == self.invalid[0]) | (dn == self.invalid[1]);
        let bad = marked | (!S::SMALL_INTEGER & !dn.is_finite());
        if bad { f64::NAN } else { dn + self.shift }
    }
}

/// The pixels of a band as they are stored.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "each is the type of its name")]
pub enum Pixels<'a> {
    U8(&'a [u8]),
    U16(&'a [u16]),
    I16(&'a [i16]),
    F32(&'a [f32]),
    F64(&'a [f64]),
}

impl Pixels<'_> {
    /// Number of pixels.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(samples) => samples.len(),
            Self::U16(samples) => samples.len(),
            Self::I16(samples) => samples.len(),
            Self::F32(samples) => samples.len(),
            Self::F64(samples) => samples.len(),
        }
    }

    /// Whether there is no pixel.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some of the pixels.
    #[inline(always)]
    pub fn cut(&self, range: Range<usize>) -> Self {
        match self {
            Self::U8(samples) => Self::U8(&samples[range]),
            Self::U16(samples) => Self::U16(&samples[range]),
            Self::I16(samples) => Self::I16(&samples[range]),
            Self::F32(samples) => Self::F32(&samples[range]),
            Self::F64(samples) => Self::F64(&samples[range]),
        }
    }

    /// The scaling of these pixels, ready for a loop.
    pub fn decoder(&self, scaling: &Scaling) -> Decoder {
        match self {
            Self::U8(_) => scaling.decoder::<u8>(),
            Self::U16(_) => scaling.decoder::<u16>(),
            Self::I16(_) => scaling.decoder::<i16>(),
            Self::F32(_) => scaling.decoder::<f32>(),
            Self::F64(_) => scaling.decoder::<f64>(),
        }
    }

    /// The same in single precision, where that is exact.
    pub fn whole_decoder(&self, scaling: &Scaling) -> Option<WholeDecoder> {
        match self {
            Self::U8(_) | Self::U16(_) | Self::I16(_) => scaling.whole_decoder(),
            Self::F32(_) | Self::F64(_) => None,
        }
    }
}

/// Digital numbers to reflectance, computed in f64: NaN where a sample is NaN, infinite or marked.
pub fn reflectance<S: Sample>(src: &[S], scaling: Scaling, dst: &mut [f32], run: &Run<'_>) -> Result<()> {
    if dst.len() != src.len() {
        return Err(Error::shape("dst", dst.len(), format!("{} as src", src.len())));
    }
    scaling.check()?;
    let decoder = scaling.decoder::<S>();
    let dst = RasterMut::new("dst", dst, src.len(), 1)?;
    for_bands(
        run,
        src.len(),
        BAND,
        dst,
        || (),
        |rows, mut out, ()| {
            decode(&src[rows], decoder, out.pixels_mut());
        },
    )
}

dispatch!(fn decode = decode_body[S: Sample](src: &[S], decoder: Decoder, out: &mut [f32]));

#[inline(always)]
fn decode_body<S: Sample>(src: &[S], decoder: Decoder, out: &mut [f32]) {
    for (&dn, out) in src.iter().zip(out) {
        *out = decoder.reflectance(dn) as f32;
    }
}
