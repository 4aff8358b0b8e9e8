"""Stores as Icechunk repositories: identical to the files, from the disk and over HTTP, while they change and after every kill."""

import json
import os
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

import readers
import traps
import truth
from nodes import DataNode
from publisher import Publisher, Store
from repositories import contents, files_below, history, repository, shape
from shim import Shim, operations, why_not
from test_seams import SEAMED
from traps import TRAPS, Trap, Verdict
from trees import LAT, LON, File, instance_id, version_directory, write_series, years

icechunk = pytest.importorskip("icechunk", minversion="2.1", reason="icechunk 2 needs Python 3.12")

FORMATS = ("--format", "json,icechunk")


def opened(source: "str | icechunk.Session", *, decode: bool = True) -> xr.Dataset:
    """A repository by its location, or a session of one."""
    session = source if isinstance(source, icechunk.Session) else repository(source).readonly_session("main")
    chunks = {} if decode else None
    return xr.open_dataset(session.store, engine="zarr", zarr_format=3, consolidated=False, chunks=chunks, decode_cf=decode)


def differences(location: str, files: list[Path]) -> list[str]:
    found = []
    for decode, compare in ((True, truth.decoded_differences), (False, truth.raw_differences)):
        try:
            with readers.rectilinear(), opened(location, decode=decode) as store:
                found += [f"{location}, decode={decode}: {line}" for line in compare(store, files)]
        except Exception as error:  # a store that does not open or read is a difference like any other
            found.append(f"{location}, decode={decode}: {type(error).__name__}: {error}")
    return found


def path_of(store: Store) -> Path:
    return store.manifest.with_suffix(".icechunk")


@dataclass
class Scanned:
    root: Path
    ledger: Path
    published: dict[str, Store]
    arguments: tuple[object, ...]


@pytest.fixture(scope="module")
def scanned(vzarr_publish: Publisher, node: DataNode, tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    root = node.root / "icechunk"
    traps.write_all(root)
    for name, files in SEAMED.items():
        write_series(version_directory(root, f"seams-{name}"), files, f"seams-{name}")
    state = tmp_path_factory.mktemp("icechunk")
    arguments = (root, *FORMATS, "--data-root", f"{root}={node.url(root)}")
    vzarr_publish.scan(*arguments, ledger=state / "published.sqlite", expect=[1])
    return Scanned(root, state / "published.sqlite", vzarr_publish.stores(state / "published.sqlite"), arguments)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_traps(trap: Trap, scanned: Scanned, node: DataNode) -> None:
    name = instance_id(trap.directory(scanned.root), scanned.root)
    store = scanned.published[name]
    if not store.built or store.manifest is None:
        # What is no store, or several, is no repository.
        assert trap.verdict is not Verdict.BUILT
        assert not list(trap.directory(scanned.root).rglob("*.icechunk"))
        return
    found = differences(node.url(path_of(store)), store.files)
    # The same from the disk; the files are at the server all the same.
    found += differences(str(path_of(store)), store.files)
    if trap.announced:
        found = trap.unannounced(found)
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("name", SEAMED)
def test_seams(name: str, scanned: Scanned, node: DataNode) -> None:
    store = scanned.published[instance_id(version_directory(scanned.root, f"seams-{name}"), scanned.root)]
    assert store.segments, "not rectilinear"
    found = differences(node.url(path_of(store)), store.files)
    assert not found, "\n" + "\n".join(found)


def test_repositories_are_for_web_servers(scanned: Scanned) -> None:
    repositories = list(scanned.root.rglob("*.icechunk"))
    assert len(repositories) > 100
    names = {path.name for top in repositories for path in top.rglob("*")}
    assert not [name for name in names if name.startswith(".") or "#" in name]
    # What is at the top of each; `chunks` only where something is too large for a manifest.
    tops = {path.name for top in repositories for path in top.iterdir()}
    assert tops <= {"repo", "snapshots", "manifests", "transactions", "chunks"}
    assert not list(scanned.root.rglob(".*.tmp-*"))


def test_permissions_are_those_of_the_umask(scanned: Scanned) -> None:
    umask = os.umask(0)
    os.umask(umask)
    for path in next(scanned.root.rglob("*.icechunk")).rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o777 if path.is_dir() else 0o666) & ~umask, path


