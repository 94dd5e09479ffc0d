//! Change tests against golden values and a slow, obvious reference.
#![allow(clippy::excessive_precision, clippy::unwrap_used)]

mod simulation;

use kararaster_core::bands::Run;
use kararaster_core::change::{Combine, Group, Method, Options, before_after};
use kararaster_core::distributions::ln_sf_normal;
use simulation::{Maps, Noise, joint_samples, near, simulate};

#[test]
fn hotelling_with_fisher_is_the_slow_reference() {
    let mut noise = Noise(11);
    for (pixels, orbits) in [(523, 1), (777, 2), (100, 4)] {
        let dates = 11 * orbits;
        let stack = simulate(2, dates, pixels, 0.15);
        let mut groups = vec![Group::default(); orbits];
        for date in 0..dates {
            let group = &mut groups[date % orbits];
            if noise.uniform() < 0.6 { group.pre.push(date) } else { group.post.push(date) }
        }
        let options = Options::new(Method::Hotelling, 2);
        let maps = Maps::of(&options, &[&stack[0], &stack[1]], &groups, pixels);
        for i in 0..pixels {
            let slow = slow_hotelling(&stack, &groups, pixels, i);
            assert_eq!((maps.n_pre[i], maps.n_post[i], maps.n_orbits[i]), slow.counts, "counts of pixel {i}");
            assert_eq!(maps.direction[i], slow.direction, "direction of pixel {i}");
            assert_eq!(maps.statistic[i].is_nan(), slow.counts.2 == 0);
            if slow.counts.2 > 0 {
                near(f64::from(maps.neg_log10_p[i]), -slow.ln_p / std::f64::consts::LN_10, 2e-6, "-log10 p");
                near(f64::from(maps.p_value[i]), slow.ln_p.exp(), 2e-6, "p");
                near(ln_sf_normal(f64::from(maps.statistic[i])), slow.ln_p, 2e-6, "normal score");
                near(f64::from(maps.magnitude[i]), slow.magnitude[0], 2e-6, "magnitude of band 0");
                near(f64::from(maps.magnitude[pixels + i]), slow.magnitude[1], 2e-6, "magnitude of band 1");
            }
        }
    }
}

struct Slow {
    ln_p: f64,
    magnitude: [f64; 2],
    direction: i8,
    counts: (u16, u16, u8),
}

fn slow_hotelling(stack: &[Vec<f32>], groups: &[Group], pixels: usize, i: usize) -> Slow {
    let mut slow = Slow { ln_p: 0.0, magnitude: [0.0; 2], direction: 0, counts: (0, 0, 0) };
    let (mut x, mut weights, mut signs) = (0.0, 0.0, Vec::new());
    for group in groups {
        let (pre, post) = (joint_samples(stack, &group.pre, pixels, i), joint_samples(stack, &group.post, pixels, i));
        let (n1, n2) = (pre.len() as f64, post.len() as f64);
        (slow.counts.0, slow.counts.1) = (slow.counts.0 + pre.len() as u16, slow.counts.1 + post.len() as u16);
        if pre.len() < 3 || post.len() < 2 {
            continue;
        }
        slow.counts.2 += 1;
        let mean =
            |s: &[[f64; 2]], b: usize, power: f64| s.iter().map(|s| s[b].powf(power)).sum::<f64>() / s.len() as f64;
        let covariance = |b: usize, c: usize| {
            let part = |s: &[[f64; 2]]| {
                let (m_b, m_c) = (mean(s, b, 0.25), mean(s, c, 0.25));
                s.iter().map(|s| (s[b].powf(0.25) - m_b) * (s[c].powf(0.25) - m_c)).sum::<f64>()
            };
            (part(&pre) + part(&post)) / (n1 + n2 - 2.0)
        };
        let d: [f64; 2] = std::array::from_fn(|b| mean(&post, b, 0.25) - mean(&pre, b, 0.25));
        let (aa, ab, bb) = (covariance(0, 0), covariance(0, 1), covariance(1, 1));
        let form = (d[0] * d[0] * bb - 2.0 * d[0] * d[1] * ab + d[1] * d[1] * aa) / (aa * bb - ab * ab);
        let weight = n1 * n2 / (n1 + n2);
        let f = (n1 + n2 - 3.0) / (2.0 * (n1 + n2 - 2.0)) * weight * form;
        // P(F(2, m) > f) = (1 + 2 f / m)^(-m/2)
        x -= 2.0 * (1.0 + 2.0 * f / (n1 + n2 - 3.0)).powf(-(n1 + n2 - 3.0) / 2.0).ln();
        for b in 0..2 {
            let ratio = mean(&post, b, 1.0) / mean(&pre, b, 1.0);
            slow.magnitude[b] += weight * 10.0 * ratio.log10();
            signs.push(if ratio > 1.0 { 1 } else { -1 });
        }
        weights += weight;
    }
    slow.magnitude = slow.magnitude.map(|m| m / weights);
    if !signs.is_empty() && signs.iter().all(|s| *s == signs[0]) {
        slow.direction = signs[0];
    }
    // Upper tail of chi-square with 2 K degrees of freedom: e^-h sum of h^j / j!.
    let (h, mut term, mut sum) = (x / 2.0, 1.0, 0.0);
    for j in 0..slow.counts.2 {
        sum += term;
        term *= h / f64::from(j + 1);
    }
    slow.ln_p = sum.ln() - h;
    slow
}

