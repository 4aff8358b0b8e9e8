"""Small CMIP6 trees with known contents: what CMOR writes by default, and each way real files depart from it."""

import ctypes
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cftime
import h5py
import netCDF4
import numpy as np

FILL = np.float32(1e20)
LAT = np.linspace(-60.0, 60.0, 5)
LON = np.linspace(0.0, 360.0, 7, endpoint=False)


def version_directory(root: Path, source_id: str, *, table="Amon", variable="tas", version="v20260101") -> Path:
    return root / "CMIP6" / "CMIP" / "VZARR" / source_id / "historical" / "r1i1p1f1" / table / variable / "gn" / version


def instance_id(directory: Path, root: Path) -> str:
    return ".".join(directory.relative_to(root).parts)


def everything_below(directory: Path) -> set[Path]:
    """All files, hidden ones too; directory links are not followed."""
    return {Path(folder) / name for folder, _, names in os.walk(directory) for name in names}


def file_name(source_id: str, time_range: str, *, table="Amon", variable="tas") -> str:
    end = f"_{time_range}" if time_range else ""
    return f"{variable}_{table}_{source_id}_historical_r1i1p1f1_gn{end}.nc"


def months(start: int, count: int) -> str:
    """The time range of a file name: `count` months from `start` months after January 1850."""
    first, last = start, start + max(count, 1) - 1
    return "-".join(f"{1850 + month // 12:04}{month % 12 + 1:02}" for month in (first, last))


