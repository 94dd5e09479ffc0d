//! Run-time choice of the instruction set.
//!
//! A kernel writes one generic body and [`dispatch!`](crate::dispatch) compiles it twice: for the baseline of the platform and for AVX2. Both
//! copies do the same IEEE operations in the same order a pixel (no fused multiply-add, no lane-dependent association), so
//! the bytes do not depend on the machine. `KARARASTER_SIMD=baseline` forces the baseline copy (used by the tests).

use std::ops::{Add, Div, Mul, Sub};
use std::sync::OnceLock;

use crate::raster::Real;

/// Whether the AVX2 copies may be used on this machine.
pub fn avx2() -> bool {
    static AVX2: OnceLock<bool> = OnceLock::new();
    *AVX2.get_or_init(|| {
        let forced = std::env::var_os("KARARASTER_SIMD").is_some_and(|v| v == "baseline");
        !forced && detected()
    })
}

#[cfg(target_arch = "x86_64")]
fn detected() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

#[cfg(not(target_arch = "x86_64"))]
fn detected() -> bool {
    false
}

/// Define `fn $name` that runs the `#[inline(always)]` body `$body` compiled for AVX2 where the machine has it, else for
/// the baseline. Generic parameters are listed once: `dispatch!(pub fn lee_row = lee_row_body[T: Real](src: &[T], dst: &mut [T]));`
#[macro_export]
macro_rules! dispatch {
    ($(#[$meta:meta])* $vis:vis fn $name:ident = $body:ident $([$($g:ident : $bound:path),*])? ($($a:ident : $t:ty),* $(,)?) $(-> $r:ty)?) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name $(<$($g: $bound),*>)? ($($a: $t),*) $(-> $r)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                #[allow(clippy::too_many_arguments)]
                fn wide $(<$($g: $bound),*>)? ($($a: $t),*) $(-> $r)? { $body($($a),*) }
                if $crate::simd::avx2() {
                    // SAFETY: `avx2()` has just confirmed that this machine executes AVX2.
                    return unsafe { wide($($a),*) };
                }
            }
            $body($($a),*)
        }
    };
}

/// `N` neighbouring pixels that are computed together: arithmetic pixel by pixel, which compilers turn into vectors of
/// whatever width a machine has.
#[derive(Debug, Clone, Copy)]
pub struct Lanes<T, const N: usize>(pub [T; N]);

impl<T: Real, const N: usize> Lanes<T, N> {
    /// The same value everywhere.
    #[inline(always)]
    pub fn splat(x: f64) -> Self {
        Self([T::from_f64(x); N])
    }

    /// The first `N` pixels of `from`.
    #[inline(always)]
    pub fn load(from: &[T]) -> Self {
        let mut lanes = [T::from_f64(0.0); N];
        lanes.copy_from_slice(&from[..N]);
        Self(lanes)
    }

    /// Write to the first `N` pixels of `to`.
    #[inline(always)]
    pub fn store(self, to: &mut [T]) {
        to[..N].copy_from_slice(&self.0);
    }

    /// `f` of each pixel.
    #[inline(always)]
    pub fn map(self, f: impl Fn(T) -> T) -> Self {
        let mut out = self.0;
        for x in &mut out {
            *x = f(*x);
        }
        Self(out)
    }

    /// `f` of each pair of pixels.
    #[inline(always)]
    pub fn zip(self, other: Self, f: impl Fn(T, T) -> T) -> Self {
        let mut out = self.0;
        for (x, &y) in out.iter_mut().zip(&other.0) {
            *x = f(*x, y);
        }
        Self(out)
    }

    /// The smaller of each pair.
    #[inline(always)]
    pub fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }

    /// The larger of each pair.
    #[inline(always)]
    pub fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    /// `yes` where `self < limit`, else `no`.
    #[inline(always)]
    pub fn if_below(self, limit: Self, yes: Self, no: Self) -> Self {
        let mut out = no.0;
        for (((out, &x), &limit), &yes) in out.iter_mut().zip(&self.0).zip(&limit.0).zip(&yes.0) {
            *out = if x < limit { yes } else { *out };
        }
        Self(out)
    }
}

macro_rules! lanewise {
    ($trait:ident, $method:ident, $op:tt) => {
        impl<T: Real, const N: usize> $trait for Lanes<T, N> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                self.zip(other, |a, b| a $op b)
            }
        }
    };
}
lanewise!(Add, add, +);
lanewise!(Sub, sub, -);
lanewise!(Mul, mul, *);
lanewise!(Div, div, /);
