//! The scale-offset filter (HDF5 filter 6): numbers as their distance from the least one, in as few
//! bits as will do. Numbers with a fraction become whole ones before, by a power of ten.
//!
//! Specification: `H5Pset_scaleoffset` in the HDF5 Reference Manual and `H5Zscaleoffset.c`. What was
//! rounded when the chunk was written stays so; what is read here is what HDF5 reads, bit for bit.
//!
//! ```text
//! 4 bytes   bits of a number
//! 1 byte    bytes of the least number: 8
//! 16 bytes  the least number, then zeros
//! then the numbers, the most significant bit first; the number of all ones stands for the fill value
//! ```

use crate::model::dtype::{ByteOrder, DataType};
use crate::model::error::{Code, Error, Result};

/// Most output bytes per input byte, one bit being made eight bytes.
pub const MAX_RATIO: usize = 64;

/// Most bytes of a chunk that takes no bits, since all its elements are the least number.
const MOST_CONSTANT: usize = 64 * 1024 * 1024;

/// Bytes before the numbers.
const HEADER: usize = 21;

/// Powers of ten up to these have no error; beyond, HDF5's result would depend on the machine.
const EXACT_FLOAT: u32 = 10;
const EXACT_DOUBLE: u32 = 22;

/// What the filter was told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    elements: usize,
    /// Bytes of an element.
    size: usize,
    scale: Scale,
    fill: Option<u64>,
    order: ByteOrder,
}

/// What the numbers were multiplied by.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    /// Whole numbers: nothing.
    None,
    /// Whole numbers of as many bits as their type has, which are left as they are, without a header.
    Identity,
    /// A power of ten, of numbers of 32 bits.
    Float(f32),
    /// A power of ten, of numbers of 64 bits.
    Double(f64),
}

impl Parameters {
    /// What `client_data` say of elements of type `dtype`: the kind of scaling, its factor, elements
    /// of a chunk; whether these are whole numbers, their size, sign and byte order; whether there is
    /// a fill value, and that.
    pub fn of_client_data(client_data: &[u32], dtype: DataType) -> Result<Self> {
        let contradicts = || {
            let message = format!("the scaleoffset filter contradicts the data type {dtype}");
            Error::corrupt(message)
        };
        let [kind, factor, elements, class, size, sign, order, has_fill, fill @ ..] = client_data
        else {
            return Err(Error::corrupt("the scaleoffset filter has too few parameters"));
        };
        let order = match order {
            0 => ByteOrder::Little,
            1 => ByteOrder::Big,
            _ => return Err(contradicts()),
        };
        let size_of_type = u8::try_from(*size).map_err(|_| contradicts())?;
        let of_filter = match (class, sign) {
            (0, 0) => DataType::UInt(size_of_type, order),
            (0, 1) => DataType::Int(size_of_type, order),
            (1, _) => DataType::Float(size_of_type, order),
            _ => return Err(contradicts()),
        };
        // The order of single bytes is of no concern.
        if of_filter != dtype
            && (*size > 1 || of_filter.to_little_endian() != dtype.to_little_endian())
        {
            return Err(contradicts());
        }
        let scale = match (kind, of_filter) {
            (2, DataType::UInt(1 | 2 | 4 | 8, _) | DataType::Int(1 | 2 | 4 | 8, _)) => {
                if *factor == *size * 8 { Scale::Identity } else { Scale::None }
            }
            (0, DataType::Float(4, _)) if *factor <= EXACT_FLOAT => {
                Scale::Float((0..*factor).fold(1.0, |power, _| power * 10.0))
            }
            (0, DataType::Float(8, _)) if *factor <= EXACT_DOUBLE => {
                Scale::Double((0..*factor).fold(1.0, |power, _| power * 10.0))
            }
            _ => {
                let factor = factor.cast_signed();
                let message = format!("scaleoffset (6) of kind {kind} by {factor} for {dtype}");
                return Err(Error::unsupported(message));
            }
        };
        let fill = if *has_fill == 0 {
            None
        } else {
            Some(fill_value(fill, *size).ok_or_else(contradicts)?)
        };
        let size = usize::from(size_of_type);
        Ok(Self { elements: *elements as usize, size, scale, fill, order })
    }

