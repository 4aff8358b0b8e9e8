"""Files that end within a chunk, as CMIP7's packing has it: the rectilinear store and its segments, identical to the files."""

import base64
import hashlib
import json
import re
from pathlib import Path

import netCDF4
import numpy as np
import pytest

import readers
from nodes import DataNode
from publisher import Publisher, Store
from trees import File, differing, everything_below, instance_id, lengths, version_directory, write_series


def _surface_pressure(dataset: netCDF4.Dataset) -> None:
    """A second variable along time, whose chunks are of another length."""
    ps = dataset.createVariable("ps", "f8", ("time", "lat", "lon"), fill_value=1e20, compression="zlib", chunksizes=(4, 3, 7))
    months = dataset.dimensions["time"].size
    ps[:] = np.random.default_rng(months).normal(size=(months, 5, 7))
    ps.units = "Pa"


def _noise(dataset: netCDF4.Dataset) -> None:
    """Data that compression makes little smaller."""
    months = dataset.dimensions["time"].size
    dataset["tas"][:] = np.random.default_rng(months).normal(size=(months, 5, 7))


CHUNKS = {"chunks": (5, 5, 7)}
LONG_CHUNKS = {"chunks": (512, 5, 7), "time_chunk": 512, "also": _noise}
# Two seams of 488 steps of 140 bytes each, more than the 64 KiB that manifests hold.
LARGE = lengths(1000, 1000, 600, **LONG_CHUNKS)
SEAMED: dict[str, list[File]] = {
    "deflate-shuffle": lengths(12, 13, 11, **CHUNKS),
    "spatial-chunks": lengths(12, 13, 11, chunks=(5, 3, 4)),
    "fletcher32": lengths(12, 13, 11, fletcher32=True, **CHUNKS),
    "zstd": lengths(12, 13, 11, compression={"compression": "zstd", "complevel": 4}, **CHUNKS),
    "bzip2": lengths(12, 13, 11, compression={"compression": "bzip2", "complevel": 4}, **CHUNKS),
    "blosc": lengths(13, 14, 9, compression={"compression": "blosc_lz4", "complevel": 4, "blosc_shuffle": 1}, chunks=(12, 5, 7)),
    "uncompressed": lengths(12, 13, 11, deflate=None, shuffle=False, **CHUNKS),
    "uncompressed-spatial-chunks": lengths(12, 13, 11, deflate=None, shuffle=False, chunks=(5, 3, 4)),
    "big-endian": lengths(12, 13, 11, endian="big", **CHUNKS),
    "packed": lengths(12, 13, 11, dtype="i2", packing=(0.01, 273.15), fill=-999, missing=-999, **CHUNKS),
    "one-seam": lengths(10, 12, 11, **CHUNKS),
    "shorter-than-a-chunk": lengths(2, 3, 1, 12, **CHUNKS),
    "last-file-full": lengths(12, 13, 10, **CHUNKS),
    "units-differ": differing(time_units=[f"days since {year}-01-01" for year in (1850, 1851, 1852)], chunks=[(5, 5, 7)] * 3),
    "chunks-never-written": lengths(12, 13, 11, written=[0, 1, 10], **CHUNKS),
    "seams-never-written": lengths(12, 13, 11, written=[0, 1, 2, 3, 4], **CHUNKS),
    "two-variables": lengths(12, 13, 11, also=_surface_pressure, **CHUNKS),
    "time-chunk-512": lengths(40, 50, 30, time_chunk=512, chunks=(37, 5, 7)),
    "large": LARGE,
}


@pytest.fixture(scope="module")
def tree(node: DataNode) -> Path:
    root = node.root / "seams"
    for name, files in SEAMED.items():
        write_series(version_directory(root, name), files, name)
    return root


@pytest.fixture(scope="module")
def stores(tree: Path, node: DataNode, vzarr_publish: Publisher, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store]:
    ledger = tmp_path_factory.mktemp("seams") / "ledger.sqlite"
    vzarr_publish.scan(tree, "--data-root", f"{tree}={node.url(tree)}", ledger=ledger, expect=[0])
    return vzarr_publish.stores(ledger)


@pytest.mark.parametrize("name", SEAMED)
def test_stores_with_seams(name: str, stores: dict[str, Store], tree: Path, node: DataNode, record_property) -> None:
    directory = version_directory(tree, name)
    store = stores[instance_id(directory, tree)]
    record_property("dataset", ("seams", store.form, name, None))
    assert store.built, store.reason
    assert len(store.segments) >= 2
    if name.startswith("uncompressed") or name == "seams-never-written":
        assert store.variables["tas"] == "virtual" and not store.reencoded_bytes, "a shorter range of bytes will do, or none"
    else:
        assert store.variables["tas"] == "seamed"
        assert 0 < store.reencoded_bytes < sum(file.stat().st_size for file in store.files)
    assert (store.seams is not None) == (name == "large"), "few are in the manifest"
    found = readers.store_differences(store, node.url)
    assert not found, "\n" + "\n".join(found)


