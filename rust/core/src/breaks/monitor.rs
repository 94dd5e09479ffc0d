//! One pixel: a first model, then observation after observation until several in a row do not fit.

use super::Options;
use super::harmonic::{Calendar, Model};

/// A first model is stable if its slope a year, its first and its last residual are smaller than this many times its rmse.
const STABLE: f64 = 3.0;

/// The valid observations of a pixel in date order, and room to work in.
#[derive(Debug, Clone, Default)]
pub struct Course<const B: usize> {
    dates: Vec<usize>,
    values: Vec<[f64; B]>,
    accepted: Vec<usize>,
    outside: Vec<(f64, [f64; B])>,
}

impl<const B: usize> Course<B> {
    /// Forget all observations.
    pub fn clear(&mut self) {
        self.dates.clear();
        self.values.clear();
    }

    /// One more observation, of the date with this index.
    pub fn push(&mut self, date: usize, values: [f64; B]) {
        self.dates.push(date);
        self.values.push(values);
    }

    /// Number of observations.
    pub fn len(&self) -> usize {
        self.dates.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.dates.is_empty()
    }

    fn fit(&self, calendar: &Calendar) -> Option<Model<B>> {
        Model::fit(calendar, self.accepted.iter().map(|&i| (self.dates[i], self.values[i])))
    }

    fn residual(&self, calendar: &Calendar, model: &Model<B>, i: usize) -> [f64; B] {
        model.residual(calendar, self.dates[i], self.values[i])
    }
}

/// A break of one pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Break<const B: usize> {
    /// Index of the date on which it began.
    pub date: usize,
    /// Mean size of the residuals that made it, in units of the rmse.
    pub statistic: f64,
    /// Mean residual of each band.
    pub magnitude: [f64; B],
    /// Sign of the magnitude that is largest in units of its rmse.
    pub direction: i8,
}

/// What was found in one pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found<const B: usize> {
    /// Whether there was a stable model at all.
    pub modelled: bool,
    /// Number of breaks.
    pub breaks: usize,
    /// The one with the largest statistic, the earliest of equals.
    pub largest: Option<Break<B>>,
}

/// Search the observations of one pixel for breaks.
///
/// After a break a new model begins with the first observation outside. A change inside the observations of a first model
/// makes that unstable and is passed over.
pub fn monitor<const B: usize>(options: &Options, calendar: &Calendar, course: &mut Course<B>) -> Found<B> {
    let mut found = Found { modelled: false, breaks: 0, largest: None };
    let mut start = 0;
    while let Some(model) = first_model(options, calendar, course, start) {
        found.modelled = true;
        let Some((first, one)) = next_break(options, calendar, course, model) else {
            break;
        };
        found.breaks += 1;
        if found.largest.is_none_or(|largest| one.statistic > largest.statistic) {
            found.largest = Some(one);
        }
        start = first;
    }
    found
}

/// The first stable model of observations from `start` on; they are `accepted` then.
fn first_model<const B: usize>(
    options: &Options,
    calendar: &Calendar,
    course: &mut Course<B>,
    start: usize,
) -> Option<Model<B>> {
    let count = options.first(calendar.unknowns());
    for start in start..course.len() {
        let span = |end: usize| calendar.days_between(course.dates[start], course.dates[end - 1]);
        let end = (start + count..=course.len()).find(|&end| span(end) >= options.min_span)?;
        course.accepted.clear();
        course.accepted.extend(start..end);
        if let Some(model) = course.fit(calendar) {
            let slopes = model.unknowns.map(|unknowns| unknowns[1]);
            let (first, last) = (course.residual(calendar, &model, start), course.residual(calendar, &model, end - 1));
            if [slopes, first, last].into_iter().all(|numbers| model.size(numbers) < STABLE) {
                return Some(model);
            }
        }
    }
    None
}

/// The next break after the accepted observations, and the position at which it begins.
fn next_break<const B: usize>(
    options: &Options,
    calendar: &Calendar,
    course: &mut Course<B>,
    mut model: Model<B>,
) -> Option<(usize, Break<B>)> {
    let mut fitted = course.accepted.len();
    course.outside.clear();
    let next = course.accepted.last()? + 1;
    for i in next..course.len() {
        let residual = course.residual(calendar, &model, i);
        let size = model.size(residual);
        if size > options.rmse_factor {
            course.outside.push((size, residual));
            if course.outside.len() == options.consecutive {
                let first = i + 1 - options.consecutive;
                return Some((first, describe(course.dates[first], &course.outside, &model)));
            }
            continue;
        }
        course.outside.clear();
        course.accepted.push(i);
        if 3 * course.accepted.len() >= 4 * fitted {
            model = course.fit(calendar).unwrap_or(model);
            fitted = course.accepted.len();
        }
    }
    None
}

fn describe<const B: usize>(date: usize, outside: &[(f64, [f64; B])], model: &Model<B>) -> Break<B> {
    let n = outside.len() as f64;
    let magnitude: [f64; B] = std::array::from_fn(|band| outside.iter().map(|(_, r)| r[band]).sum::<f64>() / n);
    let mut decisive = 0.0_f64;
    for (x, rmse) in magnitude.iter().zip(model.rmse) {
        if (x / rmse).abs() > decisive.abs() {
            decisive = x / rmse;
        }
    }
    let direction = i8::from(decisive > 0.0) - i8::from(decisive < 0.0);
    Break { date, statistic: outside.iter().map(|(size, _)| size).sum::<f64>() / n, magnitude, direction }
}
