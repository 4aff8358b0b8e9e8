//! The crate `icechunk`, as far as it is needed here, for synchronous code.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::error::Error as StdError;
use std::io;
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ::icechunk::config::{
    CachingConfig, HttpConfig, ManifestConfig, ManifestSplitCondition, ManifestSplitDim,
    ManifestSplitDimCondition, ManifestSplittingConfig,
};
use ::icechunk::error::ICError;
use ::icechunk::format::format_constants::SpecVersionBin;
use ::icechunk::format::manifest::{
    Checksum, SecondsSinceEpoch, VirtualChunkLocation, VirtualChunkRef,
};
use ::icechunk::format::repo_info::{RepoInfo, UpdateInfo, UpdateType};
use ::icechunk::format::snapshot::{ArrayShape, DimensionName, SnapshotInfo, SnapshotProperties};
use ::icechunk::format::{ChunkIndices, IcechunkResult, Path as NodePath, SnapshotId};
use ::icechunk::ops::gc::{GCConfig, garbage_collect};
use ::icechunk::repository::VersionInfo;
use ::icechunk::session::Session;
use ::icechunk::store::SetVirtualRefsResult;
use ::icechunk::virtual_chunks::VirtualChunkContainer;
use ::icechunk::{ObjectStoreConfig, RepositoryConfig, Store};
use bytes::Bytes;
use futures::TryStreamExt;
use icechunk_arrow_object_store::new_local_filesystem_storage;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::RwLock;

use super::containers::Container;
use super::content::{ArrayContent, Content, Held};
use super::stage;
use crate::emit::seal;
use crate::model::error::{Code, Error, Result};

/// Where changes go.
const MAIN: &str = "main";

/// The property of a snapshot that tells what it holds.
const CONTENT: &str = "vzarr_publish_content";

/// Chunks of one manifest: a reader fetches some megabytes for the first chunk it reads, whatever the
/// dataset is.
const MANIFEST_CHUNKS: u32 = if cfg!(test) { 40 } else { 100_000 };

/// References that are held in memory until they are written.
pub(super) const BATCH: usize = if cfg!(test) { 90 } else { 400_000 };

/// References handed over at once.
const HANDED: usize = if cfg!(test) { 7 } else { 10_000 };

/// Chunks up to this size are kept in manifests: a file of its own costs readers a request more.
const INLINE: u16 = 16 * 1024;

/// What collecting garbage may hold in memory.
const COLLECTED_BYTES: usize = 128 * 1024 * 1024;

/// A repository in a directory.
pub(super) struct Repository {
    runtime: Runtime,
    icechunk: ::icechunk::Repository,
    /// Where it is now.
    place: PathBuf,
    /// What it is called in errors: its place once it is published.
    path: PathBuf,
}

/// What the newest snapshot is.
pub(super) struct Tip {
    /// Its ID.
    pub(super) snapshot: String,
    /// What it holds, if this program wrote it.
    pub(super) content: Option<String>,
}

impl Repository {
    /// Creates an empty repository in the directory `place`, which errors call `path`.
    pub(super) fn create(place: &Path, path: &Path) -> Result<Self> {
        Self::new(place, path, true)
    }

    /// Opens the repository in the directory `place`, which errors call `path`.
    pub(super) fn open(place: &Path, path: &Path) -> Result<Self> {
        Self::new(place, path, false)
    }

