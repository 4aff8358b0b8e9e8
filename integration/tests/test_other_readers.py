"""Readers that are not Python libraries: zarrita.js with Icechunk's JavaScript, and GDAL. Identical to the files, or an error that is listed
here.

Each reads all stores in one process, `javascript/read.mjs` or `gdal/read.py`, and says which bytes it got for each variable; these are
compared with what netCDF4 reads without decoding. Attributes are no question here: they are JSON to any reader.
"""

import base64
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from pathlib import Path

import numpy as np
import pytest

import readers
import traps
import truth
from nodes import DataNode
from publisher import REPOSITORY, Publisher, Store
from test_portable import CASES as CHECKSUMS
from traps import TRAPS, Trap, Verdict
from trees import instance_id, version_directory

INTEGRATION = REPOSITORY / "integration"
# With the exception that all readers of Parquet need, before the rule of ESGF data nodes.
LOCATIONS = (INTEGRATION / "nginx" / "virtual-stores.conf").read_text()

# The scalar of most traps, which GDAL does not read.
EVERYWHERE = ("height",)
NUMCODECS = ("numcodecs.shuffle", "numcodecs.zlib", "numcodecs.fletcher32", "numcodecs.bz2")
# One trap is enough for a form that is not read at all. With one dimension GDAL 3.12 overlooks the error and gives memory that was not filled.
UNREAD = {"Parquet": "base"}


@dataclass(frozen=True)
class Program:
    directory: str
    command: tuple[str, ...]
    # What it reads, by the names it has for them.
    readings: tuple[str, ...]

    def require(self) -> list[str]:
        """Its command; the test is skipped where its environment was not made."""
        directory = INTEGRATION / self.directory
        installed, lock = directory / ".venv" / "installed.lock", directory / "requirements.lock"
        if not installed.exists():
            pytest.skip(f"no {installed.parent.relative_to(REPOSITORY)}: integration/setup makes it where it finds Python 3.12 or later")
        assert installed.read_text() == lock.read_text(), "not what the lock file says: run integration/setup"
        return [str(directory / ".venv" / "bin" / self.command[0]), *(str(directory / it) for it in self.command[1:])]

    def reads(self, work: Sequence[Mapping[str, object]]) -> dict[str, dict[str, dict[str, dict]]]:
        # Of Icechunk that for browsers: the other needs a glibc 2.38, which Debian 12 has not.
        environment = os.environ | {"NAPI_RS_FORCE_WASI": "error"}
        done = subprocess.run(self.require(), input=json.dumps(work), capture_output=True, text=True, timeout=300, env=environment)
        assert done.returncode == 0, f"{self.command}: exit {done.returncode}\n{done.stderr[-5000:]}"
        return json.loads(done.stdout)


PROGRAMS = {
    "zarrita.js": Program("javascript", ("node", "read.mjs"), ("V2", "V3", "V3 alone", "Icechunk")),
    "GDAL": Program("gdal", ("python", "read.py"), ("V2", "V3 alone", "Parquet")),
}


@dataclass(frozen=True)
class Part:
    """A store that is read by itself: a whole one, or a segment."""

    name: str
    locations: Mapping[str, str]
    # What the files hold, by variable.
    truth: Mapping[str, truth.RawVariable]
    # The metadata of Zarr V3, by variable.
    metadata: Mapping[str, dict]
    # Whether there is no Zarr V2.
    is_rectilinear: bool = False


@dataclass(frozen=True)
class Case:
    """One variable of one store, read in one way."""

    reading: str
    part: Part
    name: str
    variable: truth.RawVariable

    def has(self, *codecs: str) -> bool:
        return any(codec["name"] in codecs for codec in self.part.metadata[self.name]["codecs"])

    @property
    def is_rectilinear(self) -> bool:
        return self.part.metadata[self.name]["chunk_grid"]["name"] == "rectilinear"

    @property
    def has_v2(self) -> bool:
        return not self.part.is_rectilinear

    @property
    def is_v3(self) -> bool:
        return self.reading != "V2" or not self.has_v2

    @property
    def kind(self) -> str:
        return self.variable.values.dtype.kind


@dataclass(frozen=True)
class Limit:
    """What ends with which error, or, for one fill value, with which wrong values, and why. All that is not listed is read and identical."""

    when: Callable[[Case], bool]
    error: str
    why: str


