//! Joining orbits (Fisher, Stouffer) and bands (Sidak).

use super::evidence::{EFFECT, N_POST, N_PRE, ORBITS, SCORE, SHARED, WEIGHT, sign, two_sided_z};
use super::out::Verdict;
use super::{Method, Options};
use crate::distributions::elementary::{exp_m1, ln_1p};
use crate::distributions::{ln_sf_chi2_even, ln_sf_normal};
use crate::moments::{BLOCK, Field};

/// How independent relative orbits are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combine {
    /// `-2 sum ln p` against chi-square: orbits need not agree in sign.
    Fisher,
    /// Weighted sum of signed normal scores: more power where all orbits change in the same direction.
    Stouffer,
}

/// What the samples are: it decides what the moments are taken of and what a magnitude is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Linear power: tested on a scale on which it is nearly normal; a magnitude is a ratio in decibels.
    Power,
    /// An index: tested as it is; a magnitude is a difference of means.
    Index,
}

impl Scale {
    /// Magnitude of one unit of effect: decibels of a natural logarithm, or the difference itself.
    pub(super) fn unit(self) -> f64 {
        match self {
            Self::Power => 10.0 / std::f64::consts::LN_10,
            Self::Index => 1.0,
        }
    }
}

/// Evidence of one unit (all bands, or one of them) at one pixel, joined over orbits.
#[derive(Clone, Copy)]
pub(super) struct Joined {
    /// Logarithm of p; NaN without a tested orbit.
    pub ln_p: f64,
    /// Stouffer's Z; NaN for Fisher.
    pub z: f64,
}

impl Combine {
    /// Join the orbits of pixel `i`.
    pub(super) fn join(self, evidence: &[Field], i: usize) -> Joined {
        let orbits = evidence[ORBITS][i];
        if orbits == 0.0 {
            return Joined { ln_p: f64::NAN, z: f64::NAN };
        }
        match self {
            Self::Fisher => Joined { ln_p: ln_sf_chi2_even(-2.0 * evidence[SCORE][i], orbits as usize), z: f64::NAN },
            Self::Stouffer => {
                let z = evidence[SCORE][i] / evidence[WEIGHT][i].sqrt();
                Joined { ln_p: (std::f64::consts::LN_2 + ln_sf_normal(z.abs())).min(0.0), z }
            }
        }
    }
}

/// Judge bands that were tested on their own: the one with the smallest p decides, corrected after Sidak.
pub(super) fn finish_bands(options: &Options, evidence: &[Field], count: usize, verdict: &mut Verdict) {
    let band = |b: usize| &evidence[b * (SHARED + EFFECT)..(b + 1) * (SHARED + EFFECT)];
    for i in 0..count.min(BLOCK) {
        let joined: [Joined; 2] = std::array::from_fn(|b| options.combine.join(band(b.min(options.bands - 1)), i));
        let chosen = if options.bands == 2 { choose(joined, [band(0), band(1)], i) } else { 0 };
        let other = joined[1 - chosen].ln_p;
        let corrected = options.bands == 2 && !other.is_nan();
        let unit = band(chosen);
        verdict.ln_p[i] = if corrected { sidak_of_two(joined[chosen].ln_p) } else { joined[chosen].ln_p };
        verdict.statistic[i] = statistic(options, joined[chosen], unit, i);
        verdict.direction[i] = sign(verdict.statistic[i]);
        (verdict.n_pre[i], verdict.n_post[i]) = (unit[N_PRE][i], unit[N_POST][i]);
        verdict.n_orbits[i] = unit[ORBITS][i];
        for b in 0..options.bands {
            // 0/0 without a tested orbit: NaN, as it should be.
            verdict.magnitude[b][i] = options.scale.unit() * band(b)[SHARED][i] / band(b)[WEIGHT][i];
        }
    }
}

/// The band with the smaller p; if none was tested the one with more valid dates; the first of two equals.
fn choose(joined: [Joined; 2], bands: [&[Field]; 2], i: usize) -> usize {
    let dates = |b: usize| bands[b][N_PRE][i] + bands[b][N_POST][i];
    let second = match (joined[0].ln_p.is_nan(), joined[1].ln_p.is_nan()) {
        (false, false) => joined[1].ln_p < joined[0].ln_p,
        (true, true) => dates(1) > dates(0),
        (first_missing, _) => first_missing,
    };
    usize::from(second)
}

/// `ln(1 - (1 - p)^2)`, which is `ln(p (2 - p))`.
fn sidak_of_two(ln_p: f64) -> f64 {
    (ln_p + ln_1p(-exp_m1(ln_p))).min(0.0)
}

fn statistic(options: &Options, joined: Joined, unit: &[Field], i: usize) -> f64 {
    let effect = unit[SHARED][i] / unit[WEIGHT][i];
    match (options.method, options.combine) {
        (Method::LogRatio { .. }, _) => effect,
        (_, Combine::Stouffer) => joined.z,
        (_, Combine::Fisher) => sign(effect) * two_sided_z(joined.ln_p),
    }
}