    /// Whether chunks are left as they are.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.scale == Scale::Identity
    }

    /// Most bytes that a chunk takes.
    #[must_use]
    pub fn most_stored(&self) -> usize {
        self.elements.saturating_mul(self.size).saturating_add(HEADER + 1)
    }

    /// The element that `number` stands for, which is of `bits` bits, in the lowest bytes.
    fn element(&self, number: u64, bits: u32, least: u64) -> u64 {
        let ones = (1u64 << bits) - 1;
        match (self.fill, self.scale) {
            (Some(fill), _) if number == ones => fill,
            (_, Scale::None | Scale::Identity) => number.wrapping_add(least),
            // As in C, whole numbers are rounded to the type they are divided in.
            #[allow(clippy::cast_precision_loss, reason = "the filter is defined so")]
            (_, Scale::Float(power)) => {
                let least = f32::from_bits((least & 0xffff_ffff) as u32);
                u64::from((number as f32 / power + least).to_bits())
            }
            #[allow(clippy::cast_precision_loss, reason = "the filter is defined so")]
            (_, Scale::Double(power)) => (number as f64 / power + f64::from_bits(least)).to_bits(),
        }
    }
}

/// The fill value of `size` bytes, given in words of four, the lowest first.
fn fill_value(words: &[u32], size: u32) -> Option<u64> {
    let lower = u64::from(*words.first()?);
    let upper = if size == 8 { u64::from(*words.get(1)?) } else { 0 };
    Some(lower | upper << 32)
}

/// Turns `stored` back into elements, `size` bytes, in `out`.
pub fn undo(stored: &[u8], parameters: &Parameters, size: usize, out: &mut Vec<u8>) -> Result<()> {
    let &Parameters { elements, size: element_size, order, .. } = parameters;
    out.clear();
    if elements.checked_mul(element_size) != Some(size) {
        let message = format!("scaleoffset of {elements} elements in a chunk of {size} bytes");
        return Err(Error::corrupt(message));
    }
    let ends = || Error::corrupt("a chunk that went through scaleoffset ends early");
    let (header, packed) = stored.split_at_checked(HEADER).ok_or_else(ends)?;
    let (bits, least) = read_header(header)?;
    if bits as usize > element_size * 8 {
        return Err(Error::corrupt(format!("scaleoffset of {bits} bits in {element_size} bytes")));
    }
    let packed_size = elements.checked_mul(bits as usize).ok_or_else(ends)?.div_ceil(8);
    let packed = packed.get(..packed_size).ok_or_else(ends)?;
    if bits as usize == element_size * 8 {
        out.extend_from_slice(packed);
    } else if bits == 0 && size > MOST_CONSTANT {
        return Err(Error::new(Code::TooLarge, format!("{size} bytes from a chunk of one number")));
    } else {
        let mut numbers = Bits { bytes: packed.iter(), held: 0, count: 0 };
        for _ in 0..elements {
            let element = parameters.element(numbers.next(bits), bits, least);
            out.extend_from_slice(&element.to_le_bytes()[..element_size]);
        }
    }
    if order == ByteOrder::Big {
        out.chunks_exact_mut(element_size).for_each(<[u8]>::reverse);
    }
    Ok(())
}

/// Bits of a number, and the least number.
fn read_header(header: &[u8]) -> Result<(u32, u64)> {
    let [a, b, c, d, 8, least @ ..] = header else {
        return Err(Error::unsupported("scaleoffset (6) with a least number not of 8 bytes"));
    };
    let least = least.first_chunk().copied().unwrap_or_default();
    Ok((u32::from_le_bytes([*a, *b, *c, *d]), u64::from_le_bytes(least)))
}

