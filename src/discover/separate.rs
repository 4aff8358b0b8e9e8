//! Which files of a directory make one dataset, by what their names say.
//!
//! The rule and its reasons are in `docs/design/011-separation.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::candidate::{Candidate, Checksums, SourceFile};
use super::walk::unrecognised;
use crate::drs::{Dataset, Drs, FileName};
use crate::model::error::{Code, Error, Result};

/// Facets and their values, in the order of file names.
type Facets = Vec<(String, String)>;

/// Separates the `files` in the directory of `dataset`, and what is `unreachable` there, into datasets.
/// The errors are about what belongs to none, or could belong to any.
pub(super) fn separate(
    (drs, dataset): (&Drs, Dataset),
    directory: &Path,
    files: Vec<SourceFile>,
    unreachable: Vec<Error>,
) -> (Vec<Candidate>, Vec<Error>) {
    let is_plain = |file: &SourceFile| is_named_as(drs, &dataset, &file.path);
    if unreachable.is_empty() && files.iter().all(is_plain) {
        // As nearly everywhere: there is nothing to be told apart.
        let group = Group { files, ..Group::default() };
        return (vec![group.candidate(drs, dataset, directory)], Vec::new());
    }
    let paths = files.iter().map(|file| file.path.as_path());
    let paths = paths.chain(unreachable.iter().filter_map(Error::path));
    let names = match Names::of(drs, &dataset, paths) {
        Ok(names) => names,
        Err(error) => return (Vec::new(), vec![error.in_file(directory)]),
    };
    let mut groups = Groups::default();
    for file in files {
        groups.add(&names, file);
    }
    for error in unreachable {
        groups.add_unreachable(&names, directory, error);
    }
    let problems = groups.problems(directory);
    (names.candidates(directory, groups), problems)
}

/// Whether the name of the file says about `dataset` nothing but what its directory says.
fn is_named_as(drs: &Drs, dataset: &Dataset, path: &Path) -> bool {
    let name = path.file_name().map(|name| drs.file_name(dataset, name));
    let repeats = |(facet, value): &(&str, &str)| dataset.facet(facet) == Some(value);
    matches!(name, Some(Ok(name)) if name.facets.iter().all(repeats))
}

/// What the names of the files of a directory say.
struct Names<'a> {
    drs: &'a Drs,
    dataset: &'a Dataset,
    /// The facet that is the name of the variable, if the project has one.
    variable: Option<&'a str>,
    all: BTreeSet<Facets>,
}

/// The files of a directory by what tells their datasets apart.
#[derive(Default)]
struct Groups {
    by_distinction: BTreeMap<Facets, Group>,
    /// Files of no dataset, and why the first of them is.
    nameless: Vec<SourceFile>,
    reason: Option<Error>,
    problems: Vec<Error>,
    /// Why files of any group, or groups, may be missing.
    unlisted: Vec<Error>,
}

/// What belongs to one dataset.
#[derive(Default)]
struct Group {
    files: Vec<SourceFile>,
    unreachable: Vec<Error>,
    warnings: Vec<Error>,
    /// What the names of its files say; nothing where they cannot be taken apart.
    named: Option<Facets>,
}

/// Where a file belongs.
struct Place {
    distinction: Facets,
    named: Option<Facets>,
    /// How its name disagrees with the directory.
    mismatch: Option<Error>,
}

