"""The forms of a store: which holds which trap of `traps.py`, and that all who open one see what the files hold."""

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import xarray as xr

import readers
import traps
import truth
from nodes import DataNode
from publisher import REPOSITORY, Publisher, Store
from traps import TRAPS, Trap, Verdict
from trees import instance_id, write_series, years

pytest.importorskip("fastparquet", reason="readers of Parquet need fastparquet: run integration/setup")
virtualizarr = pytest.importorskip("virtualizarr", reason="run integration/setup")
icechunk = pytest.importorskip("icechunk", reason="run integration/setup")

# With the exception that kerchunk's readers of Parquet need, before the rule of ESGF data nodes.
LOCATIONS = (REPOSITORY / "integration" / "nginx" / "virtual-stores.conf").read_text()


@pytest.fixture(scope="module")
def open_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataNode]:
    """A data node that serves what kerchunk's readers of Parquet look for."""
    with DataNode(tmp_path_factory.mktemp("www"), tmp_path_factory.mktemp("nginx"), LOCATIONS) as node:
        yield node


@dataclass
class Scanned:
    root: Path
    published: dict[str, Store]
    ledger: Path
    local: dict[str, Store]
    v3_only: dict[str, Store]


@pytest.fixture(scope="module")
def scanned(vzarr_publish: Publisher, open_node: DataNode, tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    """The tree scanned three times: with Parquet beside the files and the node's URLs; elsewhere with local paths and data in one
    piece cut small; and as Zarr V3 alone."""
    root = open_node.root / "traps"
    traps.write_all(root)
    state = tmp_path_factory.mktemp("state")
    urls = ("--data-root", f"{root}={open_node.url(root)}")
    scans = {
        "published": ("--format", "parquet", *urls),
        "local": ("--format", "json,parquet", "--contiguous-chunk", "100", "--output-dir", tmp_path_factory.mktemp("local")),
        "v3-only": ("--v3-only", "--output-dir", tmp_path_factory.mktemp("v3-only")),
    }
    stores = {}
    for name, arguments in scans.items():
        vzarr_publish.scan(root, *arguments, ledger=state / f"{name}.sqlite", expect=[1])
        stores[name] = vzarr_publish.stores(state / f"{name}.sqlite")
    return Scanned(root, stores["published"], state / "published.sqlite", stores["local"], stores["v3-only"])


def parquet_of(store: Store) -> Path:
    return store.manifest.with_suffix(".parq")


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_every_form_holds_what_the_files_hold(
    trap: Trap, scanned: Scanned, vzarr_publish: Publisher, open_node: DataNode, record_property
) -> None:
    name = instance_id(trap.directory(scanned.root), scanned.root)
    store = scanned.published[name]
    if not store.built:
        assert not list(trap.directory(scanned.root).glob("*.parq"))
        return
    if trap.verdict in (Verdict.RECTILINEAR, Verdict.SEGMENTED):
        assert not list(trap.directory(scanned.root).glob("*.parq"))
        shown = vzarr_publish.show(store, scanned.ledger)
        note = next(line for line in shown.splitlines() if line.startswith("note") and "[format-left-out]" in line)
        assert "parquet" in note, note
        record_property("dataset", ("forms", "built as JSON, not as Parquet,", trap.name, None))
        if trap.verdict is Verdict.RECTILINEAR:
            assert "Icechunk" in shown
            v3_only = scanned.v3_only[name]
            with readers.rectilinear(), readers.zarr_v3(str(v3_only.manifest), decode=False) as whole:
                assert not truth.raw_differences(whole, v3_only.files)
                steps = whole.sizes["time"]
            # VirtualiZarr knows no chunks of several lengths.
            with pytest.raises(NotImplementedError):
                _through_virtualizarr(v3_only)
            assert steps == sum(_virtual(part, loadable_variables=[], decode_times=False).sizes["time"] for part in v3_only.segments)
        return
    record_property("dataset", ("forms", "built as JSON, Parquet and V3 alone,", trap.name, None))
    found = []
    for kind, location in (("http", open_node.url(parquet_of(store))), ("local", str(parquet_of(scanned.local[name])))):
        for decode in (True, False):
            differences = readers.differences_through(readers.seed, location, store.files, decode=decode)
            found += [f"parquet, {kind}, decode={decode}: {line}" for line in differences]
    v3_only = scanned.v3_only[name]
    assert not _has_v2(v3_only.manifest)
    found += [f"virtualizarr: {line}" for line in _through_virtualizarr(v3_only)]
    found += [f"zarr V3: {line}" for line in readers.differences_through(readers.zarr_v3, str(v3_only.manifest), store.files, decode=True)]
    found = trap.unannounced(found)
    assert not found, "\n" + "\n".join(found)


def _has_v2(manifest: Path) -> bool:
    return any("/.z" in f"/{key}" for key in json.loads(manifest.read_text())["refs"])


def _virtual(manifest: Path, **options: object) -> xr.Dataset:
    return virtualizarr.open_virtual_dataset(f"file://{manifest}", registry=_registry(), parser=_parser(), **options)


def _parser() -> object:
    return virtualizarr.parsers.KerchunkJSONParser()


def _registry() -> object:
    from obspec_utils.registry import ObjectStoreRegistry
    from obstore.store import LocalStore

    return ObjectStoreRegistry({"file://": LocalStore()})


def _through_virtualizarr(store: Store) -> list[str]:
    with readers.rectilinear():
        opened = _parser()(url=f"file://{store.manifest}", registry=_registry())
        with xr.open_dataset(opened, engine="zarr", zarr_format=3, consolidated=False, chunks=None, decode_cf=False) as raw:
            return truth.raw_differences(raw, store.files)


def test_virtualizarr_writes_and_extends_an_icechunk_of_its_own(scanned: Scanned, tmp_path: Path) -> None:
    trap = next(trap for trap in TRAPS if trap.name == "base")
    store = scanned.v3_only[instance_id(trap.directory(scanned.root), scanned.root)]
    prefix = f"file://{scanned.root}/"
    config = icechunk.RepositoryConfig.default()
    config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(prefix, icechunk.local_filesystem_store(str(scanned.root))))
    access = {prefix: icechunk.Credentials.LocalFileSystemAccess()}
    repository = icechunk.Repository.create(
        icechunk.local_filesystem_storage(str(tmp_path / "own")), config, authorize_virtual_chunk_access=access
    )
    virtual = _virtual(store.manifest, loadable_variables=[], decode_times=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session = repository.writable_session("main")
        virtual.vz.to_icechunk(session.store)
        session.commit("written")
        once = _raw_icechunk(repository)
        differences = truth.raw_differences(once, store.files)
        # VirtualiZarr keeps the names of coordinates there.
        assert [line for line in differences if not line.startswith("global:") or "coordinates" not in line] == []
        session = repository.writable_session("main")
        of_time = [name for name, variable in virtual.variables.items() if "time" in variable.dims]
        virtual.drop_vars(set(virtual.variables) - set(of_time)).vz.to_icechunk(session.store, append_dim="time")
        session.commit("extended")
    twice = _raw_icechunk(repository)
    steps = once.sizes["time"]
    assert twice.sizes["time"] == 2 * steps
    for half in (slice(0, steps), slice(steps, None)):
        assert (twice["tas"].isel(time=half).values == once["tas"].values).all()


def _raw_icechunk(repository: object) -> xr.Dataset:
    store = repository.readonly_session("main").store
    return xr.open_dataset(store, engine="zarr", zarr_format=3, consolidated=False, chunks=None, decode_cf=False)


def test_a_node_as_esgf_has_it_serves_no_parquet_and_verify_says_so(
    vzarr_publish: Publisher, node: DataNode, tmp_path: Path
) -> None:
    directory = node.root / "closed" / "CMIP6/CMIP/VZARR/closed/historical/r1i1p1f1/Amon/tas/gn/v20260101"
    write_series(directory, years(2), "closed")
    root = node.root / "closed"
    ledger = tmp_path / "ledger.sqlite"
    vzarr_publish.scan(root, "--data-root", f"{root}={node.url(root)}", "--format", "parquet", ledger=ledger, expect=[0])
    (store,) = vzarr_publish.stores(ledger).values()
    with pytest.raises(FileNotFoundError, match="zmetadata"):
        readers.seed(node.url(parquet_of(store)))
    done = vzarr_publish.run("verify", "--http", "--ledger", ledger)
    if done.returncode == 3:
        pytest.skip("built without libnetcdf")
    assert done.returncode == 1 and ".zmetadata" in done.stderr and "docs/operators.md" in done.stderr, done.stderr


def test_other_forms_follow_the_store_through_its_life(vzarr_publish: Publisher, open_node: DataNode, tmp_path: Path) -> None:
    """Built, advertised, relocated, left out again, retracted."""
    root = open_node.root / "life"
    directory = root / "CMIP6/CMIP/VZARR/life/historical/r1i1p1f1/Amon/tas/gn/v20260101"
    write_series(directory, years(3), "life")
    ledger = tmp_path / "ledger.sqlite"
    old = ("--data-root", f"{root}=https://old.example.org/data")
    vzarr_publish.scan(root, *old, "--format", "parquet", ledger=ledger, expect=[0])
    (store,) = vzarr_publish.stores(ledger).values()
    parquet = parquet_of(store)

    def advertised() -> dict:
        (line,) = vzarr_publish.run("advertise", "--ledger", ledger).stdout.splitlines()
        sent = tmp_path / "sent.jsonl"
        sent.write_text(line)
        assert vzarr_publish.run("advertise", "--ack", sent, "--ledger", ledger).returncode == 0
        assert vzarr_publish.run("advertise", "--ledger", ledger).stdout == ""
        return json.loads(line)

    def of_parquet(line: dict) -> list:
        return [(it["asset_key"], it["asset"] and it["asset"]["href"]) for it in line["artefacts"]]

    first = advertised()
    below = parquet.relative_to(root)
    assert of_parquet(first) == [("reference_parquet", f"https://old.example.org/data/{below}")]
    assert [(op["op"], op["path"]) for op in first["patch"]] == [
        ("add", "/assets/reference_file"),
        ("add", "/assets/reference_parquet"),
    ]

    new = ("--data-root", f"{root}={open_node.url(root)}")
    assert vzarr_publish.run("relocate", *new, "--ledger", ledger).returncode == 0
    assert not readers.differences_through(readers.seed, open_node.url(parquet), store.files, decode=False)
    assert of_parquet(advertised()) == [("reference_parquet", open_node.url(parquet))]
    assert vzarr_publish.run("ledger", "check", "--ledger", ledger).returncode == 0
    unchanged = {path: path.stat().st_mtime_ns for path in parquet.rglob("*")}
    vzarr_publish.scan(root, *new, "--format", "parquet", ledger=ledger, expect=[0])
    vzarr_publish.scan(root, *new, "--format", "parquet", "--force", ledger=ledger, expect=[0])
    assert unchanged == {path: path.stat().st_mtime_ns for path in parquet.rglob("*")}

    (parquet / "tas" / "refs.0.parq").unlink()
    assert vzarr_publish.run("ledger", "check", "--quick", "--ledger", ledger).returncode == 1
    vzarr_publish.scan(root, *new, "--format", "parquet", ledger=ledger, expect=[0])
    assert vzarr_publish.run("ledger", "check", "--ledger", ledger).returncode == 0

    vzarr_publish.scan(root, *new, ledger=ledger, expect=[0])
    assert not parquet.exists() and store.manifest.exists()
    gone = advertised()
    assert of_parquet(gone) == [("reference_parquet", None)]
    assert ("remove", "/assets/reference_parquet") in [(op["op"], op["path"]) for op in gone["patch"]]

    vzarr_publish.scan(root, *new, "--format", "auto", ledger=ledger, expect=[0])
    assert not parquet.exists(), "three years of months are not many references"
    vzarr_publish.scan(root, *new, "--format", "parquet", ledger=ledger, expect=[0])
    advertised()
    assert vzarr_publish.run("retract", store.id, "--ledger", ledger).returncode == 0
    assert not parquet.exists() and not store.manifest.exists()
    assert {op["op"] for op in advertised()["patch"]} == {"remove"}
    assert set(directory.iterdir()) == set(directory.glob("*.nc"))


def test_what_was_not_built_in_is_refused_by_name(vzarr_publish: Publisher, tmp_path: Path) -> None:
    done = vzarr_publish.run("scan", tmp_path, "--format", "icechunk", "--ledger", tmp_path / "ledger.sqlite")
    if done.returncode == 0:
        pytest.skip("built with Icechunk")
    assert done.returncode == 2 and "icechunk" in done.stderr and "--features" in done.stderr, done.stderr
