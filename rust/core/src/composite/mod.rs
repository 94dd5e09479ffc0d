//! Composites over time: many dates of a pixel become one value a band.
//!
//! The order statistics and the mean take each band by itself; the band vector of the greenest date and the geometric median
//! take dates that are valid in all bands. A pixel never sees its neighbours, so neither blocks nor threads enter the result.

mod geomedian;
mod keys;
mod max_ndvi;
mod mean;
mod network;
mod percentile;

pub use keys::{Key, Marks, Sortable};

use std::ops::Range;

use crate::bands::Run;
use crate::error::{Error, Result};
use crate::optical::{Decoder, Scaling};
use crate::raster::RasterMut;

/// What stands for the dates of a pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// Percentile (0 to 100) of the valid samples of a band, linear between order statistics; 50 is the median.
    Percentile(f64),
    /// Mean of the valid samples of a band, summed in date order in `f64`.
    Mean,
    /// All bands of the date with the largest `(nir - red) / (nir + red)`; the first of several equal ones.
    MaxNdvi {
        /// Position of the red band.
        red: usize,
        /// Position of the near infrared band.
        nir: usize,
    },
    /// The point with the least sum of distances to the band vectors of the dates.
    Geomedian,
}

/// Where the composite of a band goes: reflectance, and the number of dates it was made from.
pub type Output<'a> = (&'a mut [f32], &'a mut [u16]);

/// The outputs of a block of pixels.
type Block<'a> = Vec<(RasterMut<'a, f32>, RasterMut<'a, u16>)>;

/// One composite of `bands`, each `dates * pixels` samples in C order with its scaling.
///
/// NaN, infinite and marked samples are left out; a pixel without a valid date is NaN. Counts are those of the band, or of the
/// dates that are valid in all bands.
pub fn composite<S: Sortable>(
    bands: &[(&[S], Scaling)],
    pixels: usize,
    method: Method,
    out: Vec<Output<'_>>,
    run: &Run<'_>,
) -> Result<()> {
    let stack = Stack::new(bands, pixels)?;
    let out = stack.outputs(out)?;
    match method {
        Method::Percentile(q) => percentile::composite(&stack, q, out, run),
        Method::Mean => mean::composite(&stack, out, run),
        Method::MaxNdvi { red, nir } => max_ndvi::composite(&stack, [red, nir], out, run),
        Method::Geomedian => geomedian::composite(&stack, out, run),
    }
}

/// A checked stack of dates.
struct Stack<'a, S> {
    bands: Vec<Band<'a, S>>,
    dates: usize,
    pixels: usize,
}

struct Band<'a, S> {
    samples: &'a [S],
    scaling: Scaling,
    decoder: Decoder,
}

impl<'a, S: Sortable> Stack<'a, S> {
    fn new(bands: &[(&'a [S], Scaling)], pixels: usize) -> Result<Self> {
        let samples = bands.first().map_or(0, |(samples, _)| samples.len());
        let dates = samples.checked_div(pixels).unwrap_or(0);
        if dates > usize::from(u16::MAX) {
            return Err(Error::parameter("bands", format!("{dates} dates"), format!("at most {}", u16::MAX)));
        }
        for (band, scaling) in bands {
            scaling.check()?;
            if band.len() != dates * pixels || band.len() != samples {
                let want = format!("the same number of dates x {pixels} pixels in each band");
                return Err(Error::shape("bands", format!("{} samples", band.len()), want));
            }
        }
        let bands = bands
            .iter()
            .map(|&(samples, scaling)| Band { samples, scaling, decoder: scaling.decoder::<S>() })
            .collect();
        Ok(Self { bands, dates, pixels })
    }

    fn outputs<'o>(&self, out: Vec<Output<'o>>) -> Result<Block<'o>> {
        if out.len() != self.bands.len() {
            return Err(Error::shape("out", format!("{} arrays", out.len()), format!("{} arrays", self.bands.len())));
        }
        out.into_iter()
            .map(|(value, count)| {
                let count = RasterMut::new("count", count, self.pixels, 1)?;
                Ok((RasterMut::new("out", value, self.pixels, 1)?, count))
            })
            .collect()
    }

    /// The samples of `pixels` of a band on one date.
    fn samples(&self, band: &Band<'a, S>, date: usize, pixels: &Range<usize>) -> &'a [S] {
        &band.samples[date * self.pixels..][pixels.clone()]
    }
}