    fn new(place: &Path, path: &Path, create: bool) -> Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::io(&error, "start a runtime", path))?;
        let icechunk = runtime.block_on(async {
            let storage =
                new_local_filesystem_storage(place).await.on(path, "open the directory")?;
            if create {
                let created = ::icechunk::Repository::create(storage).execute().await;
                return created.on(path, "create an Icechunk repository");
            }
            // What was written is not read again.
            let caching = CachingConfig { num_chunk_refs: Some(0), ..CachingConfig::default() };
            let config = RepositoryConfig { caching: Some(caching), ..RepositoryConfig::default() };
            let opened = ::icechunk::Repository::open(storage).config(config).execute().await;
            opened.on(path, "open the Icechunk repository")
        })?;
        Ok(Self { runtime, icechunk, place: place.to_owned(), path: path.to_owned() })
    }

    /// The containers of virtual chunks, by name.
    pub(super) fn containers(&self) -> Vec<Container> {
        let containers = self.icechunk.config().virtual_chunk_containers();
        let mut containers: Vec<Container> = containers
            .filter_map(|container| {
                let name = container.name()?.to_owned();
                Some(Container { name, prefix: container.url_prefix().to_owned() })
            })
            .collect();
        // As they were made: `data`, `data2`, ..., `data10`.
        containers.sort_by(|one, other| {
            (one.name.len(), &one.name).cmp(&(other.name.len(), &other.name))
        });
        containers
    }

    /// Keeps the configuration: `containers` and, of the arrays of `content`, how manifests are split. What
    /// concerns this machine is left out, since readers elsewhere would follow it.
    pub(super) fn configure(
        self,
        containers: &[Container],
        content: Option<&Content>,
    ) -> Result<Self> {
        let old = self.icechunk.config().clone();
        let old = RepositoryConfig { storage: None, caching: None, ..old };
        let mut config = RepositoryConfig { inline_chunk_threshold_bytes: Some(INLINE), ..old };
        config.clear_virtual_chunk_containers();
        for container in containers {
            let container = virtual_chunk_container(container).map_err(|why| {
                Error::new(Code::Configuration, format!("not the place of files: {why}"))
                    .in_file(&self.path)
            })?;
            config
                .set_virtual_chunk_container(container)
                .map_err(|why| Error::new(Code::Configuration, why).in_file(&self.path))?;
        }
        if let Some(content) = content {
            let splitting = Some(splitting(content));
            config.manifest = Some(ManifestConfig { splitting, ..config.manifest().clone() });
        }
        let assets = self.icechunk.asset_manager();
        let (version, updates) =
            (self.icechunk.spec_version(), config.num_updates_per_repo_info_file());
        let update = assets.update_repo_info(config.repo_update_retries(), |info, backup, _| {
            let changed = info.set_config(version, &config, backup, updates);
            Ok(Arc::new(changed.map_err(ICError::inject)?))
        });
        self.runtime.block_on(update).on(&self.path, "configure the Icechunk repository")?;
        Self::open(&self.place, &self.path)
    }

    /// The newest snapshot.
    pub(super) fn tip(&self) -> Result<Tip> {
        let history = self.history()?;
        let newest = history.first().ok_or_else(|| {
            Error::corrupt("an Icechunk repository without a snapshot").in_file(&self.path)
        })?;
        let content = newest.metadata.get(CONTENT).and_then(|value| value.as_str());
        Ok(Tip { snapshot: newest.id.to_string(), content: content.map(str::to_owned) })
    }

    /// Snapshots of the branch, the newest first.
    fn history(&self) -> Result<Vec<SnapshotInfo>> {
        let read = async {
            let main = VersionInfo::BranchTipRef(MAIN.to_owned());
            self.icechunk.ancestry(&main).await?.try_collect().await
        };
        self.runtime.block_on(read).on(&self.path, "read the history of the Icechunk repository")
    }

    /// Makes `content` the newest snapshot, which `digest` stands for. It may take snapshots of parts, which
    /// [`Repository::prune`] takes out of the history.
    pub(super) fn commit(&self, content: &Content, digest: &str) -> Result<()> {
        let mut writer = Writer { repository: self, store: self.session()?, held: 0 };
        writer.write(content)?;
        let properties = [(CONTENT.to_owned(), digest.into())];
        writer.finish("Publish the dataset", SnapshotProperties::from(properties))
    }

    fn session(&self) -> Result<Store> {
        self.runtime.block_on(async {
            let session = self.icechunk.writable_session(MAIN).await;
            let session = session.on(&self.path, "write to the Icechunk repository")?;
            Ok(Store::from_session(Arc::new(RwLock::new(session))).await)
        })
    }

    /// Lets go of all snapshots but the newest `keep` that are complete, and of all files that none needs.
    pub(super) fn prune(&self, keep: usize) -> Result<()> {
        let history = self.history()?;
        let Some(newest) = history.first() else { return Ok(()) };
        let versions = versions(&history, keep);
        let config = self.icechunk.config();
        let (retries, updates) =
            (config.repo_update_retries(), config.num_updates_per_repo_info_file());
        // All of it is old enough to be deleted: nobody else writes to this copy.
        let later = newest.flushed_at + Duration::from_hours(240);
        let one = NonZeroU16::MIN;
        let memory = NonZeroUsize::new(COLLECTED_BYTES).unwrap_or(NonZeroUsize::MIN);
        let collected = GCConfig::clean_all(
            later,
            later,
            None,
            one,
            memory,
            memory,
            one,
            one,
            one,
            Some(one),
            false,
        );
        self.runtime.block_on(async {
            let assets = Arc::clone(self.icechunk.asset_manager());
            let version = self.icechunk.spec_version();
            let link = assets.update_repo_info(retries, |info, backup, _| {
                let linked = linked(&info, &versions, version, backup, updates);
                Ok(Arc::new(linked.map_err(ICError::inject)?))
            });
            link.await.on(&self.path, "let go of old snapshots")?;
            let summary = Box::pin(garbage_collect(assets, &collected, Some(retries), updates))
                .await
                .on(&self.path, "collect what no snapshot needs")?;
            match summary.delete_errors.first() {
                None => Ok(()),
                Some(first) => {
                    let message = format!("cannot delete what no snapshot needs: {first}");
                    Err(Error::new(Code::Io, message).in_file(&self.path))
                }
            }
        })
    }

    /// Whether there are files that no snapshot needs, or more than `keep` snapshots.
    pub(super) fn has_rubbish(&self, keep: usize) -> Result<bool> {
        let history = self.history()?;
        // The first of all is empty and always there.
        let (published, _) = history.split_at(history.len().saturating_sub(1));
        if published.len() > keep || !published.iter().all(is_complete) {
            return Ok(true);
        }
        let mut needed = BTreeSet::from([PathBuf::from(stage::REPO)]);
        let assets = self.icechunk.asset_manager();
        for snapshot in &history {
            let id = snapshot.id.to_string();
            needed.insert(Path::new("snapshots").join(&id));
            let logs = snapshot.pruned_ancestor_tx_logs.iter().map(ToString::to_string);
            needed.extend(logs.chain([id]).map(|id| Path::new("transactions").join(id)));
            let manifests: Vec<String> = self.runtime.block_on(async {
                let read = assets.fetch_snapshot(&snapshot.id).await;
                let read = read.on(&self.path, "read a snapshot")?;
                let files = read.manifest_files().map(|file| file.map(|file| file.id.to_string()));
                files.collect::<std::result::Result<_, _>>().on(&self.path, "read a snapshot")
            })?;
            needed.extend(manifests.iter().map(|id| Path::new("manifests").join(id)));
        }
        let there =
            stage::files(&self.place).map_err(|error| Error::io(&error, "read", &self.path))?;
        // Chunks never come alone, see `Stage::publish`.
        let is_needed = |file: &PathBuf| file.starts_with(stage::CHUNKS) || needed.contains(file);
        Ok(there.iter().any(|file| stage::is_object(file) && !is_needed(file)))
    }
}