#[test]
fn opposite_orbits_cancel_for_stouffer_but_not_for_fisher() {
    let up = [1.0, 1.1, 0.9, 1.05, 2.0, 2.2, 2.1];
    let down = [2.0, 2.2, 2.1, 1.9, 1.0, 1.1, 1.05];
    let stack: Vec<f64> = up.into_iter().chain(down).collect();
    let group = |first: usize| Group { pre: (first..first + 4).collect(), post: (first + 4..first + 7).collect() };
    let mut options = Options::new(Method::Hotelling, 1);
    let fisher = Maps::of(&options, &[&stack], &[group(0), group(7)], 1);
    options.combine = Combine::Stouffer;
    let stouffer = Maps::of(&options, &[&stack], &[group(0), group(7)], 1);
    assert!(fisher.neg_log10_p[0] > 5.0 && stouffer.neg_log10_p[0] < 0.5);
    assert_eq!((fisher.direction[0], stouffer.direction[0]), (0, 0));
}

#[test]
fn what_cannot_be_tested_is_nan_with_counts() {
    let (nan, groups) = (f64::NAN, [Group { pre: vec![0, 1, 2], post: vec![3, 4] }]);
    // Pixels: too few before; all NaN; constant; zero and negative power; infinite.
    let columns = [
        [nan, 1.0, 2.0, 3.0, 4.0],
        [nan; 5],
        [3.0; 5],
        [1.0, 2.0, 0.0, -1.0, 3.0],
        [1.0, 2.0, f64::INFINITY, 3.0, 4.0],
    ];
    let stack: Vec<f64> = (0..5).flat_map(|date| columns.map(|c| c[date])).collect();
    let counts = [(2, 2), (0, 0), (3, 2), (2, 1), (2, 2)];
    for bands in [1, 2] {
        let layers = vec![stack.as_slice(); bands];
        let maps = Maps::of(&Options::new(Method::Hotelling, bands), &layers, &groups, 5);
        for (i, count) in counts.into_iter().enumerate() {
            assert!(maps.statistic[i].is_nan() && maps.p_value[i].is_nan() && maps.neg_log10_p[i].is_nan());
            assert!(maps.magnitude.iter().all(|m| m.is_nan()));
            assert_eq!((maps.direction[i], maps.n_orbits[i]), (0, 0));
            assert_eq!((maps.n_pre[i], maps.n_post[i]), count);
        }
        let maps = Maps::of(&Options::new(Method::TTest, bands), &layers, &groups, 5);
        assert_eq!((maps.statistic[2], maps.p_value[2], maps.n_orbits[2]), (0.0, 1.0, 1), "constant data: t = 0");
        assert!(
            [0, 1, 3, 4].iter().all(|&i| maps.statistic[i].is_nan() && (maps.n_pre[i], maps.n_post[i]) == counts[i])
        );
    }
}

#[test]
fn a_band_without_data_is_no_second_chance() {
    let band = [1.0, 1.2, 0.9, 2.0, 2.3, 2.1];
    let missing = [f64::NAN; 6];
    let groups = [Group { pre: vec![0, 1, 2], post: vec![3, 4, 5] }];
    let alone = Maps::of(&Options::new(Method::TTest, 1), &[&band], &groups, 1);
    let both = Maps::of(&Options::new(Method::TTest, 2), &[&missing, &band], &groups, 1);
    assert_eq!(alone.p_value, both.p_value, "no Sidak correction for a band that is not there");
    assert_eq!((both.n_pre[0], both.n_orbits[0], both.direction[0]), (3, 1, 1));
    assert!(both.magnitude[0].is_nan() && both.magnitude[1] == alone.magnitude[0]);
}

#[test]
fn wrong_arguments_are_named() {
    let stack = [1.0_f32; 6];
    let group = [Group { pre: vec![0], post: vec![9] }];
    let tried = |options: Options, bands: &[&[f32]]| {
        let mut maps = Maps::new(2, options.bands);
        before_after(&options, bands, &group, 2, maps.out(), &Run::threads(1)).unwrap_err().to_string()
    };
    let good = Options::new(Method::Hotelling, 1);
    assert!(tried(good, &[&stack]).starts_with("dates: got 9"));
    assert!(tried(good, &[&stack[..5]]).starts_with("bands: got shape 5"));
    assert!(tried(Options { bands: 3, ..good }, &[&stack]).starts_with("bands: got 3"));
    assert!(tried(Options { min_post: 0, ..good }, &[&stack]).starts_with("min_post: got 0"));
    assert!(tried(Options::new(Method::LogRatio { enl: 0.0 }, 1), &[&stack]).starts_with("enl: got 0"));
}
