//! The harmonic model against its golden value, and the search for breaks on series whose breaks are known.
#![allow(clippy::unwrap_used)]

mod simulation;

use kararaster_core::bands::Run;
use kararaster_core::breaks::{BreakOut, Calendar, Model, Options, find};
use simulation::{Noise, near};

#[derive(Debug, Clone, PartialEq)]
struct Maps {
    date: Vec<i32>,
    count: Vec<u8>,
    statistic: Vec<u32>,
    magnitude: Vec<u32>,
    direction: Vec<i8>,
    n_obs: Vec<u16>,
}

/// All maps, the floating point ones as bits.
fn search(options: &Options, bands: &[&[f64]], days: &[f64], pixels: usize, threads: usize) -> Maps {
    let (mut date, mut count, mut direction) = (vec![7; pixels], vec![7; pixels], vec![7; pixels]);
    let (mut statistic, mut magnitude) = (vec![7.0; pixels], vec![7.0; pixels * bands.len()]);
    let mut n_obs = vec![7; pixels];
    let out = BreakOut {
        date: &mut date,
        count: &mut count,
        statistic: &mut statistic,
        magnitude: &mut magnitude,
        direction: &mut direction,
        n_obs: &mut n_obs,
    };
    find(options, bands, days, pixels, out, &Run::threads(threads)).unwrap();
    let bits = |map: Vec<f32>| map.into_iter().map(f32::to_bits).collect();
    Maps { date, count, statistic: bits(statistic), magnitude: bits(magnitude), direction, n_obs }
}

/// Dates every 16 days, and an index with the course of a year and Gaussian noise.
fn seasonal(dates: usize, pixels: usize, noise: f64) -> (Vec<f64>, Vec<f64>) {
    let mut source = Noise(3);
    let days: Vec<f64> = (0..dates).map(|i| 6574.0 + 16.0 * i as f64).collect();
    let course = |day: &f64| 0.5 + 0.2 * (std::f64::consts::TAU * day / 365.25).cos();
    let values = days.iter().flat_map(|day| vec![course(day); pixels]).map(|y| y + noise * source.normal()).collect();
    (days, values)
}

#[test]
fn golden_harmonic() {
    let y = [
        0.71,
        0.4608852056693151,
        0.29747598262818103,
        0.3984551606244772,
        0.6823490692571191,
        0.7104145204980512,
        0.5018228624223838,
        0.2976236040194406,
        0.43759008470001926,
        0.6816464907436183,
    ];
    let days: Vec<f64> = (0..10).map(|i| 73.0 * f64::from(i)).collect();
    let calendar = Calendar::new(&days, 1).unwrap();
    let model = Model::fit(&calendar, (0..10).map(|i| (i, [y[i]]))).unwrap();
    let [level, slope, cosine, sine, ..] = model.unknowns[0];
    near(level - slope * model.centre, 0.503302502892971, 1e-12, "level at time 0");
    near(slope, 0.016328039020828952, 1e-12, "slope");
    near(cosine, 0.19926828103824912, 1e-12, "cosine");
    near(sine, -0.10099897069248469, 1e-12, "sine");
    near(model.rmse[0], 0.012671301748660957, 1e-12, "rmse");
    assert!(Model::fit(&calendar, (0..4).map(|i| (i, [y[i]]))).is_none(), "as many dates as unknowns");
    let twice = Calendar::new(&[0.0; 10], 1).unwrap();
    assert!(Model::fit(&twice, (0..10).map(|i| (i, [y[i]]))).is_none(), "one date ten times");
}

#[test]
fn a_step_is_found_on_its_date_with_its_size() {
    let (pixels, at) = (200, 60);
    let (days, mut values) = seasonal(90, pixels, 0.02);
    values[at * pixels..].iter_mut().for_each(|x| *x -= 0.3);
    let maps = search(&Options::default(), &[&values], &days, pixels, 1);
    let on_time = maps.date.iter().filter(|&&date| date == at as i32).count();
    assert!(on_time >= 190, "{on_time} of 200");
    for i in (0..pixels).filter(|&i| maps.date[i] == at as i32) {
        near(f64::from(f32::from_bits(maps.magnitude[i])), -0.3, 0.08, "magnitude");
        assert!(f32::from_bits(maps.statistic[i]) > 3.0 && maps.direction[i] == -1 && maps.count[i] >= 1);
    }
    assert!(maps.n_obs.iter().all(|&n| n == 90));
}

