//! Decibels and normalised differences against f64 references.
#![allow(clippy::unwrap_used)]

mod images;

use images::Random;
use kararaster_core::bands::Run;
use kararaster_core::decibel::{from_db, to_db};
use kararaster_core::error::Error;
use kararaster_core::optical::{Sample, Scaling, normalized_difference};

const NAN: f64 = f64::NAN;

#[test]
fn decibels_are_accurate_over_all_floats() {
    let run = Run::threads(1);
    let src: Vec<f32> = (1..0x7f80_0000_u32).step_by(4099).map(f32::from_bits).collect();
    let mut db = vec![0.0; src.len()];
    to_db(&src, &mut db, &run).unwrap();
    for (x, got) in src.iter().zip(&db) {
        let want = 10.0 * f64::from(*x).log10();
        let tolerance = 1e-5_f64.max(1.2e-7 * want.abs());
        assert!((f64::from(*got) - want).abs() <= tolerance, "{x:e}: {got}, want {want}");
    }
    let src: Vec<f32> = (0..400_000).map(|i| (i as f32 - 200_000.0) * 1.85e-3).collect();
    let mut linear = vec![0.0; src.len()];
    from_db(&src, &mut linear, &run).unwrap();
    for (x, got) in src.iter().zip(&linear) {
        let want = 10_f64.powf(f64::from(*x) / 10.0);
        let tolerance = (4e-7 * want).max(1e-45);
        assert!((f64::from(*got) - want).abs() <= tolerance, "{x} dB: {got:e}, want {want:e}");
    }
}

#[test]
fn decibels_of_what_has_none_are_nan() {
    let run = Run::threads(1);
    let src = [0.0, -0.0, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    let mut db = [0.0; 6];
    to_db(&src, &mut db, &run).unwrap();
    assert!(db.iter().all(|x| x.is_nan()), "{db:?}");
    let mut wide = [0.0; 6];
    to_db(&src.map(f64::from), &mut wide, &run).unwrap();
    assert!(wide.iter().all(|x| x.is_nan()), "{wide:?}");
    let mut linear = [0.0; 5];
    from_db(&[0.0, -1e9, f32::NAN, f32::INFINITY, f32::NEG_INFINITY], &mut linear, &run).unwrap();
    assert_eq!(linear[..2], [1.0, 0.0]);
    assert!(linear[2..].iter().all(|x| x.is_nan()), "{linear:?}");
    let mut pair = [0.0; 2];
    to_db(&[10.0, 2.0_f64], &mut pair, &run).unwrap();
    assert_eq!(pair, [10.0, 10.0 * 2_f64.log10()]);
    assert!(matches!(to_db(&[1.0_f32], &mut [], &run), Err(Error::Shape { name: "dst", .. })));
}

fn difference<S: Sample>(a: &[S], b: &[S], scaling: [Scaling; 2]) -> Vec<f32> {
    let mut out = vec![0.0; a.len()];
    normalized_difference(a, b, scaling, &mut out, &Run::threads(1)).unwrap();
    out
}

/// Within one unit in the last place of the f64 value rounded to f32.
#[track_caller]
fn assert_ulp(got: f32, want: f64) {
    let want = want as f32;
    if want.is_nan() {
        assert!(got.is_nan(), "got {got}, want NaN");
        return;
    }
    let near = got == want || got.to_bits().abs_diff(want.to_bits()) <= 1;
    assert!(near, "got {got:e}, want {want:e}");
}

#[test]
fn normalized_difference_of_integers() {
    let mut random = Random::new(3);
    let (a, b): (Vec<u16>, Vec<u16>) =
        (0..20_000).map(|_| (random.below(9000) as u16, random.below(65536) as u16)).unzip();
    let offset = Scaling { scale: 1e-4, offset: -0.1, invalid: [0.0, f64::NAN] };
    let other = Scaling { scale: 2e-4, offset: 0.05, invalid: [f64::NAN; 2] };
    for scaling in [[offset; 2], [offset, other]] {
        for ((&a, &b), got) in a.iter().zip(&b).zip(difference(&a, &b, scaling)) {
            // Reflectance in units of 1e-4, exactly.
            let (x, y) = (f64::from(a) - 1000.0, f64::from(b));
            let y = if scaling[1].scale == offset.scale { y - 1000.0 } else { 2.0 * y + 500.0 };
            let missing = a == 0 || (b == 0 && scaling[1].scale == offset.scale) || x + y == 0.0;
            assert_ulp(got, if missing { NAN } else { (x - y) / (x + y) });
        }
    }
    assert_eq!(difference(&[3_u8, 0], &[1, 0], [Scaling { offset: 0.0, invalid: [f64::NAN; 2], ..offset }; 2])[0], 0.5);
    let signed = difference(
        &[-9999_i16, 5, 5],
        &[4, -5, 0],
        [Scaling { scale: 1.0, offset: 0.0, invalid: [-9999.0, f64::NAN] }; 2],
    );
    assert!(signed[0].is_nan() && signed[1].is_nan() && signed[2] == 1.0, "{signed:?}");
}

#[test]
fn normalized_difference_of_floats() {
    let plain = Scaling { scale: 1.0, offset: 0.0, invalid: [-0.1, f64::NAN] };
    let a = [0.35_f32, f32::NAN, f32::INFINITY, 0.2, 0.0, -0.1, 0.3, 1e-30];
    let b = [0.06_f32, 0.1, 0.1, f32::NEG_INFINITY, 0.0, 0.5, -0.3, 3e-30];
    let got = difference(&a, &b, [plain; 2]);
    let (x, y) = (f64::from(a[0]), f64::from(b[0]));
    assert_ulp(got[0], (x - y) / (x + y));
    assert!(got[1..7].iter().all(|x| x.is_nan()), "{got:?}");
    assert_ulp(got[7], (f64::from(a[7]) - f64::from(b[7])) / (f64::from(a[7]) + f64::from(b[7])));
    let wide = difference(&[0.35_f64], &[0.06], [plain; 2]);
    assert_ulp(wide[0], (0.35 - 0.06) / (0.35 + 0.06));
    let mut out = [0.0];
    let call =
        |b: &[f32], s: Scaling, out: &mut [f32]| normalized_difference(&a[..1], b, [s; 2], out, &Run::threads(1));
    assert!(matches!(call(&b[..2], plain, &mut out), Err(Error::Shape { name: "b", .. })));
    let flat = Scaling { scale: 0.0, ..plain };
    assert!(matches!(call(&b[..1], flat, &mut out), Err(Error::Parameter { name: "scale", .. })));
}
