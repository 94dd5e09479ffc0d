//! Run-time choice of the instruction set.
//!
//! A kernel writes one generic body and [`dispatch!`](crate::dispatch) compiles it twice: for the baseline of the platform and for AVX2. Both
//! copies do the same IEEE operations in the same order a pixel (no fused multiply-add, no lane-dependent association), so
//! the bytes do not depend on the machine. `KARARASTER_SIMD=baseline` forces the baseline copy (used by the tests).

use std::sync::OnceLock;

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
