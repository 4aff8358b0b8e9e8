"""Writes the files that `integration/bench/reader` measures; those of an earlier call with the same numbers stay.

    make_reader_sets.py DIRECTORY [--files 20] [--steps 1980] [--long 20000] [--paged 300000] [--with-data]

Each set lies in a directory of its own. A, A1, B and S are as a model writes with netCDF4, step by step: `tas` in chunks of one
step, 45 global attributes; in A1 the chunks of `time` and `time_bnds` are of one step too, else of 512. EA, FA and B2 have the
chunk indexes of `libver="latest"` (extensible array, fixed array, version 2 B-tree); PE and PF are large arrays, which HDF5 splits
into pages.

Only the first file of a set is written; the others are copies of it. Where the data of `tas` lie, copies have holes (`--with-data`:
the data): the metadata lie as far apart as in a real file and the disk stays free. The first file becomes such a copy too.
"""

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import netCDF4
import numpy as np

NY, NX = 96, 144
FILL = np.float32(1e20)
VARIABLES = {
    "time": {"units": "days since 1850-01-01", "calendar": "noleap", "axis": "T", "standard_name": "time", "bounds": "time_bnds"},
    "lat": {"units": "degrees_north", "axis": "Y", "standard_name": "latitude", "bounds": "lat_bnds"},
    "lon": {"units": "degrees_east", "axis": "X", "standard_name": "longitude", "bounds": "lon_bnds"},
    "tas": {
        "standard_name": "air_temperature",
        "long_name": "Near-Surface Air Temperature",
        "comment": "near-surface (usually, 2 meter) air temperature",
        "units": "K",
        "cell_methods": "area: time: mean",
        "cell_measures": "area: areacella",
        "coordinates": "height",
        "history": "2019-06-10T07:55:31Z altered by CMOR: Treated scalar dimension: 'height'.",
        "missing_value": FILL,
    },
    "height": {"units": "m", "axis": "Z", "positive": "up", "standard_name": "height", "long_name": "height"},
}
TEXTS = """Conventions=CF-1.7 CMIP-6.2|activity_id=CMIP|branch_method=standard|contact=modellers@example.org
creation_date=2019-06-10T07:55:31Z|data_specs_version=01.00.29|experiment=all-forcing simulation of the recent past
experiment_id=historical|external_variables=areacella|frequency=mon|further_info_url=https://furtherinfo.example.org/CMIP6.VZARR
grid=gs2x1.5|grid_label=gr1|history=2019-06-10T07:55:31Z ; CMOR rewrote data to be consistent with CMIP6, CF-1.7 CMIP-6.2 and CF
institution=An institute that has a rather long name, in a town, in a country, with a postal code|institution_id=VZARR
license=CMIP6 model data is licensed under a Creative Commons Attribution ShareAlike 4.0 International License, see terms of use
mip_era=CMIP6|nominal_resolution=100 km|parent_activity_id=CMIP|parent_experiment_id=piControl|parent_mip_era=CMIP6
parent_source_id=BENCH-1-0|parent_time_units=days since 1850-01-01|parent_variant_label=r1i1p1f1|product=model-output
realm=atmos|references=none|run_variant=one of many|source=BENCH-1-0 (2016): aerosol: prescribed, atmos: 2x1.5 degree, ocean, land
source_id=BENCH-1-0|source_type=AOGCM AER|sub_experiment=none|sub_experiment_id=none|table_id=Amon|title=BENCH output for CMIP6
table_info=Creation Date:(20 February 2019) MD5:374fbe5a2bcca535c40f7f23da271e49|tracking_id=hdl:21.14100/1|variable_id=tas
variant_label=r1i1p1f1|cmor_version=3.4.0"""
GLOBAL = dict(pair.split("=", 1) for line in TEXTS.splitlines() for pair in line.split("|"))
GLOBAL |= {"branch_time_in_child": 0.0, "branch_time_in_parent": 35405.0}
GLOBAL |= {"forcing_index": np.int32(1), "realization_index": np.int32(1)}


def fields() -> np.ndarray:
    """Steps that compress about as badly as real air temperature."""
    mean = (250 + 40 * np.cos(np.linspace(-1.5, 1.5, NY))[:, None] + np.zeros(NX)).astype("f4")
    return mean + np.random.default_rng(1).normal(scale=3, size=(16, NY, NX)).round(1).astype("f4")


def write_netcdf(path: Path, steps: int, time_chunk: int) -> None:
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.setncatts(GLOBAL)
        for name, size in (("time", None), ("lat", NY), ("lon", NX), ("bnds", 2)):
            dataset.createDimension(name, size)
        time = dataset.createVariable("time", "f8", ("time",), chunksizes=(time_chunk,))
        bounds = dataset.createVariable("time_bnds", "f8", ("time", "bnds"), chunksizes=(time_chunk, 2))
        for name, size in (("lat", NY), ("lon", NX)):
            dataset.createVariable(name, "f8", (name,))[:] = np.arange(size)
            dataset.createVariable(f"{name}_bnds", "f8", (name, "bnds"))[:] = 0
        dataset.createVariable("height", "f8", ())[...] = 2.0
        tas = dataset.createVariable(
            "tas",
            "f4",
            ("time", "lat", "lon"),
            chunksizes=(1, NY, NX),
            compression="zlib",
            complevel=1,
            shuffle=True,
            fill_value=FILL,
        )
        for name, attributes in VARIABLES.items():
            dataset[name].setncatts(attributes)
        values = fields()
        for step in range(steps):
            tas[step] = values[step % len(values)]
            bounds[step] = (step, step + 1)
            time[step] = step + 0.5


