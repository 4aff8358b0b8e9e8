//! Repositories as the crate reads them back.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ::icechunk::diff::Diff;
use ::icechunk::format::SnapshotId;
use ::icechunk::format::snapshot::SnapshotInfo;
use ::icechunk::repository::VersionInfo;
use futures::TryStreamExt;
use icechunk_arrow_object_store::new_local_filesystem_storage;
use tempfile::{TempDir, tempdir};
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::emit::reference_json::Locations;
use crate::emit::seams::Seams;
use crate::model::array::{Chunk, Fill, Values};
use crate::model::attribute::{AttributeValue, Attributes};
use crate::model::chunks::Chunks;
use crate::model::codec::Codec;
use crate::model::dtype::{ByteOrder, DataType};
use crate::model::icechunk::Checksums;
use crate::model::virtual_dataset::{Body, Joint, Run, Stored, VirtualArray};
use crate::verify::repository::{Repository as Reader, Stored as Read};

const PREFIX: &str = "https://node/data/v1/";

/// A place for a repository, and its path.
fn target() -> (TempDir, PathBuf) {
    let place = tempdir().unwrap();
    let target = place.path().join("CMIP6.a.v1.icechunk");
    (place, target)
}

fn attributes(list: &[(&str, &str)]) -> Attributes {
    list.iter()
        .map(|(name, value)| ((*name).into(), AttributeValue::Text((*value).into())))
        .collect()
}

/// `files` files of `rows` rows of two chunks; every seventh chunk is not there.
fn dataset(files: usize, rows: u64, title: &str) -> VirtualDataset {
    let run = |file| {
        let chunks: Chunks = (0..2 * rows)
            .filter(|index| index % 7 != 6)
            .map(|index| Chunk {
                index,
                offset: 4096 + 100 * index,
                size: 90 + index % 3,
                filter_mask: 0,
                trailing: 0,
            })
            .collect();
        let first = file as u64 * 2 * rows;
        Run { file, rows, chunk_rows: 1, first, chunks, stored: Stored::AsArray(Vec::new()) }
    };
    let float = DataType::Float(4, ByteOrder::Little);
    let tas = VirtualArray {
        name: "tas".into(),
        dimensions: vec!["time".into(), "lat".into()],
        shape: vec![files as u64 * rows, 8],
        dtype: float,
        fill: Fill::Value(1e20f32.to_le_bytes().to_vec()),
        attributes: [("_FillValue".to_owned(), AttributeValue::Float(vec![1e20]))]
            .into_iter()
            .collect(),
        body: Body::Virtual {
            chunk_shape: vec![1, 4],
            codecs: vec![Codec::Shuffle(4), Codec::Zlib(1)],
            runs: (0..files).map(run).collect(),
        },
    };
    let inline = |name: &str, dimensions: &[&str], shape: Vec<u64>, bytes: Vec<u8>| VirtualArray {
        name: name.into(),
        dimensions: dimensions.iter().map(|&name| name.into()).collect(),
        shape,
        dtype: float,
        fill: Fill::Undefined,
        attributes: attributes(&[("units", "m")]),
        body: Body::Inline(Values::Bytes(bytes)),
    };
    let lat = inline("lat", &["lat"], vec![8], (0u8..32).collect());
    let height = inline("height", &[], Vec::new(), vec![0, 0, 0, 64]);
    // Too large for a manifest, since nothing compresses it.
    let noise = std::iter::successors(Some(1u32), |&bits| {
        let bits = bits ^ bits << 13;
        let bits = bits ^ bits >> 17;
        Some(bits ^ bits << 5)
    });
    let noise = noise.take(20_000).flat_map(u32::to_le_bytes);
    let orography = inline("orog", &["x"], vec![20_000], noise.collect());
    VirtualDataset {
        attributes: attributes(&[("title", title)]),
        arrays: vec![tas, lat, height, orography],
        joint: Some(Joint { dimension: "time".into(), lengths: vec![rows; files] }),
    }
}

fn locations(count: usize, prefix: &str) -> Vec<String> {
    (0..count).map(|file| format!("{prefix}f{file}.nc")).collect()
}

