"""`verify`: every store of the traps and of the real files equals its files, read by zarrs and by libnetcdf; and what a data node
serves wrongly is noticed. The mutations of manifests and files are in tests/cli/verify.rs."""

import json
import re
import sqlite3
from pathlib import Path

import hdf5plugin
import pytest

import test_overlap
import traps
from nodes import DataNode
from publisher import Publisher
from test_real_files import COLLECTIONS
from test_seams import SEAMED
from trees import file_name, months, version_directory, write_series, years

# Written with `libver="latest"`, which HDF5 1.10, that of Debian 12, cannot open.
TOO_NEW = re.compile(r"latest-format")


@pytest.fixture(scope="module")
def verifier(vzarr_publish: Publisher) -> Publisher:
    if "without libnetcdf" in vzarr_publish.run("verify").stderr:
        pytest.skip("the tool was built without the feature `netcdf`")
    return vzarr_publish


@pytest.fixture(autouse=True)
def filter_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HDF5_PLUGIN_PATH", hdf5plugin.PLUGIN_PATH)


def outcomes(ledger: Path) -> dict[str, tuple[str, str | None]]:
    """Outcome and first difference by dataset ID."""
    with sqlite3.connect(ledger) as connection:
        rows = connection.execute(
            "SELECT instance_id, outcome, first_difference FROM verifications JOIN datasets ON datasets.id = dataset"
        )
        return {name: (outcome, first) for name, outcome, first in rows}


def assert_verified(verifier: Publisher, ledger: Path, *options: object) -> None:
    """Every store that was built was verified, or is of files that this libnetcdf cannot open."""
    done = verifier.run("verify", "--all", *options, "--ledger", ledger)
    assert done.returncode in (0, 1), done.stderr
    built = {name for name, store in verifier.stores(ledger).items() if store.built}
    found = outcomes(ledger)
    assert found.keys() == built
    wrong = {name: result for name, result in found.items() if result[0] != "verified"}
    honest = {name for name, (outcome, first) in wrong.items() if outcome == "incomplete" and "libnetcdf cannot open" in first}
    assert all(TOO_NEW.search(name) for name in honest), honest
    assert wrong.keys() == honest, "\n".join(f"{name}: {result}" for name, result in wrong.items())
    assert (done.returncode == 0) == (not wrong)


@pytest.mark.parametrize("small", [(), ("--contiguous-chunk", "100")], ids=["", "small-pieces"])
def test_traps(verifier: Publisher, node: DataNode, tmp_path: Path, small: tuple[str, ...]) -> None:
    root = node.root / f"verified-traps-{len(small)}"
    traps.write_all(root)
    ledger = tmp_path / "ledger.sqlite"
    verifier.scan(root, "--data-root", f"{root}={node.url(root)}", *small, ledger=ledger, expect=[1])
    assert_verified(verifier, ledger)
    if not small:
        assert_verified(verifier, ledger, "--http")


def test_seams(verifier: Publisher, node: DataNode, tmp_path: Path) -> None:
    """Rectilinear stores, the files with their seams, and their segments."""
    root = node.root / "verified-seams"
    for name, files in SEAMED.items():
        write_series(version_directory(root, name), files, name)
    ledger = tmp_path / "ledger.sqlite"
    verifier.scan(root, "--data-root", f"{root}={node.url(root)}", ledger=ledger, expect=[0])
    assert_verified(verifier, ledger)
    assert_verified(verifier, ledger, "--http")
    done = verifier.run("verify", "--ledger", ledger)
    assert done.returncode == 0, done.stderr
    for seams in root.rglob("*.seams"):
        spoilt = bytearray(seams.read_bytes())
        spoilt[len(spoilt) // 2] ^= 1
        seams.write_bytes(spoilt)
        name = seams.name.rsplit(".", 2)[0]
        done = verifier.run("verify", "--all", name, "--ledger", ledger)
        assert done.returncode == 1 and "its SHA-256 is another" in done.stderr and "chunk `" in done.stderr, done.stderr
    segment = next(root.rglob("*.seg01.json"))
    name = segment.name.removesuffix(".seg01.json")
    segment.write_text(segment.read_text().replace("air_temperature", "air_pressure_"))
    done = verifier.run("verify", name, "--ledger", ledger)
    assert done.returncode == 1 and f"in `{segment.name}`: " in done.stderr, done.stderr


@pytest.mark.parametrize("choice", test_overlap.CHOICES)
def test_steps_left_out(verifier: Publisher, tmp_path: Path, choice: str) -> None:
    for name, case in test_overlap.CASES.items():
        for file in case.files:
            file.write(version_directory(tmp_path, name) / file_name(name, months(file.start, file.months)))
    ledger = tmp_path / "ledger.sqlite"
    verifier.scan(tmp_path, "--on-overlap", choice, ledger=ledger, expect=[1])
    assert_verified(verifier, ledger)


@pytest.mark.parametrize("collection", COLLECTIONS, ids=lambda collection: collection.name)
def test_real_files(verifier: Publisher, tmp_path: Path, collection) -> None:
    ledger = tmp_path / "ledger.sqlite"
    verifier.scan(collection.root / collection.project, "--output-dir", tmp_path / "stores", ledger=ledger)
    assert_verified(verifier, ledger)


def test_what_a_node_serves_wrongly_is_noticed(verifier: Publisher, node: DataNode, tmp_path: Path) -> None:
    """The node serves a copy of the tree, in which a byte of the data, then a file, then the manifest is another."""
    served = node.root / "served"
    directory = tmp_path / "data" / "CMIP6/CMIP/VZARR/served/historical/r1i1p1f1/Amon/tas/gn/v20260101"
    write_series(directory, years(2), "served")
    ledger = tmp_path / "ledger.sqlite"
    verifier.scan(tmp_path / "data", "--data-root", f"{tmp_path / 'data'}={node.url(served)}", ledger=ledger, expect=[0])
    copy = served / directory.relative_to(tmp_path / "data")
    copy.mkdir(parents=True)
    for path in directory.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    everything = ("verify", "--all", "--http", "--ledger", ledger)
    assert verifier.run(*everything).returncode == 0
    store = next(iter(verifier.stores(ledger).values()))
    assert verifier.run("verify", "--http", store.id, "--ledger", ledger).returncode == 0

    file = copy / store.files[1].name
    content = file.read_bytes()
    _, offset, length = json.loads(store.manifest.read_text())["refs"]["tas/17.0.0"]
    spoilt = bytearray(content)
    spoilt[offset + length - 1] ^= 1
    file.write_bytes(spoilt)
    done = verifier.run(*everything)
    assert done.returncode == 1 and "differ from those of" in done.stderr, done.stderr
    file.unlink()
    done = verifier.run(*everything)
    assert done.returncode == 1 and "404" in done.stderr, done.stderr
    file.write_bytes(content)
    manifest = copy / store.manifest.name
    manifest.write_text(manifest.read_text() + " ")
    done = verifier.run(*everything)
    assert done.returncode == 1 and "serves another file" in done.stderr, done.stderr
    assert verifier.run("verify", "--all", "--ledger", ledger).returncode == 0
