"""What the NetCDF files of a dataset hold, and in what a store differs from it.

Two truths, because either alone misses errors:

* decoded, what a scientist sees: `xarray.open_mfdataset` over the files in the order of their decoded time, only variables
  with a time dimension concatenated, everything else taken from the first file;
* raw, what is stored: every variable read by netCDF4 with masking, scaling and character joining switched off, so that a wrong
  fill value or scale factor shows even where decoding hides it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cftime
import netCDF4
import numpy as np
import xarray as xr

CONCATENATION = {
    "combine": "nested",
    "concat_dim": "time",
    "data_vars": "minimal",
    "coords": "minimal",
    "compat": "override",
    "combine_attrs": "override",
}

# Encodings that change what a value means; chunking and compression are left out because a store may describe them its own way.
MEANINGFUL_ENCODINGS = (
    "units",
    "calendar",
    "_FillValue",
    "missing_value",
    "scale_factor",
    "add_offset",
    "coordinates",
    "grid_mapping",
    "dtype",
)


def first_time(file: Path) -> cftime.datetime | None:
    """The decoded first time of a file, None when it has no time step."""
    with netCDF4.Dataset(file) as dataset:
        time = dataset.variables.get("time")
        if time is None or time.ndim != 1 or time.size == 0:
            return None
        calendar = getattr(time, "calendar", "standard")
        return cftime.num2date(time[0], time.units, calendar, only_use_cftime_datetimes=True)


def in_time_order(files: Iterable[Path]) -> list[Path]:
    """The files by decoded time; those without a time step come last, in the order of their names."""
    dated = [(first_time(file), Path(file)) for file in sorted(files)]
    with_time = sorted((pair for pair in dated if pair[0] is not None), key=lambda pair: _fields(pair[0]))
    return [file for _, file in with_time] + [file for time, file in dated if time is None]


def _fields(date: cftime.datetime) -> tuple[int, ...]:
    """Dates of different calendars cannot be compared as they are."""
    return (date.year, date.month, date.day, date.hour, date.minute, date.second, date.microsecond)


@lru_cache(maxsize=1)  # each reader is held against the same truth
def decoded(files: tuple[Path, ...]) -> xr.Dataset:
    """The decoded truth, in memory; `files` in time order.

    Nothing stays open: netCDF-C crashes when a file with strings is open twice and closed out of turn.
    """
    if len(files) == 1:
        with xr.open_dataset(files[0], engine="netcdf4") as dataset:
            return dataset.load()
    with xr.open_mfdataset(files, engine="netcdf4", preprocess=_restating_climatology(files[0]), **CONCATENATION) as dataset:
        return dataset.load(scheduler="synchronous")


def _restating_climatology(first: Path) -> Callable[[xr.Dataset], xr.Dataset]:
    """xarray decodes bounds of time, but leaves bounds of a climatology as the numbers they are; these, too, count in the units of
    their own file."""
    with netCDF4.Dataset(first) as dataset:
        time = dataset.variables.get("time")
        units = getattr(time, "units", None)

    def restate(dataset: xr.Dataset) -> xr.Dataset:
        name = dataset["time"].attrs.get("climatology") if "time" in dataset else None
        if name in dataset and dataset["time"].encoding["units"] != units:
            encoding = dataset["time"].encoding
            values = _restated(dataset[name].values, encoding["units"], units, encoding["calendar"])
            dataset[name] = dataset[name].copy(data=values)
        return dataset

    return restate


@dataclass
class RawVariable:
    """One variable as the files store it."""

    dims: tuple[str, ...]
    values: np.ndarray
    attrs: Mapping[str, object]


@lru_cache(maxsize=1)
def raw(files: tuple[Path, ...]) -> tuple[dict[str, RawVariable], dict[str, object]]:
    """The raw truth: variables and global attributes; `files` in time order.

    Where the time units change between files, time and what is counted in it are restated in the units of the first file, as
    any one array must be.
    """
    parts = [_raw_file(file) for file in files]
    variables, attributes = parts[0]
    if len(parts) == 1:
        return variables, attributes
    for name, variable in variables.items():
        if "time" in variable.dims:
            axis = variable.dims.index("time")
            others = [_in_units_of(variables, later, name) for later, _ in parts[1:]]
            variable.values = np.concatenate([variable.values, *others], axis=axis)
    return variables, attributes


def _raw_file(file: Path) -> tuple[dict[str, RawVariable], dict[str, object]]:
    with netCDF4.Dataset(file) as dataset:
        dataset.set_auto_maskandscale(False)
        dataset.set_auto_chartostring(False)
        variables = {
            name: RawVariable(
                variable.dimensions, np.asarray(variable[...]), {key: variable.getncattr(key) for key in variable.ncattrs()}
            )
            for name, variable in dataset.variables.items()
        }
        return variables, {key: dataset.getncattr(key) for key in dataset.ncattrs()}


def _in_units_of(first: Mapping[str, RawVariable], later: Mapping[str, RawVariable], name: str) -> np.ndarray:
    values = later[name].values
    time, other = first.get("time"), later.get("time")
    if time is None or name not in ("time", time.attrs.get("bounds"), time.attrs.get("climatology")):
        return values
    if other.attrs["units"] == time.attrs["units"] or values.size == 0:
        return values
    marks = [later[name].attrs[key] for key in ("_FillValue", "missing_value") if key in later[name].attrs]
    return _restated(values, other.attrs["units"], time.attrs["units"], time.attrs.get("calendar", "standard"), marks)


def _restated(values: np.ndarray, units: str, first_units: str, calendar: str, marks: Sequence[object] = ()) -> np.ndarray:
    # A missing value says that there is no time: it stays what it is.
    present = ~np.isin(values, marks)
    dates = cftime.num2date(values[present], units, calendar, only_use_cftime_datetimes=True)
    restated = values.copy()
    restated[present] = np.asarray(cftime.date2num(dates, first_units, calendar)).astype(values.dtype)
    return restated


def decoded_differences(store: xr.Dataset, files: Sequence[Path], steps: Sequence[int] | None = None) -> list[str]:
    """Every difference between an opened store and the decoded truth; empty when they are identical.

    With `steps` the values along time are compared at these indices only, everything else all the same.
    """
    with xr.open_dataset(files[0], engine="netcdf4") as first:
        encodings = {name: variable.encoding for name, variable in first.variables.items()}
    truth = decoded(tuple(files))
    if steps is None or dict(store.sizes) != dict(truth.sizes):
        return dataset_differences(store, truth, encodings)
    return dataset_differences(store.isel(time=steps), truth.isel(time=steps), encodings)


def dataset_differences(store: xr.Dataset, truth: xr.Dataset, encodings: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Every difference between two decoded datasets; `encodings` are what the variables of `store` must have been decoded from."""
    found = _name_differences("variables", store.variables, truth.variables)
    found += _name_differences("coordinates", store.coords, truth.coords)
    if dict(store.sizes) != dict(truth.sizes):
        found.append(f"dimensions: {dict(store.sizes)} in the store, {dict(truth.sizes)} in the files")
    found += _attribute_differences("global", store.attrs, truth.attrs)
    for name in truth.variables.keys() & store.variables.keys():
        ours, theirs = store.variables[name], truth.variables[name]
        found += variable_differences(name, ours.dims, ours.values, theirs.dims, theirs.values)
        found += _attribute_differences(name, ours.attrs, theirs.attrs)
        kept = [key for key in MEANINGFUL_ENCODINGS if key in ours.encoding or key in encodings[name]]
        for key in kept:
            if not _same_encoding(key, ours.encoding.get(key), encodings[name].get(key)):
                found.append(
                    f"{name}: encoding {key} is {ours.encoding.get(key)!r} in the store, {encodings[name].get(key)!r} in the files"
                )
    return sorted(found)


