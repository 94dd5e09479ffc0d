//! Change tests against golden values; the names of the tests are those of the golden file.
#![allow(clippy::excessive_precision, clippy::unwrap_used)]

mod simulation;

use kararaster_core::bands::Run;
use kararaster_core::change::{Group, Method, Options, Scale, before_after, hotelling, pooled_t};
use kararaster_core::distributions::{ln_p_student, ln_sf_normal};
use kararaster_core::moments::{Layout, Transform, fold};
use simulation::{Maps, near};

const PRE: [[f64; 2]; 6] = [[-1.9, -3.1], [-2.1, -2.9], [-2.0, -3.0], [-1.8, -3.2], [-2.2, -2.8], [-2.05, -3.05]];
const POST: [[f64; 2]; 4] = [[-1.2, -2.9], [-1.5, -2.5], [-1.1, -2.7], [-1.35, -2.6]];

/// Joint state of one pixel whose dates are `samples`.
fn state(samples: &[[f64; 2]]) -> [f64; 8] {
    let bands: [Vec<f64>; 2] = std::array::from_fn(|b| samples.iter().map(|s| s[b]).collect());
    let dates: Vec<usize> = (0..samples.len()).collect();
    let mut state = [0.0; 8];
    let layout = Layout { bands: 2, joint: true };
    fold(&[&bands[0], &bands[1]], &dates, 1, Transform::Identity, layout, &mut state, &Run::threads(1)).unwrap();
    state
}

#[test]
fn golden_hotelling() {
    let test = hotelling(state(&PRE), state(&POST));
    near(test.t2, 388.9625838614737, 1e-12, "T2");
    near(test.f, 170.17113043939474, 1e-12, "F");
    near(test.ln_p.exp() / 1.1619607178077005e-06, 1.0, 1e-12, "p");
}

#[test]
fn golden_ttest() {
    let (pre, post) = (state(&PRE), state(&POST));
    let test = pooled_t([pre[0], pre[1], pre[2]], [post[0], post[1], post[2]]);
    near(test.t, 7.171850929658971, 1e-12, "pooled_t");
    assert_eq!(test.df, 8.0);
    near(ln_p_student(test.t, test.df).exp() / 9.503255523109955e-05, 1.0, 1e-12, "pooled_p");
}

#[test]
fn golden_logratio_cfar() {
    let alphas = [0.05, 0.01, 0.001];
    for (enl, thresholds) in [
        (1.0, [3.6635616461296454, 5.293304824724491, 7.60040233450051]),
        (4.4, [1.4105623998125738, 1.9031831455253667, 2.526512100455451]),
        (4.9, [1.3277512935898201, 1.786734311307189, 2.363114215131188]),
    ] {
        for (alpha, threshold) in alphas.into_iter().zip(thresholds) {
            for (sign, direction) in [(1.0, 1), (-1.0, -1)] {
                let stack = [0.02, 0.02 * f64::exp(sign * threshold)];
                let groups = [Group { pre: vec![0], post: vec![1] }];
                let maps = Maps::of(&Options::new(Method::LogRatio { enl }, 1), &[&stack], &groups, 1);
                near(f64::from(maps.p_value[0]) / alpha, 1.0, 1e-6, "p at the CFAR threshold");
                near(f64::from(maps.statistic[0]), sign * threshold, 1e-6, "log ratio");
                assert_eq!(maps.direction[0], direction);
            }
        }
    }
}

#[test]
fn an_index_is_tested_as_it_is() {
    // The golden sample without exponential: the same t; the magnitude is the difference of means; negative numbers count.
    let values: Vec<f64> = PRE.iter().chain(&POST).map(|s| s[0]).collect();
    let groups = [Group { pre: (0..6).collect(), post: (6..10).collect() }];
    let index = |method, bands| Options { scale: Scale::Index, ..Options::new(method, bands) };
    let difference = POST.iter().map(|s| s[0]).sum::<f64>() / 4.0 - PRE.iter().map(|s| s[0]).sum::<f64>() / 6.0;
    for method in [Method::TTest, Method::Hotelling] {
        let maps = Maps::of(&index(method, 1), &[&values], &groups, 1);
        near(f64::from(maps.p_value[0]) / 9.503255523109955e-05, 1.0, 1e-6, "p");
        near(f64::from(maps.magnitude[0]), difference, 1e-6, "magnitude");
        assert_eq!((maps.direction[0], maps.n_pre[0], maps.n_post[0]), (1, 6, 4));
    }
    let mut maps = Maps::new(1, 1);
    let refused =
        before_after(&index(Method::LogRatio { enl: 4.4 }, 1), &[&values], &groups, 1, maps.out(), &Run::threads(1));
    assert!(refused.unwrap_err().to_string().starts_with("method: got the log-ratio of an index"));
}

#[test]
fn ttest_joins_orbits_after_stouffer_and_bands_after_sidak() {
    // Band 0: the golden sample; band 1: the same values, all dates shuffled between before and after: no change.
    let power = |ln: f64| ln.exp();
    let (a, b) = (PRE.map(|s| power(s[0])), POST.map(|s| power(s[0])));
    let band0: Vec<f64> = a.into_iter().chain(b).collect();
    let band1 = vec![1.0, 2.0, 1.5, 1.2, 1.8, 1.4, 1.3, 1.7, 1.1, 1.9];
    let groups = [Group { pre: (0..6).collect(), post: (6..10).collect() }];
    let maps = Maps::of(&Options::new(Method::TTest, 2), &[&band0, &band1], &groups, 1);
    // One orbit: Stouffer's Z is the orbit's z, p its pooled p; Sidak over two bands.
    let p = 9.503255523109955e-05;
    near(f64::from(maps.p_value[0]) / (1.0 - (1.0 - p) * (1.0 - p)), 1.0, 1e-6, "Sidak");
    near((ln_sf_normal(f64::from(maps.statistic[0])) + 2_f64.ln()).exp() / p, 1.0, 1e-5, "Z");
    assert_eq!((maps.direction[0], maps.n_pre[0], maps.n_post[0], maps.n_orbits[0]), (1, 6, 4, 1));
    // Two orbits with the same data: Z = sqrt(2) z for equal weights.
    let twice: Vec<f64> = band0.iter().chain(&band0).copied().collect();
    let groups = [groups[0].clone(), Group { pre: (10..16).collect(), post: (16..20).collect() }];
    let both = Maps::of(&Options::new(Method::TTest, 1), &[&twice], &groups, 1);
    near(f64::from(both.statistic[0] / maps.statistic[0]), 2_f64.sqrt(), 1e-6, "two orbits");
    assert_eq!((both.n_pre[0], both.n_post[0], both.n_orbits[0]), (12, 8, 2));
}