def test_the_seeds_line_says_that_it_cannot(stores: dict[str, Store]) -> None:
    """A store that V2 has no grid for must not open as one that lacks something."""
    store = next(iter(stores.values()))
    with pytest.raises(Exception, match="group|Group"):
        readers.seed(store.url)


def test_what_is_not_needed_any_more_is_removed(vzarr_publish: Publisher, tmp_path: Path) -> None:
    root, ledger = tmp_path / "tree", tmp_path / "ledger.sqlite"
    directory = version_directory(root, "model")
    write_series(directory, LARGE, "model")
    vzarr_publish.scan(root, ledger=ledger, expect=[0])
    (seamed,) = vzarr_publish.stores(ledger).values()
    written = {seamed.manifest, seamed.seams, *seamed.segments}
    assert written <= everything_below(root) and len(seamed.segments) == 3
    first = {path: path.read_bytes() for path in written}
    digest = hashlib.sha256(first[seamed.seams]).hexdigest()
    assert seamed.seams.name == f"{seamed.id}.{digest[:16]}.seams", "no other manifest, and no cache, can mean these bytes by the name"
    vzarr_publish.scan(root, "--force", ledger=ledger, expect=[0])
    assert {path: path.read_bytes() for path in written} == first
    seamed.seams.write_bytes(b"")
    vzarr_publish.scan(root, ledger=ledger, expect=[0])
    assert {path: path.read_bytes() for path in written} == first, "a part that is damaged is made again"
    for file in directory.glob("*.nc"):
        file.unlink()
    write_series(directory, lengths(1000, 900, 600, **LONG_CHUNKS), "model")
    vzarr_publish.scan(root, ledger=ledger, expect=[0])
    (changed,) = vzarr_publish.stores(ledger).values()
    assert changed.seams != seamed.seams and not seamed.seams.exists()
    written = {changed.manifest, changed.seams, *changed.segments}
    vzarr_publish.scan(root, "--max-reencode", 0, ledger=ledger, expect=[0])
    (segmented,) = vzarr_publish.stores(ledger).values()
    assert segmented.manifest is None and segmented.seams is None and segmented.variables["tas"] == "segmented"
    assert everything_below(root) & written == set(segmented.segments) == set(changed.segments)
    assert readers.store_differences(segmented, str) == []
    for file in directory.glob("*.nc"):
        file.unlink()
    write_series(directory, lengths(512, 1024, 600, **LONG_CHUNKS), "model")
    vzarr_publish.scan(root, ledger=ledger, expect=[0])
    (aligned,) = vzarr_publish.stores(ledger).values()
    assert aligned.segments == [] and aligned.seams is None
    assert everything_below(root) & written == {aligned.manifest}
    assert readers.differences(str(aligned.manifest), aligned.files) == []


def test_seams_need_a_url_where_files_have_one(vzarr_publish: Publisher, tmp_path: Path) -> None:
    root = tmp_path / "tree"
    write_series(version_directory(root, "model"), LARGE, "model")
    arguments = (root, "--data-root", f"{root}=https://node.example/data", "--output-dir", tmp_path / "stores")
    done = vzarr_publish.scan(*arguments, ledger=tmp_path / "ledger.sqlite", expect=[1])
    assert "outside-data-roots" in done.stderr and "data root" in done.stderr


def test_few_are_counted_as_inlined(vzarr_publish: Publisher, tmp_path: Path) -> None:
    """Two of the nine chunks are encoded anew and lie in the manifest: they are no references, and the bytes are those that it has."""
    root, report = tmp_path / "tree", tmp_path / "report.jsonl"
    write_series(version_directory(root, "model"), lengths(12, 13, 11, **CHUNKS), "model")
    outside = ("--data-root", f"{root}=https://node.example/data", "--output-dir", tmp_path / "stores")
    vzarr_publish.scan(root, *outside, "--report", report, ledger=tmp_path / "ledger.sqlite", expect=[0])
    (line,) = map(json.loads, report.read_text().splitlines())
    assert line["seams"] is None and line["variables"]["tas"] == "seamed"
    references = json.loads(Path(line["manifest"]).read_text())["refs"]
    chunks = {key: value for key, value in references.items() if re.fullmatch(r"tas/[0-9.]+", key)}
    inlined = [base64.b64decode(value.removeprefix("base64:")) for value in chunks.values() if isinstance(value, str)]
    costs = line["costs"]["tas"]
    assert len(chunks) == 9 and len(inlined) == 2
    assert costs["references"] == line["references"] == len(chunks) - 2
    assert costs["inlined_bytes"] == sum(map(len, inlined)) and 0 < costs["reencoded_bytes"] < costs["stored_bytes"]
    assert line["inlined_bytes"] == sum(cost["inlined_bytes"] for cost in line["costs"].values())
    (store,) = vzarr_publish.stores(tmp_path / "ledger.sqlite").values()
    shown = vzarr_publish.show(store, tmp_path / "ledger.sqlite")
    assert re.search(r"variable +tas seamed, 7 references to .* of them encoded anew, .* in the manifest", shown), shown
