//! The multitemporal filter of Quegan and Yu (2001).

use std::ops::Range;
use std::sync::OnceLock;

use crate::bands::{Run, for_bands};
use crate::dispatch;
use crate::error::{Error, Result};
use crate::raster::{Placement, Raster, RasterMut, Real};
use crate::window::Frame;

/// Output rows filtered at a time: enough that the rows which the windows of two bands share cost little, few enough that
/// those of all dates stay in a cache.
const ROWS: usize = 48;

/// Add the ratio of a date to its spatial mean, `x / mean`, where `x` is valid and the mean positive, and count it.
pub fn quegan_add<T: Real>(x: &[T], mean: &[T], ratio_sum: &mut [f64], count: &mut [f64], run: &Run<'_>) -> Result<()> {
    let pixels = ratio_sum.len();
    same_length("x", x.len(), pixels)?;
    same_length("mean", mean.len(), pixels)?;
    same_length("count", count.len(), pixels)?;
    let (ratio_sum, count) = (line("ratio", ratio_sum)?, line("count", count)?);
    for_bands(
        run,
        pixels,
        PIXELS,
        (ratio_sum, count),
        || (),
        |at, (mut ratio_sum, mut count), ()| {
            add(&x[at.clone()], &mean[at], ratio_sum.pixels_mut(), count.pixels_mut());
        },
    )
}

/// The output of a date with this spatial mean: `mean * ratio_sum / count`.
///
/// Where no date was counted, or the mean is not positive, the result is the mean; where it is invalid, NaN.
pub fn quegan_apply<T: Real>(mean: &[T], ratio_sum: &[f64], count: &[f64], dst: &mut [T], run: &Run<'_>) -> Result<()> {
    let pixels = dst.len();
    same_length("mean", mean.len(), pixels)?;
    same_length("ratio", ratio_sum.len(), pixels)?;
    same_length("count", count.len(), pixels)?;
    for_bands(
        run,
        pixels,
        PIXELS,
        line("dst", dst)?,
        || (),
        |at, mut dst, ()| {
            dst.pixels_mut().copy_from_slice(&mean[at.clone()]);
            apply(dst.pixels_mut(), &ratio_sum[at.clone()], &count[at]);
        },
    )
}

