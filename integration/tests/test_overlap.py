"""Files that hold the same steps, under each choice of `--on-overlap`: a store identical to the files without the steps that were
dropped, which are told, or a stated reason."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import netCDF4
import numpy as np
import pytest

import readers
import truth
from nodes import DataNode
from publisher import Publisher, Store
from trees import FILL, File, file_name, instance_id, months, version_directory


def _also(*additions: Callable[[netCDF4.Dataset], None]) -> Callable[[netCDF4.Dataset], None]:
    def add(dataset: netCDF4.Dataset) -> None:
        for addition in additions:
            addition(dataset)

    return add


def _plus(amount: float) -> Callable[[netCDF4.Dataset], None]:
    """Data that tell which of two files a month comes from."""

    def add(dataset: netCDF4.Dataset) -> None:
        dataset.set_auto_maskandscale(False)
        field = dataset["tas"][...]
        dataset["tas"][...] = np.where(field == FILL, field, field + np.float32(amount))

    return add


def _lead_time(dataset: netCDF4.Dataset) -> None:
    """A small variable beside time, in chunks that no other file's steps end at."""
    lead = dataset.createVariable("leadtime", "f8", ("time",), chunksizes=(512,), compression="zlib")
    lead.units = "days"
    lead[:] = np.asarray(dataset["time_bnds"][:, 1]) - np.asarray(dataset["time_bnds"][:, 0])


def _later(start: int, count: int = 12, amount: float = 1, **changes: object) -> File:
    changes["also"] = _also(_plus(amount), *filter(None, [changes.get("also")]))
    return File(start=start, months=count, **changes)


# Which months of which files are in the store, or why there is none.
Kept = list[tuple[int, int, int]] | str


@dataclass(frozen=True)
class Case:
    files: list[File]
    first: Kept
    last: Kept
    # Whether chunks are encoded anew.
    seamed: tuple[str, ...] = ()


HOURS = "hours since 1849-01-01 06:00:00"
PIECES = {"unlimited": False, "chunks": None}
RECORDS = {"format": "NETCDF3_CLASSIC", "chunks": None, "deflate": None}
HALVES = {"first": [(0, 0, 12), (1, 12, 18)], "last": [(0, 0, 6), (1, 6, 18)]}
CASES = {
    "halves": Case([File(), _later(6)], **HALVES),
    "one-step": Case([File(months=13), _later(12)], [(0, 0, 13), (1, 13, 24)], [(0, 0, 12), (1, 12, 24)]),
    "other-units": Case([File(), _later(6, time_units=HOURS)], **HALVES),
    "times-in-large-chunks": Case([File(time_chunk=512), _later(6, time_chunk=512)], **HALVES),
    "auxiliary-in-large-chunks": Case([File(also=_lead_time), _later(6, also=_lead_time)], **HALVES),
    "spatial-chunks": Case([File(chunks=(1, 3, 4)), _later(6, chunks=(1, 3, 4))], **HALVES),
    "never-written": Case([File(written=[0, 7]), File(start=6, written=[0, 1, 8])], **HALVES),
    "in-one-piece": Case([File(**PIECES), _later(6, **PIECES)], **HALVES),
    "records": Case([File(**RECORDS), _later(6, **RECORDS)], **HALVES),
    "three-files": Case(
        [File(), _later(6), _later(10, 14, 2)],
        [(0, 0, 12), (1, 12, 18), (2, 18, 24)],
        [(0, 0, 6), (1, 6, 10), (2, 10, 24)],
    ),
    "one-within-another": Case([File(months=24), _later(6)], [(0, 0, 24)], [(0, 0, 24)]),
    "one-begins-another": Case([File(months=24), _later(0, 6)], [(0, 0, 24)], [(0, 0, 24)]),
    "one-of-three-within": Case(
        [File(months=24), _later(6), _later(24, 6, 2)], [(0, 0, 24), (2, 24, 30)], [(0, 0, 24), (2, 24, 30)]
    ),
    "whole-chunks": Case([File(chunks=(6, 5, 7)), _later(6, chunks=(6, 5, 7))], **HALVES),
    "parts-of-chunks": Case(
        [File(chunks=(5, 5, 7)), _later(6, chunks=(5, 5, 7))],
        "chunks-misaligned.*the first 6 time steps.*185001-185012.nc.*`tas`.*--on-overlap last",
        HALVES["last"],
        seamed=("last",),
    ),
    "no-common-step": Case(
        [File(), _later(6, also=lambda dataset: dataset["time"].__setitem__(slice(None), dataset["time"][:] + 1))],
        "time-overlap.* 0 time steps are in both",
        "time-overlap.* 0 time steps are in both",
    ),
    "a-step-that-only-one-has": Case(
        [File(), _later(6, also=lambda dataset: dataset["time"].__setitem__(3, dataset["time"][3] + 1))],
        "time-overlap.* 5 time steps are in both",
        "time-overlap.* 5 time steps are in both",
    ),
}
CHOICES = ("first", "last")


