"""The ways a scientist opens a store."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import xarray as xr

import truth


def seed(location: str, *, decode: bool = True) -> xr.Dataset:
    """The line every store must open with.

    Raw reading has to tell the engine twice, and also to leave chunks to xarray: by default the engine wraps dask in dask, which
    costs a pass over the whole graph for every chunk.
    """
    with warnings.catch_warnings():
        # zarr-python lists a dual store and meets the metadata of the other format: harmless, and unavoidable in such a store.
        warnings.filterwarnings("ignore", message=r"Object at .*zarr\.json is not recognized")
        if decode:
            return xr.open_dataset(location, engine="kerchunk", chunks={})
        return xr.open_dataset(location, engine="kerchunk", chunks={}, decode_cf=False, open_dataset_options={"decode_cf": False, "chunks": None})


def zarr_v3(location: str, *, decode: bool = True) -> xr.Dataset:
    """The same store as native Zarr V3, without the kerchunk package."""
    options = {"fo": location, "remote_options": {"asynchronous": True}}
    return xr.open_dataset("reference://", engine="zarr", zarr_format=3, chunks={}, storage_options=options, decode_cf=decode)


READERS = {"kerchunk": seed, "zarr V3": zarr_v3}


def differences(location: str, files: Sequence[Path]) -> list[str]:
    """What each reader finds in a store that is not in the files, decoded and raw."""
    found = []
    for name, read in READERS.items():
        for decode, compare in ((True, truth.decoded_differences), (False, truth.raw_differences)):
            try:
                with read(location, decode=decode) as store:
                    found += [f"{name}{'' if decode else ', raw'}: {difference}" for difference in compare(store, files)]
            except Exception as error:  # a store that does not open or read is a difference like any other
                found.append(f"{name}{'' if decode else ', raw'}: {type(error).__name__}: {error}")
    return found