/// Multitemporal filter of a stack of intensity (2001, doi 10.1109/36.964973).
///
/// Each date becomes its spatial mean times the mean, over the dates of its group, of `x / mean`. A group is a list of dates
/// of one geometry; each date belongs to one group. `smooth` is the spatial filter, which looks at `halo` rows on each
/// side of a pixel. The results have the bytes of [`quegan_add`] and [`quegan_apply`] date after date; the stack is read once,
/// and nothing but a few rows is allocated.
pub fn quegan<T: Real>(
    stack: &[Raster<'_, T>],
    dst: Vec<RasterMut<'_, T>>,
    groups: &[Vec<usize>],
    frame: &Frame,
    halo: usize,
    smooth: impl Fn(Raster<'_, T>, RasterMut<'_, T>, &Frame, &Run<'_>) -> Result<()> + Sync,
    run: &Run<'_>,
) -> Result<()> {
    check_groups(groups, stack.len())?;
    let (height, width) = dst.first().map_or((0, 0), |date| (date.height(), date.width()));
    check_dates(stack, &dst, frame)?;
    let failed = OnceLock::new();
    let scratch = || (vec![0.0; ROWS.min(height) * width], vec![0.0; ROWS.min(height) * width]);
    for_bands(run, height, ROWS, dst, scratch, |rows, mut out, (ratio_sum, count)| {
        let pixels = rows.len() * width;
        for group in groups {
            let (ratio_sum, count) = (&mut ratio_sum[..pixels], &mut count[..pixels]);
            ratio_sum.fill(0.0);
            count.fill(0.0);
            for &date in group {
                let part = Part { src: stack[date], frame, halo, rows: rows.clone() };
                if let Err(error) = part.add(&mut out[date], &smooth, ratio_sum, count) {
                    failed.get_or_init(|| error);
                }
            }
            for &date in group {
                apply(out[date].pixels_mut(), ratio_sum, count);
            }
        }
    })?;
    failed.into_inner().map_or(Ok(()), Err)
}

/// Pixels of a date done at a time where rows do not matter.
const PIXELS: usize = 1 << 14;

/// A band of rows of one date.
struct Part<'a, T> {
    src: Raster<'a, T>,
    frame: &'a Frame,
    halo: usize,
    rows: Range<usize>,
}

impl<T: Real> Part<'_, T> {
    /// Filter the band into `mean`, and add its ratios.
    fn add(
        &self,
        mean: &mut RasterMut<'_, T>,
        smooth: impl Fn(Raster<'_, T>, RasterMut<'_, T>, &Frame, &Run<'_>) -> Result<()>,
        ratio_sum: &mut [f64],
        count: &mut [f64],
    ) -> Result<()> {
        let Placement { origin_row, top, left } = self.frame.placement;
        let (height, width) = (self.src.height(), self.src.width());
        let first = (top + self.rows.start).saturating_sub(self.halo);
        let end = (top + self.rows.end + self.halo).min(height);
        let grown = Raster::new("stack", &self.src.pixels()[first * width..end * width], end - first, width)?;
        let placement = Placement { origin_row: origin_row + first, top: top + self.rows.start - first, left };
        let (rows, columns) = (mean.height(), mean.width());
        let into = RasterMut::new("dst", mean.pixels_mut(), rows, columns)?;
        smooth(grown, into, &Frame { placement, ..*self.frame }, &Run::threads(1))?;
        for (i, row) in self.rows.clone().enumerate() {
            let x = &self.src.row(top + row)[left..left + columns];
            let at = i * columns..(i + 1) * columns;
            add(x, mean.row_mut(i), &mut ratio_sum[at.clone()], &mut count[at]);
        }
        Ok(())
    }
}

dispatch!(fn add = add_body[T: Real](x: &[T], mean: &[T], ratio_sum: &mut [f64], count: &mut [f64]));

#[inline(always)]
fn add_body<T: Real>(x: &[T], mean: &[T], ratio_sum: &mut [f64], count: &mut [f64]) {
    let zero = T::from_f64(0.0);
    for (((sum, count), x), mean) in ratio_sum.iter_mut().zip(count).zip(x).zip(mean) {
        let good = x.is_valid() & mean.is_valid() & (*mean > zero);
        let ratio = x.to_f64() / mean.to_f64();
        *sum += if good { ratio } else { 0.0 };
        *count += if good { 1.0 } else { 0.0 };
    }
}

dispatch!(fn apply = apply_body[T: Real](means: &mut [T], ratio_sum: &[f64], count: &[f64]));

#[inline(always)]
fn apply_body<T: Real>(means: &mut [T], ratio_sum: &[f64], count: &[f64]) {
    for ((mean, &sum), &count) in means.iter_mut().zip(ratio_sum).zip(count) {
        let scaled = T::from_f64(mean.to_f64() * (sum / count));
        let scaled = if count > 0.0 { scaled } else { *mean };
        let scaled = if *mean > T::from_f64(0.0) { scaled } else { *mean };
        *mean = if mean.is_valid() { scaled } else { T::NAN };
    }
}

/// All pixels of an array as an image one column wide.
fn line<'a, T>(name: &'static str, pixels: &'a mut [T]) -> Result<RasterMut<'a, T>> {
    let count = pixels.len();
    RasterMut::new(name, pixels, count, 1)
}

fn same_length(name: &'static str, got: usize, want: usize) -> Result<()> {
    if got == want { Ok(()) } else { Err(Error::shape(name, format!("{got} pixels"), format!("{want} pixels"))) }
}

fn check_groups(groups: &[Vec<usize>], dates: usize) -> Result<()> {
    let mut all: Vec<usize> = groups.concat();
    all.sort_unstable();
    if all.iter().copied().eq(0..dates) {
        Ok(())
    } else {
        Err(Error::parameter("groups", format!("{groups:?}"), format!("each of the {dates} dates in one group")))
    }
}

fn check_dates<T>(stack: &[Raster<'_, T>], dst: &[RasterMut<'_, T>], frame: &Frame) -> Result<()> {
    if stack.len() != dst.len() {
        return Err(Error::shape("dst", format!("{} dates", dst.len()), format!("{} as in stack", stack.len())));
    }
    let sizes =
        |(src, dst): (&Raster<'_, T>, &RasterMut<'_, T>)| ((src.height(), src.width()), (dst.height(), dst.width()));
    let mut dates = stack.iter().zip(dst).map(sizes);
    let Some(first) = dates.next() else {
        return Ok(());
    };
    if dates.any(|other| other != first) {
        return Err(Error::shape("stack", "dates of different sizes", "one size"));
    }
    frame.placement.check(first.0, first.1)
}