def test_scanning_again_changes_nothing(scanned: Scanned, vzarr_publish: Publisher) -> None:
    before = {path: files_below(path) for path in scanned.root.rglob("*.icechunk")}
    vzarr_publish.scan(*scanned.arguments, "--force", ledger=scanned.ledger, expect=[1])
    assert {path: files_below(path) for path in scanned.root.rglob("*.icechunk")} == before


def test_references_follow_one_line_of_the_configuration(scanned: Scanned, node: DataNode, tmp_path: Path) -> None:
    """A replica: the repository copied as it is, the files elsewhere and touched, and the configuration of one container changed."""
    directory = version_directory(scanned.root, "base")
    store = scanned.published[instance_id(directory, scanned.root)]
    replica = node.root / "icechunk-replica"
    shutil.copytree(path_of(store), replica / "store.icechunk")
    for file in store.files:
        shutil.copyfile(file, replica / file.name)
    storage = icechunk.local_filesystem_storage(str(replica / "store.icechunk"))
    config = icechunk.Repository.fetch_config(storage)
    [container] = config.virtual_chunk_containers.values()
    assert container.url_prefix == f"{node.url(directory)}/"
    config.set_virtual_chunk_container(
        icechunk.VirtualChunkContainer(f"{node.url(replica)}/", icechunk.http_store(), name=container.name)
    )
    icechunk.Repository.open(storage, config=config).save_config()
    hidden = [file.rename(file.with_suffix(".hidden")) for file in store.files]
    try:
        found = differences(node.url(replica / "store.icechunk"), [replica / file.name for file in store.files])
    finally:
        for file in hidden:
            file.rename(file.with_suffix(".nc"))
    assert not found, "\n" + "\n".join(found)


@dataclass
class Archive:
    """Two datasets in two states: regular files, and files that end within a chunk."""

    place: Path
    root: Path
    url: str
    publisher: Publisher
    ledger: Path

    @classmethod
    def at(cls, place: Path, root: Path, url: str, publisher: Publisher) -> "Archive":
        archive = cls(place, root, url, publisher, place / "ledger.sqlite")
        for state, temperature in (("a", 2.0), ("b", 10.0)):
            write_series(version_directory(place / state, "plain"), years(3, height=temperature), "plain")
            write_series(version_directory(place / state, "seamed"), _seamed(temperature), "seamed")
        return archive

    def put(self, state: str) -> None:
        """Files get the state's content and keep its times, so that a state is the same whenever it is put."""
        for file in sorted((self.place / state).rglob("*.nc")):
            to = self.root / file.relative_to(self.place / state)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, to.with_name("copy"))
            to.with_name("copy").rename(to)

    @property
    def arguments(self) -> tuple[object, ...]:
        return (self.root, *FORMATS, "--data-root", f"{self.root}={self.url}", "--contiguous-chunk", "100")

    def scan(self) -> None:
        self.publisher.scan(*self.arguments, ledger=self.ledger, expect=[0])

    def command(self) -> list[str]:
        return [str(self.publisher.binary), "scan", *map(str, self.arguments), "--ledger", str(self.ledger)]

    def repositories(self) -> list[Path]:
        return sorted(self.root.rglob("*.icechunk"))

    def snapshot(self, name: str) -> None:
        """Keeps the tree and the ledger as they are."""
        for what in (self.root, self.ledger):
            if what.exists():
                subprocess.run(["cp", "-a", "--", what, self.place / f"{name}-{what.name}"], check=True)

    def restore(self, name: str) -> None:
        for path in self.place.glob("ledger.sqlite*"):
            path.unlink()
        shutil.rmtree(self.root, ignore_errors=True)
        for what in (self.root, self.ledger):
            kept = self.place / f"{name}-{what.name}"
            if kept.exists():
                subprocess.run(["cp", "-a", "--", kept, what], check=True)
        self.root.mkdir(exist_ok=True)

    def shape(self) -> dict[str, object]:
        """What is there of each kind: the names in a repository are random."""
        found = {}
        for path in self.repositories():
            found[path.name] = shape(path)
        found["others"] = sorted(
            str(path.relative_to(self.root)) for path in self.root.rglob("*") if ".icechunk/" not in str(path) and path.is_file()
        )
        return found


