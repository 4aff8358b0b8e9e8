"""The table of traps: small datasets, each with one thing that tools get wrong, and what is right for it.

A store must equal the files, or there must be none and a reason that names the cause.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

import h5py
import netCDF4
import numpy as np

from trees import FILL, LAT, File, differing, file_name, lengths, months, rewrite, version_directory, write_series, years


class Verdict(Enum):
    BUILT = "built, and identical to the files"
    REFUSED = "not built, for a stated reason"
    EITHER = "built and identical, or not built for a stated reason"
    RECTILINEAR = "built, and identical to the files: for Zarr V3 in one manifest, for V2 in segments"
    SEGMENTED = "built, and identical to the files, in segments only, for a stated reason"


@dataclass(frozen=True)
class Trap:
    name: str
    verdict: Verdict
    write: Callable[[Path], None]
    # A regular expression: what the reason of a refusal has to name.
    reason: str = "."
    # Whether chunks have to be encoded anew.
    seamed: bool = False
    # The one attribute, as (variable, attribute), that JSON cannot hold: the store may differ in it, if the tool says so.
    announced: tuple[str, str] | None = None
    # Regular expressions: what the warnings about time have to say, one each; without any there are none.
    warns: tuple[str, ...] = ()
    # Where in the tree the dataset lies, if not where most do.
    facets: dict[str, str] = field(default_factory=dict)

    def directory(self, root: Path) -> Path:
        return version_directory(root, self.name, **self.facets)

    def unannounced(self, differences: list[str]) -> list[str]:
        """The differences, as `readers.differences` gives them, without those in the announced attribute."""
        if self.announced is None:
            return differences
        variable, attribute = self.announced
        return [difference for difference in differences if f": {variable}: " not in difference or attribute not in difference]


def _series(name: str, files: list[File]) -> Callable[[Path], None]:
    return lambda directory: write_series(directory, files, name)


def built(name: str, files: list[File], **more: object) -> Trap:
    return Trap(name, Verdict.BUILT, _series(name, files), **more)


def refused(name: str, files: list[File], reason: str) -> Trap:
    return Trap(name, Verdict.REFUSED, _series(name, files), reason)


def segmented(name: str, files: list[File], reason: str) -> Trap:
    return Trap(name, Verdict.SEGMENTED, _series(name, files), reason)


def either(name: str, files: list[File], reason: str) -> Trap:
    return Trap(name, Verdict.EITHER, _series(name, files), reason)


def blosc(cname: str, shuffle: int = 1) -> dict[str, object]:
    return {"compression": f"blosc_{cname}", "complevel": 4, "blosc_shuffle": shuffle}


def rewritten(name: str, files: list[File], **options: object) -> Trap:
    """A series that h5py writes; the options are those of `trees.rewrite`."""

    def write(directory: Path) -> None:
        for file in files:
            path = directory / file_name(name, months(file.start, file.months))
            plain = path.with_suffix(".plain")
            file.write(plain)
            rewrite(plain, path, **options)
            plain.unlink()

    return Trap(name, Verdict.BUILT, write)


# --- variables and attributes beside the series -------------------------------------------------------------------------


def _char_strings(dataset: netCDF4.Dataset) -> None:
    dataset.createDimension("basin", 3)
    dataset.createDimension("strlen", 21)
    region = dataset.createVariable("region", "S1", ("basin", "strlen"))
    region.standard_name = "region"
    names = np.array(["atlantic_arctic_ocean", "indian_pacific_ocean", "global_ocean"], dtype="S21")
    region[:] = names.view("S1").reshape(3, 21)
    kind = dataset.createVariable("type", "S1", ("strlen",))
    kind.long_name = "surface type"
    kind[:] = np.array(["typebare"], dtype="S21").view("S1")


def _vlen_strings(dataset: netCDF4.Dataset) -> None:
    dataset.createDimension("basin", 3)
    region = dataset.createVariable("region", str, ("basin",))
    region.long_name = "ocean basin"
    region[:] = np.array(["atlantic", "", "\u03b2-ocean with a longer name"], dtype=object)
    kind = dataset.createVariable("type", str, ())
    kind.long_name = "surface type"
    kind[...] = "bare"


def _many_attributes(dataset: netCDF4.Dataset) -> None:
    for number in range(40):
        dataset["tas"].setncattr(f"note_{number:02}", f"attribute {number}" * (number + 1))
        dataset.setncattr(f"global_note_{number:02}", np.arange(number + 1, dtype="i4"))
    dataset.long_history = "ncks -A a.nc b.nc; " * 5000
    dataset["tas"].long_comment = "x" * 70_000


def _string_attributes(dataset: netCDF4.Dataset) -> None:
    dataset.setncattr_string("vlen_text", "kept as NC_STRING \u2713")
    dataset.setncattr_string("vlen_list", ["one", "two", ""])
    dataset["tas"].setncattr_string("flag_meanings", "a b c")
    dataset["tas"].flag_values = np.array([1, 2, 3], dtype="i1")
    dataset.large_integer = np.int64(2**62 + 1)


def _lead_time(dataset: netCDF4.Dataset) -> None:
    # In chunks of netCDF-C's choosing, which are longer than the file.
    lead = dataset.createVariable("leadtime", "f8", ("time",))
    lead.setncatts({"units": "days", "standard_name": "forecast_period"})
    lead[:] = np.asarray(dataset["time"][:]) + 0.5


def _lagging(filled: bool):
    """A variable that ends before its dimension does, within a chunk; netCDF shows fill values behind."""

    def add(dataset: netCDF4.Dataset) -> None:
        lagging = dataset.createVariable("lagging", "f4", ("time",), chunksizes=(12,), fill_value=None if filled else False)
        lagging[:7] = np.arange(7)

    return add


def _text_with_fill(masked: bool, fill: str = "unknown"):
    def add(dataset: netCDF4.Dataset) -> None:
        dataset.createDimension("station", 3)
        name = dataset.createVariable("station_name", str, ("station",), fill_value=fill)
        name[:] = np.array(["Kiel", fill if masked else "Bergen", "Exeter"], dtype=object)

    return add


def _infinite_attribute(dataset: netCDF4.Dataset) -> None:
    dataset["tas"].valid_range = np.array([0.0, np.inf], dtype="f4")


def _fill_on_bounds(dataset: netCDF4.Dataset) -> None:
    dataset.createDimension("plev", 3)
    bounds = dataset.createVariable("plev_bnds", "f8", ("plev", "bnds"), fill_value=1e20)
    bounds[:] = [[1, 2], [2, 1e20], [0, 4]]


def _grouped(dataset: netCDF4.Dataset) -> None:
    group = dataset.createGroup("diagnostics")
    group.createDimension("level", 4)
    group.createVariable("profile", "f4", ("level",))[:] = [1, 2, 3, 4]


def _empty_groups(dataset: netCDF4.Dataset) -> None:
    dataset.createGroup("diagnostics/nested").createDimension("level", 4)
    dataset.createGroup("empty")


def _group_with_attribute(dataset: netCDF4.Dataset) -> None:
    dataset.createGroup("provenance").institution = "VZARR"


def _group_in_group(dataset: netCDF4.Dataset) -> None:
    dataset.createGroup("outer/inner").createVariable("count", "i4", ())[...] = 1


def _second_variable(dataset: netCDF4.Dataset) -> None:
    """Another variable of the same kind: the name of the file tells which of them the dataset is about."""
    steps = len(dataset.dimensions["time"])
    other = dataset.createVariable("aaa", "f4", ("time", "lat", "lon"), fill_value=FILL, compression="zlib", chunksizes=(1, 5, 7))
    other.units = "Pa"
    other[:] = np.arange(steps * 35, dtype="f4").reshape(steps, 5, 7)


def _unsigned(dataset: netCDF4.Dataset) -> None:
    dataset["tas"].setncattr("_Unsigned", "true")
    steps = len(dataset.dimensions["time"])
    flag = dataset.createVariable("flag", "i1", ("time", "lat"), fill_value=np.int8(-1), chunksizes=(1, 5))
    flag.setncatts({"_Unsigned": "true", "scale_factor": 0.5})
    flag[:] = (np.arange(steps * 5) % 256).astype("u1").view("i1").reshape(steps, 5)


def _curvilinear(dataset: netCDF4.Dataset) -> None:
    dataset.createDimension("j", 4)
    dataset.createDimension("i", 6)
    dataset.createDimension("vertices", 4)
    for name in "ji":
        index = dataset.createVariable(name, "i4", (name,))
        index.setncatts({"units": "1", "long_name": f"cell index along {name}"})
        index[:] = np.arange(len(dataset.dimensions[name]))
    for name, units, span in (("latitude", "degrees_north", 90), ("longitude", "degrees_east", 180)):
        centre = dataset.createVariable(name, "f8", ("j", "i"), fill_value=1e20, compression="zlib", shuffle=True)
        centre.setncatts({"units": units, "standard_name": name, "bounds": f"vertices_{name}", "missing_value": 1e20})
        values = span * np.linspace(-1, 1, 24).reshape(4, 6)
        values[1, 2] = 1e20
        centre[:] = values
        corners = dataset.createVariable(f"vertices_{name}", "f8", ("j", "i", "vertices"), fill_value=1e20, compression="zlib")
        corners[:] = values[..., None] + np.array([-0.5, 0.5, 0.5, -0.5])
    ice = dataset.createVariable("siconc", "f4", ("time", "j", "i"), fill_value=FILL, compression="zlib", chunksizes=(1, 4, 6))
    ice.setncatts({"units": "%", "coordinates": "latitude longitude", "cell_measures": "area: areacello"})
    steps = len(dataset.dimensions["time"])
    ice[:] = np.arange(steps * 24, dtype="f4").reshape(steps, 4, 6)


def _blosc_grid(dataset: netCDF4.Dataset) -> None:
    dataset.createDimension("plev", 40)
    plev = dataset.createVariable("plev", "f8", ("plev",), chunksizes=(40,), **blosc("zstd"))
    plev.units = "Pa"
    plev[:] = 100000.0 - 2000 * np.arange(40)


def _wide_integers(dataset: netCDF4.Dataset) -> None:
    steps = len(dataset.dimensions["time"])
    count = dataset.createVariable("count", "i8", ("time",), chunksizes=(1,))
    count[:] = 2**53 + 1 + np.arange(steps)
    flag = dataset.createVariable("flag", "u1", ("time", "lat"), chunksizes=(1, 5), compression="zlib")
    flag[:] = np.arange(steps * 5).reshape(steps, 5) % 256


def _time_not_first(dataset: netCDF4.Dataset) -> None:
    steps = len(dataset.dimensions["time"])
    profile = dataset.createVariable("profile", "f4", ("lat", "time"), fill_value=FILL, compression="zlib", chunksizes=(5, 1))
    profile[:] = np.arange(steps * 5, dtype="f4").reshape(5, steps)


def _levels(dataset: netCDF4.Dataset) -> None:
    dataset.createDimension("plev", 3)
    plev = dataset.createVariable("plev", "f8", ("plev",))
    plev.setncatts({"units": "Pa", "positive": "down", "standard_name": "air_pressure", "axis": "Z"})
    plev[:] = [100000.0, 50000.0, 1000.0]
    steps = len(dataset.dimensions["time"])
    ua = dataset.createVariable(
        "ua", "f4", ("time", "plev", "lat", "lon"), fill_value=FILL, compression="zlib", chunksizes=(1, 2, 3, 4)
    )
    ua[:] = np.arange(steps * 3 * 35, dtype="f4").reshape(steps, 3, 5, 7)


def _padded_records(dataset: netCDF4.Dataset) -> None:
    """Records of odd lengths, which are padded."""
    steps = len(dataset.dimensions["time"])
    for name, dtype, dimensions in (("flag", "i1", ("time", "lat")), ("count", "i2", ("time", "lon")), ("kind", "i1", ("time",))):
        shape = tuple(len(dataset.dimensions[dimension]) for dimension in dimensions)
        dataset.createVariable(name, dtype, dimensions)[:] = np.arange(np.prod(shape)).reshape(shape) % 100
    mask = dataset.createVariable("mask", "i1", ("lat", "lon"))
    mask[:] = np.arange(35).reshape(5, 7) % 2


def _contiguous_levels(dataset: netCDF4.Dataset) -> None:
    dataset.createDimension("plev", 6)
    steps = len(dataset.dimensions["time"])
    ua = dataset.createVariable("ua", "f4", ("time", "plev", "lat", "lon"), fill_value=FILL, contiguous=True)
    ua[:] = np.arange(steps * 6 * 35, dtype="f4").reshape(steps, 6, 5, 7)


def _times(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[netCDF4.Dataset], None]:
    """Changes the times, and leaves their bounds."""

    def write(dataset: netCDF4.Dataset) -> None:
        dataset["time"][:] = change(np.asarray(dataset["time"][:]))

    return write


def _with_step(step: int, value: Callable[[np.ndarray], float]) -> Callable[[netCDF4.Dataset], None]:
    def change(times: np.ndarray) -> np.ndarray:
        times[step] = value(times)
        return times

    return _times(change)


def _climatology(dataset: netCDF4.Dataset) -> None:
    dataset["time"].delncattr("bounds")
    dataset["time"].climatology = "climatology_bnds"
    dataset.renameVariable("time_bnds", "climatology_bnds")


def _bounds_with_units(dataset: netCDF4.Dataset) -> None:
    for attribute in ("units", "calendar"):
        dataset["time_bnds"].setncattr(attribute, dataset["time"].getncattr(attribute))


def _bounds_with_other_units(dataset: netCDF4.Dataset) -> None:
    dataset["time_bnds"].setncatts({"units": "hours since 1850-01-01", "calendar": dataset["time"].calendar})


def _bounds_not_said(dataset: netCDF4.Dataset) -> None:
    dataset["time"].delncattr("bounds")


def _packed_time(dataset: netCDF4.Dataset) -> None:
    dataset["time"].scale_factor = np.float64(0.5)


def _reference_time(calendar: str) -> Callable[[netCDF4.Dataset], None]:
    def add(dataset: netCDF4.Dataset) -> None:
        start = dataset.createVariable("reference_time", "f8", ("time",))
        start.setncatts({"units": "days since 1850-01-01", "calendar": calendar, "standard_name": "forecast_reference_time"})
        start[:] = np.arange(len(dataset.dimensions["time"]), dtype="f8")

    return add


# --- datasets that are not a plain series -------------------------------------------------------------------------------


def _fixed_field(directory: Path) -> None:
    path = directory / file_name("fixed-field", "", table="fx", variable="orog")
    path.parent.mkdir(parents=True)
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.Conventions = "CF-1.7"
        dataset.createDimension("lat", 5)
        dataset.createDimension("lon", 7)
        dataset.createVariable("lat", "f8", ("lat",))[:] = LAT
        dataset.createVariable("lon", "f8", ("lon",))[:] = np.arange(7.0)
        orog = dataset.createVariable("orog", "f4", ("lat", "lon"), fill_value=FILL, compression="zlib", shuffle=True)
        orog.units = "m"
        field = np.arange(35, dtype="f4").reshape(5, 7)
        field[2, 3] = FILL
        orog[:] = field


def _scalar_only(directory: Path) -> None:
    """Neither dimensions nor coordinates."""
    path = directory / file_name("scalar-only", "")
    path.parent.mkdir(parents=True)
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.Conventions = "CF-1.7"
        tas = dataset.createVariable("tas", "f8", ())
        tas.units = "K"
        tas[...] = 287.25


def _only_in_group(directory: Path) -> None:
    path = directory / file_name("only-in-group", "185001-185012")
    path.parent.mkdir(parents=True)
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.createVariable("crs", "i4", ())[...] = 1
        group = dataset.createGroup("data")
        group.createDimension("time", 12)
        group.createVariable("tas", "f4", ("time",))[:] = np.arange(12)


def _one_record_variable(directory: Path) -> None:
    """Its records are not padded, and lie one behind the other."""
    path = directory / file_name("netcdf3-one-record-variable", months(0, 12))
    path.parent.mkdir(parents=True)
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as dataset:
        dataset.createDimension("time", None)
        dataset.createDimension("lat", 5)
        dataset.createDimension("lon", 7)
        dataset.createVariable("lat", "f8", ("lat",))[:] = LAT
        tas = dataset.createVariable("tas", "i2", ("time", "lat", "lon"))
        tas.units = "K"
        tas[:] = np.arange(12 * 35).reshape(12, 5, 7)


def _names_against_time(directory: Path) -> None:
    """Sorted by name, the second year comes first: names that were given the wrong way round."""
    for file, year in ((File(start=12), 0), (File(start=0), 1)):
        file.write(directory / file_name("names-against-time", months(12 * year, 12)))


def _same_time_range(directory: Path) -> None:
    File().write(directory / file_name("same-time-range", "185001-185012"))
    File().write(directory / file_name("same-time-range", "185001-185011"))


def _missing_bounds(dtype: str, mark: int = -999, of: str = "time_bnds") -> Callable[[Path], None]:
    """Two files that count days from their own starts; times of `of` are missing in the second, or a value becomes what marks them."""

    def write(directory: Path) -> None:
        units = [f"days since {1850 + year}-01-01" for year in range(2)]
        # xarray decodes missing times in the calendars of pandas only.
        files = differing(time_units=units, time_dtype=[dtype] * 2, calendar=["standard"] * 2)
        for file in files:
            path = directory / file_name(directory.parents[5].name, months(file.start, file.months))
            file.write(path)
            with netCDF4.Dataset(path, "a") as dataset:
                dataset.set_auto_maskandscale(False)
                times = dataset[of]
                times.missing_value = np.array(mark, dtype)
                if file.start and mark < 0:
                    times[5] = mark

    return write


def _unfiltered_chunk(directory: Path) -> None:
    """A chunk stored without the compression of its neighbours: HDF5 marks it in the chunk's filter mask."""
    path = directory / file_name("unfiltered-chunk", "185001-185012")
    File().write(path)
    with h5py.File(path, "r+") as file:
        data = file["tas"]
        data.id.write_direct_chunk((3, 0, 0), np.ascontiguousarray(data[3]).tobytes(), filter_mask=0b11)


