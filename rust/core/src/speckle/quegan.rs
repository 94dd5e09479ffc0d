//! The multitemporal filter of Quegan and Yu (2001).

use std::ops::Range;
use std::sync::OnceLock;

use crate::bands::{Run, for_bands};
use crate::dispatch;
use crate::error::{Error, Result};
use crate::raster::{Placement, Raster, RasterMut, Real};
use crate::window::Frame;

/// Output rows filtered at a time: enough that the rows which the windows of two bands share cost little, few enough that
/// those of all dates stay in the last cache until they are scaled.
const ROWS: usize = 64;

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
    let scratch = || (vec![0.0; width], vec![0.0; width]);
    for_bands(run, height, ROWS, dst, scratch, |rows, mut out, (ratio, count)| {
        for (&src, mean) in stack.iter().zip(&mut out) {
            if let Err(error) = smooth_rows(src, mean, rows.clone(), (frame, halo), &smooth) {
                failed.get_or_init(|| error);
            }
        }
        let Placement { top, left, .. } = frame.placement;
        // Row after row over all dates, so that the sums stay in the first level cache.
        for (i, row) in rows.enumerate() {
            for group in groups {
                ratio.fill(0.0);
                count.fill(0.0);
                for &date in group {
                    add(&stack[date].row(top + row)[left..left + width], out[date].row_mut(i), ratio, count);
                }
                average(ratio, count);
                for &date in group {
                    scale(out[date].row_mut(i), ratio);
                }
            }
        }
    })?;
    failed.into_inner().map_or(Ok(()), Err)
}

/// Pixels of a date done at a time where rows do not matter.
const PIXELS: usize = 1 << 14;

/// Filter `rows` of a date into `mean`.
fn smooth_rows<T: Real>(
    src: Raster<'_, T>,
    mean: &mut RasterMut<'_, T>,
    rows: Range<usize>,
    (frame, halo): (&Frame, usize),
    smooth: impl Fn(Raster<'_, T>, RasterMut<'_, T>, &Frame, &Run<'_>) -> Result<()>,
) -> Result<()> {
    let Placement { origin_row, top, left } = frame.placement;
    let (height, width) = (src.height(), src.width());
    let first = (top + rows.start).saturating_sub(halo);
    let end = (top + rows.end + halo).min(height);
    let grown = Raster::new("stack", &src.pixels()[first * width..end * width], end - first, width)?;
    let placement = Placement { origin_row: origin_row + first, top: top + rows.start - first, left };
    let (rows, columns) = (mean.height(), mean.width());
    let into = RasterMut::new("dst", mean.pixels_mut(), rows, columns)?;
    smooth(grown, into, &Frame { placement, ..*frame }, &Run::threads(1))
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
        *mean = scaled(*mean, mean_ratio(sum, count));
    }
}

dispatch!(fn average = average_body(ratio: &mut [f64], count: &[f64]));

/// Sums of ratios become their means.
#[inline(always)]
fn average_body(ratio: &mut [f64], count: &[f64]) {
    for (ratio, &count) in ratio.iter_mut().zip(count) {
        *ratio = mean_ratio(*ratio, count);
    }
}

dispatch!(fn scale = scale_body[T: Real](means: &mut [T], ratio: &[f64]));

#[inline(always)]
fn scale_body<T: Real>(means: &mut [T], ratio: &[f64]) {
    for (mean, &ratio) in means.iter_mut().zip(ratio) {
        *mean = scaled(*mean, ratio);
    }
}

/// One if nothing was counted.
#[inline(always)]
fn mean_ratio(sum: f64, count: f64) -> f64 {
    let mean = sum / count;
    if count > 0.0 { mean } else { 1.0 }
}

#[inline(always)]
fn scaled<T: Real>(mean: T, ratio: f64) -> T {
    let scaled = T::from_f64(mean.to_f64() * ratio);
    let scaled = if mean > T::from_f64(0.0) { scaled } else { mean };
    if mean.is_valid() { scaled } else { T::NAN }
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
