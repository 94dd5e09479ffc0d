//! The harmonic model: level, slope and a few harmonics of the year, by least squares.

use std::f64::consts::TAU;

use crate::distributions::elementary::horner;
use crate::error::{Error, Result};

/// Most harmonics of the year.
pub const MOST_HARMONICS: usize = 3;
/// Unknowns with that many: level, slope, and a cosine and a sine a harmonic.
pub const MOST_UNKNOWNS: usize = 2 + 2 * MOST_HARMONICS;

const DAYS_A_YEAR: f64 = 365.25;
/// Least rmse of a model: the rounding of reflectance that was stored in steps of 1e-4. Without it a series free of noise would
/// alarm on its rounding.
const LEAST_RMSE: f64 = 1e-4;
/// A pivot smaller than this share of its diagonal: the dates cannot tell the unknowns apart.
const SINGULAR: f64 = 1e-10;

type Row = [f64; MOST_UNKNOWNS];

/// The dates of a stack, and what does not depend on the pixel: the harmonics at each.
#[derive(Debug, Clone)]
pub struct Calendar {
    days: Vec<f64>,
    waves: Vec<[f64; 2 * MOST_HARMONICS]>,
    unknowns: usize,
}

impl Calendar {
    /// Dates in days from any origin, ascending.
    pub fn new(days: &[f64], harmonics: usize) -> Result<Self> {
        if days.iter().any(|day| !day.is_finite()) || days.windows(2).any(|pair| pair[0] > pair[1]) {
            return Err(Error::parameter("days", "times that are not finite or not ascending", "ascending times"));
        }
        let harmonics = harmonics.min(MOST_HARMONICS);
        let waves = days.iter().map(|day| waves(day / DAYS_A_YEAR, harmonics)).collect();
        Ok(Self { days: days.to_vec(), waves, unknowns: 2 + 2 * harmonics })
    }

    /// Number of dates.
    pub fn len(&self) -> usize {
        self.days.len()
    }

    /// Whether there is no date.
    pub fn is_empty(&self) -> bool {
        self.days.is_empty()
    }

    /// Unknowns of a model.
    pub fn unknowns(&self) -> usize {
        self.unknowns
    }

    /// Days from date `from` to date `to`.
    pub(super) fn days_between(&self, from: usize, to: usize) -> f64 {
        self.days[to] - self.days[from]
    }

    fn years(&self, date: usize) -> f64 {
        self.days[date] / DAYS_A_YEAR
    }

    /// What the unknowns are multiplied with at a date.
    #[inline(always)]
    fn row(&self, date: usize, centre: f64) -> Row {
        let mut row = [0.0; MOST_UNKNOWNS];
        (row[0], row[1]) = (1.0, self.years(date) - centre);
        row[2..].copy_from_slice(&self.waves[date]);
        row
    }
}

/// Cosine and sine of the first harmonics at a time in years, zero for the others.
fn waves(years: f64, harmonics: usize) -> [f64; 2 * MOST_HARMONICS] {
    let mut waves = [0.0; 2 * MOST_HARMONICS];
    for (h, pair) in waves.chunks_exact_mut(2).enumerate().take(harmonics) {
        let (cosine, sine) = cosine_and_sine((h + 1) as f64 * years);
        pair.copy_from_slice(&[cosine, sine]);
    }
    waves
}

/// Cosine and sine of an angle in turns, by their power series on an eighth of a turn, the same bits on every machine.
fn cosine_and_sine(turns: f64) -> (f64, f64) {
    let quarters = (4.0 * turns).round();
    let angle = TAU * (turns - 0.25 * quarters);
    let square = angle * angle;
    // 1 / (2k)! and 1 / (2k + 1)!, with alternating signs.
    let cosine = horner(
        square,
        [
            1.0 / 20_922_789_888_000.0,
            -1.0 / 87_178_291_200.0,
            1.0 / 479_001_600.0,
            -1.0 / 3_628_800.0,
            1.0 / 40_320.0,
            -1.0 / 720.0,
            1.0 / 24.0,
            -0.5,
            1.0,
        ],
    );
    let sine = angle
        * horner(
            square,
            [
                -1.0 / 1_307_674_368_000.0,
                1.0 / 6_227_020_800.0,
                -1.0 / 39_916_800.0,
                1.0 / 362_880.0,
                -1.0 / 5_040.0,
                1.0 / 120.0,
                -1.0 / 6.0,
                1.0,
            ],
        );
    match quarters.rem_euclid(4.0) as u8 {
        0 => (cosine, sine),
        1 => (-sine, cosine),
        2 => (-cosine, -sine),
        _ => (sine, -cosine),
    }
}

