"""A file system that hangs, and files that change while they are read.

delay.c stands between the tool and the system, and delays reads, listings and syncs of some paths, as a server that does not answer does.
"""

import os
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

import trees
from publisher import REPOSITORY, Publisher

SOURCES = ["HANGS", "WORKS-1", "WORKS-2"]
# Longer than any run here may take.
FOR_EVER_US = 600_000_000


@pytest.fixture(scope="session")
def delay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("delay") / "delay.so"
    source = REPOSITORY / "integration" / "delay" / "delay.c"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for source_id in SOURCES:
        directory = trees.version_directory(tmp_path / "data", source_id)
        trees.write_series(directory, [trees.File(start=0), trees.File(start=12)], source_id)
    return tmp_path / "data"


def files_of(tree: Path, source_id: str) -> list[Path]:
    return sorted(trees.version_directory(tree, source_id).glob("*.nc"))


def delayed(library: Path, paths: Iterable[Path | str], microseconds: int = FOR_EVER_US, times: int | None = None) -> dict[str, str]:
    """The environment in which reading or syncing `paths` takes so long."""
    environment = {"LD_PRELOAD": str(library), "DELAYS": "\n".join(f"{microseconds} {path}" for path in paths)}
    return environment if times is None else {**environment, "DELAY_TIMES": str(times)}


def command(publisher: Publisher, tree: Path, *options: str) -> list[str]:
    return [str(publisher.binary), "scan", str(tree), "--ledger", str(tree.parent / "ledger.sqlite"), *options]


def run(publisher: Publisher, tree: Path, environment: dict[str, str] = {}, *options: str) -> tuple[int, str, float]:
    begin = time.monotonic()
    called = command(publisher, tree, *options)
    done = subprocess.run(called, capture_output=True, text=True, timeout=100, env={**os.environ, **environment})
    return done.returncode, done.stderr, time.monotonic() - begin


def test_a_file_that_hangs_fails_its_dataset_alone(vzarr_publish: Publisher, tree: Path, delay: Path):
    hanging = files_of(tree, "HANGS")[1]
    code, said, seconds = run(vzarr_publish, tree, delayed(delay, [hanging]), "--timeout", "2s")
    assert code == 1, said
    assert "2 built, 0 unchanged, 0 refused, 1 failed" in said
    assert f"`{hanging}`: nothing came from the file system for 2 s [timeout]" in said
    assert "see that the file system answers" in said
    assert seconds < 30
    code, said, _ = run(vzarr_publish, tree)
    assert (code, "1 built, 2 unchanged" in said) == (0, True), said


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_first_file_that_is_slow_holds_up_no_other_dataset(vzarr_publish: Publisher, tree: Path, delay: Path, jobs: str):
    slow, other = files_of(tree, "HANGS")
    other.unlink()
    code, said, _ = run(vzarr_publish, tree, delayed(delay, [slow], microseconds=2_000_000, times=1), "--jobs", jobs)
    assert (code, "3 built" in said) == (0, True), said
    of_slow, *others = (next(trees.version_directory(tree, source_id).glob("*.json")).stat().st_mtime for source_id in SOURCES)
    assert all(written < of_slow - 1 for written in others)


def test_a_store_stays_while_its_files_hang(vzarr_publish: Publisher, tree: Path, delay: Path):
    assert run(vzarr_publish, tree)[0] == 0
    manifest = next(trees.version_directory(tree, "HANGS").glob("*.json"))
    before = manifest.read_bytes()
    code, said, _ = run(vzarr_publish, tree, delayed(delay, files_of(tree, "HANGS")[:1]), "--timeout", "2s", "--force")
    assert (code, "1 failed" in said) == (1, True), said
    assert manifest.read_bytes() == before


def test_when_all_reads_hang_the_scan_ends(vzarr_publish: Publisher, tree: Path, delay: Path):
    hanging = [file for source_id in SOURCES for file in files_of(tree, source_id)]
    code, said, seconds = run(vzarr_publish, tree, delayed(delay, hanging), "--timeout", "2s", "--io-depth", "2")
    assert code == 1, said
    assert "too many files hang" in said and "[timeout]" in said
    assert seconds < 30
    code, said, _ = run(vzarr_publish, tree)
    assert (code, "3 built" in said) == (0, True), said


