//! Pixels of a window that are equally far from its centre.

use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::raster::Window;

/// How far a sample of a window is from the centre.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Distance {
    /// `sqrt(rows^2 + columns^2)`.
    #[default]
    Euclidean,
    /// The larger of rows and columns.
    Chebyshev,
}

impl FromStr for Distance {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "euclidean" => Ok(Self::Euclidean),
            "chebyshev" => Ok(Self::Chebyshev),
            _ => Err(Error::parameter("distance", format!("{name:?}"), "\"euclidean\" or \"chebyshev\"")),
        }
    }
}

/// A multiple that is still computed as a power: errors of the factor add up beyond.
const LAST_POWER: usize = 3;

/// Samples of a window at one distance, which is `multiple * sqrt(square)`.
pub(super) struct Class {
    pub(super) distance: f64,
    /// Whether the class before has the same `square` and the multiple before: a weight that falls exponentially with
    /// the distance is that of the class before times that of the first multiple.
    pub(super) follows: bool,
    /// Number of samples.
    pub(super) count: usize,
    /// Where the places of its samples stand.
    pub(super) places: Range<usize>,
}

/// The samples of a window, the centre excepted, by distance.
///
/// Rows equally far above and below the centre count as one, numbered from the centre outwards: so a window of 7 x 7 has
/// 28 places and not 49.
pub(super) struct Classes {
    pub(super) classes: Vec<Class>,
    /// (row from the centre, column in the window).
    pub(super) places: Vec<(usize, usize)>,
}

impl Classes {
    pub(super) fn new(window: Window, distance: Distance) -> Self {
        let half = window.half();
        let mut found: BTreeMap<(usize, usize), Vec<(usize, usize)>> = BTreeMap::new();
        for y in 0..=half.0 {
            for x in (0..window.x).filter(|&x| (y, x) != (0, half.1)) {
                found.entry(distance.of(y, x.abs_diff(half.1))).or_default().push((y, x));
            }
        }
        let (mut classes, mut places, mut before) = (Vec::new(), Vec::new(), (0, 0));
        for ((square, multiple), members) in found {
            let start = places.len();
            let count = members.iter().map(|&(y, _)| if y == 0 { 1 } else { 2 }).sum();
            places.extend(members);
            classes.push(Class {
                distance: multiple as f64 * (square as f64).sqrt(),
                follows: (2..=LAST_POWER).contains(&multiple) && before == (square, multiple - 1),
                count,
                places: start..places.len(),
            });
            before = (square, multiple);
        }
        Self { classes, places }
    }
}

impl Distance {
    /// (square without a square factor, multiple of its root).
    fn of(self, y: usize, x: usize) -> (usize, usize) {
        if self == Self::Chebyshev {
            return (1, y.max(x));
        }
        let square = y * y + x * x;
        let multiple = (1..=y + x).rev().find(|m| square % (m * m) == 0).unwrap_or(1);
        (square / (multiple * multiple), multiple)
    }
}
