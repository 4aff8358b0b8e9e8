//! The N-bit filter (HDF5 filter 5): numbers without the bits that their type does not use.
//!
//! Specification: `H5Z_FILTER_NBIT` in the HDF5 Reference Manual and `H5Znbit.c`. Numbers that use all
//! their bits, the only ones that are indexed, are left as they are, and the filter says so.

use crate::model::error::{Error, Result};

/// Refuses a filter that did change the numbers: `client_data` say how many parameters there are,
/// then whether nothing was to be done.
pub fn check(client_data: &[u32]) -> Result<()> {
    match client_data.get(1) {
        Some(1) => Ok(()),
        _ => Err(Error::unsupported("nbit (5) of numbers that do not use all their bits")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_left_as_they_are_are_understood() {
        check(&[8, 1, 100, 1, 4, 0, 32, 0]).unwrap();
        for client_data in [&[8, 0, 100, 1, 4, 0, 12, 0][..], &[8], &[]] {
            assert!(check(client_data).unwrap_err().to_string().contains("nbit (5)"));
        }
    }
}