def raw_differences(store: xr.Dataset, files: Sequence[Path]) -> list[str]:
    """Every difference between a store opened without CF decoding and the raw truth; empty when they are identical."""
    variables, attributes = raw(tuple(files))
    found = _name_differences("variables", store.variables, variables)
    found += _attribute_differences("global", store.attrs, attributes)
    for name in variables.keys() & store.variables.keys():
        ours, theirs = store.variables[name], variables[name]
        found += variable_differences(name, ours.dims, ours.values, theirs.dims, theirs.values)
        found += _attribute_differences(name, ours.attrs, theirs.attrs)
    return sorted(found)


def _name_differences(what: str, store: Iterable[str], truth: Iterable[str]) -> list[str]:
    store, truth = set(store), set(truth)
    found = []
    if truth - store:
        found.append(f"{what} missing from the store: {sorted(truth - store)}")
    if store - truth:
        found.append(f"{what} only in the store: {sorted(store - truth)}")
    return found


def _attribute_differences(owner: str, store: Mapping[str, object], truth: Mapping[str, object]) -> list[str]:
    found = _name_differences(f"{owner}: attributes", store, truth)
    for key in truth.keys() & store.keys():
        if not same_attribute(store[key], truth[key]):
            found.append(f"{owner}: attribute {key} is {_short(store[key])} in the store, {_short(truth[key])} in the files")
    return found


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:100]}... ({len(text)} characters)"