/// A fitted model of `B` bands that share their dates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Model<const B: usize> {
    /// Time in years at which the level is taken: the mean of the fitted dates.
    pub centre: f64,
    /// Level, slope a year, then cosine and sine of each harmonic; a row a band.
    pub unknowns: [Row; B],
    /// Root of the sum of squared residuals over degrees of freedom, at least 1e-4.
    pub rmse: [f64; B],
}

impl<const B: usize> Model<B> {
    /// Least squares over `(date, values)`; `None` where dates are too few or too alike to tell the unknowns apart.
    pub fn fit(calendar: &Calendar, points: impl Iterator<Item = (usize, [f64; B])> + Clone) -> Option<Self> {
        let n = points.clone().count();
        let p = calendar.unknowns;
        if n <= p {
            return None;
        }
        let centre = points.clone().map(|(date, _)| calendar.years(date)).sum::<f64>() / n as f64;
        let (mut gram, mut right) = ([[0.0; MOST_UNKNOWNS]; MOST_UNKNOWNS], [[0.0; MOST_UNKNOWNS]; B]);
        for (date, values) in points.clone() {
            let row = calendar.row(date, centre);
            for j in 0..p {
                for k in 0..=j {
                    gram[j][k] += row[j] * row[k];
                }
                for (side, value) in right.iter_mut().zip(values) {
                    side[j] += row[j] * value;
                }
            }
        }
        factorise(&mut gram, p)?;
        let mut model = Self { centre, unknowns: right.map(|side| solve(&gram, side, p)), rmse: [0.0; B] };
        let mut squares = [0.0; B];
        for (date, values) in points {
            for (sum, residual) in squares.iter_mut().zip(model.residual(calendar, date, values)) {
                *sum += residual * residual;
            }
        }
        model.rmse = squares.map(|sum| (sum / (n - p) as f64).sqrt().max(LEAST_RMSE));
        Some(model)
    }

    /// Observed minus modelled.
    #[inline(always)]
    pub fn residual(&self, calendar: &Calendar, date: usize, values: [f64; B]) -> [f64; B] {
        let row = calendar.row(date, self.centre);
        std::array::from_fn(|band| {
            let modelled: f64 = self.unknowns[band].iter().zip(row).map(|(c, x)| c * x).sum();
            values[band] - modelled
        })
    }

    /// Size of one number a band (a residual, a slope) in units of the rmse: the root of the mean square over bands.
    #[inline(always)]
    pub fn size(&self, numbers: [f64; B]) -> f64 {
        let squares = numbers.iter().zip(self.rmse).map(|(x, rmse)| (x / rmse) * (x / rmse));
        (squares.sum::<f64>() / B as f64).sqrt()
    }
}

/// Cholesky factor of the first `p` rows, in place in the lower triangle; `None` if singular.
fn factorise(a: &mut [Row; MOST_UNKNOWNS], p: usize) -> Option<()> {
    for j in 0..p {
        let diagonal = a[j][j];
        let pivot = diagonal - a[j][..j].iter().map(|x| x * x).sum::<f64>();
        if pivot <= SINGULAR * diagonal {
            return None;
        }
        a[j][j] = pivot.sqrt();
        for i in j + 1..p {
            let known: f64 = (0..j).map(|k| a[i][k] * a[j][k]).sum();
            a[i][j] = (a[i][j] - known) / a[j][j];
        }
    }
    Some(())
}

/// Solve with the factor of [`factorise`]: forward, then backward.
fn solve(factor: &[Row; MOST_UNKNOWNS], mut x: Row, p: usize) -> Row {
    for i in 0..p {
        let known: f64 = (0..i).map(|k| factor[i][k] * x[k]).sum();
        x[i] = (x[i] - known) / factor[i][i];
    }
    for i in (0..p).rev() {
        let known: f64 = (i + 1..p).map(|k| factor[k][i] * x[k]).sum();
        x[i] = (x[i] - known) / factor[i][i];
    }
    x
}
