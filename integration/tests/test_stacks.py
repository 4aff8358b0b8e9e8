"""The traps and the datasets with segments through older client libraries: identical to the files, or an error that is listed here.

Each stack has its own environment, in whose Python `stacks/compare.py` opens all stores in one go and compares them with what the
xarray and netCDF4 of that environment give for the files.
"""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import readers
import traps
from nodes import DataNode
from publisher import REPOSITORY, Publisher, Store
from test_portable import CASES as CHECKSUMS
from test_seams import SEAMED
from traps import TRAPS, Trap, Verdict
from trees import instance_id, version_directory, write_series

STACKS = REPOSITORY / "integration" / "stacks"


@dataclass(frozen=True)
class Stack:
    directory: str
    # What this stack opens a store with, by the names in `compare.py`, and the segments of one with seams.
    readings: tuple[str, ...]
    of_segments: tuple[str, ...]
    # The error with which each reading says that it cannot open a rectilinear store.
    rectilinear: Mapping[str, str]

    @property
    def environment(self) -> Path:
        return STACKS / self.directory / ".venv"

    def require(self) -> Path:
        """Its Python; the test is skipped where there is none that fits."""
        python = self.environment / "bin" / "python"
        if not python.exists():
            pytest.skip(f"no {python.relative_to(REPOSITORY)}: integration/setup makes it where it finds Python 3.11, 3.12 or 3.13")
        lock = STACKS / self.directory / "requirements.lock"
        installed = self.environment / "installed.lock"
        assert installed.exists() and installed.read_text() == lock.read_text(), "not what the lock file says: run integration/setup"
        return python


NO_V2 = "GroupNotFoundError"
STACK = {
    "zarr 3.1": Stack(
        "zarr-3.1",
        ("kerchunk", "zarr V3"),
        ("segments", "segments, zarr V3"),
        {"kerchunk": NO_V2, "zarr V3": "ValueError: Unknown chunk grid. Got rectilinear"},
    ),
    "zarr 2.18": Stack(
        "zarr-2.18", ("kerchunk", "mapper"), ("segments", "segments by mapper"), {"kerchunk": NO_V2, "mapper": NO_V2}
    ),
}


@dataclass(frozen=True)
class Limit:
    """An error that a reading must end with, and why that is a limit of the stack."""

    error: str
    why: str


# By stack, trap and reading. Readings that are not listed must be identical.
LIMITS: dict[tuple[str, str], dict[str, Limit]] = {}


RECTILINEAR = [*SEAMED, *(trap.name for trap in TRAPS if trap.verdict is Verdict.RECTILINEAR)]
IN_ONE_PIECE = (Verdict.BUILT, Verdict.EITHER, Verdict.SEGMENTED)


@dataclass(frozen=True)
class Published:
    traps: Mapping[str, Store]
    # Those that only Zarr V3 can hold in one piece, among them some of the traps.
    rectilinear: Mapping[str, Store]
    # Without the checksums at the end of chunks.
    portable: Mapping[str, Store]


@pytest.fixture(scope="module")
def published(node: DataNode, vzarr_publish: Publisher, tmp_path_factory: pytest.TempPathFactory) -> Published:
    root = node.root / "stacks"
    traps.write_all(root / "traps")
    for name, files in SEAMED.items():
        write_series(version_directory(root / "seams", name), files, name)
    for name, case in CHECKSUMS.items():
        case.write(version_directory(root / "checksums", name), name)
    ledgers = tmp_path_factory.mktemp("stacks")

    def scanned(tree: Path, *options: str, expect: int) -> Mapping[str, Store]:
        ledger = ledgers / f"{tree.name}.sqlite"
        vzarr_publish.scan(tree, *options, "--data-root", f"{tree}={node.url(tree)}", ledger=ledger, expect=[expect])
        return vzarr_publish.stores(ledger)

    of_traps, of_seams = scanned(root / "traps", expect=1), scanned(root / "seams", expect=0)
    of_traps = {trap.name: of_traps[instance_id(trap.directory(root / "traps"), root / "traps")] for trap in TRAPS}
    rectilinear = {name: of_seams[instance_id(version_directory(root / "seams", name), root / "seams")] for name in SEAMED}
    rectilinear |= {name: of_traps[name] for name in RECTILINEAR if name not in SEAMED}
    of_checksums = scanned(root / "checksums", "--codecs", "portable", expect=0)
    directories = {name: version_directory(root / "checksums", name) for name in CHECKSUMS}
    portable = {name: of_checksums[instance_id(directory, root / "checksums")] for name, directory in directories.items()}
    return Published(of_traps, rectilinear, portable)


@dataclass(frozen=True)
class Seen:
    """What one stack sees in all stores: by name and reading, differences or an error."""

    stack: str
    versions: Mapping[str, str]
    found: Mapping[str, Mapping[str, Mapping[str, object]]]

    def collection(self, what: str) -> str:
        clients = ", ".join(f"{name} {self.versions[name]}" for name in ("zarr", "xarray", "kerchunk", "fsspec", "numcodecs"))
        return f"{what} through {clients}"

    def differences(self, name: str) -> list[str]:
        """Of all readings, errors among them, as `readers.differences` gives them."""
        lines = []
        for reading, outcome in self.found[name].items():
            lines += [f"{reading}: {line}" for line in outcome.get("differences", [])]
            if "error" in outcome:
                lines.append(f"{reading}: {outcome['error']}")
        return lines