fn write_with(
    target: &Path,
    dataset: &VirtualDataset,
    files: &[String],
    options: Options,
) -> Result<Artefact> {
    let seams = Seams::default();
    let locations = Locations { files, seams: &seams, seam_file: None };
    let modified = vec![1_500_000_000_250_000_000; files.len()];
    write(target, dataset, &Sources { locations, seam_path: None, modified: &modified }, &options)
}

fn write_at(target: &Path, dataset: &VirtualDataset) -> Artefact {
    write_with(target, dataset, &locations(16, PREFIX), Options::default()).unwrap()
}

fn chunks(reader: &Reader, array: &str) -> BTreeMap<Vec<u32>, Read> {
    let mut chunks = BTreeMap::new();
    let mut each = |at: &[u32], stored: Read| {
        assert!(chunks.insert(at.to_vec(), stored).is_none(), "a chunk comes twice");
        Ok(())
    };
    reader.chunks(array, &mut each).unwrap();
    chunks
}

/// All chunks that [`dataset`] has, as they are to be read.
fn expected(files: usize, rows: u64, prefix: &str) -> BTreeMap<Vec<u32>, Read> {
    let mut expected = BTreeMap::new();
    for file in 0..files {
        for index in (0..2 * rows).filter(|index| index % 7 != 6) {
            let row = u32::try_from(file as u64 * rows + index / 2).unwrap();
            let url = format!("{prefix}f{file}.nc");
            let stored = Read::Reference {
                url,
                offset: 4096 + 100 * index,
                length: 90 + index % 3,
                modified: None,
            };
            expected.insert(vec![row, u32::try_from(index % 2).unwrap()], stored);
        }
    }
    expected
}

/// The repository as any reader has it.
fn opened(target: &Path) -> (Runtime, ::icechunk::Repository) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let repository = runtime.block_on(async {
        let storage = new_local_filesystem_storage(target).await.unwrap();
        ::icechunk::Repository::open(storage).execute().await.unwrap()
    });
    (runtime, repository)
}

/// The snapshots of the branch, the newest first, and the empty one that all began with.
fn history(target: &Path) -> Vec<SnapshotInfo> {
    let (runtime, repository) = opened(target);
    let main = VersionInfo::BranchTipRef("main".into());
    runtime.block_on(async {
        repository.ancestry(&main).await.unwrap().try_collect::<Vec<_>>().await.unwrap()
    })
}

fn ids(history: &[SnapshotInfo]) -> Vec<String> {
    history.iter().map(|snapshot| snapshot.id.to_string()).collect()
}

/// What a reader is told of the changes between two snapshots.
fn difference(target: &Path, from: &str, to: &str) -> Diff {
    let (runtime, repository) = opened(target);
    let version = |id: &str| VersionInfo::SnapshotId(SnapshotId::try_from(id).unwrap());
    runtime.block_on(repository.diff(&version(from), &version(to))).unwrap()
}

fn count(target: &Path, kind: &str) -> usize {
    stage::files(target).unwrap().iter().filter(|file| file.starts_with(kind)).count()
}

/// Everything in a directory: names, and what tells whether a file was touched.
fn state(directory: &Path) -> BTreeMap<PathBuf, (u64, std::time::SystemTime)> {
    use std::os::unix::fs::MetadataExt;
    let stamp = |file: &PathBuf| {
        let found = fs::metadata(directory.join(file)).unwrap();
        (found.ino(), found.modified().unwrap())
    };
    let files = stage::files(directory).unwrap();
    files.into_iter().map(|file| (file.clone(), stamp(&file))).collect()
}

fn is_clean(target: &Path) {
    let names: Vec<_> = fs::read_dir(target.parent().unwrap())
        .unwrap()
        .flatten()
        .map(|it| it.file_name())
        .collect();
    assert_eq!(names, [target.file_name().unwrap()]);
    let files = stage::files(target).unwrap();
    assert!(files.iter().all(|file| stage::is_object(file)), "{files:?}");
}