# The first that fits counts.
LIMITS = {
    "zarrita.js": [
        Limit(lambda it: not it.has_v2 and it.reading == "V2", "NotFoundError: Not found: v2 array", "V2 has no chunks of several lengths"),
        Limit(lambda it: it.is_rectilinear, "TypeError: Cannot read properties of undefined", "it knows no rectilinear grids"),
        Limit(lambda it: it.has("numcodecs.bz2"), "UnknownCodecError: Unknown codec: numcodecs.bz2", "it has no bzip2"),
        Limit(lambda it: it.has("numcodecs.fletcher32"), "UnknownCodecError: Unknown codec: numcodecs.fletcher32", "it has no fletcher32"),
        Limit(lambda it: it.kind == "S" and it.reading != "V2", "TypeError: dataType.match is not a function", "it knows char in V2 only"),
        Limit(lambda it: it.variable.values.size == 0, "Error: Input contains an empty iterator", "it reads no arrays without elements"),
        Limit(
            lambda it: it.part.name == "64-bit-unsigned-integers" and it.name == "tas",
            r"945 of 1260 values differ, .* np.uint64\(0\) in the store, np.uint64\(18446744073709551615\) in the files",
            "a fill value beyond 2^53 is no number of JavaScript's, and becomes 0",
        ),
    ],
    "GDAL": [
        Limit(lambda it: it.reading == "Parquet", r"refs.0.parq' not recognized as being in a supported file format", "no Parquet in the wheel"),
        Limit(lambda it: it.variable.values.size == 0, "RasterioIOError: Invalid content for shape", "it knows no dimensions of length 0"),
        Limit(lambda it: it.is_rectilinear, "RasterioIOError: Only chunk_grid.name = regular supported", "it knows no rectilinear grids"),
        Limit(lambda it: it.is_v3 and it.has(*NUMCODECS), "RasterioIOError: Unsupported codec: numcodecs", "it knows these codecs in V2 only"),
        Limit(lambda it: it.has("numcodecs.fletcher32"), "RasterioIOError: Filter fletcher32 not handled", "it has no fletcher32"),
        Limit(lambda it: it.has("numcodecs.bz2"), "RasterioIOError: Decompressor bz2 not handled", "it has no bzip2"),
        Limit(lambda it: it.kind in "OU", "RasterioIOError: Invalid or unsupported format for d", "it knows no strings"),
        Limit(
            lambda it: it.kind == "S",
            "RasterioIOError: (Only arrays with numeric data types|Invalid or unsupported format for data_type)",
            "a raster is of numbers",
        ),
        Limit(
            lambda it: it.part.name == "64-bit-unsigned-integers" and it.reading == "V2" and it.name == "tas",
            r"945 of 1260 values differ, .* np.uint64\(9223372036854775807\) in the store, np.uint64\(18446744073709551615\) in the files",
            "a fill value of V2 beyond 2^63 becomes 2^63 - 1",
        ),
        Limit(lambda it: it.variable.values.ndim == 0, "RasterioIOError: Unsupported number of dimensions", "a raster is no scalar"),
    ],
}


@dataclass(frozen=True)
class Published:
    root: Path
    parts: Mapping[str, Sequence[Part]]
    # Without the checksums at the end of chunks.
    portable: Mapping[str, Sequence[Part]]

    @cached_property
    def all(self) -> list[Part]:
        return [part for parts in (self.parts, self.portable) for name in parts for part in parts[name]]