def _fill_value_edited(name: str, written: list[int] | None) -> Callable[[Path], None]:
    """`_FillValue` is another than what HDF5 fills with, as editors of attributes leave it."""

    def write(directory: Path) -> None:
        write_series(directory, years(2, written=written, missing=None), name)
        for path in directory.glob("*.nc"):
            with h5py.File(path, "r+") as file:
                file["tas"].attrs["_FillValue"] = np.array([287.0], "f4")

    return write


def _dimension_renamed(directory: Path) -> None:
    """A dimension whose HDF5 dataset is not quite named as one without a variable, so that netCDF shows a variable."""
    write_series(directory, years(2), "dimension-renamed")
    for path in directory.glob("*.nc"):
        with h5py.File(path, "r+") as file:
            file["bnds"].attrs["NAME"] = np.bytes_("This is a netCDF dimension but not a netCDF variable, or is it")


def _latest_link(directory: Path) -> None:
    write_series(directory, years(2), "latest-link")
    (directory.parent / "latest").symlink_to(directory.name)


def _files_tree(directory: Path) -> None:
    """As ESGF's own publication tools lay a dataset out: the files by date of arrival, a version as links to them."""
    arrivals = directory.parent / "files" / "d20260101"
    write_series(arrivals, years(2), "files-tree")
    directory.mkdir(parents=True)
    for file in arrivals.iterdir():
        (directory / file.name).symlink_to(os.path.relpath(file, directory))


