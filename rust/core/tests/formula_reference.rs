//! Formulas against a slow interpreter that bounds its own error, and the errors of formulas that cannot be read.
#![allow(clippy::unwrap_used)]

mod expressions;
mod images;

use expressions::{Expression, Known, random_expression};
use images::{Random, assert_ulp};
use kararaster_core::bands::Run;
use kararaster_core::error::Error;
use kararaster_core::formula::{Program, symbols};
use kararaster_core::optical::{Pixels, Scaling};

const NONE: f64 = f64::NAN;
const PIXELS: usize = 1500;

/// Bands of all dtypes with nodata, zeros and NaN.
struct Scene {
    a: Vec<u16>,
    b: Vec<u16>,
    c: Vec<i16>,
    d: Vec<u8>,
    e: Vec<f32>,
    f: Vec<f64>,
}

const SCALING: [(&str, Scaling); 6] = [
    ("A", Scaling { scale: 1e-4, offset: -0.1, invalid: [0.0, 65535.0] }),
    ("B", Scaling { scale: 1e-4, offset: -0.1, invalid: [0.0, 65535.0] }),
    ("C", Scaling { scale: 2.75e-5, offset: -0.2, invalid: [-9999.0, NONE] }),
    ("D", Scaling { scale: 0.004, offset: 0.0, invalid: [255.0, NONE] }),
    ("E", Scaling::NONE),
    ("F", Scaling { scale: 1.0, offset: 0.0, invalid: [-1.0, NONE] }),
];

impl Scene {
    fn new(pixels: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut draw = |most: usize, special: [f64; 4]| -> Vec<f64> {
            let pixel = |_| match random.below(40) {
                i @ 0..4 => special[i],
                _ => random.below(most) as f64,
            };
            (0..pixels).map(pixel).collect()
        };
        let float = [NONE, f64::INFINITY, 0.0, -1.0];
        Self {
            a: draw(9000, [0.0, 65535.0, 1000.0, 1.0]).iter().map(|&x| x as u16).collect(),
            b: draw(9000, [0.0, 65535.0, 1000.0, 1.0]).iter().map(|&x| x as u16).collect(),
            c: draw(30000, [-9999.0, 0.0, -5.0, 7.0]).iter().map(|&x| x as i16).collect(),
            d: draw(250, [255.0, 0.0, 1.0, 250.0]).iter().map(|&x| x as u8).collect(),
            e: draw(1000, float).iter().map(|&x| if x > 0.0 { x as f32 / 1000.0 } else { x as f32 }).collect(),
            f: draw(1000, float).iter().map(|&x| if x > 0.0 { x / 700.0 } else { x }).collect(),
        }
    }

    fn bands(&self) -> [Pixels<'_>; 6] {
        [
            Pixels::U16(&self.a),
            Pixels::U16(&self.b),
            Pixels::I16(&self.c),
            Pixels::U8(&self.d),
            Pixels::F32(&self.e),
            Pixels::F64(&self.f),
        ]
    }

    /// The reflectance of band `band` at pixel `i`, if it is known.
    fn reflectance(&self, band: usize, i: usize, valid: Option<[f64; 2]>) -> Option<f64> {
        let samples =
            [self.a[i].into(), self.b[i].into(), self.c[i].into(), self.d[i].into(), self.e[i].into(), self.f[i]];
        let (dn, Scaling { scale, offset, invalid }) = (samples[band], SCALING[band].1);
        let value = if band == 2 { dn * scale + offset } else { (dn + (offset / scale).round()) * scale };
        let valid = valid.is_none_or(|[low, high]| value >= low && value <= high);
        (dn.is_finite() && !invalid.contains(&dn) && valid).then_some(value)
    }
}

fn compute(scene: &Scene, formulas: &[&str], valid: Option<[f64; 2]>, run: &Run<'_>) -> Vec<Vec<f32>> {
    let program = Program::compile(formulas, &SCALING).unwrap();
    let mut out = vec![vec![7.0; scene.a.len()]; formulas.len()];
    program.run(&scene.bands(), valid, out.iter_mut().map(Vec::as_mut_slice).collect(), run).unwrap();
    out
}

fn bits(images: &[Vec<f32>]) -> Vec<Vec<u32>> {
    images.iter().map(|image| image.iter().map(|x| if x.is_nan() { u32::MAX } else { x.to_bits() }).collect()).collect()
}