/// Numbers of some bits, one behind the other.
struct Bits<'a> {
    bytes: std::slice::Iter<'a, u8>,
    /// The byte that was begun; its lowest `count` bits are still to be used.
    held: u8,
    count: u32,
}

impl Bits<'_> {
    /// The next `bits` bits.
    fn next(&mut self, bits: u32) -> u64 {
        let (mut number, mut left) = (0, bits);
        while left > 0 {
            if self.count == 0 {
                self.held = self.bytes.next().copied().unwrap_or(0);
                self.count = 8;
            }
            let taken = left.min(self.count);
            self.count -= taken;
            number = number << taken | u64::from(self.held >> self.count) & ((1 << taken) - 1);
            left -= taken;
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const I2: DataType = DataType::Int(2, ByteOrder::Little);
    const F4: DataType = DataType::Float(4, ByteOrder::Little);

    fn stored(bits: u32, least: u64, packed: &[u8]) -> Vec<u8> {
        let header = [&bits.to_le_bytes()[..], &[8], &least.to_le_bytes(), &[0; 8]].concat();
        [&header[..], packed, &[0]].concat()
    }

    fn decoded(
        stored: &[u8],
        client_data: &[u32],
        dtype: DataType,
        size: usize,
    ) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        undo(stored, &Parameters::of_client_data(client_data, dtype)?, size, &mut out)?;
        Ok(out)
    }

    #[test]
    fn whole_numbers_are_added_to_the_least_one() {
        // 1, 0, 7, 5 in three bits; all ones stand for the fill value, if there is one.
        let packed = [0b0010_0011, 0b1101_0000];
        let least = (-3i64).cast_unsigned();
        let stored = stored(3, least, &packed);
        let numbers = |order: fn(i16) -> [u8; 2], numbers: [i16; 4]| numbers.map(order).concat();
        let plain = decoded(&stored, &[2, 0, 4, 0, 2, 1, 0, 0], I2, 8).unwrap();
        assert_eq!(plain, numbers(i16::to_le_bytes, [-2, -3, 4, 2]));
        let fill = u32::from((-999i16).cast_unsigned());
        let filled = decoded(&stored, &[2, 0, 4, 0, 2, 1, 0, 1, fill], I2, 8).unwrap();
        assert_eq!(filled, numbers(i16::to_le_bytes, [-2, -3, -999, 2]));
        let big = DataType::Int(2, ByteOrder::Big);
        let swapped = decoded(&stored, &[2, 0, 4, 0, 2, 1, 1, 1, fill], big, 8).unwrap();
        assert_eq!(swapped, numbers(i16::to_be_bytes, [-2, -3, -999, 2]));
    }

    #[test]
    fn numbers_of_all_bits_and_of_none() {
        let all = stored(16, 0, &[1, 2, 3, 4]);
        assert_eq!(decoded(&all, &[2, 0, 2, 0, 2, 1, 0, 0], I2, 4).unwrap(), [1, 2, 3, 4]);
        let none = stored(0, 5, &[]);
        assert_eq!(decoded(&none, &[2, 0, 2, 0, 2, 1, 0, 0], I2, 4).unwrap(), [5, 0, 5, 0]);
        let elements = u32::try_from(MOST_CONSTANT).unwrap();
        let error = decoded(&none, &[2, 0, elements, 0, 2, 1, 0, 0], I2, 2 * MOST_CONSTANT);
        assert_eq!(error.unwrap_err().code(), Code::TooLarge);
    }

    #[test]
    fn numbers_with_a_fraction_are_divided_by_a_power_of_ten() {
        let least = u64::from((-1.5f32).to_bits());
        let fill = 1e20f32.to_bits();
        // 25 and 255 in eight bits.
        let floats = stored(8, least, &[25, 255]);
        let expected = [(-1.25f32).to_bits(), fill].map(u32::to_le_bytes).concat();
        assert_eq!(decoded(&floats, &[0, 2, 2, 1, 4, 0, 0, 1, fill], F4, 8).unwrap(), expected);
        let f8 = DataType::Float(8, ByteOrder::Little);
        let doubles = stored(8, 0.5f64.to_bits(), &[25, 255]);
        let expected = [3.0f64, 26.0].map(f64::to_le_bytes).concat();
        assert_eq!(decoded(&doubles, &[0, 1, 2, 1, 8, 0, 0, 0], f8, 16).unwrap(), expected);
        let fill = (-1e300f64).to_bits();
        let [low, high] = [fill & 0xffff_ffff, fill >> 32].map(|half| u32::try_from(half).unwrap());
        let filled = decoded(&doubles, &[0, 1, 2, 1, 8, 0, 0, 1, low, high], f8, 16).unwrap();
        assert_eq!(filled[8..], (-1e300f64).to_le_bytes());
    }

    #[test]
    fn broken_chunks_are_corrupt() {
        let client_data = [2, 0, 4, 0, 2, 1, 0, 0];
        let code =
            |stored: &[u8], size| decoded(stored, &client_data, I2, size).unwrap_err().code();
        let whole = stored(3, 0, &[1]);
        decoded(&whole, &client_data, I2, 8).unwrap();
        for length in 0..whole.len() {
            assert_eq!(code(&whole[..length], 8), Code::Corrupt);
        }
        assert_eq!(code(&whole, 6), Code::Corrupt);
        assert_eq!(code(&stored(17, 0, &[0; 20]), 8), Code::Corrupt);
        assert_eq!(code(&stored(16, 0, &[0; 6]), 8), Code::Corrupt);
        let mut other = whole;
        other[4] = 4;
        assert_eq!(code(&other, 8), Code::Unsupported);
    }

    #[test]
    fn parameters_are_held_against_the_data_type() {
        let code = |client_data: &[u32], dtype| {
            Parameters::of_client_data(client_data, dtype).unwrap_err().code()
        };
        for contradiction in [
            &[2, 0, 4][..],
            &[2, 0, 4, 0, 4, 1, 0, 0],
            &[2, 0, 4, 0, 2, 0, 0, 0],
            &[2, 0, 4, 0, 2, 1, 1, 0],
            &[2, 0, 4, 0, 2, 1, 2, 0],
            &[2, 0, 4, 1, 2, 1, 0, 0],
            &[2, 0, 4, 7, 2, 1, 0, 0],
            &[2, 0, 4, 0, 999, 1, 0, 0],
            &[2, 0, 4, 0, 2, 1, 0, 1],
        ] {
            assert_eq!(code(contradiction, I2), Code::Corrupt, "{contradiction:?}");
        }
        // A power of ten with an error, a negative one, scaling by powers of two, and halves.
        let f2 = DataType::Float(2, ByteOrder::Little);
        assert_eq!(code(&[0, 11, 4, 1, 4, 0, 0, 0], F4), Code::Unsupported);
        assert_eq!(code(&[0, u32::MAX, 4, 1, 4, 0, 0, 0], F4), Code::Unsupported);
        assert_eq!(code(&[1, 2, 4, 1, 4, 0, 0, 0], F4), Code::Unsupported);
        assert_eq!(code(&[0, 2, 4, 1, 2, 0, 0, 0], f2), Code::Unsupported);
        assert_eq!(code(&[0, 2, 4, 0, 2, 1, 0, 0], I2), Code::Unsupported);
        let whole = Parameters::of_client_data(&[2, 16, 4, 0, 2, 1, 0, 0], I2).unwrap();
        assert!(whole.is_identity());
        let byte = DataType::Int(1, ByteOrder::Little);
        Parameters::of_client_data(&[2, 0, 4, 0, 1, 1, 1, 0], byte).unwrap();
    }
}
