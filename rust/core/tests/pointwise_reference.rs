//! Decibels and reflectance against f64 references.
#![allow(clippy::unwrap_used)]

mod images;

use images::assert_ulp;
use kararaster_core::bands::Run;
use kararaster_core::decibel::{from_db, to_db};
use kararaster_core::error::Error;
use kararaster_core::optical::{Scaling, reflectance};

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

#[test]
fn reflectance_of_every_digital_number() {
    let src: Vec<u16> = (0..=u16::MAX).collect();
    for offset in [0.0, -0.1] {
        let scaling = Scaling { scale: 1e-4, offset, invalid: [0.0, 65535.0] };
        let mut out = vec![0.0; src.len()];
        reflectance(&src, scaling, &mut out, &Run::threads(1)).unwrap();
        for (&dn, &got) in src.iter().zip(&out) {
            let shift = if offset == 0.0 { 0.0 } else { 1000.0 };
            let missing = dn == 0 || dn == u16::MAX;
            assert_ulp(got, if missing { NAN } else { (f64::from(dn) - shift) / 10_000.0 });
        }
        let mut threaded = vec![0.0; src.len()];
        reflectance(&src, scaling, &mut threaded, &Run::threads(7)).unwrap();
        assert!(out.iter().zip(&threaded).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
}

#[test]
fn reflectance_of_floats_and_its_refusals() {
    let run = Run::threads(1);
    let scaling = Scaling { scale: 1e-4, offset: 0.0, invalid: [-9999.0, NAN] };
    let mut out = [0.0; 4];
    reflectance(&[f32::NAN, f32::INFINITY, -9999.0, -132.0], scaling, &mut out, &run).unwrap();
    assert!(out[..3].iter().all(|x| x.is_nan()), "{out:?}");
    assert_ulp(out[3], -0.0132);
    assert!(matches!(reflectance(&[1_u8], scaling, &mut [], &run), Err(Error::Shape { name: "dst", .. })));
    let flat = Scaling { scale: 0.0, ..scaling };
    assert!(matches!(reflectance(&[1_i16], flat, &mut [0.0], &run), Err(Error::Parameter { name: "scale", .. })));
}
