"""Writes the trees that `integration/bench/run` scans; those of an earlier call with the same numbers stay.

    make_trees.py DIRECTORY [--sets A,S,...] [--scale 1.0]

| set | datasets x files x steps | what it is like |
|---|---|---|
| A | 1 x 20 x 1,980 | what a model writes: one step a chunk, times in chunks of 512 |
| A1 | 1 x 20 x 1,980 | the same with times in chunks of 1 |
| B | 1 x 5 x 20,000 | long files |
| R | 1 x 10 x 1,980 | A as CMIP7 wants it: repacked, 37 steps a chunk, metadata in pages at the front |
| S | 10,000 x 1 x 12 | an archive of small datasets |
| M | 1 x 50 x 20,000 | a million chunks |
| N | 1 x 20 x 1,980 | NetCDF classic |
| L | 1 x 20 x 1,980 | the newest index of HDF5, an extensible array |
| T | 10,000 x 10 x 2 | tiny files, for a scan that finds nothing new |

Only the first file of a set is written by a library; the others are copies of it with other times. Where the data lie, these have
holes: the metadata lie as far apart as in a real file, and the disk stays free. R, whose seams are read, has its data.
"""

import argparse
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import h5py
import netCDF4
import numpy as np

import make_reader_sets as files

NX, NY = files.NX, files.NY


def directory_of(tree: Path, source_id: str) -> Path:
    return tree / "CMIP6" / "CMIP" / "VZARR" / source_id / "historical" / "r1i1p1f1" / "day" / "tas" / "gn" / "v20260101"


def name_of(source_id: str, first: int, steps: int) -> str:
    """Days of a calendar without leap years from 1850-01-01 on, as the times are."""
    start, end = (f"{1850 + day // 365}{_month(day % 365)}" for day in (first, first + steps - 1))
    return f"tas_day_{source_id}_historical_r1i1p1f1_gn_{start}-{end}.nc"


def _month(day: int) -> str:
    for month, length in enumerate((31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), start=1):
        if day < length:
            return f"{month:02}{day + 1:02}"
        day -= length
    raise ValueError(day)


def write_tiny(path: Path, first: int, steps: int) -> None:
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as dataset:
        for name, size in (("time", None), ("lat", 2), ("lon", 2)):
            dataset.createDimension(name, size)
        for name, dimensions in (("time", ("time",)), ("lat", ("lat",)), ("lon", ("lon",)), ("tas", ("time", "lat", "lon"))):
            attributes = {key: value for key, value in files.VARIABLES[name].items() if key in ("units", "calendar", "axis")}
            dataset.createVariable(name, "f8", dimensions).setncatts(attributes)
        dataset["lat"][:] = dataset["lon"][:] = (0, 1)
        dataset["time"][:] = first + np.arange(steps) + 0.5
        dataset["tas"][:] = np.full((steps, 2, 2), 280.0)


def write_classic(path: Path, steps: int) -> None:
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as dataset:
        dataset.setncatts(files.GLOBAL)
        for name, size in (("time", None), ("lat", NY), ("lon", NX), ("bnds", 2)):
            dataset.createDimension(name, size)
        time = dataset.createVariable("time", "f8", ("time",))
        bounds = dataset.createVariable("time_bnds", "f8", ("time", "bnds"))
        for name, size in (("lat", NY), ("lon", NX)):
            dataset.createVariable(name, "f8", (name,))[:] = np.arange(size)
        dataset.createVariable("height", "f8", ())[...] = 2.0
        tas = dataset.createVariable("tas", "f4", ("time", "lat", "lon"), fill_value=files.FILL)
        for name, attributes in files.VARIABLES.items():
            dataset[name].setncatts({key: value for key, value in attributes.items() if key != "bounds" or name == "time"})
        for step in range(steps):
            tas[step] = 280.0
            bounds[step] = (step, step + 1)
            time[step] = step + 0.5


def repack(path: Path, steps: int) -> None:
    plain = path.with_suffix(".plain")
    files.write_netcdf(plain, steps, 512)
    layout = ["-l", f"tas:CHUNK=37x{NY}x{NX}", "-l", f"time:CHUNK={steps}", "-l", f"time_bnds:CHUNK={steps}x2"]
    subprocess.run(["h5repack", *layout, "-S", "PAGE", "-G", "1048576", plain, path], check=True)
    plain.unlink()