#[track_caller]
fn assert_near(got: f32, want: Known, about: &str) {
    match want {
        Known::Missing => assert!(got.is_nan(), "{about}: got {got:e}, want NaN"),
        Known::Unsure => {}
        Known::Value { value, error } => {
            let rounded = value as f32;
            let next = f32::from_bits(rounded.abs().to_bits() + 1);
            let ulp = f64::from(next - rounded.abs());
            let difference = (f64::from(got) - f64::from(rounded)).abs();
            assert!(difference <= ulp + error, "{about}: got {got:e}, want {value:e} to {error:e}");
        }
    }
}

#[test]
fn random_formulas_are_right_to_one_unit_in_the_last_place() {
    let mut random = Random::new(11);
    let scene = Scene::new(PIXELS, 5);
    let names: Vec<&str> = SCALING.iter().map(|(name, _)| *name).collect();
    let mut sure = 0;
    for round in 0..300 {
        let expression = random_expression(&mut random, &names, 1 + round % 5);
        let (formula, valid) = (expression.written(), (round % 3 == 0).then_some([0.0, 0.9]));
        let got = compute(&scene, &[&formula], valid, &Run::threads(1));
        for (i, got) in got[0].iter().enumerate() {
            let want = expression.value(&|band| scene.reflectance(band, i, valid));
            sure += usize::from(matches!(want, Known::Value { .. }));
            assert_near(*got, want, &format!("{formula} at {i}"));
        }
    }
    assert!(sure > 50 * PIXELS, "only {sure} pixels could be compared");
}

#[test]
fn company_threads_and_cuts_do_not_change_bytes() {
    let mut random = Random::new(23);
    let scene = Scene::new(200_000, 6);
    let names: Vec<&str> = SCALING.iter().map(|(name, _)| *name).collect();
    let mut expressions: Vec<Expression> = (0..30).map(|i| random_expression(&mut random, &names, 1 + i % 4)).collect();
    expressions.extend(expressions.clone().into_iter().map(Expression::turned));
    let formulas: Vec<String> = expressions.iter().map(Expression::written).collect();
    let formulas: Vec<&str> = formulas.iter().map(String::as_str).collect();
    let together = bits(&compute(&scene, &formulas, None, &Run::threads(1)));
    for threads in [2, 7] {
        assert!(bits(&compute(&scene, &formulas, None, &Run::threads(threads))) == together, "{threads} threads");
    }
    for (formula, together) in formulas.iter().zip(&together) {
        assert!(bits(&compute(&scene, &[formula], None, &Run::threads(1)))[0] == *together, "{formula} alone");
    }
    let small = Scene::new(1000, 6);
    let program = Program::compile(&formulas, &SCALING).unwrap();
    let whole = bits(&compute(&small, &formulas, None, &Run::threads(1)));
    for cut in [0, 1, 255, 256, 257, 999] {
        let mut out = vec![vec![0.0; 1000]; formulas.len()];
        for part in [0..cut, cut..1000] {
            let bands = small.bands().map(|band| band.cut(part.clone()));
            let out = out.iter_mut().map(|out| &mut out[part.clone()]).collect();
            program.run(&bands, None, out, &Run::threads(1)).unwrap();
        }
        assert!(bits(&out) == whole, "cut at {cut}");
    }
}

fn difference(a: Pixels<'_>, b: Pixels<'_>, scaling: [Scaling; 2]) -> Vec<f32> {
    let symbols = [("A", scaling[0]), ("B", scaling[1])];
    let mut out = vec![0.0; a.len()];
    let program = Program::compile(&["(A - B)/(A + B)"], &symbols).unwrap();
    program.run(&[a, b], None, vec![&mut out], &Run::threads(1)).unwrap();
    out
}

