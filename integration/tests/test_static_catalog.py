"""A static catalogue of stores, as pystac reads it; and stores that were relocated, as all readers do."""

import json
import subprocess
from pathlib import Path

import pytest

import readers
from nodes import DataNode
from publisher import Publisher
from test_seams import LARGE
from trees import version_directory, write_series, years

STAC = Path(__file__).resolve().parents[1] / "stac"
# Whole; and with seams too large for the manifest, and segments.
SERIES = {"whole": years(), "seamed": LARGE}


@pytest.fixture(scope="module")
def published(vzarr_publish: Publisher, node: DataNode, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = node.root / "cataloged"
    for name, files in SERIES.items():
        write_series(version_directory(root, name), files, name)
    ledger = tmp_path_factory.mktemp("cataloged") / "ledger.sqlite"
    vzarr_publish.scan(root, "--data-root", f"{root}={node.url(root)}", ledger=ledger, expect=[0])
    return root, ledger


@pytest.mark.skipif(not (STAC / ".venv/bin/python").exists(), reason=f"no pystac in {STAC / '.venv'}: run integration/setup")
def test_a_client_finds_the_stores(vzarr_publish: Publisher, published: tuple[Path, Path], tmp_path: Path) -> None:
    _, ledger = published
    done = vzarr_publish.run("catalog", tmp_path / "stac", "--ledger", ledger)
    assert done.returncode == 0, done.stderr
    read = [STAC / ".venv/bin/python", STAC / "read.py", tmp_path / "stac/catalog.json"]
    found = subprocess.run(read, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    stores = vzarr_publish.stores(ledger).values()
    assert json.loads(found.stdout) == {store.id: {"reference_file": store.url} for store in stores}


def test_relocated_stores_read_alike(vzarr_publish: Publisher, published: tuple[Path, Path], node: DataNode, tmp_path: Path) -> None:
    root, ledger = published
    digests = vzarr_publish.run("digest", "--ledger", ledger).stdout
    assert len(digests.splitlines()) == len(SERIES)
    replica = node.root / "replica"
    replica.symlink_to(root)
    done = vzarr_publish.run("relocate", "--data-root", f"{root}={node.url(replica)}", "--ledger", ledger)
    assert done.returncode == 0 and f"{len(SERIES)} stores relocated" in done.stderr, done.stderr
    assert vzarr_publish.run("digest", "--ledger", ledger).stdout == digests
    stores = vzarr_publish.stores(ledger).values()
    assert {bool(store.segments) for store in stores} == {True, False} and any(store.seams for store in stores)
    for store in stores:
        assert "/replica/" in store.manifest.read_text() and "/cataloged/" not in store.manifest.read_text()
        assert not readers.store_differences(store, node.url)
    again = vzarr_publish.scan(root, "--data-root", f"{root}={node.url(replica)}", ledger=ledger, expect=[0])
    assert f"{len(SERIES)} unchanged" in again.stderr
