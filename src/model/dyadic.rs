//! Exact numbers: whatever a floating-point or integer type can hold.

use std::cmp::Ordering;
use std::fmt;

use super::dtype::DataType;

/// The number `mantissa * 2^exponent`, without rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dyadic {
    /// Odd, or zero.
    mantissa: i128,
    /// Zero where the mantissa is.
    exponent: i32,
}

impl Dyadic {
    /// The number `mantissa * 2^exponent`.
    #[must_use]
    pub fn new(mantissa: i128, exponent: i32) -> Self {
        if mantissa == 0 {
            return Self { mantissa, exponent: 0 };
        }
        let zeros = mantissa.trailing_zeros();
        Self { mantissa: mantissa >> zeros, exponent: exponent.saturating_add_unsigned(zeros) }
    }

    /// The number that `number` is; `None` for NaN and infinity.
    #[must_use]
    pub fn from_f64(number: f64) -> Option<Self> {
        const FRACTION_BITS: i32 = 52;
        let bits = number.to_bits();
        let fraction = i128::from(bits & ((1 << FRACTION_BITS) - 1));
        let (mantissa, exponent) = match i32::try_from(bits >> FRACTION_BITS & 0x7ff).ok()? {
            0x7ff => return None,
            0 => (fraction, -1074),
            biased => (fraction | 1 << FRACTION_BITS, biased - 1075),
        };
        Some(Self::new(if number < 0.0 { -mantissa } else { mantissa }, exponent))
    }

    /// The number as a 64-bit one, if that is exact and needs no bit below 2^-1022.
    #[must_use]
    pub fn to_f64(self) -> Option<f64> {
        let length = 128 - self.mantissa.unsigned_abs().leading_zeros();
        let highest = self.exponent.checked_add_unsigned(length)?;
        if length > 53 || self.exponent < -1022 || highest > 1024 {
            return None;
        }
        // A mantissa of 53 bits is exact, and so is its product with a power of two. That has an
        // exponent of at most 1023, which a short mantissa needs no more than a long one.
        #[allow(clippy::cast_precision_loss)]
        let mantissa = self.mantissa as f64;
        let biased = u64::try_from(self.exponent.checked_add(1023)?).ok()?;
        Some(mantissa * f64::from_bits(biased << 52))
    }

    /// A number near it, for people.
    #[must_use]
    pub fn approximate(self) -> f64 {
        #[allow(clippy::cast_precision_loss)]
        let mantissa = self.mantissa as f64;
        mantissa * f64::from(self.exponent).exp2()
    }

    /// The number as an integer, if it is one of at most 127 bits.
    #[must_use]
    pub fn to_integer(self) -> Option<i128> {
        shifted(self.mantissa, u32::try_from(self.exponent).ok()?)
    }

    /// The largest integer that is not above the number; `None` above 127 bits.
    #[must_use]
    pub fn floor(self) -> Option<i128> {
        if self.exponent >= 0 {
            return self.to_integer();
        }
        // Shifting to the right rounds down.
        Some(self.mantissa >> self.exponent.unsigned_abs().min(127))
    }

    /// `(self * numerator + offset) / denominator`, where that is a number of this kind and no step
    /// takes more than 127 bits. `denominator` is not zero.
    #[must_use]
    pub fn transformed(self, numerator: i128, offset: i128, denominator: i128) -> Option<Self> {
        let scaled = Self::new(self.mantissa.checked_mul(numerator)?, self.exponent);
        let sum = scaled.plus(Self::new(offset, 0))?;
        if denominator == 1 {
            return Some(sum);
        }
        let divisor = Self::new(denominator, 0);
        let whole = sum.mantissa % divisor.mantissa == 0;
        whole.then(|| Self::new(sum.mantissa / divisor.mantissa, sum.exponent - divisor.exponent))
    }

    fn plus(self, other: Self) -> Option<Self> {
        if self.mantissa == 0 || other.mantissa == 0 {
            return Some(if self.mantissa == 0 { other } else { self });
        }
        let exponent = self.exponent.min(other.exponent);
        let aligned = |number: Self| {
            shifted(number.mantissa, number.exponent.checked_sub(exponent)?.unsigned_abs())
        };
        Some(Self::new(aligned(self)?.checked_add(aligned(other)?)?, exponent))
    }

    /// The number that the little-endian `bytes` of one element of type `dtype` are; `None` where
    /// they are none.
    #[must_use]
    pub fn decode(bytes: &[u8], dtype: DataType) -> Option<Self> {
        match dtype {
            DataType::Float(8, _) => Self::from_f64(f64::from_le_bytes(bytes.try_into().ok()?)),
            DataType::Float(4, _) => {
                Self::from_f64(f32::from_le_bytes(bytes.try_into().ok()?).into())
            }
            DataType::Int(size, _) | DataType::UInt(size, _) => {
                let is_negative =
                    matches!(dtype, DataType::Int(..)) && bytes.last().is_some_and(|b| b >> 7 == 1);
                let mut wide = [if is_negative { 0xff } else { 0 }; 16];
                wide.get_mut(..size.into())?.copy_from_slice(bytes.get(..size.into())?);
                Some(Self::new(i128::from_le_bytes(wide), 0))
            }
            _ => None,
        }
    }

