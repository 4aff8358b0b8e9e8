"""What a run leaves that ends before its time: killed, out of disk, refused by the system, without power, or in the way of others.

Short forms of what `integration/crash` does at length.
"""

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest

import faults
import kills
import power
import race
from archive import Archive, temporaries
from publisher import Publisher
from shim import Shim, operations, why_not


@pytest.fixture(scope="module")
def seed() -> int:
    """Another every time, and said where something fails."""
    return random.SystemRandom().randrange(1 << 32)


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Shim:
    if reason := why_not():
        pytest.skip(reason)
    return Shim.build(tmp_path_factory.mktemp("shim"))


def test_killed_scans_are_completed_by_the_next(vzarr_publish: Publisher, tmp_path: Path, shim: Shim, seed: int) -> None:
    result = kills.run(vzarr_publish.binary, tmp_path, 16, 12, seed, shim)
    print(result)
    assert result.differences == []
    assert result.killed > result.trials / 2, "scans are over before they are killed"


def test_refused_calls_are_told_and_healed(vzarr_publish: Publisher, tmp_path: Path, shim: Shim, seed: int) -> None:
    result = faults.run(vzarr_publish.binary, tmp_path, 8, 2, seed, shim)
    print(result)
    assert result.differences == []
    assert set(result.failed) == {fault.name for fault in faults.FAULTS}


def test_power_may_be_lost_at_any_time(vzarr_publish: Publisher, tmp_path: Path, shim: Shim, seed: int) -> None:
    result = power.run(vzarr_publish.binary, tmp_path, 16, 2, seed, shim)
    print(result)
    assert result.differences == []


def test_power_may_be_lost_with_all_forms(vzarr_publish: Publisher, tmp_path: Path, shim: Shim, seed: int) -> None:
    """All that can be read back: icechunk 1 knows no such repositories."""
    forms = ("parquet", "icechunk") if int(version("icechunk").split(".")[0]) >= 2 else ("parquet",)
    result = power.run(vzarr_publish.binary, tmp_path, 6, 1, seed, shim, formats=forms)
    print(result)
    assert result.differences == []


def test_chunks_of_a_repository_come_behind_what_tells_of_them(vzarr_publish: Publisher, tmp_path: Path, shim: Shim) -> None:
    """For certain: a chunk that is there alone after a loss of power would be found by nobody. The model meets that seldom."""
    archive = Archive(vzarr_publish.binary, tmp_path, 1, kinds=[("seamed", "reseamed")], options=("--format", "icechunk"))
    archive.put("a")
    archive.scan().exits(0)
    archive.put("b")
    log = archive.place / "operations.log"
    archive.scan(environment=shim.recording(archive.place, log)).exits(0)
    [repository] = archive.repositories()
    done = [(it.kind, it.path.relative_to(repository)) for it in operations(log) if it.path.is_relative_to(repository)]
    order = [f"{kind} {path if kind == 'syncdir' else path.parts[0]}" for kind, path in done if kind in ("rename", "syncdir")]
    chunks = order.index("rename chunks")
    for kind in ("manifests", "snapshots", "transactions"):
        assert max(at for at, it in enumerate(order) if it == f"rename {kind}") < order.index(f"syncdir {kind}") < chunks, order
    assert max(at for at, it in enumerate(order) if it == "rename chunks") < order.index("syncdir chunks") < order.index("rename repo"), order


def test_many_processes_use_one_ledger(vzarr_publish: Publisher, tmp_path: Path, seed: int) -> None:
    result = race.run(vzarr_publish.binary, tmp_path / "race", 12, 6, seed)
    print(result)
    assert result.differences == []
    assert min(result.calls.values()) > 0 and len(result.calls) == 8


@contextmanager
def mounted(place: Path, *arguments: str) -> Iterator[None]:
    """A file system at `place`, for which one has to be root."""
    place.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *arguments, str(place)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"cannot mount {' '.join(arguments)} here: {done.stderr.strip() or done.stdout.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(directory: Path) -> Path:
    """Takes all the room there is."""
    filler = directory / "filler"
    with filler.open("wb") as file:
        try:
            while True:
                file.write(bytes(1 << 12))
                file.flush()
        except OSError:
            pass
    return filler


SMALL = [("plain", "longer"), ("seamed", "reseamed"), ("plain", "plain")]


