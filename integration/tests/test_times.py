"""Hundreds of small datasets whose files count time in random units, calendars and types, held against an arithmetic of their own.

The oracle is exact: cftime says when reference dates are, in whole microseconds, and the rest is fractions. One store must be built
where every time has a value in the units and the type of the first file, and segments where one has not; times must be the very
fractions, and the dates that cftime and xarray make of them those of the files.
"""

import random
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import cftime
import netCDF4
import numpy as np
import pytest
import xarray as xr

import readers
import truth
from publisher import Publisher, Store
from trees import file_name, instance_id, version_directory

DATASETS, SEED = 600, 20261125
EPOCH = "microseconds since 2000-01-01"
CALENDARS = ("standard", "gregorian", "proleptic_gregorian", "julian", "noleap", "365_day", "all_leap", "366_day", "360_day")
MICROSECONDS = {"days": 86_400_000_000, "hours": 3_600_000_000, "minutes": 60_000_000, "seconds": 1_000_000, "milliseconds": 1_000}
WORDS = {"days": ("days", "day", "d"), "hours": ("hours", "hour", "h"), "minutes": ("minutes", "min"), "seconds": ("seconds", "s")}
TYPES = ("f8", "f8", "f4", "i4", "i8")


@dataclass
class Axis:
    """What a file counts time in."""

    unit: str
    units: str
    calendar: str
    dtype: str

    @cached_property
    def reference(self) -> int:
        """Microseconds from the year 2000 of the calendar."""
        date = cftime.num2date(0, self.units, self.calendar, only_use_cftime_datetimes=True)
        return int(cftime.date2num(date, EPOCH, self.calendar))

    def instants(self, numbers: np.ndarray) -> list[Fraction]:
        scale, reference = MICROSECONDS[self.unit], self.reference
        return [Fraction(number.item()) * scale + reference for number in numbers.ravel()]

    def number(self, instant: Fraction) -> np.generic | None:
        """The value of the type that is exactly the instant, if there is one."""
        exact = (instant - self.reference) / MICROSECONDS[self.unit]
        kind = np.dtype(self.dtype)
        if kind.kind == "i":
            info = np.iinfo(kind)
            whole = exact.denominator == 1 and info.min <= exact <= info.max
            return kind.type(int(exact)) if whole else None
        number = kind.type(float(exact))
        return number if Fraction(number.item()) == exact else None


@dataclass
class Case:
    name: str
    axes: list[Axis]
    times: list[np.ndarray]
    bounds: list[np.ndarray]

    @property
    def directory(self) -> Path:
        return version_directory(Path(), self.name)

    def write(self, root: Path) -> None:
        directory = root / self.directory
        directory.mkdir(parents=True)
        for number, (axis, times, bounds) in enumerate(zip(self.axes, self.times, self.bounds, strict=True)):
            # The names say nothing of the times, and the order of names is not that of times.
            with netCDF4.Dataset(directory / file_name(self.name, f"{9 - number:04}"), "w") as dataset:
                dataset.createDimension("time", None)
                dataset.createDimension("bnds", 2)
                time = dataset.createVariable("time", axis.dtype, ("time",))
                time.setncatts({"units": axis.units, "calendar": axis.calendar, "bounds": "time_bnds"})
                time[:] = times
                dataset.createVariable("time_bnds", axis.dtype, ("time", "bnds"))[:] = bounds
                dataset.createVariable("tas", "f4", ("time",), chunksizes=(1,))[:] = np.arange(times.size) + 100 * number

    def expected(self) -> tuple[list, list] | None:
        """Times and bounds in the units of the first file; None where one has no exact value there."""
        first = self.axes[0]
        moved = []
        for values in (self.times, self.bounds):
            instants = [axis.instants(numbers) for axis, numbers in zip(self.axes, values, strict=True)]
            moved.append([first.number(instant) for of_file in instants for instant in of_file])
        return None if any(value is None for column in moved for value in column) else tuple(moved)