def test_a_directory_that_hangs_ends_the_walk_and_nothing_is_gone(vzarr_publish: Publisher, tree: Path, delay: Path):
    assert run(vzarr_publish, tree)[0] == 0
    hanging = trees.version_directory(tree, "WORKS-1")
    code, said, seconds = run(vzarr_publish, tree, delayed(delay, [hanging]), "--timeout", "2s")
    assert code == 1, said
    # A directory is known by that above it until it is open.
    assert f"`{hanging.parent}`: nothing came from the file system" in said
    assert " gone" not in said
    assert seconds < 30
    code, said, _ = run(vzarr_publish, tree)
    assert (code, "3 unchanged" in said) == (0, True), said


def touched_while(publisher: Publisher, tree: Path, file: Path, environment: dict[str, str], rounds: int) -> tuple[int, str]:
    """Scans while `file` gets another modification time, again and again."""
    scan = subprocess.Popen(command(publisher, tree), stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})
    for number in range(rounds):
        time.sleep(0.3)
        if scan.poll() is not None:
            break
        os.utime(file, (number, number))
    said = scan.communicate(timeout=100)[1]
    return scan.returncode, said


def test_a_file_that_changes_once_while_it_is_read_is_read_again(vzarr_publish: Publisher, tree: Path, delay: Path):
    file = files_of(tree, "HANGS")[0]
    code, said = touched_while(vzarr_publish, tree, file, delayed(delay, [file], 1_500_000, times=1), rounds=1)
    assert (code, "3 built" in said) == (0, True), said
    # The ledger has the file as it was read in the end.
    code, said, _ = run(vzarr_publish, tree)
    assert (code, "3 unchanged" in said) == (0, True), said


def test_a_file_that_goes_on_changing_is_unstable(vzarr_publish: Publisher, tree: Path, delay: Path):
    file = files_of(tree, "HANGS")[0]
    code, said = touched_while(vzarr_publish, tree, file, delayed(delay, [file], 1_000_000), rounds=1000)
    assert code == 1 and "2 built" in said, said
    assert f"`{file}`: the file changed while it was read [unstable]" in said
    assert "--min-age" in said


def place_of(tree: Path, source_id: str) -> Path:
    """Where the store of a dataset goes that does not go beside its files."""
    return tree.parent / "stores" / trees.version_directory(tree, source_id).relative_to(tree)


def test_a_disk_for_stores_that_hangs_fails_the_dataset_and_nothing_is_there(vzarr_publish: Publisher, tree: Path, delay: Path):
    output = ["--output-dir", str(tree.parent / "stores")]
    place = place_of(tree, "HANGS")
    # Whoever waits for a disk takes no turn from those that compute.
    code, said, seconds = run(vzarr_publish, tree, delayed(delay, [f"{place}/"]), "--timeout", "2s", "--jobs", "1", *output)
    assert code == 1 and "2 built" in said and "1 failed" in said, said
    assert "nothing came from the file system for 2 s [timeout]" in said
    assert seconds < 30
    assert not list(place.glob("*.json"))
    code, said, _ = run(vzarr_publish, tree, {}, *output)
    assert (code, "1 built, 2 unchanged" in said) == (0, True), said
    assert len(os.listdir(place)) == 1


def test_a_store_that_was_given_up_is_not_published_when_its_disk_wakes_up(vzarr_publish: Publisher, tree: Path, delay: Path):
    # Read one after the other, the files of the others keep the scan busy until long after the disk woke up.
    others = [file for source_id in SOURCES[1:] for file in files_of(tree, source_id)]
    place = place_of(tree, "HANGS")
    slow = delayed(delay, others, 1_200_000)
    slow["DELAYS"] += f"\n3000000 {place}/"
    output = ["--output-dir", str(tree.parent / "stores")]
    code, said, seconds = run(vzarr_publish, tree, slow, "--timeout", "2s", "--io-depth", "1", *output)
    assert code == 1 and "2 built" in said and "1 failed" in said, said
    assert seconds > 4, "the scan ended before the disk woke up"
    assert os.listdir(place) == []
    code, said, _ = run(vzarr_publish, tree, {}, *output)
    assert (code, "1 built, 2 unchanged" in said) == (0, True), said
