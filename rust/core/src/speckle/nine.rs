//! Sums over the nine samples around a pixel.

use crate::raster::Real;
use crate::window::Tile;

/// Sums of one row of a tile, in double precision: of single precision samples they are exact unless the largest is some
/// 1e7 times the smallest, and so are the squares but for their last bits.
pub struct Nine {
    /// Sum of the valid samples; the first and the last column have none.
    pub sum: Vec<f64>,
    /// Sum of their squares.
    pub square: Vec<f64>,
    /// Their number.
    pub count: Vec<f64>,
    /// Sums of three samples of a column.
    column: [Vec<f64>; 2],
}

impl Nine {
    /// For tiles whose grown rows are `width` samples long.
    pub fn new(width: usize) -> Self {
        let row = || vec![0.0; width];
        Self { sum: row(), square: row(), count: row(), column: [row(), row()] }
    }

    /// Sum up around the samples of a row of the grown tile, which has a row above and one below.
    #[inline(always)]
    pub fn fill<T: Real>(&mut self, tile: &Tile<'_, T>, row: usize) {
        let Self { sum, square, count, column: [column, column_square] } = self;
        let rows = [tile.samples(row - 1), tile.samples(row), tile.samples(row + 1)];
        let columns = column.iter_mut().zip(column_square.iter_mut());
        for ((((sum, square), a), b), c) in columns.zip(rows[0]).zip(rows[1]).zip(rows[2]) {
            let (a, b, c) = (a.to_f64(), b.to_f64(), c.to_f64());
            *sum = a + b + c;
            *square = a * a + b * b + c * c;
        }
        across(column, sum);
        across(column_square, square);
        if tile.holed {
            let rows = [tile.valid(row - 1), tile.valid(row), tile.valid(row + 1)];
            for (((sum, a), b), c) in column.iter_mut().zip(rows[0]).zip(rows[1]).zip(rows[2]) {
                *sum = a.to_f64() + b.to_f64() + c.to_f64();
            }
            across(column, count);
        } else {
            count.fill(9.0);
        }
    }
}

/// Sums of three neighbours.
#[inline(always)]
fn across(column: &[f64], sum: &mut [f64]) {
    for (sum, three) in sum[1..].iter_mut().zip(column.windows(3)) {
        *sum = three[0] + three[1] + three[2];
    }
}
