"""Opens one store in a process of its own and reads from it, step by step; see client.py.

    client_reader.py LINE URL [STEP]

Imports what readers import, prints `{}`, and for each line of standard input takes the next step and prints its seconds and the
mean of what was read. The one chunk is that of time step STEP, by default in the middle.
"""

import json
import sys
import time
import warnings

import aiohttp  # noqa: F401
import cftime  # noqa: F401
import dask.array  # noqa: F401
import fastparquet  # noqa: F401
import fsspec.implementations.http
import fsspec.implementations.reference  # noqa: F401
import icechunk
import kerchunk.xarray_backend  # noqa: F401
import numpy as np
import xarray as xr
import zarr  # noqa: F401

SERIES = 300


def open_icechunk(url: str) -> xr.Dataset:
    """As docs/icechunk.md has it."""
    storage = icechunk.http_storage(url)
    config = icechunk.Repository.fetch_config(storage)
    access = {prefix: icechunk.Credentials.HttpAccess() for prefix in config.virtual_chunk_containers}
    repository = icechunk.Repository.open(storage, authorize_virtual_chunk_access=access)
    store = repository.readonly_session("main").store
    return xr.open_dataset(store, engine="zarr", zarr_format=3, consolidated=False, chunks={})


LINES = {
    "kerchunk": lambda url: xr.open_dataset(url, engine="kerchunk", chunks={}),
    "kerchunk-fast": lambda url: xr.open_dataset(url, engine="kerchunk", chunks={}, open_dataset_options={"chunks": None}),
    "zarr-v3": lambda url: xr.open_dataset(
        "reference://",
        engine="zarr",
        zarr_format=3,
        chunks={},
        storage_options={"fo": url, "remote_options": {"asynchronous": True}},
    ),
    "icechunk": open_icechunk,
    "native-v3": lambda url: xr.open_dataset(url, engine="zarr", zarr_format=3, chunks={}),
}


def peak() -> float:
    """MB of memory, at most; imports take most of it."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1000 for line in status if line.startswith("VmHWM"))


def main() -> None:
    warnings.simplefilter("ignore")
    line, url, *step = sys.argv[1:]
    print("{}", flush=True)
    opened: list[xr.Dataset] = []

    def open_it() -> float:
        opened.append(LINES[line](url))
        return float(opened[0].sizes["time"])

    def one_chunk() -> float:
        place = int(step[0]) if step else opened[0].sizes["time"] // 2
        return float(np.mean(opened[0]["tas"][place].values, dtype="f8"))

    def series() -> float:
        return float(np.mean(opened[0]["tas"][100 : 100 + SERIES, 1, 1].values, dtype="f8"))

    for take in (open_it, one_chunk, series):
        sys.stdin.readline()
        start = time.perf_counter()
        read = take()
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "read": read, "peak": peak()}), flush=True)


if __name__ == "__main__":
    main()
