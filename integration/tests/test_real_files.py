"""Real ESGF files: every dataset of a collection is a store identical to its files through both readers, or has a reason.

The collections: the 326 CMIP6 files of the package esmvaltool-sample-data, and, where VZARR_SAMPLE_DATA (or ../shared/data beside
the repository) is a directory, the CMIP6 and CMIP7 (MIP-DRS7) trees found anywhere below it.
"""

import os
import re
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import pytest

import readers
import truth
from nodes import DataNode
from publisher import REPOSITORY, Publisher, Store

# How many facets lie between the project directory and the version directory.
DEPTH = {"CMIP6": 8, "MIP-DRS7": 11}
VERSION = re.compile(r"v\d{8}|latest")


@dataclass(frozen=True)
class Collection:
    name: str
    # The directory above the project directory; everything is named relative to it.
    root: Path
    project: str

    def datasets(self) -> list[Path]:
        """Version directories with files in them, relative to the root."""
        pattern = "/".join([self.project, *["*"] * DEPTH[self.project]])
        versions = (path for above in self.root.glob(pattern) for path in above.iterdir())
        return sorted(path.relative_to(self.root) for path in versions if VERSION.fullmatch(path.name) and any(path.glob("*.nc")))


def collections() -> list[Collection]:
    esmvaltool = Path(distribution("ESMValTool_sample_data").locate_file("esmvaltool_sample_data/data/timeseries")).resolve()
    found = [Collection("esmvaltool-sample-data", esmvaltool, "CMIP6")]
    sample = sample_directory()
    for folder, names, _ in os.walk(sample):
        for project in DEPTH.keys() & set(names):
            collection = Collection(str(Path(folder).relative_to(sample)), Path(folder), project)
            if collection.datasets():
                found.append(collection)
    return sorted(found, key=lambda collection: collection.name)


def sample_directory() -> Path:
    return Path(os.environ.get("VZARR_SAMPLE_DATA", REPOSITORY.parent / "shared" / "data")).resolve()


COLLECTIONS = collections()
DATASETS = [pytest.param(collection, path, id=".".join(path.parts)) for collection in COLLECTIONS for path in collection.datasets()]
if not sample_directory().is_dir():
    absent = pytest.mark.skip(
        reason=f"no directory {sample_directory()}: VZARR_SAMPLE_DATA names one that holds CMIP6 or MIP-DRS7 trees"
    )
    DATASETS.append(pytest.param(None, None, id="sample-data", marks=absent))


@pytest.fixture(scope="module")
def scanned(
    vzarr_publish: Publisher, node: DataNode, tmp_path_factory: pytest.TempPathFactory
) -> dict[Collection, dict[str, Store]]:
    """Each collection scanned in one command. The files stay where they are: the node serves them through a link, and the stores
    from a directory of their own, for a collection may be read-only."""
    stores = {}
    for number, collection in enumerate(COLLECTIONS):
        served = node.root / f"collection-{number}"
        served.symlink_to(collection.root)
        output = node.root / f"stores-{number}"
        output.mkdir()
        ledger = tmp_path_factory.mktemp("state") / "ledger.sqlite"
        vzarr_publish.scan(
            served / collection.project, "--output-dir", output, "--data-root", f"{served}={node.url(served)}", ledger=ledger
        )
        stores[collection] = vzarr_publish.stores(ledger)
    return stores


@pytest.mark.parametrize(("collection", "path"), DATASETS)
def test_store_equals_its_files(collection: Collection, path: Path, scanned, node: DataNode, record_property) -> None:
    name = ".".join(path.parts)
    assert name in scanned[collection], f"{name} is not listed"
    store = scanned[collection][name]
    reason = store.reason and re.sub(rf"[^\s`]*/{re.escape(str(path))}/", "", store.reason)
    record_property("dataset", (collection.name, store.status, store.id, reason))
    if not store.built:
        assert store.status in ("refused", "failed")
        assert store.reason, f"{store.status} without a reason"
        assert store.manifest is None, "there is a store for what could not be built"
        return
    assert sorted(file.name for file in store.files) == sorted(file.name for file in (collection.root / path).glob("*.nc"))
    files = truth.in_time_order((collection.root / path).glob("*.nc"))
    assert set(store.variables) == set(truth.raw((files[0],))[0])
    found = readers.differences(node.url(store.manifest), files)
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("collection", COLLECTIONS, ids=lambda collection: collection.name)
def test_exactly_the_datasets_are_listed(collection: Collection, scanned) -> None:
    assert set(scanned[collection]) == {".".join(path.parts) for path in collection.datasets()}


@pytest.mark.parametrize("collection", COLLECTIONS, ids=lambda collection: collection.name)
def test_some_datasets_are_built(collection: Collection, scanned) -> None:
    """A tool that refuses everything would pass every other test."""
    assert any(store.built for store in scanned[collection].values())