def _seamed(height: float) -> list[File]:
    return [File(start=0, months=12, chunks=(5, 5, 7), height=height), File(start=12, months=13, chunks=(5, 5, 7), height=height)]


@pytest.fixture
def archive(node: DataNode, tmp_path: Path, vzarr_publish: Publisher) -> Iterator[Archive]:
    root = node.root / f"archive-{tmp_path.name}"
    root.mkdir()
    yield Archive.at(tmp_path, root, node.url(root), vzarr_publish)
    shutil.rmtree(root)


def test_a_reader_goes_on_while_the_dataset_changes(archive: Archive, node: DataNode) -> None:
    archive.put("a")
    archive.scan()
    [path, _] = archive.repositories()
    before = history(str(path))
    sessions = [repository(location).readonly_session("main") for location in (node.url(path), str(path))]
    old = [opened(session)["height"].values.item() for session in sessions]
    assert old == [2.0, 2.0]
    archive.put("b")
    archive.scan()
    after = history(str(path))
    assert after[1:] == before and len(after) == 2
    for session in sessions:
        # The same session, and what was not fetched before: coordinates and references are those of the old snapshot.
        with opened(session) as dataset:
            assert dataset["height"].values.item() == 2.0
            assert dataset["time"].size == 36 and np.isfinite(dataset["lat"].values).all()
    for location in (node.url(path), str(path)):
        with opened(location) as dataset:
            assert dataset["height"].values.item() == 10.0
    files = truth.in_time_order(path.parent.glob("[!.]*.nc"))
    assert not differences(node.url(path), files)


def test_history_is_bounded(archive: Archive) -> None:
    counts = []
    for state in "abababa":
        archive.put(state)
        archive.scan()
        path = archive.repositories()[0]
        counts.append((len(history(str(path))), len(files_below(path))))
    assert [snapshots for snapshots, _ in counts] == [1, 2, 3, 3, 3, 3, 3]
    assert len({files for _, files in counts[3:]}) == 1, counts


@pytest.mark.filterwarnings("ignore:Unable to decode time axis")
def test_no_reader_meets_a_part_of_a_large_snapshot(node: DataNode, tmp_path: Path, vzarr_publish: Publisher) -> None:
    """A chunk for each cell, more of them than are written at once, in a first snapshot and in a later one."""
    root, months = node.root / f"large-{tmp_path.name}", 15_000
    directory, cells = version_directory(root, "large"), months * len(LAT) * len(LON)
    # A step of 400,000 goes on to the end of a manifest of 100,000.
    assert cells > 500_000
    arguments = (root, "--format", "icechunk", "--contiguous-chunk", 4, "--data-root", f"{root}={node.url(root)}")
    written: list[str] = []
    for height in (2.0, 10.0):
        write_series(directory, [File(months=months, unlimited=False, chunks=None, height=height)], "large")
        vzarr_publish.scan(*arguments, ledger=tmp_path / "ledger.sqlite", expect=[0])
        [path] = root.rglob("*.icechunk")
        written.insert(0, history(str(path))[0])
        assert history(str(path)) == history(node.url(path)) == written
    store = repository(node.url(path))
    [newest, older, empty] = [snapshot.id for snapshot in store.ancestry(branch="main")]
    for before, after in ((empty, older), (older, newest)):
        changed = store.diff(from_snapshot_id=before, to_snapshot_id=after).updated_chunks
        assert len(changed["/tas"]) == cells
    steps, files = range(0, months, 997), list(directory.glob("[!.]*.nc"))
    for location in (node.url(path), str(path)):
        with opened(location) as dataset:
            assert not truth.decoded_differences(dataset, files, steps)
        with opened(repository(location).readonly_session(snapshot_id=older)) as dataset, xr.open_dataset(files[0]) as file:
            assert dataset["height"].values.item() == 2.0
            # The same values still lie where they lay.
            np.testing.assert_array_equal(dataset["tas"][steps], file["tas"][steps])
    done = vzarr_publish.run("verify", "--ledger", tmp_path / "ledger.sqlite")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(root)