fn is_complete(snapshot: &SnapshotInfo) -> bool {
    snapshot.metadata.contains_key(CONTENT)
}

/// The newest `keep` snapshots of `history` that are complete, each behind the one before it, the oldest behind the
/// empty one. Of the parts between them only the logs of changes are kept, from which readers tell what differs.
fn versions(history: &[SnapshotInfo], keep: usize) -> HashMap<SnapshotId, SnapshotInfo> {
    let Some((empty, published)) = history.split_last() else { return HashMap::new() };
    // Each complete snapshot comes with the parts before it.
    let groups = published.chunk_by(|_, before| !is_complete(before));
    let groups: Vec<_> = groups
        .filter_map(<[_]>::split_first)
        .filter(|(version, _)| is_complete(version))
        .take(keep.max(1))
        .collect();
    let parents = groups.iter().skip(1).map(|(version, _)| *version).chain([empty]);
    let linked = groups.iter().zip(parents).map(|((version, parts), parent)| {
        let logs = parts.iter().rev().map(|part| &part.id).chain(&version.pruned_ancestor_tx_logs);
        let version = SnapshotInfo {
            parent_id: Some(parent.id.clone()),
            pruned_ancestor_tx_logs: logs.cloned().collect(),
            ..(*version).clone()
        };
        (version.id.clone(), version)
    });
    linked.collect()
}

/// `info` with the snapshots of `versions` as they are there. What no branch leads to any more goes with the garbage.
fn linked(
    info: &RepoInfo,
    versions: &HashMap<SnapshotId, SnapshotInfo>,
    version: SpecVersionBin,
    backup: &str,
    updates: u16,
) -> IcechunkResult<RepoInfo> {
    let link = |snapshot: SnapshotInfo| versions.get(&snapshot.id).cloned().unwrap_or(snapshot);
    let snapshots = info.all_snapshots()?.map(|snapshot| snapshot.map(link));
    let update = UpdateInfo {
        update_type: UpdateType::ExpirationRanUpdate,
        update_time: SystemTime::now().into(),
        previous_updates: info.latest_updates()?,
    };
    RepoInfo::new(
        version,
        info.tags()?,
        info.branches()?,
        info.deleted_tags()?,
        snapshots.collect::<IcechunkResult<Vec<_>>>()?,
        &info.metadata()?,
        update,
        Some(backup),
        updates,
        info.repo_before_updates()?,
        info.config_bytes_raw()?.as_deref(),
        info.enabled_feature_flags()?,
        info.disabled_feature_flags()?,
        &info.status()?,
    )
}

