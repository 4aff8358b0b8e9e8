"""The ways a scientist opens a store."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr
import zarr

import truth
from publisher import Store

Reader = Callable[..., xr.Dataset]


def seed(location: str, *, decode: bool = True) -> xr.Dataset:
    """The line every store must open with.

    The engine opens the store with dask and xarray wraps that in dask again, so that every chunk read costs a pass over the graph
    of them all. Raw reading leaves dask out, and has to say twice that nothing shall be decoded.
    """
    with warnings.catch_warnings():
        # zarr-python lists a dual store and meets the metadata of the other format: harmless, and unavoidable in such a store.
        warnings.filterwarnings("ignore", message=r"Object at .*zarr\.json is not recognized")
        if decode:
            return xr.open_dataset(location, engine="kerchunk", chunks={})
        return xr.open_dataset(
            location, engine="kerchunk", decode_cf=False, open_dataset_options={"decode_cf": False, "chunks": None}
        )


def zarr_v3(location: str, *, decode: bool = True) -> xr.Dataset:
    """The same store as native Zarr V3, without the kerchunk package."""
    options = {"fo": location, "remote_options": {"asynchronous": True}}
    chunks = {} if decode else None
    return xr.open_dataset("reference://", engine="zarr", zarr_format=3, chunks=chunks, storage_options=options, decode_cf=decode)


READERS = {"kerchunk": seed, "zarr V3": zarr_v3}


def segments(locations: Sequence[str], *, decode: bool = True) -> xr.Dataset:
    """The segments of a store with seams, joined by the line of docs/reading.md."""
    options = {} if decode else {"decode_cf": False, "open_dataset_options": {"decode_cf": False}}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Object at .*zarr\.json is not recognized")
        return xr.open_mfdataset(
            locations,
            engine="kerchunk",
            combine="nested",
            concat_dim="time",
            data_vars="minimal",
            coords="minimal",
            compat="override",
            combine_attrs="override",
            **options,
        )


# Above so many chunks the seed's line reads sampled time steps: its time grows with the square of their number. The raw reading by
# the same engine, and both by zarr V3, always take all.
MANY_CHUNKS, SAMPLED_STEPS = 500, 50


def _sample(store: xr.Dataset) -> list[int] | None:
    chunks = max((variable.data.npartitions for variable in store.variables.values() if variable.chunks), default=0)
    if chunks <= MANY_CHUNKS or "time" not in store.sizes:
        return None
    return sorted({int(step) for step in np.linspace(0, store.sizes["time"] - 1, SAMPLED_STEPS)})


def differences_through(read: Reader, location: str | Sequence[str], files: Sequence[Path], *, decode: bool) -> list[str]:
    """What one reader finds in a store that is not in the files; an error of the reader is raised."""
    with read(location, decode=decode) as store:
        if not decode:
            return truth.raw_differences(store, files)
        return truth.decoded_differences(store, files, _sample(store) if read is seed else None)


def differences(location: str, files: Sequence[Path]) -> list[str]:
    """What each reader finds in a store that is not in the files, decoded and raw."""
    found = []
    for name, read in READERS.items():
        for decode in (True, False):
            reading = name if decode else f"{name}, raw"
            try:
                found += [f"{reading}: {difference}" for difference in differences_through(read, location, files, decode=decode)]
            except Exception as error:  # a store that does not open or read is a difference like any other
                found.append(f"{reading}: {type(error).__name__}: {error}")
    return found


@contextmanager
def rectilinear() -> Iterator[None]:
    """zarr-python reads rectilinear grids when told so."""
    with zarr.config.set({"array.rectilinear_chunks": True}):
        yield


def store_differences(store: Store, location: Callable[[Path], str]) -> list[str]:
    """What each way to open a store, as it is made, finds that is not in the files; `location` is where readers find its parts."""
    if not store.segments:
        return differences(location(store.manifest), store.files)
    parts = [location(segment) for segment in store.segments]
    found = []
    if store.manifest is None:
        calendars = set()
        for part, files in files_of(parts, store.files):
            found += [f"{Path(part).name}: {line}" for line in differences(part, files)]
            with zarr_v3(part, decode=False) as opened:
                calendars.add(opened["time"].attrs.get("calendar"))
        if len(calendars) > 1:
            return found  # xarray joins no times of two calendars
        with segments(parts) as whole:
            return found + [f"segments: {line}" for line in truth.decoded_differences(whole, store.files)]
    for decode, compare in ((True, truth.decoded_differences), (False, truth.raw_differences)):
        with rectilinear(), zarr_v3(location(store.manifest), decode=decode) as whole:
            found += [f"zarr V3, decode={decode}: {line}" for line in compare(whole, store.files)]
        with segments(parts, decode=decode) as whole:
            found += [f"segments, decode={decode}: {line}" for line in compare(whole, store.files)]
    return found


def files_of(segments: Sequence[str], files: Sequence[Path]) -> Iterator[tuple[str, list[Path]]]:
    """The files of each segment, as many as it has time steps."""
    rest = list(files)
    for segment in segments:
        with zarr_v3(segment, decode=False) as opened:
            missing = opened.sizes["time"]
        taken = []
        while rest and missing > 0:
            taken.append(rest.pop(0))
            with netCDF4.Dataset(taken[-1]) as dataset:
                missing -= dataset.dimensions["time"].size
        yield segment, taken
    assert not rest, f"in no segment: {rest}"
