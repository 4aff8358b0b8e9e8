//! Attributes of variables and of whole files, with their netCDF types.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::dtype::DataType;
use super::dyadic::Dyadic;

/// The value of an attribute. Numbers are always arrays, as in netCDF; one element is usual.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AttributeValue {
    /// Text.
    Text(String),
    /// Several texts (netCDF `string` array).
    Strings(Vec<String>),
    /// Signed integers of any width.
    Int(Vec<i64>),
    /// Unsigned integers of any width.
    UInt(Vec<u64>),
    /// 32-bit numbers.
    Float(Vec<f32>),
    /// 64-bit numbers.
    Double(Vec<f64>),
}

impl AttributeValue {
    /// The text, where there is exactly one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Strings(texts) => match texts.as_slice() {
                [text] => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// The kind of value, in a word.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Strings(_) => "strings",
            Self::Int(_) => "int",
            Self::UInt(_) => "uint",
            Self::Float(_) => "float",
            Self::Double(_) => "double",
        }
    }

    /// The numbers, as elements of `dtype` that they are compared with; none of text, NaN or infinity.
    #[must_use]
    pub fn numbers(&self, dtype: DataType) -> Vec<Dyadic> {
        let float = |number: f64| {
            #[allow(clippy::cast_possible_truncation, reason = "as readers round a mark")]
            let number = if matches!(dtype, DataType::Float(4, _)) {
                (number as f32).into()
            } else {
                number
            };
            Dyadic::from_f64(number)
        };
        match self {
            Self::Int(numbers) => numbers.iter().map(|&n| Dyadic::new(n.into(), 0)).collect(),
            Self::UInt(numbers) => numbers.iter().map(|&n| Dyadic::new(n.into(), 0)).collect(),
            Self::Float(numbers) => numbers.iter().filter_map(|&n| float(n.into())).collect(),
            Self::Double(numbers) => numbers.iter().filter_map(|&n| float(n)).collect(),
            Self::Text(_) | Self::Strings(_) => Vec::new(),
        }
    }

    /// Equality of meaning: bit for bit for numbers, so that NaN equals the same NaN.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => {
                a.iter().map(|x| x.to_bits()).eq(b.iter().map(|x| x.to_bits()))
            }
            (Self::Double(a), Self::Double(b)) => {
                a.iter().map(|x| x.to_bits()).eq(b.iter().map(|x| x.to_bits()))
            }
            _ => self == other,
        }
    }
}

impl fmt::Display for AttributeValue {
    /// Texts in quotes, several values in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Strings(texts) => list(f, texts, |text| format!("{text:?}")),
            Self::Int(numbers) => list(f, numbers, ToString::to_string),
            Self::UInt(numbers) => list(f, numbers, ToString::to_string),
            // `Debug` tells 1.0 from 1 and shortens 1e20.
            Self::Float(numbers) => list(f, numbers, |number| format!("{number:?}")),
            Self::Double(numbers) => list(f, numbers, |number| format!("{number:?}")),
        }
    }
}

fn list<T>(f: &mut fmt::Formatter<'_>, items: &[T], shown: impl Fn(&T) -> String) -> fmt::Result {
    match items {
        [item] => f.write_str(&shown(item)),
        items => write!(f, "[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
    }
}

/// Attributes in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Attributes(Vec<(String, AttributeValue)>);

impl Attributes {
    /// Adds an attribute at the end.
    pub fn push(&mut self, name: impl Into<String>, value: AttributeValue) {
        self.0.push((name.into(), value));
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&AttributeValue> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    /// The text of `name`, if it is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_text()
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl FromIterator<(String, AttributeValue)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (String, AttributeValue)>>(attributes: I) -> Self {
        Self(attributes.into_iter().collect())
    }
}