def _beside_other_files(directory: Path) -> None:
    """What lies in a version directory without being published: a transfer under way, hidden files, a checksum list."""
    write_series(directory, years(2), "beside-other-files")
    published = next(directory.glob("*.nc"))
    shutil.copy(published, directory / ".hidden.nc")
    (directory / (file_name("beside-other-files", months(24, 12)) + ".part")).write_bytes(published.read_bytes()[:1000])
    (directory / "checksums.sha256").write_text("0" * 64)


def _variable_absent(directory: Path) -> None:
    first, second = years(2)
    write_series(directory, [first], "variable-absent")
    File(start=second.start, variable="ps").write(directory / file_name("variable-absent", months(second.start, 12)))


def _empty_among_others(directory: Path) -> None:
    write_series(directory, years(2, calendar="standard"), "empty-among-others")
    File(start=24, months=0, calendar="standard").write(directory / file_name("empty-among-others", months(24, 12)))


NETCDF3 = {"chunks": None, "deflate": None}
PACKED = {"dtype": "i2", "fill": np.int16(-32768), "missing": np.int16(-32768), "packing": (0.01, 250.0)}
H5PY_FILTERS = {"shuffle": True, "compression": "gzip"}
ZSTD = {"compression": "zstd", "complevel": 3}
BZIP2 = {"compression": "bzip2", "complevel": 9}
# Blosc refuses to write what it cannot make smaller, such as the usual small chunk.
BLOSC_CHUNKS = {"chunks": (12, 5, 7)}
H5PY_CHUNKS = H5PY_FILTERS | {"chunks": (1, 5, 7)}

