"""Checksums that `--codecs portable` leaves out: stores identical to the files under either setting, also for readers that have no
codec for them, and no store where a checksum is wrong."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numcodecs.registry
import pytest

import readers
from nodes import DataNode
from products import encode
from publisher import Publisher, Store
from trees import File, file_name, instance_id, lengths, months, rewrite, version_directory, years

CHOICES = ("faithful", "portable")
NAMES = ("shuffle", "deflate", "fletcher32")


@dataclass(frozen=True)
class Case:
    files: list[File]
    # How h5py stores the data of each file; nothing leaves them as netCDF-C does.
    storage: list[dict | None]
    # Stores with chunks encoded anew, by the setting.
    seamed: tuple[str, ...] = ()
    # Whether the checksum is the last filter.
    is_last: bool = True
    then: Callable[[Path], None] | None = None

    def write(self, directory: Path, name: str) -> None:
        directory.mkdir(parents=True)
        for file, storage in zip(self.files, self.storage, strict=True):
            path = directory / file_name(name, months(file.start, file.months))
            file.write(path)
            if storage is not None:
                plain = path.rename(directory.parent / "plain.nc")
                rewrite(plain, path, storage={"tas": storage})
                plain.unlink()
            if self.then:
                self.then(path)


def _storage(months: int = 1, **options: object) -> dict:
    return {"chunks": (months, 5, 7), "fletcher32": True} | options


DEFLATE = {"compression": "gzip", "shuffle": True}


def _skipped_filters(path: Path) -> None:
    """One chunk without its checksum, one without compression, one without either, and one without any filter."""
    with h5py.File(path, "r+") as file:
        data = file["tas"]
        for step, mask in enumerate((0b100, 0b010, 0b110, 0b111)):
            data.id.write_direct_chunk((step, 0, 0), encode(data[step].tobytes(), NAMES, mask), filter_mask=mask)


def _skipped_checksums(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        data = file["tas"]
        for step in (0, 3, 11):
            data.id.write_direct_chunk((step, 0, 0), encode(data[step].tobytes(), NAMES, 0b100), filter_mask=0b100)


ODD = lengths(12, 13, 11)
CASES = {
    "deflate": Case(years(), [_storage(**DEFLATE)] * 3),
    "shuffle": Case(years(), [_storage(shuffle=True)] * 3),
    "alone": Case(years(2), [_storage()] * 2),
    "alone-spatial-chunks": Case(years(2), [_storage() | {"chunks": (1, 3, 4)}] * 2),
    "double-precision": Case(years(2, dtype="f8", fill=1e20, missing=1e20), [_storage(**DEFLATE)] * 2),
    "unwritten-no-fill-value": Case(years(1, fill=None, missing=None), [_storage(**DEFLATE)]),
    "ends-within-chunks": Case(ODD, [_storage(5, **DEFLATE)] * 3, seamed=CHOICES),
    # A cut chunk of bytes as they are is a shorter range, which no checksum fits.
    "alone-ends-within-chunks": Case(ODD, [_storage(5)] * 3, seamed=("faithful",)),
    "skipped-filters": Case(years(2), [_storage(**DEFLATE)] * 2, seamed=CHOICES, then=_skipped_filters),
    "skipped-checksums": Case(years(2), [_storage(**DEFLATE)] * 2, seamed=("faithful",), then=_skipped_checksums),
    "in-some-files": Case(years(), [_storage(**DEFLATE), _storage(fletcher32=False, **DEFLATE)] + [_storage(**DEFLATE)], seamed=("faithful",)),
    "first-in-the-chain": Case(years(2, fletcher32=True), [None] * 2, is_last=False),
}


@dataclass
class Scanned:
    root: Path
    stores: dict[str, dict[str, Store]]
    ledgers: dict[str, Path]

    def store(self, choice: str, name: str) -> Store:
        return self.stores[choice][instance_id(version_directory(self.root, name), self.root)]


@pytest.fixture(scope="module")
def scanned(vzarr_publish: Publisher, node: DataNode, tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    root = node.root / "checksums"
    for name, case in CASES.items():
        case.write(version_directory(root, name), name)
    stores, ledgers = {}, {}
    for choice in CHOICES:
        ledgers[choice] = tmp_path_factory.mktemp(choice) / "ledger.sqlite"
        urls = ("--data-root", f"{node.root}={node.url(node.root)}")
        vzarr_publish.scan(root, "--output-dir", node.root / choice, "--codecs", choice, *urls, ledger=ledgers[choice], expect=[0])
        stores[choice] = vzarr_publish.stores(ledgers[choice])
    return Scanned(root, stores, ledgers)


@contextmanager
def without_fletcher32() -> Iterator[None]:
    """As in a reader that lacks the codec."""
    registries = (numcodecs.registry.codec_registry, numcodecs.registry.entries)
    taken = [registry.pop("fletcher32", None) for registry in registries]
    try:
        yield
    finally:
        for registry, codec in zip(registries, taken, strict=True):
            if codec is not None:
                registry["fletcher32"] = codec


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("name", CASES)
def test_codecs(name: str, choice: str, scanned: Scanned, node: DataNode, record_property) -> None:
    case, store = CASES[name], scanned.store(choice, name)
    record_property("dataset", (f"checksums, {choice}", store.form, name, None))
    assert store.built, store.reason
    assert (store.reencoded_bytes > 0) == (choice in case.seamed)
    has_codec = [b"fletcher32" in manifest.read_bytes() for manifest in (store.manifest, *store.segments)]
    assert set(has_codec) == {choice == "faithful" or not case.is_last}
    found = readers.store_differences(store, node.url)
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.is_last])
def test_readers_without_the_codec(name: str, scanned: Scanned, node: DataNode) -> None:
    portable, faithful = (scanned.store(choice, name) for choice in reversed(CHOICES))
    with without_fletcher32():
        assert readers.store_differences(portable, node.url) == []
        if not faithful.segments:
            assert any("fletcher32" in line for line in readers.differences(str(faithful.manifest), faithful.files))


def test_verify_finds_them_equal(scanned: Scanned, vzarr_publish: Publisher) -> None:
    for choice in CHOICES:
        done = vzarr_publish.run("verify", "--all", "--ledger", scanned.ledgers[choice])
        if "without libnetcdf" in done.stderr:
            pytest.skip("the tool was built without the feature `netcdf`")
        assert done.returncode == 0, done.stderr


def test_references_are_cut_and_the_setting_rebuilds(vzarr_publish: Publisher, tmp_path: Path) -> None:
    root, ledger = tmp_path / "tree", tmp_path / "ledger.sqlite"
    CASES["deflate"].write(version_directory(root, "model"), "model")
    references = []
    for choice in (*CHOICES, *CHOICES[:1]):
        settings = tmp_path / f"{choice}.yaml"
        settings.write_text(f"codecs: {choice}\n")
        done = vzarr_publish.scan(root, "--config", settings, ledger=ledger, expect=[0])
        assert "1 built" in done.stderr
        assert "1 unchanged" in vzarr_publish.scan(root, "--codecs", choice, ledger=ledger, expect=[0]).stderr
        (store,) = vzarr_publish.stores(ledger).values()
        references.append(json.loads(store.manifest.read_text())["refs"])
    faithful, portable, again = references
    assert faithful == again and faithful.keys() == portable.keys()
    chunks = {key: value for key, value in faithful.items() if isinstance(value, list)}
    assert len(chunks) == 36
    assert all(portable[key] == [file, start, size - 4] for key, (file, start, size) in chunks.items())


# Above 64 KiB in each file, so that nothing but the checksums is read of the data.
LONG = lengths(600, 607, 600)
DAMAGED = {
    "deflate": Case(LONG, [_storage(12, **DEFLATE)] * 3),
    "alone": Case(LONG, [_storage(12)] * 3),
    "small": Case(years(), [_storage(**DEFLATE)] * 3),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_wrong_checksum_is_refused(name: str, vzarr_publish: Publisher, tmp_path: Path) -> None:
    root, ledger = tmp_path / "tree", tmp_path / "ledger.sqlite"
    DAMAGED[name].write(version_directory(root, "model"), "model")
    portable = (root, "--codecs", "portable")
    vzarr_publish.scan(*portable, ledger=ledger, expect=[0])
    (store,) = vzarr_publish.stores(ledger).values()
    file = store.files[1]
    with h5py.File(file) as opened:
        chunk = opened["tas"].id.get_chunk_info(1)
    content = bytearray(file.read_bytes())
    content[chunk.byte_offset + chunk.size // 2] ^= 1
    file.write_bytes(content)
    done = vzarr_publish.scan(*portable, ledger=ledger, expect=[1])
    for said in (file.name, "`tas`", "chunk 1", "Fletcher32 checksum", "[corrupt]"):
        assert said in done.stderr, done.stderr
    assert name == "small" or f"from byte {chunk.byte_offset} on" in done.stderr and "transfer it again" in done.stderr
    (refused,) = vzarr_publish.stores(ledger).values()
    assert refused.status == "failed" and not any(path.exists() for path in store.written)
    assert vzarr_publish.run("check", *portable).returncode == 1
    # Otherwise that is left to readers, and a scan reads no data.
    vzarr_publish.scan(root, ledger=tmp_path / "faithful.sqlite", expect=[int(name == "small")])


def test_damage_behind_a_store_is_noticed(vzarr_publish: Publisher, tmp_path: Path) -> None:
    """A file that changed under the same size and time: the store, which has no checksum, returns what is there; libnetcdf does not."""
    root, ledger = tmp_path / "tree", tmp_path / "ledger.sqlite"
    CASES["alone"].write(version_directory(root, "model"), "model")
    vzarr_publish.scan(root, "--codecs", "portable", ledger=ledger, expect=[0])
    (store,) = vzarr_publish.stores(ledger).values()
    file, times = store.files[0], store.files[0].stat()
    content = bytearray(file.read_bytes())
    _, start, _ = json.loads(store.manifest.read_text())["refs"]["tas/3.0.0"]
    content[start] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    done = vzarr_publish.run("verify", "--all", "--ledger", ledger)
    if "without libnetcdf" in done.stderr:
        pytest.skip("the tool was built without the feature `netcdf`")
    assert done.returncode == 1 and "chunk `tas/3.0.0`" in done.stderr and "the file is damaged" in done.stderr, done.stderr