def _reference(choice: random.Random, calendar: str) -> str:
    year = choice.choice([1, 1500, 1582, 1850, 1850, 1900, 1970, 2015, choice.randint(1, 2300)])
    month, day = choice.choice([(1, 1), (1, 1), (2, 28), (10, 15), (choice.randint(1, 12), choice.randint(1, 28))])
    if calendar in ("standard", "gregorian") and (year, month) == (1582, 10) and 5 <= day < 15:
        day = 15
    date = choice.choice([f"{year:04}-{month:02}-{day:02}"] * 3 + [f"{year:04}-{month}-{day}"])
    hour, minute = choice.choice([0, 6, 12, 23]), choice.choice([0, 30])
    return date + choice.choice(
        [
            "",
            "",
            " 00:00:00",
            " 00:00:00.0",
            "T00:00:00Z",
            f" {hour:02}:{minute:02}",
            f" {hour:02}:{minute:02}:15",
            f" {hour:02}:00:00 +{choice.choice([1, 5, 12]):02}:30",
            f" {hour:02}:00:00 -{choice.choice([1, 5, 12]):02}00",
            f" {hour:02}:00:00.{choice.choice(['5', '25', '125000'])}",
        ]
    )


def _axis(choice: random.Random, calendar: str, dtype: str) -> Axis:
    unit = choice.choice(["days", "days", "hours", "hours", "minutes", "seconds"])
    return Axis(unit, f"{choice.choice(WORDS[unit])} since {_reference(choice, calendar)}", calendar, dtype)


def _case(number: int) -> Case | None:
    """A dataset of two or three files; None where the times do not fit the types."""
    choice = random.Random(SEED + number)
    calendar, dtype = choice.choice(CALENDARS), choice.choice(TYPES)
    axes = [_axis(choice, calendar, dtype) for _ in range(choice.choice([2, 2, 3]))]
    if choice.random() < 0.2:
        axes[-1] = axes[0]
    # Times that are whole days, half days, hours, seconds, or as they come.
    step = choice.choice([86_400, 43_200, 86_400 * 30, 21_600, 3_600, 1_800, 1]) * 1_000_000
    begin = cftime.datetime(choice.choice([1580, 1850, 2000]), 1, 1, calendar=calendar)
    start = int(cftime.date2num(begin, EPOCH, calendar))
    count = choice.choice([1, 3, 8])
    times, bounds = [], []
    for position, axis in enumerate(axes):
        edges = [Fraction(start + step * (2 * count * position + 2 * edge)) for edge in range(count + 1)]
        if choice.random() < 0.1:
            edges = [edge + Fraction(step, 7) for edge in edges]
        scale, reference, kind = MICROSECONDS[axis.unit], axis.reference, np.dtype(axis.dtype)
        instants = [instant for a, b in zip(edges, edges[1:]) for instant in (a, (a + b) / 2, b)]
        numbers = [(instant - reference) / scale for instant in instants]
        if kind.kind == "i" and any(abs(value) > np.iinfo(kind).max for value in numbers):
            return None
        nearest = round if kind.kind == "i" else float
        column = np.array([nearest(value) for value in numbers], dtype=kind).reshape(-1, 3)
        times.append(column[:, 1])
        bounds.append(column[:, [0, 2]])
    return Case(f"random-{number:03}", axes, times, bounds)


def _is_in_order(case: Case) -> bool:
    """Rounding may have put two times in one place."""
    instants = [instant for axis, times in zip(case.axes, case.times, strict=True) for instant in axis.instants(times)]
    return all(a < b for a, b in zip(instants, instants[1:]))


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    made = (_case(number) for number in range(DATASETS))
    return [case for case in made if case and _is_in_order(case)]


@pytest.fixture(scope="module")
def stores(cases: list[Case], vzarr_publish: Publisher, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Store]]:
    root = tmp_path_factory.mktemp("times")
    for case in cases:
        case.write(root)
    vzarr_publish.scan(root, ledger=root / "ledger.sqlite", expect=[0])
    return root, vzarr_publish.stores(root / "ledger.sqlite")