@dataclass
class Scanned:
    root: Path
    stores: dict[str, dict[str, Store]]
    ledgers: dict[str, Path]


@pytest.fixture(scope="module")
def scanned(vzarr_publish: Publisher, node: DataNode, tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    root = node.root / "overlaps"
    for name, case in CASES.items():
        for file in case.files:
            file.write(version_directory(root, name) / file_name(name, months(file.start, file.months)))
    stores, ledgers = {}, {}
    for choice in CHOICES:
        ledgers[choice] = tmp_path_factory.mktemp(choice) / "ledger.sqlite"
        urls = ("--data-root", f"{node.root}={node.url(node.root)}")
        arguments = (root, "--output-dir", node.root / choice, "--on-overlap", choice, *urls)
        vzarr_publish.scan(*arguments, ledger=ledgers[choice], expect=[1])
        stores[choice] = vzarr_publish.stores(ledgers[choice])
    return Scanned(root, stores, ledgers)


def write_kept(directory: Path, name: str, case: Case, kept: list[tuple[int, int, int]]) -> list[Path]:
    """The files as they would be without the steps that are dropped."""
    paths = []
    for number, start, end in kept:
        file = case.files[number]
        written = file.written and [step - (start - file.start) for step in file.written if start <= file.start + step < end]
        path = directory / file_name(name, months(file.start, file.months))
        replace(file, start=start, months=end - start, written=written).write(path)
        paths.append(path)
    return paths


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("name", CASES)
def test_overlap(
    name: str, choice: str, scanned: Scanned, vzarr_publish: Publisher, node: DataNode, tmp_path: Path, record_property
) -> None:
    case = CASES[name]
    kept: Kept = getattr(case, choice)
    store = scanned.stores[choice][instance_id(version_directory(scanned.root, name), scanned.root)]
    record_property("dataset", (f"overlaps, {choice}", store.status, name, None))
    if isinstance(kept, str):
        code, *words = kept.split(".*")
        told = vzarr_publish.explanation(store, scanned.ledgers[choice])
        assert store.status == "refused" and store.reason.startswith(code)
        assert all(word in told for word in words), told
        return
    assert store.built, store.reason
    assert len(store.files) == len(case.files), "the ledger forgets a file that was left out"
    told = "\n".join(vzarr_publish.warnings(store, scanned.ledgers[choice]))
    of = {number: range(start, end) for number, start, end in kept}
    for number, file in enumerate(case.files):
        dropped = file.months - len(of.get(number, ()))
        path = file_name(name, months(file.start, file.months))
        lines = [line for line in told.splitlines() if "[time-overlap]" in line and f"{path}`: variable `time`: " in line]
        assert bool(lines) == bool(dropped), told
        if number not in of:
            assert f"all {file.months} time steps" in lines[0]
        elif dropped:
            steps = (1, dropped) if choice == "first" else (file.months - dropped + 1, file.months)
            numbers = f"time step {steps[0]} of" if dropped == 1 else f"time steps {steps[0]} to {steps[1]} of"
            assert f"{numbers} {file.months}, " in lines[0], lines
    files = write_kept(tmp_path, name, case, kept)
    assert files == truth.in_time_order(files)
    assert (store.reencoded_bytes > 0) == (choice in case.seamed)
    found = readers.store_differences(replace(store, files=files), node.url)
    assert not found, "\n" + "\n".join(found)