    /// The little-endian bytes of the number as an element of type `dtype`, if that is exact.
    #[must_use]
    pub fn encode(self, dtype: DataType) -> Option<Vec<u8>> {
        match dtype {
            DataType::Float(8, _) => Some(self.to_f64()?.to_le_bytes().to_vec()),
            DataType::Float(4, _) => {
                let wide = self.to_f64()?;
                #[allow(clippy::cast_possible_truncation)]
                let number = wide as f32;
                #[allow(clippy::float_cmp, reason = "the question is whether it is the same")]
                let same = f64::from(number) == wide;
                same.then(|| number.to_le_bytes().to_vec())
            }
            DataType::Int(size, _) | DataType::UInt(size, _) => {
                let bytes = self.to_integer()?.to_le_bytes().get(..size.into())?.to_vec();
                (Self::decode(&bytes, dtype) == Some(self)).then_some(bytes)
            }
            _ => None,
        }
    }
}

/// `number * 2^bits`, within 127 bits.
fn shifted(number: i128, bits: u32) -> Option<i128> {
    number.checked_mul(1i128.checked_shl(bits).filter(|power| *power > 0)?)
}

impl Ord for Dyadic {
    fn cmp(&self, other: &Self) -> Ordering {
        let signs = self.mantissa.signum().cmp(&other.mantissa.signum());
        if signs.is_ne() || self.mantissa == 0 {
            return signs;
        }
        let length = |number: &Self| {
            let bits = 128 - number.mantissa.unsigned_abs().leading_zeros();
            i64::from(number.exponent) + i64::from(bits)
        };
        // Numbers of the same length can be aligned without exceeding the longer mantissa.
        let common = self.exponent.min(other.exponent);
        let aligned = |number: &Self| number.mantissa.unsigned_abs() << (number.exponent - common);
        let sizes =
            length(self).cmp(&length(other)).then_with(|| aligned(self).cmp(&aligned(other)));
        if self.mantissa < 0 { sizes.reverse() } else { sizes }
    }
}

impl PartialOrd for Dyadic {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Dyadic {
    /// The number in decimal digits; as `m * 2^e` where no 64-bit number holds it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.to_integer(), self.to_f64()) {
            (Some(number), _) => write!(f, "{number}"),
            (None, Some(number)) => write!(f, "{number}"),
            (None, None) => write!(f, "{} * 2^{}", self.mantissa, self.exponent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dtype::ByteOrder::Little;

    fn number(x: f64) -> Dyadic {
        Dyadic::from_f64(x).unwrap()
    }

    #[test]
    fn numbers_are_what_they_were() {
        for x in [0.0, 1.0, -1.5, 0.1, 1e20, f64::MAX, f64::MIN, f64::MIN_POSITIVE] {
            assert_eq!(number(x).to_f64(), Some(x));
        }
        assert_eq!(number(1e-300).to_f64(), None);
        assert_eq!(Dyadic::from_f64(f64::NAN), None);
        assert_eq!(Dyadic::from_f64(f64::NEG_INFINITY), None);
        assert_eq!(Dyadic::new((1 << 53) + 1, 0).to_f64(), None);
        assert_eq!(Dyadic::new(1 << 60, 0).to_f64(), Some(1_152_921_504_606_846_976.0));
    }

    #[test]
    fn types_hold_what_fits_them() {
        let fits = |mantissa, exponent, dtype| {
            let number = Dyadic::new(mantissa, exponent);
            let bytes = number.encode(dtype);
            assert!(bytes.iter().all(|bytes| Dyadic::decode(bytes, dtype) == Some(number)));
            bytes.is_some()
        };
        assert!(fits(127, 0, DataType::Int(1, Little)));
        assert!(!fits(128, 0, DataType::Int(1, Little)));
        assert!(fits(-128, 0, DataType::Int(1, Little)));
        assert!(fits(255, 0, DataType::UInt(1, Little)));
        assert!(!fits(-1, 0, DataType::UInt(4, Little)));
        assert!(!fits(1, -1, DataType::Int(8, Little)));
        assert!(fits((1 << 24) - 1, -5, DataType::Float(4, Little)));
        assert!(!fits((1 << 24) + 1, -5, DataType::Float(4, Little)));
        assert!(!fits(1, 200, DataType::Float(4, Little)));
        assert!(!fits(1, 0, DataType::String));
    }

    #[test]
    fn numbers_far_apart_are_compared() {
        let ascending = [-1e300, -2.0, -1.5, -1e-300, 0.0, 1e-300, 0.1, 1.0, 3.0, 1e18, 1e300];
        assert!(ascending.map(number).is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn floors_go_down() {
        for (x, floor) in [(1.5, 1), (-1.5, -2), (-1e-300, -1), (1e-300, 0), (4.0, 4)] {
            assert_eq!(number(x).floor(), Some(floor), "{x}");
        }
        assert_eq!(number(1e300).floor(), None);
    }

    #[test]
    fn only_exact_quotients_are_given() {
        assert_eq!(number(12.0).transformed(1, 0, 24), Some(number(0.5)));
        assert_eq!(number(1.0).transformed(1, 0, 24), None);
        assert_eq!(number(1.0).transformed(1, 23, 24), Some(number(1.0)));
        assert_eq!(number(1e-300).transformed(1, 1, 1), None);
    }
}