/// Writes a snapshot in steps, so that not all references have to be in memory at once.
struct Writer<'a> {
    repository: &'a Repository,
    store: Store,
    /// References of this step.
    held: usize,
}

impl Writer<'_> {
    fn write(&mut self, content: &Content) -> Result<()> {
        let path = &self.repository.path;
        let session = self.store.session();
        self.repository.runtime.block_on(async {
            let mut session = session.write().await;
            session.clear().await.on(path, "write to the Icechunk repository")?;
            let group = Bytes::copy_from_slice(&content.group);
            session.add_group(NodePath::root(), group).await.on(path, "write the group")?;
            for array in &content.arrays {
                add_array(&mut session, array, path)
                    .await
                    .map_err(|error| error.in_file(path).of_variable(&array.array.name))?;
            }
            Ok::<(), Error>(())
        })?;
        // What exists already is written faster.
        if content.reference_count() > BATCH as u64 {
            self.step()?;
        }
        for (position, array) in content.arrays.iter().enumerate() {
            self.array(content, position, array)
                .map_err(|error| error.in_file(path).of_variable(&array.array.name))?;
        }
        Ok(())
    }

    fn array(&mut self, content: &Content, position: usize, array: &ArrayContent) -> Result<()> {
        let node = node_path(array)?;
        let locations = Locations::default();
        let shape = array.manifest_shape(MANIFEST_CHUNKS);
        let manifest =
            |at: &[u32]| -> Vec<u32> { at.iter().zip(&shape).map(|(at, of)| at / of).collect() };
        let mut last = None;
        let mut references = Vec::new();
        content.chunks(position, &mut |index, held| {
            let at = array.coordinates(index);
            match held {
                Held::Bytes(bytes) => self.bytes(&node, &at, &bytes)?,
                Held::File { file, offset, size } => {
                    let manifest = Some(manifest(&at));
                    if self.held >= BATCH && last != manifest {
                        self.references(&node, &mut references)?;
                        self.step()?;
                    }
                    last = manifest;
                    self.held += 1;
                    let (location, checksum) = locations.of(content, file)?;
                    let reference = VirtualChunkRef { location, offset, length: size, checksum };
                    references.push((ChunkIndices(at), reference));
                    if references.len() == HANDED {
                        self.references(&node, &mut references)?;
                    }
                }
            }
            Ok(())
        })?;
        self.references(&node, &mut references)
    }

    fn references(
        &self,
        node: &NodePath,
        references: &mut Vec<(ChunkIndices, VirtualChunkRef)>,
    ) -> Result<()> {
        let handed = std::mem::take(references);
        let set = self.store.set_virtual_refs(node, false, handed);
        let path = &self.repository.path;
        match self.repository.runtime.block_on(set).on(path, "write references")? {
            SetVirtualRefsResult::Done => Ok(()),
            SetVirtualRefsResult::FailedRefs(_) => {
                Err(Error::new(Code::Internal, "references that no container holds"))
            }
        }
    }

    fn bytes(&self, node: &NodePath, at: &[u32], bytes: &[u8]) -> Result<()> {
        let (path, what) = (&self.repository.path, "write a chunk");
        let session = self.store.session();
        self.repository.runtime.block_on(async {
            let mut session = session.write().await;
            let at = ChunkIndices(at.to_vec());
            let write = session.get_chunk_writer(node, &at).on(path, what)?;
            let payload = write(Bytes::copy_from_slice(bytes)).await.on(path, what)?;
            session.set_chunk_ref(node.clone(), at, Some(payload)).await.on(path, what)
        })
    }

    /// Writes what is held, and goes on.
    fn step(&mut self) -> Result<()> {
        self.finish("Publish a part of the dataset", SnapshotProperties::new())?;
        self.store = self.repository.session()?;
        Ok(())
    }

    fn finish(&mut self, message: &str, properties: SnapshotProperties) -> Result<()> {
        let session = self.store.session();
        self.repository.runtime.block_on(async {
            let mut session = session.write().await;
            let commit = session.commit(message).properties(properties).allow_empty(true);
            commit.execute().await.on(&self.repository.path, "commit to the Icechunk repository")
        })?;
        self.held = 0;
        Ok(())
    }
}