# Times in the middle of months are whole hours.
UNIT_WORDS = ["days since 1850-01-01", "hours since 1851-01-01 06:00:00", "minutes since 1852-01-01", "seconds since 1853-01-01"]
ACROSS_1582 = ["days since 1582-10-15", "hours since 1582-10-04", "days since 0001-01-01", "seconds since 1850-01-01"]
WITH_ZONES = ["days since 1850-01-01T00:00:00Z", "hours since 1850-01-01 06:00:00 +06:00", "hours since 1849-12-31 22:30:00 -0130"]
WHOLE_UNITS = ["hours since 1850-01-01", "minutes since 1851-01-01", "days since 1852-01-01 12:00:00"]
TWO_DATES = ["days since 1850-01-01", "days since 1851-01-01"]
IN_MONTHS = ["months since 1850-01-01", "months since 1851-01-01"]
EXACT = "units-differ.* has no exact value of type"

TRAPS = [
    # What every tree holds.
    built("base", years()),
    built("single-file", years(1)),
    Trap("fixed-field", Verdict.BUILT, _fixed_field, facets={"table": "fx", "variable": "orog"}),
    Trap("scalar-only", Verdict.BUILT, _scalar_only),
    built("second-variable", years(2, also=_second_variable)),
    built("curvilinear", years(2, also=_curvilinear)),
    either("time-not-first", years(2, also=_time_not_first), "time|dimension"),
    built("levels", years(2, also=_levels)),
    # File formats.
    built("netcdf3-classic", years(format="NETCDF3_CLASSIC", **NETCDF3)),
    built("netcdf3-64bit-offset", years(format="NETCDF3_64BIT_OFFSET", **NETCDF3)),
    built("netcdf3-cdf5", years(format="NETCDF3_64BIT_DATA", **NETCDF3)),
    built("netcdf3-packed", years(format="NETCDF3_CLASSIC", **NETCDF3 | PACKED)),
    built("netcdf3-no-fill-value", years(format="NETCDF3_CLASSIC", fill=None, missing=None, **NETCDF3)),
    built("netcdf3-fixed-time", years(format="NETCDF3_CLASSIC", unlimited=False, **NETCDF3)),
    built("netcdf3-char-strings", years(format="NETCDF3_CLASSIC", also=_char_strings, **NETCDF3)),
    built("netcdf3-fixed-time-lengths-differ", lengths(12, 10, 7, format="NETCDF3_64BIT_OFFSET", unlimited=False, **NETCDF3)),
    built("netcdf3-variables-of-all-kinds", years(format="NETCDF3_CLASSIC", also=_padded_records, **NETCDF3)),
    Trap("netcdf3-one-record-variable", Verdict.BUILT, _one_record_variable),
    built("netcdf4-classic-model", years(format="NETCDF4_CLASSIC")),
    # Values and what marks them missing.
    built("no-fill-value", years(fill=None, missing=None)),
    built("nan-fill-value", years(fill=np.float32(np.nan), missing=None)),
    built("nan-missing-value", years(missing=np.float32(np.nan)), announced=("tas", "missing_value")),
    built("infinite-fill-value", years(fill=np.float32(np.inf), missing=None)),
    built("negative-infinite-fill-value", years(dtype="f8", fill=-np.inf, missing=None, written=[0, 1, 2])),
    Trap("fill-value-edited", Verdict.BUILT, _fill_value_edited("fill-value-edited", None)),
    Trap("fill-value-edited-missing", Verdict.BUILT, _fill_value_edited("fill-value-edited-missing", [0, 1, 2])),
    built("missing-value-only", years(fill=None, missing=FILL)),
    built("packed", years(**PACKED)),
    built("integers-with-fill", years(dtype="i4", fill=np.int32(-999), missing=np.int32(-999))),
    built("wide-integers", years(also=_wide_integers)),
    built("unsigned-bytes-as-signed", years(2, dtype="i2", fill=np.int16(-1), missing=None, also=_unsigned)),
    built("64-bit-integers", years(dtype="i8", fill=np.int64(-(2**63)), missing=np.int64(-(2**63)))),
    built("64-bit-unsigned-integers", years(dtype="u8", fill=np.uint64(2**64 - 1), missing=None, written=[0, 1, 2])),
    built("double-precision", years(dtype="f8", fill=1e20, missing=1e20)),
    built("big-endian", years(endian="big")),
    built("fill-on-bounds", years(also=_fill_on_bounds)),
    built("unwritten-steps", years(written=[0, 1, 2, 7, 8])),
    built("unwritten-steps-no-fill-value", years(written=[0, 1, 2, 7, 8], fill=None, missing=None)),
    built("nothing-written", years(1, written=[])),
    # Storage.
    built("shuffle-only", years(deflate=None)),
    built("deflate-only", years(shuffle=False)),
    built("uncompressed-chunks", years(deflate=None, shuffle=False)),
    built("contiguous", years(unlimited=False, chunks=None)),
    built("contiguous-lengths-differ", lengths(12, 10, 7, unlimited=False, chunks=None, dtype="f8", fill=1e20, missing=1e20)),
    built("contiguous-levels", years(2, unlimited=False, chunks=None, also=_contiguous_levels)),
    built("fletcher32", years(fletcher32=True)),
    rewritten("fletcher32-h5py-order", years(), storage={"tas": H5PY_FILTERS | {"fletcher32": True}}),
    built("spatial-chunks", years(chunks=(1, 3, 4))),
    built("yearly-chunks", years(chunks=(12, 5, 7))),
    built("time-chunk-512", years(time_chunk=512)),
    built("chunk-beyond-shape", years(1, chunks=(512, 5, 7))),
    built("deflate-levels-differ", differing(deflate=[1, 4, 9])),
    built("zstd", years(compression=ZSTD)),
    built("zstd-coordinates", years(compression=ZSTD, coordinates_compressed=True, time_chunk=512)),
    built("zstd-fletcher32", years(compression=ZSTD, fletcher32=True)),
    built("zstd-levels-differ", differing(compression=[ZSTD, ZSTD | {"complevel": -5}, ZSTD | {"complevel": 19}])),
    built("zstd-unwritten-no-fill-value", years(compression=ZSTD, written=[0, 7], fill=None, missing=None)),
    built("bzip2", years(compression=BZIP2)),
    built("bzip2-coordinates", years(compression=BZIP2, coordinates_compressed=True, time_chunk=512)),
    built("bzip2-unwritten-no-fill-value", years(compression=BZIP2, written=[0, 7], fill=None, missing=None)),
    *(built(f"blosc-{cname}", years(compression=blosc(cname), **BLOSC_CHUNKS)) for cname in ("lz", "lz4", "lz4hc", "zlib", "zstd")),
    built("blosc-bitshuffle", years(compression=blosc("zstd", shuffle=2), shuffle=False, **BLOSC_CHUNKS)),
    built("blosc-settings-differ", differing(compression=[blosc("lz4"), blosc("zstd", shuffle=2)], chunks=[(12, 5, 7)] * 2)),
    built("blosc-grid", years(also=_blosc_grid)),
    built(
        "blosc-unwritten-no-fill-value",
        years(compression=blosc("zstd"), written=[0, 1, 2, 3, 4, 5], chunks=(6, 5, 7), fill=None, missing=None),
    ),
    rewritten("nbit", years(), storage=dict.fromkeys(("tas", "lat", "time"), {"compression": 5, "chunks": True})),
    rewritten("scale-offset-of-all-bits", years(**PACKED), storage={"tas": {"scaleoffset": 16}}),
    rewritten("scale-offset-coordinates", years(), storage=dict.fromkeys(("lat", "lat_bnds", "time", "time_bnds"), {"scaleoffset": 3})),
    *(
        built(f"quantized-{mode}", years(compression=ZSTD | {"significant_digits": 3, "quantize_mode": mode}))
        for mode in ("BitGroom", "GranularBitRound", "BitRound")
    ),
    built("last-chunk-partial", lengths(15, 10, 12, chunks=(5, 5, 7))),
    rewritten("compact", years(), storage=dict.fromkeys(("lat", "lat_bnds", "height"), {"compact": True})),
    Trap("unfiltered-chunk", Verdict.BUILT, _unfiltered_chunk, seamed=True),
    rewritten("latest-format", years(), libver="latest", storage={"tas": H5PY_FILTERS}),
    rewritten("shared-messages", years(also=_many_attributes), sharing=True, storage={"tas": H5PY_FILTERS}),
    rewritten("latest-format-fixed", years(1), libver="latest", unlimited=False, storage={"tas": H5PY_CHUNKS}),
    built("shorter-than-its-dimension", years(also=_lagging(filled=True))),
    refused("shorter-than-its-dimension-unfilled", years(also=_lagging(filled=False)), "unsupported.*lagging.*ends within a chunk"),
    refused("group", years(also=_grouped), "group `diagnostics`"),
    refused("group-in-group", years(also=_group_in_group), "group `outer`"),
    refused("group-with-attribute", years(also=_group_with_attribute), "group `provenance`"),
    Trap("only-in-group", Verdict.REFUSED, _only_in_group, "group `data`"),
    built("empty-groups", years(also=_empty_groups)),
    built("lead-time", years(also=_lead_time)),
    Trap("dimension-renamed", Verdict.BUILT, _dimension_renamed),
    # Strings and attributes.
    built("char-strings", years(also=_char_strings)),
    built("vlen-strings", years(also=_vlen_strings)),
    built("many-attributes", years(also=_many_attributes)),
    built("string-attributes", years(also=_string_attributes)),
    built("text-with-fill-value", years(also=_text_with_fill(masked=False)), announced=("station_name", "_FillValue")),
    refused("empty-text-as-fill-value", years(also=_text_with_fill(masked=True, fill="")), "_FillValue"),
    refused("text-equal-to-fill-value", years(also=_text_with_fill(masked=True)), "_FillValue"),
    built("infinite-attribute", years(also=_infinite_attribute), announced=("tas", "valid_range")),
    # Time.
    Trap("names-against-time", Verdict.BUILT, _names_against_time, warns=("time-range.*185101-185112", "time-range.*185001-185012")),
    built("calendar-360-day", years(calendar="360_day")),
    built("calendar-absent", years(calendar=None)),
    built("integer-time", years(time_units="hours since 1850-01-01", time_dtype="i4")),
    built("time-units-differ", differing(time_units=[f"days since {1850 + year}-01-01" for year in range(3)])),
    *(
        built(f"time-unit-words-differ-{calendar.replace('_', '-')}", differing(time_units=UNIT_WORDS, calendar=[calendar] * len(UNIT_WORDS)))
        for calendar in ("standard", "proleptic_gregorian", "julian", "noleap", "all_leap", "360_day")
    ),
    built("time-units-across-1582", differing(time_units=ACROSS_1582, calendar=["standard"] * len(ACROSS_1582))),
    built("time-units-with-zones", differing(time_units=WITH_ZONES)),
    built("time-units-with-half-seconds", differing(time_units=["days since 1850-01-01", "seconds since 1850-01-01 00:00:00.5"])),
    built("time-units-of-year-zero", differing(time_units=["days since 0000-01-01", "hours since 1850-01-01"])),
    built("time-units-differ-i4", differing(time_units=WHOLE_UNITS, time_dtype=["i4"] * 3)),
    built("time-units-differ-i8", differing(time_units=WHOLE_UNITS, time_dtype=["i8"] * 3)),
    built("time-units-differ-f4", differing(time_units=WHOLE_UNITS, time_dtype=["f4"] * 3)),
    built("time-units-differ-climatology", differing(time_units=UNIT_WORDS, also=[_climatology] * len(UNIT_WORDS))),
    built("time-units-differ-bounds-repeat-them", differing(time_units=UNIT_WORDS, also=[_bounds_with_units] * len(UNIT_WORDS))),
    refused("time-units-of-bounds-differ", differing(also=[_bounds_with_units, _bounds_with_other_units]), "units-differ.*time_bnds"),
    refused("time-units-differ-bounds-not-said", differing(time_units=UNIT_WORDS[:2], also=[None, _bounds_not_said]), "bounds"),
    refused("time-units-differ-packed", differing(time_units=UNIT_WORDS[:2], also=[_packed_time] * 2), "scale_factor.*times"),
    segmented("time-inexact-thirds", differing(time_units=UNIT_WORDS[:2], also=[None, _times(lambda t: t + 1)]), EXACT),
    segmented("time-inexact-digits", differing(time_units=TWO_DATES, also=[_times(lambda t: t + 0.1)] * 2), EXACT),
    segmented("time-inexact-integer", differing(time_units=WHOLE_UNITS[::-1], time_dtype=["i4"] * 3), EXACT),
    refused("time-in-months", differing(time_units=IN_MONTHS, calendar=["360_day"] * 2), "units-differ.*months since.*fixed length"),
    built("time-in-months-alike", years(2, time_units=IN_MONTHS[0], calendar="360_day")),
    refused(
        "calendar-of-another-time-differs",
        differing(also=[_reference_time("noleap"), _reference_time("360_day")]),
        "calendars-differ.*reference_time",
    ),
    built("netcdf3-no-time-step", [File(months=0, calendar="standard", format="NETCDF3_CLASSIC", **NETCDF3)]),
    built("no-time-step", [File(months=0, calendar="standard")]),
    Trap("empty-among-others", Verdict.BUILT, _empty_among_others),
    built("gap", [File(start=0), File(start=36)], warns=("time-gap.*1850-12-16T12:00:00.*1853-01-16T12:00:00.*mon",)),
    built(
        "gap-within",
        [File(), File(start=12, also=_times(lambda t: t + 365 * (t > 550)))],
        warns=("time-gap.*1851-06-16T00:00:00 and 1852-07-16T12:00:00",),
    ),
    built("gap-of-days", [File(frequency="day", months=2)], warns=("time-gap.*day",)),
    built("gap-of-no-frequency", [File(frequency=None), File(start=36, frequency=None)]),
    built("gap-of-climatology", [File(frequency="monC"), File(start=36, frequency="monC")]),
    refused("overlap", [File(start=0), File(start=6)], "time-overlap.* 6 time steps are in both"),
    refused("overlap-between-steps", [File(start=0), File(start=6, also=_times(lambda t: t + 1))], "time-overlap.* 0 time steps are in both"),
    refused("overlap-in-other-units", differing(start=[0, 6], time_units=UNIT_WORDS[:2]), "time-overlap.* 6 time steps are in both"),
    refused("step-in-two-files", [File(months=13), File(start=12)], "time-duplicate.*1851-01-16T12:00:00"),
    refused("step-twice", [File(), File(start=12, also=_with_step(4, lambda t: t[3]))], "time-duplicate.*1851-04-16T00:00:00 .*twice"),
    refused("step-twice-in-one-file", [File(also=_with_step(4, lambda t: t[3]))], "time-duplicate.*twice"),
    refused(
        "time-not-increasing",
        [File(), File(start=12, also=_with_step(4, lambda t: t[2] + 1))],
        "time-not-increasing.*1851-03-17T12:00:00 comes after",
    ),
    refused("time-missing", [File(), File(start=12, also=_with_step(4, lambda t: np.nan))], "time-not-increasing.*step 5 is missing"),
    Trap("same-time-range", Verdict.REFUSED, _same_time_range, "time-duplicate.*all of its 12 time steps"),
    # What no one array can hold: it must be said.
    segmented("calendars-differ", differing(calendar=["noleap", "360_day"]), "calendars-differ.*`360_day`.*`noleap`"),
    refused("calendars-interleave", differing(calendar=["noleap", "360_day", "noleap"]), "time-overlap.*another calendar"),
    segmented("fill-values-differ", differing(fill=[FILL, np.float32(-999)], missing=[FILL, np.float32(-999)]), "_FillValue|fill"),
    segmented("packings-differ", [File(**PACKED), File(start=12, **PACKED | {"packing": (0.02, 250.0)})], "scale_factor"),
    segmented("offsets-differ", [File(**PACKED), File(start=12, **PACKED | {"packing": (0.01, 260.0)})], "add_offset"),
    segmented("chunks-differ-across", differing(chunks=[(1, 5, 7), (1, 3, 7)]), "chunk-shapes-differ"),
    segmented("chunked-and-in-one-piece", [File(), File(start=12, chunks=None, unlimited=False)], "chunk-shapes-differ"),
    Trap("chunk-lengths-differ", Verdict.RECTILINEAR, _series("chunk-lengths-differ", differing(chunks=[(1, 5, 7), (12, 5, 7)]))),
    Trap(
        "chunk-lengths-and-ends-differ",
        Verdict.RECTILINEAR,
        _series("chunk-lengths-and-ends-differ", differing(chunks=[(5, 5, 7), (4, 5, 7), (7, 5, 7)])),
        seamed=True,
    ),
    # What has to be encoded anew, at little cost.
    built("codecs-differ", differing(shuffle=[True, False]), seamed=True),
    built("compressors-differ", differing(compression=[ZSTD, None]), seamed=True),
    built("checksums-differ", differing(fletcher32=[True, False, True]), seamed=True),
    built("compression-in-some-files", differing(deflate=[4, None], shuffle=[True, False]), seamed=True),
    built("levels-differ", differing(deflate=[1, 9])),
    replace(rewritten("scale-offset", years(), storage={"tas": {"scaleoffset": 2}}), seamed=True),
    replace(
        rewritten("szip-time", years(), storage={"time": {"compression": "szip", "chunks": (512,)}}),
        verdict=Verdict.REFUSED,
        reason=r"\btime\b.*szip",
    ),
    refused("szip", years(compression={"compression": "szip", "szip_pixels_per_block": 8}), "szip"),
    refused("types-differ", [File(), File(start=12, dtype="f8", fill=1e20, missing=1e20)], "type|float"),
    built("byte-orders-differ", differing(endian=["little", "big", "big"]), seamed=True),
    built("byte-orders-in-one-piece", differing(endian=["big", "little"], chunks=[None] * 2, unlimited=[False] * 2), seamed=True),
    refused("scalars-differ", differing(height=[2.0, 10.0]), r"\bheight"),
    Trap("time-units-differ-bounds-missing", Verdict.BUILT, _missing_bounds("i4")),
    Trap("time-units-differ-bounds-missing-f8", Verdict.BUILT, _missing_bounds("f8")),
    Trap("time-units-differ-bound-becomes-missing", Verdict.SEGMENTED, _missing_bounds("i4", mark=365), "marks missing values"),
    Trap("time-marked-missing", Verdict.REFUSED, _missing_bounds("f8", of="time"), "missing"),
    refused("units-of-data-differ", differing(units=["K", "degC"]), "units"),
    refused("grids-differ", differing(lat=[tuple(LAT), tuple(LAT + 0.001)]), r"\blat"),
    Trap("variable-absent", Verdict.REFUSED, _variable_absent, r"\btas\b|\bps\b"),
    # Directories.
    Trap("latest-link", Verdict.BUILT, _latest_link),
    Trap("files-tree", Verdict.BUILT, _files_tree),
    Trap("beside-other-files", Verdict.BUILT, _beside_other_files),
    Trap("latest-directory", Verdict.BUILT, _series("latest-directory", years(2)), facets={"version": "latest"}),
]


def write_all(root: Path) -> None:
    for trap in TRAPS:
        trap.write(trap.directory(root))