impl<'a> Names<'a> {
    fn of<'p>(
        drs: &'a Drs,
        dataset: &'a Dataset,
        paths: impl Iterator<Item = &'p Path>,
    ) -> Result<Self> {
        let variable = drs.variable_facet(dataset)?;
        let facets = |path: &Path| Some(owned(&drs.file_name(dataset, path.file_name()?).ok()?));
        Ok(Self { drs, dataset, variable, all: paths.filter_map(facets).collect() })
    }

    /// Whether the directory leaves it to the names of its files to tell the variable.
    fn tell_variable(&self) -> bool {
        self.variable.is_some_and(|variable| self.dataset.facet(variable).is_none())
    }

    /// An error where the file could belong to any dataset of the directory.
    fn place(&self, path: &Path) -> Result<Place> {
        match self.drs.file_name(self.dataset, path.file_name().unwrap_or_default()) {
            Ok(name) => {
                let mismatch = self.dataset.agrees_with(&name).err();
                let named = owned(&name);
                Ok(Place { distinction: self.distinction(&named), mismatch, named: Some(named) })
            }
            Err(error) if self.tell_variable() => {
                Err(error.with_hint("only names tell the files here apart: rename the file"))
            }
            Err(error) => {
                Ok(Place { distinction: Facets::new(), named: None, mismatch: Some(error) })
            }
        }
    }

    /// What tells the dataset of a file with this name from others of the directory: the variable where
    /// only names tell it, and each facet in which names differ from each other and this one from the
    /// directory. Facets other than the variable are compared among files of the same variable.
    fn distinction(&self, named: &Facets) -> Facets {
        let differs = |facet: &str| {
            let is_compared = |other: &&Facets| {
                Some(facet) == self.variable || self.variable_of(other) == self.variable_of(named)
            };
            let mut others = self.all.iter().filter(is_compared);
            others.any(|other| value(other, facet) != value(named, facet))
        };
        let distinguishes = |(facet, value): &&(String, String)| match self.dataset.facet(facet) {
            None if Some(facet.as_str()) == self.variable => true,
            of_directory => of_directory != Some(value) && differs(facet),
        };
        named.iter().filter(distinguishes).cloned().collect()
    }

    fn variable_of<'f>(&self, named: &'f Facets) -> Option<&'f str> {
        value(named, self.variable?)
    }

    fn agree(&self, named: &Facets) -> bool {
        let is_ours =
            |of_directory: Option<&str>, value: &str| of_directory.is_none_or(|v| v == value);
        named.iter().all(|(facet, value)| is_ours(self.dataset.facet(facet), value))
    }

    fn candidates(&self, directory: &Path, groups: Groups) -> Vec<Candidate> {
        let Groups { by_distinction: mut groups, unlisted, .. } = groups;
        if !unlisted.is_empty() && !self.tell_variable() {
            groups.entry(Facets::new()).or_default();
        }
        let elsewhere: Vec<Option<Error>> =
            groups.values().map(|group| self.elsewhere(group, &groups)).collect();
        let candidates =
            groups.into_iter().zip(elsewhere).map(|((distinction, mut group), elsewhere)| {
                group.unreachable.extend(unlisted.iter().cloned());
                group.warnings.extend(elsewhere.map(|warning| warning.in_file(directory)));
                group.candidate(
                    self.drs,
                    self.dataset.with_facets(borrowed(&distinction)),
                    directory,
                )
            });
        candidates.collect()
    }

    /// A warning that `group` may lack files: those which are datasets of their own by their names alone.
    fn elsewhere(&self, group: &Group, groups: &BTreeMap<Facets, Group>) -> Option<Error> {
        let named = group.named.as_ref().filter(|named| self.agree(named))?;
        let is_odd = |other: &Facets| {
            self.variable_of(other) == self.variable_of(named) && !self.agree(other)
        };
        let odd = groups.iter().filter(|(_, other)| other.named.as_ref().is_some_and(is_odd));
        let ids = odd.map(|(distinction, _)| {
            format!("`{}`", self.dataset.with_facets(borrowed(distinction)).instance_id())
        });
        let ids = ids.collect::<Vec<_>>().join(", ");
        let message = format!("files whose names disagree with the directory are built as {ids}");
        let warning = Error::new(Code::DrsMismatch, message);
        (!ids.is_empty()).then(|| warning.with_hint("if they belong together, correct the names"))
    }
}

impl Group {
    /// It as `dataset`, in `directory`.
    fn candidate(self, drs: &Drs, dataset: Dataset, directory: &Path) -> Candidate {
        let Self { files, unreachable, mut warnings, .. } = self;
        let odd = drs.not_in_vocabulary(&dataset).into_iter();
        warnings.extend(odd.map(|warning| warning.in_file(directory)));
        let (directory, checksums) = (directory.to_owned(), Checksums::new());
        Candidate { dataset, directory, files, unreachable, warnings, checksums }
    }
}

impl Groups {
    fn add(&mut self, names: &Names, file: SourceFile) {
        match names.place(&file.path) {
            Ok(place) => {
                let mismatch = place.mismatch.clone().map(|error| error.in_file(&file.path));
                let group = self.group(place);
                group.warnings.extend(mismatch);
                group.files.push(file);
            }
            Err(reason) => {
                self.reason.get_or_insert(reason);
                self.nameless.push(file);
            }
        }
    }

