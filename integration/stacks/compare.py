"""Opens many stores through one stack of client libraries and says what each reading finds that is not in the files.

Run by the Python of the stack, once for all stores. The input is JSON, `[{"name", "location", "files", "readings"}]`, where
the location is a URL, or for segments a list of URLs. The output is `{"versions": {...}, "found": {name: {reading: ...}}}` with, for
each reading, either `{"differences": [...]}` or `{"error": "..."}`: a reader that fails is another thing than one that is wrong.
"""

import json
import sys
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import fsspec
import xarray as xr

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import readers  # noqa: E402
import truth  # noqa: E402

NAMED = ("zarr", "xarray", "kerchunk", "fsspec", "numcodecs", "netCDF4", "numpy")


def mapper(location: str, *, decode: bool = True) -> xr.Dataset:
    """What was written before there was `engine="kerchunk"`; zarr 3 does not take such a mapping."""
    store = fsspec.get_mapper("reference://", fo=location)
    return xr.open_dataset(store, engine="zarr", consolidated=False, chunks={} if decode else None, decode_cf=decode)


def segments_by_mapper(locations: Sequence[str], *, decode: bool = True) -> xr.Dataset:
    stores = [fsspec.get_mapper("reference://", fo=location) for location in locations]
    return xr.open_mfdataset(stores, engine="zarr", consolidated=False, decode_cf=decode, **truth.CONCATENATION)


def segments_v3(locations: Sequence[str], *, decode: bool = True) -> xr.Dataset:
    """Each segment as Zarr V3; `open_mfdataset` cannot take them, since all would have one address, `reference://`."""
    parts = [readers.zarr_v3(location, decode=decode) for location in locations]
    options = {key: value for key, value in truth.CONCATENATION.items() if key != "combine"}
    return xr.combine_nested(parts, **options)


READINGS = readers.READERS | {
    "mapper": mapper,
    "segments": readers.segments,
    "segments by mapper": segments_by_mapper,
    "segments, zarr V3": segments_v3,
}


def compared(read: readers.Reader, location: str | Sequence[str], files: Sequence[Path], *, decode: bool) -> dict[str, object]:
    try:
        return {"differences": readers.differences_through(read, location, files, decode=decode)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def look(store: dict[str, object]) -> tuple[str, dict[str, object]]:
    files = [Path(file) for file in store["files"]]
    # Read first and outside of any `try`: files that cannot be read are no failure of a reader.
    truth.decoded(tuple(files))
    truth.raw(tuple(files))
    return store["name"], {
        name if decode else f"{name}, raw": compared(READINGS[name], store["location"], files, decode=decode)
        for name in store["readings"]
        for decode in (True, False)
    }


def main() -> None:
    # Deprecations of their time; what matters is what is read.
    warnings.simplefilter("ignore")
    # Forked, so that the libraries are imported once.
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        found = dict(pool.map(look, json.load(sys.stdin), chunksize=4))
    json.dump({"versions": {name: version(name) for name in NAMED}, "found": found}, sys.stdout)


if __name__ == "__main__":
    main()
