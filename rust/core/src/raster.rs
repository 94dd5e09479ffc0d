//! Views on row-major images, and the only arithmetic about image edges.

use std::ops::{Add, Div, Mul, Sub};

use crate::bands::Split;
use crate::distributions::elementary;
use crate::error::{Error, Result};

/// A floating point pixel: `f32` or `f64`.
pub trait Real:
    Copy
    + Send
    + Sync
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + 'static
{
    /// Not a number: the nodata value of every kernel.
    const NAN: Self;
    /// Distance from 1 to the next larger number.
    const EPSILON: Self;
    /// To double precision, exactly.
    fn to_f64(self) -> f64;
    /// From double precision, rounded to nearest.
    fn from_f64(x: f64) -> Self;
    /// Neither NaN nor infinite: a valid sample.
    fn is_valid(self) -> bool;
    /// Absolute value.
    fn abs(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// `e^self` for `self <= 0`, in a form that vectorises; far below zero (-80 in f32) it stays a tiny normal number.
    fn exp_negative(self) -> Self;
}

macro_rules! real {
    ($t:ty, $exp:path) => {
        impl Real for $t {
            const NAN: Self = <$t>::NAN;
            const EPSILON: Self = <$t>::EPSILON;
            #[inline(always)]
            #[allow(clippy::cast_lossless, clippy::unnecessary_cast)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            #[allow(clippy::cast_possible_truncation, clippy::unnecessary_cast)]
            fn from_f64(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn is_valid(self) -> bool {
                self.is_finite()
            }
            #[inline(always)]
            fn abs(self) -> Self {
                <$t>::abs(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                <$t>::sqrt(self)
            }
            #[inline(always)]
            fn exp_negative(self) -> Self {
                $exp(self)
            }
        }
    };
}
real!(f32, elementary::exp_f32);
real!(f64, elementary::exp);

/// A read-only image: `height` rows of `width` contiguous pixels.
#[derive(Debug, Clone, Copy)]
pub struct Raster<'a, T> {
    data: &'a [T],
    height: usize,
    width: usize,
}

impl<'a, T> Raster<'a, T> {
    /// View `data` as an image; its length must be `height * width`.
    pub fn new(name: &'static str, data: &'a [T], height: usize, width: usize) -> Result<Self> {
        check_len(name, data.len(), height, width)?;
        Ok(Self { data, height, width })
    }

    /// Number of rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Row `r` as a slice.
    pub fn row(&self, r: usize) -> &'a [T] {
        &self.data[r * self.width..(r + 1) * self.width]
    }

    /// All pixels, row after row.
    pub fn pixels(&self) -> &'a [T] {
        self.data
    }
}

/// A writable image, allocated by the caller.
#[derive(Debug)]
pub struct RasterMut<'a, T> {
    data: &'a mut [T],
    height: usize,
    width: usize,
}

impl<'a, T> RasterMut<'a, T> {
    /// View `data` as a writable image; its length must be `height * width`.
    pub fn new(name: &'static str, data: &'a mut [T], height: usize, width: usize) -> Result<Self> {
        check_len(name, data.len(), height, width)?;
        Ok(Self { data, height, width })
    }

    /// Number of rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Row `r` as a writable slice.
    pub fn row_mut(&mut self, r: usize) -> &mut [T] {
        &mut self.data[r * self.width..(r + 1) * self.width]
    }

    /// All pixels, row after row.
    pub fn pixels_mut(&mut self) -> &mut [T] {
        self.data
    }
}

impl<T: Send> Split for RasterMut<'_, T> {
    fn split_rows(self, rows: usize) -> (Self, Self) {
        let (top, bottom) = self.data.split_at_mut(rows * self.width);
        let (height, width) = (self.height, self.width);
        (Self { data: top, height: rows, width }, Self { data: bottom, height: height - rows, width })
    }
}

/// Where the output of a windowed kernel lies inside its (halo-grown) input, and where that input lies in the whole image.
///
/// A window that touches the edge of the whole image carries no halo there, so the edge of the input *is* the edge of the
/// image wherever the halo is short: a kernel that shrinks its window at the edge of `src` is right everywhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Placement {
    /// Row number, in the whole image, of the first input row. Blocked sums are anchored at absolute rows so that the
    /// bytes of the result do not depend on how the image was cut.
    pub origin_row: usize,
    /// Input rows above the first output row.
    pub top: usize,
    /// Input columns left of the first output column.
    pub left: usize,
}

impl Placement {
    /// Check that an output of `dst` (rows, columns) fits into an input of `src` (rows, columns).
    pub fn check(&self, src: (usize, usize), dst: (usize, usize)) -> Result<()> {
        let fits =
            |offset: usize, wanted: usize, there: usize| offset.checked_add(wanted).is_some_and(|end| end <= there);
        if !fits(self.origin_row, src.0, isize::MAX as usize) {
            return Err(Error::parameter("origin_row", self.origin_row, "the number of a row"));
        }
        if !fits(self.top, dst.0, src.0) || !fits(self.left, dst.1, src.1) {
            return Err(Error::shape(
                "dst",
                format!("{dst:?} at ({}, {})", self.top, self.left),
                format!("a region inside src {src:?}"),
            ));
        }
        Ok(())
    }
}

/// A filter window: full size in rows and columns, both odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Rows.
    pub y: usize,
    /// Columns.
    pub x: usize,
}

impl Window {
    /// A window of odd size, at most 255 pixels a side.
    pub fn new(y: usize, x: usize) -> Result<Self> {
        for n in [y, x] {
            if n % 2 == 0 || n > 255 {
                return Err(Error::parameter("window", format!("({y}, {x})"), "odd sizes from 1 to 255"));
            }
        }
        Ok(Self { y, x })
    }

    /// Half sizes (rows, columns).
    pub fn half(self) -> (usize, usize) {
        (self.y / 2, self.x / 2)
    }
}

fn check_len(name: &'static str, len: usize, height: usize, width: usize) -> Result<()> {
    if height.checked_mul(width) == Some(len) {
        Ok(())
    } else {
        Err(Error::shape(name, format!("{len} pixels"), format!("{height} x {width}")))
    }
}
