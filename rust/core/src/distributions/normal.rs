//! The normal tail and its inverse.

use super::elementary::{exp, horner, ln, ln_1p};
use super::gamma::HALF_LN_TAU;
use super::ln_gamma_upper;

/// `ln P(Z > z)` for a standard normal variable.
pub fn ln_sf_normal(z: f64) -> f64 {
    let upper = ln_gamma_upper(0.5, 0.5 * z * z) - std::f64::consts::LN_2;
    if z >= 0.0 { upper } else { ln_1p(-exp(upper)) }
}

/// Below this the rational approximation ends and [`isf_far`] begins.
pub(crate) const FAR_LN_P: f64 = -700.0;

/// The `z` with `ln P(Z > z) = ln_p`, for `ln_p < 0`; `-inf` for 0, `inf` for `-inf`, NaN for NaN.
pub fn normal_isf_from_ln_p(ln_p: f64) -> f64 {
    if ln_p < FAR_LN_P { isf_far(ln_p) } else { isf_near(ln_p) }
}

/// [`normal_isf_from_ln_p`] for `ln_p >= FAR_LN_P`, without branches.
///
/// Rational approximations of Wichura, Algorithm AS 241 (1988), doi 10.2307/2347330, fed with `sqrt(-ln p)`.
#[inline(always)]
pub(crate) fn isf_near(ln_p: f64) -> f64 {
    let q = 0.5 - exp(ln_p);
    let upper = q > 0.0;
    // 1 - p by its power series: used for p > 0.925 only.
    let series = [
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
    ];
    let complement = -ln_p * horner(ln_p, series);
    let ln_tail = if upper { ln_p } else { ln(complement) };
    let r = (-ln_tail).sqrt();
    let tail = if r <= 5.0 { tail_near(r - 1.6) } else { tail_far(r - 5.0) };
    let tail = if upper { tail } else { -tail };
    let z = if q.abs() <= 0.425 { q * centre(0.180_625 - q * q) } else { tail };
    if ln_p < 0.0 {
        z
    } else if ln_p == 0.0 {
        f64::NEG_INFINITY
    } else {
        f64::NAN
    }
}

#[inline(always)]
#[allow(clippy::excessive_precision)]
fn centre(r: f64) -> f64 {
    horner(
        r,
        [
            2.509_080_928_730_122_672_7e3,
            3.343_057_558_358_812_810_5e4,
            6.726_577_092_700_870_085_3e4,
            4.592_195_393_154_987_145_7e4,
            1.373_169_376_550_946_112_5e4,
            1.971_590_950_306_551_442_7e3,
            1.331_416_678_917_843_774_5e2,
            3.387_132_872_796_366_608_0,
        ],
    ) / horner(
        r,
        [
            5.226_495_278_852_854_561_0e3,
            2.872_908_573_572_194_267_4e4,
            3.930_789_580_009_271_061_0e4,
            2.121_379_430_158_659_586_7e4,
            5.394_196_021_424_751_107_7e3,
            6.871_870_074_920_579_083_0e2,
            4.231_333_070_160_091_125_2e1,
            1.0,
        ],
    )
}

#[inline(always)]
#[allow(clippy::excessive_precision)]
fn tail_near(r: f64) -> f64 {
    horner(
        r,
        [
            7.745_450_142_783_414_076_40e-4,
            2.272_384_498_926_918_458_33e-2,
            2.417_807_251_774_506_117_70e-1,
            1.270_458_252_452_368_382_58,
            3.647_848_324_763_204_605_04,
            5.769_497_221_460_691_405_50,
            4.630_337_846_156_545_295_90,
            1.423_437_110_749_683_577_34,
        ],
    ) / horner(
        r,
        [
            1.050_750_071_644_416_843_24e-9,
            5.475_938_084_995_344_946_00e-4,
            1.519_866_656_361_645_719_66e-2,
            1.481_039_764_274_800_745_90e-1,
            6.897_673_349_851_000_045_50e-1,
            1.676_384_830_183_803_849_40,
            2.053_191_626_637_758_821_87,
            1.0,
        ],
    )
}

#[inline(always)]
#[allow(clippy::excessive_precision)]
fn tail_far(r: f64) -> f64 {
    horner(
        r,
        [
            2.010_334_399_292_288_132_65e-7,
            2.711_555_568_743_487_578_15e-5,
            1.242_660_947_388_078_438_60e-3,
            2.653_218_952_657_612_309_30e-2,
            2.965_605_718_285_048_912_30e-1,
            1.784_826_539_917_291_335_80,
            5.463_784_911_164_114_369_90,
            6.657_904_643_501_103_777_20,
        ],
    ) / horner(
        r,
        [
            2.044_263_103_389_939_785_64e-15,
            1.421_511_758_316_445_888_70e-7,
            1.846_318_317_510_054_681_80e-5,
            7.868_691_311_456_132_591_00e-4,
            1.487_536_129_085_061_485_25e-2,
            1.369_298_809_227_358_053_10e-1,
            5.998_322_065_558_879_376_90e-1,
            1.0,
        ],
    )
}

/// [`normal_isf_from_ln_p`] for `ln_p < FAR_LN_P`: Newton's method on the asymptotic series of the tail (z > 37).
pub(crate) fn isf_far(ln_p: f64) -> f64 {
    if ln_p == f64::NEG_INFINITY {
        return f64::INFINITY;
    }
    let mut z = (-2.0 * ln_p).sqrt();
    for _ in 0..4 {
        let u = 1.0 / (z * z);
        let mills = horner(u, [-945.0, 105.0, -15.0, 3.0, -1.0, 1.0]);
        let error = -0.5 * z * z - ln(z) - HALF_LN_TAU + ln(mills) - ln_p;
        z += error * mills / z;
    }
    z
}