    fn add_unreachable(&mut self, names: &Names, directory: &Path, error: Error) {
        let file = error.path().filter(|path| path.parent() == Some(directory));
        match file.map(|path| names.place(path)) {
            Some(Ok(place)) => self.group(place).unreachable.push(error),
            Some(Err(_)) => self.problems.push(error),
            None => {
                // Datasets that nothing is seen of cannot be told without the names.
                if names.tell_variable() {
                    self.problems.push(error.clone());
                }
                self.unlisted.push(error);
            }
        }
    }

    fn group(&mut self, place: Place) -> &mut Group {
        let group = self.by_distinction.entry(place.distinction).or_default();
        group.named = group.named.take().or(place.named);
        group
    }

    /// What belongs to no dataset.
    fn problems(&mut self, directory: &Path) -> Vec<Error> {
        let nameless = self.reason.take().and_then(|reason| unrecognised(&self.nameless, &reason));
        let mut problems = std::mem::take(&mut self.problems);
        problems.extend(nameless.map(|problem| problem.in_file(directory)));
        problems
    }
}

fn owned(name: &FileName<'_>) -> Facets {
    let owned = |(facet, value): &(&str, &str)| ((*facet).to_owned(), (*value).to_owned());
    name.facets.iter().map(owned).collect()
}

fn borrowed(facets: &Facets) -> impl Iterator<Item = (&str, &str)> {
    facets.iter().map(|(facet, value)| (facet.as_str(), value.as_str()))
}