def test_repositories_follow_their_stores_through_their_life(archive: Archive, node: DataNode, tmp_path: Path) -> None:
    """Built, advertised, relocated, found to be unchanged, verified, damaged, left out again, retracted."""
    archive.put("a")
    publisher, ledger = archive.publisher, archive.ledger
    old = [str(argument).replace(archive.url, "https://old.example.org/data") for argument in archive.arguments]
    publisher.scan(*old, ledger=ledger, expect=[0])

    def advertised() -> dict[str, str | None]:
        lines = [json.loads(line) for line in publisher.run("advertise", "--ledger", ledger).stdout.splitlines()]
        (tmp_path / "sent.jsonl").write_text("\n".join(map(json.dumps, lines)))
        assert publisher.run("advertise", "--ack", tmp_path / "sent.jsonl", "--ledger", ledger).returncode == 0
        return {line["id"]: it["asset"] and it["asset"]["href"] for line in lines for it in line["artefacts"]}

    assert all(url.startswith("https://old.example.org/data/") for url in advertised().values())
    data_root = ("--data-root", f"{archive.root}={archive.url}")
    assert publisher.run("relocate", *data_root, "--ledger", ledger).returncode == 0
    assert set(advertised().values()) == {node.url(path) for path in archive.repositories()}
    for path in archive.repositories():
        files = truth.in_time_order(path.parent.glob("[!.]*.nc"))
        assert not differences(node.url(path), files)
    before = {path: files_below(path) for path in archive.repositories()}
    archive.scan()
    publisher.scan(*archive.arguments, "--force", ledger=ledger, expect=[0])
    assert {path: files_below(path) for path in archive.repositories()} == before
    for verb in (("ledger", "check"), ("verify", "--all")):
        done = publisher.run(*verb, "--ledger", ledger)
        assert done.returncode == 0, done.stderr
    chunk = next(path for path in archive.repositories()[0].rglob("manifests/*") if path.is_file())
    kept = chunk.read_bytes()
    chunk.write_bytes(kept[:-1])
    done = publisher.run("verify", "--ledger", ledger)
    assert done.returncode == 1 and ".icechunk`: " in done.stderr, done.stderr
    chunk.write_bytes(kept)

    without = [argument for argument in archive.arguments if argument not in FORMATS]
    publisher.scan(*without, ledger=ledger, expect=[0])
    assert archive.repositories() == [] and set(advertised().values()) == {None}
    archive.scan()
    names = advertised()
    assert publisher.run("retract", *names, "--ledger", ledger).returncode == 0
    assert archive.repositories() == [] and not list(archive.root.rglob("*.json"))


def test_checksums_tell_that_a_file_changed(archive: Archive, node: DataNode) -> None:
    archive.put("a")
    archive.publisher.scan(*archive.arguments, "--icechunk-checksums", "last-modified", ledger=archive.ledger, expect=[0])
    path = next(path for path in archive.repositories() if ".plain." in path.name)
    files = truth.in_time_order(path.parent.glob("[!.]*.nc"))
    assert not differences(node.url(path), files)
    # Servers tell whole seconds.
    later = files[0].stat().st_mtime + 5
    os.utime(files[0], (later, later))
    with opened(node.url(path)) as dataset, pytest.raises(icechunk.IcechunkError, match="has changed"):
        dataset["tas"][0].load()


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Shim:
    if reason := why_not():
        pytest.skip(reason)
    return Shim.build(tmp_path_factory.mktemp("shim"))


# More by hand: ICECHUNK_KILLS=100.
KILLS = int(os.environ.get("ICECHUNK_KILLS", "12"))