#[test]
fn normalized_difference_of_integers() {
    let mut random = Random::new(3);
    let (a, b): (Vec<u16>, Vec<u16>) =
        (0..20_000).map(|_| (random.below(9000) as u16, random.below(65536) as u16)).unzip();
    let offset = Scaling { scale: 1e-4, offset: -0.1, invalid: [0.0, NONE] };
    let other = Scaling { scale: 2e-4, offset: 0.05, invalid: [NONE; 2] };
    for scaling in [[offset; 2], [offset, other]] {
        for ((&a, &b), got) in a.iter().zip(&b).zip(difference(Pixels::U16(&a), Pixels::U16(&b), scaling)) {
            // Reflectance in units of 1e-4, exactly.
            let (x, y) = (f64::from(a) - 1000.0, f64::from(b));
            let y = if scaling[1].scale == offset.scale { y - 1000.0 } else { 2.0 * y + 500.0 };
            let missing = a == 0 || (b == 0 && scaling[1].scale == offset.scale) || x + y == 0.0;
            assert_ulp(got, if missing { NONE } else { (x - y) / (x + y) });
        }
    }
    let plain = Scaling { offset: 0.0, invalid: [NONE; 2], ..offset };
    assert_eq!(difference(Pixels::U8(&[3, 0]), Pixels::U8(&[1, 0]), [plain; 2])[0], 0.5);
    let signed = difference(
        Pixels::I16(&[-9999, 5, 5]),
        Pixels::I16(&[4, -5, 0]),
        [Scaling { scale: 1.0, offset: 0.0, invalid: [-9999.0, NONE] }; 2],
    );
    assert!(signed[0].is_nan() && signed[1].is_nan() && signed[2] == 1.0, "{signed:?}");
}

#[test]
fn normalized_difference_of_floats() {
    let plain = Scaling { scale: 1.0, offset: 0.0, invalid: [-0.1, NONE] };
    let a = [0.35_f32, f32::NAN, f32::INFINITY, 0.2, 0.0, -0.1, 0.3, 1e-30];
    let b = [0.06_f32, 0.1, 0.1, f32::NEG_INFINITY, 0.0, 0.5, -0.3, 3e-30];
    let got = difference(Pixels::F32(&a), Pixels::F32(&b), [plain; 2]);
    let (x, y) = (f64::from(a[0]), f64::from(b[0]));
    assert_ulp(got[0], (x - y) / (x + y));
    assert!(got[1..7].iter().all(|x| x.is_nan()), "{got:?}");
    assert_ulp(got[7], (f64::from(a[7]) - f64::from(b[7])) / (f64::from(a[7]) + f64::from(b[7])));
    let wide = difference(Pixels::F64(&[0.35]), Pixels::F64(&[0.06]), [plain; 2]);
    assert_ulp(wide[0], (0.35 - 0.06) / (0.35 + 0.06));
}

#[test]
fn a_difference_of_two_integer_bands_is_the_same_on_both_roads() {
    let scene = Scene::new(100_000, 8);
    let bands = [Pixels::U16(&scene.a), Pixels::U16(&scene.b)];
    for (offset, marks) in [(-0.1, [0.0, 65535.0]), (-0.1, [NONE; 2]), (0.0, [0.0, NONE]), (0.7, [0.0, NONE])] {
        let scaling = Scaling { scale: 1e-4, offset, invalid: marks };
        let symbols = [("N", scaling), ("R", scaling)];
        for formula in ["(N - R)/(N + R)", "(R - N)/(N + R)", "-((N - R)/(R + N))"] {
            let run = |formulas: &[&str]| {
                let program = Program::compile(formulas, &symbols).unwrap();
                let mut out = vec![vec![0.0; scene.a.len()]; formulas.len()];
                let dst = out.iter_mut().map(Vec::as_mut_slice).collect();
                program.run(&bands, None, dst, &Run::threads(1)).unwrap();
                bits(&out)
            };
            assert!(run(&[formula])[0] == run(&["N + R", formula])[1], "{formula} with offset {offset}");
        }
    }
}

/// The value of a formula of constants, at one pixel.
fn constant(formula: &str) -> f32 {
    let mut out = [0.0];
    Program::compile(&[formula], &[]).unwrap().run(&[], None, vec![&mut out], &Run::threads(1)).unwrap();
    out[0]
}

#[test]
fn operators_bind_as_in_python() {
    let known = [
        ("-2**2", -4.0),
        ("2**-1", 0.5),
        ("2^3^2", 512.0),
        ("7-2-1", 4.0),
        ("8/4/2", 1.0),
        ("2+3*4", 14.0),
        ("-(1 - 3)*+2", 4.0),
        (" .5e1 + 1e-1 + 2.\n", 7.1),
        ("max(1, 3, 2) - min(4, 2)", 1.0),
        ("sqrt(abs(-9)) + ln(exp(2)) + log10(1000)", 8.0),
        ("(-8)**3 + (-8)**-1 + 9**0.5 + 0**0", -508.125 - 0.0 + 0.0),
        ("(-2)**17 + 2**0.25", -131_070.81),
    ];
    for (formula, want) in known {
        assert_eq!(constant(formula), want, "{formula}");
    }
    for formula in
        ["1/0", "0**-1", "ln(0)", "ln(-1)", "sqrt(-1)", "(-8)**0.5", "1e39", "exp(800)", "min(1, 0/0)", "(0/0)**0"]
    {
        assert!(constant(formula).is_nan(), "{formula}: {}", constant(formula));
    }
}