def write_latest(path: Path, steps: int, maximum: tuple[int | None, ...]) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs.update(GLOBAL)
        for name, size in (("time", steps), ("lat", NY), ("lon", NX)):
            file[name] = np.arange(size, dtype="f8")
            file[name].make_scale(name)
        start = tuple(steps if limit else 0 for limit in maximum[:1]) + (NY, NX)
        tas = file.create_dataset(
            "tas", start, "f4", maxshape=maximum, chunks=(1, NY, NX), compression=1, shuffle=True, fillvalue=FILL
        )
        for name in ("time", "lat", "lon", "tas"):
            file[name].attrs.update(VARIABLES[name])
        values = fields()
        for step in range(steps):
            if tas.shape[0] <= step:
                tas.resize(step + 1, axis=0)
            tas[step] = values[step % len(values)]
        for axis, name in enumerate(("time", "lat", "lon")):
            tas.dims[axis].attach_scale(file[name])


def write_paged(path: Path, chunks: int, maximum: int | None) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs.update(GLOBAL)
        tas = file.create_dataset("tas", (chunks, 4), "f4", maxshape=(maximum, 4), chunks=(1, 4), shuffle=True)
        tas.attrs.update(VARIABLES["tas"])
        block = np.zeros((1000, 4), "f4")
        for start in range(0, chunks, 1000):
            tas[start : start + 1000] = block[: chunks - start]


def holes(path: Path) -> list[tuple[int, int]]:
    """Where the data of `tas` lie, first byte and end, unless its chunks are tiny."""
    found: list[tuple[int, int]] = []
    with h5py.File(path) as file:
        file["tas"].id.chunk_iter(lambda chunk: found.append((chunk.byte_offset, chunk.byte_offset + chunk.size)))
    return sorted(hole for hole in found if hole[1] - hole[0] > 4096)


def copy(source: Path, target: Path, skip: list[tuple[int, int]]) -> None:
    size = source.stat().st_size
    with source.open("rb") as reader, target.open("wb") as writer:
        writer.truncate(size)
        start = 0
        for hole, end in [*skip, (size, size)]:
            reader.seek(start)
            writer.seek(start)
            writer.write(reader.read(hole - start))
            start = end


def make(directory: Path, write: Callable[[Path], None], files: int, with_data: bool) -> None:
    directory.mkdir(parents=True)
    first = directory / "first"
    write(first)
    skip = [] if with_data else holes(first)
    for number in range(files):
        copy(first, directory / f"{number:04}.nc", skip)
    first.unlink()


def sets(files: int, steps: int, long: int, paged: int) -> dict[str, tuple[int, Callable[[Path], None]]]:
    """The number of files and the writer of each set."""
    few = max(1, files // 4)
    return {
        "A": (files, lambda path: write_netcdf(path, steps, 512)),
        "A1": (files, lambda path: write_netcdf(path, steps, 1)),
        "B": (few, lambda path: write_netcdf(path, long, 512)),
        "S": (10 * files, lambda path: write_netcdf(path, 12, 512)),
        "EA": (few, lambda path: write_latest(path, steps, (None, NY, NX))),
        "FA": (few, lambda path: write_latest(path, steps, (steps, NY, NX))),
        "B2": (few, lambda path: write_latest(path, steps, (None, None, NX))),
        "PE": (1, lambda path: write_paged(path, paged, None)),
        "PF": (1, lambda path: write_paged(path, paged, paged)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--files", type=int, default=20, help="files in A and A1; ten times as many in S, a quarter in the others")
    parser.add_argument("--steps", type=int, default=1980, help="steps of each file, but 12 in S")
    parser.add_argument("--long", type=int, default=20000, help="steps of each file in B")
    parser.add_argument("--paged", type=int, default=300000, help="chunks of each file in PE and PF")
    parser.add_argument("--with-data", action="store_true", help="no holes in place of the data")
    arguments = parser.parse_args()
    made_from = {**vars(arguments), "directory": "", "writer": Path(__file__).read_text()}
    for name, (files, write) in sets(arguments.files, arguments.steps, arguments.long, arguments.paged).items():
        directory = arguments.directory / name
        note = directory / "made-from.json"
        if note.is_file() and json.loads(note.read_text()) == made_from:
            continue
        shutil.rmtree(directory, ignore_errors=True)
        make(directory, write, files, arguments.with_data)
        note.write_text(json.dumps(made_from))


if __name__ == "__main__":
    main()