#[test]
fn what_is_written_is_read() {
    let (_place, target) = target();
    let artefact = write_at(&target, &dataset(3, 5, "a"));
    assert!(!artefact.unchanged);
    assert_eq!(artefact.reference_count, 3 * 9);
    assert_eq!(artefact.size, stage::size(&target).unwrap());
    is_clean(&target);
    let reader = Reader::open(&target).unwrap();
    assert_eq!(Some(reader.snapshot()), artefact.snapshot);
    assert_eq!(reader.containers(), [("data".to_owned(), PREFIX.to_owned())]);
    assert_eq!(chunks(&reader, "tas"), expected(3, 5, PREFIX));
    assert_eq!(chunks(&reader, "lat")[&vec![0]], Read::Bytes((0u8..32).collect()));
    assert_eq!(chunks(&reader, "height")[&vec![]], Read::Bytes(vec![0, 0, 0, 64]));
    let Read::Bytes(orography) = &chunks(&reader, "orog")[&vec![0]] else {
        panic!("not in the repository")
    };
    assert!(orography.len() > 70_000);
    let group: serde_json::Value = serde_json::from_slice(&reader.group().unwrap()).unwrap();
    assert_eq!(group["attributes"]["title"], "a");
    let arrays: BTreeMap<_, _> = reader.arrays().unwrap().into_iter().collect();
    let tas: serde_json::Value = serde_json::from_slice(&arrays["tas"]).unwrap();
    assert_eq!(tas["chunk_key_encoding"]["name"], "default");
    assert_eq!(tas["attributes"]["_FillValue"], "AAAAgB2vFUQ=");
    assert_eq!(arrays.len(), 4);
}

#[test]
fn what_says_the_same_is_left_alone() {
    let (_place, target) = target();
    let first = write_at(&target, &dataset(3, 5, "a"));
    let before = state(&target);
    let second = write_at(&target, &dataset(3, 5, "a"));
    assert_eq!(second, Artefact { unchanged: true, ..first.clone() });
    assert_eq!(state(&target), before);
    is_clean(&target);
    // Elsewhere it has the same digest, though not the same files.
    let (_place, elsewhere) = self::target();
    let other = write_at(&elsewhere, &dataset(3, 5, "a"));
    assert_eq!(other.digest, first.digest);
    assert_ne!(other.snapshot, first.snapshot);
    assert_eq!(digest(&elsewhere).unwrap(), Some(first.digest));
}

#[test]
fn a_change_is_a_snapshot_more_and_readers_of_the_old_one_go_on() {
    let (_place, target) = target();
    let first = write_at(&target, &dataset(3, 5, "a"));
    let reader = Reader::open(&target).unwrap();
    let second = write_at(&target, &dataset(2, 4, "b"));
    assert!(!second.unchanged && second.digest != first.digest);
    is_clean(&target);
    assert_eq!(chunks(&reader, "tas"), expected(3, 5, PREFIX));
    let old = Reader::open_snapshot(&target, first.snapshot.as_deref().unwrap()).unwrap();
    assert_eq!(chunks(&old, "tas"), expected(3, 5, PREFIX));
    let new = Reader::open(&target).unwrap();
    assert_eq!(Some(new.snapshot()), second.snapshot);
    assert_eq!(chunks(&new, "tas"), expected(2, 4, PREFIX));
    assert_eq!(new.arrays().unwrap().len(), 4);
}

#[test]
fn every_difference_is_a_change() {
    let (_place, target) = target();
    let mut digests = vec![write_at(&target, &dataset(3, 5, "a")).digest];
    let mut changed = dataset(3, 5, "a");
    changed.arrays[1].body = Body::Inline(Values::Bytes(vec![1; 32]));
    digests.push(write_at(&target, &changed).digest);
    changed.arrays[1].name = "latitude".into();
    digests.push(write_at(&target, &changed).digest);
    let files = locations(3, "https://node/data/v2/");
    digests.push(write_with(&target, &changed, &files, Options::default()).unwrap().digest);
    let options = Options { checksums: Checksums::LastModified, ..Options::default() };
    digests.push(write_with(&target, &changed, &files, options).unwrap().digest);
    let reader = Reader::open(&target).unwrap();
    let read = chunks(&reader, "tas");
    let Read::Reference { url, modified, .. } = &read[&vec![0, 0]] else { panic!("no reference") };
    assert_eq!((url.as_str(), *modified), ("https://node/data/v2/f0.nc", Some(1_500_000_001)));
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 5);
}