fn value<'f>(facets: &'f Facets, name: &str) -> Option<&'f str> {
    facets.iter().find(|(facet, _)| facet == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CMIP5: &str = "/d/cmip5/output1/I/M/historical/mon/atmos/Amon/r1i1p1/v1";
    const CMIP6: &str = "/d/CMIP6/CMIP/I/M/historical/r1i1p1f1/Amon/tas/gn/v20200101";

    /// Names tell a variant that neither the directory nor the ID has.
    const VARIANTS: &str = "
        name: variants
        directory: [product, variable, version]
        version: vN
        values: {product: [obs]}
        file_name: [variable, variant]
        variable: variable
    ";

    /// The datasets in `directory`, by what follows the ID of the directory, with the names of their files
    /// and the messages of their warnings; and what belongs to none.
    struct Found {
        datasets: Vec<(String, Vec<String>)>,
        warnings: Vec<Vec<String>>,
        unreachable: Vec<usize>,
        problems: Vec<Error>,
    }

    fn found(drs: &Drs, directory: &str, names: &[&str], unreachable: Vec<Error>) -> Found {
        let directory = Path::new(directory);
        let dataset = drs.dataset(directory).unwrap();
        let id = dataset.instance_id();
        let file =
            |name: &&str| SourceFile { path: directory.join(name), size: 1, mtime_ns: 1, inode: 1 };
        let files = names.iter().map(file).collect();
        let (candidates, problems) = separate((drs, dataset), directory, files, unreachable);
        let name = |file: &SourceFile| {
            file.path.file_name().unwrap().to_str().unwrap().trim_end_matches(".nc").to_owned()
        };
        let messages = |candidate: &Candidate| {
            candidate.warnings.iter().map(|warning| warning.message().to_owned()).collect()
        };
        Found {
            datasets: candidates
                .iter()
                .map(|found| {
                    let end = found.dataset.instance_id().strip_prefix(&id).unwrap().to_owned();
                    (end, found.files.iter().map(name).collect())
                })
                .collect(),
            warnings: candidates.iter().map(messages).collect(),
            unreachable: candidates.iter().map(|found| found.unreachable.len()).collect(),
            problems,
        }
    }

    fn ends(directory: &str, names: &[&str]) -> Vec<String> {
        let found = found(&Drs::builtin().unwrap(), directory, names, Vec::new());
        assert!(found.problems.is_empty());
        found.datasets.into_iter().map(|(end, _)| end).collect()
    }

    #[test]
    fn variables_of_one_directory_are_told_apart() {
        let names = [
            "orog_fx_M_historical_r0i0p0.nc",
            "pr_Amon_M_historical_r1i1p1_185001-185012.nc",
            "tas_Amon_M_historical_r1i1p1_185001-185012.nc",
            "tas_Amon_M_historical_r1i1p1_185101-185112.nc",
            "tas_day_M_historical_r1i1p1_18500101-18501231.nc",
        ];
        assert_eq!(ends(CMIP5, &names), [".orog", ".pr", ".tas", ".tas.day"]);
        assert_eq!(ends(CMIP5, &names[3..4]), [".tas"]);
        // A directory of a variable is not of the others.
        let tas = format!("{CMIP5}/tas");
        assert_eq!(ends(&tas, &names[2..4]), [""]);
        assert_eq!(ends(&tas, &names[1..]), ["", ".day", ".pr"]);
    }

    #[test]
    fn names_that_disagree_with_the_directory_and_with_each_other() {
        let [gn, gr, day, pr] = [
            "tas_Amon_M_historical_r1i1p1f1_gn_185001-185012.nc",
            "tas_Amon_M_historical_r1i1p1f1_gr_185001-185012.nc",
            "tas_day_M_historical_r1i1p1f1_gr_18500101-18501231.nc",
            "pr_Amon_M_historical_r1i1p1f1_gn_185001-185012.nc",
        ];
        assert_eq!(ends(CMIP6, &[gn]), [""]);
        // All the same: nothing to be told apart.
        assert_eq!(ends(CMIP6, &[gr]), [""]);
        assert_eq!(ends(CMIP6, &[pr]), [""]);
        assert_eq!(ends(CMIP6, &[gn, gr]), ["", ".gr"]);
        assert_eq!(ends(CMIP6, &[gr, day]), ["", ".day"]);
        assert_eq!(ends(CMIP6, &[gn, gr, day, pr]), ["", ".gr", ".day.gr", ".pr"]);
        let found = found(&Drs::builtin().unwrap(), CMIP6, &[gn, gr, pr, "x.nc"], Vec::new());
        assert_eq!(found.datasets[0].1, [gn.trim_end_matches(".nc"), "x"]);
        let [own, other, _] = &found.warnings[..] else { panic!("{:?}", found.warnings) };
        assert!(own[0].starts_with("the file name is not variable_id_"), "{own:?}");
        assert!(own[1].ends_with(".v20200101.gr`"), "{own:?}");
        assert_eq!(other, &["grid_label is `gr` in the file name and `gn` in the directory"]);
    }

    #[test]
    fn facets_that_only_names_have() {
        let drs = Drs::from_yaml(VARIANTS).unwrap();
        let ends = |names: &[&str]| {
            let found = found(&drs, "/obs/tas/v1", names, Vec::new());
            assert!(found.warnings.iter().all(Vec::is_empty));
            found.datasets.into_iter().map(|(end, _)| end).collect::<Vec<_>>()
        };
        assert_eq!(ends(&["tas_BE.nc"]), [""]);
        assert_eq!(ends(&["tas_BE.nc", "tas_FR.nc"]), [".BE", ".FR"]);
    }

    #[test]
    fn what_cannot_be_seen_is_missed_where_it_belongs() {
        let drs = Drs::builtin().unwrap();
        let lost = |place: &str| Error::new(Code::NotFound, "it").in_file(place);
        let tas = "tas_Amon_M_historical_r1i1p1_185001-185012.nc";
        let pr = format!("{CMIP5}/pr_Amon_M_historical_r1i1p1_185001-185012.nc");
        let one = found(&drs, CMIP5, &[tas], vec![lost(&pr), lost(&format!("{CMIP5}/x.nc"))]);
        assert_eq!(one.datasets.iter().map(|(end, _)| end).collect::<Vec<_>>(), [".pr", ".tas"]);
        assert_eq!((one.unreachable, one.problems.len()), (vec![1, 0], 1));
        // A directory that cannot be listed may hold more of everything.
        let all = found(&drs, CMIP5, &[tas], vec![lost(CMIP5)]);
        assert_eq!((all.unreachable, all.problems.len()), (vec![1], 1));
        let fixed = found(&drs, CMIP6, &[], vec![lost(CMIP6)]);
        assert_eq!((fixed.unreachable, fixed.problems.len()), (vec![1], 0));
    }
}
