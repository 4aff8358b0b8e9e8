"""Icechunk repositories as icechunk-python sees them, and what of them is the same in two that say the same."""

import json
import os
from collections import Counter
from pathlib import Path

# It warns of each local repository that is opened.
os.environ.setdefault("ICECHUNK_LOG", "error")

import icechunk
import numpy as np
import zarr

import readers


def repository(location: str) -> "icechunk.Repository":
    """As docs/icechunk.md says it: wherever the virtual chunks are, they may be read."""
    is_remote = location.startswith("http")
    storage = icechunk.http_storage(location) if is_remote else icechunk.local_filesystem_storage(location)
    config = icechunk.Repository.fetch_config(storage)
    access = {prefix: icechunk.Credentials.HttpAccess() for prefix in config.virtual_chunk_containers}
    return icechunk.Repository.open(storage, authorize_virtual_chunk_access=access)


def history(location: str) -> list[str]:
    """IDs of the snapshots, the newest first, without the empty one that all begin with."""
    return [snapshot.id for snapshot in repository(location).ancestry(branch="main")][:-1]


def files_below(directory: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(directory)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in directory.rglob("*")
        if path.is_file()
    }


def contents(location: str) -> str:
    """All metadata and where each chunk is, or what it is; not one chunk is fetched from a file."""
    session = repository(location).readonly_session("main")
    group = zarr.open_group(session.store, mode="r")
    places = sorted(map(str, session.all_virtual_chunk_locations()))
    with readers.rectilinear():
        arrays = {name: array.metadata.to_dict() for name, array in group.arrays()}
        small = {name: np.asarray(array[...]).tolist() for name, array in group.arrays() if array.ndim < 2}
    return json.dumps([dict(group.attrs), arrays, small, places], default=str, sort_keys=True)


def shape(path: Path) -> tuple[dict[str, int], int, str]:
    """The number of files of each kind, whose names are random, that of snapshots, and what it says."""
    kinds = Counter(Path(name).parts[0] for name in files_below(path))
    return dict(sorted(kinds.items())), len(history(str(path))), contents(str(path))