#[test]
fn two_bands_decide_together() {
    let (pixels, at) = (50, 60);
    let (days, mut values) = seasonal(90, pixels, 0.02);
    let calm = vec![0.25; values.len()];
    values[at * pixels..].iter_mut().for_each(|x| *x += 0.3);
    let maps = search(&Options::default(), &[&calm, &values], &days, pixels, 1);
    assert!(maps.date.iter().filter(|&&date| date == at as i32).count() >= 45);
    assert!(maps.direction.iter().filter(|&&d| d == 1).count() >= 45, "the band that moved decides");
    assert_eq!(maps.magnitude.len(), 2 * pixels);
}

#[test]
fn what_has_no_model_is_nan() {
    let (days, values) = seasonal(30, 4, 0.02);
    let mut values = values;
    for date in 0..30 {
        values[4 * date] = f64::NAN;
        values[4 * date + 1] = if date < 11 { values[4 * date + 1] } else { f64::INFINITY };
    }
    let maps = search(&Options::default(), &[&values], &days, 4, 1);
    assert_eq!(maps.n_obs, [0, 11, 30, 30]);
    for i in 0..2 {
        assert!(f32::from_bits(maps.statistic[i]).is_nan() && f32::from_bits(maps.magnitude[i]).is_nan());
        assert_eq!((maps.date[i], maps.count[i], maps.direction[i]), (-1, 0, 0));
    }
    let long = Options { min_span: 10_000.0, ..Options::default() };
    assert!(search(&long, &[&values], &days, 4, 1).statistic.iter().all(|&bits| f32::from_bits(bits).is_nan()));
}

#[test]
fn a_series_without_noise_does_not_alarm_on_rounding() {
    let (days, values) = seasonal(90, 1, 0.0);
    let rounded: Vec<f64> = values.iter().map(|&x| f64::from(x as f32)).collect();
    let maps = search(&Options::default(), &[&rounded], &days, 1, 1);
    assert_eq!((maps.count[0], f32::from_bits(maps.statistic[0])), (0, 0.0));
}

#[test]
fn neither_threads_nor_cuts_enter() {
    let pixels = 1301;
    let (days, mut values) = seasonal(60, pixels, 0.05);
    for (i, value) in values.iter_mut().enumerate() {
        *value = if i % 7 == 0 { f64::NAN } else { *value };
    }
    let options = Options::default();
    let whole = search(&options, &[&values, &values], &days, pixels, 1);
    for threads in [2, 7] {
        assert_eq!(whole, search(&options, &[&values, &values], &days, pixels, threads));
    }
    let part: Vec<f64> = (0..60).flat_map(|date| values[date * pixels + 500..][..100].to_vec()).collect();
    let cut = search(&options, &[&part, &part], &days, 100, 1);
    assert_eq!(cut.date, whole.date[500..600]);
    assert_eq!(cut.statistic, whole.statistic[500..600]);
    assert_eq!(search(&options, &[&[]], &days, 0, 3).date.len(), 0);
}

#[test]
fn refusals_name_the_argument() {
    let good = Options::default();
    let tried = |options: Options, days: &[f64], bands: &[&[f64]]| {
        let (mut date, mut count, mut statistic) = ([0], [0], [0.0]);
        let (mut magnitude, mut direction, mut n_obs) = ([0.0], [0], [0]);
        let out = BreakOut {
            date: &mut date,
            count: &mut count,
            statistic: &mut statistic,
            magnitude: &mut magnitude,
            direction: &mut direction,
            n_obs: &mut n_obs,
        };
        find(&options, bands, days, 1, out, &Run::default()).unwrap_err().to_string()
    };
    let (days, one) = ([0.0, 1.0], [0.5, 0.5]);
    assert!(tried(Options { harmonics: 4, ..good }, &days, &[&one]).starts_with("harmonics: got 4"));
    assert!(tried(Options { consecutive: 0, ..good }, &days, &[&one]).starts_with("consecutive: got 0"));
    assert!(tried(Options { rmse_factor: 0.0, ..good }, &days, &[&one]).starts_with("rmse_factor: got 0"));
    assert!(tried(Options { min_span: f64::NAN, ..good }, &days, &[&one]).starts_with("min_span: got NaN"));
    assert!(tried(good, &[1.0, 0.0], &[&one]).starts_with("days: got"));
    assert!(tried(good, &days, &[&one, &one[..1]]).starts_with("bands: got shape 1 samples"));
    assert!(tried(good, &days, &[]).starts_with("bands: got 0"));
}