def test_random_times(cases: list[Case], stores: tuple[Path, dict[str, Store]], record_property) -> None:
    root, listed = stores
    wrong = []
    for case in cases:
        store = listed[instance_id(root / case.directory, root)]
        record_property("dataset", ("random times", store.form, case.name, None))
        wrong += [f"{case.name}, {case.axes}: {line}" for line in _differences(case, store)]
    assert len(cases) > DATASETS // 2
    whole = sum(store.manifest is not None for store in listed.values())
    assert 0.2 < whole / len(listed) < 0.9, "too few of one kind to mean anything"
    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join(wrong[:20])


def _differences(case: Case, store: Store) -> list[str]:
    if not store.built:
        return [f"must be built, was {store.status}: {store.reason}"]
    expected = case.expected()
    if expected is None:
        return _segment_differences(case, store)
    if store.manifest is None:
        return [f"is in segments, though times have exact values: {store.segments}"]
    found = []
    with readers.zarr_v3(str(store.manifest), decode=False) as raw:
        first = case.axes[0]
        for name, values, parts in (("time", expected[0], case.times), ("time_bnds", expected[1], case.bounds)):
            ours = raw[name].values
            if ours.dtype != first.dtype or not np.array_equal(ours.ravel(), np.array(values, dtype=first.dtype)):
                found.append(f"{name} is {ours.ravel()}, not {values}")
            files = [_dates(numbers, axis) for axis, numbers in zip(case.axes, parts, strict=True)]
            if not np.array_equal(_dates(ours, first), np.concatenate(files)):
                found.append(f"cftime reads other dates from {name}")
        if raw["time"].attrs["units"] != first.units:
            found.append(f"the units are {raw['time'].attrs['units']}, not {first.units}")
        found += _decoded_differences(raw, store.files)
    return found


def _segment_differences(case: Case, store: Store) -> list[str]:
    """Each segment counts in the units of its first file, and all together have the dates of the files."""
    if store.manifest:
        return ["is in one piece, though a time has no exact value in the units of the first file"]
    found = []
    position = 0
    for segment, files in readers.files_of([str(path) for path in store.segments], store.files):
        with readers.zarr_v3(segment, decode=False) as raw:
            axes = case.axes[position : position + len(files)]
            for name, parts in (("time", case.times), ("time_bnds", case.bounds)):
                parts = parts[position : position + len(files)]
                dates = [_dates(numbers, axis) for axis, numbers in zip(axes, parts, strict=True)]
                if not np.array_equal(_dates(raw[name].values, axes[0]), np.concatenate(dates)):
                    found.append(f"cftime reads other dates from {name} of {segment}")
            if raw["time"].attrs["units"] != axes[0].units:
                found.append(f"the units of {segment} are {raw['time'].attrs['units']}, not {axes[0].units}")
            found += _decoded_differences(raw, files)
        position += len(files)
    return found


def _dates(numbers: np.ndarray, axis: Axis) -> np.ndarray:
    return cftime.num2date(np.asarray(numbers), axis.units, axis.calendar, only_use_cftime_datetimes=True)


def _decoded_differences(raw: xr.Dataset, files: list[Path]) -> list[str]:
    """What xarray decodes must be the same dates in both; it counts those of one file to the nanosecond or to the microsecond, as its
    units have it."""
    coder = xr.coders.CFDatetimeCoder(use_cftime=True)
    ours = xr.decode_cf(raw, decode_times=coder)
    found = []
    position = 0
    for file in files:
        with xr.open_dataset(file, engine="netcdf4", decode_times=coder) as theirs:
            part = ours.isel(time=slice(position, position + theirs.sizes["time"]))
            position += theirs.sizes["time"]
            for name in ("time", "time_bnds", "tas"):
                if not truth.same_values(part[name].values, theirs[name].values).all():
                    found.append(f"xarray decodes other values of {name} than from {file.name}")
    return found