def test_a_full_directory_of_stores(vzarr_publish: Publisher, tmp_path: Path) -> None:
    archive = Archive(vzarr_publish.binary, tmp_path, 6, beside=False, kinds=SMALL)
    archive.put("a")
    with mounted(archive.stores, "-t", "tmpfs", "-o", "size=8m", "tmpfs"):
        archive.scan().exits(0)
        before = archive.written()
        filler = fill(archive.stores)
        moved = [str(it).replace("node.test", "other.test") for it in archive.scan_arguments()]
        full = archive.run(*moved).exits(1)
        named = archive.stores / archive.directory(archive.sources()[0]).relative_to(archive.data)
        assert f"`{named}`: cannot write a store in this directory: No space left on device" in full.stderr, full.stderr
        assert "make room, or use --output-dir DIR" in full.stderr
        filler.unlink()
        assert archive.written() == before, "the stores of before are as they were"
        archive.run(*moved).exits(0)
        assert archive.written().keys() == before.keys()
        archive.run("ledger", "check").exits(0)


def test_a_full_directory_of_the_ledger(vzarr_publish: Publisher, tmp_path: Path) -> None:
    archive = Archive(vzarr_publish.binary, tmp_path, 6, kinds=SMALL)
    archive.put("a")
    with mounted(archive.ledger.parent, "-t", "tmpfs", "-o", "size=1m", "tmpfs"):
        archive.scan().exits(0)
        before = archive.recorded()
        filler = fill(archive.ledger.parent)
        archive.put("b")
        full = archive.scan().exits(3)
        assert f"`{archive.ledger}`" in full.stderr and "make room on its file system" in full.stderr, full.stderr
        filler.unlink()
        assert archive.recorded() == before
        archive.scan().exits(0)
        archive.run("ledger", "check").exits(0)
        assert not temporaries(archive.written())


def test_no_room_for_a_new_ledger(vzarr_publish: Publisher, tmp_path: Path) -> None:
    archive = Archive(vzarr_publish.binary, tmp_path, 3, kinds=SMALL)
    archive.put("a")
    with mounted(archive.ledger.parent, "-t", "tmpfs", "-o", "size=1m", "tmpfs"):
        filler = fill(archive.ledger.parent)
        full = archive.scan().exits(3)
        assert f"`{archive.ledger}`" in full.stderr and "make room" in full.stderr, full.stderr
        filler.unlink()
        archive.scan().exits(0)


def test_a_tree_that_is_mounted_read_only(vzarr_publish: Publisher, tmp_path: Path) -> None:
    archive = Archive(vzarr_publish.binary, tmp_path, 3, kinds=SMALL)
    archive.put("a")
    with mounted(archive.data, "--bind", str(archive.data)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(archive.data)], check=True)
        closed = archive.scan().exits(1)
        for source in archive.sources():
            named = archive.directory(source)
            assert f"`{named}`: cannot write a store in this directory: Read-only file system" in closed.stderr, closed.stderr
        assert "use --output-dir DIR" in closed.stderr
        elsewhere = archive.place / "elsewhere"
        archive.scan("--output-dir", elsewhere, f"--data-root={elsewhere}=https://node.test/stores").exits(0)
    archive.scan().exits(0)


def test_a_ledger_that_is_mounted_read_only(vzarr_publish: Publisher, tmp_path: Path) -> None:
    archive = Archive(vzarr_publish.binary, tmp_path, 3, kinds=SMALL)
    archive.put("a")
    archive.scan().exits(0)
    state = archive.ledger.parent
    with mounted(state, "--bind", str(state)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(state)], check=True)
        closed = archive.scan().exits(3)
        assert f"`{archive.ledger}`" in closed.stderr and "choose another place with `--ledger FILE`" in closed.stderr, closed.stderr
    archive.scan().exits(0)


def test_a_quota_that_is_used_up(vzarr_publish: Publisher, tmp_path: Path, shim: Shim) -> None:
    archive = Archive(vzarr_publish.binary, tmp_path, 6, beside=False, kinds=SMALL)
    archive.put("a")
    archive.scan().exits(0)
    before = archive.written()
    archive.put("b")
    environment = shim.failing(archive.place, archive.place / "log", "write", "EDQUOT", 1, 0, ".tmp-")
    full = archive.scan(environment=environment).exits(1)
    assert f"cannot write a store in this directory: {os.strerror(122)}" in full.stderr, full.stderr
    assert "make room, or use --output-dir DIR" in full.stderr
    # A dataset that only grew keeps its store, which is still right; files that were replaced are not what theirs says.
    after = archive.written()
    assert {path: before[path] for path in after} == after
    grown = [path for path in before if "S0000" in path or "S0003" in path]
    assert len(grown) == 2 and all(path in after for path in grown)
    archive.scan().exits(0)
    fresh = archive.written()
    shutil.rmtree(archive.stores)
    shutil.rmtree(archive.ledger.parent)
    archive.scan().exits(0)
    assert archive.written() == fresh
