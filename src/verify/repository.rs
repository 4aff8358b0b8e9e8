//! An Icechunk repository as readers see it: documents, references and bytes of its newest snapshot.

use std::error::Error as StdError;
use std::path::{Path, PathBuf};

use ::icechunk::format::manifest::{Checksum, ChunkPayload, SecondsSinceEpoch, VirtualChunkRef};
use ::icechunk::format::snapshot::{NodeData, NodeSnapshot};
use ::icechunk::format::{ByteRange, ChunkIndices, Path as NodePath};
use ::icechunk::repository::VersionInfo;
use ::icechunk::session::Session;
use futures::{StreamExt, TryStreamExt};
use icechunk_arrow_object_store::new_local_filesystem_storage;
use tokio::runtime::{Builder, Runtime};

use super::digest::sha256;
use crate::model::error::{Code, Error, Result};

/// The property of a snapshot that tells the digest of its content.
const CONTENT: &str = "vzarr_publish_content";

/// The newest snapshot of a repository in a directory.
pub struct Repository {
    runtime: Runtime,
    icechunk: ::icechunk::Repository,
    session: Session,
    path: PathBuf,
}

/// A chunk as a repository has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// A range of bytes elsewhere.
    Reference {
        /// URL of the file.
        url: String,
        /// First byte.
        offset: u64,
        /// Number of bytes.
        length: u64,
        /// The second since 1970 after which the file must not have changed.
        modified: Option<u32>,
    },
    /// In the repository itself.
    Bytes(Vec<u8>),
}

