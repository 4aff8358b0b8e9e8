//! Which datasets are built, by their frequency.

use super::dataset::Dataset;
use crate::model::error::{Code, Error, Result};

/// From fine to coarse, as the publisher orders them (esgcet 5.5.3, `GenericPublisher.kerchunk_generate`).
const FREQUENCIES: [&str; 10] =
    ["subhr", "1hr", "3hr", "6hr", "day", "mon", "yr", "dec", "clim", "fx"];

/// The facets that tell the frequency, or a table whose name does; the first that a dataset has counts.
const FACETS: [&str; 4] = ["frequency", "time_frequency", "table_id", "cmor_table"];

/// Keeps datasets of a frequency and of coarser ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrequencyFilter {
    kept: &'static [&'static str],
}

impl FrequencyFilter {
    /// Keeps datasets of `frequency` and of coarser ones.
    pub fn from(frequency: &str) -> Result<Self> {
        let at = FREQUENCIES.iter().position(|known| *known == frequency);
        let kept = at.and_then(|at| FREQUENCIES.get(at..)).ok_or_else(|| {
            let message = format!(
                "`kerchunk.filter_frequency` is `{}`: expected one of {}",
                frequency.escape_debug(),
                FREQUENCIES.join(", ")
            );
            Error::new(Code::Configuration, message)
                .with_hint("without the key, datasets of every frequency are built")
        })?;
        Ok(Self { kept })
    }

    /// Whether `dataset` is one of those. One that tells no frequency is.
    #[must_use]
    pub fn keeps(&self, dataset: &Dataset) -> bool {
        let Some(value) = FACETS.iter().find_map(|facet| dataset.facet(facet)) else {
            return true;
        };
        self.kept.iter().any(|kept| value.contains(kept))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Drs;
    use super::*;

    #[test]
    fn a_frequency_and_coarser_ones_are_kept() {
        let drs = Drs::builtin().unwrap();
        let keeps = |frequency, table: &str| {
            let path = format!("CMIP6/CMIP/I/M/historical/r1i1p1f1/{table}/tas/gn/v20200101");
            FrequencyFilter::from(frequency).unwrap().keeps(&drs.dataset(Path::new(&path)).unwrap())
        };
        for table in ["Amon", "SImon", "Oyr", "Ofx", "fx"] {
            assert!(keeps("mon", table), "{table}");
        }
        for table in ["day", "Eday", "6hrPlev", "3hr", "CFsubhr"] {
            assert!(!keeps("mon", table), "{table}");
        }
        assert!(keeps("day", "Eday") && keeps("subhr", "3hr") && !keeps("fx", "Amon"));
        let cmip5 = "cmip5/output1/I/M/historical/mon/atmos/cfMon/r1i1p1/v1/tas";
        let cmip5 = drs.dataset(Path::new(cmip5)).unwrap();
        assert!(FrequencyFilter::from("mon").unwrap().keeps(&cmip5));
        let error = FrequencyFilter::from("monthly").unwrap_err();
        assert_eq!(error.code(), Code::Configuration);
    }
}