@pytest.fixture(scope="module", params=STACK)
def seen(request: pytest.FixtureRequest, published: Published, node: DataNode) -> Seen:
    stack = STACK[request.param]
    python = stack.require()
    work = list(_work(stack, published, node))
    command = [python, "-I", STACKS / "compare.py"]
    done = subprocess.run(command, input=json.dumps(work), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{request.param}: exit {done.returncode}\n{done.stderr[-5000:]}"
    answer = json.loads(done.stdout)
    return Seen(request.param, answer["versions"], answer["found"])


def _work(stack: Stack, published: Published, node: DataNode) -> Iterator[dict[str, object]]:
    def one(name: str, location: str | list[str], files: list[Path], readings: tuple[str, ...]) -> dict[str, object]:
        return {"name": name, "location": location, "files": list(map(str, files)), "readings": readings}

    for name, store in published.traps.items():
        if store.built and store.manifest and not store.segments:
            yield one(f"traps/{name}", store.url, store.files, stack.readings)
        elif store.built and not store.manifest:
            for segment, files in readers.files_of([node.url(segment) for segment in store.segments], store.files):
                yield one(f"traps/{name}/{Path(segment).name}", segment, files, stack.readings)
    for name, store in published.rectilinear.items():
        yield one(f"rectilinear/{name}", store.url, store.files, stack.readings)
        yield one(f"segments/{name}", [node.url(segment) for segment in store.segments], store.files, stack.of_segments)
    for name, store in published.portable.items():
        locations = [node.url(segment) for segment in store.segments]
        yield one(f"portable/{name}", locations or store.url, store.files, stack.of_segments if locations else stack.readings)
    base = published.traps["base"]
    yield one("swapped", node.url(_with_two_chunks_swapped(base, node)), base.files, stack.readings)


def _with_two_chunks_swapped(store: Store, node: DataNode) -> Path:
    manifest = json.loads(store.manifest.read_text())
    references = manifest["refs"]
    references["tas/3.0.0"], references["tas/7.0.0"] = references["tas/7.0.0"], references["tas/3.0.0"]
    swapped = node.root / "swapped.json"
    swapped.write_text(json.dumps(manifest))
    return swapped


@pytest.mark.parametrize("trap", [trap for trap in TRAPS if trap.verdict in IN_ONE_PIECE], ids=lambda trap: trap.name)
def test_trap(trap: Trap, seen: Seen, published: Published, record_property) -> None:
    store = published.traps[trap.name]
    if not store.built:
        assert trap.verdict is Verdict.EITHER, f"must be built, was {store.status}: {store.reason}"
        return
    limits = LIMITS.get((seen.stack, trap.name), {})
    why = "; ".join(limit.why for limit in limits.values()) or None
    record_property("dataset", (seen.collection("traps"), "failing with a listed error" if limits else "built", trap.name, why))
    if not store.manifest:
        of_segments = [line for segment in store.segments for line in seen.differences(f"traps/{trap.name}/{segment.name}")]
        assert not of_segments, "\n" + "\n".join(of_segments)
        return
    outcomes = seen.found[f"traps/{trap.name}"]
    for reading, limit in limits.items():
        error = outcomes[reading].get("error")
        assert error, f"{reading} does not fail any more: take it off the list"
        assert re.search(limit.error, error), error
    listed = tuple(f"{reading}: {outcomes[reading]['error']}" for reading in limits)
    found = [line for line in trap.unannounced(seen.differences(f"traps/{trap.name}")) if line not in listed]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("name", RECTILINEAR)
def test_rectilinear(name: str, seen: Seen, published: Published, record_property) -> None:
    record_property("dataset", (seen.collection("segments"), published.rectilinear[name].status, name, None))
    found = seen.differences(f"segments/{name}")
    assert not found, "\n" + "\n".join(found)
    for reading, outcome in seen.found[f"rectilinear/{name}"].items():
        error = STACK[seen.stack].rectilinear[reading.removesuffix(", raw")]
        assert re.search(error, outcome.get("error", "")), f"{reading} must say that it cannot: {outcome}"


@pytest.mark.parametrize("name", CHECKSUMS)
def test_portable(name: str, seen: Seen, published: Published, record_property) -> None:
    record_property("dataset", (seen.collection("checksums, portable"), published.portable[name].status, name, None))
    found = seen.differences(f"portable/{name}")
    assert not found, "\n" + "\n".join(found)


def test_a_wrong_store_is_noticed(seen: Seen) -> None:
    """Every other answer rests on this: through each reading of the stack, two swapped chunks are seen."""
    for reading, outcome in seen.found["swapped"].items():
        (difference,) = outcome["differences"]
        assert difference.startswith("tas: 70 of 1260 values differ"), f"{reading}: {difference}"


def test_limits_name_what_there_is() -> None:
    built = {trap.name for trap in TRAPS if trap.verdict is not Verdict.REFUSED}
    for (stack, trap), readings in LIMITS.items():
        assert trap in built and readings.keys() <= {f"{name}{raw}" for name in STACK[stack].readings for raw in ("", ", raw")}