def same_attribute(ours: object, theirs: object) -> bool:
    """Equal by value and shape: JSON keeps no integer width, so 1 equals int16(1), but 1 is not '1', nor [1]."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    numbers = ours.dtype.kind in "iufb" and theirs.dtype.kind in "iufb"
    if not numbers and (ours.dtype.kind in "iufb" or theirs.dtype.kind in "iufb"):
        return False
    return bool(np.array_equal(ours, theirs, equal_nan=numbers))


def _same_encoding(key: str, ours: object, theirs: object) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    if key == "dtype":
        return _same_dtype(np.dtype(ours), np.dtype(theirs))
    return same_attribute(ours, theirs)


def _is_text(dtype: np.dtype) -> bool:
    # xarray hands a NetCDF string out as object and a Zarr string as StringDType: the same text in two boxes.
    return dtype.kind in "OTU"


def _same_dtype(ours: np.dtype, theirs: np.dtype) -> bool:
    """Equal but for the byte order, which is storage and not meaning."""
    if _is_text(ours) or _is_text(theirs):
        return _is_text(ours) and _is_text(theirs)
    return ours.newbyteorder("=") == theirs.newbyteorder("=")


def variable_differences(name: str, our_dims, ours: np.ndarray, their_dims, theirs: np.ndarray) -> list[str]:
    """Every difference between a variable of a store and that of the files."""
    found = []
    if our_dims != their_dims:
        found.append(f"{name}: dimensions {our_dims} in the store, {their_dims} in the files")
    if not _same_dtype(ours.dtype, theirs.dtype):
        found.append(f"{name}: dtype {ours.dtype} in the store, {theirs.dtype} in the files")
    if ours.shape != theirs.shape:
        found.append(f"{name}: shape {ours.shape} in the store, {theirs.shape} in the files")
    if found:
        return found
    wrong = np.argwhere(~same_values(ours, theirs))
    if len(wrong):
        where = tuple(int(index) for index in wrong[0])
        first = f"first at {where}: {ours[where]!r} in the store, {theirs[where]!r} in the files"
        found.append(f"{name}: {len(wrong)} of {ours.size} values differ, {first}")
    return found


def same_values(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Where two arrays of one shape hold the same bits; any NaN equals any NaN."""
    kind = theirs.dtype.kind
    if kind in "iuf":
        ours, theirs = (array.astype(array.dtype.newbyteorder("="), copy=False) for array in (ours, theirs))
    if kind == "f":
        bits = f"u{theirs.dtype.itemsize}"
        both_nan = np.isnan(ours) & np.isnan(theirs)
        return both_nan | (np.ascontiguousarray(ours).view(bits) == np.ascontiguousarray(theirs).view(bits)).reshape(theirs.shape)
    if kind in "mM":
        return ours.astype("i8") == theirs.astype("i8")
    if kind in "OTU":
        pairs = zip(ours.ravel().tolist(), theirs.ravel().tolist(), strict=True)
        return np.array([_same_object(a, b) for a, b in pairs], dtype=bool).reshape(theirs.shape)
    return ours == theirs


def _same_object(ours: object, theirs: object) -> bool:
    if isinstance(theirs, cftime.datetime):
        return isinstance(ours, cftime.datetime) and ours.calendar == theirs.calendar and ours == theirs
    if isinstance(theirs, float) and isinstance(ours, float):
        return ours == theirs or (np.isnan(ours) and np.isnan(theirs))
    if isinstance(theirs, str):
        return isinstance(ours, str) and ours == theirs
    return type(ours) is type(theirs) and ours == theirs