impl Repository {
    /// Opens the newest snapshot of the repository at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_version(path, &VersionInfo::BranchTipRef("main".to_owned()))
    }

    /// Opens the snapshot `id` of the repository at `path`.
    pub fn open_snapshot(path: &Path, id: &str) -> Result<Self> {
        let id = id.try_into().map_err(|_| {
            Error::corrupt(format!("`{}` is no snapshot", id.escape_debug())).in_file(path)
        })?;
        Self::open_version(path, &VersionInfo::SnapshotId(id))
    }

    fn open_version(path: &Path, version: &VersionInfo) -> Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::io(&error, "start a runtime", path))?;
        let (icechunk, session) = runtime.block_on(async {
            let storage =
                new_local_filesystem_storage(path).await.map_err(|it| failed(&it, path))?;
            let opened = ::icechunk::Repository::open(storage).execute().await;
            let repository = opened.map_err(|it| failed(&it, path))?;
            let session = repository.readonly_session(version).await;
            Ok((repository, session.map_err(|it| failed(&it, path))?))
        })?;
        Ok(Self { runtime, icechunk, session, path: path.to_owned() })
    }

    /// ID of the snapshot.
    #[must_use]
    pub fn snapshot(&self) -> String {
        self.session.snapshot_id().to_string()
    }

    /// Names and URL prefixes of the containers that references lead to.
    #[must_use]
    pub fn containers(&self) -> Vec<(String, String)> {
        let containers = self.session.config().virtual_chunk_containers();
        let mut containers: Vec<_> = containers
            .map(|it| (it.name().unwrap_or_default().to_owned(), it.url_prefix().to_owned()))
            .collect();
        // As they were made: `data`, `data2`, ..., `data10`.
        containers.sort_by(|(one, _), (other, _)| (one.len(), one).cmp(&(other.len(), other)));
        containers
    }

    /// The digest that the ledger has of it: that of its content, as the snapshot tells it, and of where its
    /// containers are. None of one that this program did not write.
    pub fn digest(&self) -> Result<Option<String>> {
        let version = VersionInfo::SnapshotId(self.session.snapshot_id().clone());
        let history = self.runtime.block_on(async {
            let history = self.icechunk.ancestry(&version).await?;
            history.take(1).try_collect::<Vec<_>>().await
        });
        let history = history.map_err(|it| failed(&it, &self.path))?;
        let content = history.first().and_then(|newest| newest.metadata.get(CONTENT));
        Ok(content.and_then(|content| content.as_str()).map(|content| {
            let containers = self.containers().into_iter();
            let containers = containers.map(|(name, prefix)| format!("\n{name} {prefix}"));
            sha256(format!("{content}{}", containers.collect::<String>()).as_bytes())
        }))
    }

    /// The `zarr.json` document of the group.
    pub fn group(&self) -> Result<Vec<u8>> {
        let group = self.runtime.block_on(self.session.get_group(&NodePath::root()));
        Ok(group.map_err(|it| failed(&it, &self.path))?.user_data.to_vec())
    }

    /// Names and `zarr.json` documents of the arrays, by name.
    pub fn arrays(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let listed = self.runtime.block_on(async {
            let nodes = self.session.list_nodes(&NodePath::root()).await?;
            nodes.collect::<std::result::Result<Vec<NodeSnapshot>, _>>()
        });
        let nodes = listed.map_err(|it| failed(&it, &self.path))?.into_iter();
        let arrays = nodes.filter(|node| matches!(node.node_data, NodeData::Array { .. }));
        let name = |path: &NodePath| path.to_string().trim_start_matches('/').to_owned();
        let mut arrays: Vec<_> =
            arrays.map(|node| (name(&node.path), node.user_data.to_vec())).collect();
        arrays.sort();
        Ok(arrays)
    }

    /// Hands over each chunk of `array` that is there, with its place in the grid; in no order.
    pub fn chunks(
        &self,
        array: &str,
        each: &mut dyn FnMut(&[u32], Stored) -> Result<()>,
    ) -> Result<()> {
        let path = NodePath::try_from(format!("/{array}"))
            .map_err(|_| Error::corrupt("not the name of an array").of_variable(array))?;
        let failed =
            |error: &(dyn StdError + 'static)| failed(error, &self.path).of_variable(array);
        self.runtime.block_on(async {
            let mut chunks = self.session.array_chunk_iterator(&path).await.boxed_local();
            while let Some(chunk) = chunks.try_next().await.map_err(|it| failed(&it))? {
                let stored = match chunk.payload {
                    ChunkPayload::Inline(bytes) => Stored::Bytes(bytes.to_vec()),
                    ChunkPayload::Virtual(reference) => {
                        self.reference(reference).map_err(|it| it.of_variable(array))?
                    }
                    _ => Stored::Bytes(self.bytes(&path, &chunk.coord).await?),
                };
                each(&chunk.coord.0, stored)?;
            }
            Ok(())
        })
    }

    fn reference(&self, reference: VirtualChunkRef) -> Result<Stored> {
        let VirtualChunkRef { location, offset, length, checksum } = reference;
        let url = self.session.resolve_virtual_location(&location);
        let url = url.map_err(|it| failed(&it, &self.path))?;
        let modified = match checksum {
            Some(Checksum::LastModified(SecondsSinceEpoch(second))) => Some(second),
            Some(Checksum::ETag(_)) => {
                return Err(Error::unsupported("a checksum by ETag").in_file(&self.path));
            }
            None => None,
        };
        Ok(Stored::Reference { url, offset, length, modified })
    }

    async fn bytes(&self, path: &NodePath, at: &ChunkIndices) -> Result<Vec<u8>> {
        let reader = self.session.get_chunk_reader(path, at, &ByteRange::ALL).await;
        let reader = reader.map_err(|it| failed(&it, &self.path))?;
        let lost = || Error::new(Code::Corrupt, "a chunk is not there").in_file(&self.path);
        Ok(reader.ok_or_else(lost)?.await.map_err(|it| failed(&it, &self.path))?.to_vec())
    }
}

fn failed(error: &(dyn StdError + 'static), path: &Path) -> Error {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    let mut reasons: Vec<String> = Vec::new();
    for error in chain {
        // The crate appends where in its code it was; and wrappers repeat what they wrap.
        let reason = error.to_string().lines().next().unwrap_or_default().to_owned();
        if !reasons.iter().any(|said| said.contains(&reason)) {
            reasons.push(reason);
        }
    }
    let message = format!("cannot read the Icechunk repository: {}", reasons.join(": "));
    Error::new(Code::Io, message).in_file(path)
}