#[track_caller]
fn refused(formula: &str, at: usize, got: &str, want: &str) {
    let scaling = Scaling::NONE;
    let error = Program::compile(&[formula], &[("N", scaling), ("R", scaling)]).unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, Error::Formula { .. }), "{message}");
    assert!(message.starts_with(&format!("formula: got {got} at character {at}, want {want}")), "{message}");
}

#[test]
fn errors_point_at_the_character() {
    let operand = "a number, a band or '('";
    refused("(N-R)/)", 7, "')'", operand);
    refused("", 1, "the end", operand);
    refused("(N-R", 5, "the end", "an operator or ')'");
    refused("N R", 3, "'R'", "an operator or the end");
    refused("N)", 2, "')'", "an operator or the end");
    refused("N * / R", 5, "'/'", operand);
    refused("(N - NIR)/2", 6, "'NIR'", "a band (N, R)");
    refused("N − R", 3, "'−'", "a number, a name, an operator or a parenthesis");
    refused("N + sin(R)", 5, "'sin'", "a function (sqrt, abs, min, max, exp, ln, log10)");
    refused("min(N) + 1", 1, "'min'", "two arguments or more (got 1)");
    refused("1 + sqrt(N, R)", 5, "'sqrt'", "one argument (got 2)");
    refused("1e999 + N", 1, "'1e999'", "a finite number");
    refused("2e + N", 2, "'e'", "an operator or the end");
    refused(".", 1, "'.'", "a finite number");
    let nested = "(".repeat(100_000);
    refused(&nested, 10_001, "'('", "the end: a formula has at most 10000 characters");
    refused(&nested[..9000], 101, "'('", "at most 100");
    refused(&"-".repeat(9000), 101, "'-'", "at most 100");
    refused(&"2^".repeat(3000), 201, "'2'", "at most 100");
    let error = symbols("(N-R)/)").unwrap_err().to_string();
    assert_eq!(error, "formula: got ')' at character 7, want a number, a band or '('\n(N-R)/)\n      ^");
    let far = format!("{}+)+{}", "N+".repeat(80) + "N", "N".repeat(200));
    let pointed = symbols(&far).unwrap_err().to_string();
    let lines: Vec<&str> = pointed.lines().collect();
    assert_eq!((lines[1].len(), lines[1].chars().nth(lines[2].len() - 1)), (100, Some(')')), "{pointed}");
}

#[test]
fn long_formulas_and_many_symbols() {
    assert_eq!(symbols("(N - sqrt(R))/(N + B_1) + exp").unwrap(), ["N", "R", "B_1", "exp"]);
    assert!(symbols("1 + 2").unwrap().is_empty());
    let sum = "1+".repeat(4999) + "1";
    assert_eq!(constant(&sum), 5000.0);
}

#[test]
fn sizes_and_counts_are_checked() {
    let one = [0.5_f32];
    let program = Program::compile(&["2 * N", "N/(N - N)"], &[("N", Scaling::NONE)]).unwrap();
    let run = Run::threads(3);
    let (mut twice, mut never) = ([0.0], [0.0]);
    program.run(&[Pixels::F32(&one)], None, vec![&mut twice, &mut never], &run).unwrap();
    assert!(twice == [1.0] && never[0].is_nan());
    program.run(&[Pixels::F32(&[])], None, vec![&mut [], &mut []], &run).unwrap();
    let few = program.run(&[Pixels::F32(&one)], None, vec![&mut twice], &run);
    assert!(matches!(few, Err(Error::Shape { name: "out", .. })), "{few:?}");
    let long = program.run(&[Pixels::F32(&[1.0, 2.0])], None, vec![&mut twice, &mut never], &run);
    assert!(matches!(long, Err(Error::Shape { name: "bands", .. })), "{long:?}");
    let flat = Scaling { scale: 0.0, ..Scaling::NONE };
    assert!(matches!(Program::compile(&["N"], &[("N", flat)]), Err(Error::Parameter { name: "scale", .. })));
}
