//! The bytes of the change maps depend neither on threads, nor on the road taken, nor on how the pixels were cut.
#![allow(clippy::unwrap_used)]

use kararaster_core::bands::Run;
use kararaster_core::change::{
    ChangeOut, Combine, Group, Method, Options, Scale, add_group, before_after, evidence_fields, finish,
};
use kararaster_core::moments::fold;

const DATES: usize = 17;

/// All maps of one run as bits, one row a pixel.
#[derive(Debug, Clone, PartialEq)]
struct Bits(Vec<[u32; 9]>);

fn collect(options: &Options, pixels: usize, work: impl FnOnce(ChangeOut<'_>)) -> Bits {
    let (mut s, mut p, mut d) = (vec![0.0; pixels], vec![0.0; pixels], vec![0.0; pixels]);
    let mut m = vec![0.0; pixels * options.bands];
    let (mut direction, mut orbits) = (vec![0; pixels], vec![0; pixels]);
    let (mut pre, mut post) = (vec![0; pixels], vec![0; pixels]);
    work(ChangeOut {
        statistic: &mut s,
        p_value: &mut p,
        neg_log10_p: &mut d,
        magnitude: &mut m,
        direction: &mut direction,
        n_pre: &mut pre,
        n_post: &mut post,
        n_orbits: &mut orbits,
    });
    let row = |i: usize| {
        [
            s[i].to_bits(),
            p[i].to_bits(),
            d[i].to_bits(),
            m[i].to_bits(),
            m[(options.bands - 1) * pixels + i].to_bits(),
            direction[i] as u32,
            u32::from(pre[i]),
            u32::from(post[i]),
            u32::from(orbits[i]),
        ]
    };
    Bits((0..pixels).map(row).collect())
}

fn fused(options: &Options, stack: &[Vec<f32>], groups: &[Group], pixels: usize, threads: usize) -> Bits {
    let bands: Vec<&[f32]> = stack.iter().map(Vec::as_slice).collect();
    collect(options, pixels, |out| {
        before_after(options, &bands, groups, pixels, out, &Run::threads(threads)).unwrap();
    })
}

/// The same by [`fold`] date by date, [`add_group`] and [`finish`].
fn stepwise(options: &Options, stack: &[Vec<f32>], groups: &[Group], pixels: usize, threads: usize) -> Bits {
    let bands: Vec<&[f32]> = stack.iter().map(Vec::as_slice).collect();
    let (run, layout) = (Run::threads(threads), options.layout());
    let mut evidence = vec![0.0; evidence_fields(options) * pixels];
    for group in groups {
        let state = |dates: &[usize]| {
            let mut state = vec![0.0; layout.fields() * pixels];
            for date in dates {
                fold(&bands, &[*date], pixels, options.transform(), layout, &mut state, &run).unwrap();
            }
            state
        };
        add_group(options, &state(&group.pre), &state(&group.post), pixels, &mut evidence, &run).unwrap();
    }
    collect(options, pixels, |out| finish(options, &evidence, pixels, out, &run).unwrap())
}

/// Pixels `range` of every date.
fn cut(stack: &[Vec<f32>], pixels: usize, range: std::ops::Range<usize>) -> Vec<Vec<f32>> {
    let dates = |band: &Vec<f32>| band.chunks(pixels).flat_map(|date| date[range.clone()].to_vec()).collect();
    stack.iter().map(dates).collect()
}

fn simulate(bands: usize, pixels: usize) -> Vec<Vec<f32>> {
    let mut state = 3_u64;
    let mut sample = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let u = (state >> 40) as f32 / 16_777_216.0;
        if u < 0.02 { f32::NAN } else { u * u + 0.01 }
    };
    (0..bands).map(|_| (0..DATES * pixels).map(|_| sample()).collect()).collect()
}

fn all_options(bands: usize) -> Vec<Options> {
    let methods = [Method::Hotelling, Method::TTest, Method::LogRatio { enl: 4.4 }];
    let with = |combine| methods.map(|method| Options { combine, ..Options::new(method, bands) });
    let of_index = |method| Options { scale: Scale::Index, ..Options::new(method, bands) };
    let indices = vec![of_index(Method::Hotelling), of_index(Method::TTest)];
    [with(Combine::Fisher).to_vec(), with(Combine::Stouffer).to_vec(), indices].concat()
}

fn groups() -> [Group; 2] {
    [
        Group { pre: vec![0, 2, 4, 6, 8, 10], post: vec![12, 14, 16] },
        Group { pre: vec![1, 3, 5, 7], post: vec![9, 11, 13, 15] },
    ]
}

#[test]
fn threads_do_not_enter() {
    let pixels = 3011;
    for bands in [1, 2] {
        let stack = simulate(bands, pixels);
        for options in all_options(bands) {
            let one = fused(&options, &stack, &groups(), pixels, 1);
            for threads in [2, 7] {
                assert_eq!(one, fused(&options, &stack, &groups(), pixels, threads), "{options:?} {threads}");
            }
        }
    }
}

#[test]
fn the_road_does_not_enter() {
    let pixels = 1201;
    for bands in [1, 2] {
        let stack = simulate(bands, pixels);
        for options in all_options(bands) {
            let fused = fused(&options, &stack, &groups(), pixels, 1);
            for threads in [1, 3] {
                assert_eq!(fused, stepwise(&options, &stack, &groups(), pixels, threads), "{options:?}");
            }
        }
    }
}

#[test]
fn the_cut_does_not_enter() {
    let pixels = 1500;
    let stack = simulate(2, pixels);
    for options in all_options(2) {
        let whole = fused(&options, &stack, &groups(), pixels, 2);
        let mut parts = Vec::new();
        for range in [0..1, 1..480, 480..487, 487..1500] {
            let part = cut(&stack, pixels, range.clone());
            parts.extend(fused(&options, &part, &groups(), range.len(), 1).0);
        }
        assert_eq!(whole, Bits(parts), "{options:?}");
    }
}

#[test]
fn no_pixels_no_orbits() {
    for options in all_options(2) {
        assert_eq!(fused(&options, &[vec![], vec![]], &groups(), 0, 2), Bits(Vec::new()));
        let none = fused(&options, &simulate(2, 5), &[], 5, 1);
        assert!(none.0.iter().all(|row| f32::from_bits(row[0]).is_nan() && row[5..] == [0, 0, 0, 0]));
    }
}