@pytest.fixture(scope="module")
def published(vzarr_publish: Publisher, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    state = tmp_path_factory.mktemp("state")
    with DataNode(tmp_path_factory.mktemp("www"), tmp_path_factory.mktemp("nginx"), LOCATIONS) as node:
        root, alone, checksums = (node.root / name for name in ("traps", "alone", "checksums"))
        traps.write_all(root)
        for name, case in CHECKSUMS.items():
            case.write(version_directory(checksums, name), name)
        urls = [f"--data-root={path}={node.url(path)}" for path in (root, alone, checksums)]
        scans = {
            "whole": (root, "--format", "parquet,icechunk", 1),
            "alone": (root, "--v3-only", "--output-dir", alone / "traps", 1),
            "portable": (checksums, "--codecs", "portable", "--format", "icechunk", 0),
            "portable alone": (checksums, "--codecs", "portable", "--v3-only", "--output-dir", alone / "checksums", 0),
        }
        stores = {}
        for name, (*arguments, code) in scans.items():
            ledger = state / f"{name}.sqlite"
            vzarr_publish.scan(*arguments, *urls, ledger=ledger, expect=[code])
            stores[name] = vzarr_publish.stores(ledger)

        def parts(name: str, directory: Path, top: Path, kind: str) -> list[Part]:
            identity = instance_id(directory, top)
            return list(_parts(name, stores[kind][identity], stores[f"{kind} alone".removeprefix("whole ")][identity], node))

        yield Published(
            root,
            {trap.name: parts(trap.name, trap.directory(root), root, "whole") for trap in TRAPS},
            {name: parts(f"portable-{name}", version_directory(checksums, name), checksums, "portable") for name in CHECKSUMS},
        )


def _raw(files: Sequence[Path]) -> Mapping[str, truth.RawVariable]:
    return truth.raw(tuple(files))[0]


def _metadata(manifest: Path) -> dict[str, dict]:
    root = json.loads(json.loads(manifest.read_text())["refs"]["zarr.json"])
    return root["consolidated_metadata"]["metadata"]


def _parts(name: str, store: Store, alone: Store, node: DataNode) -> Iterator[Part]:
    if store.manifest:
        url = node.url(store.manifest)
        forms = {"Icechunk": ".icechunk", "Parquet": ".parq"}
        locations = {form: node.url(store.manifest.with_suffix(end)) for form, end in forms.items()}
        locations |= {"V2": url, "V3": url, "V3 alone": node.url(alone.manifest)}
        yield Part(name, locations, _raw(store.files), _metadata(alone.manifest), is_rectilinear=bool(store.segments))
    if not store.segments:
        return
    of_files = readers.files_of([node.url(segment) for segment in store.segments], store.files)
    for (segment, files), other in zip(of_files, alone.segments, strict=True):
        locations = {"V2": segment, "V3": segment, "V3 alone": node.url(other)}
        yield Part(f"{name}/{Path(segment).name}", locations, _raw(files), _metadata(other))


@dataclass(frozen=True)
class Seen:
    program: str
    found: Mapping[str, Mapping[str, Mapping[str, Mapping]]]
    def cases(self, parts: Sequence[Part]) -> Iterator[tuple[Case, Limit | None]]:
        for part in parts:
            for reading, outcomes in self.found[part.name].items():
                for name in outcomes:
                    case = Case(reading, part, name, part.truth[name])
                    yield case, next((limit for limit in LIMITS[self.program] if limit.when(case)), None)

    def differences(self, parts: Sequence[Part]) -> list[str]:
        lines = []
        for case, limit in self.cases(parts):
            found = _differences(case.name, case.variable, self.found[case.part.name][case.reading][case.name], limit)
            lines += [f"{case.part.name}, {case.reading}: {line}" for line in found]
        return lines


def _differences(name: str, variable: truth.RawVariable, outcome: Mapping[str, object], limit: Limit | None) -> list[str]:
    lines = _compared(name, variable, outcome)
    if limit is None:
        return lines
    if not lines:
        return [f"{name} is read now: take it off the list ({limit.why})"]
    return [] if re.search(limit.error, lines[0]) else [f"{name} must fail with {limit.error}, but {lines[0]}"]


def _compared(name: str, variable: truth.RawVariable, outcome: Mapping[str, object]) -> list[str]:
    if "error" in outcome:
        return [f"{name}: {outcome['error']}"]
    if "text" in outcome:
        values = np.array(outcome["text"], object)
    else:
        # Text of a fixed length is called `v2:S1`.
        values = np.frombuffer(base64.b64decode(outcome["bytes"]), outcome["type"].removeprefix("v2:"))
    shape = tuple(outcome["shape"])
    if "dimensions" not in outcome:
        # A raster: bands, rows and columns.
        real = variable.values.shape
        expected = (prod(real[:-2]), *real[-2:]) if len(real) > 1 else (1, 1, *real)
        if shape != expected:
            return [f"{name}: a raster of {shape}, {expected} in the files"]
        shape = real
    dimensions = tuple(outcome.get("dimensions", variable.dims))
    return truth.variable_differences(name, dimensions, values.reshape(shape), variable.dims, variable.values)


@pytest.fixture(scope="module", params=PROGRAMS)
def seen(request: pytest.FixtureRequest, published: Published) -> Seen:
    program = PROGRAMS[request.param]
    work = []
    for part in published.all:
        dimensions = {name: variable.values.ndim for name, variable in part.truth.items()}
        for reading in program.readings:
            if reading in part.locations and UNREAD.get(reading, part.name) == part.name:
                named = {name: count for name, count in dimensions.items() if reading not in UNREAD or count > 1}
                work.append({"name": part.name, "reading": reading, "location": part.locations[reading], "variables": named})
    return Seen(request.param, program.reads(work))


@pytest.mark.parametrize("trap", [trap for trap in TRAPS if trap.verdict is not Verdict.REFUSED], ids=lambda trap: trap.name)
def test_trap(trap: Trap, seen: Seen, published: Published, record_property) -> None:
    parts = published.parts[trap.name]
    assert parts or trap.verdict is Verdict.EITHER
    limits = {f"{case.reading}, {case.name}: {limit.why}" for case, limit in seen.cases(parts) if limit and case.name not in EVERYWHERE}
    status = "failing in part with listed errors" if limits else "built"
    record_property("dataset", (f"traps through {seen.program}", status, trap.name, "; ".join(sorted(limits)) or None))
    found = seen.differences(parts)
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("name", CHECKSUMS)
def test_portable(name: str, seen: Seen, published: Published) -> None:
    found = seen.differences(published.portable[name])
    assert not found, "\n" + "\n".join(found)


def test_a_wrong_store_is_noticed(seen: Seen, published: Published) -> None:
    """Every other answer rests on this."""
    [one], [other] = published.parts["base"], published.parts["calendar-360-day"]
    for reading in seen.found[one.name].keys() - UNREAD:
        lines = seen.differences([replace(one, truth=other.truth)])
        assert any(re.search(f"{reading}: time: 34 of 36 values differ", line) for line in lines), (reading, lines)


def test_each_limit_is_met(seen: Seen, published: Published) -> None:
    met = {limit.error for _, limit in seen.cases(published.all) if limit}
    assert met == {limit.error for limit in LIMITS[seen.program]}