#[test]
fn so_many_snapshots_are_kept() {
    let (_place, target) = target();
    let options = Options { keep: 2, ..Options::default() };
    let files = locations(3, PREFIX);
    let mut snapshots = Vec::new();
    for change in 0..5 {
        let dataset = dataset(3, 60, &change.to_string());
        snapshots.push(write_with(&target, &dataset, &files, options).unwrap().snapshot);
    }
    is_clean(&target);
    for snapshot in &snapshots[3..] {
        let reader = Reader::open_snapshot(&target, snapshot.as_deref().unwrap()).unwrap();
        assert_eq!(chunks(&reader, "tas"), expected(3, 60, PREFIX));
    }
    for snapshot in &snapshots[..3] {
        assert!(Reader::open_snapshot(&target, snapshot.as_deref().unwrap()).is_err());
    }
    // The empty first one is always there.
    assert_eq!(count(&target, "snapshots"), 3);
    // One was made with each of four steps, none is left of those before.
    assert_eq!(count(&target, "transactions"), 1 + 2 * 4);
    // The orography, of each snapshot.
    assert_eq!(count(&target, "chunks"), 2);
}

/// In tests steps are small, see [`repository::BATCH`].
#[test]
fn many_references_are_written_in_steps() {
    let (_place, target) = target();
    for (files, rows) in [(5, 101), (7, 83), (1, 2)] {
        let artefact = write_at(&target, &dataset(files, rows, "a"));
        assert_eq!(artefact.reference_count, expected(files, rows, PREFIX).len() as u64);
        let reader = Reader::open(&target).unwrap();
        assert_eq!(chunks(&reader, "tas"), expected(files, rows, PREFIX));
        is_clean(&target);
    }
    let history = Repository::open(&target, &target).unwrap();
    assert!(!history.has_rubbish(3).unwrap() && history.has_rubbish(2).unwrap());
}

#[test]
fn no_reader_meets_a_step() {
    let (_place, target) = target();
    let options = Options { keep: 2, ..Options::default() };
    let shapes = [(5, 101), (7, 83), (3, 5), (6, 90), (6, 90), (1, 2), (4, 120)];
    let mut written: Vec<(String, BTreeMap<Vec<u32>, Read>)> = Vec::new();
    for (change, (files, rows)) in shapes.into_iter().enumerate() {
        let dataset = dataset(files, rows, &change.to_string());
        let artefact = write_with(&target, &dataset, &locations(files, PREFIX), options).unwrap();
        written.insert(0, (artefact.snapshot.unwrap(), expected(files, rows, PREFIX)));
        let kept = &written[..written.len().min(2)];
        let history = ids(&history(&target));
        let (empty, published) = history.split_last().unwrap();
        assert_eq!(published, kept.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>());
        for ((snapshot, expected), before) in kept.iter().zip(&history[1..]) {
            let reader = Reader::open_snapshot(&target, snapshot).unwrap();
            assert_eq!(chunks(&reader, "tas"), *expected);
            // All of it is new, whatever steps it was written in.
            let difference = difference(&target, before, snapshot);
            assert_eq!(difference.new_arrays.len(), 4);
            assert_eq!(difference.deleted_arrays.len(), if before == empty { 0 } else { 4 });
            let changed = &difference.updated_chunks[&"/tas".try_into().unwrap()];
            let changed: Vec<_> = changed.iter().map(|at| at.0.clone()).collect();
            assert_eq!(changed, expected.keys().cloned().collect::<Vec<_>>());
        }
        is_clean(&target);
        assert_eq!(count(&target, "snapshots"), kept.len() + 1);
        assert_eq!(count(&target, "chunks"), kept.len());
        assert!(!Repository::open(&target, &target).unwrap().has_rubbish(2).unwrap());
    }
}