def shifted(path: Path, first: int) -> None:
    """Moves the times of a copy to its place in the series."""
    if first == 0:
        return
    is_hdf5 = h5py.is_hdf5(path)
    with h5py.File(path, "r+") if is_hdf5 else netCDF4.Dataset(path, "a") as dataset:
        for name in ("time", "time_bnds"):
            if name in (dataset if is_hdf5 else dataset.variables):
                dataset[name][:] = dataset[name][:] + first


def make_series(directory: Path, source_id: str, count: int, steps: int, write: Callable[[Path], None], holes: bool = True) -> None:
    directory.mkdir(parents=True)
    original = directory.parent / "first"
    write(original)
    skip = files.holes(original) if holes else []
    for number in range(count):
        path = directory / name_of(source_id, number * steps, steps)
        files.copy(original, path, skip if number else [])
        shifted(path, number * steps)
    original.unlink()


def make_small(tree: Path, datasets: int) -> None:
    tree.mkdir(parents=True)
    original = tree / "first"
    files.write_netcdf(original, 12, 512)
    skip = files.holes(original)
    for number in range(datasets):
        directory = directory_of(tree, f"SMALL-{number:05}")
        directory.mkdir(parents=True)
        files.copy(original, directory / name_of(f"SMALL-{number:05}", 0, 12), skip)
    original.unlink()


def make_tiny(tree: Path, datasets: int) -> None:
    tree.mkdir(parents=True)
    firsts = range(0, 20, 2)
    originals = [tree / f"from-{first}" for first in firsts]
    for original, first in zip(originals, firsts, strict=True):
        write_tiny(original, first, 2)
    for number in range(datasets):
        source_id = f"TINY-{number:05}"
        directory = directory_of(tree, source_id)
        directory.mkdir(parents=True)
        for original, first in zip(originals, firsts, strict=True):
            shutil.copyfile(original, directory / name_of(source_id, first, 2))
    for original in originals:
        original.unlink()


def makers(scale: float) -> dict[str, Callable[[Path], None]]:
    def series(name: str, count: int, steps: int, write: Callable[[Path, int], None], holes: bool = True) -> Callable[[Path], None]:
        few = max(2, round(count * scale))
        return lambda tree: make_series(directory_of(tree, name), name, few, steps, lambda path: write(path, steps), holes)

    return {
        "A": series("A", 20, 1980, lambda path, steps: files.write_netcdf(path, steps, 512)),
        "A1": series("A1", 20, 1980, lambda path, steps: files.write_netcdf(path, steps, 1)),
        "B": series("B", 5, 20_000, lambda path, steps: files.write_netcdf(path, steps, 512)),
        "R": series("R", 10, 1980, repack, holes=False),
        "S": lambda tree: make_small(tree, round(10_000 * scale)),
        "M": series("M", 50, 20_000, lambda path, steps: files.write_netcdf(path, steps, 512)),
        "N": series("N", 20, 1980, write_classic, holes=False),
        "L": series("L", 20, 1980, lambda path, steps: files.write_latest(path, steps, (None, NY, NX))),
        "T": lambda tree: make_tiny(tree, round(10_000 * scale)),
    }


def make(directory: Path, names: list[str], scale: float) -> None:
    for name in names:
        tree = directory / name
        note = tree / "made-from.json"
        made_from = {"scale": scale, "writers": [Path(module).read_text() for module in (__file__, files.__file__)]}
        if note.is_file() and json.loads(note.read_text()) == made_from:
            continue
        shutil.rmtree(tree, ignore_errors=True)
        makers(scale)[name](tree)
        note.write_text(json.dumps(made_from))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--sets", default=",".join(makers(1)), help="which, with commas between (default all)")
    parser.add_argument("--scale", type=float, default=1.0, help="files, and datasets of S, as a part of the full number")
    arguments = parser.parse_args()
    make(arguments.directory, arguments.sets.split(","), arguments.scale)


if __name__ == "__main__":
    main()
