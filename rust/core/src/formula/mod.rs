//! Formulas of bands: parsed once, compiled to a short program, run over chunks that stay in the nearest cache.
//!
//! `2 * N / (N + R)`: numbers, symbols, `+ - * /`, `**` or `^` (binds tighter than a sign on its left and associates to the
//! right, as in Python), parentheses, and the functions `sqrt abs min max exp ln log10`.
//!
//! 1. `lexer` and `parser` turn the text into steps of a stack machine; whatever is wrong is pointed at.
//! 2. `units` and `graph` turn the steps of all formulas into one graph in which equal expressions are one node. A band
//!    is a whole number there as long as possible (`dn + offset / scale`), and its scale a factor that cancels in ratios.
//! 3. `schedule` puts the graph in order and assigns registers; `evaluate` runs that over chunks of 256 pixels.
//!
//! Computed in f64 and rounded to f32 once. A pixel is NaN where a band that the formula uses is NaN, infinite, marked or
//! outside the valid range, where a denominator is 0, and where the result is not finite. The bytes of a formula do not
//! depend on the formulas beside it: every operation that sharing or fusing changes is exact.

mod arithmetic;
mod difference;
mod evaluate;
mod graph;
mod lexer;
mod parser;
mod program;
mod schedule;
mod units;

pub use program::{Program, symbols};