#[test]
fn a_history_with_steps_is_mended() {
    let (_place, target) = target();
    let first = write_at(&target, &dataset(3, 5, "a")).snapshot.unwrap();
    let (dataset, files, seams) = (dataset(5, 101, "b"), locations(5, PREFIX), Seams::default());
    let locations = Locations { files: &files, seams: &seams, seam_file: None };
    let sources = Sources { locations, seam_path: None, modified: &[0; 5] };
    let repository = Repository::open(&target, &target).unwrap();
    let content =
        Content::new(&dataset, &sources, repository.containers(), Checksums::None).unwrap();
    let repository = repository.configure(&content.containers, Some(&content)).unwrap();
    repository.commit(&content, &content.digest().unwrap()).unwrap();
    // That of the crate, which a copy loses before it is published.
    fs::remove_dir_all(target.join("overwritten")).unwrap();
    let torn = ids(&history(&target));
    let [newest, steps @ .., oldest, empty] = &torn[..] else { panic!("no history") };
    assert!(steps.len() > 2 && *oldest == first && repository.has_rubbish(3).unwrap());
    assert!(write_at(&target, &dataset).unchanged);
    let mended = history(&target);
    assert_eq!(ids(&mended), [newest, oldest, empty].map(String::clone));
    let logs = mended[0].pruned_ancestor_tx_logs.iter().rev().map(ToString::to_string);
    assert_eq!(logs.collect::<Vec<_>>(), steps);
    assert_eq!(chunks(&Reader::open(&target).unwrap(), "tas"), expected(5, 101, PREFIX));
    is_clean(&target);
    assert!(!Repository::open(&target, &target).unwrap().has_rubbish(3).unwrap());
}

#[test]
fn a_replica_changes_one_line() {
    let (_place, target) = target();
    let first = write_at(&target, &dataset(3, 5, "a"));
    let new = "https://replica/x/v1/";
    let moved = locations(3, new);
    let moved: Vec<&str> = moved.iter().map(String::as_str).collect();
    let artefact = relocate(&target, &moved, 15).unwrap().unwrap().publish().unwrap();
    is_clean(&target);
    let reader = Reader::open(&target).unwrap();
    assert_eq!(Some(reader.snapshot()), first.snapshot);
    assert_eq!(chunks(&reader, "tas"), expected(3, 5, new));
    assert_ne!(artefact.digest, first.digest);
    assert_eq!(super::digest(&target).unwrap(), Some(artefact.digest.clone()));
    let again =
        write_with(&target, &dataset(3, 5, "a"), &locations(3, new), Options::default()).unwrap();
    assert!(again.unchanged);
    assert_eq!(again.digest, artefact.digest);
    let apart = ["https://replica/x/v1/a.nc", "https://replica/x/v2/b.nc"];
    assert!(relocate(&target, &apart, 15).unwrap().is_none());
    let below = ["https://replica/x/v1/files/a.nc"];
    assert!(relocate(&target, &below, 15).unwrap().is_none());
}