@pytest.mark.parametrize("situation", ["first", "change"])
def test_killed_at_any_time_it_ends_as_if_not(situation: str, archive: Archive, shim: Shim) -> None:
    """Killed in place of one of the calls that change the file system."""
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    states = []
    if situation == "change":
        archive.put("a")
        archive.scan()
        states.append(archive.shape())
        archive.put("b")
    else:
        archive.put("a")
    archive.snapshot("before")
    log = archive.place / "log"
    environment = os.environ | shim.recording(archive.root, log)
    subprocess.run(archive.command(), env=environment, check=True, capture_output=True)
    count = sum(1 for _ in operations(log))
    states.append(archive.shape())
    expected = states[-1]
    seen = {path: {state.get(path, (None, None, None))[2] for state in states} for path in expected if path != "others"}
    killed, torn = 0, Counter()
    for _ in range(KILLS // 2 + 1):
        archive.restore("before")
        moment = chance.randint(1, count)
        environment = os.environ | shim.killing(archive.root, "any", moment)
        done = subprocess.run(archive.command(), env=environment, capture_output=True)
        killed += done.returncode < 0
        label = f"operation {moment} of {count}, seed {seed}"
        for path in archive.repositories():
            assert contents(str(path)) in seen[path.name], f"{label}: {path.name} is neither what it was nor what it is to be"
        torn["with a copy"] += any(path.name.startswith(".") for path in archive.root.rglob("*.icechunk.tmp-*"))
        archive.scan()
        assert archive.shape() == expected, label
    assert killed > KILLS // 4, "runs are over before they are killed"
    print(f"{situation}: {killed} killed at one of {count} operations, {dict(torn)}")


def test_what_is_left_alone_is_made_certain(archive: Archive, shim: Shim) -> None:
    """Who put it there may have been killed before it was, and the ledger is about to be told."""
    archive.put("a")
    archive.scan()
    log = archive.place / "log"
    environment = os.environ | shim.recording(archive.root, log)
    subprocess.run([*archive.command(), "--force"], env=environment, check=True, capture_output=True)
    done = [(it.kind, it.path) for it in operations(log) if ".icechunk" in str(it.path)]
    assert sorted(done) == [("syncdir", path) for path in archive.repositories()]


# More by hand: ICECHUNK_ROUNDS=50.
ROUNDS = int(os.environ.get("ICECHUNK_ROUNDS", "4"))


def test_two_ledgers_write_to_the_same_repositories(archive: Archive, node: DataNode) -> None:
    """Two scans at once, again and again, of files that change: each takes its turn, and no history is torn."""
    keep = ("--icechunk-keep", 2 * ROUNDS)
    ledgers = [archive.place / f"{name}.sqlite" for name in ("one", "other")]
    for number in range(ROUNDS):
        archive.put("ab"[number % 2])
        commands = [[*archive.command()[:-1], str(ledger), *map(str, keep)] for ledger in ledgers]
        running = [subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for command in commands]
        ended = [process.communicate(timeout=120) for process in running]
        for process, ledger, (_, said) in zip(running, ledgers, ended, strict=True):
            if process.returncode != 0:
                # Of two that found no repository one is told to come again.
                assert number == 0 and process.returncode == 1, said
                errors = [line for line in said.splitlines() if line.startswith("error: ")]
                assert errors and all("another process has written to this Icechunk repository" in line for line in errors), said
                archive.publisher.scan(*archive.arguments, *keep, ledger=ledger, expect=[0])
        for path in archive.repositories():
            snapshots = history(str(path))
            # Who came second found it done.
            assert len(snapshots) == number + 1
            for snapshot in snapshots:
                with readers.rectilinear(), opened(repository(str(path)).readonly_session(snapshot_id=snapshot)) as dataset:
                    assert np.isfinite(dataset["lat"].values).all()
            files = truth.in_time_order(path.parent.glob("[!.]*.nc"))
            assert not differences(str(path), files)
    before = {path: files_below(path) for path in archive.repositories()}
    for ledger in ledgers:
        archive.publisher.scan(*archive.arguments, *keep, "--force", ledger=ledger, expect=[0])
        done = archive.publisher.run("ledger", "check", "--ledger", ledger)
        assert done.returncode == 0, done.stderr
    assert {path: files_below(path) for path in archive.repositories()} == before


def test_a_repository_of_others_is_left_alone(archive: Archive) -> None:
    archive.put("a")
    archive.scan()
    [path, _] = archive.repositories()
    shutil.rmtree(path)
    theirs = icechunk.Repository.create(icechunk.local_filesystem_storage(str(path)))
    session = theirs.writable_session("main")
    zarr.create_group(session.store, attributes={"whose": "theirs"})
    session.commit("theirs")
    before = files_below(path)
    archive.put("b")
    done = archive.publisher.scan(*archive.arguments, ledger=archive.ledger, expect=[1])
    assert "did not write" in done.stdout + done.stderr
    assert files_below(path) == before


def test_the_comparison_finds_other_values(scanned: Scanned, node: DataNode) -> None:
    one, other = (
        scanned.published[instance_id(version_directory(scanned.root, name), scanned.root)] for name in ("base", "double-precision")
    )
    assert differences(node.url(path_of(one)), other.files)
