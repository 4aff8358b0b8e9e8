//! Which chunks of a variable are in a sample.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::model::array::product;

use super::cells::{self, Cells};

/// Chunks chosen at random, by their row-major number in the grid.
#[derive(Debug, Default)]
pub struct Sample(BTreeSet<u64>);

impl Sample {
    /// `count` chunks of the variable `name` whose grid has this shape. The same seed and name give
    /// the same chunks.
    pub fn new(name: &str, grid: &[u64], count: u64, seed: u64) -> Self {
        let Some(chunks) = product(grid).filter(|chunks| *chunks > 0) else {
            return Self::default();
        };
        if chunks <= count {
            return Self((0..chunks).collect());
        }
        // Variables of one shape are to be looked at in different places.
        let mut state = name.bytes().fold(seed, |state, byte| split_mix(state ^ u64::from(byte)));
        let mut chosen = BTreeSet::new();
        while (chosen.len() as u64) < count {
            state = split_mix(state);
            chosen.insert(state % chunks);
        }
        Self(chosen)
    }

    /// The chunks of the sample in `range`, a box of the `grid`, with the first and the last of the
    /// box; in ascending order.
    pub fn within(&self, range: &Cells, grid: &[u64]) -> Vec<Vec<u64>> {
        let count = cells::shape(range).iter().product::<u64>();
        let Some(last) = count.checked_sub(1) else {
            return Vec::new();
        };
        let whole = cells::all(grid);
        let mut places: BTreeSet<Vec<u64>> =
            self.0.iter().map(|&number| cells::place(&whole, number)).collect();
        places.retain(|place| place.iter().zip(range).all(|(at, range)| range.contains(at)));
        places.extend([0, last].map(|number| cells::place(range, number)));
        places.into_iter().collect()
    }
}

/// Every chunk of a box, in ascending order.
pub fn every(range: &Cells) -> impl Iterator<Item = Vec<u64>> {
    let count: u64 = cells::shape(range).iter().product();
    let numbers: Range<u64> = 0..count;
    numbers.map(move |number| cells::place(range, number))
}

/// The next of a sequence that looks like chance (`SplitMix64`).
fn split_mix(state: u64) -> u64 {
    let mut mixed = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_repeats_and_has_both_ends() {
        let grid = [100, 2, 3];
        let sample = Sample::new("tas", &grid, 10, 1);
        let of = |rows: Range<u64>| sample.within(&vec![rows, 0..2, 0..3], &grid);
        let all = of(0..100);
        assert!((10..=12).contains(&all.len()), "{all:?}");
        assert_eq!((&all[0], &all[all.len() - 1]), (&vec![0, 0, 0], &vec![99, 1, 2]));
        assert_eq!(all, Sample::new("tas", &grid, 10, 1).within(&cells::all(&grid), &grid));
        assert_ne!(all, Sample::new("tas", &grid, 10, 2).within(&cells::all(&grid), &grid));
        assert_ne!(all, Sample::new("pr", &grid, 10, 1).within(&cells::all(&grid), &grid));
        let part = of(40..60);
        assert!(part.contains(&vec![40, 0, 0]) && part.contains(&vec![59, 1, 2]));
        assert!(part.iter().all(|place| (40..60).contains(&place[0])));
        assert_eq!(of(5..5), Vec::<Vec<u64>>::new());
    }

    #[test]
    fn small_grids_are_whole_and_scalars_have_one_chunk() {
        let whole = cells::all(&[3]);
        assert_eq!(Sample::new("x", &[3], 10, 0).within(&whole, &[3]), [[0], [1], [2]]);
        assert_eq!(Sample::new("x", &[], 10, 0).within(&vec![], &[]), [[0; 0]]);
        assert_eq!(every(&vec![]).count(), 1);
        assert_eq!(every(&vec![1..2, 0..2]).collect::<Vec<_>>(), [[1, 0], [1, 1]]);
    }
}