#[test]
fn of_two_writers_neither_loses_the_snapshots_of_the_other() {
    const ROUNDS: usize = 8;
    let (_place, target) = target();
    write_at(&target, &dataset(3, 5, "first"));
    let options = Options { keep: 100, ..Options::default() };
    let writer = |name: char| {
        let (files, target) = (locations(3, PREFIX), &target);
        move || -> Vec<String> {
            let round = |round| {
                let dataset = dataset(3, 5, &format!("{name}{round}"));
                write_with(target, &dataset, &files, options).unwrap().snapshot.unwrap()
            };
            (0..ROUNDS).map(round).collect()
        }
    };
    let written: Vec<String> = std::thread::scope(|scope| {
        let writers = ['a', 'b'].map(|name| scope.spawn(writer(name)));
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    is_clean(&target);
    assert_eq!(written.len(), 2 * ROUNDS);
    for snapshot in &written {
        let reader = Reader::open_snapshot(&target, snapshot).unwrap();
        assert_eq!(chunks(&reader, "tas"), expected(3, 5, PREFIX));
    }
    assert!(!Repository::open(&target, &target).unwrap().has_rubbish(100).unwrap());
}

#[test]
fn what_another_wrote_in_the_meantime_is_left_alone() {
    let (place, target) = target();
    let files = locations(3, PREFIX);
    let prepared = |title: &str| {
        let (dataset, seams) = (dataset(3, 5, title), Seams::default());
        let locations = Locations { files: &files, seams: &seams, seam_file: None };
        let sources = Sources { locations, seam_path: None, modified: &[0; 3] };
        prepare(&target, &dataset, &sources, &Options::default()).unwrap()
    };
    let is_told = |prepared: Prepared| {
        let error = prepared.publish().unwrap_err();
        assert!(error.message().contains("another process has written"), "{error}");
        assert_eq!((error.path(), error.hint().is_some()), (Some(target.as_path()), true));
    };
    // Two that find nothing there.
    let (first, second) = (prepared("a"), prepared("b"));
    let snapshot = first.publish().unwrap().snapshot;
    is_told(second);
    assert_eq!(Some(Reader::open(&target).unwrap().snapshot()), snapshot);
    // As on a file system without locks.
    let third = prepared("c");
    let other = place.path().join("other");
    fs::copy(target.join(stage::REPO), &other).unwrap();
    fs::rename(&other, target.join(stage::REPO)).unwrap();
    is_told(third);
    assert_eq!(Some(Reader::open(&target).unwrap().snapshot()), snapshot);
    // What it had moved there by then goes with the next.
    write_at(&target, &dataset(3, 5, "d"));
    is_clean(&target);
    assert!(!Repository::open(&target, &target).unwrap().has_rubbish(3).unwrap());
}

#[test]
fn what_killed_runs_left_is_removed() {
    let (place, target) = target();
    write_at(&target, &dataset(3, 5, "a"));
    let before = state(&target);
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let killed = child.id();
    child.wait().unwrap();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let host: String = host.chars().filter(char::is_ascii_alphanumeric).collect();
    let stale = place.path().join(format!(".CMIP6.a.v1.icechunk.tmp-{host}-{killed}-1f-0"));
    fs::create_dir_all(stale.join("chunks")).unwrap();
    fs::write(target.join("manifests/0123456789ABCDEFGHJ0"), "").unwrap();
    fs::write(target.join("chunks/0123456789ABCDEFGHJ0"), "").unwrap();
    let again = write_at(&target, &dataset(3, 5, "a"));
    assert!(again.unchanged);
    // A directory that was looked through lately is not again.
    let _ = fs::remove_dir_all(stale);
    is_clean(&target);
    assert_eq!(state(&target).len(), before.len());
    let reader = Reader::open(&target).unwrap();
    assert_eq!(chunks(&reader, "tas"), expected(3, 5, PREFIX));
}

#[test]
fn what_is_not_published_leaves_everything_as_it_was() {
    let (place, target) = target();
    let (seams, files) = (Seams::default(), locations(3, PREFIX));
    let locations = Locations { files: &files, seams: &seams, seam_file: None };
    let sources = Sources { locations, seam_path: None, modified: &[] };
    let prepared = prepare(&target, &dataset(3, 5, "a"), &sources, &Options::default()).unwrap();
    assert!(!target.exists() && Reader::open(prepared.path()).is_ok());
    drop(prepared);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    write_at(&target, &dataset(3, 5, "a"));
    let before = state(&target);
    let prepared = prepare(&target, &dataset(3, 5, "b"), &sources, &Options::default()).unwrap();
    drop(prepared);
    assert_eq!(state(&target), before);
    is_clean(&target);
}

#[test]
fn what_others_put_there_is_left_alone() {
    let (_place, target) = target();
    for content in ["", "not a repository"] {
        fs::create_dir_all(&target).unwrap();
        fs::write(target.join("repo"), content).unwrap();
        let error =
            write_with(&target, &dataset(1, 1, "a"), &locations(1, PREFIX), Options::default())
                .unwrap_err();
        assert_eq!(error.path(), Some(target.as_path()));
        assert!(error.hint().is_some(), "{error}");
        assert_eq!(fs::read_to_string(target.join("repo")).unwrap(), content);
        is_clean(&target);
    }
    fs::remove_dir_all(&target).unwrap();
    drop(Repository::create(&target, &target).unwrap());
    let error = write_with(&target, &dataset(1, 1, "a"), &locations(1, PREFIX), Options::default())
        .unwrap_err();
    assert!(error.message().contains("did not write"), "{error}");
    assert_eq!(digest(&target).unwrap(), None);
}

#[test]
fn one_snapshot_is_too_few() {
    let (place, target) = target();
    let options = Options { keep: 1, ..Options::default() };
    let error =
        write_with(&target, &dataset(1, 1, "a"), &locations(1, PREFIX), options).unwrap_err();
    assert_eq!(error.code(), Code::Configuration);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn a_directory_that_does_not_exist_is_named() {
    let place = tempdir().unwrap();
    let directory = place.path().join("absent");
    let target = directory.join("a.icechunk");
    let error = write_with(&target, &dataset(1, 1, "a"), &locations(1, PREFIX), Options::default())
        .unwrap_err();
    assert_eq!((error.code(), error.path()), (Code::NotFound, Some(directory.as_path())));
}