/// Locations of files as references have them, each made once.
#[derive(Default)]
struct Locations(RefCell<HashMap<usize, Location>>);

type Location = (VirtualChunkLocation, Option<Checksum>);

impl Locations {
    fn of(&self, content: &Content, file: usize) -> Result<Location> {
        if let Some(known) = self.0.borrow().get(&file) {
            return Ok(known.clone());
        }
        let reference = content.reference(file)?;
        let location =
            VirtualChunkLocation::from_vcc_path(&reference.container.name, reference.path)
                .on(Path::new(reference.path), "refer to the file")?;
        let checksum =
            reference.modified.map(|second| Checksum::LastModified(SecondsSinceEpoch(second)));
        self.0.borrow_mut().insert(file, (location.clone(), checksum.clone()));
        Ok((location, checksum))
    }
}

async fn add_array(session: &mut Session, array: &ArrayContent<'_>, path: &Path) -> Result<()> {
    let lengths = array.array.shape.iter().copied().zip(array.grid.iter().copied());
    let shape = ArrayShape::new(lengths)
        .ok_or_else(|| Error::unsupported("an array of this shape in Icechunk"))?;
    let dimensions = array.array.dimensions.iter().map(|name| DimensionName::from(name.as_str()));
    let document = Bytes::copy_from_slice(&array.document);
    let added = session.add_array(node_path(array)?, shape, Some(dimensions.collect()), document);
    added.await.on(path, "write the array")
}

fn node_path(array: &ArrayContent) -> Result<NodePath> {
    let name = &array.array.name;
    NodePath::try_from(format!("/{name}"))
        .map_err(|_| Error::unsupported("this name of a variable in Icechunk"))
}

/// How manifests are split, of arrays that need more than one.
fn splitting(content: &Content) -> ManifestSplittingConfig {
    let large = content.arrays.iter().filter(|array| array.chunk_count() > MANIFEST_CHUNKS.into());
    let rules = large.map(|array| {
        let sizes = array.manifest_shape(MANIFEST_CHUNKS).into_iter().enumerate();
        let sizes = sizes.map(|(axis, num_chunks)| ManifestSplitDim {
            condition: ManifestSplitDimCondition::Axis(axis),
            num_chunks,
        });
        let regex = format!("^/{}$", quoted(&array.array.name));
        (ManifestSplitCondition::PathMatches { regex }, sizes.collect())
    });
    ManifestSplittingConfig { split_sizes: Some(rules.collect()) }
}

/// `name` as a regular expression has it.
fn quoted(name: &str) -> String {
    let quote = |c: char| {
        let is_plain = c.is_alphanumeric() || c == '_' || c == ' ' || !c.is_ascii();
        let slash = if is_plain { "" } else { "\\" };
        format!("{slash}{c}")
    };
    name.chars().map(quote).collect()
}

fn virtual_chunk_container(
    container: &Container,
) -> std::result::Result<VirtualChunkContainer, String> {
    let Container { name, prefix } = container;
    let store = ObjectStoreConfig::Http(HttpConfig::default());
    VirtualChunkContainer::new_named(name.clone(), prefix.clone(), store)
}

/// Errors of the crate become ours.
trait On<T> {
    /// The error came of trying to do `what` with `path`.
    fn on(self, path: &Path, what: &str) -> Result<T>;
}

impl<T, E: StdError + 'static> On<T> for std::result::Result<T, E> {
    fn on(self, path: &Path, what: &str) -> Result<T> {
        self.map_err(|error| explain(&error, path, what))
    }
}

fn explain(error: &(dyn StdError + 'static), path: &Path, what: &str) -> Error {
    let chain: Vec<&(dyn StdError + 'static)> =
        std::iter::successors(Some(error), |&error| error.source()).collect();
    if let Some(system) = chain.iter().find_map(|error| error.downcast_ref::<io::Error>()) {
        let error = Error::io(system, what, path);
        return match seal::way_out(system) {
            Some(hint) => error.with_hint(hint),
            None => error,
        };
    }
    // The crate appends where in its code it was; and wrappers repeat what they wrap.
    let mut reasons: Vec<String> = Vec::new();
    for error in chain {
        let reason = error.to_string().lines().next().unwrap_or_default().to_owned();
        if !reasons.iter().any(|said| said.contains(&reason)) {
            reasons.push(reason);
        }
    }
    Error::new(Code::Io, format!("cannot {what}: {}", reasons.join(": "))).in_file(path)
}