@dataclass(frozen=True)
class File:
    """One file of a monthly series. The defaults are those of CMOR: time chunks of one, shuffle and deflate, no surprises."""

    start: int = 0
    months: int = 12
    format: str = "NETCDF4"
    unlimited: bool = True
    frequency: str | None = "mon"
    time_units: str = "days since 1850-01-01"
    calendar: str | None = "noleap"
    time_dtype: str = "f8"
    time_chunk: int = 1
    dtype: str = "f4"
    endian: str = "native"
    chunks: tuple[int, int, int] | None = (1, 5, 7)
    deflate: int | None = 1
    # Arguments of `createVariable` in place of deflate, for the data and, if so said, for the coordinates too.
    compression: dict[str, object] | None = None
    coordinates_compressed: bool = False
    shuffle: bool = True
    fletcher32: bool = False
    fill: object = FILL
    missing: object = FILL
    packing: tuple[float, float] | None = None
    written: Sequence[int] | None = None
    lat: Sequence[float] = tuple(LAT)
    height: float = 2.0
    units: str = "K"
    variable: str = "tas"
    also: Callable[[netCDF4.Dataset], None] | None = None

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with netCDF4.Dataset(path, "w", format=self.format) as dataset:
            dataset.set_auto_maskandscale(False)
            self._describe(dataset, path)
            self._coordinates(dataset)
            self._time(dataset)
            self._data(dataset)
            if self.also:
                self.also(dataset)

    def _describe(self, dataset: netCDF4.Dataset, path: Path) -> None:
        dataset.Conventions = "CF-1.7 CMIP-6.2"
        dataset.mip_era = "CMIP6"
        if self.frequency:
            dataset.frequency = self.frequency
        dataset.title = "a made dataset: \u201cnot a climate\u201d, \u03b1 \u2260 \u03b2"
        dataset.history = 'first line\nsecond line\twith a tab, a \\ and a "'
        dataset.comment = ""
        dataset.tracking_id = f"hdl:21.14100/{zlib.crc32(path.name.encode()):08x}"
        dataset.branch_time_in_child = np.float64(0.1)
        dataset.realization_index = np.int32(1)
        dataset.some_numbers = np.array([1.5, -2.25, 1e-30], dtype="f4")

    def _coordinates(self, dataset: netCDF4.Dataset) -> None:
        dataset.createDimension("time", None if self.unlimited else self.months)
        dataset.createDimension("lat", len(LAT))
        dataset.createDimension("lon", len(LON))
        dataset.createDimension("bnds", 2)
        for name, values, units in (("lat", np.asarray(self.lat), "degrees_north"), ("lon", LON, "degrees_east")):
            axis = dataset.createVariable(name, "f8", (name,), **self._of_coordinates)
            axis.setncatts(
                {"units": units, "standard_name": "latitude" if name == "lat" else "longitude", "bounds": f"{name}_bnds"}
            )
            axis[:] = values
            half = abs(values[1] - values[0]) / 2
            bounds = dataset.createVariable(f"{name}_bnds", "f8", (name, "bnds"), **self._of_coordinates)
            bounds[:] = np.stack([values - half, values + half], axis=1)
        height = dataset.createVariable("height", "f8", ())
        height.setncatts({"units": "m", "positive": "up", "standard_name": "height", "axis": "Z"})
        height[...] = self.height

    def _time(self, dataset: netCDF4.Dataset) -> None:
        chunking = {"chunksizes": (self.time_chunk,)} if self.unlimited and self._is_hdf5 else {}
        time = dataset.createVariable("time", self.time_dtype, ("time",), **chunking, **self._of_coordinates)
        time.setncatts({"units": self.time_units, "axis": "T", "standard_name": "time", "bounds": "time_bnds"})
        if self.calendar is not None:
            time.calendar = self.calendar
        chunking = {"chunksizes": (1, 2)} if self.unlimited and self._is_hdf5 else {}
        bounds = dataset.createVariable("time_bnds", self.time_dtype, ("time", "bnds"), **chunking, **self._of_coordinates)
        calendar = self.calendar or "standard"
        ends = [
            cftime.datetime(1850 + month // 12, month % 12 + 1, 1, calendar=calendar)
            for month in range(self.start, self.start + self.months + 1)
        ]
        if self.months:
            edges = np.asarray(cftime.date2num(ends, self.time_units, calendar), dtype="f8")
            bounds[:] = np.stack([edges[:-1], edges[1:]], axis=1).astype(self.time_dtype)
            time[:] = ((edges[:-1] + edges[1:]) / 2).astype(self.time_dtype)

    def _data(self, dataset: netCDF4.Dataset) -> None:
        storage = {}
        if self._is_hdf5:
            storage["endian"] = self.endian
            if self.chunks is None:
                storage["contiguous"] = not self.unlimited
            else:
                storage["chunksizes"] = self.chunks
                storage["fletcher32"] = self.fletcher32
                storage["shuffle"] = self.shuffle
                if self.compression:
                    storage |= self.compression
                elif self.deflate is not None:
                    storage |= {"compression": "zlib", "complevel": self.deflate}
        dtype = np.dtype(self.dtype).newbyteorder({"native": "=", "little": "<", "big": ">"}[self.endian])
        data = dataset.createVariable(self.variable, dtype, ("time", "lat", "lon"), fill_value=self.fill, **storage)
        data.setncatts(
            {"standard_name": "air_temperature", "units": self.units, "cell_methods": "area: time: mean", "coordinates": "height"}
        )
        if self.missing is not None:
            data.missing_value = self.missing
        if self.packing:
            data.scale_factor, data.add_offset = self.packing
        if self.months:
            steps = range(self.months) if self.written is None else self.written
            for step in steps:
                data[step] = self._field(self.start + step)

    def _field(self, month: int) -> np.ndarray:
        """No two months alike, no value repeated within one, a few cells missing, and zeros where nothing marks them missing."""
        field = 250 + 0.01 * month + 10 * np.cos(np.deg2rad(LAT))[:, None] + 0.1 * np.arange(len(LON))[None, :]
        if self.packing:
            field = np.round((field - self.packing[1]) / self.packing[0])
        elif np.dtype(self.dtype).kind in "iu":
            field = np.round(field * 100)
        field = field.astype(self.dtype)
        gap = (month % len(LAT), (2 * month) % len(LON))
        field[gap] = 0 if self.fill is None else self.fill
        return field

    @property
    def _of_coordinates(self) -> dict[str, object]:
        return (self.compression or {}) if self.coordinates_compressed else {}

    @property
    def _is_hdf5(self) -> bool:
        return self.format.startswith("NETCDF4")


def years(count: int = 3, **changes: object) -> list[File]:
    """Files of one year each."""
    return [File(start=12 * year, **changes) for year in range(count)]


def lengths(*counts: int, **changes: object) -> list[File]:
    """Consecutive files of so many months each."""
    starts = np.cumsum((0, *counts[:-1]))
    return [File(start=int(start), months=count, **changes) for start, count in zip(starts, counts, strict=True)]


def differing(**changes: Sequence[object]) -> list[File]:
    """Files of one year each that differ in the named fields."""
    values = [dict(zip(changes, combination, strict=True)) for combination in zip(*changes.values(), strict=True)]
    return [replace(file, **value) for file, value in zip(years(len(values)), values, strict=True)]


def write_series(directory: Path, files: Iterable[File], source_id: str) -> None:
    for file in files:
        file.write(directory / file_name(source_id, months(file.start, file.months), variable=file.variable))


def rewrite(
    source: Path,
    target: Path,
    *,
    libver: str | None = None,
    storage: dict[str, dict] | None = None,
    unlimited: bool = True,
    sharing: bool = False,
) -> None:
    """The same NetCDF file written anew through h5py, which reaches what netCDF-C does not write: its filter order, its newest
    file format, compact layout. `storage` gives a variable the arguments of `create_dataset`, or `{"compact": True}`. With `sharing`,
    the file keeps equal metadata once."""
    storage = storage or {}
    if sharing:
        _create_sharing(target)
    with netCDF4.Dataset(source) as old, h5py.File(target, "r+" if sharing else "w", libver=libver, track_order=True) as new:
        old.set_auto_maskandscale(False)
        _copy_attributes(old, new)
        for name, dimension in old.dimensions.items():
            if name not in old.variables:
                scale = new.create_dataset(name, (len(dimension),), "f4", track_order=True)
                scale.make_scale(f"This is a netCDF dimension but not a netCDF variable.{len(dimension):10d}")
        for name, variable in old.variables.items():
            options = dict(storage.get(name, {}))
            compact = options.pop("compact", False)
            if "time" in variable.dimensions and unlimited:
                options.setdefault("chunks", (1, *variable.shape[1:]))
                options["maxshape"] = (None, *variable.shape[1:])
            if "_FillValue" in variable.ncattrs():
                options["fillvalue"] = variable.getncattr("_FillValue")
            if compact:
                dataset = _compact(new, name, variable)
            else:
                dataset = new.create_dataset(name, data=variable[...], dtype=variable.dtype, track_order=True, **options)
            if variable.dimensions == (name,):
                dataset.make_scale(name)
            _copy_attributes(variable, dataset)
        for name, variable in old.variables.items():
            if variable.dimensions != (name,):
                for axis, dimension in enumerate(variable.dimensions):
                    new[name].dims[axis].attach_scale(new[dimension])


def _create_sharing(path: Path) -> None:
    """An empty file that keeps equal object header messages once: data types and shapes in one heap, the rest in another."""
    creation = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    creation.set_link_creation_order(h5py.h5p.CRT_ORDER_TRACKED | h5py.h5p.CRT_ORDER_INDEXED)
    # h5py has no names for these calls; they are to be found in the library behind it.
    libhdf5, handle = ctypes.CDLL(h5py.h5p.__file__), ctypes.c_int64(creation.id)
    dataspace, datatype, fill_value, filters, attribute = (1 << kind for kind in (0x1, 0x3, 0x5, 0xB, 0xC))
    indexes = [dataspace | datatype, fill_value | filters | attribute]
    assert libhdf5.H5Pset_shared_mesg_nindexes(handle, ctypes.c_uint(len(indexes))) >= 0
    for number, kinds in enumerate(indexes):
        smallest = ctypes.c_uint(1)
        assert libhdf5.H5Pset_shared_mesg_index(handle, ctypes.c_uint(number), ctypes.c_uint(kinds), smallest) >= 0
    h5py.h5f.create(bytes(path), h5py.h5f.ACC_TRUNC, creation).close()


def _copy_attributes(old: netCDF4.Dataset | netCDF4.Variable, new: h5py.Group | h5py.Dataset) -> None:
    for key in old.ncattrs():
        value = old.getncattr(key)
        if isinstance(value, str):
            text = h5py.string_dtype("utf-8") if not value or not value.isascii() else None
            new.attrs.create(key, value if text else np.bytes_(value.encode()), dtype=text)
        else:
            new.attrs.create(key, np.atleast_1d(value))


def _compact(file: h5py.File, name: str, variable: netCDF4.Variable) -> h5py.Dataset:
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_layout(h5py.h5d.COMPACT)
    if "_FillValue" in variable.ncattrs():
        creation.set_fill_value(np.array(variable.getncattr("_FillValue")))
    creation.set_attr_creation_order(h5py.h5p.CRT_ORDER_TRACKED | h5py.h5p.CRT_ORDER_INDEXED)
    space = h5py.h5s.create_simple(variable.shape) if variable.shape else h5py.h5s.create(h5py.h5s.SCALAR)
    h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(variable.dtype), space, creation)
    file[name][...] = variable[...]
    return file[name]
