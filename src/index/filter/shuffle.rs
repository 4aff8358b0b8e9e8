//! The shuffle filter (HDF5 filter 2): the first bytes of all elements, then the second bytes, and
//! so on. Bytes at the end that make no whole element stay where they are.

use std::array;

/// Shuffles `bytes`, elements of `size` bytes, into `out`.
pub fn shuffle(bytes: &[u8], size: usize, out: &mut Vec<u8>) {
    let count = reset(out, bytes, size);
    if count == 0 {
        return;
    }
    match size {
        2 => scatter::<2>(bytes, count, out),
        4 => scatter::<4>(bytes, count, out),
        8 => scatter::<8>(bytes, count, out),
        _ => {
            for (byte, plane) in out.chunks_exact_mut(count).take(size).enumerate() {
                for (to, from) in plane.iter_mut().zip(bytes[byte..].iter().step_by(size)) {
                    *to = *from;
                }
            }
        }
    }
}

/// [`shuffle`] of `count` elements of `N` bytes: the places of bytes are known when this is compiled.
fn scatter<const N: usize>(bytes: &[u8], count: usize, out: &mut [u8]) {
    let elements = bytes.as_chunks::<N>().0;
    for (byte, plane) in out.chunks_exact_mut(count).take(N).enumerate() {
        for (to, element) in plane.iter_mut().zip(elements) {
            *to = element[byte];
        }
    }
}

/// Undoes [`shuffle`].
pub fn unshuffle(shuffled: &[u8], size: usize, out: &mut Vec<u8>) {
    let count = reset(out, shuffled, size);
    if count == 0 {
        return;
    }
    match size {
        2 => gather::<2>(shuffled, count, out),
        4 => gather::<4>(shuffled, count, out),
        8 => gather::<8>(shuffled, count, out),
        _ => {
            for (byte, plane) in shuffled.chunks_exact(count).take(size).enumerate() {
                for (to, from) in out[byte..].iter_mut().step_by(size).zip(plane) {
                    *to = *from;
                }
            }
        }
    }
}

/// [`unshuffle`] of `count` elements of `N` bytes: a loop the compiler can unroll.
fn gather<const N: usize>(shuffled: &[u8], count: usize, out: &mut [u8]) {
    let planes: [&[u8]; N] = array::from_fn(|byte| &shuffled[byte * count..][..count]);
    for (place, element) in out.as_chunks_mut::<N>().0.iter_mut().take(count).enumerate() {
        *element = array::from_fn(|byte| planes[byte][place]);
    }
}

/// Makes `out` a copy of `bytes`, so that the rest is in place, and returns the number of whole
/// elements.
fn reset(out: &mut Vec<u8>, bytes: &[u8], size: usize) -> usize {
    out.clear();
    out.extend_from_slice(bytes);
    bytes.len().checked_div(size).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_equal_significance_come_together_and_the_rest_stays() {
        let mut out = Vec::new();
        shuffle(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 4, &mut out);
        assert_eq!(out, [1, 5, 2, 6, 3, 7, 4, 8, 9]);
        shuffle(&[1, 2, 3, 4, 5, 6, 7], 3, &mut out);
        assert_eq!(out, [1, 4, 2, 5, 3, 6, 7]);
    }

    #[test]
    fn unshuffle_undoes_shuffle_for_every_size_and_length() {
        let (mut shuffled, mut out) = (Vec::new(), Vec::new());
        for len in 0..40u8 {
            let bytes: Vec<u8> = (0..len).collect();
            for size in 0..20 {
                shuffle(&bytes, size, &mut shuffled);
                unshuffle(&shuffled, size, &mut out);
                assert_eq!(out, bytes, "{len} bytes of elements of {size}");
            }
        }
    }
}
